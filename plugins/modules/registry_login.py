#!/usr/bin/python
# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: registry_login
short_description: Log in to a registry, or log out
version_added: 1.0.0
description:
  - Writes a login to an auth file of the managed host, changes it, or removes it. Podman, buildah, skopeo, Docker and the modules of this collection read such
    files.
  - If the file leaves the logins of the registry to a credential helper (C(credHelpers) or C(credsStore)), the login is stored in the helper, or deleted there.
    The helper gets it on standard input.
  - The registry is asked whether it accepts the login before anything is written.
  - The file is replaced at once, and nobody but its owner can read it. Other logins and settings in it are kept.
  - Modules of this collection need no login before they pull or push. Credentials can also be options of each task.
options:
  registry:
    description:
      - The registry as written in references, such as V(docker.io) or V(registry.example.com:5000).
      - A namespace or repository below it, such as V(registry.example.com/team), is a separate login, which applies to these images only. Podman, buildah,
        skopeo and the modules of this collection use it. Docker and credential helpers know one login for each registry.
    type: str
    required: true
  state:
    description:
      - V(present) writes the login. It needs O(username) and O(password), or O(identity_token), or an entry for the registry in O(registries) that has them.
      - V(absent) removes the login for exactly O(registry). A registry is not asked. Logins for namespaces below O(registry) are kept.
    type: str
    choices: [present, absent]
    default: present
  username:
    description: The user name of the login.
    type: str
  password:
    description: The password of O(username), or an access token that the registry has issued in place of one.
    type: str
  identity_token:
    description: An identity token, used instead of O(username) and O(password). Some registries issue one to C(docker login).
    type: str
  auth_file:
    description:
      - The auth file to change. It is created if it is missing. Its format is that of C(podman login) and C(docker login).
      - By default V(present) changes C($REGISTRY_AUTH_FILE) if that variable is set, else C(~/.config/containers/auth.json), which outlives a boot. If
        C($XDG_RUNTIME_DIR/containers/auth.json), which C(podman login) writes, has a login for the registry, that file is changed instead, because its login
        would hide the new one.
      - By default V(absent) changes all auth files of the host.
      - The host's auth files are C($REGISTRY_AUTH_FILE), C($XDG_RUNTIME_DIR/containers/auth.json) or C(/run/containers/UID/auth.json),
        C(~/.config/containers/auth.json), C($DOCKER_CONFIG/config.json) and C(~/.docker/config.json).
      - Docker reads only its own file. Use V(~/.docker/config.json) for a login of Docker.
      - The files are those of the user who runs the module. Set C(become_user) to log in another user.
    type: path
  verify:
    description:
      - Whether to ask the registry if it accepts the login. This is done in every run, also if the login is already there, and in check mode.
      - If the registry refuses the login, the task fails with the error V(denied) and changes nothing.
      - A registry that answers without a login can't verify one. The task then warns.
      - With V(false) no request is sent.
    type: bool
    default: true
extends_documentation_fragment:
  - longshore.images.registry
  - longshore.images.registry.login
  - longshore.images.registry.requests
  - longshore.images.attributes
  - longshore.images.attributes.actiongroup
attributes:
  diff_mode:
    support: full
    description: Returns the login before and after, with its user name, and the mode of the file. Secrets are never shown.
notes:
  - A login for the same registry under another spelling, such as the URL that old versions of Docker wrote, is replaced.
  - A file with a mode that lets others read it gets the mode C(0600) when a login is written to it.
author:
  - Longshore contributors (@longshore)
seealso:
  - module: longshore.images.registry_login_info
  - module: longshore.images.registry_client
"""

EXAMPLES = r"""
---
- name: Log in for Podman, buildah, skopeo and this collection
  longshore.images.registry_login:
    registry: registry.example.com
    username: reader
    password: "{{ registry_password }}"

- name: Log in for Docker, as the user who runs it
  longshore.images.registry_login:
    registry: docker.io
    username: reader
    password: "{{ hub_password }}"
    auth_file: ~/.docker/config.json
  become: true
  become_user: builder

- name: Log in with another account for the images of one team, at a registry with a private CA
  longshore.images.registry_login:
    registry: registry.example.com:5000/team
    username: publisher
    password: "{{ team_password }}"
    ca_path: /etc/ssl/private-ca.pem

- name: Write a login while the registry can't be reached
  longshore.images.registry_login:
    registry: registry.example.com
    username: reader
    password: "{{ registry_password }}"
    auth_file: /srv/image/root/.config/containers/auth.json
    verify: false

- name: Log out everywhere
  longshore.images.registry_login:
    registry: registry.example.com
    state: absent
"""

RETURN = r"""
actions:
  description: One sentence for each change that the task makes, or would make in check mode. Empty when nothing changes.
  returned: success
  type: list
  elements: str
  sample: ["add the login for registry.example.com in /root/.config/containers/auth.json"]
registry:
  description:
    - The registry that the task works with.
    - As normalised names begin with it, and with the namespace or repository below it if the login is for one.
  returned: success
  type: str
  sample: registry.example.com
username:
  description: The user name of the login. Null for an identity token.
  returned: success, with O(state=present)
  type: str
  sample: reader
auth_file:
  description: The auth file that has the login, or names the helper that has it.
  returned: success, with O(state=present)
  type: str
  sample: /root/.config/containers/auth.json
helper:
  description: The credential helper that has the login, without C(docker-credential-). Null if the file itself has it.
  returned: success, with O(state=present)
  type: str
  sample: pass
verified:
  description: Whether the registry has accepted the login in this run. V(false) if it was not asked, or answers without a login.
  returned: success, with O(state=present)
  type: bool
  sample: true
error:
  description: The cause of the failure, as a word that is the same in all versions.
  returned: failure
  type: str
  sample: denied
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

import os
import typing as t

from ..module_utils import start_up as _start_up  # noqa: F401 - first: it stops on a Python that is too old
from ..module_utils.task.arguments import ENGINE, PROGRESS, REGISTRY, STORE, Arguments
from ..module_utils.task.login_options import parse_login_scope
from ..module_utils.task.registry_task import RegistryTask
from ..module_utils.task.run import run
from ..module_utils.transfer.plan import Plan
from ..module_utils.verbs.login import plan_login, plan_logout, with_verification


def argument_spec() -> Arguments:
    login = REGISTRY.extended(
        registry={"type": "str", "required": True},
        state={"type": "str", "choices": ["present", "absent"], "default": "present"},
        verify={"type": "bool", "default": True},
    )
    return login.accepting(STORE + PROGRESS + ENGINE).without_rate_limit()


def plan(task: RegistryTask) -> Plan:
    """Return how the login changes in auth files and helpers, once the registry has accepted it."""
    params = task.params
    scope = parse_login_scope(params["registry"])
    if params["state"] == "absent":
        return plan_logout(scope, params["auth_file"], os.environ)
    login = task.open_registry_of(scope)
    planned = plan_login(scope, login, params["auth_file"], os.environ)
    return with_verification(planned, task.registries.accepts_login(scope.registry, login) if params["verify"] else None)


def main() -> t.NoReturn:
    run(argument_spec(), plan, RegistryTask)


if __name__ == "__main__":
    main()
