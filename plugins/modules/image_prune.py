#!/usr/bin/python
# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: image_prune
short_description: Remove old and unused images from the store, from an engine or from a registry
version_added: 1.0.0
description:
  - Removes images that no rule of the retention policy keeps, and data that no image needs. Check mode reports exactly what would be removed.
  - Most tasks set at most O(keep), O(older_than), O(protect), O(engine) or O(registry). The other options are mainly for credentials, connections and the
    store.
  - By default only unnamed images and unused data are removed. Named images are removed only if O(keep) or O(older_than) is set.
  - If both are set, an image is removed only if neither rule keeps it.
  - Data that a concurrent run needs is never removed.
  - Signatures and other images that refer to an image, by their C(subject) or by a tag such as C(sha256-HEX.sig), are kept or removed together with that image.
  - Images to which another tool gave a short name, such as C(latest) alone, are never removed.
  - If an image that stays can't be read completely, it is unknown which blobs it needs. The module then deletes no blob at all, and warns.
  - With O(engine) the module prunes the images of Docker, Podman or containerd by the same policy, and does not touch the store. An image that a container
    uses, running or stopped, is never removed.
  - With O(registry) the module prunes repositories of a registry by the same policy. It deletes manifests. The registry frees the space with its next
    garbage collection.
  - At a registry, an image is either removed with all its tags or kept with all of them, because registries delete a manifest with its tags. The members of an
    index, and signatures and other referrers, are removed with the image, unless an image that is kept needs them. A referrer that also has an
    ordinary tag, such as C(release-sbom), is treated as a separate image.
  - A repository that can't be read completely is not changed. The others are pruned, and the task fails at the end.
  - A repository whose tags changed after they were read is not changed either, and its images fail with V(plan_outdated).
