# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A registry whose tag can be moved, and shorthands for runs of image_lock."""

from __future__ import annotations

import dataclasses
import json
import os
import typing as t
from pathlib import Path

from . import modules
from .images import Image, make_index
from .registry import Registry

HOST = "linux/amd64" if os.uname().machine == "x86_64" else "linux/arm64"
OTHER = "linux/arm64" if HOST == "linux/amd64" else "linux/amd64"


def first() -> Image:
    return make_index("first", (HOST, OTHER))


def second() -> Image:
    return make_index("second", (HOST, OTHER))


@dataclasses.dataclass
class LockScene:
    """A registry with the image `first` under tag 1, a folder for the lock file, and a path for a store."""

    registry: Registry
    repository: str
    folder: Path
    store: str

    @property
    def path(self) -> Path:
        return self.folder / "images.lock"

    @property
    def content(self) -> dict[str, t.Any]:
        content: dict[str, t.Any] = json.loads(self.path.read_text())
        return content

    def name(self, tag: str = "1") -> str:
        return f"{self.registry.host}/{self.repository}:{tag}"

    def options(self, *names: str, **options: t.Any) -> dict[str, t.Any]:
        return {"name": list(names) or [self.name()], "path": str(self.path), **options}

    def lock(self, *names: str, **options: t.Any) -> modules.Results:
        return modules.run("image_lock", self.options(*names, **options))

    def fail(self, *names: str, **options: t.Any) -> modules.Results:
        """Run image_lock, which must fail and leave the folder unchanged."""
        before = modules.snapshot(self.folder)
        results = modules.fail("image_lock", self.options(*names, **options))
        assert modules.snapshot(self.folder) == before
        assert not results.get("changed")
        return results

    def move(self) -> None:
        self.registry.put(second(), self.repository, "1")
