#!/usr/bin/python
# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: image_append
short_description: Build images from base images and new layers
version_added: 1.0.0
description:
  - Builds new images, each from a stored image or from nothing, without a container engine. No command runs in the images.
  - Most tasks set O(name), O(base) and O(layers) for one image. O(images) builds several in one task.
  - The base image never changes, so the new image can't have the base's name.
  - The same input gives the same digest on every host, so a second run changes nothing.
  - Files in new layers are sorted. Their modification time is O(created) to the second, and they belong to root by default. Extended attributes are dropped.
  - Hard links between files of one layer are kept. Sockets, devices and pipes are refused.
  - A folder that the image has keeps its owner and permissions. Links of the image are followed, so with a base whose C(/lib) is a link to C(usr/lib), a file
    for C(/lib/x) goes to C(/usr/lib/x). The task fails if a file would replace a folder or lie below a file.
  - To know the files of the base, each run reads its layers.
options:
  name:
    description:
      - The name of the new image.
      - For one image, O(name), O(base) and the options of the image below replace O(images).
    type: str
  base:
    description:
      - The image to start from, by name, or by digest or image ID in full. V(scratch) starts from nothing.
      - The image must be in the store, unless an earlier one of O(images) makes it. This module does not pull it.
      - Required with O(name).
    type: str
  targets:
    description: Further names of the new image, as O(longshore.images.image_tag#module:targets).
    type: list
    elements: str
    default: []
  images:
    description:
      - The images to build, in this order, in place of O(name) and O(base). An image can be based on an earlier one.
      - One task for many images is many times as fast as a loop.
      - If one of them fails, the others are built, except those that are based on it.
    type: list
    elements: dict
    suboptions:
      name:
        description: The name of the image, as O(name).
        type: str
        required: true
      base:
        description:
          - The image to start from, as O(base).
          - It may be an earlier image of the list, by its name. An image that the list makes later is refused.
        type: str
        required: true
      targets:
        description: Further names of the image, as O(targets).
        type: list
        elements: str
        default: []
      layers:
        description: As O(layers).
        type: list
        elements: dict
        default: []
        suboptions:
          src:
            description: As O(layers[].src).
            type: path
          dest:
            description: As O(layers[].dest).
            type: str
          mode:
            description: As O(layers[].mode).
            type: raw
          owner:
            description: As O(layers[].owner).
            type: int
            default: 0
          group:
            description: As O(layers[].group).
            type: int
            default: 0
          exclude:
            description: As O(layers[].exclude).
            type: list
            elements: str
            default: []
          remove:
            description: As O(layers[].remove).
            type: list
            elements: str
            default: []
          rules:
            description: As O(layers[].rules).
            type: list
            elements: dict
            default: []
            suboptions:
              path:
                description: As O(layers[].rules[].path).
                type: str
                required: true
              owner:
                description: As O(layers[].rules[].owner).
                type: int
              group:
                description: As O(layers[].rules[].group).
                type: int
              mode:
                description: As O(layers[].rules[].mode).
                type: raw
          platform:
            description: As O(layers[].platform).
            type: str
      compression:
        description: As O(compression).
        type: str
        choices: [none, gzip, zstd]
        default: none
      config:
        description: As O(config).
        type: dict
        default: {}
        suboptions:
          cmd:
            description: As O(config.cmd).
            type: raw
          entrypoint:
            description: As O(config.entrypoint).
            type: raw
          env:
            description: As O(config.env).
            type: dict
            default: {}
          labels:
            description: As O(config.labels).
            type: dict
            default: {}
          working_dir:
            description: As O(config.working_dir).
            type: str
          user:
            description: As O(config.user).
            type: str
          exposed_ports:
            description: As O(config.exposed_ports).
            type: list
            elements: str
            default: []
          volumes:
            description: As O(config.volumes).
            type: list
            elements: str
            default: []
          stop_signal:
            description: As O(config.stop_signal).
            type: str
          unset_env:
            description: As O(config.unset_env).
            type: list
            elements: str
            default: []
          unset_labels:
            description: As O(config.unset_labels).
            type: list
            elements: str
            default: []
          healthcheck:
            description: As O(config.healthcheck).
            type: dict
            suboptions:
              test:
                description: As O(config.healthcheck.test).
                type: raw
              interval:
                description: As O(config.healthcheck.interval).
                type: str
              timeout:
                description: As O(config.healthcheck.timeout).
                type: str
              start_period:
                description: As O(config.healthcheck.start_period).
                type: str
              start_interval:
                description: As O(config.healthcheck.start_interval).
                type: str
              retries:
                description: As O(config.healthcheck.retries).
                type: int
      platform:
        description: As O(platform).
        type: list
        elements: str
      annotations:
        description: As O(annotations).
        type: dict
        default: {}
      created:
        description: As O(created).
        type: str
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
          - Required unless the layer only deletes files with O(layers[].remove).
        type: path
      dest:
        description:
          - The path in the image. The content of a folder is placed below this path.
          - A file is placed into O(layers[].dest) if that ends in a slash. Otherwise O(layers[].dest) is the file's new path.
          - Without this option, the content of a folder is placed below C(/). A file must then be a tar, plain or compressed with gzip or zstd, which becomes
            the layer unchanged.
          - Folders above it that the image doesn't have belong to root and have the permissions C(0755), unless O(layers[].rules) say otherwise.
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
      exclude:
        description:
          - Patterns of files and folders in O(layers[].src) to leave out, with the same meaning as in C(.dockerignore). C(*.pyc) matches in the topmost
            folder, C(**/*.pyc) in all folders, and a pattern that begins with C(!) includes files again.
        type: list
        elements: str
        default: []
      remove:
        description:
          - Paths in the image that this layer deletes, before it adds O(layers[].src). A folder is deleted with its content.
          - The task fails if the image doesn't have one of the paths.
        type: list
        elements: str
        default: []
      rules:
        description:
          - Owners and permissions of some files and folders of the layer.
          - Only the last rule that matches is used. Values that it leaves out are set as without a rule.
          - Folders of the base image are never changed.
        type: list
        elements: dict
        default: []
        suboptions:
          path:
            description: A glob of absolute paths in the image, with links followed. C(*) doesn't match a slash.
            type: str
            required: true
          owner:
            description: The numeric user ID.
            type: int
          group:
            description: The numeric group ID.
            type: int
          mode:
            description: The permissions, as an octal number in quotes.
            type: raw
      platform:
        description: The only platform of O(platform) whose image gets this layer. By default, the images for all platforms get it.
        type: str
  compression:
    description:
      - How to compress the new layers. A tar that is used as a layer stays unchanged.
      - With V(gzip) and V(zstd), layers are smaller, but their digests depend on the version of zlib or zstd on the host. V(none) gives the same digests
        everywhere.
      - V(zstd) needs the Python library C(zstandard) on the managed host. So does a base whose layers are compressed with zstd.
    type: str
    choices: [none, gzip, zstd]
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
      stop_signal:
        description: The signal that stops the program, such as V(SIGTERM).
        type: str
      unset_env:
        description: Names of environment variables of the base to remove.
        type: list
        elements: str
        default: []
      unset_labels:
        description: Names of labels of the base to remove.
        type: list
        elements: str
        default: []
      healthcheck:
        description:
          - How Docker and Podman check whether a container works. Values that are left out are taken from the base's healthcheck.
          - Durations are numbers with units, such as V(30s), V(1m30s) or V(500ms).
        type: dict
        suboptions:
          test:
            description:
              - The command, as a list that begins with V(CMD), or with V(CMD-SHELL) and one text for a shell. A single text is also run by a shell.
              - V([NONE]) switches the base's healthcheck off.
            type: raw
          interval:
            description: The time between two checks.
            type: str
          timeout:
            description: The time after which a check has failed.
            type: str
          start_period:
            description: The time after the start of a container in which failures don't count.
            type: str
          start_interval:
            description: The time between two checks in O(config.healthcheck.start_period).
            type: str
          retries:
            description: The number of failures in a row after which a container is unhealthy.
            type: int
  platform:
    description:
      - The platforms of the new image, as C(os/arch) or C(os/arch/variant), or V(all) for those of the base that are in the store.
      - Several platforms and V(all) make an index with one image for each platform. One platform makes a single image.
      - The default is the managed host's platform, or the base's platform if the base exists for one platform only.
    type: list
    elements: str
  annotations:
    description:
      - Annotations of the new image, set in its manifests and its index.
      - C(org.opencontainers.image.base.name) and C(org.opencontainers.image.base.digest) are set automatically, unless they are given here.
    type: dict
    default: {}
  created:
    description:
      - The creation time of the new image, such as V(2026-01-31T12:00:00Z).
      - The default is the creation time of the base, or 1970 if there is none, so that the digest depends on the input only. Docker says that an image
        from 1970 is older than 50 years; use the time of the commit instead.
      - Images built on the same base then have the same creation time. O(longshore.images.image_prune#module:keep) orders such images by the versions in their
        tags.
    type: str
extends_documentation_fragment:
  - longshore.images.store
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

- name: Build a program for two platforms, without the shell of its base
  longshore.images.image_append:
    name: registry.example.com/team/tool:2
    base: docker.io/library/alpine:3.22
    platform: [linux/amd64, linux/arm64]
    layers:
      - src: build/tool-amd64
        dest: /usr/bin/tool
        platform: linux/amd64
      - src: build/tool-arm64
        dest: /usr/bin/tool
        platform: linux/arm64
      - remove: [/bin/sh]
      - src: data/
        dest: /srv/tool
        exclude: ["**/.git", "**/*.tmp"]
        rules:
          - path: /srv/tool/cache
            owner: 1000
            group: 1000
            mode: "0750"
    config:
      entrypoint: [/usr/bin/tool]
      user: "1000:1000"
      healthcheck:
        test: [CMD, /usr/bin/tool, --check]
        interval: 30s

- name: Build a common base and two programs on it
  longshore.images.image_append:
    images:
      - name: registry.example.com/team/runtime:5
        base: docker.io/library/python:3.13-slim
        layers:
          - src: /srv/build/lib
            dest: /opt/lib
      - name: registry.example.com/team/worker:5
        base: registry.example.com/team/runtime:5
        layers:
          - src: /srv/build/worker
            dest: /opt/worker
        targets: [registry.example.com/team/worker:latest]
      - name: registry.example.com/team/web:5
        base: registry.example.com/team/runtime:5
        layers:
          - src: /srv/build/web
            dest: /opt/web
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
    - One entry for each new image, in the order of the task.
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

from ..module_utils import start_up as _start_up  # noqa: F401 - first: it stops on a Python that is too old
from ..module_utils.errors import InvalidOption, LongshoreError
from ..module_utils.oci.platform import Selection
from ..module_utils.oci.reference import Reference, parse_selector
from ..module_utils.oci.text import sanitise
from ..module_utils.task.arguments import ENGINE, PROGRESS, REGISTRY, STORE, Arguments, Option, text_map
from ..module_utils.task.layer_options import CONFIG, LAYER, read_layer, read_settings
from ..module_utils.task.run import run
from ..module_utils.task.staging import open_staging
from ..module_utils.task.task import Task
from ..module_utils.transfer.plan import Plan
from ..module_utils.verbs.append import SCRATCH, NewImage, WantedLayer, plan_append

IMAGE: dict[str, Option] = {
    "name": {"type": "str"},
    "targets": {"type": "list", "elements": "str", "default": []},
    "base": {"type": "str"},
    "layers": {"type": "list", "elements": "dict", "default": [], "options": LAYER},
    "compression": {"type": "str", "choices": ["none", "gzip", "zstd"], "default": "none"},
    "config": {"type": "dict", "default": {}, "options": CONFIG},
    "platform": {"type": "list", "elements": "str"},
    "annotations": {"type": "dict", "default": {}},
    "created": {"type": "str"},
}

REQUIRED: dict[str, Option] = {name: {**IMAGE[name], "required": True} for name in ("name", "base")}


def argument_spec() -> Arguments:
    one = Arguments(
        {**IMAGE, "images": {"type": "list", "elements": "dict", "options": {**IMAGE, **REQUIRED}}},
        {
            "required_together": [("name", "base")],
            "required_one_of": [("name", "images")],
            "mutually_exclusive": [("name", "images")],
        },
    )
    return (STORE + one).accepting(REGISTRY + PROGRESS + ENGINE)


def plan(task: Task) -> Plan:
    """Return the change of each name, from its current image to the new one, and the blobs that the new images need."""
    return plan_append(task.store, read_new_images(task), task.host, task.workers, open_staging(task))


def read_new_images(task: Task) -> list[NewImage]:
    """Return the images of the task, those of `images` or the one that the other options describe. Raises InvalidOption, InvalidReference."""
    entries = task.params["images"]
    if entries is None:
        return [read_new_image(task.params)]
    for name, option in IMAGE.items():
        if task.params[name] != option.get("default"):
            raise InvalidOption(f"{name} is for a task with one image; with images, set {name} in each of them")
    return [_read_entry(entry) for entry in entries]


def _read_entry(entry: t.Mapping[str, t.Any]) -> NewImage:
    try:
        return read_new_image(entry)
    except LongshoreError as error:
        raise type(error)(f"images, {sanitise(entry['name'], 300)}: {error.message}") from error


def read_new_image(options: t.Mapping[str, t.Any]) -> NewImage:
    return NewImage(
        name=Reference.parse(options["name"]).require_no_digest(),
        base=None if options["base"] == SCRATCH else parse_selector(options["base"]),
        layers=[WantedLayer(*read_layer(layer, options["compression"])) for layer in options["layers"]],
        settings=read_settings(options["config"]),
        selection=Selection.parse(options["platform"]) if options["platform"] else None,
        created=options["created"],
        annotations=text_map(options["annotations"]),
        targets=tuple(Reference.parse(text.strip()).require_no_digest() for text in options["targets"]),
    )


def main() -> t.NoReturn:
    run(argument_spec(), plan)


if __name__ == "__main__":
    main()
