# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of blobs that were hashed (promise I8): a wrong or missing record only costs work."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.limits import MAX_VERIFIED
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.store.verified import VerifiedBlobs

DIGEST = Digest("sha256", "a" * 64)


@pytest.fixture
def record_file(tmp_path: Path) -> Path:
    return tmp_path / "verified.json"


@pytest.fixture
def status(tmp_path: Path) -> os.stat_result:
    blob = tmp_path / "blob"
    blob.write_bytes(b"content")
    return blob.stat()


def numbered(number: int) -> Digest:
    return Digest("sha512", f"{number:0128x}")


def test_a_blob_that_was_added_is_verified_for_the_next_run(record_file: Path, status: os.stat_result) -> None:
    record = VerifiedBlobs(str(record_file))
    record.add(DIGEST, status)
    record_file.write_bytes(record.to_bytes())
    assert VerifiedBlobs(str(record_file)).is_verified(DIGEST, status)


@pytest.mark.parametrize("change", ["size", "time", "inode"])
def test_a_file_that_changed_is_not_verified(record_file: Path, tmp_path: Path, status: os.stat_result, change: str) -> None:
    record = VerifiedBlobs(str(record_file))
    record.add(DIGEST, status)
    blob = tmp_path / "blob"
    if change == "inode":
        (tmp_path / "other").write_bytes(b"content")
        (tmp_path / "other").rename(blob)
    elif change == "size":
        blob.write_bytes(b"content.")
    os.utime(blob, ns=(status.st_atime_ns, status.st_mtime_ns + (change == "time")))
    assert not record.is_verified(DIGEST, blob.stat())


def test_the_record_is_bounded_and_drops_the_oldest_first(record_file: Path, status: os.stat_result) -> None:
    record = VerifiedBlobs(str(record_file))
    for number in range(MAX_VERIFIED):
        record.add(numbered(number), status)
    record_file.write_bytes(record.to_bytes())
    next_record = VerifiedBlobs(str(record_file))
    next_record.add(numbered(MAX_VERIFIED), status)
    record_file.write_bytes(next_record.to_bytes())

    again = VerifiedBlobs(str(record_file))
    assert len(json.loads(record_file.read_bytes())) == MAX_VERIFIED
    assert not again.is_verified(numbered(0), status)
    assert again.is_verified(numbered(1), status)
    assert again.is_verified(numbered(MAX_VERIFIED), status)


def test_values_of_two_runs_are_merged(record_file: Path, status: os.stat_result) -> None:
    first, second = VerifiedBlobs(str(record_file)), VerifiedBlobs(str(record_file))
    assert not second.is_verified(numbered(1), status)
    first.add(numbered(1), status)
    second.add(numbered(2), status)
    for record in (first, second):
        record_file.write_bytes(record.to_bytes())
    assert VerifiedBlobs(str(record_file)).is_verified(numbered(1), status)
    assert VerifiedBlobs(str(record_file)).is_verified(numbered(2), status)


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
    "text for marks": json.dumps({str(DIGEST): ["a", "b", "c"]}).encode(),
    "null for marks": json.dumps({str(DIGEST): [None, None, None]}).encode(),
    "infinity for marks": json.dumps({str(DIGEST): [float("inf"), 1, 1]}).encode(),
    "lists for marks": json.dumps({str(DIGEST): [[], [], []]}).encode(),
    "deep nesting": b"[" * 100_000,
    "far too long": b" " * (5 * 1024 * 1024) + b"{}",
}


@pytest.mark.parametrize("data", GARBLED.values(), ids=GARBLED.keys())
def test_a_garbled_record_is_ignored_and_replaced(record_file: Path, status: os.stat_result, data: bytes) -> None:
    record_file.write_bytes(data)
    record = VerifiedBlobs(str(record_file))
    assert not record.is_verified(DIGEST, status)
    record.add(DIGEST, status)
    assert list(json.loads(record.to_bytes())) == [str(DIGEST)]


@pytest.mark.parametrize("kind", ["folder", "link", "fifo"])
def test_a_record_that_is_no_regular_file_is_ignored(record_file: Path, tmp_path: Path, status: os.stat_result, kind: str) -> None:
    if kind == "folder":
        record_file.mkdir()
    elif kind == "fifo":
        os.mkfifo(record_file)
    else:
        (tmp_path / "elsewhere").write_text(json.dumps({str(DIGEST): [status.st_size, status.st_mtime_ns, status.st_ino]}))
        record_file.symlink_to(tmp_path / "elsewhere")
    assert not VerifiedBlobs(str(record_file)).is_verified(DIGEST, status)


def test_a_wrong_file_is_not_verified_by_an_older_mark_and_is_still_wrong_for_the_next_run(record_file: Path, status: os.stat_result) -> None:
    record = VerifiedBlobs(str(record_file))
    record.add(DIGEST, status)
    record_file.write_bytes(record.to_bytes())
    record = VerifiedBlobs(str(record_file))
    assert not record.is_wrong(DIGEST, status)
    record.mark_wrong(DIGEST, status)
    record_file.write_bytes(record.to_bytes())
    for reader in (record, VerifiedBlobs(str(record_file))):
        assert reader.is_wrong(DIGEST, status)
        assert not reader.is_verified(DIGEST, status)


def test_a_wrong_file_that_changed_is_hashed_again(record_file: Path, status: os.stat_result, tmp_path: Path) -> None:
    record = VerifiedBlobs(str(record_file))
    record.mark_wrong(DIGEST, status)
    os.utime(tmp_path / "blob", ns=(1, 1))
    assert not record.is_wrong(DIGEST, (tmp_path / "blob").stat())
    record.add(DIGEST, status)
    assert record.is_verified(DIGEST, status)


def test_any_number_of_blobs_is_found(record_file: Path, status: os.stat_result) -> None:
    record = VerifiedBlobs(str(record_file))
    for number in range(0, 200, 2):
        record.add(numbered(number), status)
    for indent in (None, 2):
        record_file.write_text(json.dumps(json.loads(record.to_bytes()), indent=indent))
        again = VerifiedBlobs(str(record_file))
        assert [number for number in range(200) if again.is_verified(numbered(number), status)] == list(range(0, 200, 2))
