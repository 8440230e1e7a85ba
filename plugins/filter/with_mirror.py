# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter with_mirror: see DOCUMENTATION."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

DOCUMENTATION = """
name: with_mirror
author: Longshore contributors
version_added: 1.0.0
short_description: Add a mirror to the settings of registries
description:
  - Adds a mirror to a list of settings in the form of the modules' option C(registries). For the given registries the mirror replaces existing mirrors. The
    settings of other registries stay unchanged.
  - If the list has credentials or TLS settings for the mirror's own host, the mirror uses them.
options:
  _input:
    description: The settings, a list with one entry for each registry. It may be empty.
    type: list
    elements: dict
    required: true
  url:
    description: The address of the mirror, as C(scheme://host[:port][/prefix]).
    type: str
    required: true
  names:
    description: The registries, as written in references. A single registry may be given as a string.
    type: list
    elements: str
    required: true
  mirror_only:
    description: Whether to read from the mirror only, and never from these registries themselves.
    type: bool
    default: false
positional: url, names
"""

EXAMPLES = """
- name: Pull an image by its public name from a local mirror
  longshore.images.image_pull:
    name: docker.io/library/nginx:1.27
    registries: "{{ [] | longshore.images.with_mirror('https://registry.example.com/hub', ['docker.io', 'quay.io']) }}"
"""

RETURN = """
_value:
  description: The settings, with the mirror added.
  type: list
  elements: dict
  sample:
    - name: docker.io
      mirrors:
        - url: https://registry.example.com/hub
      mirror_only: false
"""

SHARED = ("username", "password", "ca_path", "validate_certs")


def with_mirror(registries: t.Any, url: t.Any, names: t.Any, mirror_only: bool = False) -> list[dict[str, t.Any]]:
    """Return REGISTRIES with the mirror at URL set for each of NAMES. Raises AnsibleFilterError for values of another type than documented."""
    if not isinstance(url, str):
        raise AnsibleFilterError(f"with_mirror: the url of the mirror is no text but {url!r:.100}")
    host = url.partition("://")[2].partition("/")[0]
    settings = _by_name(registries)
    mirror = {"url": url, **{option: value for option, value in settings.get(host, {}).items() if option in SHARED}}
    for name in _texts(names):
        settings[name] = {**settings.get(name, {"name": name}), "mirrors": [mirror], "mirror_only": mirror_only}
    return list(settings.values())


def _by_name(registries: t.Any) -> dict[str, dict[str, t.Any]]:
    settings: dict[str, dict[str, t.Any]] = {}
    for registry in _listed(registries, "settings"):
        if not isinstance(registry, dict) or not isinstance(registry.get("name"), str):
            raise AnsibleFilterError("with_mirror: each of the settings has to be a dictionary with the name of a registry, and one has no name")
        settings[registry["name"]] = dict(registry)
    return settings


def _texts(names: t.Any) -> list[str]:
    """Return NAMES as a list. A single name must not be iterated: it would be split into letters."""
    listed = [names] if isinstance(names, str) else _listed(names, "registries")
    for name in listed:
        if not isinstance(name, str):
            raise AnsibleFilterError(f"with_mirror: {name!r:.100} is no name of a registry")
    return listed


def _listed(values: t.Any, what: str) -> list[t.Any]:
    """Return the items of a list or of another filter's iterator. The error shows no values: they may contain passwords."""
    if isinstance(values, (str, dict)) or not isinstance(values, t.Iterable):
        raise AnsibleFilterError(f"with_mirror: the {what} must be a list")
    return list(values)


class FilterModule:
    """The class that Ansible loads."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filters by name."""
        return {"with_mirror": with_mirror}
