#!/usr/bin/python
# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: image_info
short_description: Show details of images in the store, in an engine, in an archive or at a registry
version_added: 1.0.0
description:
  - Returns details of images in the store, in an archive, or at registries. The module writes nothing.
  - Most tasks set at most O(name), O(engine), O(remote) or O(archive). The other options are mainly for credentials, connections and the store.
  - A missing image is no failure. Its entry in the results has C(present=false).
  - With O(engine) the module describes the images of Docker, Podman or containerd. Docker and Podman report neither manifests nor the digests and sizes of
    layers. An engine holds no signatures, so O(trust) and O(trust_file) accept only images whose rules require none.
options:
  name:
    description: The images, by name, or by digest or image ID in full. The default is all images of the store or the archive.
    type: list
    elements: str
  archive:
    description: An archive on the host, a file or a folder. The module shows the images in this archive instead of those in the store, and does not load them.
    type: path
  remote:
    description:
      - Whether to ask the registries in O(name) instead of the store. Nothing is stored, and no layer is downloaded.
      - For each image the module downloads manifests and one config only. This takes at most three requests, plus those for a login and for O(referrers).
      - With this option O(name) is required and can't contain globs or image IDs. Only C(reference) and C(label) can be used in O(filters).
    type: bool
    default: false
  platform:
    description:
      - The platform to show of a multi-platform image. Of several platforms in this list, the first that is present is shown.
      - By default the managed host's platform is shown, or else the first platform that is present.
      - An image that is present, but not for a platform in this list, counts as missing.
    type: list
    elements: str
  referrers:
    description:
      - Whether to list the signatures, attestations, SBOMs and other referrers of each image and of its manifests.
      - Referrers of stored images are not separate entries in the list of all images. They can be named like any other image.
      - With O(remote) they cost some requests for each image.
    type: bool
    default: true
  raw:
    description: Whether to return the index, the manifest and the config too, byte for byte.
    type: bool
    default: false
  check_base:
    description:
      - Whether to ask the registries of base images whether these images are still the newest ones. C(base) of each image has the answer.
      - An image names its base in the annotations C(org.opencontainers.image.base.name) and C(org.opencontainers.image.base.digest), or in such labels.
        M(longshore.images.image_append), M(longshore.images.image_rebase), buildah and other tools write them.
      - Each base costs one request. If its digest has changed, its manifest for the image's platform is read too.
      - O(username), O(password) and O(identity_token) are sent to registries that O(name) names, and never to others that only images name. For these use
        O(registries) or an auth file.
    type: bool
    default: false
extends_documentation_fragment:
  - longshore.images.filters
  - longshore.images.store
  - longshore.images.engine
  - longshore.images.engine.choice
  - longshore.images.registry
  - longshore.images.registry.login
  - longshore.images.registry.requests
  - longshore.images.trust
  - longshore.images.attributes.info_module
  - longshore.images.attributes.actiongroup
author:
  - Longshore contributors (@longshore)
seealso:
  - module: longshore.images.image_history_info
"""

EXAMPLES = r"""
---
- name: List all images in the store
  longshore.images.image_info:
  register: stored

- name: Fail unless the store has an image for this host
  longshore.images.image_info:
    name: docker.io/library/nginx:1.27
  register: nginx
  failed_when: nginx is failed or not nginx.images[0].present

- name: List the images in an archive
  longshore.images.image_info:
    archive: /srv/transfer/images.tar

- name: See for which platforms a registry has an image, without pulling it
  longshore.images.image_info:
    name: registry.example.com/team/app:3
    remote: true
    username: reader
    password: "{{ registry_password }}"
  register: offered

- name: Wait until a build for arm64 is published
  longshore.images.image_info:
    name: registry.example.com/team/app:4
    remote: true
    platform: linux/arm64
  register: published
  until: published is success and published.images[0].present
  retries: 20
  delay: 30

- name: Find the images whose bases have been patched since
  longshore.images.image_info:
    check_base: true
  register: stored

