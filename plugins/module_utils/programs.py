# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs that are asked: input is streamed to them, what they print is bounded, and none of them can hang a task. Below the places, like files."""

from __future__ import annotations

import dataclasses
import math
import os
import selectors
import subprocess
import time
import typing as t

from .oci.text import clean

Chunks = t.Iterable[t.Union[bytes, bytearray, memoryview]]

_MAX_ERRORS = 64 * 1024
_PIECE = 64 * 1024


@dataclasses.dataclass(frozen=True)
class Finished:
    """How a program ended, and what it printed. `told` is what it said of its failure, for a sentence."""

    status: int
    output: bytes
    errors: bytes

    @property
    def told(self) -> str:
        lines = [line for line in self.errors.decode("utf-8", "replace").splitlines() if line.strip()]
        plain = [line for line in lines if not line.startswith("time=")] or lines
        return clean(" ".join(plain)) or f"status {self.status}"


class ProgramFailed(Exception):
    """A program couldn't be asked; the text goes on where a sentence has named it."""


class _Program(subprocess.Popen[bytes]):
    """A program with all of its ends in our hands. Ansible's own way to run one would keep an image in memory."""

    def __init__(self, words: t.Sequence[str]) -> None:
        super().__init__(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def run_program(words: t.Sequence[str], timeout: float, limit: int, given: Chunks = (), seconds: float = math.inf) -> Finished:
    """Runs a program with the bytes of GIVEN on its standard input. It is killed after TIMEOUT seconds without any progress, and after SECONDS at all.

    Raises ProgramFailed for one that can't be started, that stalls, or that prints more than LIMIT bytes.
    """
    try:
        process = _Program(words)
    except OSError as error:
        raise ProgramFailed(f"can't be started: {error.strerror or error}") from error
    with process:
        try:
            output, errors = _Conversation(process, timeout, limit, given, time.monotonic() + seconds).finish()
            return Finished(process.wait(timeout), output, errors)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise ProgramFailed("didn't end in time") from error
        except BaseException:
            process.kill()
            raise


class _Conversation:
    """Writing to a program and reading both of its outputs, whichever it is ready for."""

    def __init__(self, process: _Program, timeout: float, limit: int, given: Chunks, end: float) -> None:
        self._input, output, errors = (t.cast("t.IO[bytes]", stream) for stream in (process.stdin, process.stdout, process.stderr))
        self._output, self._errors = bytearray(), bytearray()
        self._streams = {output: self._output, errors: self._errors}
        self._timeout = timeout
        self._limit = limit
        self._end = end
        self._given = iter(given)
        self._rest = memoryview(b"")

    def finish(self) -> tuple[bytes, bytes]:
        """What was printed until both outputs ended."""
        with selectors.DefaultSelector() as selector:
            os.set_blocking(self._input.fileno(), False)
            selector.register(self._input, selectors.EVENT_WRITE)
            for stream in self._streams:
                selector.register(stream, selectors.EVENT_READ)
            while selector.get_map():
                left = self._end - time.monotonic()
                ready = selector.select(min(self._timeout, left)) if left > 0 else []
                if not ready:
                    raise ProgramFailed(f"made no progress in {self._timeout:g} seconds" if left > self._timeout else "didn't answer in time")
                for key, _events in ready:
                    goes_on = self._write() if key.fileobj is self._input else self._read(t.cast("t.IO[bytes]", key.fileobj))
                    if not goes_on:
                        selector.unregister(key.fileobj)
        return bytes(self._output), bytes(self._errors)

    def _write(self) -> bool:
        """A program that stops reading has its reasons, and says them when it ends."""
        try:
            if not self._rest:
                chunk = next(self._given, None)
                if chunk is None:
                    self._input.close()
                    return False
                self._rest = memoryview(chunk)
            self._rest = self._rest[os.write(self._input.fileno(), self._rest) :]
        except BrokenPipeError:
            return False
        return True

    def _read(self, stream: t.IO[bytes]) -> bool:
        data = os.read(stream.fileno(), _PIECE)
        kept = self._streams[stream]
        kept += data
        if kept is self._errors:
            del kept[:-_MAX_ERRORS]
        elif len(kept) > self._limit:
            raise ProgramFailed(f"prints more than the {self._limit} bytes that are allowed")
        return bool(data)
