# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Show the progress of a long task: lines for each host and for all of them at a terminal, or one line every 30 seconds for all hosts in a log.

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
import threading
import time
import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.errors import HostError, LongshoreError
from ..module_utils.oci.text import format_size, sanitise
from ..module_utils.transfer.progress import FILE
from ..module_utils.transfer.workers import PROGRESS_VARIABLE
from .host_answers import as_failure, check_results, is_count
from .host_folder import HostFolder
from .local_tmp import LOCAL_TMP, make_private_folder
from .shared_progress import SharedProgress, Total, interval

# Checked when Ansible loads the plugin: the processes that run tasks have no terminal.
ON_TERMINAL = sys.stderr.isatty()
try:
    COLUMNS = os.get_terminal_size(2).columns or 80
except OSError:
    COLUMNS = 80
MAX_STATE = 4096
MIN_LABEL = 12
MAX_NAME = 120
# Seconds between two lines: a quarter of the elapsed time, within these limits.
MIN_INTERVAL, MAX_INTERVAL = 1.0, 10.0
# Seconds that a task which has ended waits for a read of the file.
JOIN_TIMEOUT = 5.0
# How often a module's file is read between two lines of a log: the first line then counts every host.
READS_PER_LINE = 3
# The option `progress`, and the controller's variable for tasks that don't set it.
AUTO, ALWAYS, NEVER = MODES = ("auto", "always", "never")
OPTION = "progress"
MODE_VARIABLE = "LONGSHORE_PROGRESS"

Results = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class ModuleProgress:
    """The progress of a module: moved bytes of all bytes to move."""

    moved: int
    total: int
    label: str

    @classmethod
    def parse(cls, text: str) -> ModuleProgress | None:
        """Parse the file; return None if it is missing or not valid. It comes from a host and is not trusted."""
        try:
            found = json.loads(text) if len(text) <= MAX_STATE else None
        except (ValueError, RecursionError):
            return None
        if not isinstance(found, dict):
            return None
        moved, total, label = found.get("bytes"), found.get("all_bytes"), found.get("what")
        if not (is_count(moved) and is_count(total) and isinstance(label, str) and label) or moved > total:
            return None
        return cls(moved, total, sanitise(label, MAX_NAME))

    def describe(self, before: int, seconds: float, columns: int | None = None) -> str:
        """Return the line to show. BEFORE bytes had been moved SECONDS ago. A label that is too long for COLUMNS loses its beginning: the end has the tag."""
        rate = max(0, self.moved - before) / seconds
        amounts = _format_amounts(self.moved, self.total, rate)
        if rate >= 1:
            amounts += f", {_format_duration((self.total - self.moved) / rate)} left"
        room = max(MIN_LABEL, columns - len(amounts) - 2) if columns is not None else len(self.label)
        label = self.label if len(self.label) <= room else f"...{self.label[3 - room :]}"
        return f"{label}: {amounts}"


def format_total(verb: str, total: Total) -> str:
    """Return the line about all hosts. It has no time that is left, because more hosts may start."""
    ended = f", {total.ended} done" if total.ended else ""
    return f"progress: {total.hosts} hosts{ended}, {verb}: {_format_amounts(total.moved, total.expected, total.gained / total.seconds)}"


def _format_amounts(moved: int, everything: int, rate: float) -> str:
    return f"{100 * moved // everything} %, {format_size(moved)} of {format_size(everything)}, {format_size(int(rate))}/s"


def _format_duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class ProgressFolder(t.Protocol):
    """A private folder on the host for the progress file. The module removes it, unless it is killed."""

    path: str

    def read(self) -> str:
        """Return the content of the file, nothing if there is none."""

    def remove(self) -> None: ...


class LocalFolder:
    """A folder on this machine, for a module that runs as the same user, in the folder that Ansible removes when it ends."""

    def __init__(self) -> None:
        self.path = make_private_folder()

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
        self._folder = HostFolder(self._action)
        self.path = self._folder.path

    def read(self) -> str:
        result = self._action._low_level_execute_command(f"head -c {MAX_STATE} {shlex.quote(f'{self.path}/{FILE}')}")
        return str(result["stdout"]) if not result["rc"] else ""

    def remove(self) -> None:
        self._folder.remove()


