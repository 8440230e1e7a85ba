#!/usr/bin/python
# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: image_push
short_description: Push images from the store or an engine to a registry
version_added: 1.0.0
description:
  - Copies images from the store on the managed host to registries, without a container engine.
  - Most tasks set O(name), and some also O(destination), O(platform), O(engine) or O(trust). The other options are mainly for credentials, connections and
    the store.
  - Nothing is sent if the destination already has this digest. Otherwise only the blobs that the destination is missing are sent.
  - A push that fails leaves the tag unchanged.
  - With O(engine) the images of Docker, Podman or containerd are pushed. An image that the destination has already, by its digest or, if the engine keeps
    none, by its image ID, is unchanged. Docker with its classic image store and Podman give layers uncompressed and with a new manifest.
  - An engine holds no signatures. So with O(engine) the options O(trust) and O(trust_file) accept only images that need none by their rules.
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
      - An image fails if its index is missing one of them. An image without an index must be for one of them.
      - For one platform its manifest is pushed. For several platforms the module builds a new index, and returns its digest, which differs from the digest in
        the store.
    type: list
    elements: str
  referrers:
    description:
      - Whether signatures, attestations, SBOMs and other referrers are pushed with their image, if there are any.
      - Referrers are manifests that name the image, or one of its pushed manifests, as their subject, and images whose tag is made of that digest, as cosign
        writes them. Referrers of referrers belong to them too.
      - The module publishes them before the image. If the registry has no referrers API, it also writes the list of referrers as a tag.
    type: bool
    default: true
extends_documentation_fragment:
  - longshore.images.store
  - longshore.images.engine
  - longshore.images.engine.choice
  - longshore.images.registry
  - longshore.images.registry.login
  - longshore.images.registry.requests
  - longshore.images.progress
  - longshore.images.trust
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

- name: Push an image that Docker built
  longshore.images.image_push:
    name: app:latest
    destination: registry.example.com/team/app:3
    engine: docker
"""

RETURN = r"""
actions:
  description: One sentence for each change that the task makes, or would make in check mode. Empty when nothing changes.
  returned: success, and when some images failed
  type: list
  elements: str
  sample: ["push localhost/app:1 as registry.example.com/team/app:1 (sha256:0a399eb16751): 3 blobs, 1.1 MB"]
images:
  description:
    - The images of this task, with the outcome for each.
    - One entry for each image, in the order of O(name).
  returned: success, and when some images failed
  type: list
  elements: dict
  contains:
    name:
      description:
        - The normalised name. Null for an unnamed image.
        - This is the name at the registry.
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
      description:
        - The platforms of the image that are present.
        - These are the platforms that are pushed.
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
    referrers:
      description:
        - The signatures, attestations and other referrers that go with the image. Each has its C(digest), C(artifact_type), C(subject) (the digest that it
          belongs to), C(size), C(tag) (made of the subject's digest, as cosign does; else null), and whether it C(changed).
      type: list
      elements: dict
    source:
      description:
        - The image that is copied.
        - Its name or digest in the store.
      type: str
    previous_digest:
      description: The digest that the name pointed at before. Null when the name did not exist.
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
        - The tag of a failed image stays unchanged at the registry.
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
from ..module_utils.task.arguments import ENGINE, PLATFORM, PROGRESS, REGISTRY, STORE, Arguments
from ..module_utils.task.images import open_catalog
from ..module_utils.task.registry_task import RegistryTask
from ..module_utils.task.run import run
from ..module_utils.task.trust_arguments import TRUST, read_trust
from ..module_utils.transfer.plan import Plan
from ..module_utils.verbs.push import plan_push, push_destination


def argument_spec() -> Arguments:
    return (STORE + ENGINE + REGISTRY + PLATFORM + PROGRESS + TRUST).extended(
        name={"type": "list", "elements": "str", "required": True},
        destination={"type": "str"},
        referrers={"type": "bool", "default": True},
    )


def plan(task: RegistryTask) -> Plan:
    """Return which destinations change: each, from its current digest to the digest in the store."""
    names = task.selectors("name")
    pairs = [(name, push_destination(name, task.params["destination"], len(names))) for name in names]
    task.open_registries([destination for _name, destination in pairs])
    return plan_push(
        open_catalog(task),
        pairs,
        repository=task.destination,
        selection=task.selection,
        host=task.host,
        workers=task.workers,
        referrers=task.params["referrers"],
        trust=read_trust(task.params),
    )


def main() -> t.NoReturn:
    run(argument_spec(), plan, RegistryTask)


if __name__ == "__main__":
    main()
