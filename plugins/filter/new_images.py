# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter new_images: see DOCUMENTATION."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ..module_utils.errors import LongshoreError
from ..module_utils.oci.reference import Reference

DOCUMENTATION = """
name: new_images
author: Longshore contributors
version_added: 1.0.0
short_description: Convert a list of images to build into the options of modules
description:
  - Converts a list of images, in the form that the role P(longshore.images.build#role) accepts, into the options of M(longshore.images.image_append), and says
    which bases have to be pulled.
options:
  _input:
    description:
      - The entries. Each has a C(name) and a C(base), and optionally C(tags), C(platforms) and C(push), and other options of
        M(longshore.images.image_append).
    type: list
    elements: dict
    required: true
  pending:
    description: The names of bases that are not in the store yet. Images on them wait, and so do images on those.
    type: list
    elements: str
    default: []
positional: pending
"""

EXAMPLES = """
- name: Show which bases are pulled
  ansible.builtin.debug:
    msg: "{{ build_images | longshore.images.new_images | selectattr('pulled') | map(attribute='base') }}"
"""

RETURN = """
_value:
  description:
    - One entry for each image, in the same order.
    - C(name) is the normalised name, C(names) has it and the names of the further tags.
    - C(base) is the normalised base, and null for V(scratch). C(pulled) is V(true) if no image of the list is the base, so that it has to be pulled.
    - C(platforms) and C(pushed) are the values of the entry, or their defaults. C(options) are those of M(longshore.images.image_append).
    - C(waits) is V(true) if the base is pending.
  type: list
  elements: dict
  sample:
    - name: registry.example.com/team/site:7
      names: [registry.example.com/team/site:7, registry.example.com/team/site:latest]
      base: docker.io/library/nginx:1.27
      pulled: true
      platforms: []
      pushed: true
      options:
        name: registry.example.com/team/site:7
        base: docker.io/library/nginx:1.27
        targets: [registry.example.com/team/site:latest]
      waits: false
"""

SCRATCH = "scratch"
# The keys of an entry that are no options of image_append, or have another name there.
OWN_KEYS = ("name", "base", "tags", "platforms", "push")


def new_images(entries: t.Any, pending: t.Any = ()) -> list[dict[str, t.Any]]:
    """Return the images of ENTRIES. Raises AnsibleFilterError for values of another type than documented, and for invalid names."""
    images = [_convert(entry) for entry in _listed(entries, "the images")]
    made = {name for image in images for name in image["names"]}
    waiting = {_parse(name, "a pending base") for name in _listed(pending, "the pending bases")}
    for image in images:
        base = image["base"]
        image["pulled"] = base is not None and base not in made
        image["waits"] = base is not None and str(Reference.parse(base).name) in waiting
        if image["waits"]:
            waiting.update(image["names"])
    return images


def _convert(entry: t.Any) -> dict[str, t.Any]:
    if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in ("name", "base")):
        raise AnsibleFilterError(f"new_images: each image has to be a dictionary whose name and base are text, and one is {entry!r:.100}")
    name = _parse(entry["name"], "an image")
    base = None if entry["base"] == SCRATCH else _parse(entry["base"], f"the base of {name}")
    tags = _listed(entry.get("tags") or [], f"the tags of {name}")
    names = list(dict.fromkeys([name, *(_parse(f"{Reference.parse(name).context}:{tag}", f"a tag of {name}") for tag in tags)]))
    platforms = _listed(entry.get("platforms") or [], f"the platforms of {name}")
    options = {key: value for key, value in entry.items() if key not in OWN_KEYS and value not in (None, "")}
    options.update({"name": name, "base": base or SCRATCH, "targets": names[1:]}, **({"platform": platforms} if platforms else {}))
    pushed = entry.get("push")
    return {"name": name, "names": names, "base": base, "platforms": platforms, "pushed": pushed is None or bool(pushed), "options": options}


def _parse(name: str, what: str) -> str:
    """Return the normalised form of NAME."""
    try:
        return str(Reference.parse(str(name)))
    except LongshoreError as error:
        raise AnsibleFilterError(f"{what}: {error.message}") from error


def _listed(values: t.Any, what: str) -> list[t.Any]:
    """Return the items of a list or of another filter's iterator. A text must not be iterated: it would be split into letters."""
    if isinstance(values, (str, dict)) or not isinstance(values, t.Iterable):
        raise AnsibleFilterError(f"new_images: {what} must be in a list")
    return list(values)


class FilterModule:
    """The class that Ansible loads."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filters by name."""
        return {"new_images": new_images}
