# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Docker, with either of its image stores."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference

from .base import Engine, Refused, call, wait_until
from .containerd import Containerd


class Docker(Engine):
    """Docker with its classic image store: images are identified by the digest of the config, and a graph driver unpacks the layers."""

    title = "docker"
    multi_image_forms = ("",)

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _docker(self, *words: str) -> str:
        return call("docker", "--host", f"unix://{self.folder}/docker.sock", *words)

    def load(self, archive: Path, form: str = "", names: t.Sequence[str] = ()) -> None:
        self._docker("load", "--quiet", "--input", str(archive))

    def save(self, names: t.Sequence[str], archive: Path, form: str = "") -> None:
        self._docker("save", "--output", str(archive), *names)

    def names(self) -> set[str]:
        rows = [json.loads(line) for line in self._docker("images", "--all", "--digests", "--format", "{{json .}}").splitlines()]
        return {str(Reference.parse(self._name(row))) for row in rows if row["Repository"] != "<none>"}

    @staticmethod
    def _name(row: t.Mapping[str, str]) -> str:
        return f"{row['Repository']}@{row['Digest']}" if row["Tag"] == "<none>" else f"{row['Repository']}:{row['Tag']}"

    def _inspect(self, name: str) -> dict[str, t.Any]:
        (row,) = json.loads(self._docker("image", "inspect", name))
        return t.cast("dict[str, t.Any]", row)

    def image_id(self, name: str) -> str:
        return str(self._inspect(name)["Id"])

    def digests(self, name: str) -> set[str]:
        return {reference.partition("@")[2] for reference in self._inspect(name)["RepoDigests"]}

    def run(self, name: str, *words: str) -> str:
        return self._docker("run", "--rm", "--pull", "never", "--network", "none", name, *words)

    def create_container(self, name: str) -> None:
        self._docker("create", "--pull", "never", "--network", "none", name)

    def export(self, name: str, file: Path) -> Path:
        container = self._docker("create", "--pull", "never", "--network", "none", name, "/program").strip()
        self._docker("export", "--output", str(file), container)
        return file

    def tag(self, name: str, new: str) -> None:
        self._docker("tag", name, new)

    def pull(self, name: str) -> None:
        self._docker("pull", "--quiet", name)

    def prune_unnamed(self) -> None:
        self._docker("image", "prune", "--force")

    def build(self, folder: Path, name: str) -> None:
        """Build with the builder of the daemon. The newer builder is a separate program."""
        self._docker("build", "--quiet", "--network", "none", "--tag", name, str(folder))

    def remove(self, name: str) -> None:
        self._docker("rmi", name)

    def clear(self) -> None:
        if containers := self._docker("ps", "--all", "--quiet").split():
            self._docker("rm", "--force", *containers)
        wait_until(self._delete_images, lambda: f"docker still has {sorted(self._ids())}")

    def _delete_images(self) -> bool:
        """Delete as many images as Docker allows, and return whether none is left.

        Docker deletes parents without a name with their children. It refuses a parent with a name until its children are deleted, and deletes the others.
        """
        ids = self._ids()
        if ids:
            try:
                self._docker("rmi", "--force", *ids)
            except Refused:
                if self._ids() == ids:
                    raise
        return not (ids and self._ids())

    def _ids(self) -> set[str]:
        return set(self._docker("images", "--quiet", "--no-trunc").split())


class DockerOnContainerd(Docker):
    """Docker with the containerd image store: images are identified by the digest of manifest or index, and blobs are unchanged."""

    title = "docker on containerd"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.containerd = Containerd(folder, "moby")

    def image_id(self, name: str) -> str:
        return self.containerd.image_id(name)

    def clear(self) -> None:
        super().clear()
        self.containerd.clear()
