# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find and run programs. Programs that another user could replace are skipped, input is streamed, output is limited, and no program can hang a task."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import os
import selectors
import signal
import stat
import subprocess
import time
import typing as t

from .limits import MAX_PROGRAM_ERRORS
from .oci.text import sanitise, split_lines

Chunks = t.Iterable[t.Union[bytes, bytearray, memoryview]]

_CHUNK_SIZE = 64 * 1024
_STREAM_SIZE = 256 * 1024
_MAX_LINKS = 40
# Also searched, after PATH: some of these are often missing from the PATH of remote logins.
_STANDARD_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
# Debian lets the group staff write to these; it documents that group as one that may replace programs of root.
_SYSTEM_FOLDERS = frozenset((*_STANDARD_FOLDERS, "/usr/local"))


@dataclasses.dataclass(frozen=True)
class Finished:
    """The exit status and the output of a program. `failure_text` describes its failure in an error message."""

    status: int
    output: bytes
    errors: bytes

    @property
    def failure_text(self) -> str:
        lines = [line for line in split_lines(self.errors.decode("utf-8", "replace")) if line.strip()]
        plain = [line for line in lines if not line.startswith("time=")] or lines
        return sanitise(" ".join(plain)) or f"status {self.status}"


class ProgramFailed(Exception):
    """A program could not be run. The message is the end of a sentence that begins with the program's name."""


def find_program(name: str) -> str | None:
    """Return the path of the first program NAME that is safe to run, or None.

    Searches the absolute folders of PATH, then the standard ones. A relative or empty entry would mean the current folder, where anybody may have put a
    program of that name. A program that a user other than root and the running one could replace is skipped.
    """
    return next((path for path, problem in _find_candidates(name) if problem is None), None)


def explain_skipped(name: str) -> str:
    """Return which programs NAME were skipped and why, as the end of a sentence. The text is empty if none was skipped."""
    return "".join(f"; {path} is not run because {problem}" for path, problem in _find_candidates(name) if problem is not None)


def _find_candidates(name: str) -> t.Iterator[tuple[str, str | None]]:
    """Yield each program NAME with the reason not to run it."""
    for folder in dict.fromkeys([*_path_entries(), *_STANDARD_FOLDERS]):
        path = os.path.join(folder, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            yield path, _explain_untrusted(path)


def _path_entries() -> list[str]:
    return [folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if os.path.isabs(folder)]


@functools.lru_cache(maxsize=1)
def _path_for_programs(entries: tuple[str, ...]) -> str:
    """Return the PATH for a program, without unsafe folders, because the program starts other programs from it."""
    return os.pathsep.join(folder for folder in entries if os.path.isdir(folder) and _explain_untrusted(folder) is None) or os.defpath


def _explain_untrusted(path: str) -> str | None:
    """Return how a user other than root and the running one could replace PATH or a folder or link on the way to it; None if nobody could."""
    try:
        return _find_problem(path)
    except OSError as error:
        return f"{path} can't be checked: {error.strerror}"


def _find_problem(path: str) -> str | None:
    here, links = "/", 0
    parts = path.split("/")[::-1]
    while parts:
        part = parts.pop()
        if part in ("", "."):
            continue
        if part == "..":
            here = os.path.dirname(here)
            continue
        # In a sticky folder nobody can replace the entries of others, but anybody can add a program.
        problem = _find_mode_problem(here, os.lstat(here), is_sticky_enough=any(part not in ("", ".") for part in parts))
        there = os.path.join(here, part)
        status = os.lstat(there)
        if problem is None and stat.S_ISLNK(status.st_mode):
            links += 1
            problem = _find_owner_problem(there, status) if links <= _MAX_LINKS else f"{path} has too many symbolic links"
            target = os.readlink(there)
            parts += target.split("/")[::-1]
            there = "/" if target.startswith("/") else here
        if problem is not None:
            return problem
        here = there
    return _find_mode_problem(here, os.lstat(here), is_sticky_enough=False)


def _find_mode_problem(path: str, status: os.stat_result, is_sticky_enough: bool) -> str | None:
    """Return which other users may write to a file or folder, None if nobody."""
    problem = _find_owner_problem(path, status)
    if problem is not None or (is_sticky_enough and status.st_mode & stat.S_ISVTX):
        return problem
    if status.st_mode & stat.S_IWOTH:
        return f"everybody may write to {path}"
    is_of_system = status.st_uid == 0 and path in _SYSTEM_FOLDERS
    if status.st_mode & stat.S_IWGRP and not is_of_system and not _is_private_group(path, status):
        return f"its group may write to {path}"
    return None


def _find_owner_problem(path: str, status: os.stat_result) -> str | None:
    return None if status.st_uid in (0, os.geteuid()) else f"{path} belongs to the user {status.st_uid}"


def _is_private_group(path: str, status: os.stat_result) -> bool:
    """Return whether only the group may write that most systems make for each user, with nobody else in it."""
    # With an access control list, the group's permission stands for all users and groups that the list names.
    if hasattr(os, "listxattr") and "system.posix_acl_access" in os.listxattr(path):
        return False
    import grp
    import pwd

    try:
        group, owner = grp.getgrgid(status.st_gid), pwd.getpwuid(status.st_uid).pw_name
    except KeyError:
        return False
    return group.gr_name == owner and set(group.gr_mem) <= {owner}


class _Program(subprocess.Popen[bytes]):
    """A program with pipes for its input and outputs. Ansible's run_command would keep a whole image in memory.

    It runs in a separate session, so that it can be killed together with all processes that it started.
    """

    def __init__(self, words: t.Sequence[str]) -> None:
        super().__init__(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PATH": _path_for_programs(tuple(_path_entries()))},
            start_new_session=True,
        )

    def kill(self) -> None:
        # Until the program was waited for, the kernel can't give its process ID to another process.
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)


