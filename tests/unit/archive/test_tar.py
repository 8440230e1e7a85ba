# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The strict reader of tar streams, against what Python's tarfile writes."""

from __future__ import annotations

import contextlib
import io
import tarfile
from collections.abc import Iterator
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.longshore.images.plugins.module_utils.archive.tar import BLOCK, checked_tar
from ansible_collections.longshore.images.plugins.module_utils.errors import CorruptArchive
from ansible_collections.longshore.images.plugins.module_utils.limits import MAX_EXTENDED
from tests.support.archives import record

FORMATS: list[Literal[0, 1, 2]] = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
END = bytes(2 * BLOCK)


def check(data: bytes, chunk: int = 1 << 20) -> bytes:
    return b"".join(checked_tar((data[start : start + chunk] for start in range(0, len(data), chunk)), "it"))


def member(
    name: str = "a", content: bytes = b"", kind: bytes = tarfile.REGTYPE, form: Literal[0, 1, 2] = tarfile.PAX_FORMAT, **fields: object
) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(content)
    for key, value in fields.items():
        setattr(info, key, value)
    return info.tobuf(form, "utf-8", "surrogateescape") + content + bytes(-len(content) % BLOCK)


def header(size: bytes, kind: bytes = b"0") -> bytes:
    """Return a header with a correct checksum and SIZE unchanged."""
    block = bytearray(member("a"))
    block[124:136] = size.ljust(12, b"\0")
    block[156:157] = kind
    return with_checksum(block)


def with_checksum(block: bytearray) -> bytes:
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def extended(records: bytes, size: int | None = None) -> bytes:
    """Return a pax header that holds RECORDS."""
    return header(b"%011o" % (len(records) if size is None else size), b"x") + records + bytes(-len(records) % BLOCK)


NAMES = st.from_regex(r"[a-zé/\n]{1,200}", fullmatch=True)
KINDS = [tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
TWO_LETTERS = st.from_regex(r"[ab]{1,20}", fullmatch=True)


@st.composite
def tars(draw: st.DrawFn) -> bytes:
    form = draw(st.sampled_from(FORMATS))
    data = b""
    for _number in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(KINDS))
        regular = kind in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
        content = draw(st.binary(max_size=1200)) if regular else b""
        name = draw(TWO_LETTERS if form == tarfile.USTAR_FORMAT else NAMES)
        link = draw(TWO_LETTERS if form == tarfile.USTAR_FORMAT else NAMES) if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
        data += member(name, content, kind, form, linkname=link, mtime=draw(st.integers(0, 8**11 - 1)), uid=draw(st.integers(0, 8**7 - 1)))
    return data


@given(tars(), st.sampled_from([0, 1, 2, 3, 20]), st.sampled_from([1, 7, 512, 513, 1 << 20]))
def test_every_tar_of_tarfile_passes_unchanged_in_chunks_of_any_size(data: bytes, ends: int, chunk: int) -> None:
    whole = data + bytes(BLOCK * ends) or END
    assert check(whole, chunk) == whole


@given(st.data())
def test_a_single_altered_byte_of_a_header_is_noticed(draw: st.DataObject) -> None:
    form = draw.draw(st.sampled_from(FORMATS))
    block = member(draw.draw(TWO_LETTERS), b"", form=form, mode=0o755, mtime=draw.draw(st.integers(0, 8**11 - 1)), uname="é")[:BLOCK]
    position, value = draw.draw(st.integers(0, BLOCK - 1)), draw.draw(st.integers(0, 255))
    altered = block[:position] + bytes([value]) + block[position + 1 :]
    # The checksum itself has several spellings: padded with zeros or spaces, ended by NUL or space.
    if altered == block or (148 <= position < 156 and value in b"0 \0" and block[position] in b"0 \0"):
        return
    with pytest.raises(CorruptArchive, match=r"\(at byte 0\)"):
        check(altered + END)


