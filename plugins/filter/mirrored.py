# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter mirrored: see DOCUMENTATION."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

from ..module_utils.errors import InvalidReference
from ..module_utils.oci.reference import Reference

DOCUMENTATION = """
name: mirrored
author: Longshore contributors
version_added: 1.0.0
short_description: Compute where each image of a list is mirrored to
description:
  - Converts a list of images, in the form that the role P(longshore.images.mirror#role) accepts, into single images with their destinations.
  - The image C(docker.io/library/nginx:1.27) goes to C(PREFIXlibrary/nginx:1.27), so that the prefix works as the address of a mirror of that registry.
options:
  _input:
    description:
      - The entries. Each has a C(name), and optionally C(tags), C(destination), C(platforms) and C(referrers).
    type: list
    elements: dict
    required: true
  prefix:
    description: A registry with an optional path, followed by a slash.
    type: str
    required: true
  found:
    description: For each entry, in the same order, the list of tags that were found for it.
    type: list
    elements: list
    required: true
positional: prefix, found
"""

EXAMPLES = """
- name: Show where images would go
  ansible.builtin.debug:
    msg: "{{ [{'name': 'nginx', 'tags': ['1.27']}] | longshore.images.mirrored('registry.example.com/hub/', [[]]) }}"
"""

RETURN = """
_value:
  description:
    - One entry for each image.
    - C(image) has the normalised C(src) and C(dest). C(settings) has the platforms and referrers option to copy it with.
    - C(below) is V(true) if the destination is below the prefix, and V(false) if the entry has its own C(destination).
  type: list
  elements: dict
  sample:
    - image:
        src: docker.io/library/nginx:1.27
        dest: registry.example.com/hub/library/nginx:1.27
      settings:
        platforms: []
        referrers: false
      below: true
"""

CHOICES = ("tags", "tag_pattern", "tag_versions", "newest")


def mirrored(entries: t.Any, prefix: t.Any, found: t.Any) -> list[dict[str, t.Any]]:
    """Return each image of ENTRIES once, in order.

    Raises AnsibleFilterError for values of another type than documented, for invalid names, and for two images with one destination.
    """
    entries, found = _listed(entries, "the images"), _listed(found, "the tags that were found")
    if not isinstance(prefix, str):
        raise AnsibleFilterError(f"mirrored: the prefix {prefix!r:.100} is no text")
    if len(entries) != len(found):
        raise AnsibleFilterError(f"mirrored: there are {len(entries)} images and {len(found)} lists of found tags; give one list for each image")
    try:
        images = [image for entry, tags in zip(entries, found) for image in _images(entry, prefix, tags)]
    except InvalidReference as error:
        raise AnsibleFilterError(error.message) from error
    by_destination: dict[str, dict[str, t.Any]] = {}
    for image in images:
        one, other = image["image"], by_destination.setdefault(image["image"]["dest"], image)
        if other["image"] != one:
            raise AnsibleFilterError(
                f"{other['image']['src']} and {one['src']} would both become {one['dest']}; give one of them another destination"
            )
        if other != image:
            raise AnsibleFilterError(f"{one['src']} is listed twice, with different platforms or referrers")
    return list(by_destination.values())


def _images(entry: t.Any, prefix: str, found: t.Any) -> t.Iterator[dict[str, t.Any]]:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise AnsibleFilterError(f"mirrored: each image has to be a dictionary whose name is text, and one is {entry!r:.100}")
    name = str(entry["name"])
    named = Reference.parse(name)
    chooses = any(entry.get(choice) for choice in CHOICES)
    if chooses and is_whole(name):
        raise AnsibleFilterError(f"{name} has a tag or digest already; remove that from the name, or don't choose tags")
    tags = dict.fromkeys([*_texts(entry.get("tags"), name, "tag"), *_texts(found, name, "tag")])
    sources = [named.with_tag(tag) for tag in tags] if chooses else [named]
    destination = entry.get("destination") or ""
    if not isinstance(destination, str):
        raise AnsibleFilterError(f"{name}: the destination {destination!r:.100} is no text")
    if is_whole(destination) and len(sources) > 1:
        raise AnsibleFilterError(f"{destination} is one image, and {name} means {len(sources)}; leave the tag out of that destination")
    platforms = _texts(entry.get("platforms"), name, "platform")
    for source in sources:
        yield {
            "image": {"src": str(source), "dest": str(_destination(source, prefix, destination))},
            "settings": {"platforms": platforms, "referrers": bool(entry.get("referrers"))},
            "below": not destination,
        }


def _texts(values: t.Any, name: str, what: str) -> list[str]:
    """Return a list of texts that belong to the image NAME; empty if there is none."""
    texts = _listed([] if values is None else values, f"{name}: each {what}")
    for text in texts:
        if not isinstance(text, str):
            raise AnsibleFilterError(f"{name}: the {what} {text!r:.100} is no text, so YAML may have changed it; put it in quotes")
    return texts


def _listed(values: t.Any, what: str) -> list[t.Any]:
    """Return the items of a list or of another filter's iterator. A text must not be iterated: it would be split into letters."""
    if isinstance(values, (str, dict)) or not isinstance(values, t.Iterable):
        raise AnsibleFilterError(f"mirrored: {what} must be in a list")
    return list(values)


def _destination(source: Reference, prefix: str, destination: str) -> Reference:
    """Return the destination of SOURCE: below PREFIX, as a push would build it, or DESTINATION if it has one."""
    if is_whole(destination):
        return Reference.parse_destination(destination)
    tail = f":{source.tag}" if source.tag is not None else f"@{source.digest}"
    return Reference.parse_destination(f"{destination or prefix + source.repository}{tail}")


def is_whole(name: str) -> bool:
    """Return whether NAME has a tag or a digest."""
    return ":" in name.rpartition("/")[2]


class FilterModule:
    """The class that Ansible loads."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filters by name."""
        return {"mirrored": mirrored}
