# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lines on a terminal about how far a long task has come on a host.

The module writes into a small file what it has moved so far (`transfer/progress`); a thread beside it reads that file now and then, over the
task's connection where the host is another. The module runs in the main thread as it always does, so that interrupts, timeouts and failures are
what they are without.
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

# Asked when Ansible loads the plugin: the processes that run tasks have no terminal any more.
ON_TERMINAL = sys.stderr.isatty()
MAX_STATE = 4096
MAX_NAME = 120
# Seconds between two lines: a quarter of what has passed, within these.
SHORTEST, LONGEST = 1.0, 10.0
# How long a reading that is under way may hold up a task that has ended, in seconds.
PATIENCE = 5.0

Results = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class State:
    """What a module has moved of what it is about to move."""

    moved: int
    everything: int
    what: str

    @classmethod
    def parse(cls, text: str) -> State | None:
        """None for what isn't there yet, or is nothing that a module of ours writes: it comes from a host, and is only data."""
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(found, dict):
            return None
        moved, everything, what = found.get("bytes"), found.get("all_bytes"), found.get("what")
        if not (_is_count(moved) and _is_count(everything) and isinstance(what, str) and what) or moved > everything:
            return None
        return cls(moved, everything, sanitise(what, MAX_NAME))

    def told(self, before: int, seconds: float) -> str:
        """A line about it, SECONDS after so many bytes as BEFORE were moved."""
        rate = max(0, self.moved - before) / seconds
        line = f"{self.what}: {100 * self.moved // self.everything} %, {format_size(self.moved)} of {format_size(self.everything)}, {format_size(int(rate))}/s"
        return f"{line}, {_span((self.everything - self.moved) / rate)} left" if rate >= 1 else line


def _is_count(value: object) -> t.TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= sys.maxsize


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Folder(t.Protocol):
    """A private folder on the host, for the module's file. The module removes it, but where it was killed."""

    path: str

    def read(self) -> str:
        """The file as it is now; nothing where there is none."""

    def remove(self) -> None: ...


class LocalFolder:
    """On this machine, for a module that runs as the same user."""

    def __init__(self) -> None:
        self.path = tempfile.mkdtemp(prefix="longshore-")

    def read(self) -> str:
        with contextlib.suppress(OSError), open(os.path.join(self.path, FILE), "rb") as file:
            return file.read(MAX_STATE).decode(errors="replace")
        return ""

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


class RemoteFolder:
    """On a host, as the user that the module runs as, by commands over the connection of ACTION.

    Connection and become plugin are copies: the module's own commands, which run at the same time, wait for words that these plugins remember.
    """

    def __init__(self, action: ActionBase) -> None:
        self._action = copy.copy(action)
        self._action._connection = copy.copy(action._connection)
        if action._connection.become is not None:
            self._action._connection.set_become_plugin(copy.copy(action._connection.become))
        self.path = self._output("mktemp -d").strip()
        if not self.path.startswith("/"):
            raise AnsibleError("mktemp made no folder")

    def read(self) -> str:
        return self._output(f"head -c {MAX_STATE} {shlex.quote(f'{self.path}/{FILE}')}")

    def remove(self) -> None:
        self._output(f"rm -rf {shlex.quote(self.path)}")

    def _output(self, command: str) -> str:
        result = self._action._low_level_execute_command(command)
        return str(result["stdout"]) if not result["rc"] else ""


class Watch:
    """Reads what a module tells, and SHOWs a line of it from time to time, until it is left."""

    def __init__(self, folder: Folder, show: t.Callable[[str], None]) -> None:
        self._folder = folder
        self._show = show
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *unused: object) -> None:
        self._over.set()
        self._thread.join(PATIENCE)
        with contextlib.suppress(AnsibleError):
            self._folder.remove()

    def _follow(self) -> None:
        began = last = time.monotonic()
        before = 0
        with contextlib.suppress(AnsibleError):
            while not self._over.wait(min(LONGEST, max(SHORTEST, (last - began) / 4))):
                state = State.parse(self._folder.read())
                now = time.monotonic()
                if state is not None and state.everything and not self._over.is_set():
                    self._show(state.told(before, now - last))
                    before = state.moved
                last = now


class WatchedAction(ActionBase):
    """Runs a module as Ansible does, and tells how far it has come where somebody looks on. `verb` says what it does."""

    verb: str

    def _execute_module(self, *words: t.Any, **options: t.Any) -> Results:
        if not self._is_watched():
            return t.cast(Results, super()._execute_module(*words, **options))
        host = (options.get("task_vars") or {}).get("inventory_hostname", "")
        try:
            folder = LocalFolder() if self._is_here() else RemoteFolder(self)
        except (OSError, AnsibleError):
            # What is wrong with the host is for the task itself to find and to tell.
            return t.cast(Results, super()._execute_module(*words, **options))
        environment = self._task.environment
        with Watch(folder, lambda line: Display().display(f"{host}: {self.verb} {line}", stderr=True, screen_only=True)):
            self._task.environment = [*(environment or []), {PROGRESS_VARIABLE: folder.path}]
            try:
                return t.cast(Results, super()._execute_module(*words, **options))
            finally:
                self._task.environment = environment

    def _is_watched(self) -> bool:
        task = self._task
        return ON_TERMINAL and not (task.check_mode or task.async_val or task.no_log)

    def _is_here(self) -> bool:
        return self._connection.transport == "local" and self._connection.become is None
