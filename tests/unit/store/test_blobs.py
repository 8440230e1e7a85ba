# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blobs count as present only when they are known to be good, and are stored whole or not at all (promises I1, I4, I8, I13)."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import StoreDamaged, StoreIncomplete
from ansible_collections.longshore.images.plugins.module_utils.folders import Folder
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest, DigestMismatch
from ansible_collections.longshore.images.plugins.module_utils.oci.graph import NamedGraph
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Selection
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support.faults import leftovers, snapshot, wrong_blobs
from tests.support.images import make_image, make_index

IMAGE = make_image("x", size=3000)
NAME = Reference.parse("docker.io/library/x:1")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(str(tmp_path / "store"))
    IMAGE.put(store, str(NAME))
    return store


def blob_file(store: Store, descriptor: Descriptor) -> Path:
    return Path(store.blob_path(descriptor.digest))


def rewrite(path: Path, change: t.Callable[[bytes], bytes]) -> None:
    data = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(change(data))
    os.utime(path, ns=(1, 1))  # so that the test doesn't depend on the resolution of the clock


def replace_by_folder(path: Path) -> None:
    path.unlink()
    (path / "with").mkdir(parents=True)
    (path / "with" / "content").write_text("x")


def replace_by_link(path: Path) -> None:
    path.rename(path.parent.parent.parent.parent / "outside")
    path.symlink_to(path.parent.parent.parent.parent / "outside")


def replace_by_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGE: dict[str, t.Callable[[Path], None]] = {
    "gone": Path.unlink,
    "empty": lambda path: rewrite(path, lambda data: b""),
    "cut off": lambda path: rewrite(path, lambda data: data[:-1]),
    "longer": lambda path: rewrite(path, lambda data: data + b"x"),
    "altered": lambda path: rewrite(path, lambda data: data[:-1] + bytes([data[-1] ^ 1])),
    "zeros": lambda path: rewrite(path, lambda data: bytes(len(data))),
    "a folder": replace_by_folder,
    "a link": replace_by_link,
    "a fifo": replace_by_fifo,
}
damaged = pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
everything = pytest.mark.parametrize("part", IMAGE.graph.content, ids=["config", "layer 0", "layer 1", "manifest"])


@damaged
@everything
def test_a_damaged_blob_never_counts_as_present(store: Store, part: Descriptor, damage: t.Callable[[Path], None]) -> None:
    damage(blob_file(store, part))
    for reader in (store, Store(store.path)):
        assert not reader.has_blob(part)
        assert reader.read_document(part) is None
        assert part.digest in {lost.digest for lost in reader.find_missing_blobs(reader.get_entry(NAME))}
        with pytest.raises(StoreDamaged, match=str(part.digest)):
            reader.get_complete_entry(NAME)


@damaged
@everything
def test_storing_the_image_again_repairs_it(store: Store, part: Descriptor, damage: t.Callable[[Path], None]) -> None:
    damage(blob_file(store, part))
    IMAGE.put(Store(store.path), str(NAME))
    assert Store(store.path).get_complete_entry(NAME)
    assert wrong_blobs(store.path) == []
    assert leftovers(store.path) == []


def test_a_touched_blob_is_hashed_again_and_counts_as_present(store: Store) -> None:
    for part in IMAGE.graph.content:
        os.utime(blob_file(store, part))
    assert Store(store.path).get_complete_entry(NAME)


def test_a_verified_blob_is_not_read_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def hashed_again(*unused: object) -> t.NoReturn:
        raise AssertionError("a blob was hashed again")

    monkeypatch.setattr("ansible_collections.longshore.images.plugins.module_utils.store.reader.hash_stream", hashed_again)
    assert Store(store.path).find_missing_blobs(store.get_entry(NAME)) == []


WRONG: dict[str, t.Callable[[bytes], list[bytes]]] = {
    "nothing": lambda data: [],
    "cut off": lambda data: [data[:-1]],
    "one byte more": lambda data: [data, b"x"],
    "altered": lambda data: [data[:-1], bytes([data[-1] ^ 1])],
    "endless": lambda data: [data] * 1000,
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
@pytest.mark.parametrize("stored", [False, True], ids=["new", "already stored"])
def test_wrong_bytes_are_never_stored(store: Store, wrong: t.Callable[[bytes], list[bytes]], stored: bool) -> None:
    image = IMAGE if stored else make_image("other", size=3000)
    layer = image.layers[0]
    before = snapshot(Path(store.path, "blobs"))
    with store.open_writer(image.digests) as writer:
        with pytest.raises(DigestMismatch, match=str(layer.digest)):
            writer.put_blob(layer, lambda wanted: wrong(image.content[wanted.digest]))
        assert list(Path(store.private_path("tmp")).iterdir()) == []
    assert snapshot(Path(store.path, "blobs")) == before


def test_a_source_that_fails_leaves_nothing(store: Store) -> None:
    image = make_image("other", size=3000)

    def broken(wanted: Descriptor) -> t.Iterator[bytes]:
        yield image.content[wanted.digest][:100]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), store.open_writer(image.digests) as writer:
        writer.put_blob(image.layers[0], broken)
    assert not store.has_blob(image.layers[0])
    assert leftovers(store.path) == []


