#!/usr/bin/python
# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_push
short_description: Push images from the store to a registry
version_added: 0.1.0
description:
  - Copies images from the store on the managed host to registries, without a container engine.
  - Nothing is sent if the destination already has this digest. Otherwise only the blobs that the destination is missing are sent.
  - A push that fails leaves the tag unchanged.
options:
  name:
    description: The images in the store, by name, or by digest or image ID in full.
    type: list
    elements: str
    required: true
  destination:
    description:
      - The name at the registry. By default an image is pushed under its own name.
      - For one image this is a reference. A value that looks like a registry without a repository, such as V(registry.internal:5000), is refused, because as a
        reference it means a repository on Docker Hub.
      - For several images this is a prefix that ends in a slash, followed by the repository and tag of each image. For example, V(mirror.example.com/hub/) and
        C(docker.io/library/nginx:1.27) become C(mirror.example.com/hub/library/nginx:1.27).
    type: str
  platform:
    description:
      - The platforms to push of a multi-platform image. The default is all platforms of the image, and the store must then have all of them.
      - For one platform its manifest is pushed. For several platforms the module builds a new index, and returns its digest, which differs from the digest in
        the store.
    type: list
    elements: str
extends_documentation_fragment:
  - longshore.images.store
  - longshore.images.registry
  - longshore.images.registry.requests
  - longshore.images.attributes
  - longshore.images.attributes.actiongroup
author:
  - Longshore contributors (@longshore)
seealso:
  - module: longshore.images.image_pull
  - module: longshore.images.image_append
"""

EXAMPLES = r"""
---
- name: Push a stored image under another name
  longshore.images.image_push:
    name: registry.example.com/team/app:candidate
    destination: registry.example.com/team/app:3
    username: publisher
    password: "{{ registry_password }}"

- name: Push the amd64 images of two applications to a mirror
  longshore.images.image_push:
    name:
      - docker.io/library/nginx:1.27
      - docker.io/library/redis:7
    destination: mirror.example.com:5000/hub/
    platform:
      - linux/amd64
"""

RETURN = r"""
actions:
  description: What was done, or would be in check mode, a sentence each. Empty when nothing changes.
  returned: success, and when single images failed
  type: list
  elements: str
  sample: ["push localhost/app:1 as registry.example.com/team/app:1 (sha256:0a399eb16751): 3 blobs, 1.1 MB"]
images:
  description:
    - One row for each image, under the name it has at the registry, in the order asked for.
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
    source:
      description: The image in the store, as it was asked for.
      type: str
    previous_digest:
      description: What the name pointed at before. Null when it wasn't there.
      type: str
    endpoint:
      description: The address that was asked. Null when none was.
      type: str
      sample: https://registry-1.docker.io
    failed:
      description: True for an image that failed; its names stay as they were.
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
bytes_transferred:
  description: Sizes of the configs and layers that are moved, each digest once. Manifests and indexes aren't counted.
  returned: success
  type: int
  sample: 29124181
bytes_reused:
  description: Sizes of the configs and layers that were there already.
  returned: success
  type: int
  sample: 0
blobs_transferred:
  description: How many configs and layers are moved.
  returned: success
  type: int
  sample: 8
blobs_reused:
  description: How many configs and layers were there already.
  returned: success
  type: int
  sample: 0
rate_limit:
  description: The registry's quota, as C(limit) and C(remaining). Null when it doesn't tell.
  returned: success, and when single images failed
  type: dict
  sample: {"limit": 100, "remaining": 76}
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
status:
  description: The HTTP status by which the registry refused.
  returned: failure, when a registry answered
  type: int
  sample: 404
registry_errors:
  description: The registry's own words.
  returned: failure, when a registry answered
  type: list
  elements: str
  sample: ["MANIFEST_UNKNOWN: manifest unknown"]
"""

import typing as t

from ..module_utils import python_version as _python_version  # noqa: F401 - first: it stops on a Python that is too old
from ..module_utils.task.arguments import PLATFORM, REGISTRY, STORE, Arguments
from ..module_utils.task.run import run
from ..module_utils.task.task import Task
from ..module_utils.transfer.plan import Plan
from ..module_utils.verbs.push import plan_push, push_destination


def argument_spec() -> Arguments:
    return (STORE + REGISTRY + PLATFORM).extended(
        name={"type": "list", "elements": "str", "required": True},
        destination={"type": "str"},
    )


def plan(task: Task) -> Plan:
    """What pushing changes: each destination, from the image it has to the one in the store."""
    names = task.selectors("name")
    pairs = [(name, push_destination(name, task.params["destination"], len(names))) for name in names]
    task.open_registries([destination for _name, destination in pairs])
    return plan_push(task.store, pairs, repository=task.destination, selection=task.selection, host=task.host, workers=task.workers)


def main() -> t.NoReturn:
    run(argument_spec(), plan)


if __name__ == "__main__":
    main()
