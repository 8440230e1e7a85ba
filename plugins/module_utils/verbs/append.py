# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan a new image on top of a base image, or from scratch, for one platform or several."""

from __future__ import annotations

import dataclasses
import functools
import os
import typing as t

from ..archive.exclusions import Exclusions
from ..archive.image_tree import ImageTree
from ..archive.layer import PlannedLayer, measure, needs_tree, plan_layer
from ..archive.layer_source import LayerSource
from ..errors import InvalidOption
from ..oci.compose import Base, NewLayer, compose_image, parse_created
from ..oci.digest import Digest, hash_stream
from ..oci.platform import Platform, Selection
from ..oci.reference import Reference
from ..oci.settings import Settings
from ..transfer.plan import TransferPlan
from ..transfer.workers import Workers
from .bases import StoredBase, read_tree
from .made import ComposedImage, MadeContent, SourcePlan, compose_graph, plan_made_image

if t.TYPE_CHECKING:
    from ..store.staging import Staging
    from ..store.store import Store

SCRATCH = "scratch"


@dataclasses.dataclass(frozen=True)
class WantedLayer:
    """A layer of the new image. With `platform`, only the image for this platform gets it."""

    source: LayerSource
    platform: Platform | None = None


@dataclasses.dataclass(frozen=True)
class NewImage:
    """The description of a new image. `base` is None for scratch, `selection` None if the user named no platform."""

    name: Reference
    base: Reference | Digest | None
    layers: t.Sequence[WantedLayer]
    settings: Settings
    selection: Selection | None = None
    created: str | None = None
    annotations: t.Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def is_index(self) -> bool:
        """Return True for an image for several platforms."""
        return self.selection is not None and (self.selection.everything or len(self.selection.platforms) > 1)


def plan_append(store: Store, new_image: NewImage, host: Platform, workers: Workers, staging: Staging | None = None) -> TransferPlan:
    """Plan to make NEW_IMAGE. Its layers are read here to compute their digests, and a second time if they must be stored.

    With STAGING, of a run that applies the plan, the layers of an image whose name is new are written while they are read, so there is no second time.
    Raises ImageNotFound, StoreDamaged or PlatformMissing for the base, InvalidOption if it can't be a base, and what planning and reading layers raises.
    """
    bases = _read_bases(store, new_image, host)
    for layer in new_image.layers:
        _refuse_store_in_source(store, layer.source)
    _refuse_unused_layers(new_image, [platform for platform, _base in bases])
    chains = [_plan_chain(store, new_image, platform, base) for platform, base in bases]
    unique = list(dict.fromkeys(planned for chain in chains for planned in chain))
    if staging is not None and store.index.get_named(new_image.name) is not None:
        staging = None  # the image may be unchanged, and writing its layers would be in vain
    consume = staging.put_blob if staging is not None else hash_stream
    layers = dict(zip(unique, workers.map(functools.partial(measure, consume=consume), unique)))
    made: list[ComposedImage] = []
    for (platform, base), chain in zip(bases, chains):
        new = [NewLayer(layers[planned].descriptor, layers[planned].diff_id, planned.label) for planned in chain]
        created, _seconds = parse_created(new_image.created, base.config if base is not None else None)
        manifest, config = compose_image(base, platform, new, new_image.settings, created, new_image.annotations)
        made.append(ComposedImage(platform, manifest, config))
    graph, documents = compose_graph(made, is_index=new_image.is_index, annotations=new_image.annotations)
    source = MadeContent(store, documents, {layer.descriptor.digest: layer for layer in layers.values()})
    image = plan_made_image(store, new_image.name, graph, source, host, staging)
    return SourcePlan([image], paths={layer.descriptor.digest: str(layer.source.path) for layer in layers.values()})


def _read_bases(store: Store, new_image: NewImage, host: Platform) -> list[tuple[Platform, Base | None]]:
    """Return each platform of the new image with its base. Raises InvalidOption if the base is the new image's name."""
    selection = new_image.selection
    everything = selection is not None and selection.everything
    if new_image.base is None:
        if everything:
            raise InvalidOption("platform: 'all' means the platforms of the base, and scratch has none; name them")
        return [(platform, None) for platform in (selection.platforms if selection is not None else (host,))]
    if isinstance(new_image.base, Reference) and new_image.base.name == new_image.name:
        raise InvalidOption(f"name and base are both {new_image.name}: an image doesn't change, so give the new one another name")
    found = StoredBase.find(store, new_image.base)
    if selection is None:
        base = found.read(host, exactly=False)
        return [(base.config.platform or host, base)]
    platforms = found.list_platforms() if everything else list(selection.platforms)
    return [(platform, found.read(platform, exactly=True)) for platform in platforms]


def _plan_chain(store: Store, new_image: NewImage, platform: Platform, base: Base | None) -> list[PlannedLayer]:
    """Plan the new layers for one platform, each on top of the base and the layers before it. The base's layers are read only if one depends on them."""
    _created, seconds = parse_created(new_image.created, base.config if base is not None else None)
    sources = [dataclasses.replace(layer.source, modified=seconds) for layer in new_image.layers if layer.platform in (None, platform)]
    depends = [position for position, source in enumerate(sources) if needs_tree(source)]
    tree = read_tree(store, base) if depends and base is not None else ImageTree()
    return [plan_layer(source, tree, is_last=position > max(depends, default=-1)) for position, source in enumerate(sources)]


def _refuse_unused_layers(new_image: NewImage, platforms: t.Sequence[Platform]) -> None:
    """Raise InvalidOption for a layer whose platform the new image doesn't have: it would silently be missing."""
    for layer in new_image.layers:
        if layer.platform is not None and layer.platform not in platforms:
            made = ", ".join(map(str, platforms))
            raise InvalidOption(
                f"a layer is for {layer.platform}, and {new_image.name} is made for {made} only; add the platform, or remove the layer"
            )


def _refuse_store_in_source(store: Store, source: LayerSource) -> None:
    """Raise InvalidOption if the store is in the source folder and would become a part of the image."""
    if source.path is None or not os.path.isdir(source.path):
        return
    top, place = os.path.realpath(source.path), os.path.realpath(store.path)
    if os.path.commonpath([top, place]) != top:
        return
    inside = os.path.relpath(place, top)
    if inside == "." or not Exclusions(source.exclude).match(inside):
        raise InvalidOption(
            f"the store {store.path} is in the src {source.path}, and would become a part of the image; list {inside} in exclude, or use another store"
        )