- name: Show them
  ansible.builtin.debug:
    msg: "{{ stored.images | selectattr('base') | map(attribute='base') | selectattr('is_current', 'eq', false) | map(attribute='msg') }}"

- name: Find unnamed images
  longshore.images.image_info:
    filters:
      dangling: true

- name: Show all images of Docker
  longshore.images.image_info:
    engine: docker
"""

RETURN = r"""
actions:
  description:
    - One sentence for each change that the task makes, or would make in check mode. Empty when nothing changes.
    - Always empty, because this module changes nothing.
  returned: success
  type: list
  elements: str
  sample: []
images:
  description:
    - The images of this task, with the outcome for each.
    - One entry for each image, in the order of O(name) or, without it, in the order of the store or archive.
    - A missing image has only C(name), C(digest), C(present) and C(changed), and with O(remote) also C(endpoint).
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
      description:
        - The platforms of the image that are present.
        - With O(remote) these are the platforms that the registry's index lists.
      type: list
      elements: str
      sample: ["linux/amd64"]
    size:
      description:
        - The size of these platforms in bytes, manifests and configs included.
        - With O(remote) this is the size of the platform shown.
      type: int
      sample: 72188133
    changed:
      description:
        - Whether the task changes this image, or would change it in check mode.
        - Always V(false).
      type: bool
    present:
      description: Whether the image is present.
      type: bool
    repo_tags:
      description: All names with a tag that this image has in the store. With O(remote), the requested name.
      type: list
      elements: str
    repo_digests:
      description: The digest of the image in each repository in which it has a name, as C(repository@digest).
      type: list
      elements: str
    created:
      description: The creation time in the image's config.
      type: str
    author:
      description: The author in the image's config.
      type: str
    os:
      description: The operating system of the image.
      type: str
    architecture:
      description: The CPU architecture of the image.
      type: str
    variant:
      description: The variant of the CPU architecture. Null when the image has none.
      type: str
    config:
      description:
        - The runtime settings of the image, with the keys that they have in its config, such as C(Cmd), C(Entrypoint), C(Env), C(Labels) and C(User).
      type: dict
    labels:
      description: The labels of the image.
      type: dict
    artifact_type:
      description:
        - The type of the artifact.
        - It is the type in the manifest, else that of the config. Null for an image.
      type: str
      sample: application/vnd.cncf.helm.config.v1+json
    annotations:
      description: The annotations of the manifest whose layers are listed.
      type: dict
    layers:
      description:
        - The layers of the image, lowest first, each with C(digest), C(diff_id), C(size), C(media_type), and C(title), the name of a file of an artifact. It
          is null for a layer without one.
      type: list
      elements: dict
    manifests:
      description:
        - The entries of an index, each with C(digest), C(platform), C(size), C(media_type), and C(present), which is true if all its blobs are present. Empty
          for a manifest.
        - With O(remote), every entry that the index lists counts as present, unless the registry reports that it is missing.
      type: list
      elements: dict
    base:
      description:
        - What the image says about its base, and what the registry of that base has now. Null for an image that names no base.
        - C(name) and C(digest) are those that the image records, C(current_digest) is what the name points at now. C(is_current) is true if that is the same,
          or if the image's lowest layers are those of the base for its platform now.
        - If the base can't be looked up, C(is_current) is null, and C(error) and C(msg) say why. If it has changed, C(msg) says what to do.
      returned: with O(check_base), for images that are present
      type: dict
      sample:
        name: docker.io/library/debian:12
        digest: sha256:0a399eb16751829e1af26fea27b20c3ec28d7ab1fb72182879dcae1cca21206a
        current_digest: sha256:0a399eb16751829e1af26fea27b20c3ec28d7ab1fb72182879dcae1cca21206a
        is_current: true
        error: null
        msg: null
    raw:
      description:
        - The documents as text, byte for byte as the registry, the store or the archive has them. C(index) is null if the name points at a manifest;
          C(manifest) and C(config) are those of the platform that is shown. A config that is no text is null.
        - Null in an engine that doesn't keep these documents.
      returned: with O(raw)
      type: dict
    content:
      description:
        - The manifests, configs and layers that make up C(size), for all platforms present, each once with C(digest) and C(size).
        - Images in one store share the bytes of every digest that they have in common.
      type: list
      elements: dict
    referrers:
      description:
        - The signatures, attestations and other referrers that go with the image. Each has its C(digest), C(artifact_type), C(subject) (the digest that it
          belongs to), C(size), C(tag) (made of the subject's digest, as cosign does; else null), and whether it C(changed).
      type: list
      elements: dict
    endpoint:
      description: The URL of the registry or mirror that answered. Null when none was asked.
      returned: with O(remote)
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
        - C(platforms) is about each platform of an index alone, with C(platform), C(image) (the digest of its manifest), C(accepted), C(reason), C(error) and
          C(check).
      returned: for images that are present
      type: dict
    failed:
      description:
        - V(true) for an image that failed.
        - The registry could not be asked for this image.
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
  returned: success, without O(remote)
  type: str
  sample: /var/lib/longshore/images
rate_limit:
  description: The rate limit of the registry, as C(limit) and C(remaining). Null when no registry reported one.
  returned: success, and when some images failed, with O(remote)
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
  sample: 401
registry_errors:
  description: The errors in the registry's answer, each with its code and message.
  returned: failure, when a registry answered
  type: list
  elements: str
  sample: ["UNAUTHORIZED: authentication required"]
"""

import typing as t

from ..module_utils import start_up as _start_up  # noqa: F401 - first: it stops on a Python that is too old
from ..module_utils.oci.reference import Reference
from ..module_utils.places.filters import Filters
from ..module_utils.task.arguments import ARCHIVE, ENGINE, FILTERS, PLATFORM, PROGRESS, REGISTRY, STORE, Arguments
from ..module_utils.task.images import open_image_place
from ..module_utils.task.registry_task import RegistryTask
from ..module_utils.task.run import failure_results, run_info
from ..module_utils.task.trust_arguments import TRUST, read_trust
from ..module_utils.verbs.info import InfoOptions


def argument_spec() -> Arguments:
    return (
        (STORE + ENGINE + REGISTRY + ARCHIVE + PLATFORM + FILTERS + TRUST)
        .extended(
            name={"type": "list", "elements": "str"},
            remote={"type": "bool", "default": False},
            referrers={"type": "bool", "default": True},
            raw={"type": "bool", "default": False},
            check_base={"type": "bool", "default": False},
        )
        .accepting(PROGRESS)
    )


def facts(task: RegistryTask) -> dict[str, t.Any]:
    """Return the rows of the requested images, or of all images."""
    filters = Filters.parse(task.params["filters"])
    if task.params["remote"]:
        from ..module_utils.verbs.info_remote import read_remote_info

        references = task.remote_references("name")
        parts = {name: task.params[name] for name in ("referrers", "raw")}
        rows, errors = read_remote_info(
            references, task.repository, filters, task.selection, task.host, task.workers, read_trust(task.params), **parts
        )
        return {"images": _with_bases(task, rows), **failure_results(errors, len(rows))}
    names = task.selectors("name") if task.params["name"] is not None else None
    if task.params["check_base"]:
        # The registries of bases are named by images, so the login of the task is for those that the task names.
        named = [selector for selector in names or () if isinstance(selector, Reference)]
        task.open_registries(named, named)
    selectors = [*names, *filters.compared] if names is not None else None
    options = InfoOptions(task.host, task.selection, read_trust(task.params), task.params["referrers"], selectors, task.params["raw"])
    inspector = open_image_place(task, options.inspect_store, options.inspect_archive, options.inspect_engine)
    return {"images": _with_bases(task, inspector.find_rows(names, filters) if names is not None else inspector.list_rows(filters))}


def _with_bases(task: RegistryTask, rows: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    if not task.params["check_base"]:
        return rows
    from ..module_utils.verbs.base_check import check_bases

    return check_bases(rows, task.repository, task.workers)


def main() -> t.NoReturn:
    run_info(argument_spec(), facts, RegistryTask)


if __name__ == "__main__":
    main()
