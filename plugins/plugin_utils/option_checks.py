# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check options on the controller, as a module on the host would."""

from __future__ import annotations

import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..module_utils.errors import InvalidOption
from ..module_utils.task.arguments import Arguments, select_given
from ..module_utils.task.unknown_options import describe_unknown


def check_options(arguments: Arguments, options: t.Mapping[str, t.Any], module: str = "the plugin") -> dict[str, t.Any]:
    """Return OPTIONS in the form that a module gets, with all defaults. Raises InvalidOption for options that a module would refuse."""
    specification = arguments.as_kwargs()["argument_spec"]
    given, faults = select_given(specification, {name: value for name, value in options.items() if name not in arguments.unused})
    validated = ArgumentSpecValidator(specification, **arguments.rules).validate(given)
    if faults or validated.error_messages:
        unknown = describe_unknown(module, specification, given)
        raise InvalidOption(unknown or "; ".join([*faults, *validated.error_messages]))
    parameters: dict[str, t.Any] = validated.validated_parameters
    arguments.check(parameters)
    return parameters
