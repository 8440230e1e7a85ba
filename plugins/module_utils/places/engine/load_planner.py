# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan to load images into an engine, from any source. Every verb that writes to an engine uses this."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ...engine.interfaces import EngineImage, ManagedEngine, OfferedImage
from ...errors import InvalidOption, LongshoreError, StoreDamaged, UnsupportedFormat
from ...oci.config import ImageConfig
from ...oci.digest import Digest
from ...oci.graph import Graph, ImageNode, choose_platforms, read_graph
from ...oci.manifest import Descriptor, describe_document
from ...oci.platform import Platform, Selection
from ...oci.reference import Reference
from ...oci.text import sanitise
from ...transfer.plan import ImageFacts, ImagePlan, RefChange, RefState, Results
from ..facts import describe_transfer, image_facts, preferred_image, short_digest
from ..platforms import select_complete, select_from_index
from ..verification import Verification
from .images import EngineImages
from .outgoing_image import OutgoingImage, find_current, state_of
from .planned_load import FailedLoad, KeptImage, Load, LoadRequest, PlannedLoad
from .platforms import is_several, read_complete_part

if t.TYPE_CHECKING:
    from .reader import EngineReader


@dataclasses.dataclass(frozen=True)
class LoadPlanner:
    """The options of the loads of one run. `selection` is None for the platform of the engine, and `select_for_engine` has checked it."""

    images: EngineImages
    selection: Selection | None

    @property
    def engine(self) -> ManagedEngine:
        return self.images.engine

    @property
    def host(self) -> Platform:
        return self.images.host

    @property
    def listed(self) -> list[EngineImage]:
        """The images of the engine before the run."""
        return self.images.images

    @functools.cached_property
    def reader(self) -> EngineReader:
        """The images of the engine before the run, to read their content."""
        from .reader import EngineReader

        return EngineReader(self.engine, self.host, self.images)

    @property
    def names(self) -> list[Reference]:
        """The names in the engine before the run."""
        return [name for image in self.listed for name in image.names]

    def plan(self, requests: t.Sequence[LoadRequest | PlannedLoad]) -> list[PlannedLoad]:
        """Plan each request; what was inspected already gets its layers. The engine lists its images once, and its layers only if it is missing an image.

        Raises EngineError if the engine can't be reached.
        """
        listed = self.listed
        loads: list[PlannedLoad] = []
        digests: dict[Reference, Digest] = {}
        for request in requests:
            load = self._inspect_or_fail(request) if isinstance(request, LoadRequest) else request
            name, digest = _identify(load)
            if name is not None and digest is not None:
                if digests.get(name) == digest:
                    continue  # another spelling of the same name
                if digests.setdefault(name, digest) != digest:
                    error = InvalidOption(f"{name} can't be two images at once, {digests[name]} and {digest}")
                    load = FailedLoad(load.requested, error, request if isinstance(request, LoadRequest) else None)
            loads.append(load)
        return self._find_missing_layers(loads, listed)

    def _inspect_or_fail(self, request: LoadRequest) -> PlannedLoad:
        try:
            return self.inspect(request)
        except LongshoreError as error:
            return FailedLoad(request.requested, error, request)

    def inspect(self, request: LoadRequest) -> Load | KeptImage:
        """Compare the image to load with the engine's, and verify it. Its layers are not known yet. Raises as `read_outgoing`."""
        named = next((image for image in self.listed if request.name in image.names and image.usable and image.digests), None)
        is_by_digest = request.skip_if_digest_present and request.verify is None and self.selection is None
        if is_by_digest and named is not None and request.image.digest() in named.digests and named.has_platform(self.engine_platform):
            return KeptImage(request.requested, request.name, named, request, request.image.digest())
        outgoing = self.read_outgoing(request)
        load = self._compare(request, outgoing, find_current(self.listed, outgoing, self.engine))
        if load.is_pending:
            request.image.check_blobs(outgoing.graph)
        return load

    def _compare(self, request: LoadRequest, outgoing: OutgoingImage, current: EngineImage | None) -> Load:
        complete_part = read_complete_part(self.reader, outgoing.name) if outgoing.several and outgoing.is_in(current) else None
        if current is not None and complete_part is not None:
            # An index without the engine's own platform is never unpacked.
            current = dataclasses.replace(current, usable=True)
        elif current is not None and outgoing.digest in current.digests and not outgoing.is_in(current):
            current = dataclasses.replace(current, usable=False)
        load = Load(request, outgoing, current, complete_part)
        is_kept = load.is_taken and request.existing.keeps_name(request.name, self.images.place)
        return dataclasses.replace(load, is_kept=is_kept)

    def _find_missing_layers(self, loads: t.Sequence[PlannedLoad], listed: t.Sequence[EngineImage]) -> list[PlannedLoad]:
        """Add the layers that have to be sent to each pending load. A layer that one image sends is not sent again for the next one."""
        pending = [load for load in loads if isinstance(load, Load) and load.is_pending]
        if not pending:
            return list(loads)
        present = self.engine.read_layers(listed, lambda digest: self._list_layers(digest, pending, listed))
        planned: list[PlannedLoad] = []
        for load in loads:
            if not isinstance(load, Load) or not load.is_pending:
                planned.append(load)
                continue
            try:
                offers = [_offer(load.request, load.outgoing, image) for image in load.outgoing.images]
                layers = dict.fromkeys(layer for offer in offers for layer in present.find_missing(offer))
                planned.append(dataclasses.replace(load, layers=tuple(layers)))
                for offer in offers:
                    present.add(offer)
            except LongshoreError as error:
                planned.append(FailedLoad(load.requested, error, load.request))
        return planned

    # The image to load.

    @property
    def engine_platform(self) -> Platform:
        """Return the platform that the engine runs: the host's, with its variant, if OS and architecture are the same."""
        platform = self.engine.platform
        is_like_host = platform is None or (platform.os, platform.architecture) == (self.host.os, self.host.architecture)
        return self.host if is_like_host or platform is None else platform

    def read_outgoing(self, request: LoadRequest) -> OutgoingImage:
        """Read the image to load, and verify it. Raises PlatformMissing, UnsupportedFormat, and the errors of its source and of `verify`."""
        root = request.image.root()
        if is_several(self.selection):
            return self._read_several(request, root)
        selection = self.selection or Selection((self.engine_platform,))
        graph = select_from_index(
            root, request.label, request.image.read_document, selection if root.is_index or self.selection is not None else None
        )
        image = graph.images[0]
        _require_image(image, request.label)
        verification = request.verify(graph) if request.verify is not None else None
        outgoing = OutgoingImage(request.name, graph, image, self.engine_platform, verification)
        if not graph.root.is_index or outgoing.is_for_engine:
            return outgoing
        # For an index, an engine would look for its own platform.
        data = graph.documents[image.descriptor]
        return dataclasses.replace(outgoing, graph=Graph(image.descriptor, {image.descriptor: data}, (image,), ()))

    def _read_several(self, request: LoadRequest, root: Descriptor) -> OutgoingImage:
        """Return an image with several platforms. An index that lists more gets a new digest, because containerd accepts no incomplete index."""
        graph = select_complete(root, request.label, request.image.read_document, self.selection)
        image = t.cast(ImageNode, preferred_image(graph, None, self.engine_platform))
        _require_image(image, request.label)
        if request.name.tag is None and request.name.digest != graph.root.digest:
            raise InvalidOption(f"{request.name} can't be the name of only some platforms, whose index has the digest {graph.root.digest}")
        verification = request.verify(graph) if request.verify is not None else None
        return OutgoingImage(request.name, graph, image, self.engine_platform, verification, graph.root.is_index, root.digest)

    def _list_layers(self, digest: Digest, pending: t.Sequence[Load], listed: t.Sequence[EngineImage]) -> list[Digest]:
        """Return the layers that an engine must have if it has the index or manifest DIGEST; none if no source has that document."""
        names = {
            name for image in listed if digest in (*image.digests, *(manifest.digest for manifest in image.manifests or ())) for name in image.names
        }
        # The engine may have an image to load under another name, also from another repository.
        own = {root.digest: data for load in pending for root, data in load.outgoing.graph.documents.items()}

        def read(descriptor: Descriptor) -> bytes | None:
            found = (load.request.find_document(descriptor, names) for load in pending)
            return own.get(descriptor.digest) or next((data for data in found if data is not None), None)

        try:
            data = read(Descriptor("", digest, 0))
            if data is None:
                return []
            graph = read_graph(describe_document(data, str(digest)), str(digest), read, choose_platforms(Selection((self.engine_platform,))))
        except LongshoreError:
            return []
        return [layer.digest for image in graph.images for layer in image.manifest.layers] if graph is not None else []

    # The results.

    def row(self, load: PlannedLoad, engine_keys: bool = False) -> ImagePlan:
        """Return the row of the results and its changes. `digest` is null if the engine keeps none. With ENGINE_KEYS, that value is `engine_digest` instead."""
        if isinstance(load, FailedLoad):
            failed = {"engine": self.engine.title, "verification": None, **({"engine_digest": None} if engine_keys else {})}
            return ImagePlan(load.requested, results={**_results_of(load), **failed}, error=load.error)
        if isinstance(load, KeptImage):
            state = state_of(load.current) if load.current.usable else None
            # It was compared by digest only.
            image_id = str(load.current.image_id) if load.current.image_id is not None else None
            unread = {**_results_of(load), "media_type": None, "image_id": image_id, "platforms": None, "size": None}
            kept_digest = state.digest if state is not None and load.current.digests else None
            keys = self._keys(load.verification, state, kept_digest, engine_keys)
            warnings = (load.note,) if load.note else ()
            return self._row(load.requested, load.name, (state, state), {**unread, **keys}, engine_keys, warnings=warnings)
        before, after = self._states(load)
        recorded = (
            load.outgoing.recorded_digest(self.engine) is not None if load.is_pending else load.current is not None and bool(load.current.digests)
        )
        keys = self._keys(load.outgoing.verification, before, after.digest if after is not None and recorded else None, engine_keys)
        replaced = f" in place of {short_digest(before.digest)}" if before is not None and before != after else ""
        action = f"{load.request.action} ({short_digest(load.outgoing.digest)}) to {self.engine.title}{replaced}: {describe_transfer(load.sent)}"
        return self._row(
            load.requested,
            load.request.name,
            (before, after),
            {**load.request.results, **keys},
            engine_keys,
            image=image_facts(load.requested, load.outgoing.graph, None, self.host),
            actions=(action,) if load.is_pending else (),
            warnings=self._warn_of_platform(load),
        )

    def _warn_of_platform(self, load: Load) -> tuple[str, ...]:
        platform = load.outgoing.image.platform
        if self.selection is not None or platform is None or platform in self.engine_platform.fallbacks():
            return ()
        return (f"{load.requested} is an image for {platform}, and {self.engine.title} runs {self.engine_platform}",)

    def _keys(self, verification: Verification, before: RefState | None, kept_digest: Digest | None, engine_keys: bool) -> Results:
        """Return the keys that every row of an engine has."""
        digest = str(kept_digest) if kept_digest is not None else None
        keys: Results = {"engine": self.engine.title, "verification": verification}
        if engine_keys:
            return {**keys, "engine_digest": digest}
        return {**keys, "digest": digest, "previous_digest": str(before.digest) if before is not None else None}

    def _row(
        self,
        requested: str,
        name: Reference,
        states: tuple[RefState | None, RefState | None],
        results: Results,
        engine_keys: bool,
        *,
        image: ImageFacts | None = None,
        actions: tuple[str, ...] = (),
        warnings: tuple[str, ...] = (),
    ) -> ImagePlan:
        return ImagePlan(
            requested=requested,
            image=image,
            changes=(RefChange(f"{name} in {self.engine.title}", *states),),
            actions=actions,
            results=results,
            results_of_failure={"engine_digest": None} if engine_keys else {},
            warnings=warnings,
        )

    def _states(self, load: Load) -> tuple[RefState | None, RefState | None]:
        """Return what the name points at in the engine, before and after."""
        current, outgoing = load.current, load.outgoing
        before = None
        if current is not None and (current.usable or load.is_taken):
            before = outgoing.state_in(current)
            if load.complete_part is not None:
                before = dataclasses.replace(before, platforms=tuple(load.complete_part.platforms))
        if not load.is_pending:
            return before, before
        recorded = outgoing.recorded_digest(self.engine)
        after = RefState(recorded or outgoing.image_id, is_id=recorded is None)
        return before, dataclasses.replace(after, platforms=tuple(outgoing.graph.platforms)) if outgoing.several else after


def _require_image(image: ImageNode, label: str) -> None:
    if not image.manifest.is_image:
        raise UnsupportedFormat(f"{label} holds no image but something of type {sanitise(image.manifest.config.media_type, 100)}")


def _offer(request: LoadRequest, outgoing: OutgoingImage, image: ImageNode) -> OfferedImage:
    if outgoing.several:  # only engines that identify layers by digest hold several platforms
        return OfferedImage(image.manifest, ())
    config = image.manifest.config
    data = request.image.read_document(config)
    if data is None:
        raise StoreDamaged(f"{request.label} is damaged: its config {config.digest} can't be read")
    return OfferedImage(image.manifest, ImageConfig.read(data, f"{outgoing.name}, config {config.digest}").diff_ids)


def _results_of(load: KeptImage | FailedLoad) -> Results:
    if load.request is not None:
        return load.request.results
    return load.results if isinstance(load, FailedLoad) else {}


def _identify(load: PlannedLoad) -> tuple[Reference | None, Digest | None]:
    """Return the name in the engine and the digest of an image that is loaded, or was compared by its digest."""
    if isinstance(load, Load):
        return load.request.name, load.outgoing.digest
    return (load.name, load.digest) if isinstance(load, KeptImage) else (None, None)
