# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credential helpers: programs that keep credentials for docker and podman, spoken to through their standard input and output alone."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import subprocess
import time
import typing as t

from ..errors import Denied, UnsupportedFormat
from ..oci.document import Document
from ..oci.text import clean
from .settings import Credentials

TIMEOUT = 30.0
MAX_OUTPUT = 64 * 1024

_NAME = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)
_ABSENT = "credentials not found in native keychain"
_IDENTITY_USER = "<token>"


def ask_helper(name: str, server: str, what: str) -> Credentials | None:
    """What `docker-credential-NAME get` has for SERVER; None where it says that it has nothing.

    Raises Denied for a helper that is absent, fails, takes longer than 30 s or says more than 64 KiB: never is such a failure taken for "nobody is logged in".
    """
    if not _NAME.fullmatch(name):
        raise Denied(f"{what} names a credential helper {clean(name, 100)!r}, which can't be one")
    program = f"docker-credential-{name}"
    told = f"{what} leaves the credentials of {server} to {program}, which"
    status, output = _converse(program, server.encode("utf-8", "replace"), told)
    if status != 0:
        words = clean(output.decode("utf-8", "replace").strip(), 200)
        if words.startswith(_ABSENT):
            return None
        raise Denied(f"{told} failed: {words or f'exit status {status}'}")
    try:
        document = Document.parse(output, "its answer", MAX_OUTPUT)
        username, secret = document.text("Username") or "", document.required_text("Secret")
    except UnsupportedFormat as error:
        raise Denied(f"{told} answered with something else: {error}") from error
    return Credentials("", "", secret) if username == _IDENTITY_USER else Credentials(username, secret)


def _converse(program: str, words: bytes, told: str) -> tuple[int, bytes]:
    try:
        process = subprocess.Popen([program, "get"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except OSError as error:
        raise Denied(f"{told} can't be run: {error.strerror}") from error
    with process:
        try:
            stdin, stdout = t.cast(t.IO[bytes], process.stdin), t.cast(t.IO[bytes], process.stdout)
            with contextlib.suppress(BrokenPipeError), stdin:
                stdin.write(words)
            output = _read(stdout, time.monotonic() + TIMEOUT, told)
            return process.wait(TIMEOUT), output
        except subprocess.TimeoutExpired as error:
            raise Denied(f"{told} didn't end within {TIMEOUT:g} seconds") from error
        finally:
            process.kill()


def _read(pipe: t.IO[bytes], deadline: float, told: str) -> bytes:
    output = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not selector.select(left):
                raise Denied(f"{told} didn't answer within {TIMEOUT:g} seconds")
            chunk = os.read(pipe.fileno(), MAX_OUTPUT)
            if not chunk:
                return bytes(output)
            output += chunk
            if len(output) > MAX_OUTPUT:
                raise Denied(f"{told} answered with more than {MAX_OUTPUT} bytes")