def run_program(words: t.Sequence[str], timeout: float, limit: int, standard_input: Chunks = (), seconds: float = math.inf) -> Finished:
    """Run a program and send it the bytes of STANDARD_INPUT.

    The program and all processes that it started are killed if it reads no input for TIMEOUT seconds, if it doesn't end within TIMEOUT seconds after its
    last input (output doesn't extend that time), or if it runs longer than SECONDS in total.
    Raises ProgramFailed in these cases, for a program that can't be started, and for output of more than LIMIT bytes.
    """
    try:
        process = _Program(words)
    except OSError as error:
        raise ProgramFailed(f"can't be started: {error.strerror or error}") from error
    with process:
        try:
            conversation = _Conversation(process, timeout, limit, standard_input, time.monotonic() + seconds)
            output, errors = conversation.finish()
            return Finished(process.wait(conversation.seconds_left), output, errors)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise ProgramFailed("didn't end in time") from error
        except BaseException:
            process.kill()
            raise


def stream_program(words: t.Sequence[str], timeout: float) -> t.Generator[bytes, None, Finished]:
    """Run a program without input, yield its output in pieces, and return how it ended.

    The program and all processes that it started are killed if it prints nothing for TIMEOUT seconds, and if the generator is closed early.
    Raises ProgramFailed for a program that prints nothing for so long, and for one that can't be started.
    """
    try:
        process = _Program(words)
    except OSError as error:
        raise ProgramFailed(f"can't be started: {error.strerror or error}") from error
    with process, selectors.DefaultSelector() as selector:
        try:
            output, errors = (t.cast("t.IO[bytes]", stream) for stream in (process.stdout, process.stderr))
            t.cast("t.IO[bytes]", process.stdin).close()
            error_text = bytearray()
            for stream in (output, errors):
                selector.register(stream, selectors.EVENT_READ)
            while selector.get_map():
                ready = selector.select(timeout)
                if not ready:
                    raise ProgramFailed(f"made no progress in {timeout:g} seconds")
                for key, _events in ready:
                    data = os.read(key.fd, _STREAM_SIZE)
                    if not data:
                        selector.unregister(key.fileobj)
                    elif key.fileobj is output:
                        yield data
                    else:
                        error_text += data
                        del error_text[:-MAX_PROGRAM_ERRORS]
            return Finished(process.wait(timeout), b"", bytes(error_text))
        except subprocess.TimeoutExpired as error:
            raise ProgramFailed("didn't end in time") from error
        finally:
            process.kill()


class _Conversation:
    """Writes to a program and reads both of its outputs, each as soon as the program is ready."""

    def __init__(self, process: _Program, timeout: float, limit: int, standard_input: Chunks, end: float) -> None:
        self._input, output, errors = (t.cast("t.IO[bytes]", stream) for stream in (process.stdin, process.stdout, process.stderr))
        self._output, self._errors = bytearray(), bytearray()
        self._streams = {output: self._output, errors: self._errors}
        self._timeout = timeout
        self._limit = limit
        self._last_end = end
        self._end = 0.0
        self._pieces = iter(standard_input)
        self._rest = memoryview(b"")
        self._extend()

    def _extend(self) -> None:
        """Move the deadline. Only accepted input does this: otherwise a program that prints a byte now and then would never end."""
        self._end = min(self._last_end, time.monotonic() + self._timeout)

    @property
    def seconds_left(self) -> float:
        return max(self._end - time.monotonic(), 0.0)

    def finish(self) -> tuple[bytes, bytes]:
        """Return standard output and standard error, read to their ends."""
        with selectors.DefaultSelector() as selector:
            os.set_blocking(self._input.fileno(), False)
            selector.register(self._input, selectors.EVENT_WRITE)
            for stream in self._streams:
                selector.register(stream, selectors.EVENT_READ)
            while selector.get_map():
                left = self.seconds_left
                ready = selector.select(None if left == math.inf else left) if left else []
                if not ready:
                    raise ProgramFailed(self._describe_delay())
                for key, _events in ready:
                    is_open = self._write() if key.fileobj is self._input else self._read(t.cast("t.IO[bytes]", key.fileobj))
                    if not is_open:
                        selector.unregister(key.fileobj)
                        if key.fileobj is self._input:
                            # Not before: another thread that starts a program may hold a copy of it, and a closed file can't be unregistered.
                            self._input.close()
        return bytes(self._output), bytes(self._errors)

    def _describe_delay(self) -> str:
        if self._end == self._last_end:
            return "didn't answer in time"
        if self._input.closed and self._output:
            return f"didn't end its answer in {self._timeout:g} seconds"
        return f"made no progress in {self._timeout:g} seconds"

    def _write(self) -> bool:
        """Write some input. Return False at its end, or if the program stopped reading: its status and error output then explain why."""
        self._extend()
        try:
            if not self._rest:
                chunk = next(self._pieces, None)
                if chunk is None:
                    return False
                self._rest = memoryview(chunk)
            self._rest = self._rest[os.write(self._input.fileno(), self._rest) :]
        except BrokenPipeError:
            return False
        return True

    def _read(self, stream: t.IO[bytes]) -> bool:
        data = os.read(stream.fileno(), _CHUNK_SIZE)
        kept = self._streams[stream]
        kept += data
        if kept is self._errors:
            del kept[:-MAX_PROGRAM_ERRORS]
        elif len(kept) > self._limit:
            raise ProgramFailed(f"prints more than the {self._limit} bytes that are allowed")
        return bool(data)
