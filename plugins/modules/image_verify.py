#!/usr/bin/python
# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: image_verify
short_description: Check every blob of the store for damage, and repair it
version_added: 1.0.0
description:
  - Reads every blob of the images in the store, and compares its hash with its digest. Results of earlier checks are not reused.
  - Other modules trust a blob if the size, time and inode of its file are the same as when it was hashed. This module also finds damage that a failing disk
    causes without changing these.
  - Fails with the error C(store_damaged) if it finds damage that it does not repair.
  - Without O(repair) the module only updates the record of good blobs, so that the next M(longshore.images.image_pull) downloads damaged blobs again.
options:
  name:
    description:
      - The images, by name, or by digest or image ID in full.
      - By default all images in the store are checked, and also blobs that belong to no image.
    type: list
    elements: str
  repair:
    description:
      - Whether to download damaged blobs again. They are requested by digest, from the registries and repositories in the names of the images that need them.
      - O(username), O(password), O(identity_token) and O(client_cert) are sent only to registries in O(name). For images that are given by digest, and for a
        check of the whole store, put the credentials under O(registries) or into the host's auth files.
      - A name that now points at another image at the registry keeps the image that it has in the store.
      - If a blob can't be downloaded, its images are reported as failed, and the other images are repaired. Damaged blobs that belong to no image are deleted.
      - In check mode the module asks the registry whether it has the needed blobs, and downloads only manifests, indexes and configs.
    type: bool
    default: false
extends_documentation_fragment:
  - longshore.images.store
  - longshore.images.registry
  - longshore.images.registry.login
  - longshore.images.registry.requests
  - longshore.images.attributes
  - longshore.images.attributes.actiongroup
author:
  - Longshore contributors (@longshore)
seealso:
  - module: longshore.images.image_pull
  - module: longshore.images.image_prune
"""

EXAMPLES = r"""
---
- name: Fail if anything in the store is damaged
  longshore.images.image_verify:

- name: Repair the store from the registries of its images
  longshore.images.image_verify:
    repair: true
    registries:
      - name: registry.example.com
        username: reader
        password: "{{ registry_password }}"

- name: Find out whether an image is damaged, without failing if it is
  longshore.images.image_verify:
    name: docker.io/library/nginx:1.27
  register: verified
  failed_when: verified.error | default('store_damaged') != 'store_damaged'
"""

RETURN = r"""
actions:
  description: One sentence for each change that the task makes, or would make in check mode. Empty when nothing changes.
  returned: success, and when some images failed
  type: list
  elements: str
  sample: ["repair docker.io/library/nginx:1.27 (sha256:0a399eb16751): 1 blob, 29.1 MB"]
images:
  description:
    - The images of this task, with the outcome for each.
    - One entry for each checked name, and one for each checked image without a name. Images that are missing from the store come last.
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
    failed:
      description:
        - V(true) for an image that failed.
        - The image is missing from the store, or it is damaged and was not repaired.
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
problems:
  description: One entry for each damaged blob. Blobs are layers, configs, manifests and indexes.
  returned: success, and when images are damaged
  type: list
  elements: dict
  contains:
    digest:
      description: The digest that the blob should have.
      type: str
      sample: sha256:0a399eb16751829e1af26fea27b20c3ec28d7ab1fb72182879dcae1cca21206a
    path:
      description: The path of the blob's file.
      type: str
      sample: /srv/images/blobs/sha256/0a399eb16751829e1af26fea27b20c3ec28d7ab1fb72182879dcae1cca21206a
    problem:
      description:
        - V(missing) when the file does not exist, V(truncated) when it is too short, V(altered) when it has other content.
        - V(irregular) when it is a link, a folder or another special file, V(unreadable) when the system can't read it.
      type: str
      sample: truncated
    images:
      description: The names of the images that need this blob, and the digests of unnamed ones. Empty when no image needs it.
      type: list
      elements: str
      sample: ["docker.io/library/nginx:1.27"]
    repaired:
      description: Whether the blob is repaired, or would be in check mode. A damaged blob that no image needs is deleted instead.
      type: bool
bytes_transferred:
  description: The size of the configs and layers that are transferred, in bytes. Each digest counts once. Manifests and indexes don't count.
  returned: success, and when some images failed
  type: int
  sample: 29124181
bytes_reused:
  description:
    - The size of the configs and layers that the destination already had, in bytes. Each digest counts once.
    - These are the undamaged blobs of the images that are repaired.
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
rate_limit:
  description: The rate limit of the registry, as C(limit) and C(remaining). Null when no registry reported one.
  returned: success, and when some images failed
  type: dict
  sample: {"limit": 100, "remaining": 76}
store:
  description: The path of the store.
  returned: success, and when some images failed
  type: str
  sample: /var/lib/longshore/images
error:
  description: The cause of the failure, as a word that is the same in all versions.
  returned: failure
  type: str
  sample: store_damaged
status:
  description: The HTTP status code of the registry's answer.
  returned: failure, when a registry answered
  type: int
  sample: 404
registry_errors:
  description: The errors in the registry's answer, each with its code and message.
  returned: failure, when a registry answered
  type: list
  elements: str
  sample: ["MANIFEST_UNKNOWN: manifest unknown"]
"""

import typing as t

from ..module_utils import start_up as _start_up  # noqa: F401 - first: it stops on a Python that is too old
from ..module_utils.oci.reference import Reference
from ..module_utils.task.arguments import ENGINE, PROGRESS, REGISTRY, STORE, Arguments
from ..module_utils.task.registry_task import RegistryTask
from ..module_utils.task.run import run
from ..module_utils.transfer.plan import Plan
from ..module_utils.verbs.verify import find_entries, plan_verify


def argument_spec() -> Arguments:
    return (
        (STORE + REGISTRY)
        .extended(
            name={"type": "list", "elements": "str"},
            repair={"type": "bool", "default": False},
        )
        .accepting(PROGRESS + ENGINE)
    )


def plan(task: RegistryTask) -> Plan:
    """Return the damaged blobs and, with repair, how each is replaced by the right bytes."""
    selectors = None if task.params["name"] is None else task.selectors("name")
    if not task.params["repair"]:
        return plan_verify(task.store, selectors, host=task.host, workers=task.workers)
    entries, _absent = find_entries(task.store, selectors)
    named_by_task = [selector for selector in selectors or () if isinstance(selector, Reference)]
    task.open_registries([entry.name for entry in entries if entry.name is not None], named_by_task)
    return plan_verify(task.store, selectors, host=task.host, workers=task.workers, repository=task.repository)


def main() -> t.NoReturn:
    run(argument_spec(), plan, RegistryTask)


if __name__ == "__main__":
    main()
