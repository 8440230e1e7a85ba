#!/usr/bin/python
# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: image_index
short_description: Make an image for several platforms from several images
version_added: 1.0.0
description:
  - Makes an index (a manifest list) of several images, each for a different platform, in the store or at a registry, without a container engine.
  - Most tasks set O(name) and O(manifests), and some also O(remote) or O(tags). The other options are mainly for credentials, connections and the store.
  - Members can be images, and indexes such as those that BuildKit makes. The images of such an index become members, with their attestations.
  - The images keep their digests. The same members in any order give the same index, so a second run changes nothing.
  - At a registry, members in the repository of the index stay where they are. Members in other repositories of the same registry are mounted, and members at
    other registries are copied.
options:
  name:
    description: The name of the index. With O(remote), this is also where it is pushed.
    type: str
    required: true
  manifests:
    description: The members. The task fails if two of them are for the same platform.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - The image, by name. In the store, it can also be a full digest or image ID.
          - If it is an index in the store, the images that are present become members.
          - Required unless O(existing=absent).
        type: str
      platform:
        description:
          - For an index, the only platform whose image becomes a member.
          - For an image, its platform. The default is the platform in its config.
          - With O(existing=absent) and without O(manifests[].name), the platform whose image is removed from the index.
        type: str
  existing:
    description:
      - What to do with the members that the index under O(name) has already.
      - V(replace) makes the index from O(manifests) only.
      - V(merge) keeps members for other platforms than those of O(manifests). An image under O(name) that is no index is kept as a member.
      - V(absent) removes O(manifests) from the index, and keeps all others. The last member can't be removed.
    type: str
    choices: [replace, merge, absent]
    default: replace
  attestations:
    description:
      - V(keep) adds the attestations of the images of an index, such as BuildKit's provenance. V(drop) leaves them out.
      - Signatures that refer to the image by digest stay valid either way. They don't become members.
    type: str
    choices: [keep, drop]
    default: keep
  annotations:
    description: Annotations of the index. With O(existing=merge) and O(existing=absent), they are added to those that it has.
    type: dict
    default: {}
  require_platforms:
    description: Platforms that the new index must have. The task fails if one is missing.
    type: list
    elements: str
    default: []
  format:
    description:
      - V(oci) makes an OCI index, which may have members in Docker's format too.
      - V(docker) makes a Docker manifest list for old tools. All members must be in Docker's format, and it has no annotations.
    type: str
    choices: [oci, docker]
    default: oci
  tags:
    description: Further tags for the index in the repository of O(name).
    type: list
    elements: str
    default: []
  remote:
    description: Whether to make the index at the registry of O(name), from members at registries. The store isn't used then.
    type: bool
    default: false
extends_documentation_fragment:
  - longshore.images.store
  - longshore.images.registry
  - longshore.images.registry.login
  - longshore.images.registry.requests
  - longshore.images.attributes
  - longshore.images.attributes.actiongroup
author:
  - Longshore contributors (@longshore)
seealso:
  - module: longshore.images.image_append
  - module: longshore.images.image_push
"""

EXAMPLES = r"""
---
- name: Combine the images of two build machines, at the registry
  longshore.images.image_index:
    name: registry.example.com/team/app:3
    manifests:
      - name: registry.example.com/team/app:3-amd64
      - name: registry.example.com/team/app:3-arm64
    require_platforms: [linux/amd64, linux/arm64]
    tags: [latest]
    remote: true

- name: Replace the image for one platform and keep the others
  longshore.images.image_index:
    name: registry.example.com/team/app:3
    manifests:
      - name: registry.example.com/team/app:3-arm64-fixed
    existing: merge
    remote: true

- name: Combine two images of the store
  longshore.images.image_index:
    name: localhost/tool:1
    manifests:
      - name: localhost/tool:1-amd64
      - name: localhost/tool:1-armv6
        platform: linux/arm/v6

- name: Take the image for one platform out
  longshore.images.image_index:
    name: localhost/tool:1
    manifests:
      - platform: linux/arm/v6
    existing: absent
"""

RETURN = r"""
actions:
  description: One sentence for each change that the task makes, or would make in check mode. Empty when nothing changes.
  returned: success, and when some images failed
  type: list
  elements: str
  sample: ["make the index registry.example.com/team/app:3 (sha256:0a399eb16751): 2 images for linux/amd64, linux/arm64"]
