# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook preload_fleet with real engines, one of which dies during the run."""

from __future__ import annotations

import typing as t
from pathlib import Path

from tests.support import engines
from tests.support.fleets import Fleet
from tests.support.folders import short_folder
from tests.support.images import make_image
from tests.support.registry import running_registry
from tests.support.relay import Relay


def test_all_other_engines_get_the_images_although_one_dies_and_the_next_run_converges(
    docker: engines.Docker, containerd: engines.Containerd, tmp_path: Path
) -> None:
    image = make_image("large", 1, engines.HOST, size=4_000_000, shared=[engines.program_layer()])
    kubernetes = engines.Containerd(containerd.folder, "k8s.io")
    (tmp_path / "registry").mkdir()
    with running_registry(tmp_path / "registry") as registry, short_folder() as folder:
        name = registry.put(image, "team/app", "1")
        wanted: list[dict[str, t.Any]] = [
            {"engine": "docker", "docker_host": f"unix://{folder}/r.sock"},
            {"engine": "containerd", "containerd_address": f"{containerd.folder}/c.sock", "containerd_namespace": "k8s.io"},
        ]
        fleet = Fleet(tmp_path, "preload_store", {"web1": {"preload_images": [name], "preload_engines": wanted}})

        predicted = fleet.run("preload_fleet", "--check")
        assert predicted.status == 0, predicted.output
        assert predicted.count("changed", "web1") == 2
        assert f"{name}: delivered to docker, containerd once the host has it." in predicted.output

        with Relay(docker.folder / "docker.sock", limit=2_000_000).on_socket(folder / "r.sock"):
            failure = fleet.run("preload_fleet").failure("web1")
        assert name in failure
        assert '"error": "engine_error"' in failure
        assert "docker" in failure
        assert name in kubernetes.names()

        (folder / "r.sock").unlink()
        with Relay(docker.folder / "docker.sock").on_socket(folder / "r.sock"):
            for changed in (1, 0):
                outcome = fleet.run("preload_fleet")
                assert (outcome.status, outcome.count("changed", "web1")) == (0, changed), outcome.output
        assert docker.run(name, "/bin/sh", "-c", "echo runs").strip() == "runs"


def test_without_a_store_images_go_straight_into_the_engines(docker: engines.Docker, tmp_path: Path) -> None:
    image = engines.runnable_image("straight")
    (tmp_path / "registry").mkdir()
    with running_registry(tmp_path / "registry") as registry:
        name = registry.put(image, "team/app", "1")
        wanted = [{"engine": "docker", "docker_host": f"unix://{docker.folder}/docker.sock"}]
        settings = {"preload_images": [name], "preload_engines": wanted, "preload_store": False}
        fleet = Fleet(tmp_path, "preload_store", {"web1": settings})
        for arguments, changed in ((("--check",), 1), ((), 1), ((), 0)):
            outcome = fleet.run("preload_fleet", *arguments)
            assert (outcome.status, outcome.count("changed", "web1")) == (0, changed), outcome.output
        assert docker.runs_with(name, "straight")
        refused = Fleet(tmp_path, "preload_store", {"web1": {**settings, "preload_trust": []}}).run("preload_fleet")
        assert '"error": "untrusted"' in refused.failure("web1")
