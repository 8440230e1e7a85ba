# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Engines with the module options that reach them: each kind, and each kind of connection."""

from __future__ import annotations

import dataclasses
import os
import typing as t
from pathlib import Path

import pytest

from . import engines, modules
from .engines import HOST, Engine
from .forked import run_forked
from .images import Image

TARGETS = ("docker", "docker_on_containerd", "podman", "podman_service", "containerd", "kubernetes")


def config_of(image: Image, platform: str = HOST) -> str:
    return str(next(node for node in image.graph.images if str(node.platform) == platform).manifest.config.digest)


@dataclasses.dataclass
class Target:
    """An engine, and the module options that reach it."""

    name: str
    engine: Engine
    options: dict[str, t.Any]
    env: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def title(self) -> str:
        return str(self.options["engine"])

    @property
    def keeps_digests(self) -> bool:
        return self.name != "docker"

    @property
    def socket(self) -> Path:
        return Path(str(self.options[self._address]).removeprefix("unix://"))

    def options_at(self, socket: Path) -> dict[str, t.Any]:
        """Return the module options that reach the engine through another socket."""
        scheme = "" if self.title == "containerd" else "unix://"
        return {**self.options, self._address: f"{scheme}{socket}"}

    @property
    def _address(self) -> str:
        return {"docker": "docker_host", "podman": "podman_host", "containerd": "containerd_address"}[self.title]

    def deliver(self, store: str, *names: str, check: bool = False, **options: t.Any) -> modules.Results:
        return modules.run("image_deliver", {"store": store, "name": list(names), **self.options, **options}, check, self.env)

    def fails(self, store: str, *names: str, **options: t.Any) -> modules.Results:
        return modules.fail("image_deliver", {"store": store, "name": list(names), **self.options, **options}, env=self.env)

    def prune(self, check: bool = False, **options: t.Any) -> modules.Results:
        return modules.run("image_prune", {**self.options, **options}, check, self.env)

    def has(self, name: str, image: Image, text: str) -> bool:
        """Check that the engine has the image under NAME with the right ID and digest, and that it runs."""
        assert name in self.engine.names()
        assert self.engine.image_id(name) == config_of(image)
        assert not self.keeps_digests or str(image.root.digest) in self.engine.digests(name)
        return self.engine.runs_with(name, text)


def make_target(request: pytest.FixtureRequest, name: str) -> t.Iterator[Target]:
    if name in ("docker", "docker_on_containerd"):
        docker = request.getfixturevalue(name)
        yield Target(name, docker, {"engine": "docker", "docker_host": f"unix://{docker.folder}/docker.sock"})
    elif name == "podman":
        podman = request.getfixturevalue("podman")
        programs = podman.program(request.getfixturevalue("tmp_path") / "bin")
        yield Target(name, podman, {"engine": "podman"}, {"PATH": f"{programs}:{os.environ['PATH']}"})
    elif name == "podman_service":
        podman = request.getfixturevalue("podman")
        with podman.service() as path:
            yield Target(name, podman, {"engine": "podman", "podman_host": f"unix://{path}"})
    else:
        daemon = request.getfixturevalue("containerd")
        containerd = engines.Containerd(daemon.folder, {"containerd": "default", "kubernetes": "k8s.io"}[name])
        containerd.clear()
        options = {"engine": "containerd", "containerd_address": f"{daemon.folder}/c.sock", "containerd_namespace": containerd.namespace}
        yield Target(name, containerd, options)


def run(target: Target, module: str, check: bool = False, **options: t.Any) -> modules.Results:
    """Run a module with an engine, and return its results."""
    results = run_forked(module, {**target.options, **options}, check=check, env=target.env)
    assert not results.get("failed"), results
    return results


def fail(target: Target, module: str, **options: t.Any) -> modules.Results:
    """Run a module that fails for a reason it names, and return its results."""
    results = run_forked(module, {**target.options, **options}, env=target.env)
    assert results.get("failed"), results
    assert results["error"] != "internal_error", results
    return results


def twice(target: Target, module: str, **options: t.Any) -> modules.Results:
    """Run in check mode, for real, and again: check mode is right, and the second run changes nothing. Return the results of the real run."""
    predicted = run(target, module, check=True, **options)
    done = run(target, module, **options)
    assert predicted == done
    assert done["changed"]
    again = run(target, module, **options)
    assert (again["changed"], again["actions"]) == (False, [])
    assert again["diff"]["before"] == again["diff"]["after"]
    return done