images:
  description:
    - The images of this task, with the outcome for each.
    - One entry for O(name), and one for each of O(tags).
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
        - Null with O(remote).
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
      description:
        - The size of these platforms in bytes, manifests and configs included.
        - Null with O(remote).
      type: int
      sample: 72188133
    changed:
      description: Whether the task changes this image, or would change it in check mode.
      type: bool
    previous_digest:
      description: The digest that the name pointed at before. Null when the name did not exist.
      type: str
    members:
      description: The images of the index, sorted by platform.
      type: list
      elements: dict
      contains:
        platform:
          description: The platform.
          type: str
          sample: linux/amd64
        os_version:
          description: The version of the operating system that a Windows image needs. Null for other images.
          type: str
        digest:
          description: The digest of the image's manifest.
          type: str
        attestations:
          description: The digests of the manifests that attest the image.
          type: list
          elements: str
    endpoint:
      description: The URL of the registry or mirror that answered. Null when none was asked.
      returned: with O(remote)
      type: str
      sample: https://registry-1.docker.io
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
rate_limit:
  description: The rate limit of the registry, as C(limit) and C(remaining). Null when no registry reported one.
  returned: success, and when some images failed, with O(remote)
  type: dict
  sample: {"limit": 100, "remaining": 76}
store:
  description: The path of the store.
  returned: success, and when some images failed, without O(remote)
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
from ..module_utils.oci.media_types import DOCKER_LIST, OCI_INDEX
from ..module_utils.oci.platform import Platform
from ..module_utils.oci.reference import Reference, parse_selector
from ..module_utils.task.arguments import ENGINE, PROGRESS, REGISTRY, STORE, Arguments, text_map
from ..module_utils.task.registry_task import RegistryTask
from ..module_utils.task.run import run
from ..module_utils.transfer.plan import Plan
from ..module_utils.verbs.index_members import IndexOptions, MemberRequest

MEMBER = {
    "name": {"type": "str"},
    "platform": {"type": "str"},
}


def argument_spec() -> Arguments:
    return (
        (STORE + REGISTRY)
        .extended(
            name={"type": "str", "required": True},
            manifests={"type": "list", "elements": "dict", "required": True, "options": MEMBER},
            existing={"type": "str", "choices": ["replace", "merge", "absent"], "default": "replace"},
            attestations={"type": "str", "choices": ["keep", "drop"], "default": "keep"},
            annotations={"type": "dict", "default": {}},
            require_platforms={"type": "list", "elements": "str", "default": []},
            format={"type": "str", "choices": ["oci", "docker"], "default": "oci"},
            tags={"type": "list", "elements": "str", "default": []},
            remote={"type": "bool", "default": False},
        )
        .accepting(PROGRESS + ENGINE)
    )


def plan(task: RegistryTask) -> Plan:
    """Return the change of the names, from their current images to the new index."""
    options = read_options(task)
    if not task.params["remote"]:
        from ..module_utils.verbs.index import plan_index

        return plan_index(task.store, options, task.host)
    from ..module_utils.verbs.index_remote import plan_index_remote

    members = [request.name for request in options.requests if isinstance(request.name, Reference)]
    task.open_registries([options.name, *members])
    return plan_index_remote(options, repository=task.repository, destination=task.destination, workers=task.workers)


def read_options(task: RegistryTask) -> IndexOptions:
    params = task.params
    parse = Reference.parse_destination if params["remote"] else Reference.parse
    return IndexOptions(
        name=parse(params["name"]).require_no_digest(),
        requests=[member_request(options) for options in params["manifests"]],
        existing=params["existing"],
        media_type=DOCKER_LIST if params["format"] == "docker" else OCI_INDEX,
        attestations=params["attestations"] == "keep",
        annotations=text_map(params["annotations"]),
        required=[Platform.parse(text) for text in params["require_platforms"]],
        tags=params["tags"],
    )


def member_request(options: t.Mapping[str, t.Any]) -> MemberRequest:
    platform = Platform.parse(options["platform"]) if options["platform"] is not None else None
    return MemberRequest(parse_selector(options["name"]) if options["name"] is not None else None, platform)


def main() -> t.NoReturn:
    run(argument_spec(), plan, RegistryTask)


if __name__ == "__main__":
    main()
