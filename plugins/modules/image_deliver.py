# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: image_deliver
short_description: Copy images from the store to Docker, Podman or containerd
version_added: 1.0.0
description:
  - Copies images from the store to a container engine, under their full names. This needs no registry and writes no temporary archive.
  - Nothing is sent if the engine already has the image, with this digest or image ID, under its name. Layers that the engine certainly has are not sent either.
  - After each transfer the module asks the engine for the image, and fails if the image is missing, even if the engine reported success.
options:
  name:
    description: The images, by name, or by digest or image ID in full. The engine gets each image under its name in the store.
    type: list
    elements: str
    required: true
  engine:
    description:
      - The engine to deliver to. V(auto) uses the first of Docker, Podman and containerd that it finds on the host.
      - Docker is found if O(docker_host) or C($DOCKER_HOST) is set or Docker's socket exists. Podman is found if O(podman_host) or C($CONTAINER_HOST) is set,
        or if Podman's socket or program exists. containerd is found if its socket exists.
      - Name the engine on hosts that have more than one.
    type: str
    choices: [auto, docker, podman, containerd]
    default: auto
  platform:
    description:
      - The platform to deliver of a multi-platform image. The default is the engine's platform.
      - An engine knows an image for a foreign platform by the digest of its manifest, not by the digest of the index.
    type: str
extends_documentation_fragment:
  - longshore.images.engine
  - longshore.images.store
  - longshore.images.progress
  - longshore.images.trust
  - longshore.images.attributes
  - longshore.images.attributes.actiongroup
requirements:
  - C(ctr), the command-line client of containerd, for O(engine=containerd)
author:
  - Longshore contributors (@longshore)
seealso:
  - module: longshore.images.image_pull
  - module: longshore.images.image_load
  - module: longshore.images.image_save
"""

EXAMPLES = r"""
---
- name: Pull two images into the store
  longshore.images.image_pull:
    name:
      - docker.io/library/nginx:1.27
      - registry.example.com/team/app:3

- name: Copy them to Docker
  longshore.images.image_deliver:
    name:
      - docker.io/library/nginx:1.27
      - registry.example.com/team/app:3
    engine: docker

- name: Provide an image for the pods of this Kubernetes node
  longshore.images.image_deliver:
    name: registry.example.com/team/app:3
    engine: containerd
    containerd_namespace: k8s.io

- name: Copy an image to Docker on another machine
  longshore.images.image_deliver:
    name: registry.example.com/team/app:3
    engine: docker
    docker_host: tcp://docker.example.com:2376
    docker_ca_path: /etc/docker/ca.pem
    docker_client_cert: /etc/docker/cert.pem
    docker_client_key: /etc/docker/key.pem
"""

RETURN = r"""
actions:
  description: One sentence for each change that the task makes, or would make in check mode. Empty when nothing changes.
  returned: success, and when some images failed
  type: list
  elements: str
  sample: ["deliver docker.io/library/nginx:1.27 (sha256:0a399eb16751) to docker: 3 blobs, 29.1 MB"]
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
        - This is the index or manifest that is delivered.
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
        - This is the one platform that is delivered.
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
    engine:
      description: The engine that has the image.
      type: str
      sample: docker
    engine_digest:
      description:
        - The digest by which the engine knows the image. Null if the image failed, and for Docker with its classic image store, which does not keep digests
          of delivered images.
      type: str
      sample: sha256:0a399eb16751829e1af26fea27b20c3ec28d7ab1fb72182879dcae1cca21206a
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
  sample: 43063952
blobs_transferred:
  description: The number of configs and layers that are transferred.
  returned: success, and when some images failed
  type: int
  sample: 3
blobs_reused:
  description: The number of configs and layers that the destination already had.
  returned: success, and when some images failed
  type: int
  sample: 5
store:
  description: The path of the store.
  returned: success, and when some images failed
  type: str
  sample: /var/lib/longshore/images
error:
  description: The cause of the failure, as a word that is the same in all versions.
  returned: failure
  type: str
  sample: engine_error
"""

import typing as t

from ..module_utils import start_up as _start_up  # noqa: F401 - first: it stops on a Python that is too old
from ..module_utils.oci.platform import Platform
from ..module_utils.task.arguments import ENGINE, PROGRESS, REGISTRY, STORE, Arguments
from ..module_utils.task.engines import open_engine
from ..module_utils.task.run import run
from ..module_utils.task.task import Task
from ..module_utils.task.trust_arguments import TRUST, read_trust
from ..module_utils.transfer.plan import Plan
from ..module_utils.verbs.deliver import plan_deliver


def argument_spec() -> Arguments:
    return (
        (STORE + ENGINE + PROGRESS + TRUST)
        .extended(
            name={"type": "list", "elements": "str", "required": True},
            engine={"type": "str", "choices": ["auto", "docker", "podman", "containerd"], "default": "auto"},
            platform={"type": "str"},
        )
        .accepting(REGISTRY)
    )


def plan(task: Task) -> Plan:
    """Return which images the engine is missing under their names."""
    names = task.selectors("name")
    platform = Platform.parse(task.params["platform"]) if task.params["platform"] else None
    return plan_deliver(task.store, open_engine(task), names, platform=platform, host=task.host, trust=read_trust(task.params))


def main() -> t.NoReturn:
    run(argument_spec(), plan)


if __name__ == "__main__":
    main()
