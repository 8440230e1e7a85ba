# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replacing a file: it is the old or the new one, and nothing else is left."""

from __future__ import annotations

import errno
import os
import stat
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils import files
from ansible_collections.longshore.images.plugins.module_utils.atomic_files import replace_file, require_folder
from ansible_collections.longshore.images.plugins.module_utils.errors import DiskFull, InputOutputError
from ansible_collections.longshore.images.plugins.module_utils.files import (
    WRITEBACK_SIZE,
    TemporaryFile,
    preallocate,
    start_writeback,
)


def test_a_file_is_made_and_replaced_with_the_mode_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for data, mode in ((b"first", 0o600), (b"second, longer", 0o644), (b"", 0o640)):
        replace_file(str(path), data, mode)
        assert path.read_bytes() == data
        assert stat.S_IMODE(path.stat().st_mode) == mode
    assert os.listdir(tmp_path) == ["file"]


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder/file")
    replace_file(str(tmp_path / "link"), b"data", 0o644)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "folder" / "file").read_bytes() == b"data"
    assert os.listdir(tmp_path / "folder") == ["file"]


@pytest.mark.parametrize("call", ["write", "fsync", "rename"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def full(*unused: t.Any, **unused_options: t.Any) -> t.NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "file"
    path.write_bytes(b"old")
    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(DiskFull, match=r"file.*No space left"):
            replace_file(str(path), b"new", 0o644)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_folder_that_is_not_there_is_named_with_the_file(tmp_path: Path) -> None:
    require_folder(str(tmp_path / "file"))
    with pytest.raises(InputOutputError, match=r"absent/file can't be written: the folder .*absent doesn't exist"):
        require_folder(str(tmp_path / "absent" / "file"))


@pytest.mark.parametrize("sizes", [[WRITEBACK_SIZE - 1, 1, WRITEBACK_SIZE], [3 * WRITEBACK_SIZE + 5], [10] * 5], ids=str)
def test_a_large_file_is_on_its_way_to_the_disk_before_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sizes: list[int]) -> None:
    begun: list[tuple[int, int]] = []
    monkeypatch.setattr(files, "start_writeback", lambda _file, offset, size: begun.append((offset, size)))
    with TemporaryFile(str(tmp_path / "file"), 0o600) as file:
        for size in sizes:
            file.write(bytes(size))
        file.publish(str(tmp_path / "whole"))
    assert sum(size for _offset, size in begun) == sum(sizes) * (max(sizes) >= WRITEBACK_SIZE - 1)
    assert begun == sorted(begun)


def test_what_can_not_begin_early_or_be_reserved_is_no_error(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    for call in (start_writeback, preallocate):
        call(writer, 0, 10)
        call(-1, 0, 10)
    os.close(reader)
    os.close(writer)


def test_space_is_reserved_or_reported_missing_before_anything_is_written(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        with pytest.raises(OSError, match=r"No space left|File too large"):
            preallocate(file.fileno(), 0, 2**62)
        assert os.fstat(file.fileno()).st_size == 0
        preallocate(file.fileno(), 0, 1_000_000)
        assert os.fstat(file.fileno()).st_blocks * 512 >= 1_000_000