options:
  registry:
    description:
      - The registry to prune, as C(host[:port]). By default the store is pruned.
      - Its configuration must allow deletion.
      - With O(registry), O(engine) has no effect. C(module_defaults) may set it.
    type: str
  repositories:
    description:
      - The repositories of O(registry) to prune, as names or as globs such as V(team/*) on the names in its catalog.
      - In a glob, C(*) and C(?) don't match a slash.
    type: list
    elements: str
  tag_pattern:
    description:
      - A regular expression that matches whole tags, such as V(build-[0-9]+). Only images with such a tag are considered and counted.
      - An image that also has another tag stays.
      - Only with O(registry).
    type: str
  engine:
    description:
      - The engine to prune. By default the store is pruned.
      - For Docker, an image without a tag is unnamed. For Podman and containerd, an image without any name is unnamed.
      - The engine itself deletes the data that its remaining images don't need.
    type: str
    choices: [docker, podman, containerd]
  dangling:
    description:
      - Whether to remove unnamed images. In the store this also deletes blobs that neither an image nor a live run needs, and partial downloads of failed runs.
      - With O(older_than), younger unnamed images stay.
      - Without effect with O(registry), because registries don't list manifests without a tag.
    type: bool
    default: true
  keep:
    description:
      - How many images to keep in each repository, the newest first. Each stays with all of its names in that repository. V(0) keeps none.
      - The newest image is the one with the latest creation time in its config. Images with the same creation time are ordered by the highest version in their
        tags. A tag without a version is older than every version.
      - An image without a creation time is older than every image that has one. A creation time of 1970 or before counts as unknown.
      - Only images that match O(filters) count.
    type: int
  older_than:
    description:
      - The minimum age of images to remove, by the creation time in their config. It is a number followed by V(s), V(m), V(h), V(d) or V(w)
        for seconds, minutes, hours, days or weeks, such as V(30d).
      - An image without a creation time, or with one of 1970 or before, stays. For a multi-platform image, the config of the host's platform decides, or
        else that of the first platform present.
    type: str
  protect:
    description:
      - Images that must stay, as globs on the normalised name such as V(docker.io/library/*:stable), or as names, digests or image IDs.
      - An image with a protected name stays with all of its names. In a glob, C(*) and C(?) don't match a slash.
    type: list
    elements: str
    default: []
  protect_digests:
    description:
      - Digests and image IDs, such as those of the images that hosts run. Every image that contains one of them stays.
      - A protected index without a tag keeps its members.
      - Only with O(registry).
    type: list
    elements: str
  protect_locks:
    description:
      - Lock files of M(longshore.images.image_lock). Their images stay under any name. Each is the content of a file, or a path on the host.
      - Only with O(registry).
    type: list
    elements: raw
  at_most:
    description:
      - How many images may be removed, as a number or as a share such as V(50%) of all tagged images in the chosen repositories. If the policy would remove
        more, the task fails and removes nothing.
      - Tags of one digest count once, signatures and other referrers don't count.
      - Only with O(registry).
    type: str
extends_documentation_fragment:
  - longshore.images.engine
  - longshore.images.filters
  - longshore.images.store
  - longshore.images.registry
  - longshore.images.registry.login
  - longshore.images.attributes
  - longshore.images.attributes.actiongroup
requirements:
  - C(ctr), the command-line client of containerd, for O(engine=containerd)
author:
  - Longshore contributors (@longshore)
seealso:
  - module: longshore.images.image_rm
  - module: longshore.images.image_verify
"""

EXAMPLES = r"""
---
- name: Remove unnamed images, and all data that no image needs
  longshore.images.image_prune:

- name: Keep the three newest images of each repository, and all images of the last 30 days
  longshore.images.image_prune:
    keep: 3
    older_than: 30d
    protect:
      - registry.example.com/team/*:stable
      - docker.io/library/nginx:1.27

- name: Remove test builds that are more than two weeks old, and nothing else
  longshore.images.image_prune:
    dangling: false
    older_than: 2w
    filters:
      label:
        - org.example.stage=test

- name: Keep the two newest images of each repository in Docker, and all that containers use
  longshore.images.image_prune:
    engine: docker
    keep: 2

- name: Remove images older than 90 days from a Kubernetes node, except those of Kubernetes itself
  longshore.images.image_prune:
    engine: containerd
    containerd_namespace: k8s.io
    older_than: 90d
    protect:
      - registry.k8s.io/*:*
      - registry.k8s.io/*/*:*

- name: Keep ten builds of each repository of a team, all that is locked, and at least half of everything
  longshore.images.image_prune:
    registry: registry.example.com
    repositories:
      - team/*
    tag_pattern: build-[0-9]+
    keep: 10
    protect_locks:
      - "{{ lookup('ansible.builtin.file', 'images.lock') }}"
    at_most: 50%
    username: janitor
    password: "{{ registry_password }}"

- name: Find out how much space a policy would free
  longshore.images.image_prune:
    keep: 1
  check_mode: true
  register: preview

- name: Show the images that it would remove
  ansible.builtin.debug:
    msg: "{{ preview.untagged }}: {{ preview.bytes_freed }} bytes"
"""

RETURN = r"""
actions:
  description: One sentence for each change that the task makes, or would make in check mode. Empty when nothing changes.
  returned: success, and when some images failed
  type: list
  elements: str
  sample: ["remove docker.io/library/nginx:1.27 (sha256:0a399eb16751)", "delete 2 blobs that no image needs: 3.2 MB"]
untagged:
  description: The names that are removed.
  returned: success, and when some images failed
  type: list
  elements: str
  sample: ["docker.io/library/nginx:1.27"]
deleted:
  description:
    - The digests of the images that are deleted. An image that keeps another name is not deleted.
    - For Podman, and for Docker with its classic image store, these are image IDs.
    - In an engine, an image on which other images were built stays without a name, and is not in this list.
    - With O(registry) these are all manifests that are deleted, members of indexes and referrers too, in the order of their deletion.
  returned: success, and when some images failed
  type: list
  elements: str
  sample: ["sha256:0a399eb16751829e1af26fea27b20c3ec28d7ab1fb72182879dcae1cca21206a"]
bytes_freed:
  description:
    - The size of the data that is deleted, in bytes.
    - For the store this is the size of the deleted blobs and partial downloads.
    - With O(engine) this is the sum of the image sizes that the engine reports. Layers that several images share count once for each image, so the real value
      may be lower.
    - With O(registry) this is the size of the manifests, configs and layers that no remaining image of the chosen repositories needs. What other
      repositories, or manifests without a tag, also need is not freed.
  returned: success, and when some images failed
  type: int
  sample: 72188133
registry:
  description: The registry that the task works with.
  returned: with O(registry)
  type: str
  sample: registry.example.com
registry_size:
  description: The size of all content in the chosen repositories before the removal, in bytes. Each digest counts once.
  returned: with O(registry)
  type: int
  sample: 721881330
repositories:
  description: The chosen repositories.
  returned: with O(registry)
  type: list
  elements: dict
  contains:
    name:
      description: The registry and the name of the repository.
      type: str
      sample: registry.example.com/team/app
    tags:
      description: How many tags the repository has before the removal.
      type: int
      sample: 12
    images:
      description: How many images have these tags, without referrers.
      type: int
      sample: 10
    size:
      description: The size of the repository's content before the removal, in bytes.
      type: int
      sample: 72188133
    size_shared:
      description: The part of C(size) that other chosen repositories have too.
      type: int
      sample: 30188133
    removed_tags:
      description: The tags that are removed.
      type: list
      elements: str
      sample: ["build-1", "build-2"]
    removed_images:
      description: How many images are removed, without referrers.
      type: int
      sample: 2
    frozen:
      description: Whether the repository is not changed because it can't be read completely.
      type: bool
    msg:
      description: The content that can't be read. Null if everything can be read.
      type: str
engine:
  description: The engine whose images the task works with.
  returned: with O(engine)
  type: str
  sample: docker
in_use:
  description: The images that the policy would remove, but that stay because a container uses them, by name or by the digest of an unnamed image.
  returned: with O(engine)
  type: list
  elements: str
  sample: ["docker.io/library/postgres:16"]
kept_digests:
  description: The digests of all images that stay, for an engine also their image IDs. They are values for O(protect_digests).
  returned: without O(registry)
  type: list
  elements: str
  sample: ["sha256:0a399eb16751829e1af26fea27b20c3ec28d7ab1fb72182879dcae1cca21206a"]
images:
  description:
    - The images of this task, with the outcome for each.
    - One entry for each removed name, and one for each removed image without a name.
  returned: success, and when some images failed
  type: list
  elements: dict
  contains:
    name:
      description: The normalised name. Null for an unnamed image.
      type: str
      sample: docker.io/library/nginx:1.27
    digest:
      description:
        - The digest of the index or manifest that the name points at.
        - For engines that know only image IDs, this is the image ID.
      type: str
      sample: sha256:0a399eb16751829e1af26fea27b20c3ec28d7ab1fb72182879dcae1cca21206a
    image_id:
      description:
        - The image ID, which is the digest of the config. For a multi-platform image, the config of the requested platform, else of the managed host's
          platform, else of the first platform present.
        - Null for an engine that does not report it.
      type: str
      sample: sha256:4cad75abc83d5ca6ee22053d85850676eaef657ee9d723d7bef61179e1e1e485
    media_type:
      description: The media type of the index or manifest.
      returned: without O(engine)
      type: str
      sample: application/vnd.oci.image.index.v1+json
    platforms:
      description: The platforms of the image that are present.
      returned: without O(engine)
      type: list
      elements: str
      sample: ["linux/amd64"]
    size:
      description:
        - The size of these platforms in bytes, manifests and configs included.
        - With O(engine) this is the size that the engine reports.
      type: int
      sample: 72188133
    changed:
      description: Whether the task changes this image, or would change it in check mode.
      type: bool
    failed:
      description:
        - V(true) for an image that failed.
        - The engine or the registry refused to remove this image. The other images are removed.
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
    engine:
      description: The engine that has the image.
      returned: with O(engine)
      type: str
      sample: docker
rate_limit:
  description: The rate limit of the registry, as C(limit) and C(remaining). Null when no registry reported one.
  returned: success, and when some images failed, with O(registry)
  type: dict
  sample: {"limit": 100, "remaining": 76}
store:
  description: The path of the store.
  returned: success, and when some images failed, without O(engine) and O(registry)
  type: str
  sample: /var/lib/longshore/images
error:
  description: The cause of the failure, as a word that is the same in all versions.
  returned: failure
  type: str
  sample: invalid_option
status:
  description: The HTTP status code of the registry's answer.
  returned: failure, when a registry answered
  type: int
  sample: 405
registry_errors:
  description: The errors in the registry's answer, each with its code and message.
  returned: failure, when a registry answered
  type: list
  elements: str
  sample: ["UNSUPPORTED: The operation is unsupported."]
"""

import datetime
import typing as t

from ..module_utils import start_up as _start_up  # noqa: F401 - first: it stops on a Python that is too old
from ..module_utils.errors import InvalidOption
from ..module_utils.places.filters import Filters
from ..module_utils.places.protection import Protection
from ..module_utils.places.retention import RetentionPolicy
from ..module_utils.task.arguments import ENGINE, FILTERS, PROGRESS, REGISTRY, STORE, Arguments
from ..module_utils.task.images import open_catalog
from ..module_utils.task.registry_task import RegistryTask
from ..module_utils.task.run import run
from ..module_utils.transfer.plan import Plan

_AT_A_REGISTRY = ("tag_pattern", "protect_locks", "protect_digests", "at_most")


def argument_spec() -> Arguments:
    own = Arguments(
        {
            "registry": {"type": "str"},
            "repositories": {"type": "list", "elements": "str"},
            "tag_pattern": {"type": "str"},
            "dangling": {"type": "bool", "default": True},
            "keep": {"type": "int"},
            "older_than": {"type": "str"},
            "protect": {"type": "list", "elements": "str", "default": []},
            "protect_locks": {"type": "list", "elements": "raw"},
            "protect_digests": {"type": "list", "elements": "str"},
            "at_most": {"type": "str"},
        },
        {"required_together": [("registry", "repositories")]},
        may_be_empty=frozenset({"protect_locks", "protect_digests"}),
    )
    return (STORE + REGISTRY + ENGINE + FILTERS + own).accepting(PROGRESS)


def plan(task: RegistryTask) -> Plan:
    """Return which images are removed because no rule keeps them, and which content of the store nothing needs afterwards."""
    policy = RetentionPolicy.parse(task.params["dangling"], task.params["keep"], task.params["older_than"])
    protection = Protection.parse(task.params["protect"])
    filters = Filters.parse(task.params["filters"])
    now = datetime.datetime.now(datetime.timezone.utc)
    if task.params["registry"] is not None:
        from ..module_utils.verbs.prune_registry import plan_prune_registry
        from ..module_utils.verbs.registry_policy import RegistryPolicy

        rules = RegistryPolicy.parse(task.params, policy, filters, protection)
        registry = task.open_registry("registry")
        return plan_prune_registry(task.registries, registry, task.params["repositories"], rules, host=task.host, now=now, workers=task.workers)
    for option in _AT_A_REGISTRY:
        if task.params[option] is not None:
            raise InvalidOption(f"{option} works only with registry")
    from ..module_utils.verbs.prune import plan_prune

    return plan_prune(open_catalog(task), policy, filters, protection, now)


def main() -> t.NoReturn:
    run(argument_spec(), plan, RegistryTask)


if __name__ == "__main__":
    main()
