# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Gzip streams without compression: every reader of gzip reads them, and their bytes depend on the content only."""

from __future__ import annotations

import gzip
import random

import pytest

from ansible_collections.longshore.images.plugins.module_utils.archive.compression import STORED, compress, detect_compression
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest

SIZES = [0, 1, 65534, 65535, 65536, 131070, 200_001]


def split(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("size", SIZES)
def test_a_stored_stream_expands_to_its_content_however_it_is_split(size: int) -> None:
    data = random.Random(size).randbytes(size)
    streams = {b"".join(compress(split(data, step), STORED, "a test")) for step in (1000, 65535, 1_000_000)}
    assert len(streams) == 1
    stream = streams.pop()
    assert gzip.decompress(stream) == data
    assert detect_compression(stream[:6]) == "gzip"
    assert len(stream) <= size + 5 * (size // 65535 + 1) + 18


def test_the_bytes_never_change() -> None:
    """A change would give every folder that was published another digest."""
    stream = b"".join(compress([b"longshore" * 10_000], STORED, "a test"))
    assert str(Digest.of(stream)) == "sha256:7e8f629ce28b4bf128b44a823c94bf6df6c8c9c449d37017a257c8aaf057c711"
