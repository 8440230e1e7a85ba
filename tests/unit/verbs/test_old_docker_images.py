# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images that Docker before 1.10 pushed: their configs have the media type application/octet-stream, and every verb treats them as images."""

from __future__ import annotations

import json
import tarfile
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.document import encode_canonical
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Platform
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from ansible_collections.longshore.images.plugins.module_utils.verbs.deliver import plan_deliver
from tests.support import modules
from tests.support.images import Image, make_image

NAME = "r.test/old:1"
HOST = Platform.parse("linux/amd64")


def make_old_image() -> Image:
    new = make_image("old")
    members = json.loads(new.content[new.root.digest])
    members["mediaType"] = media_types.DOCKER_MANIFEST
    members["config"]["mediaType"] = "application/octet-stream"
    for layer in members["layers"]:
        layer["mediaType"] = media_types.DOCKER_LAYER_GZIP
    manifest = encode_canonical(members)
    root = Descriptor(media_types.DOCKER_MANIFEST, Digest.of(manifest), len(manifest))
    return Image(root, {**new.content, root.digest: manifest})


OLD = make_old_image()
CONFIG = str(OLD.blobs[0].digest)


@pytest.fixture
def store(tmp_path: Path) -> str:
    OLD.put(Store(str(tmp_path / "store")), NAME)
    return str(tmp_path / "store")


def test_its_history_is_returned(store: str) -> None:
    history = modules.run("image_history_info", {"store": store, "name": NAME})["history"]
    assert len(history) == 2


def test_its_facts_are_those_of_an_image(store: str) -> None:
    [image] = modules.run("image_info", {"store": store, "name": [NAME]})["images"]
    assert image["image_id"] == CONFIG
    assert image["platforms"] == ["linux/amd64"]


def test_it_is_a_base(store: str) -> None:
    modules.run("image_append", {"store": store, "base": NAME, "name": "r.test/new:1", "config": {"labels": {"a": "b"}}})
    history = modules.run("image_history_info", {"store": store, "name": "r.test/new:1"})["history"]
    assert len(history) == 3


@pytest.mark.parametrize("form", ["universal", "docker-archive"])
def test_it_is_saved_for_docker(store: str, tmp_path: Path, form: str) -> None:
    modules.run("image_save", {"store": store, "name": [NAME], "path": str(tmp_path / "archive"), "format": form})
    with tarfile.open(tmp_path / "archive") as archive:
        [entry] = json.load(t.cast("t.IO[bytes]", archive.extractfile("manifest.json")))
    assert Digest("sha256", entry["Config"].rpartition("/")[2].removesuffix(".json")) == OLD.blobs[0].digest
    assert len(entry["Layers"]) == 2


def test_it_is_delivered(store: str) -> None:
    class Taken(Exception):
        """Raised when the engine would get the archive."""

    class Empty:
        title, place, loads_oci, platform = "docker", "nowhere", False, None

        def list_images(self, unused_host: Platform) -> list[t.Any]:
            return []

        def read_layers(self, unused_listed: object, unused_layers_of: object) -> t.Any:
            raise Taken

    with pytest.raises(Taken):
        plan_deliver(Store(store), t.cast(t.Any, Empty()), [Reference.parse(NAME)], platform=None, host=HOST)
