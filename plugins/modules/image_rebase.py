#!/usr/bin/python
# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: image_rebase
short_description: Put the layers of an image on another base
version_added: 1.0.0
description:
  - Replaces the base of an image in the store, for example with a patched version of the base, without building the image again and without a container engine.
  - The layers that the image has on top of its old base stay bit for bit the same. They are placed on the layers of the new base.
  - Environment variables, labels, ports, volumes and other settings that the image has unchanged from its old base are replaced by those of the new base. All
    others stay unchanged.
  - The module doesn't check whether the programs in the image work with the new base. Use a compatible base, such as the next patch of the same distribution.
  - The same input gives the same digest, so a second run changes nothing.
options:
  name:
    description: The name of the new image.
    type: str
    required: true
  image:
    description: The image to put on another base, by name, full digest or full image ID. It must be in the store.
    type: str
    required: true
  old_base:
    description:
      - The image that O(image) is based on, by name, full digest or full image ID. It must be in the store.
      - The default is the digest in the annotation C(org.opencontainers.image.base.digest) of the image, which M(longshore.images.image_append) sets.
      - The task fails unless the first layers of O(image) are those of this base.
    type: str
  new_base:
    description: The new base, by name, full digest or full image ID. It must be in the store.
    type: str
    required: true
  platform:
    description:
      - The platforms to rebase, as C(os/arch) or C(os/arch/variant), or V(all) for those of O(image) that are in the store. Both bases must have them.
      - The default is V(all). An image for one platform stays an image for one platform. Several platforms make an index.
    type: list
    elements: str
extends_documentation_fragment:
  - longshore.images.store
  - longshore.images.attributes
  - longshore.images.attributes.actiongroup
author:
  - Longshore contributors (@longshore)
seealso:
  - module: longshore.images.image_append
  - module: longshore.images.image_pull
"""

EXAMPLES = r"""
---
- name: Pull the application and the patched base
  longshore.images.image_pull:
    name:
      - registry.example.com/team/app:3
      - docker.io/library/debian:13.2

- name: Put the application on the patched base
  longshore.images.image_rebase:
    name: registry.example.com/team/app:3-patched
    image: registry.example.com/team/app:3
    old_base: docker.io/library/debian:13.1
    new_base: docker.io/library/debian:13.2

- name: Push it
  longshore.images.image_push:
    name: registry.example.com/team/app:3-patched
"""

RETURN = r"""
actions:
  description: One sentence for each change that the task makes, or would make in check mode. Empty when nothing changes.
  returned: success, and when some images failed
  type: list
  elements: str
  sample: ["make registry.example.com/team/app:3-patched (sha256:0a399eb16751): 1 blob, 2.1 kB"]
images:
  description:
    - The images of this task, with the outcome for each.
    - One entry, for the new image.
  returned: success, and when some images failed
  type: list
  elements: dict
  contains:
    name:
      description: The normalised name. Null for an unnamed image.
      type: str
      sample: docker.io/library/nginx:1.27
    digest:
      description: The digest of the index or manifest that the name points at.
      type: str
      sample: sha256:0a399eb16751829e1af26fea27b20c3ec28d7ab1fb72182879dcae1cca21206a
    image_id:
      description:
        - The image ID, which is the digest of the config. For a multi-platform image, the config of the requested platform, else of the managed host's
          platform, else of the first platform present.
      type: str
      sample: sha256:4cad75abc83d5ca6ee22053d85850676eaef657ee9d723d7bef61179e1e1e485
    media_type:
      description: The media type of the index or manifest.
      type: str
      sample: application/vnd.oci.image.index.v1+json
    platforms:
      description: The platforms of the image that are present.
      type: list
      elements: str
      sample: ["linux/amd64"]
    size:
      description: The size of these platforms in bytes, manifests and configs included.
      type: int
      sample: 72188133
    changed:
      description: Whether the task changes this image, or would change it in check mode.
      type: bool
    previous_digest:
      description: The digest that the name pointed at before. Null when the name did not exist.
      type: str
    failed:
      description: V(true) for an image that failed.
      returned: when this image failed
      type: bool
    msg:
      description: What failed for this image, and what to do about it.
      returned: when this image failed
      type: str
    error:
      description: The cause of this failure, one of the words of RV(error).
      returned: when this image failed
      type: str
bytes_transferred:
  description: The size of the configs and layers that are transferred, in bytes. Each digest counts once. Manifests and indexes don't count.
  returned: success, and when some images failed
  type: int
  sample: 29124181
bytes_reused:
  description: The size of the configs and layers that the destination already had, in bytes. Each digest counts once.
  returned: success, and when some images failed
  type: int
  sample: 0
blobs_transferred:
  description: The number of configs and layers that are transferred.
  returned: success, and when some images failed
  type: int
  sample: 8
blobs_reused:
  description: The number of configs and layers that the destination already had.
  returned: success, and when some images failed
  type: int
  sample: 0
store:
  description: The path of the store.
  returned: success, and when some images failed
  type: str
  sample: /var/lib/longshore/images
error:
  description: The cause of the failure, as a word that is the same in all versions.
  returned: failure
  type: str
  sample: not_found
"""

import typing as t

from ..module_utils import start_up as _start_up  # noqa: F401 - first: it stops on a Python that is too old
from ..module_utils.oci.reference import Reference
from ..module_utils.task.arguments import ENGINE, PROGRESS, REGISTRY, STORE, Arguments
from ..module_utils.task.run import run
from ..module_utils.task.task import Task
from ..module_utils.transfer.plan import Plan
from ..module_utils.verbs.rebase import RebaseOptions, plan_rebase


def argument_spec() -> Arguments:
    return STORE.extended(
        name={"type": "str", "required": True},
        image={"type": "str", "required": True},
        old_base={"type": "str"},
        new_base={"type": "str", "required": True},
        platform={"type": "list", "elements": "str"},
    ).accepting(REGISTRY + PROGRESS + ENGINE)


def plan(task: Task) -> Plan:
    """Return the change of the name, from its current image to the rebased one."""
    options = RebaseOptions(
        name=Reference.parse(task.params["name"]).require_no_digest(),
        image=task.selectors("image")[0],
        old_base=next(iter(task.selectors("old_base")), None),
        new_base=task.selectors("new_base")[0],
        selection=task.selection,
    )
    return plan_rebase(task.store, options, task.host)


def main() -> t.NoReturn:
    run(argument_spec(), plan)


if __name__ == "__main__":
    main()
