#!/usr/bin/python
# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: registry_login_info
short_description: List the logins of a host at registries
version_added: 1.0.0
description:
  - Lists who is logged in to which registry on the managed host, and which auth file or credential helper has the login. No secret is returned.
  - With O(verify) the registries are asked whether they still accept these logins.
options:
  registry:
    description:
      - List only the logins at this registry, as written in references, such as V(docker.io) or V(registry.example.com:5000).
      - With a namespace or repository, such as V(registry.example.com/team/app), list only the logins that apply to it.
    type: str
  verify:
    description:
      - Whether to ask the registry of each login if it accepts it. Each login is sent to its own registry only.
      - A login that is refused does not make the task fail.
    type: bool
    default: false
extends_documentation_fragment:
  - longshore.images.registry
  - longshore.images.registry.requests
  - longshore.images.attributes.info_module
  - longshore.images.attributes.actiongroup
notes:
  - This module checks only logins of the host. Credentials in its options are not used.
author:
  - Longshore contributors (@longshore)
seealso:
  - module: longshore.images.registry_login
"""

EXAMPLES = r"""
---
- name: List all logins of this user
  longshore.images.registry_login_info:
  register: found

- name: Find out whether the login at a registry still works
  longshore.images.registry_login_info:
    registry: registry.example.com
    verify: true
  register: found
  failed_when: found.logins | rejectattr('accepted') | list | length > 0

- name: List the logins that Docker uses
  longshore.images.registry_login_info:
    auth_file: ~/.docker/config.json
  register: found
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
logins:
  description: The logins, in the order in which modules of this collection look for one.
  returned: success
  type: list
  elements: dict
  contains:
    registry:
      description: The registry, or the namespace or repository, that the login is for, as normalised names begin with it.
      type: str
      sample: registry.example.com
    username:
      description: The user name. Null for an identity token.
      type: str
      sample: reader
    kind:
      description: The kind of the secret, V(password) or V(identity_token).
      type: str
      sample: password
    auth_file:
      description: The auth file that has the login, or names the helper that has it.
      type: str
      sample: /root/.config/containers/auth.json
    helper:
      description: The credential helper that has the login, without C(docker-credential-). Null if the file itself has it.
      type: str
      sample: pass
    active:
      description:
        - Whether modules of this collection use this login. V(false) if a file that is read earlier, or an earlier entry or a helper of the same file, has a
          login for the same images.
      type: bool
      sample: true
    accepted:
      description:
        - Whether the registry accepts the login. V(false) if it refuses the login.
        - Null if that is unknown, because the registry can't be reached, or answers without a login.
      returned: with O(verify)
      type: bool
      sample: true
    error:
      description: Why the login is not accepted, one of the words of RV(error).
      returned: with O(verify), when the login is not accepted
      type: str
      sample: denied
    msg:
      description: Why the login is not accepted, as a sentence.
      returned: with O(verify), when the login is not accepted
      type: str
error:
  description: The cause of the failure, as a word that is the same in all versions.
  returned: failure
  type: str
  sample: unsupported_format
"""

import os
import typing as t

from ..module_utils import start_up as _start_up  # noqa: F401 - first: it stops on a Python that is too old
from ..module_utils.oci.reference import Reference
from ..module_utils.task.arguments import ENGINE, LOGIN, PROGRESS, REGISTRY, STORE, Arguments
from ..module_utils.task.login_options import parse_login_scope
from ..module_utils.task.registry_task import RegistryTask
from ..module_utils.task.run import run_info
from ..module_utils.verbs.login_info import check_logins, find_logins


def argument_spec() -> Arguments:
    return (
        REGISTRY.without(LOGIN)
        .extended(registry={"type": "str"}, verify={"type": "bool", "default": False})
        .accepting(REGISTRY + STORE + PROGRESS + ENGINE)
        .without_rate_limit()
    )


def facts(task: RegistryTask) -> dict[str, t.Any]:
    """Return the logins of the host, with the answers of their registries if these are requested."""
    params = task.params
    wanted = parse_login_scope(params["registry"]) if params["registry"] is not None else None
    logins = find_logins(wanted, params["auth_file"], os.environ)
    if not params["verify"]:
        return {"logins": [login.row() for login in logins]}
    task.open_registries([Reference(login.scope.registry, "") for login in logins], use_login=False)
    return {"logins": check_logins(logins, task.registries, task.workers)}


def main() -> t.NoReturn:
    run_info(argument_spec(), facts, RegistryTask)


if __name__ == "__main__":
    main()
