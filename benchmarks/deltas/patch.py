# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Patch a compressed layer from an older one, so that the result has the same bytes, and so the same digest, as what the registry has.

A patch holds how the tar differs from the old tar, and how the tokens of the deflate stream differ from the old stream's. Both are compressed by zstd
in windows, with the matching region of the old one as a dictionary, so that memory stays bounded.
"""

from __future__ import annotations

import dataclasses
import io
import struct
import tarfile
import typing as t
import zlib

import numba
import numpy as np
import zstandard

from benchmarks.deltas.deflate import Tokens, read_tokens, write_tokens

WINDOW = 32 << 20  # bytes of the new tar
REACH = 16 << 20  # bytes of the old tar before and after the place of a window
LEVEL, CHAIN_LOG, HASH_LOG = 17, 25, 24  # the tables take 192 MiB; smaller ones find little in a dictionary


@dataclasses.dataclass(frozen=True)
class Layer:
    """A gzip file of one member: its bytes, its tar, and the tokens that lie between its header and its trailer."""

    file: bytes
    tar: bytes
    tokens: Tokens

    @classmethod
    def read(cls, file: bytes) -> Layer:
        """Raises ValueError if the file has an unusual header, more than one member, or can't be rebuilt from its tokens."""
        if file[:3] != b"\x1f\x8b\x08" or file[3] != 0:
            raise ValueError("not a gzip file with a plain header")
        tokens = read_tokens(file, 10)
        if tokens.end + 8 != len(file):
            raise ValueError("more than one gzip member")
        return cls(file, zlib.decompress(file, 31), tokens)


@dataclasses.dataclass(frozen=True)
class TarPatch:
    """How a tar differs from an old one. `regions` are the parts of the old tar that the windows are compressed with."""

    regions: tuple[tuple[int, int], ...]
    windows: tuple[bytes, ...]

    @property
    def size(self) -> int:
        return sum(map(len, self.windows)) + 16 * len(self.regions)


@dataclasses.dataclass(frozen=True)
class Patch:
    """What is sent instead of a layer of SIZE bytes. `ends` are the header and the trailer of the gzip file."""

    size: int
    tar: TarPatch
    tokens: tuple[bytes, ...]
    blocks: bytes
    headers: bytes
    ends: bytes

    @property
    def parts(self) -> dict[str, int]:
        """The bytes of each part."""
        return {"tar": self.tar.size, "tokens": sum(map(len, self.tokens)), "blocks": len(self.blocks) + len(self.headers) + len(self.ends)}


def patch_tar(old: bytes, new: bytes) -> TarPatch:
    """Return the patch that makes the tar NEW from OLD."""
    regions = tuple(_find_regions(old, new))
    windows = (_compress(new[start : start + WINDOW], old[first:end]) for start, (first, end) in zip(range(0, len(new), WINDOW), regions))
    return TarPatch(regions, tuple(windows))


def make_patch(old: Layer, new: Layer, tar: TarPatch) -> Patch:
    """Return the patch that makes NEW from OLD. TAR is the patch of their tars."""
    old_places, new_places = _find_places(old.tokens), _find_places(new.tokens)
    tokens = [
        _compress(_pack(new.tokens, new_places, start, start + WINDOW), _pack(old.tokens, old_places, first, end))
        for start, (first, end) in zip(range(0, len(new.tar), WINDOW), tar.regions)
    ]
    blocks = _compress(new.tokens.blocks.astype("<u4").tobytes(), old.tokens.blocks.astype("<u4").tobytes())
    headers = _compress(new.tokens.headers, old.tokens.headers)
    return Patch(len(new.file), tar, tuple(tokens), blocks, headers, new.file[:10] + new.file[-8:])


def apply_patch(old: Layer, patch: Patch) -> bytes:
    """Return the bytes of the new layer. Raises ValueError if the patch doesn't fit."""
    old_places = _find_places(old.tokens)
    tar, lengths, distances = [], [], []
    for (first, end), data, packed in zip(patch.tar.regions, patch.tar.windows, patch.tokens):
        tar.append(_decompress(data, old.tar[first:end]))
        found = _unpack(np.frombuffer(_decompress(packed, _pack(old.tokens, old_places, first, end)), dtype=np.uint8))
        lengths.append(found[0])
        distances.append(found[1])
    blocks = np.frombuffer(_decompress(patch.blocks, old.tokens.blocks.astype("<u4").tobytes()), dtype="<u4").reshape(-1, 5).astype(np.int64)
    headers = _decompress(patch.headers, old.tokens.headers)
    tokens = Tokens(np.concatenate(lengths), np.concatenate(distances), blocks, headers, 10, patch.size - 8)
    return patch.ends[:10] + write_tokens(tokens, b"".join(tar), patch.size - 18) + patch.ends[10:]


