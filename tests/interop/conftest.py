# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Tools: buildah busybox containerd ctr docker dockerd docker-registry ip openssl oras podman runc skopeo umoci

"""Real engines for interoperability tests. Daemons are started once for a run, and are empty at the start of every test."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from tests.support import engines
from tests.support.targets import Target, make_target


@pytest.fixture(scope="session")
def docker_daemon() -> t.Iterator[engines.Docker]:
    with engines.running_docker(containerd_store=False) as running:
        yield running


@pytest.fixture(scope="session")
def docker_on_containerd_daemon() -> t.Iterator[engines.Docker]:
    with engines.running_docker(containerd_store=True) as running:
        yield running


@pytest.fixture(scope="session")
def containerd_daemon() -> t.Iterator[engines.Containerd]:
    with engines.running_containerd() as running:
        yield running


@pytest.fixture
def docker(docker_daemon: engines.Docker) -> engines.Docker:
    """Return Docker with its classic image store."""
    docker_daemon.clear()
    return docker_daemon


@pytest.fixture
def docker_on_containerd(docker_on_containerd_daemon: engines.Docker) -> engines.Docker:
    """Return Docker with the containerd image store."""
    docker_on_containerd_daemon.clear()
    return docker_on_containerd_daemon


@pytest.fixture
def containerd(containerd_daemon: engines.Containerd) -> engines.Containerd:
    containerd_daemon.clear()
    return containerd_daemon


@pytest.fixture
def podman(tmp_path: Path) -> engines.Podman:
    return engines.Podman(tmp_path / "podman")


@pytest.fixture
def buildah(tmp_path: Path) -> engines.Buildah:
    return engines.Buildah(tmp_path / "buildah")


@pytest.fixture
def skopeo(tmp_path: Path) -> engines.Skopeo:
    return engines.Skopeo(tmp_path / "skopeo")


@pytest.fixture
def umoci() -> engines.Umoci:
    return engines.Umoci()


@pytest.fixture
def oras() -> engines.Oras:
    return engines.Oras()


@pytest.fixture
def target(request: pytest.FixtureRequest) -> t.Iterator[Target]:
    """Return the engine of a parametrised test."""
    yield from make_target(request, request.param)


@pytest.fixture
def store(tmp_path: Path) -> str:
    return str(tmp_path / "store")
