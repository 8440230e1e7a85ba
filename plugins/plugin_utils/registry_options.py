# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The registry options of plugins that send requests to registries from the controller."""

from __future__ import annotations

import typing as t

from ..module_utils.task.arguments import REGISTRY
from .option_checks import check_options


def read_registry_options(options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return the options in the form that a module gets, with all defaults. Raises InvalidOption for options that a module would refuse."""
    return check_options(REGISTRY, {name: options[name] for name in REGISTRY.options if name in options})
