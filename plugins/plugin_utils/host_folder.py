# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A private temporary folder on a managed host, made and removed by commands over the connection of a task."""

from __future__ import annotations

import os
import shlex
import typing as t

from ansible.errors import AnsibleError

from ..module_utils.errors import HostError, InputOutputError
from ..module_utils.oci.text import sanitise
from .host_answers import parse_path, parse_user_id

if t.TYPE_CHECKING:
    from ansible.plugins.action import ActionBase

# Characters of what a host says about a command that failed.
_MAX_REASON = 200


class HostFolder:
    """A folder that only the user who runs the module can enter. `path` is checked, so it can be part of commands, of paths and of the environment."""

    def __init__(self, action: ActionBase) -> None:
        """Create the folder. Raises InputOutputError if that fails, HostError if the host answers with anything but a plain path."""
        self._action = action
        result = action._low_level_execute_command("mktemp -d")
        if result["rc"]:
            raise InputOutputError(f"no temporary folder could be created on the host: {_reason(result)}")
        self.path = parse_path(result["stdout"])

    def share(self, name: str) -> None:
        """Let the user who connects to the host, and no other user, read the file NAME, which belongs to the user who runs the module.

        Root gives the file away. Other users can't, so they add an access control list. Raises InputOutputError or HostError.
        """
        if self._action._connection.become is None:
            return
        connecting, running = self._user_id(sudoable=False), self._user_id(sudoable=True)
        if connecting in (0, running):
            return
        folder, file = shlex.quote(self.path), shlex.quote(f"{self.path}/{name}")
        if running == 0:
            result = self._run(f"chown {connecting} {file} && chown {connecting} {folder}")
        else:
            result = self._run(f"setfacl -m u:{connecting}:r {file} && setfacl -m u:{connecting}:x {folder}")
            if result["rc"] and self._action.get_shell_option("world_readable_temp", default=False):
                # The administrator has allowed this for Ansible's own temporary files.
                result = self._run(f"chmod 0644 {file} && chmod 0711 {folder}")
        if result["rc"]:
            raise InputOutputError(
                f"the user who connects to the host (uid {connecting}) can't read the file that uid {running} has written: {_reason(result)}; "
                "install setfacl (package acl) on the host, or run the task as root or as the user who connects"
            )

    def fetch(self, name: str, temporary: str, size: int) -> None:
        """Fetch the file NAME of SIZE bytes to the path TEMPORARY on the controller. Raises HostError if the host sends more, else InputOutputError."""
        try:
            self._action._connection.fetch_file(f"{self.path}/{name}", temporary)
        except (AnsibleError, OSError) as error:
            if os.path.exists(temporary) and os.path.getsize(temporary) > size:
                raise HostError(f"the host sends more than the {size} bytes of the file, so it was not fetched") from error
            raise InputOutputError(f"the file can't be fetched from the host: {sanitise(str(error))}") from error

    def remove(self) -> None:
        self._run(f"rm -rf {shlex.quote(self.path)}")

    def _user_id(self, sudoable: bool) -> int:
        return parse_user_id(self._action._low_level_execute_command("id -u", sudoable=sudoable)["stdout"])

    def _run(self, command: str) -> dict[str, t.Any]:
        result: dict[str, t.Any] = self._action._low_level_execute_command(command)
        return result


def _reason(result: t.Mapping[str, t.Any]) -> str:
    return sanitise(str(result.get("stderr") or result.get("stdout") or "").strip(), _MAX_REASON) or "it gave no reason"
