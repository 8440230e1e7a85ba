# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which bytes are there, and the journal that tells it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.longshore.images.plugins.module_utils.store.byte_ranges import MAX_NOTES, ByteRanges, decode_ranges, encode_range

SIZE = 60
span = st.tuples(st.integers(0, SIZE), st.integers(0, SIZE)).map(lambda pair: (min(pair), max(pair)))


@given(st.lists(span, max_size=12))
def test_spans_are_the_bytes_that_were_added(added: list[tuple[int, int]]) -> None:
    there = {byte for start, stop in added for byte in range(start, stop)}
    spans = ByteRanges(added)
    assert {byte for start, stop in spans for byte in range(start, stop)} == there
    assert {byte for start, stop in spans.gaps(SIZE) for byte in range(start, stop)} == set(range(SIZE)) - there
    assert spans.front == next(byte for byte in range(SIZE + 1) if byte not in there)
    assert spans.end == max(there, default=-1) + 1
    found = list(spans)
    assert found == sorted(found)
    assert all(stop < start for (_first, stop), (start, _last) in zip(found, found[1:]))


@given(st.lists(span.filter(lambda pair: pair[0] < pair[1]), max_size=12))
def test_a_journal_tells_what_was_noted(noted: list[tuple[int, int]]) -> None:
    journal = b"".join(encode_range(start, stop) for start, stop in noted)
    read = decode_ranges(journal, SIZE)
    assert read is not None
    assert list(read) == list(ByteRanges(noted))


@given(st.lists(span.filter(lambda pair: pair[0] < pair[1]), min_size=1, max_size=5), st.data())
def test_a_last_line_that_was_cut_off_does_not_count(noted: list[tuple[int, int]], data: st.DataObject) -> None:
    last = encode_range(*noted[-1])
    cut = data.draw(st.integers(0, len(last) - 1))
    read = decode_ranges(b"".join(encode_range(start, stop) for start, stop in noted[:-1]) + last[:cut], SIZE)
    assert read is not None
    assert list(read) == list(ByteRanges(noted[:-1]))


@pytest.mark.parametrize(
    "journal",
    [
        b"0 10\n\n",
        b"0 10\n10\n",
        b"0  10\n",
        b"0 10 \n",
        b"+0 10\n",
        b"0 1e1\n",
        b"0 10\r\n",
        b"10 0\n",
        b"10 10\n",
        b"0 61\n",
        b"-1 5\n",
        "0 \u0661\n".encode(),
        b"0 10\n\0\0\0\0\n",
        b"0 1000000000000000\n",
        b"0 10\n" * (MAX_NOTES // 5 + 1),
    ],
    ids=lambda journal: repr(journal[:20]),
)
def test_a_journal_that_is_not_sound_tells_nothing(journal: bytes) -> None:
    assert decode_ranges(journal, SIZE) is None


def test_an_empty_journal_tells_of_nothing() -> None:
    read = decode_ranges(b"", SIZE)
    assert read is not None
    assert list(read) == []
