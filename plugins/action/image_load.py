# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Controller side of image_load: an archive that lies on the controller is copied to the host only when the host lacks something of it."""

from __future__ import annotations

import tempfile
import typing as t

from ansible.plugins.action import ActionBase

from ..module_utils.archive.reading import open_archive
from ..module_utils.archive.summary import summarise
from ..module_utils.errors import LongshoreError
from ..plugin_utils.finding import find_file

Results = dict[str, t.Any]


class ActionModule(ActionBase):
    """First a summary of the archive is sent, by which the module foresees the load on the host; the archive follows only if there is a change to make."""

    TRANSFERS_FILES = True
    _supports_async = False

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
            summary = summarise(open_archive(path))
        except LongshoreError as error:
            return {"failed": True, "msg": error.message, "error": error.cause}
        foreseen = self._foresee(summary, arguments, task_vars)
        if self._task.check_mode or foreseen.get("failed") or not foreseen["changed"]:
            return {**foreseen, "path": path}
        remote = self._connection._shell.join_path(self._tmpdir(), "archive")
        self._transfer_file(path, remote)
        self._fixup_perms2((self._tmpdir(), remote))
        return {**self._execute(arguments, remote, task_vars), "path": path}

    def _foresee(self, summary: bytes, arguments: Results, task_vars: dict[str, t.Any]) -> Results:
        """What loading the archive would change on the host, told by the module in check mode from the summary alone."""
        remote = self._connection._shell.join_path(self._tmpdir(), "summary")
        with tempfile.NamedTemporaryFile() as local:
            local.write(summary)
            local.flush()
            self._transfer_file(local.name, remote)
        self._fixup_perms2((self._tmpdir(), remote))
        check_mode, self._task.check_mode = self._task.check_mode, True
        try:
            return self._execute(arguments, remote, task_vars)
        finally:
            self._task.check_mode = check_mode

    def _execute(self, arguments: Results, path: str, task_vars: dict[str, t.Any]) -> Results:
        told: Results = self._execute_module(module_args={**arguments, "path": path}, task_vars=task_vars, wrap_async=False)
        told.pop("invocation", None)
        return told

    def _tmpdir(self) -> str:
        if self._connection._shell.tmpdir is None:
            self._make_tmp_path()
        return str(self._connection._shell.tmpdir)
