# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credentials that the host already has: the auth files of podman, skopeo and docker (containers-auth.json(5))."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import os
import threading
import typing as t

from ...errors import Denied, InvalidOption, UnsupportedFormat, system_error
from ...files import read_named
from ...limits import MAX_CONFIG_FILE
from ...oci.document import Document
from ..config.settings import Credentials
from .login_scope import LoginScope

MAX_FILE = MAX_CONFIG_FILE


class HostCredentials:
    """The credentials in AUTH_FILE, which must exist, or in the default files. Each file is read once in a run, and each helper runs once for a server."""

    def __init__(self, auth_file: str | None, environment: t.Mapping[str, str]) -> None:
        self._required = bool(auth_file)
        self._paths = [auth_file] if auth_file else default_auth_files(environment)
        self._lock = threading.Lock()
        self._documents: dict[str, Document | None] = {}
        self._helper_results: dict[tuple[str, str], Credentials | None] = {}

    def find(self, registry: str, repository: str) -> Credentials | None:
        """Return the credentials for a repository from the first file that has some.

        Raises InvalidOption if AUTH_FILE doesn't exist, UnsupportedFormat for a malformed file, Denied if a helper fails.
        """
        with self._lock:
            for path in self._paths:
                document = self._load(path)
                found = self._find_in(document, registry, repository) if document is not None else None
                if found is not None:
                    return found
            return None

    def _load(self, path: str) -> Document | None:
        if path not in self._documents:
            self._documents[path] = read_auth_file(path, self._required)
        return self._documents[path]

    def _find_in(self, document: Document, registry: str, repository: str) -> Credentials | None:
        scope = LoginScope(registry, repository)
        helpers = find_helpers(document, scope)
        if helpers.own:
            return self._query_helper(document, helpers.own, scope.server, required=True)
        entries = find_entries(document, scope)
        for entry in entries:
            found = read_entry(entry)
            if found is not None:
                return found
        return self._query_helper(document, helpers.common, scope.server, required=bool(entries)) if helpers.common else None

    def _query_helper(self, document: Document, helper: str, server: str, required: bool) -> Credentials | None:
        """Ask a helper. If the user has logged in, a helper without credentials is an error: anonymous access would hide the reason of a later failure."""
        from .credential_helpers import query_helper

        if (helper, server) not in self._helper_results:
            self._helper_results[helper, server] = query_helper(helper, server, document.what)
        found = self._helper_results[helper, server]
        if found is None and required:
            raise Denied(f"{document.what} leaves the credentials of {server} to docker-credential-{helper}, which has none; log in again")
        return found


def default_auth_files(environment: t.Mapping[str, str]) -> list[str]:
    """Return the auth files that are read if a task names none, in order."""
    runtime = environment.get("XDG_RUNTIME_DIR")
    docker = environment.get("DOCKER_CONFIG")
    paths = [
        environment.get("REGISTRY_AUTH_FILE"),
        # `podman login` writes here for root, who often has no session folder after sudo and ssh.
        os.path.join(runtime, "containers", "auth.json") if runtime else f"/run/containers/{os.geteuid()}/auth.json",
        user_auth_file(environment),
        os.path.join(docker, "config.json") if docker else None,
        os.path.join(_find_home(environment), ".docker", "config.json"),
    ]
    return [path for path in paths if path]


def user_auth_file(environment: t.Mapping[str, str]) -> str:
    """Return the auth file of the user that outlives a boot, and that podman, buildah and skopeo read."""
    return os.path.join(environment.get("XDG_CONFIG_HOME") or os.path.join(_find_home(environment), ".config"), "containers", "auth.json")


def _find_home(environment: t.Mapping[str, str]) -> str:
    return environment.get("HOME") or os.path.expanduser("~")


def read_auth_file(path: str, required: bool = False) -> Document | None:
    """Return an auth file, None for a missing one. Raises InvalidOption if it is REQUIRED, InputOutputError, UnsupportedFormat."""
    try:
        data = read_named(path, MAX_FILE)
    except (FileNotFoundError, NotADirectoryError) as error:
        if required:
            raise InvalidOption(f"auth_file {path} doesn't exist") from error
        return None
    except OSError as error:
        raise system_error(error, path) from error
    return parse_auth_file(data, path)


def parse_auth_file(data: bytes, path: str) -> Document:
    """Parse an auth file; an empty one has no logins. Raises UnsupportedFormat."""
    is_empty = len(data) <= MAX_FILE and not data.strip()
    return Document.parse(b"{}" if is_empty else data, path, MAX_FILE)


@dataclasses.dataclass(frozen=True)
class Helpers:
    """The credential helpers of an auth file for one scope: its `own`, which comes before the entries of the file, or the `common` one, which comes after."""

    own: str | None = None
    common: str | None = None


def find_helpers(document: Document, scope: LoginScope) -> Helpers:
    """Return the helpers that an auth file names for SCOPE. Raises UnsupportedFormat."""
    helpers = document.text_map("credHelpers")
    own = next((helpers[key] for key in scope.keys if key in helpers), None)
    # An empty name means no helper, and excludes this registry from the helper for all registries, as in docker.
    return Helpers(own or None, (document.text("credsStore") or None) if own is None else None)


def find_entries(document: Document, scope: LoginScope) -> list[Document]:
    """Return the entries of an auth file that apply to SCOPE, in the order in which they are tried. Raises UnsupportedFormat."""
    auths = document.child("auths")
    found = [auths.child(key) for key in scope.find_keys(auths.members)] if auths is not None else []
    return [entry for entry in found if entry is not None]


def read_entry(entry: Document) -> Credentials | None:
    """Return the credentials of an entry: `auth`, else `username` and `password`, which only docker reads. Raises UnsupportedFormat."""
    if entry.text("auth") or entry.text("identitytoken"):
        return _decode(entry)
    username, password = entry.text("username"), entry.text("password")
    return Credentials(username, password) if username and password else None


def _decode(entry: Document) -> Credentials:
    identity_token = entry.text("identitytoken")
    try:
        text = base64.b64decode(entry.text("auth") or "", validate=True).decode("utf-8")
    except (binascii.Error, ValueError) as error:
        raise UnsupportedFormat(f"{entry.what}: auth is not base64") from error
    username, colon, password = text.rstrip("\0").partition(":")
    if not colon and not identity_token:
        raise UnsupportedFormat(f"{entry.what}: auth has no password")
    return Credentials(username, password, identity_token or None)
