# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credentials that the host already has: the files of podman, skopeo and docker (containers-auth.json(5))."""

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
# A key that is a URL, as `docker login` wrote it for years, means its host, whatever its path. Host and port are compared whole: a key with a user
# before the host or with a query is none of these, here as in docker and podman.
_URL_KEY = re.compile(r"https?://([^/]+)(?:/.*)?", re.DOTALL)


class HostCredentials:
    """The credentials in AUTH_FILE, which must then be there, or in the usual files. Files and helpers are asked once in a run."""

    def __init__(self, auth_file: str | None, environment: t.Mapping[str, str]) -> None:
        self._required = bool(auth_file)
        self._places = [auth_file] if auth_file else _usual_places(environment)
        self._lock = threading.Lock()
        self._documents: dict[str, Document | None] = {}
        self._answers: dict[tuple[str, str], Credentials | None] = {}

    def find(self, registry: str, repository: str) -> Credentials | None:
        """The credentials for a repository from the first file that has some.

        Raises InvalidOption for a named file that isn't there, UnsupportedFormat for one that is odd, Denied for a helper that fails.
        """
        with self._lock:
            for path in self._places:
                document = self._document(path)
                found = self._look_up(document, registry, repository) if document is not None else None
                if found is not None:
                    return found
            return None

    def _document(self, path: str) -> Document | None:
        if path not in self._documents:
            self._documents[path] = _read(path, self._required)
        return self._documents[path]

    def _look_up(self, document: Document, registry: str, repository: str) -> Credentials | None:
        auths = document.child("auths")
        helpers = document.text_map("credHelpers")
        keys = _keys(registry, repository)
        helper = next((helpers[key] for key in keys if key in helpers), None)
        if helper:
            return self._ask(document, helper, registry, required=True)
        entries = [auths.child(key) for key in [*keys, *_url_keys(auths, registry)]] if auths is not None else []
        for entry in entries:
            found = _credentials_in(entry) if entry is not None else None
            if found is not None:
                return found
        # An empty name is no helper, and keeps the one for all registries away from this one, as in docker.
        store = document.text("credsStore") if helper is None else None
        logged_in = any(entry is not None for entry in entries)
        return self._ask(document, store, registry, required=logged_in) if store else None

    def _ask(self, document: Document, helper: str, registry: str, required: bool) -> Credentials | None:
        """Where somebody is known to have logged in, a helper without credentials is an error and no anonymous access: the reason would be sought elsewhere."""
        server = _HUB_KEYS[0] if registry == DOCKER_HUB else registry
        from .credential_helpers import ask_helper

        if (helper, server) not in self._answers:
            self._answers[helper, server] = ask_helper(helper, server, document.what)
        found = self._answers[helper, server]
        if found is None and required:
            raise Denied(f"{document.what} leaves the credentials of {server} to docker-credential-{helper}, which has none; log in again")
        return found


def _usual_places(environment: t.Mapping[str, str]) -> list[str]:
    home = environment.get("HOME") or os.path.expanduser("~")
    runtime = environment.get("XDG_RUNTIME_DIR")
    config = environment.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    docker = environment.get("DOCKER_CONFIG")
    places = [
        environment.get("REGISTRY_AUTH_FILE"),
        # Where `podman login` writes for root, whom sudo and ssh often leave without a folder of its session.
        os.path.join(runtime, "containers", "auth.json") if runtime else f"/run/containers/{os.geteuid()}/auth.json",
        os.path.join(config, "containers", "auth.json"),
        os.path.join(docker, "config.json") if docker else None,
        os.path.join(home, ".docker", "config.json"),
    ]
    return [place for place in places if place]


def _read(path: str, required: bool) -> Document | None:
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


def _keys(registry: str, repository: str) -> list[str]:
    """From the most special key to the registry as a whole; docker's files also write a registry as a URL."""
    parts = [registry, *repository.split("/")]
    keys = ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]
    keys += list(_HUB_KEYS) if registry == DOCKER_HUB else []
    return [*keys, *(f"https://{registry}{path}" for path in ("", "/", "/v1/", "/v2/")), f"http://{registry}"]


def _url_keys(auths: Document, registry: str) -> list[str]:
    """Return the other keys of AUTHS that are URLs of REGISTRY, in the order of the file."""
    hosts = _HUB_KEYS if registry == DOCKER_HUB else (registry,)
    matches = ((key, _URL_KEY.fullmatch(key)) for key in auths.members)
    return [key for key, match in matches if match is not None and match[1] in hosts]


def _credentials_in(entry: Document) -> Credentials | None:
    """Return the credentials of an entry: those in `auth` before a plain `username` and `password`, which only docker reads. Raises UnsupportedFormat."""
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
