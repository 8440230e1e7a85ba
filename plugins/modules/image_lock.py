#!/usr/bin/python
# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: image_lock
short_description: Pin names of images to digests in a lock file
version_added: 1.0.0
description:
  - Asks registries for the digests of images and writes them to a lock file. M(longshore.images.image_pull) with this file pulls exactly these images on every
    host and at any time, even after the tags have moved.
  - Most tasks set O(name) and O(path), and some also O(update), O(platform) or O(trust). The other options are mainly for credentials and connections.
  - The file is JSON, so YAML parsers read it too. It has a fixed order and one fact per line, so that changes are easy to review.
  - The file is replaced atomically, even if the run is killed. If one of the images can't be resolved, the file stays unchanged.
  - The module uses neither a store nor a container engine, and downloads no layers. It usually runs on the controller, with C(delegate_to=localhost).
options:
  name:
    description:
      - All images to lock. The module removes names from the file that are not in this list.
      - For C(name:tag@digest) the given digest is locked, and the registry is not asked for the tag.
    type: list
    elements: str
    required: true
  path:
    description:
      - The lock file. Its folder must exist.
      - An existing file that isn't a valid lock file is refused and stays unchanged. A file of another user is refused in a folder where others can write, such
        as C(/tmp).
    type: path
    required: true
  update:
    description:
      - V(true) locks each tag to the digest that it points at now.
      - V(false) keeps the locked digests, adds new names, and warns of tags that have moved, which RV(drift) lists.
    type: bool
    default: false
  show_changes:
    description:
      - Whether to show which packages changed in the image of each tag that has moved, in RV(drift), in the warning about it, and with C(--diff) also if
        O(update) locks the new digest.
      - The layers in which the images differ are downloaded, as M(longshore.images.image_diff_info) does it. Nothing of them is stored.
      - If one of the images can't be read, the task warns of it, and doesn't fail.
    type: bool
    default: false
  platform:
    description:
      - The platforms to record of a multi-platform image, as C(os/arch) or C(os/arch/variant), or V(all). The task fails if the index of an image is
        missing one of them. An image without an index must be for one of them.
      - The default is the platform of the host on which the module runs. If hosts of different platforms write the same file, set this option.
      - A lock always pins the digest of the index, and thus all platforms of an image. This option only selects the platforms whose digests and sizes are
        recorded. With O(trust), all images in the index have to be accepted, those of other platforms too.
    type: list
    elements: str
extends_documentation_fragment:
  - longshore.images.registry
  - longshore.images.registry.login
  - longshore.images.registry.requests
  - files
  - longshore.images.trust
  - longshore.images.attributes
  - longshore.images.attributes.actiongroup
author:
  - Longshore contributors (@longshore)
seealso:
  - module: longshore.images.image_diff_info
  - module: longshore.images.image_pull
"""

EXAMPLES = r"""
---
- name: Lock the images of the application in a file beside the playbook
  longshore.images.image_lock:
    name:
      - docker.io/library/nginx:1.27
      - registry.example.com/team/app:3
    path: "{{ playbook_dir }}/files/images.lock"
    platform:
      - linux/amd64
      - linux/arm64
  delegate_to: localhost
  run_once: true
  register: locked

- name: Show the tags that have moved since they were locked
  ansible.builtin.debug:
    msg: "{{ locked.drift }}"

- name: Update the lock file, and show which packages changed with --diff
  longshore.images.image_lock:
    name: docker.io/library/nginx:1.27
    path: "{{ playbook_dir }}/files/images.lock"
    update: true
    show_changes: true

- name: Pull the locked images on all hosts
  longshore.images.image_pull:
    lock_file: images.lock

- name: Update the lock file to the current digests of the tags
  longshore.images.image_lock:
    name:
      - docker.io/library/nginx:1.27
      - registry.example.com/team/app:3
    path: "{{ playbook_dir }}/files/images.lock"
    platform:
      - linux/amd64
      - linux/arm64
    update: true
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
actions:
  description: One sentence for each change that the task makes, or would make in check mode. Empty when nothing changes.
  returned: success, and when some images failed
  type: list
  elements: str
  sample: ["lock docker.io/library/nginx:1.27 to sha256:0a399eb16751"]
path:
  description:
    - The path of the file or folder.
    - This is the lock file.
  returned: success, and when some images failed
  type: str
  sample: /srv/site/files/images.lock
