#!/usr/bin/python
# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: artifact_push
short_description: Publish files at a registry
version_added: 1.0.0
description:
  - Publishes files and folders of the managed host as an OCI artifact, such as firmware, a Helm chart, a model or the SBOM of an image.
  - C(oras pull), C(helm pull) and M(longshore.images.image_copy) read it.
  - Most tasks set O(name) and O(files), and some also O(type), O(preset) or O(subject). The other options are mainly for credentials and connections.
  - The same files and options give the same digest on every host. Times and owners of files don't count, and the artifact gets no creation time.
  - The files are read once to compute the digest. If the registry has it, nothing is sent, and the task costs one request. Otherwise only the blobs that
    the registry is missing are sent. No file is copied on the disk of the host, and files of any size are streamed.
  - A push that fails leaves the tag unchanged. A file that changes while it is read fails the task with C(corrupt_archive).
options:
  name:
    description:
      - The name of the artifact at the registry, in docker's notation.
      - With a digest the task fails if the files make another artifact.
      - An artifact that is only attached to an image needs no name. It can then be found through O(subject), and by its digest.
    type: str
  files:
    description: The files and folders, in the order that the artifact lists them.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: The path on the managed host.
        type: path
        required: true
      title:
        description:
          - The name of the file after a pull, or its path below the folder of the pull. The default is the last part of O(files[].path).
          - Titles that leave the folder, and two titles that would be one file, fail the task. Upper and lower case don't make a difference.
        type: str
      media_type:
        description:
          - The media type of the file. The default is C(application/octet-stream), and C(application/vnd.oci.image.layer.v1.tar+gzip) for a folder.
        type: str
      unpack:
        description:
          - Whether this is a folder, which is published as a tar and unpacked by a pull. A folder without it fails the task.
          - The tar has sorted names, no times and no owners. It lies uncompressed in a gzip stream, because the output of compressors differs between versions.
        type: bool
        default: false
  type:
    description:
      - The type of the artifact, such as C(application/spdx+json). Others recognise the artifact by it.
      - Without it and O(config) the type is C(application/vnd.unknown.artifact.v1), as with C(oras push).
    type: str
  config:
    description: The config of the artifact. The default is empty. With O(preset=model) it describes the model.
    type: dict
    suboptions:
      path:
        description: The path of a file on the managed host with the config, of at most 4 MiB.
        type: path
      content:
        description: The config itself, in place of O(config.path). It is written as JSON.
        type: dict
      media_type:
        description: The media type of the config. Required unless O(preset=model).
        type: str
  annotations:
    description: Annotations of the artifact. They replace those that O(preset) makes.
    type: dict
  subject:
    description:
      - An image or another artifact that this one is attached to, in the same repository.
      - C(oras discover) lists what is attached, and so do M(longshore.images.image_info) and the option C(referrers) of other modules.
      - If the registry has no referrers API, the list of referrers is also written as a tag.
    type: str
  preset:
    description:
      - V(helm_chart) publishes a chart that C(helm package) made, as C(helm push) does. O(files) has the chart, and optionally its provenance file, which ends
        in C(.prov). The repository must end in the name of the chart, and the tag must be its version, with C(_) for each C(+).
      - V(helm_chart) needs the Python library C(PyYAML) where the module runs.
      - V(model) publishes the files of a model by the CNCF model specification. The media types follow from the names of the files, unless
        O(files[].media_type) is set, and the config has the keys C(descriptor) and C(config) of O(config).
    type: str
    choices: [helm_chart, model]
extends_documentation_fragment:
  - longshore.images.registry
  - longshore.images.registry.login
  - longshore.images.registry.requests
  - longshore.images.progress
  - longshore.images.attributes
  - longshore.images.attributes.actiongroup
author:
  - Longshore contributors (@longshore)
seealso:
  - module: longshore.images.image_attest
  - module: longshore.images.image_copy
"""

EXAMPLES = r"""
---
- name: Publish firmware with its notes
  longshore.images.artifact_push:
    name: registry.example.com/firmware/switch:4.2
    type: application/vnd.example.firmware
    files:
      - path: /srv/build/switch.bin
      - path: /srv/build/NOTES.md
        media_type: text/markdown

- name: Publish a Helm chart
  longshore.images.artifact_push:
    name: registry.example.com/charts/web:1.4.0
    preset: helm_chart
    files:
      - path: /srv/build/web-1.4.0.tgz

