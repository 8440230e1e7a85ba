# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan a delivery: store -> engine."""

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
from ..transfer.meter import Meter
from ..transfer.plan import ImagePlan, Outcome, RefChange, RefState, Step, TransferPlan
from ..transfer.workers import Workers
from .facts import describe_transfer, image_facts, short_digest
from .platforms import read_image, select_stored

if t.TYPE_CHECKING:
    from ..store.store import Store


@dataclasses.dataclass(frozen=True)
class OutgoingImage:
    """One image for one platform, and its name in the engine. The root of `graph` is the index or manifest whose digest the engine will record."""

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
        """Return each layer once."""
        return tuple(dict.fromkeys(self.image.manifest.layers))

    def is_in(self, current: ListedImage | None) -> bool:
        """Return whether CURRENT, an image of an engine, is this image. Its ID decides if it has one: an index's digest stands for several platforms."""
        if current is None or not current.usable:
            return False
        return current.image_id == self.image_id if current.image_id is not None else self.digest in current.digests

    def state_in(self, current: ListedImage) -> RefState:
        """Return the state of CURRENT, an image of an engine: this image's digest if the engine has it, else another digest, else the ID."""
        digest = self.digest if self.digest in current.digests else next(iter(current.digests), current.image_id)
        return RefState(digest or self.digest)


@dataclasses.dataclass(frozen=True)
class Delivery:
    """The delivery of one image. `current` is the engine's image with its name, `layers` are sent, and `error` is why it can't be delivered."""

    requested: str
    outgoing: OutgoingImage | None = None
    current: ListedImage | None = None
    layers: tuple[Descriptor, ...] = ()
    error: LongshoreError | None = None

    @property
    def is_pending(self) -> bool:
        return self.error is None and self.outgoing is not None and not self.outgoing.is_in(self.current)

    @property
    def sent(self) -> tuple[Descriptor, ...]:
        return (self.outgoing.image.manifest.config, *self.layers) if self.is_pending and self.outgoing is not None else ()

    @property
    def reused(self) -> tuple[Descriptor, ...]:
        if self.error is not None or self.outgoing is None:
            return ()
        return self.outgoing.graph.blobs_without(self.sent)


def plan_deliver(store: Store, engine: Engine, names: t.Sequence[Reference | Digest], *, platform: Platform | None, host: Platform) -> TransferPlan:
    """Plan to load images of STORE into ENGINE; without PLATFORM for the platform of the engine.

    The engine lists its images once, and its layers only if it is missing one of the images. Raises EngineError if it can't be reached.
    """
    return _Deliverer(store, engine, platform, host).plan(names)


