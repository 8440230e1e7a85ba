#!/usr/bin/python
# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: image_save
short_description: Save images from the store or an engine to an archive
version_added: 1.0.0
description:
  - Writes images from the store to one file or folder that Docker, Podman, containerd, skopeo and M(longshore.images.image_load) can read.
  - Most tasks set O(name) and O(path), and some also O(format), O(compression), O(platform) or O(engine). The other options are mainly for
    engines, files and the store.
  - The same images always give the same bytes. A file that already has exactly this content stays unchanged.
  - The file is replaced atomically, even if the run is killed or the disk is full.
  - With O(engine) the images of Docker, Podman or containerd are saved, in the same formats. The module reads them twice, once to learn their content and
    once to write it.
options:
  name:
    description: The images, by name, or by digest or image ID in full. A digest or ID selects the image with all of its names.
    type: list
    elements: str
    required: true
  path:
    description:
      - The file to write, or the folder with O(format=oci-dir). The folder of a file must exist. Missing parents of a folder are created.
      - An existing file with any other content is replaced. An existing folder with files that don't belong to an OCI
        layout is refused.
      - Without O(mode), O(owner) and O(group), the new file keeps those of the file that it replaces.
      - With O(format=oci-dir) these three options apply to all files and folders of the layout. A numeric O(mode) sets the read and write permissions of
        files, and everybody who may read the files may also enter the folders.
      - With O(path_on=controller) a relative path begins at the folder of the playbook.
    type: path
    required: true
  path_on:
    description:
      - Whether the archive is written on the managed host or on the controller.
      - With V(controller) the archive is written to a temporary folder on the host and copied from there, only if the file on the controller has other content.
        Check mode copies nothing. O(mode) applies to the file on the controller. O(owner), O(group), O(format=oci-dir) and C(async) can't be used.
      - Only the user who runs the module and the user who connects to the host can read the temporary file. If the module runs as another user, who is not
        root, the host needs C(setfacl). On the controller the archive needs space in Ansible's temporary folder too, which C(ANSIBLE_LOCAL_TEMP) sets.
    type: str
    choices: [host, controller]
    default: host
    version_added: 1.0.0
  format:
    description:
      - V(universal) is an OCI layout and a docker archive in one tar. All engines can load it, and it keeps the digests for engines that store them.
      - V(docker-archive) has only the content that C(docker load) needs, for one platform of each image. It has no manifests, so digests are lost.
      - V(oci-archive) is a tar of an OCI layout. V(oci-dir) is an OCI layout in a folder.
    type: str
    choices: [universal, docker-archive, oci-archive, oci-dir]
    default: universal
  compression:
    description:
      - How to compress the whole file. Most layers are already compressed, so this rarely saves much.
      - V(zstd) needs the Python library C(zstandard) on the host.
    type: str
    choices: [none, gzip, zstd]
    default: none
  base:
    description:
      - Earlier archives on the host. Layers in these archives, and layers that these archives left out themselves, are left out of the new one.
      - M(longshore.images.image_load) and engines can load the new archive only if they already have these layers. With O(format=docker-archive) this option
        can't be used.
    type: list
    elements: path
    default: []
  base_digests:
    description: Digests of more layers to leave out.
    type: list
    elements: str
    default: []
  checksum:
    description: Whether to return the SHA-256 checksum of the file. The module must read the whole file for this.
    type: bool
    default: false
  platform:
    description:
      - The platforms to save of a multi-platform image. The default is all platforms in the store.
      - An image fails if its index is missing one of them. An image without an index must be for one of them.
    type: list
    elements: str
  referrers:
    description:
      - Whether signatures, attestations, SBOMs and other referrers are saved with their image, if there are any.
      - Referrers are manifests that name the image, or one of its saved manifests, as their subject, and images whose tag is made of that digest, as cosign
        writes them. Referrers of referrers belong to them too.
      - They become entries of the archive's index. O(format=docker-archive) can't hold them.
    type: bool
    default: true
extends_documentation_fragment:
  - longshore.images.store
  - longshore.images.engine
  - longshore.images.engine.choice
  - files
  - longshore.images.progress
  - longshore.images.attributes
  - longshore.images.attributes.actiongroup
author:
  - Longshore contributors (@longshore)
seealso:
  - module: longshore.images.image_load
  - module: longshore.images.image_push
"""

EXAMPLES = r"""
---
- name: Save two images in one file for hosts without a network
  longshore.images.image_save:
    name:
      - docker.io/library/nginx:1.27
      - registry.example.com/team/app:3
    path: /srv/transfer/images.tar
    mode: "0644"

- name: Save only the layers that last month's archive does not have
  longshore.images.image_save:
    name: registry.example.com/team/app:4
    path: /srv/transfer/images-delta.tar
    base:
      - /srv/transfer/images.tar

