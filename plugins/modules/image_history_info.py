#!/usr/bin/python
# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: image_history_info
short_description: Show how an image in the store, in an engine, in an archive or at a registry was built
version_added: 1.0.0
description:
  - Returns the build steps of an image, newest first, with the layers that they created. The module writes nothing.
  - Most tasks set O(name), and some also O(platform), O(engine), O(remote) or O(archive). The other options are mainly for credentials, connections and the
    store.
  - The module can also be called as C(image_history).
options:
  name:
    description: The image, by name, or by digest or image ID in full.
    type: str
    required: true
  archive:
    description: An archive on the host, a file or a folder. The module looks for the image in this archive instead of in the store.
    type: path
  remote:
    description:
      - Whether to ask the registry in O(name) instead of the store. Nothing is stored, and no layer is downloaded.
      - The module downloads manifests and one config only. This takes at most three requests, plus those for a login.
    type: bool
    default: false
  platform:
    description: The platform to show of a multi-platform image. The default is the managed host's platform.
    type: list
    elements: str
extends_documentation_fragment:
  - longshore.images.store
  - longshore.images.engine
  - longshore.images.engine.choice
  - longshore.images.registry
  - longshore.images.registry.login
  - longshore.images.registry.requests
  - longshore.images.attributes.info_module
  - longshore.images.attributes.actiongroup
author:
  - Longshore contributors (@longshore)
seealso:
  - module: longshore.images.image_info
"""

EXAMPLES = r"""
---
- name: Read how a stored image was built
  longshore.images.image_history_info:
    name: docker.io/library/nginx:1.27
  register: nginx

- name: Show the commands of its build
  ansible.builtin.debug:
    msg: "{{ nginx.history | map(attribute='created_by') }}"

- name: Read how an image for another platform was built, without pulling it
  longshore.images.image_history_info:
    name: registry.example.com/team/app:3
    remote: true
    platform: linux/arm64

- name: Show how an image of Docker was built
  longshore.images.image_history_info:
    name: app:latest
    engine: docker
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
history:
  description: The build steps, newest first. An artifact has one for each file, the last file first.
  returned: success
  type: list
  elements: dict
  contains:
    created:
      description: The time of the step.
      type: str
    created_by:
      description: The command of the step.
      type: str
    comment:
      description: The comment of the step. For a file of an artifact its title.
      type: str
    empty_layer:
      description: Whether the step created no layer.
      type: bool
    size:
      description: The stored size of the step's layer in bytes. 0 when it created none.
      type: int
    digest:
      description: The digest of the step's layer as stored. Null when it created none.
      type: str
    diff_id:
      description: The digest of the step's uncompressed layer. Null when it created none.
      type: str
name:
  description: The normalised name. Null for an unnamed image.
  returned: success
  type: str
digest:
  description: The digest of the index or manifest that the name points at.
  returned: success
  type: str
store:
  description: The path of the store.
  returned: success, without O(remote)
  type: str
  sample: /var/lib/longshore/images
rate_limit:
  description: The rate limit of the registry, as C(limit) and C(remaining). Null when no registry reported one.
  returned: success, with O(remote)
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
  sample: 401
registry_errors:
  description: The errors in the registry's answer, each with its code and message.
  returned: failure, when a registry answered
  type: list
  elements: str
  sample: ["UNAUTHORIZED: authentication required"]
"""

import typing as t

from ..module_utils import start_up as _start_up  # noqa: F401 - first: it stops on a Python that is too old
from ..module_utils.task.arguments import ARCHIVE, ENGINE, PLATFORM, PROGRESS, REGISTRY, STORE, Arguments
from ..module_utils.task.images import open_image_place
from ..module_utils.task.registry_task import RegistryTask
from ..module_utils.task.run import run_info
from ..module_utils.verbs.info import InfoOptions


def argument_spec() -> Arguments:
    return (
        (STORE + ENGINE + REGISTRY + ARCHIVE + PLATFORM)
        .extended(
            name={"type": "str", "required": True},
            remote={"type": "bool", "default": False},
        )
        .accepting(PROGRESS)
    )


def facts(task: RegistryTask) -> dict[str, t.Any]:
    """Return the history of the image, with its name and digest."""
    if task.params["remote"]:
        from ..module_utils.verbs.info_remote import read_remote_history

        return read_remote_history(task.remote_references("name")[0], task.repository, task.selection, task.host)
    options = InfoOptions(task.host, task.selection)
    inspector = open_image_place(task, options.inspect_store, options.inspect_archive, options.inspect_engine)
    return inspector.history(task.selectors("name")[0])


def main() -> t.NoReturn:
    run_info(argument_spec(), facts, RegistryTask)


if __name__ == "__main__":
    main()
