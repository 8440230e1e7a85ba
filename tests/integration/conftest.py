# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Tools: docker-registry htpasswd openssl

"""Real registries for integration tests. They are started once for a run, on free ports and in private folders, and are stopped at its end."""

from __future__ import annotations

import tempfile
import typing as t
from pathlib import Path

import pytest

from tests.support import locks, recorder, registry
from tests.support.folders import short_folder
from tests.support.images import make_image
from tests.support.throttle import Throttle


@pytest.fixture(scope="session")
def anonymous(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[registry.Registry]:
    """Run a registry without TLS and without users."""
    with registry.running_registry(tmp_path_factory.mktemp("anonymous")) as running:
        yield running


@pytest.fixture(scope="session")
def protected(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[registry.Registry]:
    """Run a registry with TLS by its own authority, and one user with a password."""
    with registry.running_registry(tmp_path_factory.mktemp("protected"), protected=True) as running:
        yield running


@pytest.fixture
def recording(anonymous: registry.Registry) -> t.Iterator[recorder.Recorder]:
    """Run a recording proxy of the anonymous registry."""
    with recorder.Recorder(anonymous.host).running() as running:
        yield running


@pytest.fixture
def repository(request: pytest.FixtureRequest) -> str:
    """Return the name of a repository that no other test uses."""
    name = "".join(character for character in request.node.name.lower() if character.isalnum())
    return f"{request.path.stem}/{name[:100]}"


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Return the path of a store that does not exist yet."""
    return str(tmp_path / "store")


@pytest.fixture
def locking(anonymous: registry.Registry, repository: str, store: str, tmp_path: Path) -> locks.LockScene:
    anonymous.put(locks.first(), repository, "1")
    (tmp_path / "files").mkdir()
    return locks.LockScene(anonymous, repository, tmp_path / "files", store)


@pytest.fixture(scope="module")
def slow(anonymous: registry.Registry) -> t.Iterator[Throttle]:
    """Run a slow proxy: its image progress:1 of 3 MB takes three seconds."""
    anonymous.put(make_image("slow", layers=1, size=3_000_000), "progress", "1")
    throttle = Throttle(anonymous.host, rate=1_000_000)
    with throttle.running():
        yield throttle


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Path]:
    """Return the temporary folder of controller and host, which also has the controller's socket, and check at the end that it is empty."""
    with short_folder() as folder:
        monkeypatch.setenv("TMPDIR", str(folder))
        monkeypatch.setattr(tempfile, "tempdir", None)
        yield folder
        assert [path.name for path in folder.iterdir() if not path.name.startswith("ansible")] == []
