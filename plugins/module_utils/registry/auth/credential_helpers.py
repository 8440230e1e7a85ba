# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credential helpers: programs that keep credentials for docker and podman. They are used through standard input and output only."""

from __future__ import annotations

import errno
import json
import os
import re

from ...errors import Denied, UnsupportedFormat
from ...limits import HELPER_SECONDS, MAX_HELPER_OUTPUT
from ...oci.document import Document
from ...oci.text import sanitise
from ...programs import Finished, ProgramFailed, explain_skipped, find_program, run_program
from ..config.settings import Credentials

_NAME = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)
_NOT_FOUND = "credentials not found in native keychain"
# The user name that docker and its helpers keep with an identity token.
IDENTITY_TOKEN_USER = "<token>"


def query_helper(name: str, server: str, what: str) -> Credentials | None:
    """Return what `docker-credential-NAME get` has for SERVER, None if the helper says that it has nothing.

    Raises Denied if the helper is missing, fails, takes longer than 30 s or prints more than 64 KiB. Such a failure never counts as "not logged in".
    """
    prefix = _describe(name, server, what)
    result = _run(name, "get", server, prefix)
    if result.status != 0:
        message = _read_message(result)
        if message.startswith(_NOT_FOUND):
            return None
        raise Denied(f"{prefix} failed: {message or f'exit status {result.status}'}")
    try:
        document = Document.parse(result.output, "its answer", MAX_HELPER_OUTPUT)
        username, secret = document.text("Username") or "", document.required_text("Secret")
    except UnsupportedFormat as error:
        raise Denied(f"{prefix} sent an invalid answer: {error}") from error
    return Credentials("", "", secret) if username == IDENTITY_TOKEN_USER else Credentials(username, secret)


def list_helper(name: str, what: str) -> dict[str, str]:
    """Return the user name of each server that `docker-credential-NAME list` returns. Raises Denied like `query_helper`."""
    prefix = _describe(name, "registries", what)
    result = _run_successfully(name, "list", "", prefix)
    try:
        return Document.parse(b'{"servers":' + result.output + b"}", "its answer", MAX_HELPER_OUTPUT + 20).text_map("servers")
    except UnsupportedFormat as error:
        raise Denied(f"{prefix} sent an invalid answer: {error}") from error


def store_in_helper(name: str, server: str, login: Credentials, what: str) -> None:
    """Store a login with `docker-credential-NAME store`. Raises Denied like `query_helper`."""
    username = login.username if login.identity_token is None else IDENTITY_TOKEN_USER
    message = json.dumps({"ServerURL": server, "Username": username, "Secret": login.secret})
    _run_successfully(name, "store", message, _describe(name, server, what))


def erase_from_helper(name: str, server: str, what: str) -> None:
    """Delete a login with `docker-credential-NAME erase`. Raises Denied like `query_helper`."""
    _run_successfully(name, "erase", server, _describe(name, server, what))


def _describe(name: str, server: str, what: str) -> str:
    """Return the beginning of an error message. Raises Denied for an invalid name: it could be a path."""
    if not _NAME.fullmatch(name):
        raise Denied(f"{what} names the credential helper {sanitise(name, 100)!r}, which is not a valid name")
    return f"{what} leaves the credentials of {server} to docker-credential-{name}, which"


def _run(name: str, action: str, message: str, prefix: str) -> Finished:
    """Run a helper with MESSAGE on its standard input, never on its command line, which other users can see."""
    program = f"docker-credential-{name}"
    path = find_program(program)
    if path is None:
        raise Denied(f"{prefix} can't be started: {os.strerror(errno.ENOENT)}{explain_skipped(program)}")
    try:
        return run_program([path, action], HELPER_SECONDS, MAX_HELPER_OUTPUT, (message.encode("utf-8", "replace"),), HELPER_SECONDS)
    except ProgramFailed as error:
        raise Denied(f"{prefix} {error}") from error


def _run_successfully(name: str, action: str, message: str, prefix: str) -> Finished:
    result = _run(name, action, message, prefix)
    if result.status != 0:
        raise Denied(f"{prefix} failed to {action}: {_read_message(result) or f'exit status {result.status}'}")
    return result


def _read_message(result: Finished) -> str:
    return sanitise(result.output.decode("utf-8", "replace").strip(), 200)
