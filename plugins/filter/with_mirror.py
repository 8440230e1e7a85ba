# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter with_mirror: see DOCUMENTATION."""

from __future__ import annotations

import typing as t

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
    description: The registries, as they stand in names of images.
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


def with_mirror(registries: t.Sequence[t.Mapping[str, t.Any]], url: str, names: t.Sequence[str], mirror_only: bool = False) -> list[dict[str, t.Any]]:
    """REGISTRIES, in which each of NAMES is read through the mirror at URL."""
    host = url.partition("://")[2].partition("/")[0]
    settings: dict[str, dict[str, t.Any]] = {str(registry["name"]): dict(registry) for registry in registries}
    mirror = {"url": url, **{option: value for option, value in settings.get(host, {}).items() if option in SHARED}}
    for name in names:
        settings[name] = {**settings.get(name, {"name": name}), "mirrors": [mirror], "mirror_only": mirror_only}
    return list(settings.values())


class FilterModule:
    """What Ansible asks for."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"with_mirror": with_mirror}