@given(tars(), st.data())
def test_a_tar_that_is_cut_inside_of_a_member_is_noticed_with_its_offset(data: bytes, draw: st.DataObject) -> None:
    borders = {0}
    position = 0
    with tarfile.open(fileobj=io.BytesIO(data + END)) as archive:
        for info in archive:
            size = info.size if info.isreg() else 0
            position = info.offset_data + -(-size // BLOCK) * BLOCK
            borders.add(position)
    length = draw.draw(st.integers(0, len(data)))
    if length in borders - {0}:
        assert check(data[:length]) == data[:length]
    else:
        with pytest.raises(CorruptArchive, match=r"\(at byte \d+\)$"):
            check(data[:length])


def test_a_tar_without_its_end_blocks_is_whole_at_a_members_border() -> None:
    data = member("a", b"x")
    for ends in (b"", bytes(BLOCK), END):
        assert check(data + ends) == data + ends


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", r"empty \(at byte 0\)"),
        (b"\0", "ends in the middle"),
        (b"no tar", r"ends in the middle"),
        (b"x" * BLOCK, r"no tar \(at byte 0\)"),
        (b"<html>" * 200, "no tar"),
        (member("a", b"x")[:-1], r"ends in the middle of .*\(at byte 1023\)"),
        (member("a", b"x") + b"x" * BLOCK, r"damaged.*\(at byte 1024\)"),
        (member("a", b"x") + END + member("b"), r"comes after its end \(at byte 2048\)"),
        (member("a", b"x") + bytes(BLOCK) + member("b"), r"comes after its end \(at byte 1536\)"),
        (END + b"x" * BLOCK, "comes after its end"),
        (END + b"x", r"comes after its end \(at byte 1024\)"),
        (END + bytes(100) + b"x", "comes after its end"),
        (header(b"-0000000001") + END, "no number, or negative"),
        (header(b"\xff" * 12) + END, "no number, or negative"),
        (header(b"00000000008") + END, "no number"),
        (header(b"1 1") + END, "no number"),
        (header(b"\x80" + b"\xff" * 11) + END, "size that can't be"),
        (header(b"77777777777") + END, "ends in the middle"),
        (header(b"0", b"S") + END, "sparse"),
        (extended(record(b"GNU.sparse.major", b"1")) + member("a") + END, "sparse"),
        (extended(record(b"size", b"x")) + member("a") + END, "size that is no number"),
        (extended(record(b"size", b"-1")) + member("a") + END, "size that is no number"),
        (extended(record(b"size", b"")) + member("a") + END, "size that is no number"),
        (extended(b"7 a=b") + member("a") + END, "extended header is damaged"),
        (extended(b"5 a=b\n") + member("a") + END, "extended header is damaged"),
        (extended(b"999 a=b\n") + member("a") + END, "extended header is damaged"),
        (extended(b"0 a=b\n") + member("a") + END, "extended header is damaged"),
        (extended(b"x a=b\n") + member("a") + END, "extended header is damaged"),
        (extended(b"6 a=b\n\0") + member("a") + END, "extended header is damaged"),
        (extended(record(b"path", b"x")), r"\(at byte 1024\)"),
        (extended(record(b"path", b"x")) + END, r"\(at byte 1024\)"),
        (header(b"%o" % (MAX_EXTENDED + 1), b"x"), "longer than 1048576"),
        (header(b"%o" % (MAX_EXTENDED + 1), b"g"), "longer than 1048576"),
        (header(b"%o" % (MAX_EXTENDED + 1), b"L"), "longer than 1048576"),
        (header(b"77777777777", b"K"), "longer than 1048576"),
    ],
)
def test_a_damaged_tar_is_refused_with_a_reason_and_an_offset(data: bytes, reason: str) -> None:
    for chunk in (1, 512, 1 << 20):
        with pytest.raises(CorruptArchive, match=rf"^it is not a whole tar: .*{reason}"):
            check(data, chunk)


@pytest.mark.parametrize("padding", [1, 100, 511, 512, 10_000])
def test_zeros_after_the_end_are_padding(padding: int) -> None:
    data = member("a", b"x") + END + bytes(padding)
    assert check(data) == data


@pytest.mark.parametrize("size", [b"3", b"00000000003", b"          3 ", b"000000000003", b"\x80" + bytes(10) + b"\x03", b"3\0\0\0\0\0\0\0\0\0\0\0"])
def test_a_size_may_be_written_in_any_legal_way(size: bytes) -> None:
    data = header(size) + b"abc" + bytes(509) + member("b") + END
    assert check(data) == data


def test_a_size_of_the_extended_header_counts_more_than_the_headers_own() -> None:
    data = extended(record(b"size", b"600")) + header(b"0") + b"x" * 600 + bytes(424) + member("b") + END
    assert check(data) == data
    with pytest.raises(CorruptArchive):
        check(extended(record(b"size", b"0")) + header(b"3") + b"abc" + bytes(509) + END)


def test_what_looks_like_a_size_inside_of_a_name_is_a_name() -> None:
    data = member("a\n12 size=99\n", b"x") + member("b") + END
    assert check(data) == data


def test_a_global_header_belongs_to_no_member() -> None:
    records = record(b"comment", b"x")
    data = header(b"%o" % len(records), b"g") + records.ljust(BLOCK, b"\0") + END
    assert check(data) == data


def test_a_huge_member_is_followed_without_being_kept() -> None:
    def chunks() -> Iterator[bytes]:
        yield member("big", form=tarfile.GNU_FORMAT, size=64 << 20)
        yield from [bytes(1 << 20)] * 64
        yield END

    assert sum(len(chunk) for chunk in checked_tar(chunks(), "it")) == BLOCK + (64 << 20) + 2 * BLOCK


def test_a_size_beyond_octal_is_read_in_every_dialect() -> None:
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        with pytest.raises(CorruptArchive, match="ends in the middle"):
            check(member("big", form=form, size=9 << 30) + bytes(BLOCK))


def test_a_checksum_of_signed_bytes_is_right_too() -> None:
    block = bytearray(member("a", form=tarfile.GNU_FORMAT, uname="é"))
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(byte - 256 if byte > 127 else byte for byte in block)
    assert check(bytes(block) + END)


@given(st.binary(max_size=1600))
def test_arbitrary_bytes_pass_unchanged_or_are_corrupt(data: bytes) -> None:
    with contextlib.suppress(CorruptArchive):
        assert check(data) == data
