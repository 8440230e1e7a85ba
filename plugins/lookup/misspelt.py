# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookup misspelt: see DOCUMENTATION."""

from __future__ import annotations

DOCUMENTATION = """
name: misspelt
author: Longshore contributors (@longshore)
version_added: 1.0.0
short_description: Find variables that look like misspelt variables of a role
description:
  - Returns the variables of the host that are unknown but similar to a known variable with the same prefix. Other variables are ignored.
  - Roles silently ignore variables that they don't know. With this lookup a role can report misspelt variables instead.
  - The prefix is the text before the first underscore. Variables with two underscores in a row are ignored, because roles use such names for their own values.
options:
  _terms:
    description: The known variables.
    type: list
    elements: str
    required: true
  role_path:
    description: The folder of a role. The options in its C(meta/argument_specs.yml) are known too.
    type: str
  own:
    description: Variables that are never reported.
    type: list
    elements: str
    default: []
"""

EXAMPLES = """
- name: Reject misspelt variables
  ansible.builtin.fail:
    msg: "There is no variable {{ wrong | join(', ') }}."
  when: wrong != []
  vars:
    wrong: "{{ query('longshore.images.misspelt', 'web_port', 'web_user') }}"
"""

RETURN = """
_raw:
  description: One text for each misspelt variable, sorted. The known variable that was probably meant follows in parentheses.
  type: list
  elements: str
  sample: ["web_prot (web_port?)"]
"""

import os
import typing as t

import yaml
from ansible.plugins.lookup import LookupBase

from ..module_utils.task.unknown_options import find_similar
from ..plugin_utils.lookup_options import read_lookup_options

# The loader in C is ten times as fast. Each host of a play reads the file.
_Loader: t.Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class LookupModule(LookupBase):
    """The class that Ansible loads."""

    def run(self, terms: t.Any, variables: t.Mapping[str, t.Any] | None = None, **kwargs: t.Any) -> list[str]:
        """Return the misspelt ones of VARIABLES. Raises AnsibleLookupError for an unknown option."""
        plugin: t.Any = self  # its methods from Ansible have no types
        options = read_lookup_options(plugin, "misspelt", variables, kwargs)
        return list_misspelt(variables or (), plugin._flatten(terms), options["role_path"], options["own"])


def list_misspelt(variables: t.Iterable[str], known: t.Iterable[t.Any], role_path: str | None, own: t.Iterable[t.Any]) -> list[str]:
    """Return a text for each misspelt one of VARIABLES, except for OWN. The options of the role in ROLE_PATH are known too."""
    names = [*map(str, known), *(read_role_options(role_path) if role_path else ())]
    found = find_misspelt(set(variables) - set(map(str, own)), names)
    return [f"{name} ({meant}?)" for name, meant in found.items()]


def read_role_options(role: str) -> list[str]:
    """Return the names of the variables of the role in the folder ROLE."""
    with open(os.path.join(role, "meta", "argument_specs.yml"), "rb") as file:
        return list(yaml.load(file, _Loader)["argument_specs"]["main"]["options"])  # noqa: S506 - both loaders are safe


def find_misspelt(names: t.Iterable[str], known: t.Sequence[str]) -> dict[str, str]:
    """Return those of NAMES that are not KNOWN but similar to a known name with the same prefix, each with that name."""
    by_prefix: dict[str, dict[str, str]] = {}
    for name in known:
        prefix, _separator, rest = name.partition("_")
        by_prefix.setdefault(prefix, {})[rest] = name
    found = {}
    for name in sorted(set(names) - set(known)):
        # All names of a role share their prefix, so it is not compared.
        prefix, separator, rest = name.partition("_")
        near = find_similar(rest, by_prefix[prefix]) if separator and "__" not in name and prefix in by_prefix else None
        if near is not None:
            found[name] = by_prefix[prefix][near]
    return found
