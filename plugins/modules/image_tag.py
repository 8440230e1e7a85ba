#!/usr/bin/python
# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: image_tag
short_description: Add names to an image in the store or an engine
version_added: 1.0.0
description:
  - Points more names at an image in the store. No data is copied.
  - An image that loses its last name stays in the store as an unnamed image. It can still be used by its digest until M(longshore.images.image_prune) removes
    it.
  - No signature is checked. An image is verified when it is pushed, delivered or copied with O(longshore.images.image_push#module:trust), by its new name too.
  - With O(engine) the names are set in Docker, Podman or containerd. If one of them fails, the others point at what they pointed at before.
options:
  name:
    description: The image, by name, or by digest or image ID in full.
    type: str
    required: true
  targets:
    description: The names to add. A digest or image ID can't be a target.
    type: list
    elements: str
    required: true
  existing:
    description: What to do with a target that points at another image. V(overwrite) moves it to this image, V(keep) leaves it unchanged.
    type: str
    choices: [overwrite, keep]
    default: overwrite
extends_documentation_fragment:
  - longshore.images.store
  - longshore.images.engine
  - longshore.images.engine.choice
  - longshore.images.attributes
  - longshore.images.attributes.actiongroup
author:
  - Longshore contributors (@longshore)
seealso:
  - module: longshore.images.image_rm
"""

EXAMPLES = r"""
---
- name: Give an image two more names
  longshore.images.image_tag:
    name: registry.example.com/team/app:3.2.1
    targets:
      - registry.example.com/team/app:3.2
      - registry.example.com/team/app:3

- name: Name an unnamed image, unless the name is already taken
  longshore.images.image_tag:
    name: sha256:0a399eb16751829e1af26fea27b20c3ec28d7ab1fb72182879dcae1cca21206a
    targets: localhost/rescued:1
    existing: keep

- name: Give an image of Docker one more name
  longshore.images.image_tag:
    name: app:latest
    targets: registry.example.com/team/app:3
    engine: docker
"""

RETURN = r"""
actions:
  description: One sentence for each change that the task makes, or would make in check mode. Empty when nothing changes.
  returned: success, and when some images failed
  type: list
  elements: str
  sample: ["tag docker.io/library/nginx:1.27 (sha256:0a399eb16751) as docker.io/library/nginx:stable"]
images:
  description:
    - The images of this task, with the outcome for each.
    - One entry for each name, in the order of O(targets).
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
    engine:
      description: The engine that has the image.
      returned: with O(engine)
      type: str
      sample: docker
    changed:
      description: Whether the task changes this image, or would change it in check mode.
      type: bool
    previous_digest:
      description: The digest that the name pointed at before. Null when the name did not exist.
      type: str
    failed:
      description:
        - V(true) for an image that failed.
        - The name stays unchanged.
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
from ..module_utils.task.arguments import ENGINE, PROGRESS, REGISTRY, STORE, Arguments
from ..module_utils.task.images import open_catalog
from ..module_utils.task.run import run
from ..module_utils.task.task import Task
from ..module_utils.transfer.plan import Plan
from ..module_utils.verbs.tag import plan_tag


def argument_spec() -> Arguments:
    return (
        (STORE + ENGINE)
        .extended(
            name={"type": "str", "required": True},
            targets={"type": "list", "elements": "str", "required": True},
            existing={"type": "str", "choices": ["overwrite", "keep"], "default": "overwrite"},
        )
        .accepting(REGISTRY + PROGRESS)
    )


def plan(task: Task) -> Plan:
    """Return which names change: each target, from its current digest to the source's digest."""
    targets = [target.require_no_digest() for target in task.references("targets")]
    return plan_tag(open_catalog(task), task.selectors("name")[0], targets, keep=task.params["existing"] == "keep")


def main() -> t.NoReturn:
    run(argument_spec(), plan)


if __name__ == "__main__":
    main()
