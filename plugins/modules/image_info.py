#!/usr/bin/python
# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_info
short_description: Show what is known of images in the store or in an archive
version_added: 0.1.0
description:
  - Returns the details of images in the store, or in an archive. Nothing is written.
  - An image that isn't there is no failure, its row has C(present=false).
options:
  name:
    description: The images, by name, or by digest or ID written in full. All images of the store when it is left out.
    type: list
    elements: str
  archive:
    description: An archive on the host, a file or a folder. Its images are shown instead of the store's, without loading them.
    type: path
  filters:
    description: Conditions that images must fulfil to be shown.
    type: dict
    default: {}
    suboptions:
      reference:
        description: Globs on the normalised name, of which one must match. C(*) and C(?) don't match a slash.
        type: list
        elements: str
        default: []
      label:
        description: Labels that the image must have, as C(key) or C(key=value).
        type: list
        elements: str
        default: []
      dangling:
        description: V(true) shows unnamed images only, V(false) named ones only.
        type: bool
      before:
        description: An image of the store. Only images that were created before it are shown.
        type: str
      since:
        description: An image of the store. Only images that were created after it are shown.
        type: str
extends_documentation_fragment:
  - longshore.images.store
  - longshore.images.attributes.info_module
  - longshore.images.attributes.actiongroup
author:
  - Longshore contributors (@longshore)
seealso:
  - module: longshore.images.image_history_info
"""

EXAMPLES = r"""
---
- name: Read what is in the store
  longshore.images.image_info:
  register: stored

- name: Fail unless an image is here for the host
  longshore.images.image_info:
    name: docker.io/library/nginx:1.27
  register: nginx
  failed_when: not nginx.images[0].present

- name: Read what is in an archive
  longshore.images.image_info:
    archive: /srv/transfer/images.tar

- name: Find unnamed images
  longshore.images.image_info:
    filters:
      dangling: true
"""

RETURN = r"""
actions:
  description: Always empty, since nothing is ever changed.
  returned: success
  type: list
  elements: str
  sample: []
images:
  description:
    - One row for each image, in the order asked for.
  returned: success, and when single images failed
  type: list
  elements: dict
  contains:
    name:
      description: The normalised name. Null for an unnamed image.
      type: str
      sample: docker.io/library/nginx:1.27
    digest:
      description: What the name points at, an index or a manifest.
      type: str
      sample: sha256:0a399eb16751829e1af26fea27b20c3ec28d7ab1fb72182879dcae1cca21206a
    image_id:
      description: The digest of the config of the platform asked for, else of the host's, else of the first that is here.
      type: str
      sample: sha256:4cad75abc83d5ca6ee22053d85850676eaef657ee9d723d7bef61179e1e1e485
    media_type:
      description: The type of what the name points at.
      type: str
      sample: application/vnd.oci.image.index.v1+json
    platforms:
      description: The platforms that are here.
      type: list
      elements: str
      sample: [linux/amd64]
    size:
      description: The stored bytes of these platforms, documents included.
      type: int
      sample: 72188133
    changed:
      description: Whether something changes for this image.
      type: bool
    present:
      description: Whether the image is in the store.
      type: bool
    repo_tags:
      description: All names with a tag that this image has in the store.
      type: list
      elements: str
    repo_digests:
      description: The image's digest in each repository that it has a name of.
      type: list
      elements: str
    created:
      description: When the image says it was made.
      type: str
    author:
      description: Who the image says made it.
      type: str
    os:
      description: The operating system that the image is for.
      type: str
    architecture:
      description: The processor that the image is for.
      type: str
    variant:
      description: The variant of the processor, where it matters.
      type: str
    config:
      description: How the image runs, with the keys that it has in the image, such as C(Cmd), C(Entrypoint), C(Env), C(Labels) and C(User).
      type: dict
    labels:
      description: The image's labels.
      type: dict
    layers:
      description: The layers, lowest first, with C(digest), C(diff_id), C(size) and C(media_type).
      type: list
      elements: dict
    manifests:
      description: For an index, its entries with C(digest), C(platform), C(size), C(media_type), and C(present), which tells whether all of it is here.
      type: list
      elements: dict
store:
  description: The folder of the store.
  returned: success, and when single images failed
  type: str
  sample: /var/lib/longshore/images
error:
  description: The cause of a failure, in a word that doesn't change between versions.
  returned: failure
  type: str
  sample: not_found
"""

import typing as t

from ..module_utils.oci.reference import parse_selector
from ..module_utils.task.arguments import ARCHIVE, STORE, Arguments
from ..module_utils.task.run import run_info
from ..module_utils.task.task import Task
from ..module_utils.transfer.inspect import Filters

FILTERS = {
    "reference": {"type": "list", "elements": "str", "default": []},
    "label": {"type": "list", "elements": "str", "default": []},
    "dangling": {"type": "bool"},
    "before": {"type": "str"},
    "since": {"type": "str"},
}


def argument_spec() -> Arguments:
    return (STORE + ARCHIVE).extended(
        name={"type": "list", "elements": "str"},
        filters={"type": "dict", "default": {}, "options": FILTERS},
    )


def facts(task: Task) -> dict[str, t.Any]:
    """The rows of the images asked for, or of all."""
    given = task.params["filters"]
    points = {key: parse_selector(given[key]) for key in ("before", "since") if given[key]}
    filters = Filters(given["reference"], given["label"], given["dangling"], **points)
    inspector = task.inspector()
    if task.params["name"] is None:
        return {"images": inspector.listed(filters)}
    return {"images": inspector.asked(task.selectors("name"), filters)}


def main() -> t.NoReturn:
    run_info(argument_spec(), facts)


if __name__ == "__main__":
    main()
