#!/usr/bin/python
# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: image_sign
short_description: Sign images with a private key
version_added: 1.0.0
description:
  - Signs images at a registry or in the store, without cosign. cosign, skopeo, podman and CRI-O accept the signatures, and so does the option C(trust) of this
    collection.
  - Most tasks set O(name) and O(privatekey_path), and some also O(remote) or O(annotations). The other options are mainly for credentials, connections and
    the store.
  - A signature that is there already is not made again, so a second run changes nothing.
  - The module needs the Python library C(cryptography), 36 or newer, where it runs. The private key appears in no result, log, command line or file.
  - Other signatures of the image stay. If two tasks sign one image at the same time, one of the signatures may be lost. Run them again then.
options:
  name:
    description: The images to sign, in docker's notation. C(name:tag@digest) signs this digest, even if the tag has moved.
    type: list
    elements: str
    required: true
  remote:
    description:
      - V(true) signs the images at their registries, V(false) in the store.
      - Signatures in the store are pushed, saved and copied with the image, if its referrers are.
    type: bool
    default: true
  formats:
    description:
      - V(bundle) is the format of cosign 3, a Sigstore bundle as a referrer of the image.
      - V(simple_signing) is the format of cosign 2, under the tag C(sha256-HEX.sig). skopeo, podman and CRI-O read only this format.
    type: list
    elements: str
    choices: [bundle, simple_signing]
    default: [bundle, simple_signing]
  annotations:
    description: Annotations that the signature includes. Rules that verify the image can require them.
    type: dict
    default: {}
  recursive:
    description: Whether to sign each manifest of an index too. skopeo and podman look for the signature of the manifest that they select from the index.
    type: bool
    default: true
extends_documentation_fragment:
  - longshore.images.store
  - longshore.images.registry
  - longshore.images.registry.login
  - longshore.images.registry.requests
  - longshore.images.trust.private_key
  - longshore.images.attributes
  - longshore.images.attributes.actiongroup
author:
  - Longshore contributors (@longshore)
seealso:
  - module: longshore.images.image_attest
  - module: longshore.images.image_pull
"""

EXAMPLES = r"""
---
- name: Sign an image at its registry
  longshore.images.image_sign:
    name: registry.example.com/team/app:3
    privatekey_path: /etc/ssl/private/release.pem
    annotations:
      stage: production

- name: Sign stored images with an encrypted key from a vault
  longshore.images.image_sign:
    name:
      - registry.example.com/team/app:3
      - registry.example.com/team/worker:3
    remote: false
    privatekey_content: "{{ vault_release_key }}"
    privatekey_passphrase: "{{ vault_release_passphrase }}"
"""

RETURN = r"""
actions:
  description: One sentence for each change that the task makes, or would make in check mode. Empty when nothing changes.
  returned: success, and when some images failed
  type: list
  elements: str
  sample: ["sign registry.example.com/team/app:3 (2 referrers)"]
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
    key:
      description: The SHA-256 of the public key's DER form, in hex.
      type: str
      sample: c0134dd2004c986cc1590b41fc7c9368377f6de20c1123c75eb3ad94e38117
    signatures:
      description:
        - The signatures of the image by this key. Each has the signed C(digest), the C(format), and C(changed), which is V(true) for a new one.
      type: list
      elements: dict
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
  sample: 612
bytes_reused:
  description: The size of the configs and layers that the destination already had, in bytes. Each digest counts once.
  returned: success, and when some images failed
  type: int
  sample: 0
blobs_transferred:
  description: The number of configs and layers that are transferred.
  returned: success, and when some images failed
  type: int
  sample: 2
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
from ..module_utils.task.arguments import ENGINE, PROGRESS, REGISTRY, STORE, Arguments, text_map
from ..module_utils.task.private_key import PRIVATE_KEY, read_private_key
from ..module_utils.task.registry_task import RegistryTask
from ..module_utils.task.run import run
from ..module_utils.transfer.plan import Plan
from ..module_utils.verbs.attach import Target, plan_attachments, registry_targets, store_targets
from ..module_utils.verbs.sign import FORMATS, Signing


def argument_spec() -> Arguments:
    images = Arguments(
        {
            "name": {"type": "list", "elements": "str", "required": True},
            "remote": {"type": "bool", "default": True},
            "formats": {"type": "list", "elements": "str", "choices": list(FORMATS), "default": list(FORMATS)},
            "annotations": {"type": "dict", "default": {}},
            "recursive": {"type": "bool", "default": True},
        }
    )
    return (STORE + REGISTRY + PRIVATE_KEY + images).accepting(PROGRESS + ENGINE)


def plan(task: RegistryTask) -> Plan:
    """Return which signatures are missing."""
    params = task.params
    annotations = text_map(params["annotations"])
    signing = Signing(read_private_key(params), params["formats"], annotations, params["recursive"])
    return plan_attachments(targets(task), signing, "sign", task.host, task.workers)


def targets(task: RegistryTask) -> list[Target]:
    if task.params["remote"]:
        return registry_targets(task.remote_references("name"), task.destination)
    return store_targets(task.references("name"), task.store)


def main() -> t.NoReturn:
    run(argument_spec(), plan, RegistryTask)


if __name__ == "__main__":
    main()
