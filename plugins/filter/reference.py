# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter reference: see DOCUMENTATION."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ..module_utils.errors import InvalidReference
from ..module_utils.oci.reference import Reference

DOCUMENTATION = """
name: reference
author: Longshore contributors
version_added: 1.0.0
short_description: Split the name of an image into its parts
description:
  - Parses the name of an image by docker's rules, as all modules of this collection do, and returns its parts.
options:
  _input:
    description: The name, such as V(nginx) or V(registry.example.com/team/app:3).
    type: str
    required: true
"""

EXAMPLES = """
- name: Show which registries a list of images comes from
  ansible.builtin.debug:
    msg: "{{ images | map('longshore.images.reference') | map(attribute='registry') | unique }}"
  vars:
    images:
      - nginx:1.27
      - registry.example.com/team/app:3
"""

RETURN = """
_value:
  description:
    - The parts of the name.
    - C(name) is the whole normalised name. C(context) is C(registry) and C(repository) joined by a slash.
    - C(tag) and C(digest) are null if the name has none.
  type: dict
  sample:
    name: docker.io/library/nginx:latest
    registry: docker.io
    repository: library/nginx
    context: docker.io/library/nginx
    tag: latest
    digest: null
"""


def reference(name: t.Any) -> dict[str, str | None]:
    """Return the parts of NAME, normalised. Raises AnsibleFilterError if it is no reference."""
    if not isinstance(name, str):
        raise AnsibleFilterError(f"{name!r:.100} is no text, and so no name of an image; put a name in quotes")
    try:
        parsed = Reference.parse(str(name))
    except InvalidReference as error:
        raise AnsibleFilterError(error.message) from error
    return {
        "name": str(parsed),
        "registry": parsed.registry,
        "repository": parsed.repository,
        "context": parsed.context,
        "tag": parsed.tag,
        "digest": str(parsed.digest) if parsed.digest is not None else None,
    }


class FilterModule:
    """The class that Ansible loads."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filters by name."""
        return {"reference": reference}