def _find_regions(old: bytes, new: bytes) -> t.Iterator[tuple[int, int]]:
    """Yield for each window of the new tar which part of the old one resembles it: where the old tar has the same file, or else the same position."""
    places, members = dict(_list_members(old)), list(_list_members(new))
    for start in range(0, len(new), WINDOW):
        same = [(offset, places[name]) for name, offset in members if name in places and offset <= start]
        shift = same[-1][1] - same[-1][0] if same else 0
        first = max(0, min(len(old), start + shift - REACH))
        yield first, min(len(old), max(0, start + shift) + WINDOW + REACH)


def _list_members(data: bytes) -> t.Iterator[tuple[str, int]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for member in tar:
            yield member.name, member.offset


def _find_places(tokens: Tokens) -> np.ndarray:
    """Return where in the tar each token begins. Stored blocks have no tokens, so their bytes are added to those of the token before them."""
    places = np.zeros(len(tokens.lengths) + 1, dtype=np.int64)
    np.cumsum(tokens.lengths, out=places[1:])
    first = 0
    for _kind, _final, count, stored, _bits in tokens.blocks:
        first += count
        if stored:
            places[first:] += stored
    return places[:-1]


def _pack(tokens: Tokens, places: np.ndarray, begin: int, end: int) -> bytes:
    """Return the tokens that begin between two places of the tar as bytes: literals before a match, its length less 3, its distance."""
    first, last = np.searchsorted(places, [begin, end])
    written = np.zeros((last - first) * 4 + 1, dtype=np.uint8)
    return bytes(written[: _pack_tokens(tokens.lengths[first:last], tokens.distances[first:last], written)])


@numba.njit(cache=True)
def _pack_tokens(lengths: np.ndarray, distances: np.ndarray, written: np.ndarray) -> int:
    at = literals = 0
    for index in range(lengths.size):
        if lengths[index] > 1:
            written[at] = literals
            written[at + 1] = lengths[index] - 3
            written[at + 2] = distances[index] & 255
            written[at + 3] = distances[index] >> 8
            at += 4
            literals = 0
        else:
            literals += 1
            if literals == 255:
                written[at] = 255
                at += 1
                literals = 0
    written[at] = literals
    return at + 1


def _unpack(packed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    lengths, distances = np.ones(_count_tokens(packed), dtype=np.uint16), np.zeros(_count_tokens(packed), dtype=np.uint16)
    _unpack_tokens(packed, lengths, distances)
    return lengths, distances


@numba.njit(cache=True)
def _count_tokens(packed: np.ndarray) -> int:
    at = tokens = 0
    while at < packed.size:
        tokens += np.int64(packed[at])
        if packed[at] != 255 and at + 3 < packed.size:
            tokens += 1
            at += 3
        at += 1
    return tokens


@numba.njit(cache=True)
def _unpack_tokens(packed: np.ndarray, lengths: np.ndarray, distances: np.ndarray) -> None:
    at = token = 0
    while at < packed.size:
        token += np.int64(packed[at])
        if packed[at] != 255 and at + 3 < packed.size:
            lengths[token] = np.int64(packed[at + 1]) + 3
            distances[token] = np.int64(packed[at + 2]) | (np.int64(packed[at + 3]) << 8)
            token += 1
            at += 3
        at += 1


def _compress(data: bytes, old: bytes) -> bytes:
    log = max(16, (len(data) + len(old)).bit_length())
    parameters = zstandard.ZstdCompressionParameters.from_level(LEVEL, window_log=log, chain_log=CHAIN_LOG, hash_log=HASH_LOG)
    dictionary = zstandard.ZstdCompressionDict(old, dict_type=zstandard.DICT_TYPE_RAWCONTENT) if old else None
    return struct.pack("<I", len(data)) + zstandard.ZstdCompressor(dict_data=dictionary, compression_params=parameters).compress(data)


def _decompress(data: bytes, old: bytes) -> bytes:
    dictionary = zstandard.ZstdCompressionDict(old, dict_type=zstandard.DICT_TYPE_RAWCONTENT) if old else None
    (size,) = struct.unpack("<I", data[:4])
    return zstandard.ZstdDecompressor(dict_data=dictionary).decompress(data[4:], max_output_size=size)
