# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of a store after an archive was loaded or refused."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import zstandard

from ansible_collections.longshore.images.plugins.module_utils.errors import LongshoreError
from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import archives, modules
from tests.support.archives import (
    config_of,
    layers_of,
)
from tests.support.faults import leftovers, wrong_blobs
from tests.support.images import Image
from tests.support.verbs import OLD, names, whole


def check_refused(path: Path, store: Path) -> LongshoreError:
    """Check that loading fails and changes no name, and return the error. Blobs that were good may be in the store afterwards."""
    before, index = names(store), (store / "index.json").read_bytes()
    refusal: LongshoreError | None = None
    try:
        archives.load(path, store)
    except LongshoreError as error:
        refusal = error
    assert refusal is not None, "it was loaded"
    assert (names(store), (store / "index.json").read_bytes()) == (before, index)
    assert wrong_blobs(store) == leftovers(store) == []
    assert whole(store, OLD)
    check_message(refusal.message, path)
    return refusal


def check_message(message: str, path: Path) -> None:
    assert str(path) in message
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", message)
    assert len(message) < 1500


def check_untouched(path: Path, store: Path) -> LongshoreError:
    """Check that loading fails before anything is written, and return the error."""
    before = modules.snapshot(store)
    refusal = check_refused(path, store)
    assert modules.snapshot(store) == before
    return refusal


def check_archive_refused(archive: bytes, folder: Path, store: Path, cause: str, pattern: str) -> None:
    """Check that loading ARCHIVE, written to FOLDER, fails with CAUSE and a message that matches PATTERN before anything is written."""
    path = folder / "archive"
    path.write_bytes(archive)
    error = check_untouched(path, store)
    assert error.cause == cause, error
    assert re.search(pattern, error.message), error


def check_module_refuses(path: Path, store: Path, cause: str, pattern: str) -> None:
    """Check that image_load fails with CAUSE and one printable sentence that matches PATTERN, and changes nothing."""
    before = modules.snapshot(store)
    results = modules.fail("image_load", {"path": str(path), "store": str(store)})
    assert results["error"] == cause
    assert re.search(pattern, results["msg"])
    check_message(results["msg"], path)
    assert modules.snapshot(store) == before


def check_loaded(store: Path, image: Image, *expected: str) -> None:
    """Check that IMAGE is in the store under its names, with the right ID, and with layers that have the content that the config promises."""
    opened = Store(str(store))
    config = Digest.of(config_of(image))
    entries = opened.find_entries(config)
    assert {str(entry.name) for entry in entries} == (set(expected) or {"None"})
    assert opened.find_missing_blobs(entries[0]) == []
    assert wrong_blobs(store) == []
    graph = opened.read_graph(entries[0])
    assert graph is not None
    for layer, content in zip(graph.images[0].manifest.layers, layers_of(image), strict=True):
        assert expand_layer(layer, Path(opened.blob_path(layer.digest)).read_bytes()) == content


def expand_layer(layer: Descriptor, data: bytes) -> bytes:
    if layer.media_type == media_types.OCI_LAYER_GZIP:
        return gzip.decompress(data)
    if layer.media_type == media_types.OCI_LAYER_ZSTD:
        return zstandard.ZstdDecompressor().decompress(data)
    assert layer.media_type == media_types.OCI_LAYER
    return data
