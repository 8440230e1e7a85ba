# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read what the images of a store mention, and record it, so that a run doesn't read thousands of documents again."""

from __future__ import annotations

import typing as t

from ..limits import MAX_RECORDED_IMAGES
from ..oci.digest import ALGORITHMS
from ..oci.graph import Graph
from ..oci.layout import BLOBS
from ..oci.manifest import Index, read_manifest, read_subject
from .records import Contents

if t.TYPE_CHECKING:
    from .index import Entry
    from .reader import StoreReader


class ContentsReader:
    """Returns the contents of many images of a store. The folders of blobs are listed once, so a reader is used for one moment."""

    def __init__(self, store: StoreReader) -> None:
        self._store = store
        self._record = store.contents
        self._folders = {algorithm: store.folders.find(BLOBS, algorithm) for algorithm in ALGORITHMS}
        self._stored: set[str] | None = None

    def read(self, entry: Entry) -> Contents | None:
        """Return the contents of an image; None if it can't be read, or if a document that it must have is missing or damaged."""
        key = f"{entry.digest_text} {entry.platforms_text}"
        recorded = self._record.get(key)
        if recorded is not None and self._is_unchanged(recorded):
            return recorded
        graph, missing = self._store.inspect_graph(entry)
        if graph is None or missing:
            return None
        contents = _describe(graph, self._mark)
        if contents != recorded:
            self._record.set(key, contents)
        return contents

    def _is_unchanged(self, contents: Contents) -> bool:
        """Return whether the store still has exactly the documents that it had."""
        if contents.absent and not self._list_stored().isdisjoint(contents.absent.split()):
            return False
        return " ".join(map(self._mark, contents.documents.split())) == contents.marks

    def _list_stored(self) -> set[str]:
        if self._stored is None:
            self._stored = {str(digest) for digest in self._store.stored()}
        return self._stored

    def _mark(self, digest: str) -> str:
        """Return the mark of the file of a digest now, empty if it is missing or can't be looked at."""
        algorithm, _colon, encoded = digest.partition(":")
        folder = self._folders.get(algorithm)
        try:
            status = folder.status(encoded) if folder is not None else None
        except OSError:
            status = None
        return f"{status.st_size},{status.st_mtime_ns},{status.st_ino}" if status is not None else ""


def _describe(graph: Graph, mark: t.Callable[[str], str]) -> Contents:
    """Return the contents of GRAPH. MARK returns the mark of a document."""
    documents = [str(digest) for digest in graph.document_digests]
    absent = [str(child.digest) for child in graph.absent]
    others = [str(blob.digest) for blob in graph.blobs]
    for descriptor, data in graph.documents.items():
        document = read_manifest(data, descriptor.media_type, str(descriptor.digest))
        if isinstance(document, Index):
            # Other tools may have stored entries of unknown types too.
            others += [str(child.digest) for child in document.manifests if not child.is_document]
    return Contents(" ".join(documents), " ".join(map(mark, documents)), " ".join(absent), " ".join(dict.fromkeys(others)))


def collect_needed_digests(store: StoreReader, entries: t.Iterable[Entry]) -> set[str]:
    """Return the digests, as texts, of all documents and blobs of these images, as far as their documents can be read."""
    needed: set[str] = set()
    reader = ContentsReader(store)
    for entry in entries:
        needed.add(entry.digest_text)
        contents = reader.read(entry)
        if contents is not None:
            needed.update(contents.mentioned)
            continue
        graph = store.read_graph(entry)
        if graph is not None:
            needed.update(str(descriptor.digest) for descriptor in graph.content)
    return needed


def record_subjects(store: StoreReader, limit: int) -> None:
    """Record the subjects of at most LIMIT images that this collection or another tool has stored since, unless the store has too many images."""
    record = store.subjects
    entries = {entry.digest_text: entry for entry in store.index.entries}
    if len(entries) > MAX_RECORDED_IMAGES:
        return
    for digest in record.find_unrecorded(entries)[:limit]:
        entry = entries[digest]
        data = store.read_document(entry.root)
        if data is not None:
            subject = read_subject(data, entry.label)
            record.set(digest, (str(subject) if subject is not None else "",))
