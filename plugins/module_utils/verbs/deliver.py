# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Planning a delivery: store -> engine."""

from __future__ import annotations

import dataclasses
import typing as t

from ..engine.interfaces import Engine, ListedImage, OfferedImage
from ..errors import EngineError, EngineRefused, InvalidOption, LongshoreError, StoreDamaged, UnsupportedFormat
from ..oci.config import ImageConfig
from ..oci.digest import Digest
from ..oci.graph import Graph, ImageNode, choose_platforms, read_graph
from ..oci.manifest import Descriptor, describe_document
from ..oci.platform import Platform, Selection
from ..oci.reference import Reference
from ..oci.text import sanitise
from ..transfer.plan import ImagePlan, RefChange, RefState, TransferPlan
from ..transfer.workers import Meter, Workers
from .facts import describe_transfer, image_facts, short_digest
from .platforms import read_image, select_stored

if t.TYPE_CHECKING:
    from ..store.store import Store


@dataclasses.dataclass(frozen=True)
class OutgoingImage:
    """One image for one platform, and the name that it is to have. `graph` begins at what the engine is to know it by: an index, or a manifest."""

    name: Reference
    graph: Graph
    image: ImageNode

    @property
    def digest(self) -> Digest:
        return self.graph.root.digest

    @property
    def image_id(self) -> Digest:
        return self.image.manifest.config.digest

    @property
    def layers(self) -> tuple[Descriptor, ...]:
        """Each once."""
        return tuple(dict.fromkeys(self.image.manifest.layers))

    def is_in(self, held: ListedImage | None) -> bool:
        """Whether an engine has this image. Where it tells an ID, that decides: it is of one platform, an index's digest is of several."""
        if held is None or not held.usable:
            return False
        return held.image_id == self.image_id if held.image_id is not None else self.digest in held.digests

    def state_in(self, held: ListedImage) -> RefState:
        """What a name points at in an engine: the digest that is meant where it knows that one, else what it knows, its ID at last."""
        known = self.digest if self.digest in held.digests else next(iter(held.digests), held.image_id)
        return RefState(known or self.digest)


@dataclasses.dataclass
class Delivery:
    """An image on its way, what the engine has under its name, and the layers of it that have to be sent."""

    row: ImagePlan
    outgoing: OutgoingImage
    held: ListedImage | None
    layers: tuple[Descriptor, ...] = ()

    @property
    def is_there(self) -> bool:
        return self.outgoing.is_in(self.held)

    @property
    def sent(self) -> tuple[Descriptor, ...]:
        return () if self.is_there else (self.outgoing.image.manifest.config, *self.layers)

    @property
    def reused(self) -> tuple[Descriptor, ...]:
        return tuple(blob for blob in self.outgoing.graph.blobs if blob not in self.sent)