- name: Save one platform as a compressed file with its checksum
  longshore.images.image_save:
    name: registry.example.com/team/app:4
    path: /srv/transfer/app.tar.gz
    compression: gzip
    checksum: true
    platform: linux/amd64

- name: Save an image of the build host to the controller
  longshore.images.image_save:
    name: registry.example.com/team/app:4
    path: artifacts/app.tar
    path_on: controller

- name: Save an image of Podman
  longshore.images.image_save:
    name: localhost/app:1
    path: /srv/transfer/app.tar
    engine: podman
"""

RETURN = r"""
actions:
  description: One sentence for each change that the task makes, or would make in check mode. Empty when nothing changes.
  returned: success, and when some images failed
  type: list
  elements: str
  sample: ["save docker.io/library/nginx:1.27 (sha256:0a399eb16751) to /srv/transfer/images.tar: there is no such file yet"]
path:
  description:
    - The path of the file or folder.
    - This is the archive.
  returned: success
  type: str
  sample: /srv/transfer/images.tar
reason:
  description: Why the archive is written. Null when it already has exactly this content.
  returned: success
  type: str
  sample: there is no such file yet
size:
  description: The size of the archive in bytes. Null in check mode for a compressed file that would be written.
  returned: success
  type: int
  sample: 72193024
checksum:
  description: The SHA-256 checksum of the file. Null unless O(checksum=true), for a folder, and in check mode for a compressed file that would be written.
  returned: success
  type: str
  sample: 0a399eb16751829e1af26fea27b20c3ec28d7ab1fb72182879dcae1cca21206a
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
      description:
        - The platforms of the image that are present.
        - These are the platforms that are saved.
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
    listed_digest:
      description:
        - The digest by which the archive lists the image. Null for a docker archive.
        - It is the digest of a manifest if listing its index would make an engine look for a platform that is not in the archive. The index is in the archive
          nevertheless, and M(longshore.images.image_load) restores it.
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
engine:
  description: The engine whose images the task works with.
  returned: with O(engine)
  type: str
  sample: docker
error:
  description: The cause of the failure, as a word that is the same in all versions.
  returned: failure
  type: str
  sample: not_found
"""

import typing as t

from ..module_utils import start_up as _start_up  # noqa: F401 - first: it stops on a Python that is too old
from ..module_utils.errors import InvalidOption
from ..module_utils.oci.digest import Digest
from ..module_utils.places.saving import SavingPlace
from ..module_utils.task.arguments import ENGINE, FILE, PLATFORM, PROGRESS, REGISTRY, STORE, Arguments
from ..module_utils.task.engines import open_engine
from ..module_utils.task.file_options import initial_mode
from ..module_utils.task.file_run import run_with_file
from ..module_utils.task.task import Task
from ..module_utils.transfer.plan import Plan
from ..module_utils.verbs.save import SaveOptions, plan_save, read_base_digests


def argument_spec() -> Arguments:
    return (
        (STORE + ENGINE + FILE + PLATFORM + PROGRESS)
        .extended(
            name={"type": "list", "elements": "str", "required": True},
            path_on={"type": "str", "choices": ["host", "controller"], "default": "host"},
            format={"type": "str", "choices": ["universal", "docker-archive", "oci-archive", "oci-dir"], "default": "universal"},
            compression={"type": "str", "choices": ["none", "gzip", "zstd"], "default": "none"},
            base={"type": "list", "elements": "path", "default": []},
            base_digests={"type": "list", "elements": "str", "default": []},
            checksum={"type": "bool", "default": False},
            referrers={"type": "bool", "default": True},
        )
        .accepting(REGISTRY)
    )


def plan(task: Task) -> Plan:
    """Return the change of the archive: none if the file is already the archive of these images."""
    params = task.params
    if params["path_on"] != "host":
        raise InvalidOption("path_on 'controller' is the work of this module's action plugin, which was not used")
    options = SaveOptions(
        path=params["path"],
        form=params["format"],
        compression=None if params["compression"] == "none" else params["compression"],
        selection=task.selection,
        bases=read_base_digests(params["base"]) | {Digest.parse(text) for text in params["base_digests"]},
        host=task.host,
        mode=initial_mode(params["path"], params["mode"]),
        checksum=params["checksum"],
        lock_timeout=params["lock_timeout"],
        referrers=params["referrers"],
    )
    return plan_save(_open_place(task), task.selectors("name"), options)


def _open_place(task: Task) -> SavingPlace[t.Any]:
    """Return the images of the engine that TASK names, else of the store. Raises StoreDamaged, EngineError."""
    if task.params["engine"] is None:
        from ..module_utils.places.store.saving import StoreSaving

        return StoreSaving(task.store)
    from ..module_utils.places.engine.reader import EngineReader
    from ..module_utils.places.engine.saving import EngineSaving

    return EngineSaving(EngineReader(open_engine(task), task.host))


def main() -> t.NoReturn:
    run_with_file(argument_spec(), plan, Task)


if __name__ == "__main__":
    main()