@dataclasses.dataclass(frozen=True)
class _Deliverer:
    """The options of the deliveries of one run. `platform` is None for the platform of the engine."""

    store: Store
    engine: Engine
    platform: Platform | None
    host: Platform

    def plan(self, names: t.Sequence[Reference | Digest]) -> TransferPlan:
        self.store.reload()
        listed = self.engine.list_images()
        deliveries: list[Delivery] = []
        named: dict[Reference, OutgoingImage] = {}
        for name in dict.fromkeys(names):
            try:
                outgoing = self._read_outgoing(name)
                if not _is_same_image(outgoing, named.setdefault(outgoing.name, outgoing)):
                    deliveries.append(Delivery(str(outgoing.name), outgoing, find_current(listed, outgoing, self.engine)))
            except LongshoreError as error:
                deliveries.append(Delivery(str(name), error=error))
        planned = self._find_missing_layers(deliveries)
        rows = [self._row(delivery) for delivery in planned]
        steps = [_Deliver(self.store, self.engine, delivery, row) for delivery, row in zip(planned, rows) if delivery.error is None]
        return TransferPlan(rows, steps=steps)

    def _find_missing_layers(self, deliveries: t.Sequence[Delivery]) -> list[Delivery]:
        """Add the layers that have to be sent to each pending delivery. A layer that one image sends is not sent again for the next one."""
        if not any(delivery.is_pending for delivery in deliveries):
            return list(deliveries)
        present = self.engine.read_layers(self._list_layers)
        planned: list[Delivery] = []
        for delivery in deliveries:
            if delivery.outgoing is None or not delivery.is_pending:
                planned.append(delivery)
                continue
            try:
                offer = self._offer(delivery.outgoing)
                planned.append(dataclasses.replace(delivery, layers=present.find_missing(offer)))
                present.add(offer)
            except LongshoreError as error:
                planned.append(dataclasses.replace(delivery, error=error))
        return planned

    # The image to deliver.

    @property
    def _native(self) -> Platform:
        """Return the platform that the engine runs: the host's, with its variant, if OS and architecture are the same."""
        platform = self.engine.platform
        is_like_host = platform is None or (platform.os, platform.architecture) == (self.host.os, self.host.architecture)
        return self.host if is_like_host or platform is None else platform

    def _read_outgoing(self, requested: Reference | Digest) -> OutgoingImage:
        """Return the image to deliver. Raises ImageNotFound, StoreDamaged, PlatformMissing, and InvalidOption for an image without a name."""
        entry = self.store.get_complete_entry(requested)
        name = entry.name if isinstance(requested, Digest) else requested.name
        if name is None:
            raise InvalidOption(f"{requested} has no name to be delivered under; give it one with image_tag")
        whole = read_image(entry.descriptor, entry.label, self.store.read_document)
        selection = Selection((self.platform or self._native,))
        graph = select_stored(whole, selection if whole.root.is_index or self.platform is not None else None, entry.label)
        image = graph.images[0]
        if not image.manifest.is_image:
            raise UnsupportedFormat(f"{entry.label} holds no image but something of type {sanitise(image.manifest.config.media_type, 100)}")
        if graph.root.is_index and image.platform not in self._native.fallbacks():
            # For an index, an engine would look for its own platform.
            data = graph.documents[image.descriptor]
            graph = Graph(image.descriptor, {image.descriptor: data}, (image,), ())
        return OutgoingImage(name, graph, image)

    def _warnings(self, outgoing: OutgoingImage) -> tuple[str, ...]:
        platform = outgoing.image.platform
        if self.platform is not None or platform is None or platform in self._native.fallbacks():
            return ()
        return (f"{outgoing.name} is an image for {platform}, and {self.engine.title} runs {self._native}",)

    def _offer(self, outgoing: OutgoingImage) -> OfferedImage:
        config = outgoing.image.manifest.config
        data = self.store.read_document(config)
        if data is None:
            raise StoreDamaged(f"{outgoing.name} is damaged in {self.store.path}: its config {config.digest} can't be read")
        return OfferedImage(outgoing.image.manifest, ImageConfig.read(data, f"{outgoing.name}, config {config.digest}").diff_ids)

    def _list_layers(self, digest: Digest) -> list[Digest]:
        """Return the layers that an engine must have if it has the index or manifest DIGEST; none if the store doesn't have that document."""
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

    def _row(self, delivery: Delivery) -> ImagePlan:
        """Return the row of the results, with what changes."""
        outgoing, current, engine = delivery.outgoing, delivery.current, self.engine
        if delivery.error is not None or outgoing is None:
            warnings = self._warnings(outgoing) if outgoing is not None else ()
            facts = {"engine": engine.title, "engine_digest": None}
            return ImagePlan(delivery.requested, results=facts, warnings=warnings, error=delivery.error)
        before = outgoing.state_in(current) if current is not None and current.usable else None
        after = RefState(outgoing.digest if engine.loads_oci else outgoing.image_id) if delivery.is_pending else before
        keeps_digest = engine.loads_oci if delivery.is_pending else current is not None and bool(current.digests)
        replaced = f" in place of {short_digest(before.digest)}" if before is not None and before != after else ""
        action = f"deliver {outgoing.name} ({short_digest(outgoing.digest)}) to {engine.title}{replaced}: {describe_transfer(delivery.sent)}"
        return ImagePlan(
            requested=delivery.requested,
            image=image_facts(delivery.requested, outgoing.graph, None, self.host),
            changes=(RefChange(f"{outgoing.name} in {engine.title}", before, after),),
            actions=(action,) if delivery.is_pending else (),
            results={"engine": engine.title, "engine_digest": str(after.digest) if after is not None and keeps_digest else None},
            results_of_failure={"engine_digest": None},
            warnings=self._warnings(outgoing),
        )


