# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of blobs that were hashed (promise I8): it spares work and decides nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.store.verified import MAX_KNOWN, VerifiedBlobs

DIGEST = Digest("sha256", "a" * 64)


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "verified.json"


@pytest.fixture
def status(tmp_path: Path) -> os.stat_result:
    blob = tmp_path / "blob"
    blob.write_bytes(b"content")
    return blob.stat()


def numbered(number: int) -> Digest:
    return Digest("sha512", f"{number:0128x}")


def test_what_was_added_is_known_to_the_next_run(record: Path, status: os.stat_result) -> None:
    known = VerifiedBlobs(str(record))
    known.add(DIGEST, status)
    record.write_bytes(known.to_bytes())
    assert VerifiedBlobs(str(record)).knows(DIGEST, status)


@pytest.mark.parametrize("change", ["size", "time", "inode"])
def test_a_file_that_changed_is_not_known(record: Path, tmp_path: Path, status: os.stat_result, change: str) -> None:
    known = VerifiedBlobs(str(record))
    known.add(DIGEST, status)
    blob = tmp_path / "blob"
    if change == "inode":
        (tmp_path / "other").write_bytes(b"content")
        (tmp_path / "other").rename(blob)
    elif change == "size":
        blob.write_bytes(b"content.")
    os.utime(blob, ns=(status.st_atime_ns, status.st_mtime_ns + (change == "time")))
    assert not known.knows(DIGEST, blob.stat())


def test_the_record_is_bounded_and_forgets_the_oldest_first(record: Path, status: os.stat_result) -> None:
    known = VerifiedBlobs(str(record))
    for number in range(MAX_KNOWN):
        known.add(numbered(number), status)
    record.write_bytes(known.to_bytes())
    younger = VerifiedBlobs(str(record))
    younger.add(numbered(MAX_KNOWN), status)
    record.write_bytes(younger.to_bytes())

    again = VerifiedBlobs(str(record))
    assert len(json.loads(record.read_bytes())) == MAX_KNOWN
    assert not again.knows(numbered(0), status)
    assert again.knows(numbered(1), status)
    assert again.knows(numbered(MAX_KNOWN), status)


def test_news_of_two_runs_are_joined(record: Path, status: os.stat_result) -> None:
    first, second = VerifiedBlobs(str(record)), VerifiedBlobs(str(record))
    assert not second.knows(numbered(1), status)
    first.add(numbered(1), status)
    second.add(numbered(2), status)
    for known in (first, second):
        record.write_bytes(known.to_bytes())
    assert VerifiedBlobs(str(record)).knows(numbered(1), status)
    assert VerifiedBlobs(str(record)).knows(numbered(2), status)


GARBLED = {
    "empty": b"",
    "no JSON": b"{",
    "zeros": b"\0" * 50,
    "no UTF-8": b'{"\xff": [1, 2, 3]}',
    "a list": b"[]",
    "null": b"null",
    "a number": b"1",
    "marks of another shape": json.dumps({str(DIGEST): [1, 2]}).encode(),
    "marks of another kind": json.dumps({str(DIGEST): 5}).encode(),
    "words for marks": json.dumps({str(DIGEST): ["a", "b", "c"]}).encode(),
    "null for marks": json.dumps({str(DIGEST): [None, None, None]}).encode(),
    "infinity for marks": json.dumps({str(DIGEST): [float("inf"), 1, 1]}).encode(),
    "lists for marks": json.dumps({str(DIGEST): [[], [], []]}).encode(),
    "deep nesting": b"[" * 100_000,
    "far too long": b" " * (5 * 1024 * 1024) + b"{}",
}


@pytest.mark.parametrize("data", GARBLED.values(), ids=GARBLED.keys())
def test_a_garbled_record_is_ignored_and_replaced(record: Path, status: os.stat_result, data: bytes) -> None:
    record.write_bytes(data)
    known = VerifiedBlobs(str(record))
    assert not known.knows(DIGEST, status)
    known.add(DIGEST, status)
    assert list(json.loads(known.to_bytes())) == [str(DIGEST)]


@pytest.mark.parametrize("kind", ["folder", "link", "fifo"])
def test_a_record_that_is_no_regular_file_is_ignored(record: Path, tmp_path: Path, status: os.stat_result, kind: str) -> None:
    if kind == "folder":
        record.mkdir()
    elif kind == "fifo":
        os.mkfifo(record)
    else:
        (tmp_path / "elsewhere").write_text(json.dumps({str(DIGEST): [status.st_size, status.st_mtime_ns, status.st_ino]}))
        record.symlink_to(tmp_path / "elsewhere")
    assert not VerifiedBlobs(str(record)).knows(DIGEST, status)


def test_a_file_that_was_found_wrong_does_not_count_by_an_older_mark_and_the_next_run_knows_it(record: Path, status: os.stat_result) -> None:
    known = VerifiedBlobs(str(record))
    known.add(DIGEST, status)
    record.write_bytes(known.to_bytes())
    known = VerifiedBlobs(str(record))
    assert not known.rejects(DIGEST, status)
    known.reject(DIGEST, status)
    record.write_bytes(known.to_bytes())
    for reader in (known, VerifiedBlobs(str(record))):
        assert reader.rejects(DIGEST, status)
        assert not reader.knows(DIGEST, status)


def test_a_wrong_file_that_changed_is_looked_at_again(record: Path, status: os.stat_result, tmp_path: Path) -> None:
    known = VerifiedBlobs(str(record))
    known.reject(DIGEST, status)
    os.utime(tmp_path / "blob", ns=(1, 1))
    assert not known.rejects(DIGEST, (tmp_path / "blob").stat())
    known.add(DIGEST, status)
    assert known.knows(DIGEST, status)
