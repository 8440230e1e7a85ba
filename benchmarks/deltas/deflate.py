# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the tokens of a deflate stream, and write the same stream again from its tokens and the data (RFC 1951).

A token is a literal byte or a match (length and distance). Which tokens an encoder chooses, where its blocks end, and with which Huffman codes it writes
them differs between encoders and their versions. Together with the data they determine every bit of the stream.
"""

from __future__ import annotations

import dataclasses

import numba
import numpy as np

STORED, FIXED, DYNAMIC = 0, 1, 2

_LENGTH_EXTRA = np.array([0] * 8 + [1] * 4 + [2] * 4 + [3] * 4 + [4] * 4 + [5] * 4 + [0], dtype=np.int64)
_LENGTH_BASE = np.array([*(3 + np.concatenate(([0], np.cumsum(1 << _LENGTH_EXTRA[:27])))), 258], dtype=np.int64)
_DISTANCE_EXTRA = np.array([0, 0, *(n // 2 for n in range(28))], dtype=np.int64)
_DISTANCE_BASE = np.array([1, *(1 + np.cumsum(1 << _DISTANCE_EXTRA[:29]))], dtype=np.int64)
# The index of the code of each length and distance. 258 has a code of its own.
_LENGTH_CODE = np.searchsorted(_LENGTH_BASE, np.arange(259), side="right") - 1
_DISTANCE_CODE = np.searchsorted(_DISTANCE_BASE, np.arange(32769), side="right") - 1
_CODE_LENGTH_ORDER = np.array([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15], dtype=np.int64)
_TABLE_SIZE = 1 << 15


@dataclasses.dataclass(frozen=True)
class Tokens:
    """The tokens of a stream.

    `lengths` has 1 for a literal, whose byte is in the data; `distances` has 0 for it. `blocks` has a row for each block: its type, whether it is the
    last, its number of tokens, the bytes of a stored block, and the bits of its header. `headers` has these headers, each from a byte boundary.
    `begin` and `end` are the positions of the stream in the file.
    """

    lengths: np.ndarray
    distances: np.ndarray
    blocks: np.ndarray
    headers: bytes
    begin: int
    end: int


def read_tokens(file: bytes, begin: int) -> Tokens:
    """Return the tokens of the deflate stream that begins at BEGIN. Raises ValueError if it is none, or writes length 258 with the code of 257."""
    data = np.frombuffer(file, dtype=np.uint8)
    room = len(file) * 8
    lengths, distances = np.zeros(room, dtype=np.uint16), np.zeros(room, dtype=np.uint16)
    blocks = np.zeros((len(file) // 5 + 16, 6), dtype=np.int64)
    position, tokens, count = _read(data, begin * 8, lengths, distances, blocks)
    if position < 0:
        raise ValueError("not a deflate stream that can be rebuilt")
    blocks = blocks[:count]
    headers = b"".join(_cut_bits(file, int(first), int(bits)) for *_others, bits, first in blocks)
    return Tokens(lengths[:tokens].copy(), distances[:tokens].copy(), blocks[:, :5].copy(), headers, begin, (int(position) + 7) // 8)


def write_tokens(tokens: Tokens, data: bytes, size: int) -> bytes:
    """Return the stream of SIZE bytes. Raises ValueError if the tokens don't fit DATA or SIZE."""
    written = np.zeros(size + 8, dtype=np.uint8)
    headers = np.frombuffer(tokens.headers + bytes(8), dtype=np.uint8)
    position = _write(np.frombuffer(data, dtype=np.uint8), headers, tokens.lengths, tokens.distances, tokens.blocks, written)
    if (position + 7) // 8 != size:
        raise ValueError("the tokens don't make a stream of this size")
    return bytes(written[:size])


