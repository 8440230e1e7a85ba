# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of lookups."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleLookupError


def read_lookup_options(plugin: t.Any, name: str, variables: t.Mapping[str, t.Any] | None, arguments: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return the options of the lookup NAME, called with ARGUMENTS. Raises AnsibleLookupError for an unknown one, which Ansible would ignore."""
    plugin.set_options(var_options=variables, direct=arguments)
    options: dict[str, t.Any] = plugin.get_options()
    unknown = sorted(arguments.keys() - options.keys())
    if unknown:
        raise AnsibleLookupError(f"{', '.join(unknown)}: the lookup {name} has no such option")
    return options
