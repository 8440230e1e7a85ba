# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading the documents of images within bounds on their number, their bytes and their JSON values, so that no image costs more than seconds of CPU."""

from __future__ import annotations

import typing as t

from ..errors import UnsupportedFormat
from ..limits import MAX_ARCHIVE_READS, MAX_IMAGE_READS, MAX_NESTED_PLATFORMS, MAX_TOGETHER, MAX_VALUES
from .digest import Digest
from .document import count_values
from .manifest import Descriptor, Index, read_manifest
from .platform import Platform

Read = t.Callable[[Descriptor], t.Optional[bytes]]
Offers = t.Mapping[t.Optional[Platform], None]


class Budget:
    """What may still be read of WHAT. `spend` raises UnsupportedFormat when it is used up."""

    def __init__(self, what: str, reads: int, size: int = MAX_TOGETHER, values: int = MAX_VALUES) -> None:
        self._what = what
        self._most = ((reads, "documents"), (size, "bytes of manifests and configs"), (values, "JSON values in its documents"))
        self._left = [reads, size, values]

    def spend(self, data: bytes | None) -> None:
        for kind, spent in enumerate((1, len(data or b""), count_values(data) if data else 0)):
            self._left[kind] -= spent
            if self._left[kind] < 0:
                most, noun = self._most[kind]
                raise UnsupportedFormat(f"{self._what} tells of more than {most} {noun}")


class DocumentReader:
    """Reads the documents of one image with READ, each once however often it is listed.

    An index may list one child a thousand times, and that child another one: without this, three such levels cost a thousand million reads.
    Raises UnsupportedFormat beyond the bounds of one image, and what READ raises.
    """

    def __init__(self, read: Read, what: str) -> None:
        self.what = what
        self._read = read
        self._budget = Budget(what, MAX_IMAGE_READS)
        self._documents: dict[tuple[Digest, int, str], bytes | None] = {}
        self._offers: dict[tuple[Digest, int], Offers] = {}

    def __call__(self, descriptor: Descriptor) -> bytes | None:
        """Return the bytes of a document, None where it is absent. A place may find it by its size or its type too: another one is another question."""
        key = (descriptor.digest, descriptor.size, descriptor.media_type)
        if key not in self._documents:
            data = self._read(descriptor)
            self._budget.spend(data)
            self._documents[key] = data
        return self._documents[key]

    def offers(self, index: Descriptor, levels: int) -> Offers:
        """Return the platforms that an index within an index serves, looking LEVELS levels deep; None is among them for an entry that doesn't say."""
        key = (index.digest, levels)
        if key not in self._offers:
            self._offers[key] = self._read_offers(index, levels)
        return self._offers[key]

    def _read_offers(self, index: Descriptor, levels: int) -> Offers:
        data = self(index) if levels > 0 else None
        parsed = read_manifest(data, index.media_type, f"{self.what}, {index.digest}") if data is not None else None
        if not isinstance(parsed, Index):
            return {None: None}
        offers: dict[Platform | None, None] = {}
        for entry in {entry.digest: entry for entry in reversed(parsed.manifests) if entry.platform is None and entry.is_index}.values():
            offers.update(self.offers(entry, levels - 1))
        offers.update(
            (entry.platform, None) for entry in parsed.manifests if entry.is_document and (entry.platform is not None or not entry.is_index)
        )
        if len(offers) > MAX_NESTED_PLATFORMS:
            raise UnsupportedFormat(
                f"{self.what}, {index.digest} lists more than the {MAX_NESTED_PLATFORMS} platforms that are allowed in an index within an index"
            )
        return offers


def document_reader(read: Read, what: str) -> DocumentReader:
    """Return READ as the reader of one image, READ itself where it is one."""
    return read if isinstance(read, DocumentReader) else DocumentReader(read, what)


def bound_reads(read: Read, what: str, size: int = MAX_TOGETHER) -> Read:
    """Return READ for all images of a place together, which may list one document over and over: each reading counts.

    It raises UnsupportedFormat when SIZE bytes, 20,000 documents or 4,000,000 JSON values were read.
    """
    budget = Budget(what, MAX_ARCHIVE_READS, size)

    def read_within(descriptor: Descriptor) -> bytes | None:
        data = read(descriptor)
        budget.spend(data)
        return data

    return read_within
