# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credential helpers: programs that keep credentials for docker and podman, spoken to through their standard input and output alone."""

from __future__ import annotations

import errno
import os
import re

from ...errors import Denied, UnsupportedFormat
from ...limits import HELPER_SECONDS, MAX_HELPER_OUTPUT
from ...oci.document import Document
from ...oci.text import sanitise
from ...programs import ProgramFailed, explain_skipped, find_program, run_program
from ..config.settings import Credentials

_NAME = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)
_ABSENT = "credentials not found in native keychain"
_IDENTITY_USER = "<token>"


def ask_helper(name: str, server: str, what: str) -> Credentials | None:
    """What `docker-credential-NAME get` has for SERVER; None where it says that it has nothing.

    Raises Denied for a helper that is absent, fails, takes longer than 30 s or says more than 64 KiB: never is such a failure taken for "nobody is logged in".
    """
    if not _NAME.fullmatch(name):
        raise Denied(f"{what} names a credential helper {sanitise(name, 100)!r}, which can't be one")
    program = f"docker-credential-{name}"
    told = f"{what} leaves the credentials of {server} to {program}, which"
    path = find_program(program)
    if path is None:
        raise Denied(f"{told} can't be started: {os.strerror(errno.ENOENT)}{explain_skipped(program)}")
    try:
        done = run_program([path, "get"], HELPER_SECONDS, MAX_HELPER_OUTPUT, (server.encode("utf-8", "replace"),), HELPER_SECONDS)
    except ProgramFailed as fault:
        raise Denied(f"{told} {fault}") from fault
    if done.status != 0:
        words = sanitise(done.output.decode("utf-8", "replace").strip(), 200)
        if words.startswith(_ABSENT):
            return None
        raise Denied(f"{told} failed: {words or f'exit status {done.status}'}")
    try:
        document = Document.parse(done.output, "its answer", MAX_HELPER_OUTPUT)
        username, secret = document.text("Username") or "", document.required_text("Secret")
    except UnsupportedFormat as error:
        raise Denied(f"{told} answered with something else: {error}") from error
    return Credentials("", "", secret) if username == _IDENTITY_USER else Credentials(username, secret)
