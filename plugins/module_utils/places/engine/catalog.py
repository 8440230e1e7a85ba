# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An engine as a catalog of images."""

from __future__ import annotations

import contextlib
import threading
import typing as t

from ...engine.interfaces import ContentEngine, ExportingEngine, ListedImage, ManagedEngine
from ...errors import CorruptArchive, EngineError, ImageNotFound, LongshoreError, UnsupportedFormat
from ...oci.digest import Digest
from ...oci.graph import read_graph
from ...oci.matching import Digests, find_matching
from ...oci.platform import Platform
from ...oci.reference import Reference
from ...transfer.plan import ImagePlan, Plan, RefState, Results
from .images import EngineImages, NamedEngineImage, describe_local_name
from .source import ContentImage, EngineContent, EngineExport, EngineImageSource, ExportedImage

if t.TYPE_CHECKING:
    from ...oci.removal_matching import RemovalSelector
    from ..filters import Filters
    from ..protection import Protection
    from ..retention import RetentionCandidate, RetentionPolicy


class EngineCatalog:
    """The images of an engine in one task."""

    store = None

    def __init__(self, engine: ManagedEngine, host: Platform, listed: t.Sequence[ListedImage] | None = None) -> None:
        """Without LISTED, the images of the engine, they are listed with their details when they are needed first."""
        self.engine = engine
        self.images = EngineImages(engine, host, listed)
        self._ids: dict[Digest, frozenset[Digest]] = {}
        self._export = EngineExport(engine, self.images.place) if isinstance(engine, ExportingEngine) else None
        self._content = EngineContent(engine, self.images.place) if isinstance(engine, ContentEngine) else None
        self._lock = threading.Lock()

    @property
    def place(self) -> str:
        return self.images.place

    @property
    def entries(self) -> t.Sequence[NamedEngineImage]:
        return self.images.entries

    @property
    def common_facts(self) -> Results:
        return {"engine": self.engine.title}

    def locate(self, text: str, preposition: str) -> str:
        return f"{text} {preposition} {self.engine.title}"

    def get_named(self, name: Reference) -> NamedEngineImage | None:
        return self.images.get_named(name)

    def state(self, image: NamedEngineImage) -> RefState:
        return image.state

    def facts(self, image: NamedEngineImage, name: Reference | None) -> Results:
        return {**image.facts, "name": str(name) if name is not None else None}

    def get_complete(self, selector: Reference | Digest) -> NamedEngineImage:
        return self.get(selector)

    def plan_names(
        self, source: NamedEngineImage, moved: t.Mapping[Reference, NamedEngineImage | None], rows: t.Sequence[ImagePlan], *, keep: bool
    ) -> Plan:
        """Plan the names as one step. If one can't be set, those that were already set are restored."""
        from .leftovers import remove_leftovers
        from .naming import TagInEngine

        plan = Plan(rows, steps=[TagInEngine(self.engine, source, moved)] if moved else [], all_or_nothing=True)
        return remove_leftovers(plan, self.engine, self.images.names)

    def plan_removal(self, chosen: t.Sequence[NamedEngineImage | ImagePlan], *, prune: bool, force: bool) -> Plan:
        """Plan a removal. Engines delete content by themselves, so PRUNE has no effect."""
        from .removal import plan_removal

        return plan_removal(self, self.images, chosen, force=force)

    def list_candidates(self, policy: RetentionPolicy, filters: Filters, protection: Protection) -> list[RetentionCandidate]:
        from .candidates import list_candidates

        return list_candidates(self.images, self.image_ids, policy, filters, protection)

    def plan_pruning(self, leaving: t.Sequence[NamedEngineImage], unused_policy: RetentionPolicy) -> Plan:
        from .removal import plan_pruning

        return plan_pruning(self, self.images, leaving)

    def select(self, selector: Reference | Digest) -> list[NamedEngineImage]:
        """Return the images that SELECTOR (a name, `repository@digest`, a digest or an ID) means, one for each of their names.

        Raises EngineError if an image that can't be read may have this ID.
        """
        with self._reading_ids(selector) as image_ids:
            return find_matching(self.images.entries, selector, image_ids, _digests_of)

    def select_for_removal(self, selector: RemovalSelector, *, force: bool) -> list[NamedEngineImage]:
        """Return the images that SELECTOR, which may also be a glob, selects for removal. Raises as `select`, and InUse for several names, unless FORCE."""
        from ...oci.removal_matching import select_for_removal

        with self._reading_ids(selector) as image_ids:
            return select_for_removal(self.images.entries, selector, image_ids, _digests_of, force=force)

    def get(self, selector: Reference | Digest) -> NamedEngineImage:
        """Return the image that SELECTOR means. Raises ImageNotFound, and EngineError as `select`."""
        found = self.select(selector)
        if not found:
            raise ImageNotFound(f"{selector} is not in {self.images.place}{describe_local_name(selector, self.images.names)}")
        return found[0]

    def find(self, selector: Reference | Digest) -> EngineImageSource:
        """Return an image as a source. Raises ImageNotFound, and EngineError if the engine can't be read. Several threads may call this."""
        with self._lock:
            return self.open(self.get(selector))

    def image_ids(self, entry: NamedEngineImage) -> t.Collection[Digest]:
        """Return the image IDs of all platforms of an image. They are read from its content if the engine doesn't report them.

        Raises EngineError or CorruptArchive if the content can't be read.
        """
        if entry.image.image_id is not None:
            return (entry.image.image_id,)
        if entry.digest not in self._ids:
            image = self.open(entry)
            try:
                graph = read_graph(image.root(), entry.label, image.read_document)
            except UnsupportedFormat:
                graph = None  # it is no image
            self._ids[entry.digest] = frozenset(node.manifest.config.digest for node in graph.images) if graph is not None else frozenset()
        return self._ids[entry.digest]

    @contextlib.contextmanager
    def _reading_ids(self, selector: object) -> t.Iterator[Digests[NamedEngineImage]]:
        """Yield a function that returns the IDs of an image. Raise EngineError afterwards if SELECTOR isn't among them and an image can't be read."""
        unread: list[LongshoreError] = []
        is_found = False

        def read_ids(entry: NamedEngineImage) -> t.Collection[Digest]:
            nonlocal is_found
            try:
                ids = self.image_ids(entry)
            except (EngineError, CorruptArchive) as error:
                unread.append(error)
                return ()
            is_found = is_found or selector in ids
            return ids

        yield read_ids
        if unread and not is_found:
            raise EngineError(f"it is unknown whether {selector} is in {self.images.place}, because an image can't be read: {unread[0].message}")

    def open(self, entry: NamedEngineImage) -> EngineImageSource:
        if self._content is not None:
            return ContentImage(entry, self._content)
        if self._export is None:
            raise EngineError(f"images of {self.images.place} can't be read")
        self._export.add(entry)
        return ExportedImage(entry, self._export)


def _digests_of(entry: NamedEngineImage) -> t.Collection[Digest]:
    return entry.digests
