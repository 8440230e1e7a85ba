# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Controller side of image_save: shows the progress of the archive, and fetches an archive for the controller only if that changes something."""

from __future__ import annotations

import typing as t

from ansible.plugins.action.normal import ActionModule as PlainAction

from ..module_utils.errors import InvalidOption, LongshoreError
from ..module_utils.task.file_options import initial_mode
from ..plugin_utils.fetched_archive import SavedArchive, describe_file, find_difference, replace_with
from ..plugin_utils.fetched_file import refuse_options_of_hosts
from ..plugin_utils.host_answers import as_failure, replace_path
from ..plugin_utils.host_folder import HostFolder
from ..plugin_utils.progress import WatchedAction

Results = dict[str, t.Any]

# The name of the archive in the folder on the host.
_NAME = "archive"


class ActionModule(WatchedAction, PlainAction):
    """With `path_on: controller`, predict the archive on the host, and write and fetch it only if the file on the controller differs."""

    verb = "save"

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> Results:
        arguments = {name: value for name, value in self._task.args.items() if value is not None}
        if arguments.pop("path_on", "host") != "controller":
            plain: Results = super().run(tmp, task_vars)
            return plain
        try:
            return self._save_to_controller(arguments, task_vars or {})
        except LongshoreError as error:
            return as_failure(error)

    def _save_to_controller(self, arguments: Results, task_vars: dict[str, t.Any]) -> Results:
        path, mode = self._read_path(arguments), arguments.pop("mode", None)
        if self._task.async_val:
            raise InvalidOption("path_on 'controller' can't be used with async")
        mode_of_file = initial_mode(path, mode)
        compression = None if arguments.get("compression", "none") == "none" else str(arguments["compression"])
        folder = HostFolder(self)
        remote = f"{folder.path}/{_NAME}"
        try:
            predicted = self._execute({**arguments, "compression": "none", "checksum": True, "path": remote}, task_vars, remote, path, check=True)
            if predicted.get("failed"):
                return predicted
            planned = SavedArchive.read(predicted)
            reason = find_difference(path, compression, planned.checksum)
            if reason is None:
                return _with_file_facts(planned.as_unchanged(), arguments, *describe_file(path))
            if self._task.check_mode:
                known = (planned.size, planned.checksum) if compression is None else (None, None)
                return _with_file_facts(planned.with_reason(reason), arguments, *known)
            # Only its owner can read the file until the folder is shared with the user who fetches it.
            done = self._execute({**arguments, "checksum": True, "path": remote, "mode": "0600"}, task_vars, remote, path)
            if done.get("failed"):
                return done
            saved = SavedArchive.read(done)
            saved.require_from(planned, compression)
            folder.share(_NAME)
            replace_with(path, mode_of_file, saved, lambda temporary: folder.fetch(_NAME, temporary, saved.size))
            return _with_file_facts(saved.with_reason(reason), arguments, saved.size, saved.checksum)
        finally:
            folder.remove()

    def _read_path(self, arguments: Results) -> str:
        path = arguments.get("path")
        if not isinstance(path, str) or not path:
            raise InvalidOption("path is required, and is the name of a file on the controller")
        refuse_options_of_hosts(arguments)
        if arguments.get("format") == "oci-dir":
            raise InvalidOption("path_on 'controller' can't be used with format oci-dir, which is a folder; save it as oci-archive")
        return str(self._loader.path_dwim(path))

    def _execute(self, arguments: Results, task_vars: dict[str, t.Any], remote: str, path: str, check: bool = False) -> Results:
        """Run the module on the host. In its results REMOTE is replaced with PATH, which the user gave."""
        check_mode, self._task.check_mode = self._task.check_mode, check
        try:
            results: Results = self._execute_module(module_name=self._task.action, module_args=arguments, task_vars=task_vars, wrap_async=False)
        finally:
            self._task.check_mode = check_mode
        results.pop("invocation", None)
        return t.cast(Results, replace_path(results, remote, path))


def _with_file_facts(results: Results, arguments: Results, size: int | None, checksum: str | None) -> Results:
    """Return RESULTS with the size of the file, and with its checksum if the user asked for it."""
    return {**results, "size": size, "checksum": checksum if arguments.get("checksum") else None}
