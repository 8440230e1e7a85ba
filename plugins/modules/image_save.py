#!/usr/bin/python
# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_save
short_description: Save images of the store in an archive
version_added: 0.1.0
description:
  - Writes images of the store into one file or folder that Docker, Podman, containerd, skopeo and M(longshore.images.image_load) read.
  - The same images make the same bytes. The file is left alone when it holds exactly what would be written, which is told by its content.
  - The file is the old one or the new one at every instant, also when a run is killed or the disk is full.
options:
  name:
    description: The images, by name, or by digest or ID written in full.
    type: list
    elements: str
    required: true
  path:
    description:
      - The file to write, or for O(format=oci-dir) the folder. The folder of a file must exist, those above a folder are made.
      - A file that is there is replaced, whatever it holds, unless it is this archive already. A folder with other files than a layout's is refused.
      - Without O(mode), O(owner) and O(group) the file keeps those of the one that it replaces. With O(format=oci-dir) they are for all that is in the
        folder; of a O(mode) that is a number files get what concerns reading and writing, and folders can be entered by all who may read the files.
    type: path
    required: true
  format:
    description:
      - V(universal) is an OCI layout and a docker archive in one tar, which all engines load, and by which digests are kept where the engine keeps them.
      - V(docker-archive) is only what C(docker load) needs, one platform of each image, without manifests. Digests are lost.
      - V(oci-archive) is a tar of an OCI layout, V(oci-dir) a folder of one.
    type: str
    choices: [universal, docker-archive, oci-archive, oci-dir]
    default: universal
  compression:
    description:
      - How the whole file is compressed. Layers mostly are compressed already, so this seldom saves much.
      - V(zstd) needs the Python library C(zstandard) on the host.
    type: str
    choices: [none, gzip, zstd]
    default: none
  base:
    description:
      - Earlier archives on the host. Layers that they hold, or stand on, are left out of this one.
      - Such an archive is for M(longshore.images.image_load) and for engines that hold the base. One of O(format=docker-archive) can't be such.
    type: list
    elements: path
    default: []
  base_digests:
    description: Digests of further layers that are left out.
    type: list
    elements: str
    default: []
  checksum:
    description: Whether the file's sha256 checksum is returned, for which all of the file is read.
    type: bool
    default: false
  platform:
    description:
      - The platforms to save of an image that exists for several. By default all that are here.
    type: list
    elements: str
extends_documentation_fragment:
  - longshore.images.store
  - longshore.images.unused.registry_options
  - files
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

- name: Save only what the archive of last month doesn't hold
  longshore.images.image_save:
    name: registry.example.com/team/app:4
    path: /srv/transfer/images-delta.tar
    base:
      - /srv/transfer/images.tar
"""

RETURN = r"""
actions:
  description: What was done, or would be in check mode, a sentence each. Empty when nothing changes.
  returned: success, and when single images failed
  type: list
  elements: str
  sample: ["save docker.io/library/nginx:1.27 (sha256:0a399eb16751) to /srv/transfer/images.tar: there is no such file yet"]
path:
  description: The archive.
  returned: success
  type: str
  sample: /srv/transfer/images.tar
reason:
  description: Why the archive is written. Null when it was there already.
  returned: success
  type: str
  sample: there is no such file yet
size:
  description: The size of the archive in bytes. Null for a compressed file in check mode when it has to be written.
  returned: success
  type: int
  sample: 72193024
checksum:
  description: The sha256 checksum of the file. Null unless O(checksum=true), for a folder, and for a compressed file that check mode would write.
  returned: success
  type: str
  sample: 0a399eb16751829e1af26fea27b20c3ec28d7ab1fb72182879dcae1cca21206a
images:
  description:
    - One row for each image, in the order asked for.
  returned: success, and when single images failed
  type: list
  elements: dict
  contains:
    name:
      description: The normalised name. Null for an unnamed image.
      type: str
      sample: docker.io/library/nginx:1.27
    digest:
      description: What the name points at, an index or a manifest.
      type: str
      sample: sha256:0a399eb16751829e1af26fea27b20c3ec28d7ab1fb72182879dcae1cca21206a
    image_id:
      description: The digest of the config of the platform asked for, else of the host's, else of the first that is here.
      type: str
      sample: sha256:4cad75abc83d5ca6ee22053d85850676eaef657ee9d723d7bef61179e1e1e485
    media_type:
      description: The type of what the name points at.
      type: str
      sample: application/vnd.oci.image.index.v1+json
    platforms:
      description: The platforms that are here.
      type: list
      elements: str
      sample: [linux/amd64]
    size:
      description: The stored bytes of these platforms, documents included.
      type: int
      sample: 72188133
    changed:
      description: Whether something changes for this image.
      type: bool
    listed_digest:
      description: The digest that the archive lists for the image. It differs where an index travels unlisted. Null for a docker archive.
      type: str
bytes_transferred:
  description: Sizes of the configs and layers that are moved, each digest once. Manifests and indexes aren't counted.
  returned: success
  type: int
  sample: 29124181
bytes_reused:
  description: Sizes of the configs and layers that were there already.
  returned: success
  type: int
  sample: 0
blobs_transferred:
  description: How many configs and layers are moved.
  returned: success
  type: int
  sample: 8
blobs_reused:
  description: How many configs and layers were there already.
  returned: success
  type: int
  sample: 0
store:
  description: The folder of the store.
  returned: success, and when single images failed
  type: str
  sample: /var/lib/longshore/images
error:
  description: The cause of a failure, in a word that doesn't change between versions.
  returned: failure
  type: str
  sample: not_found
"""

import typing as t

from ..module_utils import python_version as _python_version  # noqa: F401 - first: it stops on a Python that is too old
from ..module_utils.oci.digest import Digest
from ..module_utils.task.arguments import FILE, PLATFORM, REGISTRY, STORE, Arguments
from ..module_utils.task.file_options import initial_mode
from ..module_utils.task.run import run
from ..module_utils.task.task import Task
from ..module_utils.transfer.plan import Plan
from ..module_utils.verbs.save import plan_save, read_base_digests


def argument_spec() -> Arguments:
    return (
        (STORE + FILE + PLATFORM)
        .extended(
            name={"type": "list", "elements": "str", "required": True},
            format={"type": "str", "choices": ["universal", "docker-archive", "oci-archive", "oci-dir"], "default": "universal"},
            compression={"type": "str", "choices": ["none", "gzip", "zstd"], "default": "none"},
            base={"type": "list", "elements": "path", "default": []},
            base_digests={"type": "list", "elements": "str", "default": []},
            checksum={"type": "bool", "default": False},
        )
        .accepting(REGISTRY)
    )


def plan(task: Task) -> Plan:
    """What saving changes: the file, unless it is the archive of these images already."""
    params = task.params
    return plan_save(
        task.store,
        task.selectors("name"),
        path=params["path"],
        form=params["format"],
        compression=None if params["compression"] == "none" else params["compression"],
        selection=task.selection,
        bases=read_base_digests(params["base"]) | {Digest.parse(text) for text in params["base_digests"]},
        host=task.host,
        mode=initial_mode(params["path"], params["mode"]),
        checksum=params["checksum"],
    )


def main() -> t.NoReturn:
    run(argument_spec(), plan)


if __name__ == "__main__":
    main()
