#!/usr/bin/python
# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: image_diff_info
short_description: Show what differs between two images of any places
version_added: 1.0.0
description:
  - Compares two images, each at a registry, in a store, an OCI layout, an archive or an engine. Neither is run, and the module writes nothing.
  - Returns for each platform which layers both have, how many bytes a place with the first image is missing of the second, and which settings,
    packages and files differ.
  - For packages and files the layers are read as streams, and nothing is stored. Layers that both images have at the bottom are read
    once, and none if all are the same. Layers of an image at a registry are downloaded. With O(contents=false) no layer is read.
  - Most tasks set O(before) and O(after), and some also O(platform). The other options are mainly for credentials, connections and the store.
  - With C(--diff), Ansible shows a diff only of tasks that changed something. With C(changed_when), as in the first example, it shows the differences.
options:
  before:
    description:
      - The first image, mostly the older one, as a location.
      - A location is written like O(longshore.images.image_copy#module:src). A reference means a registry.
      - V(store:[PATH][:NAME]) is a store, by default that of the option O(store). V(oci:PATH[:NAME]) is an OCI layout, and V(oci-archive:PATH[:NAME]) or
        V(docker-archive:PATH[:NAME]) an archive on the managed host. V(docker-daemon:NAME), V(podman:NAME) and V(containerd:NAME) are engines.
    type: str
    required: true
  after:
    description: The second image, written like O(before).
    type: str
    required: true
  contents:
    description: Whether to compare packages and files, for which layers are read. With V(false), only manifests and configs are compared.
    type: bool
    default: true
  files_limit:
    description: How many files RV(files) lists at most. RV(file_counts) counts all.
    type: int
    default: 100
  platform:
    description:
      - The platforms to compare of multi-platform images. V(all) compares all platforms, and also returns those that only one image has.
      - The default is the managed host's platform. An image for one platform only is compared in any case.
    type: list
    elements: str
extends_documentation_fragment:
  - longshore.images.registry
  - longshore.images.registry.login
  - longshore.images.registry.requests
  - longshore.images.store
  - longshore.images.engine
  - longshore.images.attributes.info_module
  - longshore.images.attributes.actiongroup
attributes:
  diff_mode:
    support: full
    description: Returns the differences of the images, though the module changes nothing. C(changed_when) makes Ansible show them.
author:
  - Longshore contributors (@longshore)
seealso:
  - module: longshore.images.image_info
  - module: longshore.images.image_lock
  - module: longshore.images.image_packages_info
  - module: longshore.images.image_rebase
"""

EXAMPLES = r"""
---
- name: Compare two tags, and show the differences with --diff
  longshore.images.image_diff_info:
    before: docker.io/library/nginx:1.27.2
    after: docker.io/library/nginx:1.27.3
  register: difference
  changed_when: difference.different

- name: Fail if the new image runs as another user
  ansible.builtin.assert:
    that: difference.config | selectattr('setting', 'equalto', 'user') | length == 0

- name: Compare an image of Docker with the one at the registry
  longshore.images.image_diff_info:
    before: docker-daemon:registry.example.com/team/app:3
    after: registry.example.com/team/app:3

- name: Show how much of an archive the store is missing, for all platforms
  longshore.images.image_diff_info:
    before: store:registry.example.com/team/app:3
    after: oci-archive:/media/usb/app.tar
    platform: all
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
different:
  description:
    - Whether anything differs, a layer that is only compressed otherwise included.
    - Names, and manifests with the same layers and settings, make no difference.
  returned: success
  type: bool
before:
  description: The first image.
  returned: success
  type: dict
  contains:
    location:
      description: The location of the option O(before), with an absolute path.
      type: str
      sample: docker.io/library/nginx:1.27.2
    name:
      description: The normalised name. Null for an unnamed image.
      type: str
      sample: docker.io/library/nginx:1.27.2
    digest:
      description: The digest of the index or manifest that the name points at.
      type: str
      sample: sha256:0a399eb16751829e1af26fea27b20c3ec28d7ab1fb72182879dcae1cca21206a
    media_type:
      description: The media type of the index or manifest.
      type: str
      sample: application/vnd.oci.image.index.v1+json
after:
  description: The second image, with the keys of RV(before).
  returned: success
  type: dict
  sample: {"location": "docker.io/library/nginx:1.27.3", "name": "docker.io/library/nginx:1.27.3", "digest": "sha256:4cad75ab"}
platforms:
  description: The platforms that were compared. Other rows refer to them by C(platform).
  returned: success
  type: list
  elements: dict
  contains:
    platform:
      description: The platform, null if neither image says one.
      type: str
      sample: linux/amd64
    change:
      description: V(kept) if nothing differs, V(changed), V(added) if only the second image has the platform, or V(removed) if only the first has it.
      type: str
      sample: changed
    before:
      description: The digest of the manifest in the first image, null if it doesn't have the platform.
      type: str
    after:
      description: The digest of the manifest in the second image, null if it doesn't have the platform.
      type: str
    bytes_to_move:
      description: The size of the config and the layers that only the second image has for this platform.
      type: int
layers:
  description: The layers of the second image, the lowest first, and then the layers that only the first image has.
  returned: success
  type: list
  elements: dict
  contains:
    platform:
      description: The platform.
      type: str
      sample: linux/amd64
    change:
      description:
        - V(kept) for a layer that both images have, V(added) or V(removed).
        - V(repacked) if both have the same files in a layer, but with another digest, because one is compressed otherwise. Engines that keep layers
          unpacked return them so.
      type: str
      sample: kept
    digest:
      description: The digest of the layer as stored.
      type: str
      sample: sha256:0a399eb16751829e1af26fea27b20c3ec28d7ab1fb72182879dcae1cca21206a
    previous_digest:
      description: The digest of the layer in the first image, null if it doesn't have it.
      type: str
    diff_id:
      description: The digest of the uncompressed layer, null if the config doesn't say it.
      type: str
    size:
      description: The stored size of the layer in bytes.
      type: int
      sample: 29124181
config:
  description: The settings that differ.
  returned: success
  type: list
  elements: dict
  contains:
    platform:
      description: The platform.
      type: str
      sample: linux/amd64
    change:
      description: V(added), V(removed) or V(changed).
      type: str
      sample: changed
    setting:
      description:
        - What differs. Settings of containers are V(env), V(cmd), V(entrypoint), V(user), V(labels), V(exposed_ports), V(volumes), V(working_dir),
          V(stop_signal), V(healthcheck) and others that the config has.
        - Of the image itself these are V(annotations), V(author), V(created), V(architecture), V(os), V(os.version) and V(variant).
      type: str
      sample: env
    key:
      description: The name of the variable, label, annotation, port or volume. Null for a setting that is compared as a whole.
      type: str
      sample: NGINX_VERSION
    before:
      description: The value in the first image, as it is there. Null if it is not set.
      type: raw
      sample: 1.27.2
    after:
      description: The value in the second image, as it is there. Null if it is not set.
      type: raw
      sample: 1.27.3
packages:
  description:
    - Packages of dpkg, apk, RPM, Python, npm, Go and Java, by type and name.
    - These are the packages that differ.
    - One version in place of one other is a change. If an image has several versions of a package, those that differ are added and removed.
  returned: success
  type: list
  elements: dict
  contains:
    platform:
      description: The platform.
      type: str
      sample: linux/amd64
    change:
      description: V(added), V(removed) or V(changed).
      type: str
      sample: changed
    type:
      description: V(deb), V(apk), V(rpm), V(python), V(npm), V(go) or V(java).
      type: str
      sample: deb
    name:
      description: The name of the package.
      type: str
      sample: openssl
    architecture:
      description: The architecture, null if the package has none.
      type: str
      sample: amd64
    before:
      description: The version in the first image, null if it doesn't have the package.
      type: str
      sample: 3.0.15-1
    after:
      description: The version in the second image, null if it doesn't have the package.
      type: str
      sample: 3.0.16-1
unreadable:
  description:
    - The files that should describe packages and can't be read, so that RV(packages) may be incomplete.
    - Only images in which layers differ are searched.
  returned: success
  type: list
  elements: dict
  contains:
    platform:
      description: The platform.
      type: str
      sample: linux/amd64
    image:
      description: V(before) or V(after).
      type: str
      sample: after
    path:
      description: The path of the file in the image.
      type: str
      sample: /var/lib/rpm/Packages
    error:
      description: The cause, as a word that is the same in all versions.
      type: str
      sample: unsupported_format
    msg:
      description: The cause as a sentence.
      type: str
files:
  description:
    - The files of the artifact or image, in order.
    - These are the files, folders, links and devices that differ, by path, at most O(files_limit) of all platforms together.
    - Times of files are not compared.
  returned: success
  type: list
  elements: dict
  contains:
    platform:
      description: The platform.
      type: str
      sample: linux/amd64
    change:
      description: V(added), V(removed) or V(changed).
      type: str
      sample: changed
    path:
      description: The path in the image.
      type: str
      sample: /etc/nginx/nginx.conf
    before:
      description: The file in the first image. Null if nothing is at this path.
      type: dict
      contains:
        kind:
          description: V(file), V(folder), V(link) or V(device).
          type: str
          sample: file
        size:
          description: The size of a file in bytes, else 0.
          type: int
          sample: 648
        mode:
          description: The permissions as an octal number.
          type: str
          sample: "0644"
        owner:
          description: The user ID of the owner.
          type: int
        group:
          description: The group ID.
          type: int
        digest:
          description: The digest of the content of a file, else null.
          type: str
        target:
          description: The target of a symbolic link, else null.
          type: str
        attributes:
          description: The names of extended attributes. Their values are compared too.
          type: list
          elements: str
          sample: ["security.capability"]
    after:
      description: The file in the second image, with the keys of C(before). Null if nothing is at this path.
      type: dict
files_left_out:
  description: The number of files that differ beyond O(files_limit).
  returned: success
  type: int
  sample: 0
file_counts:
  description: The number of files that are V(added), V(removed) and V(changed). Null with O(contents=false).
  returned: success
  type: dict
  sample: {"added": 3, "removed": 0, "changed": 12}
bytes_to_move:
  description:
    - The size in bytes of the configs and layers of the second image that a place with the first image is missing, in the compared platforms. Each digest
      counts once.
    - A layer that is V(repacked) counts, because places keep layers by their digests.
  returned: success
  type: int
  sample: 29124181
diff:
  description: The differences as two texts, C(before) and C(after), with the locations as C(before_header) and C(after_header).
  returned: success
  type: dict
store:
  description: The path of the store.
  returned: success
  type: str
  sample: /var/lib/longshore/images
rate_limit:
  description: The rate limit of the registry, as C(limit) and C(remaining). Null when no registry reported one.
  returned: success
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

import functools
import typing as t

from ..module_utils import start_up as _start_up  # noqa: F401 - first: it stops on a Python that is too old
from ..module_utils.errors import InvalidOption
from ..module_utils.oci.location import Location
from ..module_utils.places.sources import ImageSources, Places
from ..module_utils.task.arguments import ENGINE, ENGINES, PLATFORM, PROGRESS, REGISTRY, STORE, Arguments
from ..module_utils.task.engines import open_engine_at
from ..module_utils.task.locations import to_read_on_host
from ..module_utils.task.registry_task import RegistryTask
from ..module_utils.task.run import run_info
from ..module_utils.verbs.diff import describe_difference, read_image


def argument_spec() -> Arguments:
    images = Arguments(
        {
            "before": {"type": "str", "required": True},
            "after": {"type": "str", "required": True},
            "contents": {"type": "bool", "default": True},
            "files_limit": {"type": "int", "default": 100},
        }
    )
    return (REGISTRY + STORE + ENGINES + PLATFORM + images).accepting(ENGINE + PROGRESS)


def facts(task: RegistryTask) -> dict[str, t.Any]:
    """Return what differs between the two images."""
    files_limit: int = task.params["files_limit"]
    if files_limit < 0:
        raise InvalidOption(f"files_limit {files_limit} is negative")
    locations = [to_read_on_host(Location.parse(task.params[option])) for option in ("before", "after")]
    task.open_registries([location.reference for location in locations if location.reference is not None])
    sources = ImageSources(Places(task.repository, task.destination, functools.partial(open_engine_at, task), task.open_store), task.host)
    # Both are found first: an engine exports all images that are wanted of it at once.
    found = [(sources.find(location), str(location)) for location in locations]
    before, after = (read_image(source, label, task.host_selection) for source, label in found)
    return describe_difference(before, after, files_limit if task.params["contents"] else None)


def main() -> t.NoReturn:
    run_info(argument_spec(), facts, RegistryTask)


if __name__ == "__main__":
    main()
