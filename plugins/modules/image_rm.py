#!/usr/bin/python
# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: image_rm
short_description: Remove images from the store, from an engine or from a registry
version_added: 1.0.0
description:
  - Removes names from the store, together with the blobs that no other image needs. With O(remote), deletes images at registries instead.
  - Most tasks set O(name), and some also O(force), O(engine) or O(remote). The other options are mainly for credentials, connections and the store.
  - Signatures, attestations and other referrers go with the last of the images that they belong to. One stays if it has a name that isn't made
    of a digest.
  - A missing image is no failure and no change.
  - With O(engine) names are removed from Docker, Podman or containerd, which always delete the data that their other images don't need. The
    last name of an image that a container uses, running or stopped, is refused with the error C(in_use). With O(force) the name goes, and image and
    container stay. In containerd an image without a name goes, too, and the container keeps its files. Docker's classic image store would delete the image, so
    there the last name is refused with O(force), too.
options:
  name:
    description:
      - The images, by name, by digest or image ID in full, or by a glob on the normalised name, such as V(docker.io/library/*).
      - In a glob, C(*) and C(?) don't match a slash.
      - A name removes this name only. C(name:tag@digest) removes it only if it points at this digest.
      - A digest or ID removes all names of the image. C(repository@digest) removes all of its names in this repository. If there is more than one name,
        O(force) is required.
    type: list
    elements: str
    required: true
  prune:
    description:
      - Whether to also delete the blobs that only the removed images needed. With O(remote) the registry decides when to delete blobs, and with O(engine)
        the engine always deletes them.
      - If an image that stays can't be read completely, it is unknown which blobs it needs. The module then deletes no blob and warns.
        M(longshore.images.image_prune) can delete the blobs later.
    type: bool
    default: true
  force:
    description:
      - Whether to remove an image that is given by digest or ID although it has several names.
      - With O(engine), whether to remove the last name of an image that a container uses. Docker's classic image store always refuses this, because it would
        delete the image.
      - With O(remote), whether to delete a manifest although other tags point at it or an index of another tag lists it. Other tags of the manifest are deleted
        with it.
    type: bool
    default: false
  remote:
    description:
      - Whether to delete the images at the registries in O(name). The store stays unchanged.
      - A registry deletes a manifest together with all of its tags, so the module first reads all tags of the repository.
      - If nothing else needs the manifest, the manifest is deleted. If another tag has the same digest, or an index of another tag lists it, only the tag in
        O(name) is deleted, unless O(force) is set. An image that O(name) gives by digest only is then not deleted at all.
      - Its referrers are deleted before the manifest, together with the tags that list them or are made of its digest. The same holds for the referrers of
        the members of an index, unless another tag needs the member. A referrer that another tag needs stays. If a tag has an unknown format, or a name
        that no client can request, all referrers stay, with a warning.
      - If a tag of the repository is new, is gone or has moved since the plan was made, nothing more is removed from the repository, and the task fails with
        the error C(plan_outdated). The tags are read again as for M(longshore.images.image_prune), so a tag that moves onto a manifest in the last seconds
        before its deletion is deleted with it.
      - Some registries can't delete a single tag, such as CNCF Distribution before version 3, and some refuse all deletions. Check mode can't detect this.
        The real run then fails, and leaves the image unchanged.
      - Image IDs and globs can't be used.
    type: bool
    default: false
extends_documentation_fragment:
  - longshore.images.store
  - longshore.images.engine
  - longshore.images.engine.choice
  - longshore.images.registry
  - longshore.images.registry.login
  - longshore.images.registry.requests
  - longshore.images.attributes
  - longshore.images.attributes.actiongroup
author:
  - Longshore contributors (@longshore)
seealso:
  - module: longshore.images.image_prune
  - module: longshore.images.image_tag
"""

EXAMPLES = r"""
---
- name: Remove an image from the store
  longshore.images.image_rm:
    name: docker.io/library/nginx:1.27

- name: Remove all images of a team
  longshore.images.image_rm:
    name: registry.example.com/team/*

- name: Remove an image with all of its names
  longshore.images.image_rm:
    name: sha256:0a399eb16751829e1af26fea27b20c3ec28d7ab1fb72182879dcae1cca21206a
    force: true

- name: Delete a tag at its registry, and its manifest if no other tag needs it
  longshore.images.image_rm:
    name: registry.example.com/team/app:2.9
    remote: true
    username: janitor
    password: "{{ registry_password }}"

- name: Remove an image from Docker, unless a container uses it
  longshore.images.image_rm:
    name: registry.example.com/team/app:2
    engine: docker
"""

RETURN = r"""
actions:
  description: One sentence for each change that the task makes, or would make in check mode. Empty when nothing changes.
  returned: success, and when some images failed
  type: list
  elements: str
  sample: ["remove docker.io/library/nginx:1.27 (sha256:0a399eb16751)"]
untagged:
  description: The names that are removed.
  returned: success, and when some images failed
  type: list
  elements: str
  sample: ["docker.io/library/nginx:1.27"]
deleted:
  description:
    - The digests of the images that are deleted. An image that keeps another name is not deleted.
    - With O(remote) these are the manifests that are deleted at the registry.
  returned: success, and when some images failed
  type: list
  elements: str
  sample: ["sha256:0a399eb16751829e1af26fea27b20c3ec28d7ab1fb72182879dcae1cca21206a"]
bytes_freed:
  description:
    - The size of the data that is deleted, in bytes.
    - Always 0 with O(remote), because the registry deletes unneeded blobs later.
  returned: success, and when some images failed
  type: int
  sample: 72188133
images:
  description:
    - The images of this task, with the outcome for each.
    - One entry for each removed name, and one for each removed image without a name.
    - A missing image also has an entry, with C(changed=false) and without details.
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
    endpoint:
      description:
        - The URL of the registry or mirror that answered. Null when none was asked.
        - Only for images that were present.
      returned: with O(remote)
      type: str
      sample: https://registry.example.com
    image_id:
      description:
        - The image ID, which is the digest of the config. For a multi-platform image, the config of the requested platform, else of the managed host's
          platform, else of the first platform present.
      returned: without O(remote)
      type: str
      sample: sha256:4cad75abc83d5ca6ee22053d85850676eaef657ee9d723d7bef61179e1e1e485
    media_type:
      description: The media type of the index or manifest.
      type: str
      sample: application/vnd.oci.image.index.v1+json
    platforms:
      description: The platforms of the image that are present.
      returned: without O(remote)
      type: list
      elements: str
      sample: ["linux/amd64"]
    size:
      description: The size of these platforms in bytes, manifests and configs included.
      returned: without O(remote)
      type: int
      sample: 72188133
    engine:
      description:
        - The engine that has the image.
        - It has it until the image is removed.
      returned: with O(engine)
      type: str
      sample: docker
    changed:
      description: Whether the task changes this image, or would change it in check mode.
      type: bool
    referrers:
      description:
        - The signatures, attestations and other referrers that go with the image. Each has its C(digest), C(artifact_type), C(subject) (the digest that it
          belongs to), C(size), C(tag) (made of the subject's digest, as cosign does; else null), and whether it C(changed).
      returned: without O(engine), for images that were present
      type: list
      elements: dict
    failed:
      description:
        - V(true) for an image that failed.
        - Nothing changed for this image.
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
rate_limit:
  description: The rate limit of the registry, as C(limit) and C(remaining). Null when no registry reported one.
  returned: success, and when some images failed, with O(remote)
  type: dict
  sample: {"limit": 100, "remaining": 76}
store:
  description: The path of the store.
  returned: success, and when some images failed, without O(remote)
  type: str
  sample: /var/lib/longshore/images
engine:
  description: The engine whose images the task works with.
  returned: with O(engine)
  type: str
  sample: docker
error:
  description: The cause of the failure, as a word that is the same in all versions.
  returned: failure
  type: str
  sample: not_found
status:
  description: The HTTP status code of the registry's answer.
  returned: failure, when a registry answered
  type: int
  sample: 405
registry_errors:
  description: The errors in the registry's answer, each with its code and message.
  returned: failure, when a registry answered
  type: list
  elements: str
  sample: ["UNSUPPORTED: The operation is unsupported."]
"""

import typing as t

from ..module_utils import start_up as _start_up  # noqa: F401 - first: it stops on a Python that is too old
from ..module_utils.oci.removal_matching import parse_removal_selector
from ..module_utils.task.arguments import ENGINE, PROGRESS, REGISTRY, STORE, Arguments
from ..module_utils.task.images import open_catalog
from ..module_utils.task.registry_task import RegistryTask
from ..module_utils.task.run import run
from ..module_utils.transfer.plan import Plan
from ..module_utils.verbs.remove import plan_remove


def argument_spec() -> Arguments:
    return (
        (STORE + ENGINE + REGISTRY)
        .extended(
            name={"type": "list", "elements": "str", "required": True},
            prune={"type": "bool", "default": True},
            force={"type": "bool", "default": False},
            remote={"type": "bool", "default": False},
        )
        .accepting(PROGRESS)
    )


def plan(task: RegistryTask) -> Plan:
    """Return which names are removed, and the blobs that nothing needs afterwards."""
    if task.params["remote"]:
        from ..module_utils.verbs.remove_remote import plan_remove_remote

        return plan_remove_remote(task.remote_references("name"), task.destination, force=task.params["force"], workers=task.workers)
    selectors = [parse_removal_selector(text) for text in task.params["name"]]
    return plan_remove(open_catalog(task), selectors, prune=task.params["prune"], force=task.params["force"])


def main() -> t.NoReturn:
    run(argument_spec(), plan, RegistryTask)


if __name__ == "__main__":
    main()
