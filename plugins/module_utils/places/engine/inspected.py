# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The images of an engine to describe. Values that the engine doesn't report are null."""

from __future__ import annotations

import functools
import typing as t

from ...engine.interfaces import ContentEngine, ManagedEngine
from ...errors import CorruptArchive, EngineError, UnsupportedFormat
from ...oci import media_types
from ...oci.config import ImageConfig
from ...oci.digest import Digest
from ...oci.document import encode_canonical
from ...oci.graph import Graph, ImageNode, read_graph
from ...oci.manifest import Descriptor, Manifest
from ...oci.platform import Platform
from ...oci.reference import Reference
from ..inspected_image import Facts, InspectedImage
from .images import NamedEngineImage
from .reader import EngineReader


class _UnsignedImage(InspectedImage):
    """An image of an engine, which holds no signatures: a policy that asks for some refuses it without reading it."""

    @property
    def trusted_graph(self) -> Graph | None:
        return Graph(self.root, {}, (), ()) if self.graph is not None else None


class _DescribedImage(_UnsignedImage):
    """An image that its engine only describes: it has a config, but no manifest with the digests and sizes of its layers."""

    def __init__(self, entry: NamedEngineImage, describe: t.Callable[[], bytes | None], read_ids: t.Callable[[], t.Collection[Digest]]) -> None:
        self.entry = entry
        self._read_ids = read_ids
        self._describe = functools.lru_cache(maxsize=1)(describe)
        root = Descriptor(media_types.OCI_MANIFEST, entry.kept_digest or entry.digest, 0)
        super().__init__(entry.name, root, self._make_graph, lambda unused_descriptor: self._describe())

    @property
    def known_digests(self) -> t.Collection[Digest]:
        return self.entry.digests

    @property
    def image_ids(self) -> set[Digest]:
        """Return the image's IDs, none if they can't be read."""
        try:
            return set(self._read_ids())
        except (CorruptArchive, EngineError):
            return set()

    def _make_graph(self) -> Graph | None:
        """Return a graph with a manifest whose layers are the uncompressed ones; None if the image is gone."""
        data = self._describe()
        if data is None:
            return None
        config = ImageConfig.read(data, self.label)
        layers = tuple(Descriptor(media_types.OCI_LAYER, diff_id, 0) for diff_id in config.diff_ids)
        manifest = Manifest(media_types.OCI_MANIFEST, Descriptor(media_types.OCI_CONFIG, self.entry.image.image_id or self.entry.digest, 0), layers)
        return Graph(self.root, {self.root: manifest.to_bytes()}, (ImageNode(self.root, manifest, config.platform),), ())

    @property
    def _kept_digest(self) -> str | None:
        return str(self.entry.kept_digest) if self.entry.kept_digest is not None else None

    def raw(self, unused_image: ImageNode | None) -> None:
        """Return None: the engine doesn't give its documents."""

    def correct_history(self, history: Facts) -> Facts:
        steps = [{**step, "digest": None, "size": 0 if step["empty_layer"] else None} for step in history["history"]]
        return {**history, "digest": self._kept_digest, "history": steps}

    def correct_row(self, row: Facts, names: t.Sequence[Reference]) -> Facts:
        own, kept = self.entry.facts, self._kept_digest
        return {
            **row,
            "digest": own["digest"],
            "image_id": own["image_id"],
            "media_type": None,
            "size": own["size"],
            "repo_digests": sorted({f"{name.context}@{kept}" for name in names}) if kept is not None else [],
            "layers": [{**layer, "digest": None, "size": None, "media_type": None} for layer in row["layers"]],
            "manifests": [],
            "content": [],
        }


def images_in_engine(engine: ManagedEngine, host: Platform) -> tuple[list[InspectedImage], str]:
    """Return the images of an engine, and its name in messages. Raises EngineError if the engine can't be reached."""
    reader = EngineReader(engine, host)
    inspect = functools.partial(_inspect_content, reader) if isinstance(engine, ContentEngine) else functools.partial(_inspect_description, reader)
    return [inspect(entry) for entry in reader.images.entries], reader.images.place


def _inspect_description(reader: EngineReader, entry: NamedEngineImage) -> InspectedImage:
    def describe() -> bytes | None:
        description = reader.engine.describe(entry.image)
        return encode_canonical(description.config.members) if description is not None else None

    return _DescribedImage(entry, describe, functools.partial(reader.image_ids, entry))


def _inspect_content(reader: EngineReader, entry: NamedEngineImage) -> InspectedImage:
    """Return an image of an engine that can return every blob. If its root is missing or is no image, return only its digest."""
    image = reader.open(entry)
    try:
        root = image.root()
    except (EngineError, UnsupportedFormat):
        return _UnsignedImage(entry.name, Descriptor("", entry.digest, 0), lambda: None, lambda unused_descriptor: None)
    return _UnsignedImage(entry.name, root, functools.partial(read_graph, root, entry.label, image.read_document), image.read_document)
