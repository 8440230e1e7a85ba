# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small blobs are synced together, and every blob is durable before it has its name (promise I1)."""

from __future__ import annotations

import errno
import os
import resource
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import InputOutputError
from ansible_collections.longshore.images.plugins.module_utils.oci.graph import NamedGraph
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.store import blob_batch
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from ansible_collections.longshore.images.plugins.module_utils.store.writer import Writer
from tests.support.faults import FileEvents, leftovers, record_events
from tests.support.images import Image, make_image


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(str(tmp_path / "store"))
    make_image("first").put(store, "first:1")
    return store


def put_blobs(writer: Writer, image: Image) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda blob: writer.put_blob(blob, image.open), image.blobs))


def publish(writer: Writer, image: Image, name: str) -> None:
    writer.publish_images([NamedGraph(image.graph, (Reference.parse(name),), None)])


def temporary_files(store: Store) -> list[str]:
    return os.listdir(store.private_path("tmp"))


def test_all_blobs_of_an_image_are_synced_before_the_first_has_its_name(store: Store) -> None:
    image = make_image("many", 20)

    def pull() -> None:
        with store.open_writer(image.digests) as writer:
            put_blobs(writer, image)
            publish(writer, image, "many:1")

    events = record_events(store.path, pull)
    blobs = [event for event in events if event.path.startswith(store.private_path("tmp"))]
    first_rename = next(event.number for event in blobs if event.call == "rename")
    synced = [event.path for event in blobs if event.call == "fsync" and event.number < first_rename]
    assert len(set(synced)) == len(image.graph.content) == 22
    folder = os.path.dirname(store.blob_path(image.root.digest))
    assert [event.call for event in events if event.path == folder] == ["fsync"]


def test_few_files_are_open_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blob_batch, "MAX_FILES", 10)
    image = make_image("many", 55)
    with store.open_writer(image.digests) as writer:
        for number, blob in enumerate(image.blobs, 1):
            writer.put_blob(blob, image.open)
            assert len(temporary_files(store)) == number % 10
        publish(writer, image, "many:1")
        assert temporary_files(store) == []
    assert Store(store.path).get_complete_entry(Reference.parse("many:1"))


@pytest.mark.parametrize(("limit", "files"), [(30, 1), (64, 6), (80, 10), (1024, 64), (resource.RLIM_INFINITY, 64)])
def test_a_process_that_may_open_few_files_keeps_few_open(limit: int, files: int, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (limit, limit))
    image = make_image("many", 20)
    with store.open_writer(image.digests) as writer:
        for number, blob in enumerate(image.blobs, 1):
            writer.put_blob(blob, image.open)
            assert len(temporary_files(store)) == number % files


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_blobs_are_published_early_if_no_more_files_can_be_opened(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, image = Store(str(tmp_path / "store")), make_image("many", 20)
    open_file = os.open

    def refuse_sixth(path: t.Any, *words: t.Any, **options: t.Any) -> int:
        """Refuse every file and folder while five temporary files are open."""
        if os.path.isdir(store.private_path("tmp")) and len(temporary_files(store)) >= 5:
            raise OSError(number, os.strerror(number))
        return open_file(path, *words, **options)

    with store.open_writer(image.digests) as writer:
        with monkeypatch.context() as patch:
            patch.setattr(os, "open", refuse_sixth)
            for blob in image.blobs:
                writer.put_blob(blob, image.open)
        assert len(temporary_files(store)) == len(image.blobs) % 5
        publish(writer, image, "many:1")
    assert Store(store.path).get_complete_entry(Reference.parse("many:1"))
    assert leftovers(store.path) == []


def test_a_large_blob_does_not_wait(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blob_batch, "MAX_BYTES", 3000)
    image = make_image("large", size=3000)
    with store.open_writer(image.digests) as writer:
        writer.put_blob(image.layers[0], image.open)
        assert store.has_blob(image.layers[0])


def test_a_run_that_fails_keeps_its_complete_blobs(store: Store) -> None:
    image = make_image("interrupted", 3)

    def fail() -> None:
        with store.open_writer(image.digests) as writer:
            put_blobs(writer, image)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert all(store.has_blob(blob) for blob in image.blobs)
    assert leftovers(store.path) == []


def test_a_file_that_cannot_be_synced_fails_the_images_that_need_it_and_no_others(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blob_batch, "MAX_FILES", 4)
    bad, good = make_image("bad", 3), make_image("good", 3)
    failed: list[t.Any] = []

    def fail_once(event: t.Any) -> None:
        if event.call == "fsync" and not failed:
            failed.append(event)
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with store.open_writer(bad.digests | good.digests) as writer, FileEvents(store.path, fail_once).watched():
        *first, last = bad.blobs
        for blob in first:
            writer.put_blob(blob, bad.open)
        with pytest.raises(InputOutputError, match="Input/output error"):
            writer.put_blob(last, bad.open)
        for blob in good.blobs:
            writer.put_blob(blob, good.open)
        with pytest.raises(InputOutputError, match="Input/output error"):
            publish(writer, bad, "bad:1")
        publish(writer, good, "good:1")
    store = Store(store.path)
    assert store.get_complete_entry(Reference.parse("good:1"))
    assert store.index.get_named(Reference.parse("bad:1")) is None
    assert leftovers(store.path) == []
