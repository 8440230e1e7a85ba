# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An archive as a catalog of images. It is only read, so it has nothing for names and removals."""

from __future__ import annotations

import dataclasses
import typing as t

from ...archive.graphs import check_layers
from ...errors import ImageNotFound
from ...oci.digest import Digest
from ...oci.document_reader import Read, bound_reads
from ...oci.graph import Graph, read_graph
from ...oci.manifest import Descriptor
from ...oci.matching import find_matching
from ...oci.reference import Reference

if t.TYPE_CHECKING:
    from ...archive.reader import Archive, ArchivedImage
    from ...oci.referrers import LayoutReferrers


@dataclasses.dataclass(frozen=True)
class NamedArchiveImage:
    """An image of an archive under one of its names, or without a name."""

    root: Descriptor
    name: Reference | None

    @property
    def digest(self) -> Digest:
        return self.root.digest

    @property
    def label(self) -> str:
        return str(self.name or self.digest)


class ArchiveCatalog:
    """The images of an archive in one task."""

    def __init__(self, archive: Archive, read: Read | None = None) -> None:
        """READ returns documents that may also be outside the archive, as the base of a delta is."""
        self._archive = archive
        self._read = read or bound_reads(archive.read_document, archive.path)
        self._layers = 0
        self._graphs: dict[Digest, Graph | None] = {}
        self._listed: dict[NamedArchiveImage, list[ArchivedImage]] = {}
        for image in archive.images:
            root = archive.saved_root(image)
            for name in image.names or (None,):
                self._listed.setdefault(NamedArchiveImage(root, name), []).append(image)

    @property
    def place(self) -> str:
        return self._archive.path

    @property
    def entries(self) -> t.Sequence[NamedArchiveImage]:
        """Every image once for each of its names, in the order of the archive."""
        return list(self._listed)

    def tags_of(self, entry: NamedArchiveImage) -> t.Sequence[str]:
        """Return the texts without a repository that another tool wrote as names of ENTRY."""
        return [tag for image in self._listed[entry] for tag in image.tags]

    def without_referrers(self, place: LayoutReferrers | None = None) -> list[NamedArchiveImage]:
        """Return the images without those that are referrers of others. PLACE are the referrers of the archive, if they were read already."""
        if place is None:
            from ...archive.referrers import referrers_in_archive

            place = referrers_in_archive(self._archive)
        if not place.subjects:
            return list(self._listed)
        from ...oci.referrers import find_owners

        graphs = {entry.digest: self._read_graph(entry) for entry in self._listed}
        owned = find_owners(place.subjects, {digest: graph.document_digests if graph is not None else [] for digest, graph in graphs.items()})
        return [entry for entry in self._listed if (entry.digest, entry.name) not in owned]

    def get_named(self, name: Reference) -> NamedArchiveImage | None:
        return next((entry for entry in self._listed if entry.name == name), None)

    def select(self, selector: Reference | Digest) -> list[NamedArchiveImage]:
        """Return the images that SELECTOR (a name, `repository@digest`, a digest or an ID) means, one for each of their names.

        An image that was saved from an index also has the digest of the manifest that the archive lists for it. Raises CorruptArchive if a document is damaged,
        UnsupportedFormat if there are too many.
        """
        return find_matching(self.entries, selector, self._image_ids, self._digests)

    def get(self, selector: Reference | Digest) -> NamedArchiveImage:
        """Return the first image that SELECTOR means. Raises ImageNotFound."""
        return self.require(selector)[0]

    def require(self, selector: Reference | Digest) -> list[NamedArchiveImage]:
        """Return what `select` returns. Raises ImageNotFound if it is nothing."""
        found = self.select(selector)
        if not found:
            labels = ", ".join(sorted(entry.label for entry in self._listed)[:20])
            raise ImageNotFound(f"{selector} is not in {self.place}; it holds {labels or 'no image'}")
        return found

    def _digests(self, entry: NamedArchiveImage) -> set[Digest]:
        return {entry.digest, *(image.root.digest for image in self._listed[entry])}

    def _image_ids(self, entry: NamedArchiveImage) -> set[Digest]:
        graph = self._read_graph(entry)
        return {node.manifest.config.digest for node in graph.images} if graph is not None else set()

    def _read_graph(self, entry: NamedArchiveImage) -> Graph | None:
        if entry.digest not in self._graphs:
            graph = self._graphs[entry.digest] = read_graph(entry.root, f"{self.place}: {entry.digest}", self._read)
            self._layers += sum(len(image.manifest.layers) for image in graph.images) if graph is not None else 0
            check_layers(self._layers, self.place)
        return self._graphs[entry.digest]
