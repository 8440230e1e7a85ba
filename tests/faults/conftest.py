# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Tools: openssl

"""Shared fixtures of the fault tests: a certificate authority, the libraries that a managed host may have, and a store."""

from __future__ import annotations

import contextlib
import shutil
import ssl
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import modules
from tests.support.programmable.sandbox import Sandbox
from tests.support.registry import make_authority
from tests.support.verbs import OLD

MakeSandboxes = t.Callable[..., t.Sequence[Sandbox]]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with ca.pem, and server.pem and server.key for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("authority")
    make_authority(folder)
    return folder


@pytest.fixture(scope="session")
def libraries() -> dict[str, dict[str, str]]:
    """Return the environments of managed hosts: with the requests and urllib3 of the tests, and with the oldest supported ones."""
    if not (modules.OLDEST / "requests").is_dir():
        pytest.fail("missing: the oldest requests and urllib3; ./dev test installs them")
    return {"current": {}, "oldest": {"PYTHONPATH": modules.LIBRARIES["oldest"]}}


@pytest.fixture
def make_sandboxes(tmp_path: Path, authority: Path, libraries: dict[str, dict[str, str]]) -> t.Iterator[MakeSandboxes]:
    """Return a function that creates a sandbox for every pair of libraries. `access` is open, password or tokens."""
    with contextlib.ExitStack() as stack:

        def make(access: str = "password", tls: bool = False) -> list[Sandbox]:
            context = None
            if tls:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(authority / "server.pem", authority / "server.key")
            return [
                stack.enter_context(Sandbox(tmp_path / name, access, context, authority / "ca.pem", name, env)) for name, env in libraries.items()
            ]

        yield make


@pytest.fixture
def sandboxes(make_sandboxes: MakeSandboxes) -> t.Sequence[Sandbox]:
    """Return sandboxes with registries that require a password, over plain HTTP."""
    return make_sandboxes()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store with one image that no sample archive contains. Tests copy it."""
    path = tmp_path_factory.mktemp("template") / "store"
    OLD.put(Store(str(path)), "r.test/old:1")
    return path


@pytest.fixture
def store(template: Path, tmp_path: Path) -> Path:
    """Return a private copy of the template store."""
    shutil.copytree(template, tmp_path / "store")
    return tmp_path / "store"
