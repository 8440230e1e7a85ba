#!/usr/bin/python
# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: image_copy
short_description: Copy images between registries, engines, stores, layouts and archives
version_added: 1.0.0
description:
  - Copies images between registries, container engines, stores, OCI layouts and archives, in any direction, without temporary files. So one task can copy
    an image from a registry into Docker, Podman or containerd, or an image that one of these built to a registry.
  - Most tasks set O(src) and O(dest), and some also O(platform) or O(trust). The other options are mainly for credentials and connections.
  - An image keeps its digest, unless O(platform) selects some of its platforms, and unless an engine did not keep it. Docker with its classic image store and
    Podman export images with new manifests, but keep their image IDs. An image from these engines is unchanged if the destination registry, store or layout
    has an image with this ID under the name.
  - An image that its destination already has costs one request to each registry. A copy within one registry moves no bytes. Other copies move only the blobs
    that the destination is missing.
options:
  src:
    description: The image to copy, as O(images[].src). For one image, O(src) and O(dest) replace O(images).
    type: str
  dest:
    description: The destination, as O(images[].dest).
    type: str
  images:
    description: The images to copy. Either O(images) or O(src) is required.
    type: list
    elements: dict
    suboptions:
      src:
        description:
          - The image to copy.
          - A reference means a registry, with or without V(docker://) in front of it.
          - V(oci:PATH[:NAME]) means an OCI layout in a folder.
          - V(oci-archive:PATH[:NAME]) and V(docker-archive:PATH[:NAME]) mean an archive. Both read every archive format that
            M(longshore.images.image_load) reads.
          - V(docker-daemon:IMAGE), V(podman:IMAGE) and V(containerd:[NAMESPACE/]IMAGE) mean an engine. After a namespace, the image needs its full name with
            the registry. The default namespace is O(containerd_namespace). The image may be an image ID or a digest.
          - V(store:[PATH][:NAME]) means a store, by default that of the option O(store).
          - If an image on Docker Hub has the name of one of these schemes, write V(docker://podman:5).
          - The name in a layout, an archive or a store may be a reference, a digest or image ID in full, or a tag alone if another tool wrote only that. It may
            be left out if there is only one image. A path can't contain a colon.
        type: str
        required: true
      dest:
        description:
          - The destination, written like O(images[].src).
          - A value that looks like a registry without a repository, such as V(registry.internal:5000), is refused, because as a reference it means a repository
            on Docker Hub.
          - Without a name after the path, the image keeps the name that it has at the source.
          - All images that a task copies to the same archive path go into one archive. It replaces an existing file, unless that file already has exactly this
            content.
          - An OCI layout, a store and an engine keep their other images.
          - An engine gets the image for its own platform unless O(platform) names another one, and only the layers that it is missing.
        type: str
        required: true
  platform:
    description:
      - The platforms to copy of a multi-platform image. The default is all of them.
      - An image fails if its index is missing one of them. An image without an index must be for one of them.
      - For one platform its manifest is copied. For several platforms the module builds a new index, and returns its digest.
      - An engine gets its own platform by default, and keeps the digest of the index. Docker with the containerd image store and containerd hold several
        platforms of an image. Docker with its classic image store and Podman hold one, and refuse several.
    type: list
    elements: str
  referrers:
    description:
      - Whether to copy signatures, attestations, SBOMs and other referrers together with the image. A docker-archive can't hold them.
      - Referrers are manifests that name the image or one of its manifests as their subject, and images whose tag contains that digest, as cosign writes them.
      - If a destination registry has no referrers API, the module writes the list of referrers as a tag.
    type: bool
    default: false
extends_documentation_fragment:
  - longshore.images.registry
  - longshore.images.registry.login
  - longshore.images.registry.requests
  - longshore.images.engine
  - longshore.images.store
  - longshore.images.progress
  - longshore.images.trust
  - longshore.images.attributes
  - longshore.images.attributes.actiongroup
author:
  - Longshore contributors (@longshore)
seealso:
  - module: longshore.images.image_pull
  - module: longshore.images.image_push
  - module: longshore.images.image_save
"""

EXAMPLES = r"""
---
- name: Mirror two images with their signatures
  longshore.images.image_copy:
    images:
      - src: quay.io/team/app:3
        dest: registry.example.com/team/app:3
      - src: quay.io/team/db:16
        dest: registry.example.com/team/db:16
    referrers: true
    registries:
      - name: registry.example.com
        username: publisher
        password: "{{ registry_password }}"

- name: Release an image within one registry, which moves no bytes
  longshore.images.image_copy:
    images:
      - src: registry.example.com/candidates/app:3
        dest: registry.example.com/released/app:3

- name: Copy two images from a registry into one archive for amd64 hosts
  longshore.images.image_copy:
    images:
      - src: registry.example.com/team/app:3
        dest: oci-archive:/srv/export/team.tar
      - src: registry.example.com/team/db:16
        dest: oci-archive:/srv/export/team.tar
    platform:
      - linux/amd64

- name: Copy an image from a registry into Docker
  longshore.images.image_copy:
    src: registry.example.com/team/app:3
    dest: docker-daemon:registry.example.com/team/app:3

- name: Publish an image that Docker built
  longshore.images.image_copy:
    src: docker-daemon:app:latest
    dest: registry.example.com/team/app:3

- name: Copy an image of Podman into containerd, for the pods of this node
  longshore.images.image_copy:
    src: podman:localhost/app:1
    dest: containerd:k8s.io/localhost/app:1

- name: Push an image that another tool built as an OCI layout
  longshore.images.image_copy:
    images:
      - src: oci:/srv/build/layout:latest
        dest: registry.example.com/team/app:candidate
"""

RETURN = r"""
actions:
  description: One sentence for each change that the task makes, or would make in check mode. Empty when nothing changes.
  returned: success, and when some images failed
  type: list
  elements: str
  sample: ["copy quay.io/team/app:3 to registry.example.com/team/app:3 (sha256:0a399eb16751): 3 blobs, 1.1 MB"]
images:
  description:
    - The images of this task, with the outcome for each.
    - One entry for each image, in the order of O(images).
  returned: success, and when some images failed
  type: list
  elements: dict
  contains:
    name:
      description:
        - The normalised name. Null for an unnamed image.
        - This is the name at the destination.
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
        - Null, like C(platforms) and C(size), for an image that the destination already has, if it was recognised by its digest, because the module does not
          read such an image.
      type: str
      sample: sha256:4cad75abc83d5ca6ee22053d85850676eaef657ee9d723d7bef61179e1e1e485
    media_type:
      description: The media type of the index or manifest.
      type: str
      sample: application/vnd.oci.image.index.v1+json
    platforms:
      description:
        - The platforms of the image that are present.
        - These are the platforms at the destination after the copy.
      type: list
      elements: str
      sample: ["linux/amd64"]
    size:
      description: The size of these platforms in bytes, manifests and configs included.
      type: int
      sample: 72188133
    engine:
      description:
        - The engine that has the image.
        - This is the destination.
      returned: for an engine as destination
      type: str
      sample: docker
    changed:
      description: Whether the task changes this image, or would change it in check mode.
      type: bool
    source:
      description:
        - The image that is copied.
        - Its location, normalised from O(images[].src).
      type: str
      sample: quay.io/team/app:3
    destination:
      description: The destination, normalised from O(images[].dest).
      type: str
      sample: oci-archive:/srv/app.tar
    previous_digest:
      description:
        - The digest that the name pointed at before. Null when the name did not exist.
        - Always null for archives.
      type: str
    referrers:
      description:
        - The signatures, attestations and other referrers that go with the image. Each has its C(digest), C(artifact_type), C(subject) (the digest that it
          belongs to), C(size), C(tag) (made of the subject's digest, as cosign does; else null), and whether it C(changed).
      type: list
      elements: dict
    endpoint:
      description:
        - The URL of the registry or mirror that answered. Null when none was asked.
        - Always the destination's registry. Null for other destinations.
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
        - The names of a failed image stay unchanged at the destination.
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

import functools
import typing as t

from ..module_utils import start_up as _start_up  # noqa: F401 - first: it stops on a Python that is too old
from ..module_utils.places.sources import Places
from ..module_utils.task.arguments import ENGINE, ENGINES, PLATFORM, PROGRESS, REGISTRY, STORE, Arguments
from ..module_utils.task.engines import open_engine_at
from ..module_utils.task.locations import read_locations
from ..module_utils.task.registry_task import RegistryTask
from ..module_utils.task.run import run
from ..module_utils.task.trust_arguments import TRUST, read_trust
from ..module_utils.transfer.plan import Plan
from ..module_utils.verbs.copy import plan_copy


def argument_spec() -> Arguments:
    return (
        REGISTRY
        + STORE
        + ENGINES
        + PLATFORM
        + PROGRESS
        + TRUST
        + Arguments(
            {
                "images": {
                    "type": "list",
                    "elements": "dict",
                    "options": {"src": {"type": "str", "required": True}, "dest": {"type": "str", "required": True}},
                },
                "src": {"type": "str"},
                "dest": {"type": "str"},
                "referrers": {"type": "bool", "default": False},
            },
            {"required_together": [("src", "dest")], "mutually_exclusive": [("images", "src")], "required_one_of": [("images", "src")]},
        )
    ).accepting(ENGINE)


def plan(task: RegistryTask) -> Plan:
    """Return which destinations change: each, from its current digest to the digest at the source."""
    params = task.params
    pairs = [read_locations(entry["src"], entry["dest"]) for entry in params["images"] or [params]]
    task.open_registries([location.reference for pair in pairs for location in pair if location.reference is not None])
    return plan_copy(
        pairs,
        places=Places(task.repository, task.destination, functools.partial(open_engine_at, task), task.open_store),
        selection=task.selection,
        referrers=task.params["referrers"],
        host=task.host,
        workers=task.workers,
        trust=read_trust(task.params),
    )


def main() -> t.NoReturn:
    run(argument_spec(), plan, RegistryTask)


if __name__ == "__main__":
    main()
