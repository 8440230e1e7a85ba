# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Extract files of an image: fetch the layers that are needed through the executor, and write what they hold."""

from __future__ import annotations

import dataclasses
import typing as t

from ...archive.selected_files import PathSearch
from ...errors import LongshoreError
from ...oci.digest import Digest
from ...oci.graph import Graph, NamedGraph
from ...oci.manifest import Descriptor
from ...oci.reference import Reference
from ...transfer.interfaces import Content, OrderedSource, PartialBlob, Source
from ...transfer.plan import ImagePlan, Outcome, Step
from ...transfer.transfer import Transfer
from ...transfer.workers import Workers
from .extracted_tree import Extracted, Extraction, TreeStaging
from .sink import FilesSink


@dataclasses.dataclass(frozen=True)
class ExtractionOutcome(Outcome):
    """The outcome with the files that were written; None if the extraction failed."""

    extracted: t.Optional[Extracted] = None  # noqa: UP045 - the annotations of dataclasses are evaluated on Python 3.9


@dataclasses.dataclass(frozen=True)
class ExtractFiles(Step):
    """Extract files of the image GRAPH. Its layers are fetched into the staging folder, verified, and deleted at the end.

    If all paths are literal, the layers are fetched one by one from the top until no lower one can change the files.
    """

    source: Source
    graph: Graph
    names: tuple[Reference, ...]
    label: str
    extraction: Extraction
    row: ImagePlan

    @property
    def layers(self) -> tuple[Descriptor, ...]:
        return self.graph.images[0].manifest.layers

    def sinks(self) -> t.Sequence[FilesSink]:
        return (FilesSink(self.extraction.folder, (), lambda _path: 0o600),)

    def blobs(self) -> tuple[t.Sequence[Descriptor], t.Sequence[Descriptor]]:
        return self.layers, ()

    def expected(self) -> t.Sequence[Descriptor]:
        return ()  # the executor adds the layers that are needed

    def rows(self) -> t.Sequence[ImagePlan]:
        return (self.row,)

    def apply(self, workers: Workers) -> Outcome:
        try:
            with TreeStaging(self.extraction) as staging:
                layers = self._fetch_needed(staging, workers)
                return ExtractionOutcome(moved=layers, extracted=staging.extract(layers, str(self.graph.root.digest), self.label))
        except LongshoreError as error:
            return ExtractionOutcome({self.row: error})

    def _fetch_needed(self, staging: TreeStaging, workers: Workers) -> t.Sequence[Descriptor]:
        """Fetch the layers that decide about the selection, and return them, the lowest first."""
        layers = self.layers
        if self.extraction.is_lazy and not isinstance(self.source, OrderedSource):
            search = PathSearch(self.extraction.patterns)
            for number in range(len(layers) - 1, 0, -1):
                self._fetch(layers[number : number + 1], staging, workers)
                staging.search(search, layers[number], self.label)
                if search.is_uncertain:
                    break
                if search.is_done:
                    return layers[number:]
        self._fetch(layers, staging, workers)
        return layers

    def _fetch(self, layers: t.Sequence[Descriptor], staging: TreeStaging, workers: Workers) -> None:
        from ...transfer.executor import execute

        transfer = Transfer(
            self.source, _LentStaging(staging, self.extraction.folder), self.graph, self.names, None, staging.find_unstaged(layers), ()
        )
        for error in execute([transfer], workers).values():
            raise error


class _LentStaging:
    """An open staging folder as the sink of several transfers, and as the writer of each. Layers get no name in it."""

    publishes_together = True

    def __init__(self, staging: TreeStaging, path: str) -> None:
        self._staging = staging
        self.path = path  # for messages about a full disk

    def open_writer(self, unused_needed: t.Iterable[Digest]) -> _LentStaging:
        return self

    def __enter__(self) -> _LentStaging:
        return self

    def __exit__(self, *unused: object) -> None:
        """Leave the folder open for the extraction."""

    def find_missing_blobs(self, graph: Graph, planned: t.Sequence[Descriptor]) -> t.Sequence[Descriptor]:
        return self._staging.find_missing_blobs(graph, planned)

    def put_blob(self, descriptor: Descriptor, content: Content) -> None:
        self._staging.put_blob(descriptor, content)

    def put_blob_resumably(self, descriptor: Descriptor, fill: t.Callable[[PartialBlob], None], content: Content) -> None:
        self._staging.put_blob_resumably(descriptor, fill, content)

    def discard(self) -> None:
        """Do nothing: staged layers stay for the next run."""

    def publish_images(self, unused_images: t.Sequence[NamedGraph]) -> None:
        """Do nothing: the files are published when all layers that are needed are here."""
