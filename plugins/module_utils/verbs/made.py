# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan to store an image that this run makes: for one platform, or an index for several."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import CorruptArchive, LongshoreError
from ..oci import media_types
from ..oci.compose_index import IndexEntry, IndexImage, compose_index
from ..oci.config import ImageConfig
from ..oci.digest import Digest, DigestMismatch
from ..oci.graph import Graph, ImageNode
from ..oci.manifest import Descriptor, Manifest
from ..oci.platform import ALL, Platform, Selection
from ..oci.reference import Reference
from ..places.facts import describe_transfer, image_facts, ref_state, short_digest
from ..transfer.interfaces import Chunks, Sink, Source
from ..transfer.plan import ImagePlan, RefChange, RefState, TransferPlan
from ..transfer.transfer import Transfer

if t.TYPE_CHECKING:
    from ..store.store import Store


@dataclasses.dataclass(frozen=True)
class ComposedImage:
    """An image for one platform that doesn't exist yet: its manifest, and the bytes of its config."""

    platform: Platform
    manifest: Manifest
    config: bytes


@dataclasses.dataclass(frozen=True)
class SourcePlan(TransferPlan):
    """The plan of new images that are made of files of the host. `paths` has the source of each blob."""

    paths: t.Mapping[Digest, str] = dataclasses.field(default_factory=dict)

    def error_of(self, image: ImagePlan) -> LongshoreError | None:
        """Name the file or folder that changed after it was measured: the digest of the blob alone would not help a user."""
        error = super().error_of(image)
        path = self.paths.get(error.digest) if isinstance(error, DigestMismatch) and error.digest is not None else None
        return CorruptArchive(f"{path} changed while it was read") if path is not None else error


class MadeLayer(t.Protocol):
    """A layer whose bytes are generated when they are read."""

    def open(self) -> Chunks: ...


@dataclasses.dataclass(frozen=True)
class MadeContent:
    """The source of an image that this run makes. `documents` are its configs, `layers` its new layers; other blobs come from the store."""

    store: Store
    documents: t.Mapping[Digest, bytes]
    layers: t.Mapping[Digest, MadeLayer] = dataclasses.field(default_factory=dict)

    def read_blob(self, descriptor: Descriptor) -> Chunks:
        layer = self.layers.get(descriptor.digest)
        if layer is not None:
            return layer.open()
        data = self.documents.get(descriptor.digest)
        return (data,) if data is not None else self.store.read_blob(descriptor)


def compose_graph(images: t.Sequence[ComposedImage], *, is_index: bool, annotations: t.Mapping[str, str]) -> tuple[Graph, dict[Digest, bytes]]:
    """Return the graph of a new image, and the configs by digest. Without IS_INDEX, there is one image and its manifest is the root.

    Raises InvalidOption for two images for one platform.
    """
    documents: dict[Descriptor, bytes] = {}
    nodes: list[ImageNode] = []
    entries: list[IndexImage] = []
    for image in images:
        data = image.manifest.to_bytes()
        descriptor = Descriptor(image.manifest.media_type, Digest.of(data), len(data), image.platform if is_index else None)
        documents[descriptor] = data
        nodes.append(ImageNode(descriptor, image.manifest, image.platform))
        label = f"the image for {image.platform}"
        entries.append(IndexImage(IndexEntry.of_image(descriptor, ImageConfig.read(image.config, label), image.platform, label), (), label))
    configs = {image.manifest.config.digest: image.config for image in images}
    if not is_index:
        return Graph(nodes[0].descriptor, documents, tuple(nodes), ()), configs
    data = compose_index(entries, media_types.OCI_INDEX, annotations)
    root = Descriptor.of(media_types.OCI_INDEX, data)
    documents[root] = data
    return Graph(root, documents, tuple(sorted(nodes, key=lambda node: str(node.platform))), ()), configs


def plan_made_image(
    store: Store, name: Reference, graph: Graph, source: Source, host: Platform, sink: Sink | None = None, targets: t.Sequence[Reference] = ()
) -> ImagePlan:
    """Plan to store the image GRAPH under NAME and under its further names TARGETS.

    Its blobs that the store doesn't have are read from SOURCE, and written to SINK, by default the store.
    """
    will_be = RefState(graph.root.digest, tuple(graph.platforms))
    changes = [RefChange(str(each), ref_state(store, store.index.get_named(each)), will_be) for each in (name, *targets)]
    was = changes[0].before
    moves = store.list_missing(graph.blobs)
    selection: Selection | None = ALL if graph.root.is_index else None
    actions = []
    if moves or was != will_be:
        actions.append(f"make {name} ({short_digest(will_be.digest)}){_in_place_of(was, will_be)}: {describe_transfer(moves)}")
    actions += [
        f"tag {name} ({short_digest(will_be.digest)}) as {change.name}{_in_place_of(change.before, will_be, ',')}"
        for change in changes[1:]
        if change.before != will_be
    ]
    return ImagePlan(
        requested=str(name),
        image=image_facts(str(name), graph, None, host),
        changes=tuple(changes),
        actions=tuple(actions),
        transfer=Transfer(
            source,
            sink or store,
            graph,
            (name, *targets),
            selection=selection,
            moves=moves,
            reused=graph.blobs_without(moves),
            pending=bool(actions),
        ),
        results={"previous_digest": str(was.digest) if was is not None else None},
    )


def _in_place_of(was: RefState | None, will_be: RefState, comma: str = "") -> str:
    return f"{comma} in place of {short_digest(was.digest)}" if was is not None and was.digest != will_be.digest else ""
