# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Controller side of image_load: an archive that lies on the controller is copied to the host only when the host lacks something of it."""

from __future__ import annotations

import os
import tempfile
import typing as t

from ..module_utils.archive.reader import open_archive
from ..module_utils.archive.summary import summarise_archive
from ..module_utils.errors import LongshoreError, UnsupportedFormat
from ..plugin_utils.finding import find_file
from ..plugin_utils.progress import WatchedAction

Results = dict[str, t.Any]


class ActionModule(WatchedAction):
    """First a summary of the archive is sent, by which the module foresees the load on the host; the archive follows only if there is a change to make."""

    TRANSFERS_FILES = True
    _supports_async = False
    verb = "load"

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> Results:
        results: Results = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if arguments.pop("path_on", "host") != "controller":
            results.update(self._execute_module(task_vars=task_vars))
            return results
        try:
            results.update(self._load_from_controller(arguments, task_vars or {}))
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return results

    def _load_from_controller(self, arguments: Results, task_vars: dict[str, t.Any]) -> Results:
        try:
            path = find_file(self, "path", arguments.get("path"))
            if os.path.isdir(path):
                raise UnsupportedFormat(
                    f"{path} is a folder; of the controller only files are loaded: save it as oci-archive, or copy it to the host"
                )
            summary = summarise_archive(open_archive(path))
        except LongshoreError as error:
            return {"failed": True, "msg": error.message, "error": error.cause}
        foreseen = self._foresee(summary, path, arguments, task_vars)
        if self._task.check_mode or foreseen.get("failed") or not foreseen["changed"]:
            return {**foreseen, "path": path}
        remote = self._connection._shell.join_path(self._tmpdir(), "archive")
        self._transfer_file(path, remote)
        self._fixup_perms2((self._tmpdir(), remote))
        return {**self._execute(arguments, remote, path, task_vars), "path": path}

    def _foresee(self, summary: bytes, path: str, arguments: Results, task_vars: dict[str, t.Any]) -> Results:
        """What loading the archive would change on the host, told by the module in check mode from the summary alone."""
        remote = self._connection._shell.join_path(self._tmpdir(), "summary")
        with tempfile.NamedTemporaryFile() as local:
            local.write(summary)
            local.flush()
            self._transfer_file(local.name, remote)
        self._fixup_perms2((self._tmpdir(), remote))
        check_mode, self._task.check_mode = self._task.check_mode, True
        try:
            return self._execute(arguments, remote, path, task_vars)
        finally:
            self._task.check_mode = check_mode

    def _execute(self, arguments: Results, remote: str, path: str, task_vars: dict[str, t.Any]) -> Results:
        """Runs the module on the file REMOTE of the host, which is the user's PATH in all that is told."""
        told: Results = self._execute_module(module_args={**arguments, "path": remote}, task_vars=task_vars, wrap_async=False)
        told.pop("invocation", None)
        return t.cast(Results, _called(told, remote, path))

    def _tmpdir(self) -> str:
        if self._connection._shell.tmpdir is None:
            self._make_tmp_path()
        return str(self._connection._shell.tmpdir)


def _called(value: t.Any, remote: str, path: str) -> t.Any:
    if isinstance(value, str):
        return value.replace(remote, path)
    if isinstance(value, dict):
        return {key: _called(member, remote, path) for key, member in value.items()}
    return [_called(member, remote, path) for member in value] if isinstance(value, list) else value