def _is_same_image(outgoing: OutgoingImage, first: OutgoingImage) -> bool:
    """Return whether OUTGOING is the image FIRST, which was requested by another spelling. Raises InvalidOption if two images have one name."""
    if first.digest != outgoing.digest:
        raise InvalidOption(f"{outgoing.name} can't be two images at once, {first.digest} and {outgoing.digest}")
    return outgoing is not first


def find_current(images: t.Sequence[ListedImage], outgoing: OutgoingImage, engine: Engine) -> ListedImage | None:
    """Return the one of IMAGES with the name of OUTGOING. An engine that records no digests can only be searched by ID for a name that is a digest."""
    if outgoing.name.tag is None and not engine.loads_oci:
        return next((image for image in images if image.image_id == outgoing.image_id), None)
    return next((image for image in images if outgoing.name in image.names), None)


@dataclasses.dataclass(frozen=True)
class _Deliver(Step):
    """Load one image into the engine. Images are loaded one by one, so that each keeps its digest and one that fails doesn't affect others."""

    store: Store
    engine: Engine
    delivery: Delivery
    row: ImagePlan

    def blobs(self) -> tuple[t.Sequence[Descriptor], t.Sequence[Descriptor]]:
        return self.delivery.sent, self.delivery.reused

    def rows(self) -> t.Sequence[ImagePlan]:
        return (self.row,)

    def apply(self, workers: Workers) -> Outcome:
        outgoing = self.delivery.outgoing
        if outgoing is None or not self.delivery.is_pending:
            return Outcome()
        try:
            with workers.meter(self.delivery.sent, self.delivery.requested) as meter:
                layers = self._load_image(outgoing, meter)
        except EngineError as error:
            return Outcome({self.row: EngineError(f"{self.delivery.requested} could not be delivered: {error.message}")})
        except LongshoreError as error:
            return Outcome({self.row: error})
        return Outcome(moved=(outgoing.image.manifest.config, *layers))

    def _load_image(self, outgoing: OutgoingImage, meter: Meter) -> t.Sequence[Descriptor]:
        """Send the image without the layers that the engine should have, and with all of them if it refuses that. Return the layers that were sent."""
        problem = ""
        for layers in dict.fromkeys((self.delivery.layers, outgoing.layers)):
            problem = self._load_and_check(outgoing, layers, meter) or ""
            if not problem:
                return layers
        raise EngineError(problem)

    def _load_and_check(self, outgoing: OutgoingImage, layers: t.Sequence[Descriptor], meter: Meter) -> str | None:
        """Send the image and check afterwards whether the engine has it. Return why it hasn't. Raises EngineError if the connection breaks."""
        engine = self.engine
        chunks, size = self._archive(outgoing, layers)
        meter.expect(size)
        try:
            engine.load(iter(meter.count(chunks)), size, outgoing.image.platform if outgoing.graph.root.is_index else None)
            current = find_current(engine.list_images(), outgoing, engine)
        except EngineRefused as error:
            return error.message
        return None if outgoing.is_in(current) else f"{engine.title} at {engine.place} reported success, but doesn't have the image"

    def _archive(self, outgoing: OutgoingImage, layers: t.Sequence[Descriptor]) -> tuple[t.Iterator[bytes | memoryview], int]:
        """Return the bytes of an archive, read from the store, and their number."""
        from ..archive.format import DOCKER, OCI, SavedImage, build_archive_files, build_tar, count_bytes, read_pieces

        saved = SavedImage(outgoing.graph, outgoing.graph.root, (outgoing.name,), outgoing.image)
        left_out = {layer.digest for layer in outgoing.layers} - {layer.digest for layer in layers}
        pieces = build_tar(build_archive_files([saved], OCI if self.engine.loads_oci else DOCKER, left_out, {}))
        return read_pieces(pieces, self.store.read_blob), count_bytes(pieces)