@dataclasses.dataclass(frozen=True)
class Deliverer:
    """How images are delivered in this run. `platform` is None where that of the engine is meant."""

    store: Store
    engine: Engine
    platform: Platform | None
    host: Platform

    def plan(self, names: t.Sequence[Reference | Digest]) -> DeliveryPlan:
        """The engine is asked once for all images, and for its layers only when it lacks one of them. Raises EngineError when it can't be asked."""
        self.store.reload()
        held = self.engine.list_images()
        rows: list[ImagePlan] = []
        deliveries: dict[Reference, Delivery] = {}
        for name in dict.fromkeys(names):
            row = ImagePlan(str(name), results={"engine": self.engine.title, "engine_digest": None})
            try:
                outgoing = self._outgoing(name, row)
                if _is_repeated(outgoing, deliveries):
                    continue
                deliveries[outgoing.name] = Delivery(row, outgoing, find_held(held, outgoing, self.engine))
            except LongshoreError as error:
                row.error = error
            rows.append(row)
        self._find_lacking([delivery for delivery in deliveries.values() if not delivery.is_there])
        for delivery in deliveries.values():
            self._describe(delivery)
        return DeliveryPlan(rows, list(deliveries.values()), self.store, self.engine)

    def _find_lacking(self, deliveries: t.Sequence[Delivery]) -> None:
        """Which layers have to be sent: what one image brings the next one finds there."""
        if not deliveries:
            return
        holdings = self.engine.read_layers(self._layers_of)
        for delivery in deliveries:
            try:
                offer = self._offer(delivery.outgoing)
                delivery.layers = holdings.find_missing(offer)
                holdings.add(offer)
            except LongshoreError as error:
                delivery.row.error = error

    # What is delivered.

    @property
    def _native(self) -> Platform:
        """What the engine runs: the host's own platform, with its variant, where that is of the same kind."""
        there = self.engine.platform
        is_like_host = there is None or (there.os, there.architecture) == (self.host.os, self.host.architecture)
        return self.host if is_like_host or there is None else there

    def _outgoing(self, asked: Reference | Digest, row: ImagePlan) -> OutgoingImage:
        """Raises ImageNotFound, StoreDamaged, PlatformMissing, InvalidOption for an image without a name."""
        entry = self.store.get_complete_entry(asked)
        name = entry.name if isinstance(asked, Digest) else asked.name
        if name is None:
            raise InvalidOption(f"{asked} has no name to be delivered under; give it one with image_tag")
        row.requested = str(name)
        whole = read_image(entry.descriptor, entry.label, self.store.read_document)
        selection = Selection((self.platform or self._native,))
        graph = select_stored(whole, selection if whole.root.is_index or self.platform is not None else None, entry.label)
        image = graph.images[0]
        if not image.manifest.is_image:
            raise UnsupportedFormat(f"{entry.label} holds no image but something of type {sanitise(image.manifest.config.media_type, 100)}")
        self._warn_of_other_platform(row, image)
        if graph.root.is_index and image.platform not in self._native.fallbacks():
            # Asked for an index, an engine looks for its own platform.
            data = graph.documents[image.descriptor]
            graph = Graph(image.descriptor, {image.descriptor: data}, (image,), ())
        return OutgoingImage(name, graph, image)

    def _warn_of_other_platform(self, row: ImagePlan, image: ImageNode) -> None:
        if self.platform is None and image.platform is not None and image.platform not in self._native.fallbacks():
            row.warnings = (f"{row.requested} is an image for {image.platform}, and {self.engine.title} runs {self._native}",)

    def _offer(self, outgoing: OutgoingImage) -> OfferedImage:
        config = outgoing.image.manifest.config
        data = self.store.read_document(config)
        if data is None:
            raise StoreDamaged(f"{outgoing.name} is damaged in {self.store.path}: its config {config.digest} can't be read")
        return OfferedImage(outgoing.image.manifest, ImageConfig.read(data, f"{outgoing.name}, config {config.digest}").diff_ids)

    def _layers_of(self, digest: Digest) -> list[Digest]:
        """The layers that an engine surely has when it has an index or a manifest; none where the store doesn't know that one."""
        status = self.store.blob_status(digest)
        data = self.store.read_document(Descriptor("", digest, status.st_size)) if status is not None else None
        if data is None:
            return []
        try:
            graph = read_graph(
                describe_document(data, str(digest)), str(digest), self.store.read_document, choose_platforms(Selection((self._native,)))
            )
        except LongshoreError:
            return []
        return [layer.digest for image in graph.images for layer in image.manifest.layers] if graph is not None else []

    def _describe(self, delivery: Delivery) -> None:
        """The row of the results, and what changes."""
        row, outgoing, there, engine = delivery.row, delivery.outgoing, delivery.held, self.engine
        row.image = image_facts(row.requested, outgoing.graph, None, self.host)
        before = outgoing.state_in(there) if there is not None and there.usable else None
        after = before if delivery.is_there else RefState(outgoing.digest if engine.loads_oci else outgoing.image_id)
        row.changes = (RefChange(f"{row.requested} in {engine.title}", before, after),)
        if delivery.is_there and there is not None:
            row.results["engine_digest"] = str(before.digest) if before is not None and there.digests else None
            return
        row.results["engine_digest"] = str(outgoing.digest) if engine.loads_oci else None
        in_place = f" in place of {short_digest(before.digest)}" if before is not None and before != after else ""
        row.actions = (f"deliver {row.requested} ({short_digest(outgoing.digest)}) to {engine.title}{in_place}: {describe_transfer(delivery.sent)}",)


