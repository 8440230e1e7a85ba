# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter misspelt: see DOCUMENTATION."""

from __future__ import annotations

import difflib
import typing as t

DOCUMENTATION = """
name: misspelt
author: Longshore contributors
version_added: 0.1.0
short_description: Names that look like misspelt ones
description:
  - Of the names given, those that aren't known but look like one that is. Names that look like none are left alone.
  - A role takes no notice of a variable that it doesn't know. With this filter it notices those that were meant for it.
options:
  _input:
    description: The names to look at.
    type: list
    elements: str
    required: true
  known:
    description: The names that are right.
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
  description: Each misspelt name with the name that was probably meant.
  type: dict
  sample: {web_prot: web_port}
"""

# A swap of two letters in a word of four, the smallest mistake in the shortest word, is as near as this.
LIKENESS = 0.75


def misspelt(names: t.Iterable[str], known: t.Sequence[str]) -> dict[str, str]:
    """The NAMES that aren't KNOWN but nearly, each with what was probably meant."""
    found = {}
    for name in sorted(set(names) - set(known)):
        prefix, _separator, _rest = name.partition("_")
        # What all names of a role begin with says nothing about their likeness.
        rests = {right.removeprefix(f"{prefix}_"): right for right in known if right.startswith(f"{prefix}_")}
        near = difflib.get_close_matches(name.removeprefix(f"{prefix}_"), rests, n=1, cutoff=LIKENESS)
        if near:
            found[name] = rests[near[0]]
    return found


class FilterModule:
    """What Ansible asks for."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"misspelt": misspelt}
