# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Podman, buildah and skopeo, which need no daemon."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import typing as t
from pathlib import Path
from urllib.parse import quote, unquote

from ..folders import short_folder
from ..registry import needed
from .base import CONFINED, Engine, Refused, call, sha256, wait_until


class Podman(Engine):
    """Podman. It detects the form of a file, pulls from a folder, and writes docker-archives (of several images too) and oci-archives (of one image)."""

    title = "podman"
    forms = ("docker-archive", "oci-archive")
    multi_image_forms = ("docker-archive",)

    def __init__(self, folder: Path) -> None:
        needed("podman", "runc")
        self.folder = folder

    @property
    def words(self) -> list[str]:
        """Return the command line of podman with this storage."""
        private = ["--root", f"{self.folder}/root", "--runroot", f"{self.folder}/run", "--tmpdir", f"{self.folder}/tmp"]
        return [*CONFINED, shutil.which("podman") or "podman", *private, "--storage-driver", "overlay", "--runtime", "runc"]

    def _podman(self, *words: str) -> str:
        return call(*self.words, *words)

    def program(self, folder: Path) -> Path:
        """Write a program `podman` to FOLDER that always uses this storage, and return the folder."""
        folder.mkdir(exist_ok=True)
        (folder / "podman").write_text(f'#!/bin/sh\nexec {shlex.join(self.words)} "$@"\n')
        (folder / "podman").chmod(0o755)
        return folder

    @contextlib.contextmanager
    def service(self) -> t.Iterator[Path]:
        """Run the API service, and yield its socket."""
        with short_folder() as folder:
            words = [*self.words, "system", "service", "--time", "0", f"unix://{folder}/p.sock"]
            with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
                try:
                    wait_until((folder / "p.sock").exists, lambda: "the service of podman didn't start")
                    yield folder / "p.sock"
                finally:
                    process.kill()

    def load(self, archive: Path, form: str = "", names: t.Sequence[str] = ()) -> None:
        if form == "oci":
            for name in names:
                self._podman("pull", "--quiet", f"oci:{archive}:{name}")
        else:
            self._podman("load", "--quiet", "--input", str(archive))

    def save(self, names: t.Sequence[str], archive: Path, form: str = "docker-archive") -> None:
        multi_image_forms = ["--multi-image-archive"] if len(names) > 1 else []
        self._podman("save", "--quiet", "--format", form, *multi_image_forms, "--output", str(archive), *names)

    def names(self) -> set[str]:
        rows = json.loads(self._podman("images", "--all", "--format", "json"))
        return {name for row in rows for name in row.get("Names") or []}

    def _inspect(self, name: str) -> dict[str, t.Any]:
        (row,) = json.loads(self._podman("image", "inspect", name))
        return t.cast("dict[str, t.Any]", row)

    def image_id(self, name: str) -> str:
        return f"sha256:{self._inspect(name)['Id']}"

    def digests(self, name: str) -> set[str]:
        return {reference.partition("@")[2] for reference in self._inspect(name)["RepoDigests"]}

    def run(self, name: str, *words: str) -> str:
        return self._podman("run", "--rm", "--pull", "never", "--network", "none", name, *words)

    def create_container(self, name: str) -> None:
        self._podman("create", "--pull", "never", "--network", "none", name)

    def export(self, name: str, file: Path) -> Path:
        container = self._podman("create", "--pull", "never", "--network", "none", name, "/program").strip()
        self._podman("export", "--output", str(file), container)
        return file

    def prune_unnamed(self) -> None:
        self._podman("image", "prune", "--force")

    def tag(self, name: str, new: str) -> None:
        self._podman("tag", name, new)

    def remove(self, name: str) -> None:
        self._podman("rmi", name)

    def clear(self) -> None:
        self._podman("rmi", "--all", "--force")


