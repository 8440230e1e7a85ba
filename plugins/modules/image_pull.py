#!/usr/bin/python
# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: image_pull
short_description: Pull images from a registry into the store or an engine
version_added: 1.0.0
description:
  - Copies images from registries into the store on the managed host, without a container engine.
  - Most tasks set O(name), and some also O(pull_policy), O(platform), O(engine), O(lock_file) or O(trust). The other options are mainly for credentials,
    connections and the store.
  - An image is identified by its digest only. The module downloads only data that the store is missing, and stores it exactly as the registry served it.
  - Images in one O(name) list share connections and transfers, so one task with a list is much faster than a loop.
  - With O(engine) images go from the registry into Docker, Podman or containerd in one step, without a store and without a temporary archive. Only layers
    that the engine is missing are fetched, by default for the engine's platform. Unchanged is what the engine has by this digest or, if it keeps none,
    by this image ID. With O(trust) or O(trust_file) images are verified on every run with the signatures at their registry, because engines hold none.
options:
  name:
    description:
      - The images to pull, in docker's notation. V(nginx) means C(docker.io/library/nginx:latest).
      - In C(name:tag@digest) the digest selects the image, and the tag becomes its name.
      - Required unless O(lock_file) or O(lock) is set. With a lock file the default is all images in it.
    type: list
    elements: str
  pull_policy:
    description:
      - V(always) asks the registry which digest the name points at, and downloads the image if the digest differs from the stored one. An unchanged tag costs
        one request.
      - V(missing) sends no request if the image is in the store and complete. With O(engine) and O(trust) it asks for the signatures of that image.
      - V(newer) works like V(always). But if the registry can't be reached, reports an exceeded rate limit, or fails with a server error, it keeps the stored
        image and warns.
      - V(never) fails if the image isn't in the store.
      - A stored image that is pinned by digest never causes a request, unless V(always) looks for its O(referrers).
    type: str
    choices: [always, missing, newer, never]
    default: always
  lock_file:
    description:
      - A lock file on the controller, as M(longshore.images.image_lock) writes it. The module looks for it as M(ansible.builtin.copy) looks for its C(src).
      - Every image is pulled by its locked digest, even if the tag has moved, and keeps its name. A locked image that is in the store never causes a request.
      - The task fails if a name in O(name) isn't in the file, or has a digest that differs from the locked one.
      - The locked digest of an index covers all of its platforms, so O(platform) may be one that the file does not record.
    type: path
  lock:
    description:
      - The content of a lock file, as a dictionary or as JSON text. It replaces O(lock_file).
      - For a lock file in YAML, use the filter P(ansible.builtin.from_yaml#filter) to read its content.
    type: raw
  platform:
    description:
      - The platforms to pull of a multi-platform image, as C(os/arch) or C(os/arch/variant), or V(all).
      - The default is the managed host's platform. Platforms that the store already has stay.
      - An image fails if its index is missing one of them. An image without an index must be for one of them.
      - With O(engine) the default is the engine's platform. Docker with the containerd image store and containerd hold several platforms of an image. If they
        aren't all that its index lists, they get a new index. Docker with its classic image store and Podman hold one, and refuse several.
    type: list
    elements: str
  repo_digests:
    description:
      - Whether C(docker run NAME@DIGEST) and Compose files that are pinned by digest find the image without asking the registry. Docker's classic image store
        gives a name by digest only to what Docker pulls itself. With V(true) Docker is asked to do that at the end, when it has all layers and
        O(trust) was checked, so it fetches only the manifest.
      - Docker itself has to reach the registry, with its own mirrors and certificates. The credentials of the task are passed to it, unless O(docker_host)
        is an address without TLS. If Docker fails, the image stays under its name, and the task fails with C(engine_error).
      - It has no effect with other engines and image stores, which keep digests anyway, nor on an image that is kept without a request because of
        O(pull_policy).
    type: bool
    default: false
  referrers:
    description:
      - Whether to pull signatures, attestations, SBOMs and other referrers with each image. They are kept in the store, and go along when the image is pushed,
        saved or copied.
      - Referrers are manifests that name the image, or one of its pulled manifests, as their subject, and images whose tag is made of that digest with
        C(.sig), C(.att) or C(.sbom), as cosign writes them. Referrers of referrers belong to them too.
      - They are looked for with the registry's referrers API, or in the tag that lists them if the registry doesn't have the API. This costs a few requests
        for each image.
      - Only O(pull_policy=always), and O(pull_policy=newer) for a name without a digest, ask for the referrers of an image that is in the store.
    type: bool
    default: false
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
  - module: longshore.images.image_lock
  - module: longshore.images.image_push
  - module: longshore.images.image_info
"""

EXAMPLES = r"""
---
- name: Pull two images
  longshore.images.image_pull:
    name:
      - docker.io/library/nginx:1.27
      - registry.example.com/team/app:3

- name: Pull an image for two platforms, pinned to the digest that was tested
  longshore.images.image_pull:
    name: registry.example.com/team/app:3@sha256:0a399eb16751829e1af26fea27b20c3ec28d7ab1fb72182879dcae1cca21206a
    platform:
      - linux/amd64
      - linux/arm64

- name: Pull all images that are locked in files/images.lock beside the playbook
  longshore.images.image_pull:
    lock_file: images.lock

- name: Pull one image by its locked digest
  longshore.images.image_pull:
    name: registry.example.com/team/app:3
    lock: "{{ lookup('ansible.builtin.file', 'images.lock') }}"

- name: Pull an image with its signatures and SBOMs
  longshore.images.image_pull:
    name: registry.example.com/team/app:3
    referrers: true

- name: Pull from a private registry whose certificate a private CA signed, into another store
  longshore.images.image_pull:
    name: registry.example.com/team/app:3
    username: reader
    password: "{{ registry_password }}"
    ca_path: /etc/ssl/private-ca.pem
    store: /srv/images

- name: Pull from two registries with different settings
  longshore.images.image_pull:
    name:
      - registry.example.com/team/app:3
      - mirror.example.com:5000/tools/probe:1
    registries:
      - name: registry.example.com
        username: reader
        password: "{{ registry_password }}"
      - name: mirror.example.com:5000
        plain_http: true

- name: Pull an image into Docker, without a store
  longshore.images.image_pull:
    name: registry.example.com/team/app:3
    engine: docker
"""

RETURN = r"""
actions:
  description: One sentence for each change that the task makes, or would make in check mode. Empty when nothing changes.
  returned: success, and when some images failed
  type: list
  elements: str
  sample: ["pull docker.io/library/nginx:1.27 (sha256:0a399eb16751): 8 blobs, 72.2 MB"]
images:
  description:
    - The images of this task, with the outcome for each.
    - One entry for each image, in the order of O(name) or of the lock file.
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
    referrers:
      description:
        - The signatures, attestations and other referrers that go with the image. Each has its C(digest), C(artifact_type), C(subject) (the digest that it
          belongs to), C(size), C(tag) (made of the subject's digest, as cosign does; else null), and whether it C(changed).
      type: list
      elements: dict
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
        - The names of a failed image stay unchanged in the store.
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
from ..module_utils.task.engines import open_engine
from ..module_utils.task.lock_options import read_lock
from ..module_utils.task.registry_task import RegistryTask
from ..module_utils.task.run import run
from ..module_utils.task.trust_arguments import TRUST, read_trust
from ..module_utils.transfer.plan import Plan
from ..module_utils.verbs.pull import PullPlace, PullPolicy, plan_pull


def argument_spec() -> Arguments:
    images = Arguments(
        {
            "name": {"type": "list", "elements": "str"},
            "pull_policy": {"type": "str", "choices": ["always", "missing", "newer", "never"], "default": "always"},
            "lock_file": {"type": "path"},
            "lock": {"type": "raw"},
            "referrers": {"type": "bool", "default": False},
            "repo_digests": {"type": "bool", "default": False},
        },
        {"required_one_of": [("name", "lock_file", "lock")], "mutually_exclusive": [("lock_file", "lock")]},
    )
    return STORE + ENGINE + REGISTRY + PLATFORM + PROGRESS + TRUST + images


def plan(task: RegistryTask) -> Plan:
    """Return which names change: each, from its digest in the store to its digest at the registry or in the lock file."""
    lock = read_lock(task.params)
    references = task.references("name") if lock is None or task.params["name"] is not None else lock.names
    task.open_registries(references)
    return plan_pull(_open_place(task), references, PullPolicy(task.params["pull_policy"]), lock)


def _open_place(task: RegistryTask) -> PullPlace[t.Any, t.Any]:
    """Return the engine that TASK names, else the store. Raises EngineError, InvalidOption."""
    trust = read_trust(task.params)
    if task.params["engine"] is not None:
        from ..module_utils.places.engine.pulling import EnginePulling

        destination = task.destination if task.params["repo_digests"] else None
        return EnginePulling(open_engine(task), task.repository, destination, selection=task.selection, host=task.host, trust=trust)
    from ..module_utils.places.store.pulling import StorePulling

    return StorePulling(task.store, task.repository, task.host_selection, task.host, task.workers, task.params["referrers"], trust)


def main() -> t.NoReturn:
    run(argument_spec(), plan, RegistryTask)


if __name__ == "__main__":
    main()
