# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The daemon in memory answers as the Docker of this machine does, so that tests with it say something about Docker.

Docker decides by its answers whether it is compared with the daemon that reports manifests or with the one that doesn't.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import subprocess
import typing as t
from pathlib import Path

import pytest

from tests.support import engines
from tests.support.archives import Files, blob, oci, pack, without
from tests.support.docker_daemon import DockerDaemon
from tests.support.engines import HOST, OTHER
from tests.support.images import make_image, make_index

NAME = "docker.io/library/app:1"


class Daemon:
    """A real daemon or the one in memory, and its answers."""

    def __init__(self, path: Path, lose: t.Callable[[str], object]) -> None:
        self.lose = lose
        self._path = path

    def ask(self, method: str, target: str, body: bytes | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("docker", timeout=30)
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as opened:
            opened.connect(str(self._path))
            connection.sock = opened
            connection.request(method, target, body)
            with connection.getresponse() as response:
                return response.status, response.read()

    def load(self, files: Files) -> tuple[int, list[t.Any]]:
        status, data = self.ask("POST", "/images/load?quiet=1", pack(files))
        return status, [json.loads(line) for line in data.splitlines()]

    def facts(self, name: str = "app:1") -> dict[str, t.Any]:
        """Return all that Longshore reads, in a form that doesn't depend on times and sizes."""
        _status, data = self.ask("GET", "/images/json?manifests=1")
        rows = [_only(row, "Id", "RepoTags", "RepoDigests", "Labels", "ParentId", "Manifests") for row in json.loads(data)]
        for row in rows:
            if "Manifests" in row:
                row["Manifests"] = [_describe_manifest(one) for one in row["Manifests"]]
        rows.sort(key=lambda row: str(row["Id"]))
        status, data = self.ask("GET", f"/images/{name}/json")
        inspected = _only(json.loads(data), "Id", "RepoTags", "Architecture", "Os", "Variant", "RootFS") if status == 200 else None
        status, data = self.ask("GET", f"/images/{name}/history")
        history = (status, [step["CreatedBy"] for step in json.loads(data)] if status == 200 else json.loads(data))
        exported, _data = self.ask("GET", f"/images/get?names={name}")
        return {"list": rows, "image": inspected, "history": history, "export": exported}


def _only(members: dict[str, t.Any], *keys: str) -> dict[str, t.Any]:
    return {key: members[key] for key in keys if key in members}


def _describe_manifest(row: dict[str, t.Any]) -> dict[str, t.Any]:
    return {**_only(row, "ID", "Available", "Kind"), "platform": row.get("ImageData", {}).get("Platform")}


INDEX, PLAIN = make_index("index", (HOST, OTHER)), make_image("plain", 2, HOST)
NEXT = make_image("next", 1, HOST, shared=[PLAIN.content[PLAIN.layers[0].digest]])
HOST_IMAGE = next(node for node in INDEX.graph.images if str(node.platform) == HOST)
HOST_LAYER = HOST_IMAGE.manifest.layers[0].digest

LOADS: dict[str, list[Files]] = {
    "an index": [oci(INDEX, NAME)],
    "the host's part of an index": [oci(INDEX.sparse(HOST), NAME)],
    "another part of an index": [oci(INDEX.sparse(OTHER), NAME)],
    "an index without a layer of the host": [without(oci(INDEX, NAME), blob(HOST_LAYER))],
    "a manifest": [oci(PLAIN, NAME)],
    "a manifest without a layer": [without(oci(PLAIN, NAME), blob(PLAIN.layers[0].digest))],
    "a manifest without a layer that Docker has": [
        oci(PLAIN, "docker.io/library/base:1"),
        without(oci(NEXT, NAME), blob(PLAIN.layers[0].digest)),
    ],
    "another manifest under the same name": [oci(PLAIN, NAME), oci(NEXT, NAME)],
}


@pytest.mark.parametrize("loads", LOADS.values(), ids=LOADS)
def test_the_daemon_in_memory_answers_as_docker_does(docker_on_containerd: engines.DockerOnContainerd, loads: list[Files]) -> None:
    real = _real(docker_on_containerd)
    answers = [real.load(files) for files in loads]
    facts = real.facts()
    with DockerDaemon(_reports_manifests(real)).running() as daemon:
        fake = Daemon(Path(daemon.address.removeprefix("unix://")), daemon.lose)
        assert [fake.load(files) for files in loads] == answers
        assert fake.facts() == facts


@pytest.mark.parametrize("lost", ["layer", "config", "manifest"])
def test_an_image_that_lost_a_blob_is_reported_in_the_same_way(docker_on_containerd: engines.DockerOnContainerd, lost: str) -> None:
    digest = {"layer": HOST_LAYER, "config": HOST_IMAGE.manifest.config.digest, "manifest": HOST_IMAGE.descriptor.digest}[lost]
    real = _real(docker_on_containerd)
    with DockerDaemon(_reports_manifests(real)).running() as daemon:
        fake = Daemon(Path(daemon.address.removeprefix("unix://")), daemon.lose)
        facts = []
        for one in (real, fake):
            one.load(oci(INDEX.sparse(HOST), NAME))
            one.lose(str(digest))
            facts.append(one.facts())
        assert facts[0] == facts[1]


def _real(docker: engines.DockerOnContainerd) -> Daemon:
    def lose(digest: str) -> None:
        subprocess.run(
            ["ctr", "--address", f"{docker.folder}/c.sock", "--namespace", "moby", "content", "rm", digest], check=True, capture_output=True
        )

    return Daemon(docker.folder / "docker.sock", lose)


def _reports_manifests(docker: Daemon) -> bool:
    """Return whether Docker reports the manifests of an image."""
    docker.load(oci(PLAIN, "docker.io/library/probe:1"))
    _status, data = docker.ask("GET", "/images/json?manifests=1")
    docker.ask("DELETE", "/images/probe:1")
    return any("Manifests" in row for row in json.loads(data))