drift:
  description: Tags that point at a digest other than the locked one after this run.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The normalised name.
      type: str
      sample: docker.io/library/nginx:1.27
    locked_digest:
      description: The digest in the lock file.
      type: str
      sample: sha256:0a399eb16751829e1af26fea27b20c3ec28d7ab1fb72182879dcae1cca21206a
    current_digest:
      description: The digest that the tag points at now. Null when the registry no longer has the tag.
      type: str
    changes:
      description: The packages that changed, as one text. Null if they could not be compared. Only with O(show_changes), and if the registry has the tag.
      type: str
      sample: nginx 1.27.2 -> 1.27.3, openssl 3.0.15 -> 3.0.16
    packages:
      description:
        - The packages that changed, with the keys of RV(longshore.images.image_diff_info#module:packages). Null if they could not be compared.
        - Only with O(show_changes), and if the registry has the tag.
      type: list
      elements: dict
lock:
  description:
    - The content of the lock file without its times, in the form that O(longshore.images.image_pull#module:lock) accepts. In check mode, the content that
      would be written.
  returned: success
  type: dict
images:
  description:
    - The images of this task, with the outcome for each.
    - One entry for each image, in the order of O(name).
  returned: success, and when some images failed
  type: list
  elements: dict
  contains:
    name:
      description: The normalised name. Null for an unnamed image.
      type: str
      sample: docker.io/library/nginx:1.27
    digest:
      description:
        - The digest of the index or manifest that the name points at.
        - This is the locked digest.
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
      description:
        - The platforms of the image that are present.
        - These are the platforms that the lock file records.
      type: list
      elements: str
      sample: ["linux/amd64", "linux/arm64"]
    size:
      description:
        - The size of these platforms in bytes, manifests and configs included.
        - This is the size at the registry.
      type: int
      sample: 144376266
    changed:
      description: Whether the task changes this image, or would change it in check mode.
      type: bool
    previous_digest:
      description:
        - The digest that the name pointed at before. Null when the name did not exist.
        - This is the digest that was locked before.
      type: str
    current_digest:
      description: The digest that the name points at in the registry now. Null when the registry was not asked, or no longer has the tag.
      type: str
    endpoint:
      description: The URL of the registry or mirror that answered. Null when none was asked.
      type: str
      sample: https://registry-1.docker.io
    verification:
      description:
        - The verdict of O(trust) or O(trust_file) about the image, null without them. It has C(accepted), C(reason), C(error) (null if it is accepted; else
          C(unsigned), C(untrusted) or the error that prevented the check), C(format) (C(simple_signing), C(bundle) or C(gpg)), C(key) (the SHA-256 of the
          public key's DER form, in hex; the fingerprint of a GPG key) or C(issuer) and C(identity), C(digest) (what was signed), C(log) (C(checked) or
          C(not_checked)), C(annotations) and C(attestations).
        - If it is refused, C(check) is a word for the check that failed, which is C(no_signature), C(unreadable), C(other_purpose), C(other_signer),
          C(malformed), C(other_digest), C(other_repository), C(other_annotations), C(attestation), C(refused_by_rule), C(no_rule) or C(not_checked).
          C(platform) is the first platform of an index that is refused.
        - C(rule) is the scope of the rule that decided, C(candidates) the number of signatures and attestations that were seen, and C(signers) names their
          makers as far as they are known. They are not confirmed unless the signature was accepted.
      type: dict
    failed:
      description:
        - V(true) for an image that failed.
        - The lock file stays unchanged if an image fails.
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
  returned: success, and when some images failed
  type: dict
  sample: {"limit": 100, "remaining": 76}
error:
  description: The cause of the failure, as a word that is the same in all versions.
  returned: failure
  type: str
  sample: not_found
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
from ..module_utils.oci.times import current_time
from ..module_utils.task.arguments import ENGINE, FILE, PLATFORM, PROGRESS, REGISTRY, STORE, Arguments
from ..module_utils.task.file_options import initial_mode
from ..module_utils.task.file_run import run_with_file
from ..module_utils.task.registry_task import RegistryTask
from ..module_utils.task.trust_arguments import TRUST, read_trust
from ..module_utils.transfer.plan import Plan
from ..module_utils.verbs.lock import plan_lock


def argument_spec() -> Arguments:
    return (
        (REGISTRY + FILE + PLATFORM + TRUST)
        .extended(
            name={"type": "list", "elements": "str", "required": True},
            update={"type": "bool", "default": False},
            show_changes={"type": "bool", "default": False},
        )
        .accepting(STORE + PROGRESS + ENGINE)
    )


def plan(task: RegistryTask) -> Plan:
    """Return which names in the lock file change: each, from the digest that it is locked to now to the requested one."""
    references = task.references("name")
    task.open_registries(references)
    params = task.params
    return plan_lock(
        params["path"],
        references,
        repository=task.repository,
        selection=task.host_selection,
        host=task.host,
        update=params["update"],
        now=current_time(),
        mode=initial_mode(params["path"], params["mode"]),
        workers=task.workers,
        trust=read_trust(task.params),
        show_changes=params["show_changes"],
    )


def main() -> t.NoReturn:
    run_with_file(argument_spec(), plan, RegistryTask)


if __name__ == "__main__":
    main()
