# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A registry, a token server and a hostile server for one test, and a host whose store and temporary files are searched for secrets after every run."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import ssl
import time
import typing as t
from pathlib import Path

from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store

from .. import modules
from ..faults import wrong_blobs
from ..images import Image
from .access import PASSWORD, USER, AccessControl, AnonymousAccess, PasswordAccess, TokenAccess, Tokens
from .distribution import Distribution
from .leaks import leaks
from .server import Fault, Server

USERS = {USER: PASSWORD}
LOGIN = {"username": USER, "password": PASSWORD}


@dataclasses.dataclass(frozen=True)
class ModuleRun:
    """The result of a module run, and its duration."""

    results: modules.Results
    seconds: float

    @property
    def failed(self) -> bool:
        return bool(self.results.get("failed"))


class Sandbox:
    """All servers that a run talks to, and a host with the LIBRARIES of ENV.

    `evil` is a server at another origin. It serves the same content to everybody, and must never receive a secret.
    """

    def __init__(self, folder: Path, access: str, tls: ssl.SSLContext | None, ca: Path, libraries: str, env: t.Mapping[str, str]) -> None:
        self.libraries = libraries
        self._connection_options: dict[str, t.Any] = {"plain_http": True} if tls is None else {"ca_path": str(ca)}
        self.store = folder / "store"
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        self.env = {"HOME": str(self.home), "TMPDIR": str(self.home), **env}
        self.tokens = Tokens(USERS)
        self.token_server = Server(self.tokens, tls)
        self.distribution = Distribution(self._access(access))
        self.registry = Server(self.distribution, tls, self.distribution.is_authorized)
        stranger = Distribution(AnonymousAccess())
        stranger.content, stranger.repositories = self.distribution.content, self.distribution.repositories
        self.evil = Server(stranger, tls)
        placeholders = {
            "evil": self.evil.url,
            "tokens": self.token_server.url,
            "registry": self.registry.url,
            "host": self.registry.host,
            "evilhost": self.evil.host,
            "tokenhost": self.token_server.host,
        }
        for server in self.servers:
            server.placeholders.update(placeholders)

    def _access(self, kind: str) -> AccessControl:
        kinds: dict[str, t.Callable[[], AccessControl]] = {
            "open": AnonymousAccess,
            "password": lambda: PasswordAccess(USERS),
            "tokens": lambda: TokenAccess(self.tokens, f"{self.token_server.url}/token"),
        }
        return kinds[kind]()

    @property
    def servers(self) -> tuple[Server, Server, Server]:
        return (self.registry, self.token_server, self.evil)

    def __enter__(self) -> Sandbox:
        with contextlib.ExitStack() as stack:
            for server in self.servers:
                stack.enter_context(server)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *unused: object) -> None:
        self._stack.close()

    def name(self, repository: str = "app", tag: str = "1") -> str:
        return f"{self.registry.host}/{repository}:{tag}"

    def put_image(self, image: Image, repository: str = "app", tag: str = "1") -> None:
        """Put an image into the registry, and add its blobs to the placeholders of faults."""
        self.distribution.put(image, repository, tag)
        node = image.graph.images[0]
        placeholders = {
            "root": image.root.digest,
            "manifest": node.descriptor.digest,
            "config": node.manifest.config.digest,
            "layer": node.manifest.layers[0].digest,
        }
        for server in self.servers:
            server.placeholders.update({name: str(digest) for name, digest in placeholders.items()})

    def script(self, *faults: Fault, tokens: t.Sequence[Fault] = (), evil: t.Sequence[Fault] = ()) -> None:
        self.registry.script(*faults)
        self.token_server.script(*tokens)
        self.evil.script(*evil)

    def access(self, login: t.Mapping[str, t.Any] | None = None, **settings: t.Any) -> dict[str, t.Any]:
        """Return the options with which a task logs in to the registry, and its SETTINGS."""
        login = LOGIN if login is None else login
        trusted = {"token_hosts": [self.token_server.host]} if isinstance(self.distribution.access, TokenAccess) else {}
        if not trusted and not settings:
            return {**self._connection_options, **login}
        return {"registries": [{"name": self.registry.host, **self._connection_options, **trusted, **login, **settings}]}

    def run(self, module: str, with_store: bool = True, **options: t.Any) -> ModuleRun:
        """Run a module on this store, and check that no secret is in its output or files, or was sent to the hostile server."""
        began = time.monotonic()
        options = {**({"store": str(self.store)} if with_store else {}), **options}
        output, errors = modules.outputs(module, options, env=self.env)
        assert output, errors
        outcome = ModuleRun(json.loads(output), time.monotonic() - began)
        found = leaks({"stdout": output.encode(), "stderr": errors.encode()}, [self.store, self.home])
        assert found == [], (found, output)
        assert "Traceback" not in output + errors
        self.check_hostile_server()
        return outcome

    def check_hostile_server(self) -> None:
        """Check that the hostile server received no secret and no header that identifies a client. Its own signed addresses are allowed."""
        for request in self.evil.requests:
            assert not {"authorization", "cookie", "proxy-authorization"} & {name.lower() for name in request.headers}, request.headers.items()
            sent = "\n".join((str(request), *(f"{name}: {value}" for name, value in request.headers.items())))
            found = leaks({"what the stranger was sent": sent.encode() + request.body}, allowed="planted-signature")
            assert found == [], (found, sent)

    # The content of the store.

    def points_at(self, name: str) -> str | None:
        """Return the digest of a name in the store, or None."""
        entry = Store(str(self.store)).index.get_named(Reference.parse(name)) if self.store.exists() else None
        return str(entry.descriptor.digest) if entry is not None else None

    def check_store(self) -> None:
        """Check that every blob matches its digest, every named image is complete, and no lease is left."""
        if not self.store.exists():
            return
        store = Store(str(self.store))
        assert wrong_blobs(self.store) == []
        assert [entry.label for entry in store.index.entries if store.find_missing_blobs(entry)] == []
        assert list(self.store.glob(".longshore/leases/*")) == []
        assert list(self.home.rglob("*")) == []
