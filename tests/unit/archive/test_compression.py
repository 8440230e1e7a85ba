# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compressed streams: every kind in chunks of any size, whole or an error."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import random
import sys
import time
import typing as t
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.longshore.images.plugins.module_utils.archive.compression import (
    BZIP2,
    GZIP,
    XZ,
    ZSTD,
    compress,
    decompress,
    detect_compression,
)
from ansible_collections.longshore.images.plugins.module_utils.errors import CorruptArchive, MissingLibrary

COMPRESS: dict[str, t.Callable[[bytes], bytes]] = {
    GZIP: gzip.compress,
    BZIP2: bz2.compress,
    XZ: lzma.compress,
    ZSTD: lambda data: zstandard.ZstdCompressor().compress(data),
}
NOISE = random.Random(1).randbytes(3000)


def pieces(data: bytes, size: int) -> t.Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def expand(data: bytes, kind: str, size: int = 1 << 20) -> bytes:
    return b"".join(decompress(pieces(data, size), kind, "it"))


@pytest.mark.parametrize("kind", COMPRESS)
def test_a_kind_is_known_by_its_first_bytes(kind: str) -> None:
    assert detect_compression(COMPRESS[kind](b"x")[:6]) == kind


@pytest.mark.parametrize("number", range(16))
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_skippable_zstd_frames_are_skipped_anywhere(number: int, size: int) -> None:
    """pzstd begins with one."""
    skipped = bytes([0x50 + number]) + b"\x2a\x4d\x18" + (300).to_bytes(4, "little") + bytes(range(100)) * 3
    data = skipped + COMPRESS[ZSTD](b"a" * 100_000) + skipped + skipped + COMPRESS[ZSTD](NOISE) + skipped
    assert detect_compression(data[:6]) == ZSTD
    assert expand(data, ZSTD, size) == b"a" * 100_000 + NOISE
    with pytest.raises(CorruptArchive, match="ends too early"):
        expand(data[:-1], ZSTD, size)


@pytest.mark.parametrize("data", [b"", b"\x1f", b"BZ", b"oci-la", b"\0" * 6, b"P*M\x17  ", b"\x60*M\x18  "])
def test_anything_else_is_not_compressed(data: bytes) -> None:
    assert detect_compression(data) is None


@pytest.mark.parametrize("kind", COMPRESS)
@given(parts=st.lists(st.binary(max_size=600), min_size=1, max_size=4), zeros=st.sampled_from([0, 4, 512]), size=st.sampled_from([1, 2, 7, 4096]))
def test_several_members_are_one_stream_in_chunks_of_any_size(kind: str, parts: list[bytes], zeros: int, size: int) -> None:
    data = b"".join(COMPRESS[kind](part) + bytes(zeros) for part in parts)
    assert expand(data, kind, size) == b"".join(parts)


@pytest.mark.parametrize("kind", COMPRESS)
def test_a_stream_that_is_cut_anywhere_ends_too_early(kind: str) -> None:
    data = COMPRESS[kind](NOISE[:300])
    for length in range(len(data)):
        with pytest.raises(CorruptArchive, match=f"^it is a {kind} file that ends too early$"):
            expand(data[:length], kind)


@pytest.mark.parametrize("kind", [GZIP, BZIP2, XZ])
def test_an_altered_byte_is_noticed_or_changes_nothing(kind: str) -> None:
    data = COMPRESS[kind](NOISE[:200])
    for place in range(len(data)):
        with contextlib.suppress(CorruptArchive):
            assert expand(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :], kind) == NOISE[:200]


@pytest.mark.parametrize("kind", COMPRESS)
@pytest.mark.parametrize("tail", [b"x", b"text that is no member", b"\0\0\0\0x", b"\x1f\x8b"])
def test_nothing_but_zeros_and_further_members_may_follow(kind: str, tail: bytes) -> None:
    for size in (1, 1 << 20):
        with pytest.raises(CorruptArchive, match=f"^it is a (damaged )?{kind} file"):
            expand(COMPRESS[kind](NOISE) + tail, kind, size)


@pytest.mark.parametrize("kind", COMPRESS)
@given(data=st.binary(max_size=300))
def test_arbitrary_bytes_are_refused(kind: str, data: bytes) -> None:
    magic = COMPRESS[kind](b"")[:6]
    with contextlib.suppress(CorruptArchive):
        assert expand(magic + data, kind) == b""


@pytest.mark.parametrize("kind", COMPRESS)
def test_what_is_given_at_once_is_bounded(kind: str) -> None:
    size = 96 << 20 if kind != BZIP2 else 48 << 20
    data = COMPRESS[kind](bytes(size))
    total = 0
    for chunk in decompress([data], kind, "it"):
        assert len(chunk) <= 32 << 20
        total += len(chunk)
    assert total == size


@pytest.mark.parametrize("checksum", [False, True])
@pytest.mark.parametrize("has_size", [False, True])
@pytest.mark.parametrize("level", [1, 3, 19])
def test_zstd_of_any_kind_is_read_in_few_steps_of_bounded_size(checksum: bool, has_size: bool, level: int) -> None:
    parts = [random.Random(2).randbytes(3 << 20), bytes(24 << 20), b"word " * 400_000, b"", b"x", NOISE * 400]
    compressor = zstandard.ZstdCompressor(level=level, write_checksum=checksum, write_content_size=has_size)
    chunks = list(decompress([b"".join(compressor.compress(part) for part in parts)], ZSTD, "it"))
    assert b"".join(chunks) == b"".join(parts)
    assert max(map(len, chunks)) <= 2 << 20
    assert len(chunks) < 300


@pytest.mark.parametrize("kind", [GZIP, ZSTD])
@given(parts=st.lists(st.binary(max_size=2000), max_size=4))
def test_what_is_compressed_here_depends_on_the_content_alone_and_is_read_by_all(kind: str, parts: list[bytes]) -> None:
    data = b"".join(compress(parts, kind, "it"))
    assert data == b"".join(compress([memoryview(part) for part in parts], kind, "it"))
    assert expand(data, kind) == b"".join(parts)
    whole = gzip.decompress(data) if kind == GZIP else zstandard.ZstdDecompressor().decompressobj().decompress(data)
    assert whole == b"".join(parts)


def test_without_zstandard_zstd_is_refused_and_the_rest_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    assert expand(COMPRESS[GZIP](b"x"), GZIP) == b"x"
    with pytest.raises(MissingLibrary, match=r"^it needs zstd, for which the Python library zstandard is missing"):
        expand(b"\x28\xb5\x2f\xfd", ZSTD)


def test_xz_that_wants_too_much_memory_is_refused() -> None:
    data = bytearray(lzma.compress(b"x" * 100, preset=0))
    # The dictionary's size is one byte of the block header, behind which its checksum is made anew.
    start = 12
    end = start + (data[start] + 1) * 4
    data[data.index(b"\x21\x01", start) + 2] = 36
    data[end - 4 : end] = zlib.crc32(data[start : end - 4]).to_bytes(4, "little")
    with pytest.raises(CorruptArchive, match="damaged xz file: Memory"):
        expand(bytes(data), XZ)


@pytest.mark.parametrize("kind", COMPRESS)
def test_very_many_members_are_read_in_time(kind: str) -> None:
    empty = COMPRESS[kind](b"")
    start = time.process_time()
    assert expand(empty * ((1 << 20) // len(empty)) + COMPRESS[kind](NOISE), kind) == NOISE
    assert time.process_time() - start < 2
