# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The registry or namespace that a login is for, and its spellings in auth files (containers-auth.json(5))."""

from __future__ import annotations

import dataclasses
import os
import re
import typing as t

from ...oci.reference import DOCKER_HUB

# All spellings of Docker Hub. The first is the one of docker and of credential helpers.
HUB_KEYS = ("https://index.docker.io/v1/", "index.docker.io", DOCKER_HUB, "registry-1.docker.io")
HUB_LOGIN = HUB_KEYS[0]

# A key may be a URL, as `docker login` wrote it for years. It means its host, with any path. Host and port are compared whole: like docker and podman we
# ignore a key with a user before the host or with a query.
_URL_KEY = re.compile(r"https?://([^/]+)(?:/.*)?", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class LoginScope:
    """The registry that a login is for, as references name it, or a namespace or repository below it."""

    registry: str
    path: str = ""

    def __str__(self) -> str:
        return f"{self.registry}/{self.path}" if self.path else self.registry

    @classmethod
    def of_key(cls, key: str) -> LoginScope:
        """Return the scope of a key in an auth file, or of a server that a credential helper knows."""
        match = _URL_KEY.fullmatch(key)
        host, slash, path = (match[1], "", "") if match is not None else key.partition("/")
        if host in HUB_KEYS and not slash:
            return cls(DOCKER_HUB)
        return cls(host, path) if path or not slash else cls(key)

    @property
    def server(self) -> str:
        """The name under which credential helpers keep the login of the registry."""
        return HUB_LOGIN if self.registry == DOCKER_HUB else self.registry

    @property
    def keys(self) -> list[str]:
        """The usual keys for this scope and for those that contain it, the most specific first. Docker also writes a registry as a URL."""
        parts = [self.registry, *(self.path.split("/") if self.path else ())]
        found = ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]
        found += list(HUB_KEYS) if self.registry == DOCKER_HUB else []
        return [*found, *(f"https://{self.registry}{path}" for path in ("", "/", "/v1/", "/v2/")), f"http://{self.registry}"]

    def find_keys(self, keys: t.Iterable[str]) -> list[str]:
        """Return those of KEYS that apply to this scope, in the order in which docker and podman try them."""
        present = list(keys)
        usual = [key for key in self.keys if key in present]
        urls = [key for key in present if _URL_KEY.fullmatch(key) and LoginScope.of_key(key) == LoginScope(self.registry)]
        return list(dict.fromkeys([*usual, *urls]))

    def contains(self, other: LoginScope) -> bool:
        """Return True if a login for this scope applies to OTHER."""
        return self.registry == other.registry and (not self.path or f"{other.path}/".startswith(f"{self.path}/"))

    def key_in(self, path: str) -> str:
        """Return the key for this scope in the auth file PATH. Docker, whose files have this name, finds Docker Hub by its old address only."""
        return self.server if not self.path and os.path.basename(path) == "config.json" else str(self)
