# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credential helpers: programs that keep credentials for docker and podman. They are used through standard input and output only."""

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
_NOT_FOUND = "credentials not found in native keychain"
_IDENTITY_TOKEN_USER = "<token>"


def query_helper(name: str, server: str, what: str) -> Credentials | None:
    """Return what `docker-credential-NAME get` has for SERVER, None if the helper says that it has nothing.

    Raises Denied if the helper is missing, fails, takes longer than 30 s or prints more than 64 KiB. Such a failure never counts as "not logged in".
    """
    if not _NAME.fullmatch(name):
        raise Denied(f"{what} names the credential helper {sanitise(name, 100)!r}, which is not a valid name")
    program = f"docker-credential-{name}"
    prefix = f"{what} leaves the credentials of {server} to {program}, which"
    path = find_program(program)
    if path is None:
        raise Denied(f"{prefix} can't be started: {os.strerror(errno.ENOENT)}{explain_skipped(program)}")
    try:
        result = run_program([path, "get"], HELPER_SECONDS, MAX_HELPER_OUTPUT, (server.encode("utf-8", "replace"),), HELPER_SECONDS)
    except ProgramFailed as error:
        raise Denied(f"{prefix} {error}") from error
    if result.status != 0:
        message = sanitise(result.output.decode("utf-8", "replace").strip(), 200)
        if message.startswith(_NOT_FOUND):
            return None
        raise Denied(f"{prefix} failed: {message or f'exit status {result.status}'}")
    try:
        document = Document.parse(result.output, "its answer", MAX_HELPER_OUTPUT)
        username, secret = document.text("Username") or "", document.required_text("Secret")
    except UnsupportedFormat as error:
        raise Denied(f"{prefix} sent an invalid answer: {error}") from error
    return Credentials("", "", secret) if username == _IDENTITY_TOKEN_USER else Credentials(username, secret)
