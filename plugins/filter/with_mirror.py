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
version_added: 0.1.0
short_description: Settings by which registries are read through a mirror
description:
  - Adds a mirror to settings for registries, as the option C(registries) of the modules takes them. For the registries named, it takes the place of mirrors
    that were there; the others stay as they are.
  - Credentials and TLS settings that are there for the mirror's own host are used for the mirror.
options:
  _input:
    description: The settings, a list with one entry for each registry. It may be empty.
    type: list
    elements: dict
    required: true
  url:
    description: The address of the mirror, C(scheme://host[:port][/prefix]).
    type: str
    required: true
  names:
    description: The registries, as they stand in names of images. A single one may be given as text.
    type: list
    elements: str
    required: true
  mirror_only:
    description: Whether these registries themselves are never read from.
    type: bool
    default: false
positional: url, names
"""

EXAMPLES = """
- name: Pull by the names that everybody knows, from the mirror of this site
  longshore.images.image_pull:
    name: docker.io/library/nginx:1.27
    registries: "{{ [] | longshore.images.with_mirror('https://registry.example.com/hub', ['docker.io', 'quay.io']) }}"
"""

RETURN = """
_value:
  description: The settings with the mirror.
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
    """REGISTRIES, in which each of NAMES is read through the mirror at URL. Raises AnsibleFilterError for what has another shape than the documented one."""
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
    """NAMES as a list: Python would take a single name apart."""
    listed = [names] if isinstance(names, str) else _listed(names, "registries")
    for name in listed:
        if not isinstance(name, str):
            raise AnsibleFilterError(f"with_mirror: {name!r:.100} is no name of a registry")
    return listed


def _listed(values: t.Any, what: str) -> list[t.Any]:
    """The items of a list, or of what a filter before this one gives bit by bit. Nothing of VALUES is told: there may be passwords in it."""
    if isinstance(values, (str, dict)) or not isinstance(values, t.Iterable):
        raise AnsibleFilterError(f"with_mirror: the {what} have to be a list, and are none")
    return list(values)


class FilterModule:
    """What Ansible asks for."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"with_mirror": with_mirror}
