# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Put an image into a place, and return the options by which modules that write files find it there."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support.archives import oci, pack
from tests.support.images import Image
from tests.support.registry import Registry

NAME = "r.test/files:1"

Options = dict[str, t.Any]
PutImage = t.Callable[[Image, Registry, str, Path], Options]


def at_registry(image: Image, registry: Registry, repository: str, folder: Path) -> Options:
    return {"name": registry.put(image, repository, "1")}


def in_store(image: Image, registry: Registry, repository: str, folder: Path) -> Options:
    image.put(Store(str(folder / "store")), NAME)
    return {"src": "store:", "name": NAME, "store": str(folder / "store")}


def in_layout(image: Image, registry: Registry, repository: str, folder: Path) -> Options:
    image.put(Store(str(folder / "layout")), NAME)
    return {"src": f"oci:{folder}/layout:{NAME}"}


def in_archive(image: Image, registry: Registry, repository: str, folder: Path) -> Options:
    (folder / "archive.tar").write_bytes(pack(oci(image, NAME)))
    return {"src": f"oci-archive:{folder}/archive.tar"}


PLACES: t.Sequence[PutImage] = (at_registry, in_store, in_layout, in_archive)


def lock_of(options: Options, image: Image) -> Options:
    """Return a lock file that locks the name in OPTIONS to the digest of IMAGE."""
    entry = {"digest": str(image.root.digest), "media_type": image.root.media_type, "platforms": {}, "size": 1}
    return {"version": 1, "platform": ["all"], "images": {options["name"]: entry}}
