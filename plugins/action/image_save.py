# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Controller side of image_save: shows the progress of the archive, and fetches an archive for the controller only if that changes something."""

from __future__ import annotations

import shlex
import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.action.normal import ActionModule as PlainAction

from ..module_utils.errors import InputOutputError, InvalidOption, LongshoreError
from ..module_utils.task.file_options import initial_mode
from ..plugin_utils.fetched_archive import as_unchanged, describe_file, find_difference, replace_with, set_reason
from ..plugin_utils.progress import WatchedAction
from ..plugin_utils.results import replace_path

Results = dict[str, t.Any]

# Options that Ansible's own code would apply to the file on the host.
FILE_OPTIONS = ("owner", "group", "seuser", "serole", "setype", "selevel", "attributes", "unsafe_writes")


class ActionModule(WatchedAction, PlainAction):
    """With `path_on: controller`, predict the archive on the host, and write and fetch it only if the file on the controller differs."""

    verb = "save"

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> Results:
        arguments = dict(self._task.args)
        if arguments.pop("path_on", "host") != "controller":
            plain: Results = super().run(tmp, task_vars)
            return plain
        try:
            return self._save_to_controller(arguments, task_vars or {})
        except LongshoreError as error:
            return {"failed": True, "changed": False, "msg": error.message, "error": error.cause}

    def _save_to_controller(self, arguments: Results, task_vars: dict[str, t.Any]) -> Results:
        path, mode = self._read_path(arguments), arguments.pop("mode", None)
        if self._task.async_val:
            raise InvalidOption("path_on 'controller' can't be used with async")
        mode_of_file = initial_mode(path, mode)
        compression = None if arguments.get("compression", "none") == "none" else str(arguments["compression"])
        folder = self._make_folder_on_host()
        remote = f"{folder}/archive"
        try:
            predicted = self._execute({**arguments, "compression": "none", "checksum": True, "path": remote}, task_vars, remote, path, check=True)
            if predicted.get("failed"):
                return predicted
            reason = find_difference(path, compression, predicted["checksum"])
            if reason is None:
                return self._with_file_facts(as_unchanged(predicted), path, arguments)
            if self._task.check_mode:
                unknown = {"size": None, "checksum": None} if compression is not None else {}
                return self._with_file_facts({**set_reason(predicted, reason), **unknown}, None, arguments)
            done = self._execute({**arguments, "checksum": True, "path": remote, "mode": "0644"}, task_vars, remote, path)
            if done.get("failed"):
                return done
            replace_with(path, mode_of_file, lambda temporary: self._fetch(remote, temporary), done["checksum"])
            return self._with_file_facts(set_reason(done, reason), path, arguments)
        finally:
            self._low_level_execute_command(f"rm -rf {shlex.quote(folder)}")

    def _read_path(self, arguments: Results) -> str:
        path = arguments.get("path")
        if not isinstance(path, str) or not path:
            raise InvalidOption("path is required, and is the name of a file on the controller")
        given = [option for option in FILE_OPTIONS if arguments.get(option) is not None]
        if given:
            raise InvalidOption(f"path_on 'controller' can't be used with {', '.join(given)}; only mode applies to a file on the controller")
        if arguments.get("format") == "oci-dir":
            raise InvalidOption("path_on 'controller' can't be used with format oci-dir, which is a folder; save it as oci-archive")
        return str(self._loader.path_dwim(path))

    def _make_folder_on_host(self) -> str:
        """Create a folder as the user who runs the module, and let the user who fetches the file enter it but not list it."""
        result = self._low_level_execute_command('folder=$(mktemp -d) && chmod 0711 "$folder" && echo "$folder"')
        folder = str(result["stdout"]).strip()
        if result["rc"] or not folder.startswith("/"):
            raise InputOutputError(f"no temporary folder could be created on the host: {str(result['stderr']).strip()[:200]}")
        return folder

    def _execute(self, arguments: Results, task_vars: dict[str, t.Any], remote: str, path: str, check: bool = False) -> Results:
        """Run the module on the host. In its results REMOTE is replaced with PATH, which the user gave."""
        check_mode, self._task.check_mode = self._task.check_mode, check
        try:
            results: Results = self._execute_module(module_name=self._task.action, module_args=arguments, task_vars=task_vars, wrap_async=False)
        finally:
            self._task.check_mode = check_mode
        results.pop("invocation", None)
        return t.cast(Results, replace_path(results, remote, path))

    def _fetch(self, remote: str, temporary: str) -> None:
        try:
            self._connection.fetch_file(remote, temporary)
        except (AnsibleError, OSError) as error:
            raise InputOutputError(f"the archive can't be fetched from the host: {error}") from error

    @staticmethod
    def _with_file_facts(results: Results, written: str | None, arguments: Results) -> Results:
        """Return RESULTS with the size of the file WRITTEN, and with its checksum if the user asked for it."""
        if written is not None:
            results = {**results, **dict(zip(("size", "checksum"), describe_file(written)))}
        return results if arguments.get("checksum") else {**results, "checksum": None}