def test_sha512_blobs_have_a_separate_folder(store: Store) -> None:
    data = b"content"
    blob = Descriptor("application/octet-stream", Digest.of(data, "sha512"), len(data))
    with store.open_writer([blob.digest]) as writer:
        writer.put_blob(blob, lambda wanted: [data])
    assert Path(store.path, "blobs", "sha512", blob.digest.hex).read_bytes() == data
    assert Store(store.path).has_blob(blob)


def test_an_incomplete_image_is_not_named(store: Store) -> None:
    image = make_image("other")
    before = Path(store.index_path).read_bytes()
    with store.open_writer(image.digests) as writer:
        for blob in image.blobs[:-1]:
            writer.put_blob(blob, image.open)
        with pytest.raises(StoreIncomplete, match=str(image.blobs[-1].digest)):
            writer.publish_images([NamedGraph(image.graph, (Reference.parse("other:1"),), None)])
    assert Path(store.index_path).read_bytes() == before


def test_an_index_is_not_named_without_a_requested_platform(store: Store) -> None:
    index = make_index("i")
    with pytest.raises(StoreIncomplete, match="i:1"):
        index.sparse("linux/amd64").put(store, "i:1", platforms=["linux/amd64", "linux/arm64"])


def test_an_index_can_be_named_with_only_the_requested_platforms(store: Store) -> None:
    entry = make_index("i").sparse("linux/arm64").put(store, "i:1", platforms=["linux/arm64"])
    assert Store(store.path).find_missing_blobs(entry) == []


def test_a_lost_manifest_of_a_requested_platform_is_reported(store: Store) -> None:
    index = make_index("i")
    entry = index.put(store, "i:1", platforms=["linux/arm64"])
    lost = index.graph.images[1].descriptor
    blob_file(store, lost).unlink()
    assert [found.digest for found in Store(store.path).find_missing_blobs(entry)] == [lost.digest]


def test_damage_of_another_image_does_not_prevent_naming(store: Store) -> None:
    index = make_index("i")
    index.put(store, "i:all", platforms=["all"])
    blob_file(store, index.graph.images[1].descriptor).unlink()
    index.sparse("linux/amd64").put(Store(store.path), "i:amd64", platforms=["linux/amd64"])
    assert Store(store.path).get_complete_entry(Reference.parse("i:amd64"))


def test_a_blob_that_is_published_during_a_sync_is_synced_before_its_image_is_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = make_image("first"), make_image("second")
    folder = os.path.dirname(store.blob_path(first.root.digest))
    synced: list[str] = []
    with store.open_writer(first.digests | second.digests) as writer:
        late = [descriptor for descriptor in second.blobs if not store.has_blob(descriptor)]

        def sync(synced_folder: Folder) -> None:
            synced.append(synced_folder.path)
            while synced_folder.path == folder and late:
                writer.put_blob(late.pop(), second.open)

        monkeypatch.setattr(Folder, "sync", sync)
        for blob in first.blobs:
            writer.put_blob(blob, first.open)
        writer.publish_images([NamedGraph(first.graph, (Reference.parse("first:1"),), None)])
        for part in second.graph.documents:
            writer.put_blob(part, second.open)
        synced.clear()
        writer.publish_images([NamedGraph(second.graph, (Reference.parse("second:1"),), None)])
    assert synced.index(folder) < synced.index(store.path)


def test_blobs_that_another_run_just_published_are_synced_before_naming(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    image = make_image("other")
    synced: list[str] = []
    with store.open_writer(image.digests) as slow:
        for blob in image.graph.content:
            slow.put_blob(blob, image.open)
        monkeypatch.setattr(Folder, "sync", lambda synced_folder: synced.append(synced_folder.path))
        image.put(Store(store.path), "quick:1")
    assert synced.index(os.path.dirname(store.blob_path(image.root.digest))) < synced.index(store.path)


def test_removal_keeps_blobs_that_another_image_shares(store: Store) -> None:
    shared = [IMAGE.content[layer.digest] for layer in IMAGE.layers]
    upper = make_image("upper", 1, shared=shared)
    upper.put(store, "upper:1")
    with store.open_writer(()) as writer:
        writer.remove_images([store.get_entry(NAME)], list(IMAGE.digests))
    assert Store(store.path).get_complete_entry(Reference.parse("upper:1"))
    assert {digest for digest in IMAGE.digests if store.blob_status(digest) is None} == IMAGE.digests - upper.digests


def test_removal_keeps_blobs_that_an_unnamed_image_shares(store: Store) -> None:
    shared = [IMAGE.content[layer.digest] for layer in IMAGE.layers]
    upper = make_image("upper", 1, shared=shared)
    upper.put(store, "upper:1")
    make_image("new").put(store, "upper:1")
    with store.open_writer(()) as writer:
        writer.remove_images([store.get_entry(NAME)], list(IMAGE.digests))
    assert Store(store.path).get_complete_entry(upper.root.digest)


def test_platforms_of_two_runs_are_merged(store: Store) -> None:
    index = make_index("i")
    index.sparse("linux/amd64").put(store, "i:1", platforms=["linux/amd64"])
    entry = index.sparse("linux/arm64").put(store, "i:1", platforms=["linux/arm64"])
    assert entry.selection == Selection.parse(["linux/amd64", "linux/arm64"])
    assert Store(store.path).find_missing_blobs(entry) == []
