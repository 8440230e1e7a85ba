# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blobs that are written before their digests are known: published without being read again, or deleted (promises I1, I5, I7)."""

from __future__ import annotations

import contextlib
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import CorruptArchive
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.store import blob_batch
from ansible_collections.longshore.images.plugins.module_utils.store.other_runs import find_other_runs
from ansible_collections.longshore.images.plugins.module_utils.store.staging import Staging
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support.faults import leftovers
from tests.support.images import make_image
from tests.support.verbs import opened

IMAGE = make_image("staged")
LAYER = IMAGE.layers[0]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return opened(tmp_path / "store")


@pytest.fixture
def staging(store: Store) -> t.Iterator[Staging]:
    with contextlib.closing(Staging(store)) as staging:
        yield staging


def never_read(blob: Descriptor) -> t.NoReturn:
    raise AssertionError(f"{blob.digest} is read again")


def broken(*chunks: bytes) -> t.Iterator[bytes]:
    yield from chunks
    raise CorruptArchive("broken")


def test_a_staged_blob_is_published_without_being_read_again(store: Store, staging: Staging) -> None:
    data = b"".join(IMAGE.open(LAYER))
    assert staging.put_blob([data[:10], data[10:]]) == (LAYER.digest, LAYER.size)
    with staging.open_writer(IMAGE.digests) as writer:
        assert not store.has_blob(LAYER)
        writer.put_blob(LAYER, never_read)
        writer.update_index([])
    assert Path(store.blob_path(LAYER.digest)).read_bytes() == data
    assert leftovers(store.path) == []


def test_other_blobs_are_read_from_their_source(store: Store, staging: Staging) -> None:
    staging.put_blob([b"x"])
    with staging.open_writer(IMAGE.digests) as writer:
        for blob in IMAGE.blobs:
            writer.put_blob(blob, IMAGE.open)
    assert all(store.has_blob(blob) for blob in IMAGE.blobs)


def test_the_writer_holds_a_lease_on_what_the_run_needs(store: Store, staging: Staging) -> None:
    staging.put_blob([b"x"])
    assert find_other_runs(store) == (frozenset(), {}, {})
    with staging.open_writer(IMAGE.digests):
        assert find_other_runs(store).needed == frozenset(IMAGE.digests)
    assert find_other_runs(store).needed == frozenset()


def test_other_writers_leave_staged_blobs_alone(store: Store, staging: Staging) -> None:
    digest, size = staging.put_blob([b"x"])
    with opened(Path(store.path)).open_writer(()):
        pass
    with staging.open_writer([digest]) as writer:
        writer.put_blob(Descriptor("text/plain", digest, size), never_read)
    assert store.has_blob(Descriptor("text/plain", digest, size))


@pytest.mark.parametrize("is_opened", [True, False])
def test_a_staged_blob_that_is_not_needed_is_deleted(store: Store, staging: Staging, is_opened: bool) -> None:
    staging.put_blob([b"x"])
    assert len(leftovers(store.path)) == 2
    if is_opened:
        with staging.open_writer(()):
            pass
    staging.close()
    assert leftovers(store.path) == []
    assert list(store.stored()) == []


def test_without_a_staged_blob_nothing_is_written_before_a_writer_is_opened(store: Store, staging: Staging) -> None:
    with pytest.raises(CorruptArchive):
        staging.put_blob(broken())
    staging.close()
    assert not os.path.lexists(store.path)
    with staging.open_writer([LAYER.digest]):
        assert find_other_runs(store).needed == {LAYER.digest}


def test_a_source_that_fails_later_leaves_nothing(store: Store, staging: Staging) -> None:
    with pytest.raises(CorruptArchive):
        staging.put_blob(broken(b"first"))
    assert [os.path.dirname(path) for path in leftovers(store.path)] == [store.private_path("leases")]
    staging.close()
    assert leftovers(store.path) == []


def test_a_blob_that_is_staged_twice_is_kept_once(store: Store, staging: Staging) -> None:
    assert staging.put_blob([b"x"]) == staging.put_blob([b"x"]) == (Digest.of(b"x"), 1)
    assert len(os.listdir(store.private_path("tmp"))) == 1


def test_only_so_many_staged_blobs_are_open_at_once(store: Store, staging: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blob_batch, "MAX_FILES", 2)
    texts = [b"a", b"b", b"c"]
    assert [staging.put_blob([text]) for text in texts] == [(Digest.of(text), 1) for text in texts]
    assert len(os.listdir(store.private_path("tmp"))) == 2
    with staging.open_writer(map(Digest.of, texts)) as writer:
        for text in texts:
            writer.put_blob(Descriptor("text/plain", Digest.of(text), 1), lambda _blob, text=text: [text])  # type: ignore[misc]
    assert sorted(store.stored()) == sorted(map(Digest.of, texts))
