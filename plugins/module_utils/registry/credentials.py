# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credentials that the host already has: the files of podman, skopeo and docker (containers-auth.json(5))."""

from __future__ import annotations

import base64
import binascii
import os
import typing as t

from ..errors import Denied, InvalidOption, UnsupportedFormat, system_error
from ..oci.document import Document
from ..oci.reference import DOCKER_HUB
from ..oci.text import clean
from .settings import Credentials

MAX_FILE = 1024 * 1024

_HUB_KEYS = ("https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io")


def find_credentials(registry: str, repository: str, auth_file: str | None, environment: t.Mapping[str, str]) -> Credentials | None:
    """The credentials for a repository from the first file that has some. A file that the task names must be there.

    Raises InvalidOption for a named file that can't be read, UnsupportedFormat for one that is odd, Denied where only a helper has the credentials.
    """
    for path in [auth_file] if auth_file else _usual_places(environment):
        document = _read(path, required=bool(auth_file))
        found = _look_up(document, registry, repository) if document is not None else None
        if found is not None:
            return found
    return None


def _usual_places(environment: t.Mapping[str, str]) -> list[str]:
    home = environment.get("HOME") or os.path.expanduser("~")
    runtime = environment.get("XDG_RUNTIME_DIR")
    config = environment.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    docker = environment.get("DOCKER_CONFIG")
    places = [
        environment.get("REGISTRY_AUTH_FILE"),
        os.path.join(runtime, "containers", "auth.json") if runtime else None,
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
    return Document.parse(data or b"{}", path, MAX_FILE)


def _look_up(document: Document, registry: str, repository: str) -> Credentials | None:
    auths = document.child("auths")
    helpers = document.text_map("credHelpers")
    names = _HUB_KEYS if registry == DOCKER_HUB else (registry,)
    helper = next((helpers[name] for name in names if name in helpers), None)
    if helper is not None:
        raise _only_by_helper(document, registry, helper)
    for key in _keys(registry, repository):
        entry = auths.child(key) if auths is not None else None
        if entry is not None and entry.text("auth"):
            return _decode(entry)
    store = document.text("credsStore")
    if store is not None and auths is not None and any(auths.has(key) for key in _keys(registry, repository)):
        raise _only_by_helper(document, registry, store)
    return None


def _only_by_helper(document: Document, registry: str, helper: str) -> Denied:
    """Never anonymous instead: the user logged in, and would look for the reason elsewhere."""
    words = (
        f"leaves the credentials of {registry} to the helper {clean(helper, 100)!r}, and helpers are not supported yet; give username and password"
    )
    return Denied(f"{document.what} {words}")


def _keys(registry: str, repository: str) -> list[str]:
    """From the most special key to the registry as a whole; docker's files also write a registry as a URL."""
    parts = [registry, *repository.split("/")]
    keys = ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]
    keys += list(_HUB_KEYS) if registry == DOCKER_HUB else []
    return [*keys, *(f"https://{registry}{path}" for path in ("", "/", "/v1/", "/v2/")), f"http://{registry}"]


def _decode(entry: Document) -> Credentials:
    try:
        text = base64.b64decode(entry.required_text("auth"), validate=True).decode("utf-8")
    except (binascii.Error, ValueError) as error:
        raise UnsupportedFormat(f"{entry.what}: auth is not base64") from error
    username, colon, password = text.rstrip("\0").partition(":")
    if not colon:
        raise UnsupportedFormat(f"{entry.what}: auth has no password")
    return Credentials(username, password)
