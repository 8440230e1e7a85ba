# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""containerd, used through `ctr`."""

from __future__ import annotations

import json
import typing as t
import uuid
from pathlib import Path

from .base import HOST, Engine, call, wait_until


class Containerd(Engine):
    """containerd through `ctr`, which detects the form of an archive."""

    title = "containerd"
    multi_image_forms = ("",)

    def __init__(self, folder: Path, namespace: str = "default") -> None:
        self.folder = folder
        self.namespace = namespace

    def _ctr(self, *words: str) -> str:
        return call("ctr", "--address", str(self.folder / "c.sock"), "--namespace", self.namespace, *words)

    def load(self, archive: Path, form: str = "", names: t.Sequence[str] = ()) -> None:
        self._ctr("images", "import", str(archive))

    def load_all_platforms(self, archive: Path) -> None:
        """Load an archive so that garbage collection keeps the content for every platform, and not only for that of the host."""
        self._ctr("images", "import", "--all-platforms", str(archive))

    def load_without_unpacking(self, archive: Path) -> None:
        """Load an archive as tools do that unpack it later, or with another snapshotter."""
        self._ctr("images", "import", "--no-unpack", str(archive))

    def save(self, names: t.Sequence[str], archive: Path, form: str = "") -> None:
        self._ctr("images", "export", str(archive), *names)

    def _targets(self) -> dict[str, str]:
        rows = [line.split() for line in self._ctr("images", "ls").splitlines()[1:]]
        return {row[0]: row[2] for row in rows}

    def names(self) -> set[str]:
        return set(self._targets())

    def _config(self, digest: str) -> str:
        document = json.loads(self._ctr("content", "get", digest))
        if "manifests" not in document:
            return str(document["config"]["digest"])
        wanted = dict(zip(("os", "architecture"), HOST.split("/")))
        return next(self._config(child["digest"]) for child in document["manifests"] if wanted.items() <= child["platform"].items())

    def image_id(self, name: str) -> str:
        return self._config(self._targets()[name])

    def digests(self, name: str) -> set[str]:
        return {self._targets()[name]}

    def content(self) -> set[str]:
        """Return the digests of all blobs in the content store."""
        return set(self._ctr("content", "ls", "--quiet").split())

    def collect_garbage(self) -> None:
        """Delete unused content now. Otherwise containerd deletes it at some time after a hundred changes."""
        self._ctr("leases", "rm", "--sync", self._ctr("leases", "create").strip())

    def delete_blob(self, digest: str) -> None:
        """Delete one blob, as a broken disk might lose it."""
        self._ctr("content", "rm", digest)

    def run(self, name: str, *words: str) -> str:
        # All containerds of a machine share control groups, so IDs must be unique.
        private = ["--fifo-dir", f"{self.folder}/fifos", "--runc-root", f"{self.folder}/runc"]
        # On a busy machine ctr may open the pipe of a container after the container has ended. Its output is lost then.
        for _attempt in range(5):
            if printed := self._ctr("run", "--rm", *private, name, f"test-{uuid.uuid4()}", *words):
                return printed
        return ""

    def create_container(self, name: str) -> None:
        self._ctr("containers", "create", name, f"test-{uuid.uuid4()}", "/bin/true")

    def has_files_of_containers(self) -> bool:
        """Return whether each container still has its root file system, and there is a container."""
        containers = set(self._ctr("containers", "ls", "--quiet").split())
        return bool(containers) and containers <= {line.split()[0] for line in self._ctr("snapshots", "ls").splitlines()[1:]}

    def tag(self, name: str, new: str) -> None:
        self._ctr("images", "tag", "--force", name, new)

    def remove(self, name: str) -> None:
        self._ctr("images", "rm", "--sync", name)

    def clear(self) -> None:
        for container in self._ctr("containers", "ls", "--quiet").split():
            self._ctr("containers", "rm", container)
        for name in self.names():
            self.remove(name)
        # A failed load leaves its lease.
        for lease in self._ctr("leases", "ls", "--quiet").split():
            self._ctr("leases", "rm", "--sync", lease)
        # containerd deletes content some time after the images, and a newer one not at all after a failed load. Until then it could replace blobs that an
        # archive doesn't have.
        if self.content():
            self.collect_garbage()
        wait_until(lambda: not self.content(), lambda: f"content stays: {self.content()}")
