# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives are replaced atomically, and their content is copied by the fastest method that the system has."""

from __future__ import annotations

import errno
import fcntl
import gzip
import os
import random
import re
import stat
import typing as t
from pathlib import Path

import pytest
import zstandard

from ansible_collections.longshore.images.plugins.module_utils.archive import copying
from ansible_collections.longshore.images.plugins.module_utils.archive.copying import copy_content
from ansible_collections.longshore.images.plugins.module_utils.archive.format import ArchiveFile, Piece, build_tar
from ansible_collections.longshore.images.plugins.module_utils.archive.output import FileOutput, FolderOutput
from ansible_collections.longshore.images.plugins.module_utils.errors import DiskFull, InputOutputError, LockTimeout, UnsupportedFormat
from ansible_collections.longshore.images.plugins.module_utils.files import WRITEBACK_SIZE
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from tests.support.privileges import needs_root

LARGE = random.Random(1).randbytes(3_000_001)
SMALL = b"small"
BLOBS = {Digest.of(data): data for data in (LARGE, SMALL)}
FILES = [
    ArchiveFile("index.json", b"{}"),
    *(ArchiveFile(f"blobs/sha256/{digest.hex}", Descriptor("x", digest, len(data))) for digest, data in BLOBS.items()),
]


class Blobs:
    """A folder that blobs are opened from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for digest, data in BLOBS.items():
            (folder / digest.hex).write_bytes(data)

    def open_file(self, descriptor: Descriptor) -> int:
        return os.open(self.folder / descriptor.digest.hex, os.O_RDONLY)


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


def pieces() -> list[Piece]:
    return build_tar(FILES)


def expected() -> bytes:
    return b"".join(piece if isinstance(piece, bytes) else BLOBS[piece.digest] for piece in pieces())


def target(path: Path, compression: str | None = None, mode: int = 0o640) -> FileOutput:
    return FileOutput(str(path), pieces(), compression, mode)


@pytest.mark.parametrize("compression", [None, "gzip", "zstd"])
def test_what_is_written_is_there_and_has_the_mode(folder: Path, blobs: Blobs, compression: str | None) -> None:
    path = folder / "archive"
    wanted = target(path, compression)
    assert wanted.difference() == "there is no such file yet"
    wanted.write(blobs.open_file)
    assert wanted.difference() is None
    data = path.read_bytes()
    if compression == "gzip":
        data = gzip.decompress(data)
    elif compression == "zstd":
        data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    assert data == expected()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(folder) == ["archive"]
    assert wanted.final_size(True) == path.stat().st_size
    assert wanted.checksum(True, lambda blob: [BLOBS[blob.digest]]) == Digest.of(path.read_bytes()).hex
    if compression is None:
        assert wanted.checksum(False, lambda blob: [BLOBS[blob.digest]]) == Digest.of(expected()).hex


def altered(place: int) -> bytes:
    data = bytearray(expected())
    data[place] ^= 1
    return bytes(data)


@pytest.mark.parametrize(
    ("compression", "data", "reason"),
    [
        (None, lambda: expected()[:-1], r"^the file has \d+ bytes, and the archive has \d+$"),
        (None, lambda: b"", r"^the file has 0 bytes"),
        (None, lambda: altered(0), r"^its content differs after byte 0$"),
        (None, lambda: altered(1_000_000), r"^its content differs after byte \d+$"),
        (None, lambda: altered(len(expected()) - 1), r"^its content differs after byte \d+$"),
        (None, lambda: b"\x1f\x8b" + expected()[2:], "^the file is compressed with gzip$"),
        ("gzip", expected, "^the file is not compressed$"),
        ("gzip", lambda: b"", "^the file is not compressed$"),
        ("zstd", lambda: gzip.compress(expected()), "^the file is compressed with gzip$"),
        ("gzip", lambda: gzip.compress(expected(), 1)[:-1], "^the file is damaged$"),
        ("gzip", lambda: gzip.compress(expected(), 1) + b"text", "^the file is damaged$"),
        ("gzip", lambda: gzip.compress(expected() + b"\0", 1), "^the file continues after the end of the archive$"),
        ("gzip", lambda: gzip.compress(altered(5), 1), "^its content differs after byte 0$"),
        ("gzip", lambda: gzip.compress(expected()[:-1], 1), r"^its content differs after byte \d+$"),
    ],
)
def test_differences_are_reported(folder: Path, compression: str | None, data: t.Callable[[], bytes], reason: str) -> None:
    path = folder / "archive"
    path.write_bytes(data())
    found = target(path, compression).difference()
    assert re.search(reason, found or ""), found


def test_equal_content_under_another_compression_level_is_no_difference(folder: Path) -> None:
    (folder / "archive").write_bytes(gzip.compress(expected()[:99], 1) + gzip.compress(expected()[99:], 9) + bytes(512))
    assert target(folder / "archive", "gzip").difference() is None


def test_what_is_no_file_is_not_replaced(folder: Path) -> None:
    for path in (folder, Path("/dev/null")):
        with pytest.raises(UnsupportedFormat, match="no regular file"):
            target(path).difference()


def test_the_name_of_a_folder_is_none_of_an_archive(folder: Path) -> None:
    with pytest.raises(UnsupportedFormat, match="name of a folder"):
        FileOutput(f"{folder}/new/", pieces(), None, 0o644).difference()


@pytest.mark.parametrize("name", ["a" * 255, "\u00e4" * 127])
def test_a_name_of_any_length_is_written(folder: Path, blobs: Blobs, name: str) -> None:
    (folder / f".{name[:100]}.longshore-alive").write_text("of another file")
    target(folder / name).write(blobs.open_file)
    assert target(folder / name).difference() is None
    assert len(os.listdir(folder)) == 2


def test_a_link_stays_and_leads_to_the_new_file(folder: Path, tmp_path: Path, blobs: Blobs) -> None:
    """The temporary file is beside the file itself, which may be on another file system than the link."""
    (tmp_path / "elsewhere").mkdir()
    (folder / "archive").symlink_to(tmp_path / "elsewhere" / "file")
    opened: list[str] = []

    def open_file(descriptor: Descriptor) -> int:
        opened.extend(os.listdir(tmp_path / "elsewhere"))
        return blobs.open_file(descriptor)

    target(folder / "archive").write(open_file)
    assert opened
    assert (folder / "archive").is_symlink()
    assert (tmp_path / "elsewhere" / "file").read_bytes() == expected()
    assert os.listdir(tmp_path / "elsewhere") == ["file"]


# Copying.


def no(code: int) -> t.Callable[..., t.Any]:
    def refuse(*unused: t.Any, **unused_options: t.Any) -> t.Any:
        raise OSError(code, os.strerror(code))

    return refuse


def cloned(descriptor: int, request: int, argument: bytes) -> int:
    """FICLONERANGE, as a file system would do it that can."""
    source, start, size, place = (int.from_bytes(argument[at : at + 8], "little") for at in (0, 8, 16, 24))
    assert request == 0x4020940D
    assert start % 4096 == size % 4096 == place % 4096 == 0
    os.pwrite(descriptor, os.pread(source, size, start), place)
    return 0


def slow_copy(source: int, copied: int, size: int) -> int:
    return os.write(copied, os.read(source, min(size, 100_000)))


def partial_write(descriptor: int, data: t.Any, real: t.Callable[[int, t.Any], int] = os.write) -> int:
    return real(descriptor, memoryview(data)[:70_000])


WAYS: dict[str, dict[str, t.Any]] = {
    "as this system does": {},
    "reflinks": {"ioctl": cloned, "copy_file_range": no(errno.ENOSYS)},
    "in the kernel, little by little": {"ioctl": no(errno.EOPNOTSUPP), "copy_file_range": slow_copy},
    "between two file systems": {"ioctl": no(errno.EXDEV), "copy_file_range": no(errno.EXDEV)},
    "by reading and writing": {"ioctl": no(errno.ENOTTY), "copy_file_range": no(errno.EXDEV), "sendfile": no(errno.EINVAL)},
    "where only little is written at once": {
        "ioctl": no(errno.EXDEV),
        "copy_file_range": no(errno.EINVAL),
        "sendfile": no(errno.ENOSYS),
        "write": partial_write,
    },
    "on an old system": {"ioctl": no(errno.EINVAL), "copy_file_range": None, "sendfile": no(errno.ENOSYS)},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 1_048_577, 3_000_001])
@pytest.mark.parametrize("offset", [0, 512, 8192])
def test_content_is_copied_whole_by_every_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, size: int, offset: int) -> None:
    (tmp_path / "source").write_bytes(LARGE[:size])
    (tmp_path / "copy").write_bytes(b"x" * offset)
    source, copied = os.open(tmp_path / "source", os.O_RDONLY), os.open(tmp_path / "copy", os.O_RDWR)
    with monkeypatch.context() as patch:
        for name, function in WAYS[way].items():
            if function is None:
                patch.delattr(os, name, raising=False)
            else:
                patch.setattr(fcntl if name == "ioctl" else os, name, function, raising=False)
        copy_content(source, copied, size, offset)
    assert os.lseek(copied, 0, os.SEEK_CUR) == offset + size
    os.close(source)
    os.close(copied)
    assert (tmp_path / "copy").read_bytes() == b"x" * offset + LARGE[:size]


@pytest.mark.parametrize("way", ["as this system does", "by reading and writing"])
def test_a_blob_that_became_shorter_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    (tmp_path / "source").write_bytes(b"short")
    source, copied = os.open(tmp_path / "source", os.O_RDONLY), os.open(tmp_path / "copy", os.O_RDWR | os.O_CREAT)
    with monkeypatch.context() as patch:
        for name, function in WAYS[way].items():
            patch.setattr(fcntl if name == "ioctl" else os, name, function, raising=False)
        with pytest.raises(InputOutputError, match="shorter"):
            copy_content(source, copied, 100, 0)
    os.close(source)
    os.close(copied)


def test_the_disk_begins_while_there_is_more_to_copy_and_all_is_synced_in_the_end(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 3 * WRITEBACK_SIZE + 5
    with (tmp_path / "blob").open("wb") as blob:
        blob.truncate(size)
    begun: list[tuple[str, int]] = []
    fsync = os.fsync

    def noted_fsync(file: int) -> None:
        begun.append(("sync", os.fstat(file).st_size))
        fsync(file)

    monkeypatch.setattr(fcntl, "ioctl", no(errno.EOPNOTSUPP))
    monkeypatch.setattr(copying, "start_writeback", lambda _file, _offset, size: begun.append(("begin", size)))
    monkeypatch.setattr(os, "fsync", noted_fsync)
    large = ArchiveFile("large", Descriptor("x", Digest.of(b"not looked at"), size))
    wanted = FileOutput(str(folder / "archive"), build_tar([large]), None, 0o644)
    wanted.write(lambda _blob: os.open(tmp_path / "blob", os.O_RDONLY))
    assert begun[:4] == [*[("begin", WRITEBACK_SIZE)] * 3, ("sync", wanted.size)]


# Failing and dying.


def test_missing_space_for_a_large_blob_is_reported_before_it_is_copied(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "blob").open("wb") as blob:
        blob.truncate(WRITEBACK_SIZE)
    monkeypatch.setattr(fcntl, "ioctl", no(errno.EOPNOTSUPP))
    monkeypatch.setattr(copying, "preallocate", no(errno.ENOSPC))
    monkeypatch.setattr(os, "copy_file_range", no(errno.EIO), raising=False)
    large = ArchiveFile("large", Descriptor("x", Digest.of(b"not looked at"), WRITEBACK_SIZE))
    with pytest.raises(DiskFull, match=r"archive.*No space left"):
        FileOutput(str(folder / "archive"), build_tar([large]), None, 0o644).write(lambda _blob: os.open(tmp_path / "blob", os.O_RDONLY))
    assert os.listdir(folder) == []


@pytest.mark.parametrize(
    ("compression", "call"),
    [(None, "copy_file_range"), *[(compression, call) for compression in (None, "gzip") for call in ("write", "fsync", "rename")]],
)
def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    folder: Path, blobs: Blobs, monkeypatch: pytest.MonkeyPatch, call: str, compression: str | None
) -> None:
    (folder / "archive").write_text("old")
    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "ioctl", no(errno.EOPNOTSUPP))
        patch.setattr(os, call, no(errno.ENOSPC), raising=False)
        needed = "" if compression else r"[\d.]+ .B more is needed, and "
        with pytest.raises(DiskFull, match=rf"archive: No space left on device; {needed}[\d.]+ .B is free on its file system$"):
            target(folder / "archive", compression).write(blobs.open_file)
    assert (folder / "archive").read_text() == "old"
    assert os.listdir(folder) == ["archive"]


def test_a_blob_that_can_not_be_opened_leaves_the_old_file(folder: Path) -> None:
    def broken(descriptor: Descriptor) -> int:
        raise InputOutputError("gone")

    (folder / "archive").write_text("old")
    with pytest.raises(InputOutputError, match="gone"):
        target(folder / "archive").write(broken)
    assert (folder / "archive").read_text() == "old"
    assert os.listdir(folder) == ["archive"]


def test_only_what_dead_writers_of_the_same_file_left_is_removed(folder: Path, blobs: Blobs) -> None:
    for name in (".archive.longshore-dead", ".archive.longshore-alive", ".other.longshore-dead", "archive.longshore-mine", ".archive.old"):
        (folder / name).write_text(name)
    (folder / ".archive.longshore-link").symlink_to(folder / ".archive.old")
    with (folder / ".archive.longshore-alive").open() as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        target(folder / "archive").write(blobs.open_file)
    left = [".archive.longshore-alive", ".archive.longshore-link", ".archive.old", ".other.longshore-dead", "archive", "archive.longshore-mine"]
    assert sorted(os.listdir(folder)) == left
    target(folder / "archive").write(blobs.open_file)
    assert ".archive.longshore-alive" not in os.listdir(folder)


# Folders.


def test_a_folder_is_written_repaired_and_reported(tmp_path: Path, blobs: Blobs) -> None:
    path = tmp_path / "layout"
    wanted = FolderOutput(str(path), FILES, 0o644)
    assert wanted.difference() == "there is no such folder yet"
    wanted.write(blobs.open_file)
    assert wanted.difference() is None
    assert {file.name for file in FILES} == {str(found.relative_to(path)) for found in path.rglob("*") if found.is_file()}
    large = path / FILES[1].name
    large.write_bytes(LARGE[:-1] + b"\0")
    assert wanted.difference() == f"{FILES[1].name} is missing or differs"
    wanted.write(blobs.open_file)
    assert large.read_bytes() == LARGE
    (path / "blobs" / "sha256" / "stray").write_text("x")
    assert wanted.difference() == "blobs/sha256/stray does not belong to it"
    wanted.write(blobs.open_file)
    assert wanted.difference() is None


def test_what_dead_writers_left_in_a_folder_is_no_stranger_and_goes(tmp_path: Path, blobs: Blobs) -> None:
    path = tmp_path / "layout"
    wanted = FolderOutput(str(path), FILES, 0o644)
    wanted.write(blobs.open_file)
    for name in (".index.json.longshore-0123", "blobs/sha256/.abc.longshore-0123"):
        (path / name).write_text("left")
        assert wanted.difference() == f"{name} does not belong to it"
        wanted.write(blobs.open_file)
        assert wanted.difference() is None
    (path / ".hidden").write_text("mine")
    with pytest.raises(UnsupportedFormat, match=r"\.hidden"):
        wanted.difference()


def test_writers_to_one_folder_wait_for_each_other(tmp_path: Path, blobs: Blobs) -> None:
    path = tmp_path / "layout"
    path.mkdir()
    other = os.open(path, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(LockTimeout, match="layout"):
        FolderOutput(str(path), FILES, 0o644, 0.01).write(blobs.open_file)
    assert os.listdir(path) == []
    os.close(other)
    FolderOutput(str(path), FILES, 0o644, 0.01).write(blobs.open_file)
    assert FolderOutput(str(path), FILES, 0o644).difference() is None


@pytest.mark.parametrize(("mode", "files", "folders"), [(0o644, 0o644, 0o755), (0o750, 0o640, 0o750), (0o600, 0o600, 0o700)], ids=oct)
def test_files_of_a_folder_can_be_read_but_not_run(tmp_path: Path, blobs: Blobs, mode: int, files: int, folders: int) -> None:
    path = tmp_path / "layout"
    FolderOutput(str(path), FILES, mode).write(blobs.open_file)
    for found in (path, *path.rglob("*")):
        assert stat.S_IMODE(found.stat().st_mode) == (folders if found.is_dir() else files)


def test_the_owner_of_a_file_that_is_replaced_stays(folder: Path, blobs: Blobs) -> None:
    needs_root()
    (folder / "archive").write_text("old")
    os.chown(folder / "archive", 12345, 23456)
    target(folder / "archive", mode=0o4640).write(blobs.open_file)
    status = (folder / "archive").stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (12345, 23456, 0o4640)
