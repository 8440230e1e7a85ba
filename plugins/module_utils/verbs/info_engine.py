# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Information on the images of an engine. Values that the engine doesn't report are null."""

from __future__ import annotations

import functools
import typing as t

from ..engine.interfaces import ContentEngine, ManagedEngine
from ..errors import EngineError, UnsupportedFormat
from ..oci import media_types
from ..oci.config import ImageConfig
from ..oci.digest import Digest
from ..oci.document import encode_canonical
from ..oci.graph import Graph, ImageNode, read_graph
from ..oci.manifest import Descriptor, Manifest
from ..oci.platform import Platform, Selection
from ..oci.reference import Reference
from ..places.engine.catalog import NamedEngineImage
from ..places.engine.source import EngineReader
from ..places.verification import Verification, describe_trust
from .info import Facts, InspectedImage, Inspector

if t.TYPE_CHECKING:
    from ..trust.policy import Policy


class DescribedImage(InspectedImage):
    """An image that its engine only describes: it has a config, but no manifest with the digests and sizes of its layers."""

    def __init__(self, entry: NamedEngineImage, describe: t.Callable[[], bytes | None]) -> None:
        self.entry = entry
        self._describe = functools.lru_cache(maxsize=1)(describe)
        root = Descriptor(media_types.OCI_MANIFEST, entry.kept_digest or entry.digest, 0)
        super().__init__(entry.name, root, self._make_graph, lambda unused_descriptor: self._describe())

    @property
    def image_ids(self) -> set[Digest]:
        return set(self.entry.digests)

    def _make_graph(self) -> Graph | None:
        """Return a graph with a manifest whose layers are the uncompressed ones; None if the image is gone."""
        data = self._describe()
        if data is None:
            return None
        config = ImageConfig.read(data, self.label)
        layers = tuple(Descriptor(media_types.OCI_LAYER, diff_id, 0) for diff_id in config.diff_ids)
        manifest = Manifest(media_types.OCI_MANIFEST, Descriptor(media_types.OCI_CONFIG, self.entry.image.image_id or self.entry.digest, 0), layers)
        return Graph(self.root, {self.root: manifest.to_bytes()}, (ImageNode(self.root, manifest, config.platform),), ())


class EngineInspector(Inspector):
    """Returns facts about the images of an engine."""

    def history(self, selector: Reference | Digest) -> Facts:
        found = super().history(selector)
        inspected = self._filter.resolve(selector)
        if not isinstance(inspected, DescribedImage):
            return found
        steps = [{**step, "digest": None, "size": 0 if step["empty_layer"] else None} for step in found["history"]]
        kept = inspected.entry.kept_digest
        return {**found, "digest": str(kept) if kept is not None else None, "history": steps}

    def _facts(self, inspected: InspectedImage) -> Facts:
        facts = super()._facts(inspected)
        if not isinstance(inspected, DescribedImage):
            return facts
        own = inspected.entry.facts
        names = self._names[inspected.digest]
        kept = inspected.entry.kept_digest
        facts.update(
            digest=own["digest"],
            image_id=own["image_id"],
            media_type=None,
            size=own["size"],
            repo_digests=sorted({f"{name.context}@{kept}" for name in names}) if kept is not None else [],
            layers=[{**layer, "digest": None, "size": None, "media_type": None} for layer in facts["layers"]],
            manifests=[],
            content=[],
        )
        return facts


def make_engine_inspector(engine: ManagedEngine, host: Platform, selection: Selection | None, trust: Policy | None = None) -> EngineInspector:
    """Return an inspector of the images in an engine. TRUST gives its verdict about each. Raises EngineError if the engine can't be reached."""

    def verify(inspected: InspectedImage) -> Verification:
        # Engines hold no signatures, so there is no place to search.
        graph = Graph(inspected.root, {}, (), ()) if inspected.graph is not None else None
        return describe_trust(trust, inspected.name, graph, [])

    reader = EngineReader(engine, host)
    inspect = functools.partial(_inspect_content, reader) if isinstance(engine, ContentEngine) else functools.partial(_inspect_description, engine)
    return EngineInspector([inspect(entry) for entry in reader.images.entries], reader.images.place, host, selection, verify)


def _inspect_description(engine: ManagedEngine, entry: NamedEngineImage) -> InspectedImage:
    def describe() -> bytes | None:
        description = engine.describe(entry.image)
        return encode_canonical(description.config.members) if description is not None else None

    return DescribedImage(entry, describe)


def _inspect_content(reader: EngineReader, entry: NamedEngineImage) -> InspectedImage:
    """Return an image of an engine that can return every blob. If its root is missing or is no image, return only its digest."""
    image = reader.open(entry)
    try:
        root = image.root()
    except (EngineError, UnsupportedFormat):
        return InspectedImage(entry.name, Descriptor("", entry.digest, 0), lambda: None, lambda unused_descriptor: None)
    return InspectedImage(entry.name, root, functools.partial(read_graph, root, entry.label, image.read_document), image.read_document)
