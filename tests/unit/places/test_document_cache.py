# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manifests that a user's earlier runs fetched save requests, and never change what a run reads."""

from __future__ import annotations

import os
import stat
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.limits import MAX_KEPT_DOCUMENT, MAX_KEPT_DOCUMENTS
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.places.document_cache import DocumentCache, find_cache_folder


def describe(data: bytes) -> Descriptor:
    return Descriptor("application/json", Digest.of(data), len(data))


def read_and_save(path: Path | None, *documents: bytes) -> int:
    """Read DOCUMENTS with a cache at PATH, and return how many were fetched."""
    fetched = []

    def fetch(descriptor: Descriptor) -> bytes:
        fetched.append(descriptor)
        return next(data for data in documents if describe(data) == descriptor)

    cache = DocumentCache(str(path) if path is not None else None)
    read = cache.reader(fetch)
    assert [read(describe(data)) for data in documents] == list(documents)
    cache.save()
    return len(fetched)


def test_a_second_run_fetches_nothing(tmp_path: Path) -> None:
    assert [read_and_save(tmp_path / "cache", b"{}", b"[]") for _run in range(2)] == [2, 0]
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700


@pytest.mark.parametrize("planted", [b"", b"[]", b"{} "])
def test_bytes_with_another_digest_are_fetched_again_and_replaced(tmp_path: Path, planted: bytes) -> None:
    read_and_save(tmp_path, b"{}")
    next(tmp_path.iterdir()).write_bytes(planted)

    assert [read_and_save(tmp_path, b"{}") for _run in range(2)] == [1, 0]


def block_by_file(path: Path) -> None:
    path.write_bytes(b"")


def block_by_folder(path: Path) -> None:
    (path / f"sha256-{Digest.of(b'{}').hex}" / "sub").mkdir(parents=True)


def block_by_link(path: Path) -> None:
    path.symlink_to(path / "loop")


@pytest.mark.parametrize("block", [block_by_file, block_by_folder, block_by_link])
def test_a_folder_that_cannot_be_used_only_costs_requests(tmp_path: Path, block: t.Callable[[Path], None]) -> None:
    block(tmp_path / "cache")

    assert [read_and_save(tmp_path / "cache", b"{}") for _run in range(2)] == [1, 1]


def test_long_documents_and_runs_without_a_folder_keep_nothing(tmp_path: Path) -> None:
    assert [read_and_save(tmp_path / "cache", bytes(MAX_KEPT_DOCUMENT + 1)) for _run in range(2)] == [1, 1]
    assert not (tmp_path / "cache").exists()
    assert [read_and_save(None, b"{}") for _run in range(2)] == [1, 1]


def test_the_oldest_documents_are_deleted(tmp_path: Path) -> None:
    for number in range(MAX_KEPT_DOCUMENTS + 3):
        (tmp_path / f"sha256-{number}").write_bytes(b"")
        os.utime(tmp_path / f"sha256-{number}", (number, number))

    read_and_save(tmp_path, b"{}")

    assert len(list(tmp_path.iterdir())) == MAX_KEPT_DOCUMENTS
    assert not (tmp_path / "sha256-3").exists()
    assert (tmp_path / "sha256-4").exists()
    assert read_and_save(tmp_path, b"{}") == 0


def test_the_folder_is_in_the_cache_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    assert find_cache_folder({}) == find_cache_folder({"XDG_CACHE_HOME": "relative"}) == f"{tmp_path}/.cache/longshore/manifests"
    assert find_cache_folder({"XDG_CACHE_HOME": "/caches"}) == "/caches/longshore/manifests"


@pytest.mark.parametrize("user", [None, 12345], ids=["no home", "the home of another user"])
def test_a_home_of_nobody_or_of_others_has_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: int | None) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    if user is not None:
        home.mkdir()
        monkeypatch.setattr(os, "geteuid", lambda: user)

    assert find_cache_folder({}) is None
