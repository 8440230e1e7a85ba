# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of repositories that blobs were pulled from or pushed to: a wrong or missing record only costs traffic."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.store.blob_origins import MAX_REPOSITORIES, BlobOrigins

DIGEST = Digest("sha256", "a" * 64)


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "whereabouts.json"


def test_the_next_run_reads_the_added_repositories_most_recent_first(record: Path) -> None:
    first = BlobOrigins(str(record))
    first.add(DIGEST, "r.test/one")
    record.write_bytes(first.to_bytes())
    second = BlobOrigins(str(record))
    second.add(DIGEST, "r.test/two")
    record.write_bytes(second.to_bytes())
    assert BlobOrigins(str(record)).repositories(DIGEST) == ("r.test/two", "r.test/one")


def test_adding_a_recorded_repository_again_changes_nothing(record: Path) -> None:
    first = BlobOrigins(str(record))
    first.add(DIGEST, "r.test/one")
    record.write_bytes(first.to_bytes())
    again = BlobOrigins(str(record))
    again.add(DIGEST, "r.test/one")
    assert not again.is_unsaved


def test_only_the_last_repositories_of_a_blob_are_kept(record: Path) -> None:
    origins = BlobOrigins(str(record))
    for number in range(MAX_REPOSITORIES + 2):
        origins.add(DIGEST, f"r.test/{number}")
    assert origins.repositories(DIGEST) == tuple(f"r.test/{number}" for number in range(MAX_REPOSITORIES + 1, 1, -1))


@pytest.mark.parametrize("value", ["text", 5, None, {"a": 1}, [1], [None]], ids=str)
def test_a_garbled_record_is_ignored(record: Path, value: object) -> None:
    record.write_text(json.dumps({str(DIGEST): value}))
    assert BlobOrigins(str(record)).repositories(DIGEST) == ()
