# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credentials that the host already has: the auth files of podman, skopeo and docker (containers-auth.json(5))."""

from __future__ import annotations

import base64
import binascii
import os
import re
import threading
import typing as t

from ...errors import Denied, InvalidOption, UnsupportedFormat, system_error
from ...limits import MAX_CONFIG_FILE
from ...oci.document import Document
from ...oci.reference import DOCKER_HUB
from ..config.settings import Credentials

MAX_FILE = MAX_CONFIG_FILE

_HUB_KEYS = ("https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io")
# A key may be a URL, as `docker login` wrote it for years. It means its host, with any path. Host and port are compared whole: like docker and podman we
# ignore a key with a user before the host or with a query.
_URL_KEY = re.compile(r"https?://([^/]+)(?:/.*)?", re.DOTALL)


class HostCredentials:
    """The credentials in AUTH_FILE, which must exist, or in the default files. Each file is read once in a run, and each helper runs once for a server."""

    def __init__(self, auth_file: str | None, environment: t.Mapping[str, str]) -> None:
        self._required = bool(auth_file)
        self._paths = [auth_file] if auth_file else _default_paths(environment)
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
            self._documents[path] = _read_file(path, self._required)
        return self._documents[path]

    def _find_in(self, document: Document, registry: str, repository: str) -> Credentials | None:
        auths = document.child("auths")
        helpers = document.text_map("credHelpers")
        keys = _make_keys(registry, repository)
        helper = next((helpers[key] for key in keys if key in helpers), None)
        if helper:
            return self._query_helper(document, helper, registry, required=True)
        entries = [auths.child(key) for key in [*keys, *_find_url_keys(auths, registry)]] if auths is not None else []
        for entry in entries:
            found = _read_entry(entry) if entry is not None else None
            if found is not None:
                return found
        # An empty name means no helper, and excludes this registry from the helper for all registries, as in docker.
        store = document.text("credsStore") if helper is None else None
        logged_in = any(entry is not None for entry in entries)
        return self._query_helper(document, store, registry, required=logged_in) if store else None

    def _query_helper(self, document: Document, helper: str, registry: str, required: bool) -> Credentials | None:
        """Ask a helper. If the user has logged in, a helper without credentials is an error: anonymous access would hide the reason of a later failure."""
        server = _HUB_KEYS[0] if registry == DOCKER_HUB else registry
        from .credential_helpers import query_helper

        if (helper, server) not in self._helper_results:
            self._helper_results[helper, server] = query_helper(helper, server, document.what)
        found = self._helper_results[helper, server]
        if found is None and required:
            raise Denied(f"{document.what} leaves the credentials of {server} to docker-credential-{helper}, which has none; log in again")
        return found


def _default_paths(environment: t.Mapping[str, str]) -> list[str]:
    home = environment.get("HOME") or os.path.expanduser("~")
    runtime = environment.get("XDG_RUNTIME_DIR")
    config = environment.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    docker = environment.get("DOCKER_CONFIG")
    paths = [
        environment.get("REGISTRY_AUTH_FILE"),
        # `podman login` writes here for root, who often has no session folder after sudo and ssh.
        os.path.join(runtime, "containers", "auth.json") if runtime else f"/run/containers/{os.geteuid()}/auth.json",
        os.path.join(config, "containers", "auth.json"),
        os.path.join(docker, "config.json") if docker else None,
        os.path.join(home, ".docker", "config.json"),
    ]
    return [path for path in paths if path]


def _read_file(path: str, required: bool) -> Document | None:
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_FILE + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        if required:
            raise InvalidOption(f"auth_file {path} doesn't exist") from error
        return None
    except OSError as error:
        raise system_error(error, path) from error
    is_empty = len(data) <= MAX_FILE and not data.strip()
    return Document.parse(b"{}" if is_empty else data, path, MAX_FILE)


def _make_keys(registry: str, repository: str) -> list[str]:
    """Return the keys for a repository, from the most specific one to the registry as a whole. Docker also writes a registry as a URL."""
    parts = [registry, *repository.split("/")]
    keys = ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]
    keys += list(_HUB_KEYS) if registry == DOCKER_HUB else []
    return [*keys, *(f"https://{registry}{path}" for path in ("", "/", "/v1/", "/v2/")), f"http://{registry}"]


def _find_url_keys(auths: Document, registry: str) -> list[str]:
    """Return the other keys of AUTHS that are URLs of REGISTRY, in the order of the file."""
    hosts = _HUB_KEYS if registry == DOCKER_HUB else (registry,)
    matches = ((key, _URL_KEY.fullmatch(key)) for key in auths.members)
    return [key for key, match in matches if match is not None and match[1] in hosts]


def _read_entry(entry: Document) -> Credentials | None:
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
