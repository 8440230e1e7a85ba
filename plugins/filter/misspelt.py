# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter misspelt: see DOCUMENTATION."""

from __future__ import annotations

import typing as t

from ..module_utils.task.unknown_options import find_similar

DOCUMENTATION = """
name: misspelt
author: Longshore contributors
version_added: 1.0.0
short_description: Find names that look like misspelt known names
description:
  - Returns the names in the input that are unknown but similar to a known name. Names that are not similar to any known name are ignored.
  - Roles silently ignore variables that they don't know. With this filter a role can report misspelt variables instead.
options:
  _input:
    description: The names to check.
    type: list
    elements: str
    required: true
  known:
    description: The known names.
    type: list
    elements: str
    required: true
positional: known
"""

EXAMPLES = """
- name: Refuse misspelt variables
  ansible.builtin.assert:
    that: wrong == {}
    fail_msg: "unknown variables: {{ wrong }}"
  vars:
    wrong: "{{ q('ansible.builtin.varnames', '^web_') | longshore.images.misspelt(['web_port', 'web_user']) }}"
"""

RETURN = """
_value:
  description: The misspelt names. Each key is a misspelt name, its value the known name that was probably meant.
  type: dict
  sample: {web_prot: web_port}
"""


def misspelt(names: t.Iterable[str], known: t.Sequence[str]) -> dict[str, str]:
    """Return those of NAMES that are not KNOWN but similar to a known name, each with that name."""
    found = {}
    for name in sorted(set(names) - set(known)):
        prefix, _separator, _rest = name.partition("_")
        # All names of a role share their prefix, so it is not compared.
        rests = {right.removeprefix(f"{prefix}_"): right for right in known if right.startswith(f"{prefix}_")}
        near = find_similar(name.removeprefix(f"{prefix}_"), rests)
        if near is not None:
            found[name] = rests[near]
    return found


class FilterModule:
    """The class that Ansible loads."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filters by name."""
        return {"misspelt": misspelt}
