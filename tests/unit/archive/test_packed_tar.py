# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A layer is read from the chunks of its blob, whatever its compression, and the files of an image without writing anything."""

from __future__ import annotations

import bz2
import gzip
import itertools
import lzma
from collections.abc import Callable, Iterator

import pytest
import zstandard

from ansible_collections.longshore.images.plugins.module_utils.archive.image_tree import FileNode, ImageTree, Origin, Parts
from ansible_collections.longshore.images.plugins.module_utils.archive.packed_tar import open_packed_tar
from ansible_collections.longshore.images.plugins.module_utils.archive.selected_files import select_entries
from ansible_collections.longshore.images.plugins.module_utils.archive.tar import TarMember, TarReader
from ansible_collections.longshore.images.plugins.module_utils.errors import CorruptArchive
from tests.support.archives import pack

PACK: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda data: zstandard.ZstdCompressor().compress(data),
}


def in_one_buffer(data: bytes, size: int) -> Iterator[memoryview]:
    """Yield DATA as a registry does: each chunk is overwritten by the next one."""
    buffer = memoryview(bytearray(size))
    for start in range(0, len(data), size):
        piece = data[start : start + size]
        buffer[: len(piece)] = piece
        yield buffer[: len(piece)]


@pytest.mark.parametrize("size", [1, 5, 700, 1 << 20])
@pytest.mark.parametrize("kind", PACK)
def test_a_layer_is_read_in_chunks_of_any_size(kind: str, size: int) -> None:
    reader = open_packed_tar(in_one_buffer(PACK[kind](pack({"a": b"first" * 300, "b": b"second"})), size), "it")
    assert {member.name: b"".join(reader.content()) for member in reader} == {"a": b"first" * 300, "b": b"second"}
    assert not b"".join(reader.end()).strip(b"\0")


@pytest.mark.parametrize(
    "data", [b"", b"\x1f\x8b", pack({"a": b"1"})[:700], gzip.compress(pack({"a": b"1"}))[:-9]], ids=["empty", "two bytes", "cut", "cut gzip"]
)
def test_a_layer_that_is_not_whole_is_an_error(data: bytes) -> None:
    reader = open_packed_tar([data], "the layer")
    with pytest.raises(CorruptArchive, match="the layer"):
        list(itertools.chain(reader, reader.end()))


def test_the_files_of_an_image_are_read_while_its_layers_are_applied() -> None:
    seen: dict[Origin, bytes] = {}

    def watch(number: int, reader: TarReader) -> Iterator[TarMember]:
        for position, member in enumerate(reader):
            seen[number, position] = b"".join(reader.content())
            yield member

    layers = [gzip.compress(pack({"kept": b"kept", "replaced": b"old", "removed": b"old"})), pack({"replaced": b"new", ".wh.removed": b""})]
    tree = ImageTree(remember=True)
    for number, data in enumerate(layers):
        tree.apply_layer(watch(number, open_packed_tar(in_one_buffer(data, 100), "a layer")), "a layer")

    files: dict[Parts, bytes] = {}
    for parts, node in select_entries(tree, [()], "the image").items():
        assert isinstance(node, FileNode)
        assert node.origin is not None
        files[parts] = seen[node.origin]
    assert files == {("kept",): b"kept", ("replaced",): b"new"}
