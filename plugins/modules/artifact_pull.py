#!/usr/bin/python
# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: artifact_pull
short_description: Write the files of an artifact from a registry to the host
version_added: 1.0.0
description:
  - Writes the files of an OCI artifact, such as a Helm chart, a model, a firmware image or anything that C(oras push) stored, into a folder of the managed
    host. The artifact comes from a registry, a store, an OCI layout or an archive.
  - Most tasks set O(name) and O(dest), and some also O(titles), O(mode) or O(lock_file). The other options are mainly for credentials and connections.
  - A file is identified by the digest of its content only. The module hashes the files on the host, and downloads only those that differ. A second run asks
    the registry for the digest of the tag, and nothing else.
  - All files are downloaded and verified before the first one gets its name. Until then the old files stay. If the task fails, no file has changed, and the
    next run resumes what was downloaded of large files. Meanwhile it is in the folder C(.longshore-files) beside the files. A folder that doesn't exist
    appears with all its files at once; until then it has a hidden name that begins with C(.longshore-files).
  - The names of the files are the titles of the artifact's layers. A title that is absolute, has C(..), or would be the same file as another one is refused.
  - Files that an earlier version of the artifact had, and files of others, stay in O(dest).
options:
  name:
    description:
      - The artifact, in docker's notation. In C(name:tag@digest) the digest selects the artifact.
      - With O(src), the name of the artifact in that place.
      - One of O(name) and O(src) is required.
    type: str
  src:
    description:
      - The place of the artifact, if that is not the registry of O(name). It is written like O(longshore.images.image_copy#module:src), with the name of the
        artifact in it or in O(name).
      - V(store:[PATH][:NAME]) is a store, by default that of the option O(store). V(oci:PATH[:NAME]) is an OCI layout, and V(oci-archive:PATH[:NAME]) an
        archive on the managed host. Engines don't hold artifacts.
    type: str
  dest:
    description:
      - The folder for the files. It is created if it is missing, and its parent folders too.
      - If one file is chosen, and O(dest) is no folder and does not end with a slash, it is the path of that file, and its folder must exist.
    type: path
    required: true
  path_on:
    description:
      - Whether the files are written on the managed host or on the controller.
      - With V(controller) the host reads the artifact, and O(dest) is a path on the controller. A relative one begins at the folder of the playbook.
      - It is for artifacts that only the host can read, such as those in its store. For others, delegate the task to localhost, which needs no host.
      - Each file that differs is written to a temporary folder on the host, copied from there, and checked by its digest. Check mode copies nothing.
        O(mode) applies to files that are written. O(owner), O(group) and C(async) can't be used.
    type: str
    choices: [host, controller]
    default: host
  titles:
    description:
      - Which files to write, as globs on their titles, in which C(*) does not match a slash. The default is all layers that have a title.
      - The digest of a layer chooses it too, also if it has no title. Its file is named after the digest then, such as C(sha256-0a399e...).
      - A chart's layers, which have no titles, are C(NAME-VERSION.tgz) and C(NAME-VERSION.tgz.prov), as C(helm pull) names them.
      - The task fails if an element chooses nothing.
    type: list
    elements: str
  media_types:
    description:
      - Which files to write, as globs on their media types, in which C(*) does not match a slash. With O(titles) a file has to match both.
      - The task fails if an element chooses nothing.
    type: list
    elements: str
  unpack:
    description:
      - Which files to unpack. V(auto) unpacks folders that M(longshore.images.artifact_push) or oras packed, and tar layers of ModelPack, to O(dest) and their
        title. V(true) also unpacks every other file that is a tar by its media type or its title, such as a chart, into O(dest). V(false) writes the tar.
      - A tar is refused as a whole if it has a path or a link that leads out of its folder, a device, one name twice, or names that differ only in case.
      - Setuid bits, owners and extended attributes are not kept, and folders can always be written by their owner.
      - The files of a tar are recorded in the file C(.longshore-extract-...) in O(dest), so that a second run can hash them without the tar.
      - With V(true), O(mode), O(owner) and O(group) don't apply to the files of the tars that only V(true) unpacks.
    type: str
    choices: [auto, 'true', 'false']
    default: auto
  existing:
    description:
      - What to do with a file that exists with other content. V(overwrite) replaces it, V(keep) leaves it, and V(fail) fails before anything is written.
      - A link is replaced, and its target stays. A link in place of a folder is never followed.
    type: str
    choices: [overwrite, keep, fail]
    default: overwrite
  lock_file:
    description:
      - A lock file on the controller, as M(longshore.images.image_lock) writes it. The module looks for it as M(ansible.builtin.copy) looks for its C(src).
      - The artifact is pulled by its locked digest, even if the tag has moved. The task fails if the name isn't in the file, and if the artifact at O(src)
        has another digest.
    type: path
  lock:
    description:
      - The content of a lock file, as a dictionary or as JSON text. It replaces O(lock_file).
      - For a lock file in YAML, use the filter P(ansible.builtin.from_yaml#filter) to read its content.
    type: raw
  platform:
    description:
      - The platform of the artifact, if its name points at an index. The default is the managed host's platform.
      - An artifact without an index usually is for no platform.
    type: list
    elements: str
extends_documentation_fragment:
  - longshore.images.registry
  - longshore.images.registry.login
  - longshore.images.registry.requests
  - longshore.images.store
  - files
  - longshore.images.progress
  - longshore.images.trust
  - longshore.images.attributes
  - longshore.images.attributes.actiongroup
author:
  - Longshore contributors (@longshore)
seealso:
  - module: longshore.images.image_copy
  - module: longshore.images.image_lock
  - module: ansible.builtin.get_url
"""

EXAMPLES = r"""
---
- name: Write all files of an artifact into a folder
  longshore.images.artifact_pull:
    name: registry.example.com/firmware/router:2.4
    dest: /srv/firmware/
    mode: "0644"

- name: Write one file of an artifact, pinned to the digest that was tested
  longshore.images.artifact_pull:
    name: registry.example.com/policies/site@sha256:0a399eb16751829e1af26fea27b20c3ec28d7ab1fb72182879dcae1cca21206a
    titles: policy.json
    dest: /etc/containers/policy.json
    owner: root
    group: root
    mode: "0644"

- name: Write a Helm chart by its locked digest
  longshore.images.artifact_pull:
    name: registry.example.com/charts/app:1.2.3
    dest: /srv/charts/
    lock_file: charts.lock

- name: Write a chart unpacked, for tools that read its folder
  longshore.images.artifact_pull:
    name: registry.example.com/charts/app:1.2.3
    dest: /srv/unpacked/
    unpack: "true"

- name: Write the weights of a model from an archive that was carried to the host
  longshore.images.artifact_pull:
    src: oci-archive:/srv/transfer/model.tar
    media_types: application/vnd.cncf.model.weight.*
    dest: /srv/models/small/

- name: Collect a file from the store of a host on the controller
  longshore.images.artifact_pull:
    src: "store:"
    name: registry.example.com/reports/site:7
    dest: reports/
    path_on: controller
"""

RETURN = r"""
actions:
  description: One sentence for each change that the task makes, or would make in check mode. Empty when nothing changes.
  returned: success, and when some images failed
  type: list
  elements: str
  sample: ["write /srv/firmware/router.bin (sha256:0a399eb16751): 1 blob, 16.8 MB"]
images:
  description:
    - The images of this task, with the outcome for each.
    - This is the artifact, as the only entry.
  returned: success, and when some images failed
  type: list
  elements: dict
  contains:
    name:
      description:
        - The normalised name. Null for an unnamed image.
        - This is the name at the source.
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
        - For an artifact this is the digest of its config, which may be the same for many artifacts.
      type: str
      sample: sha256:4cad75abc83d5ca6ee22053d85850676eaef657ee9d723d7bef61179e1e1e485
    media_type:
      description: The media type of the index or manifest.
      type: str
      sample: application/vnd.oci.image.index.v1+json
    platforms:
      description:
        - The platforms of the image that are present.
        - Most artifacts have none.
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
        - Then no file has changed.
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
files:
  description:
    - The files of the artifact or image, in order.
    - Only those that the task chooses. Empty if the artifact can't be read.
  returned: success, and when some images failed
  type: list
  elements: dict
  contains:
    path:
      description: The path of the file on the host.
      type: str
      sample: /srv/firmware/router.bin
    title:
      description: The title of the file in the artifact.
      type: str
      sample: router.bin
    media_type:
      description: The media type of the file.
      type: str
      sample: application/octet-stream
    digest:
      description: The digest of the file in the artifact. With O(existing=keep) a file that was kept may have another one.
      type: str
      sample: sha256:0a399eb16751829e1af26fea27b20c3ec28d7ab1fb72182879dcae1cca21206a
    size:
      description: The size of the file in the artifact, in bytes.
      type: int
      sample: 16777216
    changed:
      description: Whether the task writes this file, or would write it in check mode.
      type: bool
    unpacked:
      description: Whether the file is a tar that is unpacked. Then C(path) is the folder that all its files are in.
      type: bool
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

import os
import typing as t

from ..module_utils import start_up as _start_up  # noqa: F401 - first: it stops on a Python that is too old
from ..module_utils.errors import InvalidOption
from ..module_utils.places.artifact_sources import ArtifactPlaces, ArtifactSources
from ..module_utils.places.document_cache import DocumentCache, find_cache_folder
from ..module_utils.places.existing import Existing
from ..module_utils.task.arguments import Arguments
from ..module_utils.task.artifact_arguments import ARTIFACT_PULL
from ..module_utils.task.file_options import initial_mode
from ..module_utils.task.file_run import run_with_file
from ..module_utils.task.locations import to_read_on_host
from ..module_utils.task.lock_options import read_lock
from ..module_utils.task.registry_task import RegistryTask
from ..module_utils.task.trust_arguments import read_trust
from ..module_utils.transfer.plan import Plan
from ..module_utils.verbs.artifact_pull import FileOptions, plan_artifact_pull
from ..module_utils.verbs.single_image import SingleImageOptions, join_location


def argument_spec() -> Arguments:
    return ARTIFACT_PULL


def plan(task: RegistryTask) -> Plan:
    """Return which files change: each, from the digest on the host to its digest in the artifact."""
    params = task.params
    if params["path_on"] != "host":
        raise InvalidOption("path_on 'controller' is the work of this module's action plugin, which was not used")
    lock = read_lock(params)
    location = to_read_on_host(join_location(params["src"], params["name"], lock))
    task.open_registries([location.reference] if location.reference is not None else [])
    sources = ArtifactSources(ArtifactPlaces(task.repository, task.destination, task.open_store), task.host)
    documents = DocumentCache(find_cache_folder(os.environ))
    task.save_later(documents.save)
    options = FileOptions(
        dest=params["dest"],
        titles=params["titles"],
        media_types=params["media_types"],
        unpack=params["unpack"],
        existing=Existing(params["existing"]),
        mode=lambda path: initial_mode(path, params["mode"]),
        keeps_modes=params["mode"] is None,
    )
    return plan_artifact_pull(
        lambda: sources.find(location),
        str(location),
        options,
        SingleImageOptions(task.host_selection, task.host, lock, read_trust(params), documents),
    )


def main() -> t.NoReturn:
    run_with_file(argument_spec(), plan, RegistryTask)


if __name__ == "__main__":
    main()