def _cut_bits(file: bytes, first: int, count: int) -> bytes:
    value = int.from_bytes(file[first // 8 : (first + count) // 8 + 1], "little") >> (first % 8)
    return (value & ((1 << count) - 1)).to_bytes((count + 7) // 8, "little")


@numba.njit(cache=True)
def _peek(data: np.ndarray, position: int, count: int) -> int:
    value = np.int64(0)
    for index in range(4):
        if (position >> 3) + index < data.size:
            value |= np.int64(data[(position >> 3) + index]) << (8 * index)
    return (value >> (position & 7)) & ((1 << count) - 1)


@numba.njit(cache=True)
def _make_codes(lengths: np.ndarray, codes: np.ndarray) -> None:
    """Write the canonical Huffman code of each symbol, its first bit lowest (RFC 1951 section 3.2.2)."""
    counts = np.zeros(17, dtype=np.int64)
    for length in lengths:
        counts[length] += 1
    counts[0] = 0
    following = np.zeros(17, dtype=np.int64)
    for length in range(1, 16):
        following[length] = (following[length - 1] + counts[length - 1]) << 1
    for symbol in range(lengths.size):
        code, mirrored = following[lengths[symbol]], 0
        following[lengths[symbol]] += 1
        for _bit in range(lengths[symbol]):
            mirrored = (mirrored << 1) | (code & 1)
            code >>= 1
        codes[symbol] = mirrored


@numba.njit(cache=True)
def _make_table(lengths: np.ndarray, table: np.ndarray) -> bool:
    """Write `symbol << 4 | length` for each sequence of 15 bits, 0 for those that are no code. Return False if a code is too long."""
    table[:] = 0
    codes = np.zeros(lengths.size, dtype=np.int64)
    _make_codes(lengths, codes)
    for symbol in range(lengths.size):
        if lengths[symbol]:
            if codes[symbol] >= 1 << lengths[symbol]:
                return False
            for index in range(codes[symbol], _TABLE_SIZE, 1 << lengths[symbol]):
                table[index] = (symbol << 4) | lengths[symbol]
    return True


@numba.njit(cache=True)
def _read_code_lengths(data: np.ndarray, position: int, kind: int, literals: np.ndarray, distances: np.ndarray, table: np.ndarray) -> int:
    """Read the code lengths of a block. Return the position after them, or -1."""
    literals[:], distances[:] = 0, 0
    if kind == FIXED:
        literals[:144], literals[144:256], literals[256:280], literals[280:] = 8, 9, 7, 8
        distances[:30] = 5
        return position
    literal_count, distance_count = _peek(data, position, 5) + 257, _peek(data, position + 5, 5) + 1
    if literal_count > 286 or distance_count > 30:
        return -1
    code_lengths = np.zeros(19, dtype=np.int64)
    count = _peek(data, position + 10, 4) + 4
    position += 14
    for index in range(count):
        code_lengths[_CODE_LENGTH_ORDER[index]] = _peek(data, position, 3)
        position += 3
    if not _make_table(code_lengths, table):
        return -1
    both = np.zeros(literal_count + distance_count, dtype=np.int64)
    index = 0
    while index < both.size:
        entry = table[_peek(data, position, 15)]
        if entry == 0:
            return -1
        position += entry & 15
        value, repeats = entry >> 4, 1
        if value == 16:
            if index == 0:
                return -1
            value, repeats, bits = both[index - 1], 3 + _peek(data, position, 2), 2
        elif value == 17:
            value, repeats, bits = 0, 3 + _peek(data, position, 3), 3
        elif value == 18:
            value, repeats, bits = 0, 11 + _peek(data, position, 7), 7
        else:
            bits = 0
        position += bits
        if index + repeats > both.size:
            return -1
        both[index : index + repeats] = value
        index += repeats
    literals[:literal_count] = both[:literal_count]
    distances[:distance_count] = both[literal_count:]
    return position


@numba.njit(cache=True)
def _read(data: np.ndarray, position: int, lengths: np.ndarray, distances: np.ndarray, blocks: np.ndarray) -> tuple[int, int, int]:
    """Return the position after the stream in bits, the number of tokens, and the number of blocks. The position is -1 after an error."""
    literal_lengths, distance_lengths = np.zeros(288, dtype=np.int64), np.zeros(30, dtype=np.int64)
    literal_table, distance_table = np.zeros(_TABLE_SIZE, dtype=np.int64), np.zeros(_TABLE_SIZE, dtype=np.int64)
    tokens = block = final = 0
    failed = (-1, 0, 0)
    while not final:
        first, first_token = position, tokens
        final, kind, stored = _peek(data, position, 1), _peek(data, position + 1, 2), 0
        position += 3
        if kind == STORED:
            position = (position + 7) & ~7
            stored = _peek(data, position, 16)
            position += 32
        elif kind == 3:
            return failed
        else:
            position = _read_code_lengths(data, position, kind, literal_lengths, distance_lengths, literal_table)
            if position < 0 or not (_make_table(literal_lengths, literal_table) and _make_table(distance_lengths, distance_table)):
                return failed
        bits = position - first
        while kind != STORED:
            if position >> 3 >= data.size:
                return failed
            entry = literal_table[_peek(data, position, 15)]
            symbol = entry >> 4
            position += entry & 15
            if entry == 0 or symbol > 285:
                return failed
            if symbol == 256:
                break
            lengths[tokens] = 1
            if symbol > 256:
                code = symbol - 257
                length = _LENGTH_BASE[code] + _peek(data, position, _LENGTH_EXTRA[code])
                if length == 258 and code != 28:
                    return failed
                position += _LENGTH_EXTRA[code]
                entry = distance_table[_peek(data, position, 15)]
                if entry == 0:
                    return failed
                code = entry >> 4
                position += entry & 15
                lengths[tokens] = length
                distances[tokens] = _DISTANCE_BASE[code] + _peek(data, position, _DISTANCE_EXTRA[code])
                position += _DISTANCE_EXTRA[code]
            tokens += 1
        position += stored * 8
        if block == len(blocks) or position > data.size * 8:
            return failed
        blocks[block] = kind, final, tokens - first_token, stored, bits, first
        block += 1
    return position, tokens, block


@numba.njit(cache=True)
def _put(written: np.ndarray, position: int, value: int, count: int) -> int:
    value <<= position & 7
    index = position >> 3
    while value:
        if index < written.size:
            written[index] |= value & 255
        value >>= 8
        index += 1
    return position + count


@numba.njit(cache=True)
def _write(data: np.ndarray, headers: np.ndarray, lengths: np.ndarray, distances: np.ndarray, blocks: np.ndarray, written: np.ndarray) -> int:
    """Write the stream. Return its size in bits, or -1 if the tokens need more data than there is, or more room."""
    literal_lengths, distance_lengths = np.zeros(288, dtype=np.int64), np.zeros(30, dtype=np.int64)
    literal_codes, distance_codes = np.zeros(288, dtype=np.int64), np.zeros(30, dtype=np.int64)
    table = np.zeros(_TABLE_SIZE, dtype=np.int64)
    position = at = token = header = 0
    for block in range(len(blocks)):
        kind, _final, count, stored, bits = blocks[block]
        if kind != STORED and _read_code_lengths(headers, header * 8 + 3, kind, literal_lengths, distance_lengths, table) < 0:
            return -1
        for index in range(0, bits, 8):
            if header + (index >> 3) >= headers.size:
                return -1
            position = _put(written, position, np.int64(headers[header + (index >> 3)]), min(8, bits - index))
        header += (bits + 7) >> 3
        if at + stored > data.size or (position >> 3) + stored > written.size or token + count > lengths.size:
            return -1
        if kind == STORED:
            written[position >> 3 : (position >> 3) + stored] = data[at : at + stored]
            at += stored
            position += stored * 8
            continue
        _make_codes(literal_lengths, literal_codes)
        _make_codes(distance_lengths, distance_codes)
        for index in range(token, token + count):
            length = np.int64(lengths[index])
            if at + length > data.size or position >> 3 >= written.size:
                return -1
            if length == 1:
                symbol = np.int64(data[at])
                position = _put(written, position, literal_codes[symbol], literal_lengths[symbol])
            else:
                code = _LENGTH_CODE[length]
                symbol = 257 + code
                value = literal_codes[symbol] | ((length - _LENGTH_BASE[code]) << literal_lengths[symbol])
                position = _put(written, position, value, literal_lengths[symbol] + _LENGTH_EXTRA[code])
                distance = np.int64(distances[index])
                code = _DISTANCE_CODE[distance]
                value = distance_codes[code] | ((distance - _DISTANCE_BASE[code]) << distance_lengths[code])
                position = _put(written, position, value, distance_lengths[code] + _DISTANCE_EXTRA[code])
            at += length
        token += count
        position = _put(written, position, literal_codes[256], literal_lengths[256])
    return position
