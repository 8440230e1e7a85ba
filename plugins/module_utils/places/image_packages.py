# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the packages of an image from its layers, as streams: nothing is stored, and nothing of the image is run."""

from __future__ import annotations

import posixpath
import typing as t

from ..archive.image_tree import FileNode, ImageTree, Node, Origin
from ..archive.metadata import read_metadata
from ..archive.tar import FILE, TarMember
from ..contents.collector import ImagePackages, PackageCollector
from ..contents.package import TYPES
from ..oci.manifest import Descriptor
from ..transfer.interfaces import Source
from .layers import LayerStream, apply_layers


def read_packages(source: Source, layers: t.Sequence[Descriptor], label: str, types: t.Collection[str] = TYPES) -> ImagePackages:
    """Return the packages in the files of an image. SOURCE has its LAYERS, the lowest first. LABEL names the image in messages.

    A file that can't be read is a row of `unreadable`. Raises the errors of `apply_layers`, and UnsupportedFormat for too many packages.
    """
    reader = _Reader(PackageCollector([layer.digest for layer in layers], types, label))
    apply_layers(reader.tree, source, layers, label, reader.visit)
    return reader.collector.finish(list_origins(reader.tree))


class _Reader:
    """The tree of an image while its layers are read, and the packages that its files describe."""

    def __init__(self, collector: PackageCollector) -> None:
        self.tree = ImageTree(remember=True)
        self.collector = collector

    def visit(self, stream: LayerStream, numbers: t.Sequence[int]) -> t.Iterator[TarMember]:
        for position, member in enumerate(stream):
            if member.kind == FILE and member.size:
                collect_packages(self.collector, member, [(number, position) for number in numbers], stream.content())
            yield member


def collect_packages(collector: PackageCollector, member: TarMember, origins: t.Sequence[Origin], content: t.Iterator[bytes]) -> None:
    """Read the packages that a file of a layer describes. It is the member at ORIGINS. Raises the errors of `PackageCollector.add`."""
    path = posixpath.normpath("/" + member.name).lstrip("/")
    collector.add(origins, path, bool(read_metadata(member).mode & 0o111), member.size, content)


def list_origins(tree: ImageTree) -> t.Iterator[tuple[str, Origin]]:
    """Yield the path of each file that the image has, and the member that it comes from."""
    pending: list[tuple[str, Node]] = list(tree.root.children.items())
    while pending:
        path, node = pending.pop()
        if isinstance(node, FileNode):
            if node.origin is not None:
                yield path, node.origin
        elif not isinstance(node, tuple):
            pending += [(f"{path}/{name}", child) for name, child in node.children.items()]
