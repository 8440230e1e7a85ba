# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Controller side of image_load: an archive on the controller is copied to the host only if loading it changes something."""

from __future__ import annotations

import os
import tempfile
import typing as t

from ansible.plugins.action.normal import ActionModule as PlainAction

from ..module_utils.archive.reader import open_archive
from ..module_utils.archive.summary import summarise_archive
from ..module_utils.errors import InvalidOption, LongshoreError, UnsupportedFormat
from ..module_utils.task.load_arguments import LOAD, read_renames
from ..plugin_utils.finding import find_file
from ..plugin_utils.host_answers import as_failure, parse_path, replace_path
from ..plugin_utils.option_checks import check_options
from ..plugin_utils.progress import WatchedAction

Results = dict[str, t.Any]


class ActionModule(WatchedAction, PlainAction):
    """Send a summary of the archive, from which the module predicts the load on the host. Send the archive only if that changes something."""

    verb = "load"

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> Results:
        arguments = dict(self._task.args)
        if arguments.pop("path_on", "host") != "controller":
            plain: Results = super().run(tmp, task_vars)
            return plain
        try:
            return self._load_from_controller(arguments, task_vars or {})
        except LongshoreError as error:
            return as_failure(error)
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)

    def _load_from_controller(self, arguments: Results, task_vars: dict[str, t.Any]) -> Results:
        if self._task.async_val:
            raise InvalidOption("path_on 'controller' can't be used with async")
        read_renames(check_options(LOAD, arguments, "image_load"))
        path = find_file(self, "path", arguments.get("path"))
        if os.path.isdir(path):
            raise UnsupportedFormat(
                f"{path} is a folder, and from the controller only files can be loaded; save it as oci-archive, or copy it to the host"
            )
        summary = summarise_archive(open_archive(path))
        predicted = self._predict(summary, path, arguments, task_vars)
        if self._task.check_mode or predicted.get("failed") or not predicted["changed"]:
            return {**predicted, "path": path}
        remote = f"{self._tmpdir()}/archive"
        self._transfer_file(path, remote)
        self._fixup_perms2((self._tmpdir(), remote))
        return {**self._execute(arguments, remote, path, task_vars), "path": path}

    def _predict(self, summary: bytes, path: str, arguments: Results, task_vars: dict[str, t.Any]) -> Results:
        """Return what the module reports in check mode for the summary: the changes that loading the archive would make on the host."""
        remote = f"{self._tmpdir()}/summary"
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
        """Run the module with the file REMOTE on the host. In its results REMOTE is replaced with PATH, which the user gave."""
        results: Results = self._execute_module(module_args={**arguments, "path": remote}, task_vars=task_vars, wrap_async=False)
        results.pop("invocation", None)
        return t.cast(Results, replace_path(results, remote, path))

    def _tmpdir(self) -> str:
        """Return the path of Ansible's temporary folder on the host, whose name the host has printed. Raises HostError."""
        if self._connection._shell.tmpdir is None:
            self._make_tmp_path()
        return parse_path(self._connection._shell.tmpdir)
