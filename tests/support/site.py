# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One of each place: a registry, a store, archives and an engine."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support.archives import oci, pack
from tests.support.docker_daemon import DockerDaemon
from tests.support.images import Image
from tests.support.registry import Registry

PLACES = ("registry", "store", "archive", "engine")
NAME = "r.test/app"


class Site:
    """One of each place, with images at each of them."""

    def __init__(self, registry: Registry, repository: str, folder: Path, daemon: DockerDaemon) -> None:
        self._registry, self._repository, self._folder, self._daemon = registry, repository, folder, daemon
        self.options = {"store": str(folder / "store"), "plain_http": True, "docker_host": daemon.address, "platform": ["linux/amd64"]}

    def put(self, place: str, image: Image, tag: str) -> str:
        """Put an image into a place, and return its location."""
        name = f"{NAME}:{tag}"
        if place == "registry":
            return self._registry.put(image, self._repository, tag)
        if place == "store":
            image.put(Store(str(self._folder / "store")), name)
            return f"store::{name}"
        if place == "archive":
            (self._folder / f"{tag}.tar").write_bytes(pack(oci(image, name)))
            return f"oci-archive:{self._folder}/{tag}.tar"
        self._daemon.pull(name, image)
        return f"docker-daemon:{name}"
