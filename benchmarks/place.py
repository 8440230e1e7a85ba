# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the benchmark works: a scratch folder, a registry with images of any size, engines that start at their first use, and other collections."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import random
import shutil
import subprocess
import typing as t
import venv
from pathlib import Path

from tests.support import engines, modules, registry

MEGABYTE = 1_000_000
ANSIBLE = modules.ROOT / ".cache" / "bench-ansible"
CRANE = modules.ROOT / ".cache" / "bench-crane"
# Debian's package golang-github-google-go-containerregistry-dev has crane's source, and its dependencies are packages too. So no network is needed.
CRANE_SOURCE = "github.com/google/go-containerregistry/cmd/crane"
GO_PACKAGES = Path("/usr/share/gocode")


@dataclasses.dataclass
class Place:
    """`stack` stops at the end what the place starts. `images` are those pushed so far."""

    folder: Path
    registry: registry.Registry
    stack: contextlib.ExitStack
    images: dict[tuple[int, int], str] = dataclasses.field(default_factory=dict)
    # Set by benchmarks/fleets.py and benchmarks/cold_fleet.py at their first use.
    fleet: object = None
    caches: object = None

    @functools.cached_property
    def docker(self) -> engines.Docker:
        return self.stack.enter_context(engines.running_docker(containerd_store=False))

    @property
    def docker_options(self) -> dict[str, str]:
        """Return the option of tasks that names Docker's socket."""
        return {"docker_host": f"unix://{self.docker.folder}/docker.sock"}

    def pull_into_docker(self, *names: str) -> None:
        """Pull images into Docker, which has no others then."""
        self.docker.clear()
        modules.run("image_pull", {"name": list(names), "engine": "docker", "plain_http": True, **self.docker_options})

    @functools.cached_property
    def podman(self) -> engines.Podman:
        return engines.Podman(self.folder / "podman")

    @functools.cached_property
    def ansible(self) -> Path:
        """Return the programs of an environment with the package `ansible`, which contains community.docker and containers.podman."""
        if not (ANSIBLE / "done").exists():
            print(f"installing ansible in {ANSIBLE}", flush=True)
            venv.create(ANSIBLE, clear=True, with_pip=True)
            subprocess.run([str(ANSIBLE / "bin" / "python"), "-m", "pip", "install", "--quiet", "ansible", "requests"], check=True)
            (ANSIBLE / "done").touch()
        return ANSIBLE / "bin"

    @functools.cached_property
    def crane(self) -> str:
        """Return the program crane, built at its first use."""
        registry.needed("go")
        if not (CRANE / "crane").exists():
            print(f"building crane in {CRANE}, which takes about a minute", flush=True)
            if not (GO_PACKAGES / "src" / CRANE_SOURCE).exists():
                subprocess.run(["ansible-playbook", "tests/setup.yml", "--extra-vars", "tools=crane-source"], check=True, cwd=modules.ROOT)
            CRANE.mkdir(parents=True, exist_ok=True)
            environment = {**os.environ, "GOPATH": str(GO_PACKAGES), "GO111MODULE": "off", "GOFLAGS": "", "GOCACHE": str(CRANE / "cache")}
            subprocess.run(["go", "build", "-o", str(CRANE / "built"), CRANE_SOURCE], check=True, env=environment)
            shutil.rmtree(CRANE / "cache")
            (CRANE / "built").rename(CRANE / "crane")
        return str(CRANE / "crane")

    def image(self, layers: int, size: int) -> str:
        """Return the name of an image with LAYERS layers of SIZE random bytes each, which don't compress."""
        if (layers, size) not in self.images:
            name = f"{self.registry.host}/bench/layers{layers}x{size}:1"
            store, noise = self.folder / "source", random.Random(layers)
            sources = []
            for number in range(layers):
                path = self.folder / f"noise{number}"
                with path.open("wb") as file:
                    for start in range(0, size, MEGABYTE):
                        file.write(noise.randbytes(min(MEGABYTE, size - start)))
                sources.append({"src": str(path), "dest": f"/noise/{number}"})
            modules.run("image_append", {"name": name, "base": "scratch", "layers": sources, "store": str(store)})
            modules.run("image_push", {"name": name, "store": str(store), "plain_http": True})
            shutil.rmtree(store)
            for source in sources:
                os.unlink(source["src"])
            self.images[layers, size] = name
        return self.images[layers, size]

    def stored_image(self, layers: int, size: int) -> tuple[str, Path]:
        """Return the name of such an image, and a store that has it."""
        name, store = self.image(layers, size), self.folder / f"store-{layers}x{size}"
        modules.run("image_pull", {"name": name, "store": str(store), "plain_http": True})
        return name, store

    def empty(self, name: str) -> Path:
        """Return the path of a file or folder that doesn't exist."""
        path = self.folder / name
        shutil.rmtree(path, ignore_errors=True)
        path.unlink(missing_ok=True)
        return path

    def forget(self, repository: str, digests: t.Iterable[str]) -> None:
        """Delete a repository and the blobs with these hexadecimal digests from the registry, which has no cache that would notice."""
        data = self.registry.folder / "data" / "docker" / "registry" / "v2"
        shutil.rmtree(data / "repositories" / repository, ignore_errors=True)
        for digest in digests:
            shutil.rmtree(data / "blobs" / "sha256" / digest[:2] / digest, ignore_errors=True)
