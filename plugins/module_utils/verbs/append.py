# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan a new image on top of a base image, or from scratch."""

from __future__ import annotations

import dataclasses
import typing as t

from ..archive.layer import Layer, LayerSource, measure_layer
from ..errors import CorruptArchive, DigestMismatch, ImageNotFound, InvalidOption, LongshoreError, PlatformMissing, StoreDamaged
from ..oci.compose import Base, NewLayer, Settings, compose_image, parse_created
from ..oci.config import ImageConfig
from ..oci.digest import Digest
from ..oci.graph import Graph, ImageNode, choose_platforms, read_graph
from ..oci.manifest import Descriptor
from ..oci.platform import Platform, Selection
from ..oci.reference import Reference
from ..oci.text import sanitise
from ..transfer.interfaces import Chunks
from ..transfer.plan import ImagePlan, RefChange, RefState, TransferPlan
from ..transfer.transfer import Transfer
from ..transfer.workers import Workers
from .facts import describe_transfer, image_facts, ref_state, short_digest

if t.TYPE_CHECKING:
    from ..store.index import Entry
    from ..store.store import Store

SCRATCH = "scratch"


@dataclasses.dataclass(frozen=True)
class ComposedImage:
    """A source of one image that doesn't exist yet. Its new layers and config are made when they are read; other blobs come from the store."""

    store: Store
    layers: t.Mapping[Digest, Layer]
    documents: t.Mapping[Digest, bytes]

    def read_blob(self, descriptor: Descriptor) -> Chunks:
        layer = self.layers.get(descriptor.digest)
        if layer is not None:
            return layer.open()
        data = self.documents.get(descriptor.digest)
        return (data,) if data is not None else self.store.read_blob(descriptor)


@dataclasses.dataclass(frozen=True)
class NewImage:
    """The description of a new image. `base` is None for scratch, `platform` None if the user gave none."""

    name: Reference
    base: Reference | Digest | None
    layers: t.Sequence[LayerSource]
    settings: Settings
    platform: Platform | None
    created: str | None


def plan_append(store: Store, wanted: NewImage, host: Platform, workers: Workers) -> TransferPlan:
    """Plan to make the image WANTED. Its layers are read here to compute their digests, and a second time only if they must be stored.

    Raises ImageNotFound, StoreDamaged or PlatformMissing for the base, InvalidOption if it can't be a base.
    """
    base = _read_base(store, wanted, host)
    created, seconds = parse_created(wanted.created, base.config if base is not None else None)
    sources = [dataclasses.replace(source, modified=seconds) for source in wanted.layers]
    layers = workers.map(measure_layer, sources)
    platform = wanted.platform or (base.config.platform if base is not None else None) or host
    new = [NewLayer(layer.descriptor, layer.diff_id, layer.source.label) for layer in layers]
    manifest, config = compose_image(base, platform, new, wanted.settings, created)
    document = manifest.to_bytes()
    root = Descriptor(manifest.media_type, Digest.of(document), len(document))
    graph = Graph(root, {root: document}, (ImageNode(root, manifest, platform),), ())
    source = ComposedImage(store, {layer.descriptor.digest: layer for layer in layers}, {manifest.config.digest: config})
    return AppendPlan([_plan_image(store, wanted, graph, source, host)], layers=layers)


@dataclasses.dataclass(frozen=True)
class AppendPlan(TransferPlan):
    """The plan of one new image with new `layers`."""

    layers: t.Sequence[Layer] = ()

    def error_of(self, image: ImagePlan) -> LongshoreError | None:
        """Name the source file of a layer that changed after it was measured: the digest alone would not help a user."""
        error = super().error_of(image)
        changed = [layer for layer in self.layers if isinstance(error, DigestMismatch) and error.digest == layer.descriptor.digest]
        return CorruptArchive(f"{changed[0].source.path} changed while it was read") if changed else error


def _get_base_entry(store: Store, base: Reference | Digest) -> Entry:
    try:
        return store.get_complete_entry(base)
    except ImageNotFound as error:
        raise ImageNotFound(f"{error.message}; pull it first") from error


def _read_base(store: Store, wanted: NewImage, host: Platform) -> Base | None:
    """Return the base's image for the platform, which must be complete. Raises InvalidOption if the base is the new image's name."""
    if wanted.base is None:
        return None
    if isinstance(wanted.base, Reference) and wanted.base.name == wanted.name:
        raise InvalidOption(f"name and base are both {wanted.name}: an image doesn't change, so give the new one another name")
    entry = _get_base_entry(store, wanted.base)
    platform = wanted.platform or host
    graph = read_graph(entry.descriptor, entry.label, store.read_document, choose_platforms(Selection((platform,))))
    if graph is None or not graph.images:
        raise PlatformMissing(f"{entry.label} is not in {store.path} for {platform}; pull it for this platform first")
    image = graph.images[0]
    if wanted.platform is not None and image.platform is not None and image.platform not in wanted.platform.fallbacks():
        raise PlatformMissing(f"{entry.label} is an image for {image.platform} only, not for {wanted.platform}")
    if not image.manifest.is_image:
        raise InvalidOption(
            f"{entry.label} holds no image but something of type {sanitise(image.manifest.config.media_type, 100)}, and can't be a base"
        )
    data = store.read_document(image.manifest.config)
    if data is None:
        raise StoreDamaged(f"{entry.label} is damaged in {store.path}: its config {image.manifest.config.digest} can't be read")
    config = ImageConfig.read(data, f"{entry.label}, config {image.manifest.config.digest}")
    return Base(entry.label, image.descriptor.digest, image.manifest, config)


def _plan_image(store: Store, wanted: NewImage, graph: Graph, source: ComposedImage, host: Platform) -> ImagePlan:
    name = str(wanted.name)
    before = store.index.get_named(wanted.name)
    was, will_be = ref_state(store, before), RefState(graph.root.digest, tuple(graph.platforms))
    moves = tuple(blob for blob in graph.blobs if not store.has_blob(blob))
    pending = bool(moves) or was != will_be
    moved_from = f" in place of {short_digest(was.digest)}" if was is not None and was.digest != will_be.digest else ""
    return ImagePlan(
        requested=name,
        image=image_facts(name, graph, None, host),
        changes=(RefChange(name, was, will_be),),
        actions=(f"make {name} ({short_digest(will_be.digest)}){moved_from}: {describe_transfer(moves)}",) if pending else (),
        transfer=Transfer(
            source,
            store,
            graph,
            (wanted.name,),
            selection=None,
            moves=moves,
            reused=graph.blobs_without(moves),
            pending=pending,
        ),
        results={"previous_digest": str(was.digest) if was is not None else None},
    )
