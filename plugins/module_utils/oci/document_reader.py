# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the documents of images, with limits on their number, bytes and JSON values. No image can use more than seconds of CPU time."""

from __future__ import annotations

import typing as t

from ..errors import UnsupportedFormat
from ..limits import MAX_ARCHIVE_READS, MAX_IMAGE_BYTES, MAX_IMAGE_READS, MAX_IMAGE_VALUES, MAX_NESTED_PLATFORMS, MAX_TOGETHER, MAX_VALUES
from .digest import Digest
from .document import count_values
from .manifest import Descriptor, Index, read_manifest
from .platform import Platform

# Return the bytes of a document, None if it is absent.
Read = t.Callable[[Descriptor], t.Optional[bytes]]
# An ordered set of platforms. None stands for an entry without a platform.
Platforms = t.Mapping[t.Optional[Platform], None]


class Budget:
    """The documents, bytes and JSON values that may still be read. WHAT names their place in messages."""

    def __init__(self, what: str, reads: int, size: int, values: int) -> None:
        self._what = what
        self._limits = ((reads, "documents"), (size, "bytes of manifests and configs"), (values, "JSON values in its documents"))
        self._left = [reads, size, values]

    def spend(self, data: bytes | None) -> None:
        """Subtract one document with these bytes. Raises UnsupportedFormat beyond a limit."""
        for kind, spent in enumerate((1, len(data or b""), count_values(data) if data else 0)):
            self._left[kind] -= spent
            if self._left[kind] < 0:
                limit, noun = self._limits[kind]
                raise UnsupportedFormat(f"{self._what} has more than {limit} {noun}")


class DocumentReader:
    """Reads the documents of one image with READ, each once, however often indexes list it.

    An index may list one child a thousand times, and that child may do the same: without this cache, three such levels would need a thousand million
    reads. Calls raise UnsupportedFormat beyond the limits of one image, and all that READ raises.
    """

    def __init__(self, read: Read, what: str) -> None:
        self.what = what
        self._read = read
        self._budget = Budget(what, MAX_IMAGE_READS, MAX_IMAGE_BYTES, MAX_IMAGE_VALUES)
        self._documents: dict[tuple[Digest, int, str], bytes | None] = {}
        self._platforms: dict[tuple[Digest, int], Platforms] = {}

    def __call__(self, descriptor: Descriptor) -> bytes | None:
        """Return the bytes of a document, None if it is absent. The cache key has size and type too, since a place may use them to find the document."""
        key = (descriptor.digest, descriptor.size, descriptor.media_type)
        if key not in self._documents:
            data = self._read(descriptor)
            self._budget.spend(data)
            self._documents[key] = data
        return self._documents[key]

    def list_platforms(self, index: Descriptor, levels: int) -> Platforms:
        """Return the platforms of an index within an index, reading at most LEVELS levels. None stands for an entry without a platform."""
        key = (index.digest, levels)
        if key not in self._platforms:
            self._platforms[key] = self._read_platforms(index, levels)
        return self._platforms[key]

    def _read_platforms(self, index: Descriptor, levels: int) -> Platforms:
        data = self(index) if levels > 0 else None
        parsed = read_manifest(data, index.media_type, f"{self.what}, {index.digest}") if data is not None else None
        if not isinstance(parsed, Index):
            return {None: None}
        platforms: dict[Platform | None, None] = {}
        for entry in {entry.digest: entry for entry in reversed(parsed.manifests) if entry.platform is None and entry.is_index}.values():
            platforms.update(self.list_platforms(entry, levels - 1))
        platforms.update(
            (entry.platform, None) for entry in parsed.manifests if entry.is_document and (entry.platform is not None or not entry.is_index)
        )
        if len(platforms) > MAX_NESTED_PLATFORMS:
            raise UnsupportedFormat(
                f"{self.what}, {index.digest} lists more than the {MAX_NESTED_PLATFORMS} platforms that are allowed in an index within an index"
            )
        return platforms


def document_reader(read: Read, what: str) -> DocumentReader:
    """Return a DocumentReader that uses READ, or READ itself if it already is one."""
    return read if isinstance(read, DocumentReader) else DocumentReader(read, what)


def bound_reads(read: Read, what: str, size: int = MAX_TOGETHER) -> Read:
    """Return a function that reads like READ, with a common limit for all images of a place. A document that is read again counts again.

    The function raises UnsupportedFormat beyond SIZE bytes, 20,000 documents or 4,000,000 JSON values.
    """
    budget = Budget(what, MAX_ARCHIVE_READS, size, MAX_VALUES)

    def read_and_count(descriptor: Descriptor) -> bytes | None:
        data = read(descriptor)
        budget.spend(data)
        return data

    return read_and_count