- name: Attach an SBOM to an image
  longshore.images.artifact_push:
    subject: registry.example.com/team/app:3
    type: application/spdx+json
    files:
      - path: /srv/build/app.spdx.json
        media_type: application/spdx+json
"""

RETURN = r"""
actions:
  description: One sentence for each change that the task makes, or would make in check mode. Empty when nothing changes.
  returned: success, and when some images failed
  type: list
  elements: str
  sample: ["push registry.example.com/firmware/switch:4.2 (sha256:0a399eb16751): 3 blobs, 31.1 MB"]
images:
  description:
    - The images of this task, with the outcome for each.
    - One entry for the artifact.
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
    artifact_type:
      description: The type of the artifact.
      type: str
      sample: application/spdx+json
    subject:
      description: The digest that the artifact is attached to. Null without O(subject).
      type: str
    previous_digest:
      description: The digest that the name pointed at before. Null when the name did not exist.
      type: str
    endpoint:
      description: The URL of the registry or mirror that answered. Null when none was asked.
      type: str
      sample: https://registry-1.docker.io
    failed:
      description:
        - V(true) for an image that failed.
        - The tag of a failed image stays unchanged at the registry.
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
    - With O(preset=helm_chart) this is the order of their digests, as with C(helm push).
  returned: success, and when some images failed
  type: list
  elements: dict
  contains:
    path:
      description: The path on the managed host.
      type: str
      sample: /srv/build/switch.bin
    title:
      description: The name of the file after a pull. Null for a chart, to which C(helm) gives none.
      type: str
      sample: switch.bin
    media_type:
      description: The media type of the file.
      type: str
      sample: application/octet-stream
    digest:
      description: The digest of the file, or of the tar that a folder is published as.
      type: str
      sample: sha256:0a399eb16751829e1af26fea27b20c3ec28d7ab1fb72182879dcae1cca21206a
    size:
      description: The size in bytes.
      type: int
      sample: 31123456
    changed:
      description: Whether the task uploads the file, or would upload it in check mode.
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

import typing as t

from ..module_utils import start_up as _start_up  # noqa: F401 - first: it stops on a Python that is too old
from ..module_utils.oci.reference import Reference
from ..module_utils.task.arguments import ENGINE, PROGRESS, REGISTRY, STORE, Arguments, text_map
from ..module_utils.task.registry_task import RegistryTask
from ..module_utils.task.run import run
from ..module_utils.transfer.plan import Plan
from ..module_utils.verbs.artifact_content import PRESETS, ConfigRequest, FileRequest, NewArtifact
from ..module_utils.verbs.artifact_push import plan_artifact_push

FILE = {
    "path": {"type": "path", "required": True},
    "title": {"type": "str"},
    "media_type": {"type": "str"},
    "unpack": {"type": "bool", "default": False},
}
CONFIG = {"path": {"type": "path"}, "content": {"type": "dict"}, "media_type": {"type": "str"}}


def argument_spec() -> Arguments:
    artifact = Arguments(
        {
            "name": {"type": "str"},
            "files": {"type": "list", "elements": "dict", "required": True, "options": FILE},
            "type": {"type": "str"},
            "config": {
                "type": "dict",
                "options": CONFIG,
                "mutually_exclusive": [("path", "content")],
                "required_one_of": [("path", "content")],
            },
            "annotations": {"type": "dict"},
            "subject": {"type": "str"},
            "preset": {"type": "str", "choices": list(PRESETS)},
        },
        {"required_one_of": [("name", "subject")]},
    )
    return (REGISTRY + PROGRESS + artifact).accepting(STORE + ENGINE)


def plan(task: RegistryTask) -> Plan:
    """Return whether the name points at these files, and which of them the registry is missing."""
    artifact = read_artifact(task.params)
    task.open_registries([artifact.repository])
    return plan_artifact_push(artifact, task.destination, task.host, task.workers)


def read_artifact(params: t.Mapping[str, t.Any]) -> NewArtifact:
    """Return the artifact that the options describe. Raises InvalidReference."""
    config = params["config"]
    return NewArtifact(
        name=Reference.parse(params["name"]) if params["name"] is not None else None,
        files=[FileRequest(**file) for file in params["files"]],
        artifact_type=params["type"],
        config=ConfigRequest(**config) if config is not None else None,
        annotations=text_map(params["annotations"] or {}),
        subject=Reference.parse(params["subject"]) if params["subject"] is not None else None,
        preset=params["preset"],
    )


def main() -> t.NoReturn:
    run(argument_spec(), plan, RegistryTask)


if __name__ == "__main__":
    main()
