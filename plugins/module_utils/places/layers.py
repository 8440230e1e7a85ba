# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the layers of an image as streams, from any place and without a temporary file."""

from __future__ import annotations

import itertools
import typing as t

from ..archive.compression import decompress, detect_compression
from ..archive.tar import FILE, OTHER, StreamBytes, TarMember, TarReader
from ..oci.digest import Digest, Verifier
from ..oci.manifest import Descriptor
from ..transfer.interfaces import Chunks, OrderedSource, Source

if t.TYPE_CHECKING:
    from ..archive.image_tree import ImageTree

_MAGIC_SIZE = 6  # bytes that `detect_compression` needs


class LayerStream:
    """The members of one layer, which can be read once. After each member, `content` yields its content; content that nobody reads is skipped.

    Iterating to the end reads the whole blob. Raises DigestMismatch if it has other bytes than its digest says, and CorruptArchive for a damaged layer: only
    then is everything certain that was read before.
    """

    def __init__(self, layer: Descriptor, chunks: Chunks, label: str) -> None:
        self.layer = layer
        self.what = f"{label}, layer {layer.digest}"
        self._expanded = self._expand(self._verify(chunks))
        self._reader = TarReader(StreamBytes(self._expanded), self.what)

    def __iter__(self) -> t.Iterator[TarMember]:
        yield from self._reader
        for _rest in self._expanded:
            pass

    def content(self) -> t.Iterator[bytes]:
        return self._reader.content()

    def _verify(self, chunks: Chunks) -> t.Iterator[bytes]:
        verifier = Verifier(self.layer.digest, self.layer.size, self.what)
        for chunk in chunks:
            verifier.update(chunk)
            yield bytes(chunk)
        verifier.finish()

    def _expand(self, chunks: t.Iterator[bytes]) -> t.Iterator[bytes]:
        """Yield the bytes of the tar. The first bytes of the blob, and not its media type, say how it is compressed."""
        first = b""
        while len(first) < _MAGIC_SIZE and (piece := next(chunks, b"")):
            first += piece
        kind = detect_compression(first)
        stream = itertools.chain((first,), chunks)
        return stream if kind is None else decompress(stream, kind, self.what)


def read_layers(source: Source, layers: t.Sequence[Descriptor], label: str) -> t.Iterator[LayerStream]:
    """Yield each layer once. Read each to the end before the next one. LABEL names the image in messages.

    The order is that of LAYERS, unless the place can only be read from start to end: then it is that of the place, since another order would need a
    pass for each layer.
    """
    unique = list({layer.digest: layer for layer in layers}.values())
    if isinstance(source, OrderedSource):
        for layer, chunks in source.read_in_order(unique):
            yield LayerStream(layer, chunks, label)
        return
    for layer in unique:
        yield LayerStream(layer, source.read_blob(layer), label)


# Yields the members of a layer, which has these numbers in the image, and may read their content.
Visitor = t.Callable[[LayerStream, t.Sequence[int]], t.Iterator[TarMember]]


def apply_layers(tree: ImageTree, source: Source, layers: t.Sequence[Descriptor], label: str, visit: Visitor, first: int = 0) -> None:
    """Apply LAYERS to a tree, each read once. FIRST is the number of the lowest one in the image. LABEL names the image in messages.

    Raises CorruptArchive, DigestMismatch, UnsupportedFormat for layers that can't be applied, and the errors of the place.
    """
    numbers: dict[Digest, list[int]] = {}
    for number, layer in enumerate(layers, first):
        numbers.setdefault(layer.digest, []).append(number)
    if len(numbers) == len(layers) and not isinstance(source, OrderedSource):
        for stream in read_layers(source, layers, label):
            tree.apply_layer(map(_without_header, visit(stream, numbers[stream.layer.digest])), stream.what)
        return
    # They arrive in another order than they are applied in, or once for several times.
    members: dict[Digest, tuple[str, list[TarMember]]] = {}
    for stream in read_layers(source, layers, label):
        members[stream.layer.digest] = stream.what, list(map(_without_header, visit(stream, numbers[stream.layer.digest])))
    for layer in layers:
        what, found = members[layer.digest]
        tree.apply_layer(found, what)


def _without_header(member: TarMember) -> TarMember:
    """Return what the tree needs of a member. The header of a file is half a kilobyte."""
    return TarMember(member.name, member.kind, member.offset, member.size, member.target) if member.kind in (FILE, OTHER) else member
