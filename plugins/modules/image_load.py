#!/usr/bin/python
# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: image_load
short_description: Load images from an archive into the store or an engine
version_added: 1.0.0
description:
  - Reads archives of every version of C(docker save), and those that C(podman save), skopeo, buildah, BuildKit, kaniko, crane, C(ctr) and
    M(longshore.images.image_save) write. Reads OCI layouts in folders, too.
  - Most tasks set O(path), and some also O(name), O(rename) or O(engine). The other options are mainly for engines, files and the store.
  - Archive files may be compressed with gzip, bzip2, xz or zstd.
  - Either all requested images are loaded or none. Images keep their digests if the archive contains the original manifests.
  - With O(engine) images go into Docker, Podman or containerd, by default for the engine's platform, and only the layers that the engine is missing.
    If one of several images fails, the names of the others point at what they pointed at before.
options:
  path:
    description:
      - The archive, a file or a folder.
      - With O(path_on=controller) it must be a file. The module looks for it as M(ansible.builtin.copy) looks for O(ansible.builtin.copy#module:src).
    type: path
    required: true
  path_on:
    description:
      - Whether the archive is on the managed host or on the controller.
      - With V(controller) the archive is copied to the host only if the host is missing some of its content. Check mode copies only the names, manifests and
        configs in it. C(async) can't be used.
    type: str
    choices: [host, controller]
    default: host
  name:
    description:
      - The images to load, by their names in the archive, or by digest or image ID in full. A digest or ID selects the image with all of its names.
      - All of them must be in the archive. The default is all images in the archive.
    type: list
    elements: str
  rename:
    description: New names for images. Each key is a name in the archive, or a digest or image ID in full, and each value is the new name.
    type: dict
    default: {}
  existing:
    description:
      - What to do if a name already exists in the store and points at another image.
      - V(overwrite) moves the name to the loaded image. V(keep) leaves the name unchanged and does not load the image under it. V(fail) loads nothing at all.
    type: str
    choices: [overwrite, keep, fail]
    default: overwrite
  platform:
    description:
      - The platforms to load of a multi-platform image. The default is all platforms in the archive.
      - An image fails if its index is missing one of them. An image without an index must be for one of them.
      - With O(engine) the default is the engine's platform. Docker with the containerd image store and containerd hold several platforms of an image. If they
        aren't all that its index lists, they get a new index. Docker with its classic image store and Podman hold one, and refuse several.
    type: list
    elements: str
  referrers:
    description:
      - Whether signatures, attestations, SBOMs and other referrers are loaded with their image, if there are any.
      - Referrers are manifests that name the image, or one of its loaded manifests, as their subject, and images whose tag is made of that digest, as cosign
        writes them. Referrers of referrers belong to them too.
      - With V(false) they stay in the archive.
    type: bool
    default: true
extends_documentation_fragment:
  - longshore.images.store
  - longshore.images.engine
  - longshore.images.engine.choice
  - longshore.images.progress
  - longshore.images.trust
  - longshore.images.attributes
  - longshore.images.attributes.actiongroup
author:
  - Longshore contributors (@longshore)
seealso:
  - module: longshore.images.image_save
  - module: longshore.images.image_pull
"""

EXAMPLES = r"""
---
- name: Load all images from an archive
  longshore.images.image_load:
    path: /srv/transfer/images.tar

- name: Load one image under another name
  longshore.images.image_load:
    path: /srv/transfer/images.tar
    name: docker.io/library/nginx:1.27
    rename:
      docker.io/library/nginx:1.27: registry.example.com/hub/nginx:1.27

- name: Load an archive from the controller, and copy it only to hosts that need it
  longshore.images.image_load:
    path: images.tar
    path_on: controller

- name: Load all images from an archive into the namespace of Kubernetes
  longshore.images.image_load:
    path: /srv/transfer/images.tar
    engine: containerd
    containerd_namespace: k8s.io
"""

RETURN = r"""
actions:
  description: One sentence for each change that the task makes, or would make in check mode. Empty when nothing changes.
  returned: success, and when some images failed
  type: list
  elements: str
  sample: ["load docker.io/library/nginx:1.27 (sha256:0a399eb16751): 8 blobs, 72.2 MB"]
path:
  description:
    - The path of the file or folder.
    - This is the archive on the controller.
  returned: success, with O(path_on=controller)
  type: str
  sample: /srv/transfer/images.tar
images:
  description:
    - The images of this task, with the outcome for each.
    - One entry for each loaded name, and one for each image without a name.
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
    referrers:
      description:
        - The signatures, attestations and other referrers that go with the image. Each has its C(digest), C(artifact_type), C(subject) (the digest that it
          belongs to), C(size), C(tag) (made of the subject's digest, as cosign does; else null), and whether it C(changed).
      type: list
      elements: dict
    previous_digest:
      description: The digest that the name pointed at before. Null when the name did not exist.
      type: str
    kept:
      description: Whether O(existing=keep) left the store's image of this name unchanged.
      type: bool
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
        - If one image fails, no image is loaded.
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
"""

import typing as t

from ..module_utils import start_up as _start_up  # noqa: F401 - first: it stops on a Python that is too old
from ..module_utils.archive.reader import open_archive
from ..module_utils.errors import InvalidOption, UnsupportedFormat
from ..module_utils.places.existing import Existing
from ..module_utils.places.store.loading import StoreLoading
from ..module_utils.task.arguments import Arguments
from ..module_utils.task.engines import open_engine
from ..module_utils.task.load_arguments import LOAD, read_renames
from ..module_utils.task.run import run
from ..module_utils.task.task import Task
from ..module_utils.task.trust_arguments import read_trust
from ..module_utils.transfer.plan import Plan
from ..module_utils.verbs.load import LoadOptions, plan_load


def argument_spec() -> Arguments:
    return LOAD


def plan(task: Task) -> Plan:
    """Return which names change: each name of the archive, from its digest in the store to its digest in the archive."""
    params = task.params
    options = LoadOptions(
        names=task.selectors("name") if params["name"] is not None else None,
        renames=read_renames(params),
        existing=Existing(params["existing"]),
        selection=task.selection,
        host=task.host,
        referrers=params["referrers"],
        trust=read_trust(task.params),
    )
    archive = open_archive(host_path(task))
    if archive.elsewhere and not task.check_mode:
        raise UnsupportedFormat(f"{archive.path} is only the summary of an archive, without its layers")
    if params["engine"] is not None:
        from ..module_utils.places.engine.loading import EngineLoading

        return plan_load(EngineLoading(open_engine(task)), archive, options)
    return plan_load(StoreLoading(task.store), archive, options)


def host_path(task: Task) -> str:
    """Return the archive's path on the host. The action plugin has already copied an archive that was on the controller."""
    if task.params["path_on"] != "host":
        raise InvalidOption("path_on 'controller' is the work of this module's action plugin, which was not used")
    path: str = task.params["path"]
    return path


def main() -> t.NoReturn:
    run(argument_spec(), plan)


if __name__ == "__main__":
    main()
