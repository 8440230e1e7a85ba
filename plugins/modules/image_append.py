#!/usr/bin/python
# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_append
short_description: Build an image from a base image and new layers
version_added: 0.1.0
description:
  - Builds a new image from a stored image, or from nothing, without a container engine. No command runs in the image.
  - The base image never changes, so the new image can't have the base's name.
  - The same input gives the same digest on every host, so a second run changes nothing.
  - Files in new layers are sorted. Their modification time is O(created), and they belong to root by default. Extended attributes are dropped.
options:
  name:
    description: The name of the new image.
    type: str
    required: true
  base:
    description:
      - The image to start from, by name, or by digest or image ID in full. V(scratch) starts from nothing.
      - The image must be in the store. This module does not pull it.
    type: str
    required: true
  layers:
    description: The layers to add, lowest first.
    type: list
    elements: dict
    default: []
    suboptions:
      src:
        description:
          - A file or folder on the managed host. Links inside a folder become links in the image.
          - If the path itself contains a link, it is followed only if root or the running user owns the link.
          - Everybody who may write to this path controls the content of the image. The task fails if a file changes while it is read.
        type: path
        required: true
      dest:
        description:
          - The path in the image. The content of a folder is placed below this path.
          - A file is placed into O(layers[].dest) if that ends in a slash. Otherwise O(layers[].dest) is the file's new path.
          - Without this option, the content of a folder is placed below C(/). A file must then be a tar, plain or compressed with gzip or zstd, which becomes
            the layer unchanged.
        type: str
      mode:
        description:
          - The permissions of all files in the layer, as an octal number in quotes. By default files keep their permissions.
          - Without this option, a file whose owner or group changes loses its setuid and setgid bits.
        type: raw
      owner:
        description: The numeric user ID that owns all files in the layer.
        type: int
        default: 0
      group:
        description: The numeric group ID that owns all files in the layer.
        type: int
        default: 0
  compression:
    description:
      - How to compress the new layers. A tar that is used as a layer stays unchanged.
      - With V(gzip), layers are smaller, but their digests depend on the version of zlib on the host.
    type: str
    choices: [none, gzip]
    default: none
  config:
    description: How containers of the image run. Settings that are left out stay as in the base image.
    type: dict
    default: {}
    suboptions:
      cmd:
        description:
          - The default command, or the default arguments of the entrypoint, as a list of words. No shell splits or expands them.
          - A string is one word. A string with a space or a comma is refused, because it is unclear where its words end.
        type: raw
      entrypoint:
        description: The program to start and its first arguments, in the same form as O(config.cmd). A new entrypoint removes the base's command.
        type: raw
      env:
        description: Environment variables to add to those of the base.
        type: dict
        default: {}
      labels:
        description: Labels to add to those of the base.
        type: dict
        default: {}
      working_dir:
        description: The working directory of the program.
        type: str
      user:
        description: The user that runs the program, optionally followed by a colon and the group.
        type: str
      exposed_ports:
        description: Ports that the program listens on, to add to those of the base, such as V(8080) or V(53/udp).
        type: list
        elements: str
        default: []
      volumes:
        description: Paths of volumes, to add to those of the base.
        type: list
        elements: str
        default: []
  platform:
    description:
      - The platform of the new image, as C(os/arch) or C(os/arch/variant).
      - The default is the managed host's platform, or the base's platform if the base exists for one platform only.
    type: str
  created:
    description:
      - The creation time of the new image, such as V(2026-01-31T12:00:00Z).
      - The default is the creation time of the base, or 1970 if there is none, so that the digest depends on the input only.
      - Images built on the same base then have the same creation time. O(longshore.images.image_prune#module:keep) orders such images by the versions in their
        tags.
    type: str
extends_documentation_fragment:
  - longshore.images.store
  - longshore.images.unused.registry_options
  - longshore.images.unused.progress_options
  - longshore.images.attributes
  - longshore.images.attributes.actiongroup
author:
  - Longshore contributors (@longshore)
seealso:
  - module: longshore.images.image_pull
  - module: longshore.images.image_push
"""

EXAMPLES = r"""
---
- name: Build an image from one static program
  longshore.images.image_append:
    name: localhost/tools/busybox:1
    base: scratch
    layers:
      - src: /usr/bin/busybox
        dest: /bin/busybox
        mode: "0755"
    config:
      entrypoint: ["/bin/busybox"]
      cmd: ["sh"]

- name: Pull a web server
  longshore.images.image_pull:
    name: docker.io/library/nginx:1.27

- name: Add a website to the web server
  longshore.images.image_append:
    name: registry.example.com/team/site:7
    base: docker.io/library/nginx:1.27
    layers:
      - src: /srv/build/site/
        dest: /usr/share/nginx/html
    config:
      labels:
        org.opencontainers.image.version: "7"
"""

RETURN = r"""
actions:
  description: One sentence for each change that the task makes, or would make in check mode. Empty when nothing changes.
  returned: success, and when some images failed
  type: list
  elements: str
  sample: ["make localhost/tools/busybox:1 (sha256:0a399eb16751): 2 blobs, 2.0 MB"]
images:
  description:
    - The images of this task, with the outcome for each.
    - One entry, for the new image.
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
    previous_digest:
      description: The digest that the name pointed at before. Null when the name did not exist.
      type: str
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

from ..module_utils import python_version as _python_version  # noqa: F401 - first: it stops on a Python that is too old
from ..module_utils.archive.layer import LayerSource
from ..module_utils.oci.compose import Settings, parse_command
from ..module_utils.oci.platform import Platform
from ..module_utils.oci.reference import Reference
from ..module_utils.task.arguments import PROGRESS, REGISTRY, STORE, Arguments
from ..module_utils.task.file_modes import octal_mode
from ..module_utils.task.run import run
from ..module_utils.task.task import Task
from ..module_utils.transfer.plan import Plan
from ..module_utils.verbs.append import SCRATCH, NewImage, plan_append

LAYER = {
    "src": {"type": "path", "required": True},
    "dest": {"type": "str"},
    "mode": {"type": "raw"},
    "owner": {"type": "int", "default": 0},
    "group": {"type": "int", "default": 0},
}

CONFIG = {
    # Ansible would split a string at its commas if these were lists.
    "cmd": {"type": "raw"},
    "entrypoint": {"type": "raw"},
    "env": {"type": "dict", "default": {}},
    "labels": {"type": "dict", "default": {}},
    "working_dir": {"type": "str"},
    "user": {"type": "str"},
    "exposed_ports": {"type": "list", "elements": "str", "default": []},
    "volumes": {"type": "list", "elements": "str", "default": []},
}


def argument_spec() -> Arguments:
    return STORE.extended(
        name={"type": "str", "required": True},
        base={"type": "str", "required": True},
        layers={"type": "list", "elements": "dict", "default": [], "options": LAYER},
        compression={"type": "str", "choices": ["none", "gzip"], "default": "none"},
        config={"type": "dict", "default": {}, "options": CONFIG},
        platform={"type": "str"},
        created={"type": "str"},
    ).accepting(REGISTRY + PROGRESS)


def plan(task: Task) -> Plan:
    """Return the change of the name, from its current image to the new one, and the blobs that the new image needs."""
    return plan_append(task.store, wanted(task), task.host, task.workers)


def wanted(task: Task) -> NewImage:
    params = task.params
    return NewImage(
        name=Reference.parse(params["name"]).as_tag(),
        base=None if params["base"] == SCRATCH else task.selectors("base")[0],
        layers=[layer(options, params["compression"] == "gzip") for options in params["layers"]],
        settings=settings(params["config"]),
        platform=Platform.parse(params["platform"]) if params["platform"] else None,
        created=params["created"],
    )


def layer(options: t.Mapping[str, t.Any], compress: bool) -> LayerSource:
    mode = octal_mode(options["mode"], "mode") if options["mode"] is not None else None
    return LayerSource(options["src"], options["dest"], mode, options["owner"], options["group"], compress)


def settings(config: t.Mapping[str, t.Any]) -> Settings:
    lists = {option: parse_command(config[option], f"config: {option}") for option in ("cmd", "entrypoint")}
    return Settings(**{**config, **lists, "env": texts(config["env"]), "labels": texts(config["labels"])})


def texts(values: t.Mapping[str, t.Any]) -> dict[str, str]:
    """Return VALUES as text: YAML reads some of them as numbers or booleans, but in an image they are text."""
    return {str(key): str(value) for key, value in values.items()}


def main() -> t.NoReturn:
    run(argument_spec(), plan)


if __name__ == "__main__":
    main()
