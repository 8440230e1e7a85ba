# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Show the progress of a long task on the terminal.

The module writes the number of moved bytes to a small file (`transfer/progress`). A thread on the controller reads that file from time to time, over the
task's connection if the host is another one. The module still runs in the main thread, so interrupts, timeouts and failures work as usual.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import json
import os
import shlex
import shutil
import sys
import tempfile
import threading
import time
import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.oci.text import sanitise
from ..module_utils.transfer.progress import FILE
from ..module_utils.transfer.workers import PROGRESS_VARIABLE
from ..module_utils.verbs.facts import format_size

# Checked when Ansible loads the plugin: the processes that run tasks have no terminal.
ON_TERMINAL = sys.stderr.isatty()
MAX_STATE = 4096
MAX_NAME = 120
# Seconds between two lines: a quarter of the elapsed time, within these limits.
MIN_INTERVAL, MAX_INTERVAL = 1.0, 10.0
# Seconds that a task which has ended waits for a read of the file.
JOIN_TIMEOUT = 5.0

Results = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class State:
    """The progress of a module: moved bytes of all bytes to move."""

    moved: int
    total: int
    label: str

    @classmethod
    def parse(cls, text: str) -> State | None:
        """Parse the file; return None if it is missing or not valid. It comes from a host and is not trusted."""
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(found, dict):
            return None
        moved, total, label = found.get("bytes"), found.get("all_bytes"), found.get("what")
        if not (_is_count(moved) and _is_count(total) and isinstance(label, str) and label) or moved > total:
            return None
        return cls(moved, total, sanitise(label, MAX_NAME))

    def describe(self, before: int, seconds: float) -> str:
        """Return the line to show. BEFORE bytes had been moved SECONDS ago."""
        rate = max(0, self.moved - before) / seconds
        line = f"{self.label}: {100 * self.moved // self.total} %, {format_size(self.moved)} of {format_size(self.total)}, {format_size(int(rate))}/s"
        return f"{line}, {_format_duration((self.total - self.moved) / rate)} left" if rate >= 1 else line


def _is_count(value: object) -> t.TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= sys.maxsize


def _format_duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Folder(t.Protocol):
    """A private folder on the host for the progress file. The module removes it, unless it is killed."""

    path: str

    def read(self) -> str:
        """Return the content of the file, nothing if there is none."""

    def remove(self) -> None: ...


class LocalFolder:
    """A folder on this machine, for a module that runs as the same user."""

    def __init__(self) -> None:
        self.path = tempfile.mkdtemp(prefix="longshore-")

    def read(self) -> str:
        with contextlib.suppress(OSError), open(os.path.join(self.path, FILE), "rb") as file:
            return file.read(MAX_STATE).decode(errors="replace")
        return ""

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


class RemoteFolder:
    """A folder on a host, used by commands over the connection of ACTION as the user that runs the module.

    Connection and become plugin are copies: they remember the prompts that they wait for, and the module's commands run at the same time.
    """

    def __init__(self, action: ActionBase) -> None:
        self._action = copy.copy(action)
        self._action._connection = copy.copy(action._connection)
        if action._connection.become is not None:
            self._action._connection.set_become_plugin(copy.copy(action._connection.become))
        self.path = self._run("mktemp -d").strip()
        if not self.path.startswith("/"):
            raise AnsibleError("mktemp made no folder")

    def read(self) -> str:
        return self._run(f"head -c {MAX_STATE} {shlex.quote(f'{self.path}/{FILE}')}")

    def remove(self) -> None:
        self._run(f"rm -rf {shlex.quote(self.path)}")

    def _run(self, command: str) -> str:
        result = self._action._low_level_execute_command(command)
        return str(result["stdout"]) if not result["rc"] else ""


class Watch:
    """Read the progress file in a thread, and pass a line to SHOW from time to time, until the context ends."""

    def __init__(self, folder: Folder, show: t.Callable[[str], None]) -> None:
        self._folder = folder
        self._show = show
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *unused: object) -> None:
        self._stopped.set()
        self._thread.join(JOIN_TIMEOUT)
        with contextlib.suppress(AnsibleError):
            self._folder.remove()

    def _follow(self) -> None:
        began = last = time.monotonic()
        before = 0
        with contextlib.suppress(AnsibleError):
            while not self._stopped.wait(min(MAX_INTERVAL, max(MIN_INTERVAL, (last - began) / 4))):
                state = State.parse(self._folder.read())
                now = time.monotonic()
                if state is not None and state.total and not self._stopped.is_set():
                    self._show(state.describe(before, now - last))
                    before = state.moved
                last = now


class WatchedAction(ActionBase):
    """An action that runs its module as Ansible does and shows the progress on a terminal. `verb` begins each line."""

    verb: str

    def _execute_module(self, *arguments: t.Any, **options: t.Any) -> Results:
        if not self._shows_progress():
            return t.cast(Results, super()._execute_module(*arguments, **options))
        host = (options.get("task_vars") or {}).get("inventory_hostname", "")
        try:
            folder = LocalFolder() if self._runs_on_controller() else RemoteFolder(self)
        except (OSError, AnsibleError):
            # A problem of the host is reported by the task itself.
            return t.cast(Results, super()._execute_module(*arguments, **options))
        environment = self._task.environment
        with Watch(folder, lambda line: Display().display(f"{host}: {self.verb} {line}", stderr=True, screen_only=True)):
            self._task.environment = [*(environment or []), {PROGRESS_VARIABLE: folder.path}]
            try:
                return t.cast(Results, super()._execute_module(*arguments, **options))
            finally:
                self._task.environment = environment

    def _shows_progress(self) -> bool:
        task = self._task
        return ON_TERMINAL and not (task.check_mode or task.async_val or task.no_log)

    def _runs_on_controller(self) -> bool:
        return self._connection.transport == "local" and self._connection.become is None
