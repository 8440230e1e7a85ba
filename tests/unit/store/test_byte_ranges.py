# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sets of byte ranges, and the journal that records them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.longshore.images.plugins.module_utils.limits import MAX_JOURNAL
from ansible_collections.longshore.images.plugins.module_utils.store.byte_ranges import ByteRanges, decode_ranges, encode_range

SIZE = 60
byte_range = st.tuples(st.integers(0, SIZE), st.integers(0, SIZE)).map(lambda pair: (min(pair), max(pair)))


@given(st.lists(byte_range, max_size=12))
def test_ranges_are_the_bytes_that_were_added(added: list[tuple[int, int]]) -> None:
    expected = {byte for start, stop in added for byte in range(start, stop)}
    ranges = ByteRanges(added)
    assert {byte for start, stop in ranges for byte in range(start, stop)} == expected
    assert {byte for start, stop in ranges.gaps(SIZE) for byte in range(start, stop)} == set(range(SIZE)) - expected
    assert ranges.front == next(byte for byte in range(SIZE + 1) if byte not in expected)
    assert ranges.end == max(expected, default=-1) + 1
    found = list(ranges)
    assert found == sorted(found)
    assert all(stop < start for (_first, stop), (start, _last) in zip(found, found[1:]))


@given(st.lists(byte_range.filter(lambda pair: pair[0] < pair[1]), max_size=12))
def test_a_journal_lists_the_recorded_ranges(recorded: list[tuple[int, int]]) -> None:
    journal = b"".join(encode_range(start, stop) for start, stop in recorded)
    read = decode_ranges(journal, SIZE)
    assert read is not None
    assert list(read) == list(ByteRanges(recorded))


@given(st.lists(byte_range.filter(lambda pair: pair[0] < pair[1]), min_size=1, max_size=5), st.data())
def test_a_last_line_that_was_cut_off_does_not_count(recorded: list[tuple[int, int]], data: st.DataObject) -> None:
    last = encode_range(*recorded[-1])
    cut = data.draw(st.integers(0, len(last) - 1))
    read = decode_ranges(b"".join(encode_range(start, stop) for start, stop in recorded[:-1]) + last[:cut], SIZE)
    assert read is not None
    assert list(read) == list(ByteRanges(recorded[:-1]))


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
        b"0 10\n" * (MAX_JOURNAL // 5 + 1),
    ],
    ids=lambda journal: repr(journal[:20]),
)
def test_an_invalid_journal_lists_nothing(journal: bytes) -> None:
    assert decode_ranges(journal, SIZE) is None


def test_an_empty_journal_lists_no_ranges() -> None:
    read = decode_ranges(b"", SIZE)
    assert read is not None
    assert list(read) == []
