# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The registry options of plugins that send requests to registries from the controller."""

from __future__ import annotations

import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..module_utils.errors import InvalidOption
from ..module_utils.task.arguments import REGISTRY, select_given


def read_registry_options(options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return the options in the form that a module gets, with all defaults. Raises InvalidOption for options that a module would refuse."""
    given, faults = select_given(REGISTRY.options, {name: options[name] for name in REGISTRY.options if name in options})
    validated = ArgumentSpecValidator({name: dict(option) for name, option in REGISTRY.options.items()}, **REGISTRY.rules).validate(given)
    if faults or validated.error_messages:
        raise InvalidOption("; ".join([*faults, *validated.error_messages]))
    parameters: dict[str, t.Any] = validated.validated_parameters
    REGISTRY.check(parameters)
    return parameters