class Buildah(Engine):
    """buildah. It must be given the form of an archive, and the image to take from several."""

    title = "buildah"
    forms = ("docker-archive", "oci-archive")

    def __init__(self, folder: Path) -> None:
        needed("buildah")
        self.folder = folder

    def _buildah(self, *words: str) -> str:
        private = ["--root", f"{self.folder}/root", "--runroot", f"{self.folder}/run", "--storage-driver", "overlay"]
        return call(*CONFINED, "buildah", *private, *words)

    def load(self, archive: Path, form: str = "docker-archive", names: t.Sequence[str] = ()) -> None:
        for name in names:
            self._buildah("pull", "--quiet", f"{form}:{archive}:{name}")

    def save(self, names: t.Sequence[str], archive: Path, form: str = "docker-archive") -> None:
        (name,) = names
        self._buildah("push", "--quiet", name, f"{form}:{archive}:{name}")

    def names(self) -> set[str]:
        rows = json.loads(self._buildah("images", "--all", "--json") or "[]") or []
        return {name for row in rows for name in row.get("names") or []}

    def _inspect(self, name: str) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", json.loads(self._buildah("inspect", "--type", "image", name)))

    def image_id(self, name: str) -> str:
        return f"sha256:{self._inspect(name)['FromImageID']}"

    def digests(self, name: str) -> set[str]:
        return {self._inspect(name)["FromImageDigest"]}

    def run(self, name: str, *words: str) -> str:
        # The default limits of buildah are higher than a container that runs the tests may set.
        limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
        container = self._buildah("from", "--pull-never", *limits, name).strip()
        try:
            return self._buildah("run", "--isolation", "chroot", container, "--", *words)
        finally:
            self._buildah("rm", container)

    def tag(self, name: str, new: str) -> None:
        self._buildah("tag", name, new)

    def build(self, folder: Path, name: str) -> None:
        self._buildah("build", "--quiet", "--network", "none", "--tag", name, str(folder))

    def remove(self, name: str) -> None:
        self._buildah("rmi", name)

    def clear(self) -> None:
        self._buildah("rmi", "--all", "--force")


class Skopeo(Engine):
    """skopeo, which copies one image at a time. Loaded images are kept unchanged in `dir:` folders."""

    title = "skopeo"
    forms = ("docker-archive", "oci-archive")
    runs = False

    def __init__(self, folder: Path) -> None:
        needed("skopeo")
        folder.mkdir(exist_ok=True)
        self.folder = folder

    @staticmethod
    def copy(source: str, destination: str, *options: str) -> None:
        call("skopeo", "copy", "--quiet", *options, source, destination)

    @staticmethod
    def inspect(source: str, *options: str) -> str:
        """Return the exact bytes of a manifest, an index, or (with `--config`) a config, as text."""
        return call("skopeo", "inspect", "--raw", *options, source)

    def _kept(self, name: str) -> str:
        return f"dir:{self.folder / quote(name, safe='')}"

    def load(self, archive: Path, form: str = "docker-archive", names: t.Sequence[str] = ()) -> None:
        for name in names:
            try:
                self.copy(f"{form}:{archive}:{name}", self._kept(name))
            except Refused:
                self.remove(name)
                raise

    def save(self, names: t.Sequence[str], archive: Path, form: str = "docker-archive") -> None:
        (name,) = names
        self.copy(self._kept(name), f"{form}:{archive}:{name}")

    def names(self) -> set[str]:
        return {unquote(folder) for folder in os.listdir(self.folder)}

    def image_id(self, name: str) -> str:
        return sha256(self.inspect(self._kept(name), "--config"))

    def digests(self, name: str) -> set[str]:
        return {sha256(self.inspect(self._kept(name)))}

    def tag(self, name: str, new: str) -> None:
        self.copy(self._kept(name), self._kept(new))

    def remove(self, name: str) -> None:
        shutil.rmtree(self.folder / quote(name, safe=""), ignore_errors=True)

    def clear(self) -> None:
        for name in self.names():
            self.remove(name)
