# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Controller side of image_pull: a lock file on the controller is read there, and its content is sent to the host."""

from __future__ import annotations

import os
import typing as t

from ..module_utils.errors import LongshoreError
from ..plugin_utils.finding import find_file
from ..plugin_utils.progress import WatchedAction

Results = dict[str, t.Any]


class ActionModule(WatchedAction):
    """Replace the option `lock_file` with the file's content. If both options are given, the module reports that they exclude each other."""

    _supports_async = True
    verb = "pull"

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> Results:
        results: Results = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if arguments.get("lock_file") is not None and arguments.get("lock") is None:
            try:
                arguments["lock"] = self._read_lock_file(arguments.pop("lock_file"))
            except LongshoreError as error:
                results.update(failed=True, msg=error.message, error=error.cause)
                return results
        wrap_async = bool(self._task.async_val) and not self._connection.has_native_async
        results.update(self._execute_module(module_args=arguments, task_vars=task_vars, wrap_async=wrap_async))
        if not wrap_async:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return results

    def _read_lock_file(self, name: object) -> Results:
        """Return the content of the lock file. It is checked here, so that errors name the path that the user gave."""
        # Most tasks don't need these modules, so they are imported here.
        from ..module_utils.files import read_bounded
        from ..module_utils.limits import MAX_LOCK_FILE
        from ..module_utils.oci.lockfile import LockFile

        path = find_file(self, "lock_file", name)
        return LockFile.parse(read_bounded(os.path.realpath(path), MAX_LOCK_FILE), path).to_dict()
