#!/usr/bin/python
# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_info
short_description: Show details of images in the store, in an archive or at a registry
version_added: 0.1.0
description:
  - Returns details of images in the store, in an archive, or at registries. The module writes nothing.
  - A missing image is no failure. Its entry in the results has C(present=false).
options:
  name:
    description: The images, by name, or by digest or image ID in full. The default is all images of the store or the archive.
    type: list
    elements: str
  archive:
    description: An archive on the host, a file or a folder. The module shows the images in this archive instead of those in the store, and does not load them.
    type: path
  remote:
    description:
      - Whether to ask the registries in O(name) instead of the store. Nothing is stored, and no layer is downloaded.
      - For each image the module downloads manifests and one config only. This takes at most three requests, plus those for a login.
      - With this option O(name) is required and can't contain globs or image IDs. Only C(reference) and C(label) can be used in O(filters).
    type: bool
    default: false
  platform:
    description:
      - The platform to show of a multi-platform image. Of several platforms in this list, the first that is present is shown.
      - By default the managed host's platform is shown, or else the first platform that is present.
      - An image that is present, but not for a platform in this list, counts as missing.
    type: list
    elements: str
extends_documentation_fragment:
  - longshore.images.filters
  - longshore.images.store
  - longshore.images.registry
  - longshore.images.registry.requests
  - longshore.images.attributes.info_module
  - longshore.images.attributes.actiongroup
author:
  - Longshore contributors (@longshore)
seealso:
  - module: longshore.images.image_history_info
"""

EXAMPLES = r"""
---
- name: List all images in the store
  longshore.images.image_info:
  register: stored

- name: Fail unless the store has an image for this host
  longshore.images.image_info:
    name: docker.io/library/nginx:1.27
  register: nginx
  failed_when: nginx is failed or not nginx.images[0].present

- name: List the images in an archive
  longshore.images.image_info:
    archive: /srv/transfer/images.tar

- name: See for which platforms a registry has an image, without pulling it
  longshore.images.image_info:
    name: registry.example.com/team/app:3
    remote: true
    username: reader
    password: "{{ registry_password }}"
  register: offered

- name: Wait until a build for arm64 is published
  longshore.images.image_info:
    name: registry.example.com/team/app:4
    remote: true
    platform: linux/arm64
  register: published
  until: published is success and published.images[0].present
  retries: 20
  delay: 30

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
      description: The platforms that are here, or that the registry's index lists.
      type: list
      elements: str
      sample: [linux/amd64]
    size:
      description: The stored bytes of these platforms, documents included; at a registry the bytes of the platform shown.
      type: int
      sample: 72188133
    changed:
      description: Whether something changes for this image.
      type: bool
    present:
      description: Whether the image is there.
      type: bool
    repo_tags:
      description: All names with a tag that this image has in the store; at a registry the one that was asked for.
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
      description: >-
        For an index, its entries with C(digest), C(platform), C(size), C(media_type), and C(present), which tells whether all of it is here.
        A registry is taken to have what its index lists.
      type: list
      elements: dict
    content:
      description:
        - What C(size) is made of, the documents, configs and layers of all platforms that are here, with C(digest) and C(size), each once.
        - Images of one store that name the same digest share these bytes.
      type: list
      elements: dict
    endpoint:
      description: The address that was asked.
      returned: with O(remote)
      type: str
      sample: https://registry-1.docker.io
    failed:
      description: True for an image that couldn't be asked for.
      type: bool
      returned: when this image failed
    msg:
      description: Why this image failed.
      type: str
      returned: when this image failed
    error:
      description: The cause of this image's failure.
      type: str
      returned: when this image failed
store:
  description: The folder of the store.
  returned: success, without O(remote)
  type: str
  sample: /var/lib/longshore/images
rate_limit:
  description: The registry's quota, as C(limit) and C(remaining). Null when it doesn't tell.
  returned: with O(remote)
  type: dict
  sample: {"limit": 100, "remaining": 76}
error:
  description: The cause of a failure, in a word that doesn't change between versions.
  returned: failure
  type: str
  sample: not_found
status:
  description: The HTTP status by which a registry refused.
  returned: failure, when a registry answered
  type: int
  sample: 401
registry_errors:
  description: The registry's own words.
  returned: failure, when a registry answered
  type: list
  elements: str
  sample: ["UNAUTHORIZED: authentication required"]
"""

import typing as t

from ..module_utils import python_version as _python_version  # noqa: F401 - first: it stops on a Python that is too old
from ..module_utils.task.arguments import ARCHIVE, FILTERS, PLATFORM, REGISTRY, STORE, Arguments
from ..module_utils.task.run import failure_results, run_info
from ..module_utils.task.task import Task
from ..module_utils.verbs.filters import Filters
from ..module_utils.verbs.info import make_inspector


def argument_spec() -> Arguments:
    return (STORE + REGISTRY + ARCHIVE + PLATFORM + FILTERS).extended(
        name={"type": "list", "elements": "str"}, remote={"type": "bool", "default": False}
    )


def facts(task: Task) -> dict[str, t.Any]:
    """The rows of the images asked for, or of all."""
    filters = Filters.parse(task.params["filters"])
    if task.params["remote"]:
        from ..module_utils.verbs.info_remote import read_remote_info

        rows, errors = read_remote_info(task.remote_references("name"), task.repository, filters, task.selection, task.host, task.workers)
        return {"images": rows, **failure_results(errors, len(rows))}
    inspector = make_inspector(task.image_place, task.host, task.selection)
    if task.params["name"] is None:
        return {"images": inspector.listed(filters)}
    return {"images": inspector.asked(task.selectors("name"), filters)}


def main() -> t.NoReturn:
    run_info(argument_spec(), facts)


if __name__ == "__main__":
    main()