def _is_repeated(outgoing: OutgoingImage, deliveries: t.Mapping[Reference, Delivery]) -> bool:
    """Whether an image is among DELIVERIES already, asked for in other words. Raises InvalidOption where its name is to be another image's too."""
    earlier = deliveries.get(outgoing.name)
    if earlier is not None and earlier.outgoing.digest != outgoing.digest:
        raise InvalidOption(f"{outgoing.name} can't be two images at once, {earlier.outgoing.digest} and {outgoing.digest}")
    return earlier is not None


def find_held(images: t.Sequence[ListedImage], outgoing: OutgoingImage, engine: Engine) -> ListedImage | None:
    """What an engine has under the name. Without digests it can't have a name that is one: then the image is known by its ID alone."""
    if outgoing.name.tag is None and not engine.loads_oci:
        return next((image for image in images if image.image_id == outgoing.image_id), None)
    return next((image for image in images if outgoing.name in image.names), None)


class DeliveryPlan(TransferPlan):
    """The plan of DELIVERIES, which are carried out one by one: so each image keeps its digest, and one that fails doesn't take others along."""

    def __init__(self, rows: list[ImagePlan], deliveries: t.Sequence[Delivery], store: Store, engine: Engine) -> None:
        super().__init__(rows)
        self._deliveries = deliveries
        self._store = store
        self._engine = engine

    def blobs(self) -> tuple[list[Descriptor], list[Descriptor]]:
        there = [delivery for delivery in self._deliveries if delivery.row.error is None]
        return [blob for delivery in there for blob in delivery.sent], [blob for delivery in there for blob in delivery.reused]

    def apply(self, workers: Workers) -> None:
        workers.expect(self.blobs()[0])
        for delivery in self._deliveries:
            if not delivery.is_there and delivery.row.error is None:
                try:
                    with workers.meter(delivery.sent, delivery.row.requested) as passage:
                        self._deliver(delivery, passage)
                except EngineError as error:
                    delivery.row.error = EngineError(f"{delivery.row.requested} could not be delivered: {error.message}")
                except LongshoreError as error:
                    delivery.row.error = error
                if delivery.row.error is not None:
                    delivery.row.results["engine_digest"] = None

    def _deliver(self, delivery: Delivery, passage: Meter) -> None:
        """Without the layers that the engine should have; with all where it turns out that it can't use them."""
        problem = self._try(delivery, passage)
        if problem is not None and delivery.layers != delivery.outgoing.layers:
            delivery.layers = delivery.outgoing.layers
            problem = self._try(delivery, passage)
        if problem is not None:
            raise EngineError(problem)

    def _try(self, delivery: Delivery, passage: Meter) -> str | None:
        """Sends the image and asks the engine for it afterwards. Returns why it isn't there. Raises EngineError where the engine breaks off."""
        outgoing, engine = delivery.outgoing, self._engine
        chunks, size = self._archive(delivery)
        passage.expect(size)
        try:
            engine.load(iter(passage.count(chunks)), size, outgoing.image.platform if outgoing.graph.root.is_index else None)
            held = find_held(engine.list_images(), outgoing, engine)
        except EngineRefused as error:
            return error.message
        return None if outgoing.is_in(held) else f"{engine.title} at {engine.place} took it without a complaint, but doesn't have it"

    def _archive(self, delivery: Delivery) -> tuple[t.Iterator[bytes | memoryview], int]:
        """The bytes of an archive and how many they are, straight from the store."""
        from ..archive.format import DOCKER, OCI, SavedImage, build_archive_files, build_tar, count_bytes, read_pieces

        outgoing = delivery.outgoing
        saved = SavedImage(outgoing.graph, outgoing.graph.root, (outgoing.name,), outgoing.image)
        left_out = {layer.digest for layer in outgoing.layers} - {layer.digest for layer in delivery.layers}
        pieces = build_tar(build_archive_files([saved], OCI if self._engine.loads_oci else DOCKER, left_out, {}))
        return read_pieces(pieces, self._store.read_blob), count_bytes(pieces)