class Watch:
    """Read the progress file in a thread, and pass a line about the host to SHOW from time to time, until the context ends.

    Lines are at most COLUMNS long, the name of the host included. With SHARED, and several hosts in the task, a line about all of them is shown at a fixed
    interval.
    """

    def __init__(
        self,
        folder: ProgressFolder,
        show: t.Callable[[str], None],
        host: str = "",
        verb: str = "",
        shared: SharedProgress | None = None,
        columns: int | None = None,
    ) -> None:
        self.path = folder.path
        self._folder = folder
        self._show = show
        self._host = host
        self._verb = verb
        self._shared = shared
        self._prefix = f"{host}: {verb} " if host else ""
        self._columns = columns - len(self._prefix) if columns is not None else None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Watch:
        with contextlib.suppress(OSError):
            if self._shared is not None:
                self._shared.record(0, 0)
        self._thread.start()
        return self

    def __exit__(self, *unused: object) -> None:
        self._stopped.set()
        self._thread.join(JOIN_TIMEOUT)
        with contextlib.suppress(AnsibleError):
            self._folder.remove()
        with contextlib.suppress(OSError):
            if self._shared is not None:
                self._shared.end()

    def _follow(self) -> None:
        began = last = time.monotonic()
        before = 0
        # OSError: the disk of the controller is full, or the run was killed and its temporary folder is gone.
        with contextlib.suppress(AnsibleError, OSError):
            while not self._stopped.wait(min(MAX_INTERVAL, max(MIN_INTERVAL, (last - began) / 4))):
                state = ModuleProgress.parse(self._folder.read())
                now = time.monotonic()
                if state is not None and state.total and not self._stopped.is_set():
                    self._show(f"{self._prefix}{state.describe(before, now - last, self._columns)}")
                    before = state.moved
                last = now
                if self._shared is not None and not self._stopped.is_set():
                    self._show_total(self._shared, state)

    def _show_total(self, shared: SharedProgress, state: ModuleProgress | None) -> Total | None:
        """Record the progress of the host. Show the line about all hosts if it is due here, and return their progress then."""
        if state is not None:
            shared.record(state.moved, state.total)
        total = shared.take_turn()
        if total is not None and total.hosts > 1:
            self._show(format_total(self._verb, total))
        return total


class LogWatch(Watch):
    """Shows lines for a log instead: one for all hosts of the task, at a fixed interval. The lines of one host have its name in full."""

    def _follow(self) -> None:
        shared = t.cast(SharedProgress, self._shared)
        with contextlib.suppress(AnsibleError, OSError):
            while not self._stopped.wait(interval() / READS_PER_LINE):
                state = ModuleProgress.parse(self._folder.read())
                if self._stopped.is_set():
                    return
                total = self._show_total(shared, state)
                if total is not None and total.hosts == 1 and state is not None and state.total:
                    self._show(f"{self._prefix}{state.describe(state.moved - total.gained, total.seconds)}")


def read_mode_variable(environment: t.Mapping[str, str]) -> str:
    """Return the mode that the controller's variable sets, or `auto`. Warns about a value that is none."""
    mode = environment.get(MODE_VARIABLE) or AUTO
    if mode in MODES:
        return mode
    Display().warning(
        f"the environment variable {MODE_VARIABLE} is {sanitise(mode, MAX_NAME)!r}; it has to be one of {', '.join(MODES)}; {AUTO} is used"
    )
    return AUTO


# Read when Ansible loads the plugin, which happens once in a run: so the warning comes once.
MODE_OF_CONTROLLER = read_mode_variable(os.environ)


class WatchedAction(ActionBase):
    """An action that runs its module as Ansible does, checks its results and shows the progress on a terminal. `verb` begins each line."""

    verb: str

    def _execute_module(self, *arguments: t.Any, **options: t.Any) -> Results:
        """Run the module on the host. Results that none of our modules returns are a failure of the task."""
        results = self._execute_watched(*arguments, **options)
        if options.get("wrap_async"):
            # Ansible returns the job. It reads the results of the module later, without this plugin.
            return results
        try:
            return check_results(results)
        except HostError as error:
            return as_failure(error)

    def _execute_watched(self, *arguments: t.Any, **options: t.Any) -> Results:
        host = str((options.get("task_vars") or {}).get("inventory_hostname", ""))
        try:
            watch = self._make_watch(host)
        except (OSError, AnsibleError, LongshoreError):
            # A problem of the host is reported by the task itself.
            watch = None
        if watch is None:
            return t.cast(Results, super()._execute_module(*arguments, **options))
        environment = self._task.environment
        with watch:
            # ansible-core before 2.19 templates the environment: the path of the folder has only characters that mean nothing to a template.
            self._task.environment = [*(environment or []), {PROGRESS_VARIABLE: watch.path}]
            try:
                return t.cast(Results, super()._execute_module(*arguments, **options))
            finally:
                self._task.environment = environment

    def _make_watch(self, host: str) -> Watch | None:
        """Return None for a task that shows no progress. Raises OSError, AnsibleError or LongshoreError if there is no folder for it."""
        task, mode = self._task, self._mode()
        if task.check_mode or task.async_val or task.no_log or not (mode == ALWAYS or (mode == AUTO and ON_TERMINAL)):
            return None
        shared = SharedProgress(LOCAL_TMP, task._uuid, host)
        if mode == ALWAYS:
            return LogWatch(self._make_folder(), _show, host, self.verb, shared)
        return Watch(self._make_folder(), _show, host, self.verb, shared, COLUMNS)

    def _mode(self) -> object:
        """Return the task's option if it is set, else the mode of the controller. A wrong value shows nothing: the module fails for it."""
        mode = self._task.args.get(OPTION)
        return MODE_OF_CONTROLLER if mode is None else mode

    def _make_folder(self) -> ProgressFolder:
        is_here = self._connection.transport == "local" and self._connection.become is None
        return LocalFolder() if is_here else RemoteFolder(self)


def _show(line: str) -> None:
    Display().display(line, stderr=True, screen_only=True)
