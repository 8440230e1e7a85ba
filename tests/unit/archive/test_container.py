# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files are read by their names in the same way from a tar, a compressed tar and a folder."""

from __future__ import annotations

import gzip
import os
import tarfile
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.archive import tar_container
from ansible_collections.longshore.images.plugins.module_utils.archive.container import Container, open_container
from ansible_collections.longshore.images.plugins.module_utils.archive.tar_container import FIRST_BYTES
from ansible_collections.longshore.images.plugins.module_utils.errors import CorruptArchive, InputOutputError, UnsupportedFormat
from ansible_collections.longshore.images.plugins.module_utils.limits import MAX_DOCUMENT
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from tests.support.archives import END, Files, Link, member, pack, unpack

BLOB = bytes(range(256)) * 9000
FILES: Files = {
    "document.json": b'{"a": 1}',
    "spaces": b" " * (FIRST_BYTES + 9) + b"[]",
    "empty": b"",
    "blobs/sha256/large": BLOB,
    "blobs/sha256/small": b"x",
    "folder/other": b"y",
}
LINKS: Files = {"folder/link": Link("../document.json"), "hard": Link("blobs/sha256/large", tarfile.LNKTYPE)}
KINDS = ["tar", "gzip", "folder"]


def make(kind: str, path: Path, files: Files) -> Container:
    if kind == "folder":
        return open_container(str(unpack(files, path)))
    path.write_bytes(pack(files) if kind == "tar" else gzip.compress(pack(files)))
    return open_container(str(path))


def joined(chunks: t.Iterable[bytes | memoryview]) -> bytes:
    return b"".join(bytes(chunk) for chunk in chunks)


@pytest.mark.parametrize("kind", KINDS)
def test_files_are_found_by_name(tmp_path: Path, kind: str) -> None:
    found = make(kind, tmp_path / "it", FILES)
    for name, content in FILES.items():
        assert isinstance(content, bytes)
        assert name in found
        assert found.size(name) == len(content)
        assert found.first_bytes(name) == content[:FIRST_BYTES]
        assert joined(found.open(name)) == content
        assert found.digest(name) == Digest.of(content)
        assert found.locate(name).startswith(f"{tmp_path / 'it'}: {name}")
    assert {"blobs/sha256/large", "blobs/sha256/small"} <= set(found.names()) <= set(FILES)
    assert all(other not in found for other in ("nothing", "folder", "blobs", "", 7))
    for name in ("document.json", "spaces", "empty"):
        assert found.read(name) == FILES[name]


@pytest.mark.parametrize("kind", ["tar", "gzip"])
def test_links_are_names_of_the_file_that_they_lead_to(tmp_path: Path, kind: str) -> None:
    found = make(kind, tmp_path / "it", {**LINKS, **FILES})
    assert found.read("folder/link") == FILES["document.json"]
    assert joined(found.open("hard")) == BLOB
    assert found.digest("hard") == Digest.of(BLOB)


@pytest.mark.parametrize("kind", KINDS)
def test_several_files_are_streamed_each_once_by_every_name(tmp_path: Path, kind: str) -> None:
    links = LINKS if kind != "folder" else {}
    found = make(kind, tmp_path / "it", {**FILES, **links})
    for names in ([], ["empty"], ["blobs/sha256/small", "document.json"], [*FILES, *links]):
        content = [(name, joined(chunks)) for name, chunks in found.stream(names)]
        assert sorted(name for name, _data in content) == sorted(names)
        assert all(data == joined(found.open(name)) for name, data in content)


@pytest.mark.parametrize("kind", KINDS)
def test_several_are_open_at_once(tmp_path: Path, kind: str) -> None:
    found = make(kind, tmp_path / "it", FILES)
    one, other = iter(found.open("blobs/sha256/large")), iter(found.open("blobs/sha256/large"))
    first = bytes(next(one))
    assert joined(other) == BLOB
    assert first + joined(one) == BLOB


@pytest.mark.parametrize("kind", KINDS)
def test_a_document_has_a_bound(tmp_path: Path, kind: str) -> None:
    found = make(kind, tmp_path / "it", {"right": b"[" + b" " * (MAX_DOCUMENT - 1), "long": b"[" + b" " * MAX_DOCUMENT})
    assert len(found.read("right")) == MAX_DOCUMENT
    with pytest.raises(UnsupportedFormat, match=r"it: long.* is longer than the \d+ bytes"):
        found.read("long")


def test_documents_of_a_stream_have_a_bound_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar_container, "MAX_HELD", 3000)
    found = make("gzip", tmp_path / "it", {str(number): b"[" + b" " * 999 for number in range(5)})
    assert [len(found.read(str(number))) for number in range(3)] == [1000] * 3
    with pytest.raises(UnsupportedFormat, match="more than 3000 bytes of documents"):
        found.read("4")
    assert found.digest("4") == Digest.of(b"[" + b" " * 999)


def test_members_and_their_names_have_a_bound_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar_container, "MAX_ARCHIVE_MEMBERS", 3)
    make("tar", tmp_path / "three", {"a": b"", "b": b"", "c": b""})
    with pytest.raises(CorruptArchive, match="'d' exceeds the limits of an archive"):
        make("tar", tmp_path / "four", {"a": b"", "b": b"", "c": b"", "d": b""})
    monkeypatch.setattr(tar_container, "MAX_MEMBER_NAMES", 10)
    with pytest.raises(CorruptArchive, match="'link' exceeds the limits of an archive"):
        make("gzip", tmp_path / "names", {"name": b"", "link": Link("name")})


def test_a_tar_that_becomes_shorter_is_noticed(tmp_path: Path) -> None:
    found = make("tar", tmp_path / "it", FILES)
    os.truncate(tmp_path / "it", 4096)
    with pytest.raises(CorruptArchive, match="it became shorter while it was read"):
        joined(found.open("blobs/sha256/large"))


def test_what_is_no_archive_at_all_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(UnsupportedFormat, match="is not a file or a folder"):
            open_container(str(path))
    with pytest.raises(InputOutputError, match="absent: No such file"):
        open_container(str(tmp_path / "absent"))


def test_a_link_that_the_user_named_is_followed(tmp_path: Path) -> None:
    make("gzip", tmp_path / "it", FILES)
    (tmp_path / "link").symlink_to("it")
    assert "document.json" in open_container(str(tmp_path / "link"))


def test_a_tar_is_closed_with_its_container_and_where_it_is_refused(tmp_path: Path) -> None:
    opened = len(os.listdir("/proc/self/fd"))
    found: Container | None = make("tar", tmp_path / "it", FILES)
    assert found is not None
    assert len(os.listdir("/proc/self/fd")) == opened + 1
    found = None
    assert len(os.listdir("/proc/self/fd")) == opened
    (tmp_path / "bad").write_bytes(member("../a") + END)
    with pytest.raises(CorruptArchive):
        open_container(str(tmp_path / "bad"))
    assert len(os.listdir("/proc/self/fd")) == opened


def test_a_folder_never_reads_files_outside_of_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("{}")
    found = make("folder", tmp_path / "it", {"link.json": Link("../secret"), "blobs/x": b""})
    for name in ("../secret", "a/../../secret", "/etc/passwd"):
        with pytest.raises(CorruptArchive, match="lies outside of the folder"):
            assert name not in found
    with pytest.raises(InputOutputError, match=r"link\.json"):
        found.read("link.json")
