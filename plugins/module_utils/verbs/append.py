# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan new images, each on top of a base image, or from scratch, for one platform or several."""

from __future__ import annotations

import dataclasses
import functools
import os
import typing as t

from ..archive.exclusions import Exclusions
from ..archive.image_tree import ImageTree
from ..archive.layer import Layer, PlannedLayer, measure, needs_tree, plan_layer
from ..archive.layer_source import LayerSource
from ..errors import DiskFull, InvalidOption, LongshoreError
from ..oci.compose import Base, NewLayer, compose_image, parse_created
from ..oci.digest import Digest, hash_stream
from ..oci.manifest import Descriptor
from ..oci.platform import Platform, Selection
from ..oci.reference import Reference
from ..oci.settings import Settings
from ..transfer.interfaces import Source
from ..transfer.plan import ImagePlan
from ..transfer.workers import Workers
from .bases import BaseImage, MadeBase, StoredBase, read_tree
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
    """The description of a new image. `base` is None for scratch, `selection` None if the user named no platform. `targets` are its further names."""

    name: Reference
    base: Reference | Digest | None
    layers: t.Sequence[WantedLayer]
    settings: Settings
    selection: Selection | None = None
    created: str | None = None
    annotations: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    targets: tuple[Reference, ...] = ()

    @property
    def names(self) -> tuple[Reference, ...]:
        """Return all names of the image, each once."""
        return tuple(dict.fromkeys((self.name, *self.targets)))

    @property
    def is_index(self) -> bool:
        """Return True for an image for several platforms."""
        return self.selection is not None and (self.selection.everything or len(self.selection.platforms) > 1)


def plan_append(store: Store, new_images: t.Sequence[NewImage], host: Platform, workers: Workers, staging: Staging | None = None) -> SourcePlan:
    """Plan to make NEW_IMAGES. Their layers are read here to compute their digests, and a second time if they must be stored.

    An image may be based on an earlier one. An image that can't be made has its error in its row; the others are made.
    With STAGING, of a run that applies the plan, the layers of an image whose name is new are written while they are read, so there is no second time.
    Raises InvalidOption for names that the images can't have together, StoreDamaged for an unreadable store, and DiskFull.
    """
    _check_names(new_images)
    store.reload()
    return _Maker(store, host, workers, staging, shares_trees=len(new_images) > 1).plan(new_images)


def _check_names(new_images: t.Sequence[NewImage]) -> None:
    """Raise InvalidOption if a name is given to two images, and for a base that would be another image in the next run."""
    owners: dict[Reference, int] = {}
    for position, image in enumerate(new_images):
        for name in image.names:
            if owners.setdefault(name, position) != position:
                raise InvalidOption(f"two of the images get the name {name}; give each image its own names")
    for position, image in enumerate(new_images):
        base = image.base.name if isinstance(image.base, Reference) else None
        owner = owners.get(base, -1) if base is not None else -1
        if base is not None and base == image.name:
            raise InvalidOption(f"name and base are both {base}: an image doesn't change, so give the new one another name")
        if owner == position:
            raise InvalidOption(
                f"{base} is the base of {image.name} and one of its targets: an image doesn't change, so give the new one other names"
            )
        if owner > position and not t.cast(Reference, image.base).digest:
            raise InvalidOption(f"{image.name} is based on {base}, which the task makes later; list {base} first")


@dataclasses.dataclass
class _Maker:
    """The images of one run while they are planned.

    `made` has the images that were planned by their names, `failed` the errors of the others. With `shares_trees`, the files of the last base are kept
    for each of its platforms, because the next image may have the same base.
    """

    store: Store
    host: Platform
    workers: Workers
    staging: Staging | None
    shares_trees: bool
    made: dict[Reference, MadeBase] = dataclasses.field(default_factory=dict)
    failed: dict[Reference, LongshoreError] = dataclasses.field(default_factory=dict)
    layers: dict[PlannedLayer, Layer] = dataclasses.field(default_factory=dict)
    trees: dict[tuple[Digest, tuple[Descriptor, ...]], ImageTree] = dataclasses.field(default_factory=dict)

    def plan(self, new_images: t.Sequence[NewImage]) -> SourcePlan:
        rows = [self._plan_or_error(new_image) for new_image in new_images]
        return SourcePlan(rows, paths={layer.descriptor.digest: str(layer.source.path) for layer in self.layers.values()})

    def _plan_or_error(self, new_image: NewImage) -> ImagePlan:
        try:
            return self._plan(new_image)
        except DiskFull:
            raise  # the others would not fit either
        except LongshoreError as error:
            self.failed.update(dict.fromkeys(new_image.names, error))
            return ImagePlan(str(new_image.name), error=error)

    def _plan(self, new_image: NewImage) -> ImagePlan:
        found = self._find_base(new_image)
        bases = self._read_bases(new_image, found)
        for layer in new_image.layers:
            _refuse_store_in_source(self.store, layer.source)
        _refuse_unused_layers(new_image, [platform for platform, _base in bases])
        content = found.content if found is not None else self.store
        chains = [self._plan_chain(new_image, content, platform, base) for platform, base in bases]
        self._measure([planned for chain in chains for planned in chain], is_new=self.store.index.get_named(new_image.name) is None)
        made: list[ComposedImage] = []
        for (platform, base), chain in zip(bases, chains):
            new = [NewLayer(self.layers[planned].descriptor, self.layers[planned].diff_id, planned.label) for planned in chain]
            created, _seconds = parse_created(new_image.created, base.config if base is not None else None)
            manifest, config = compose_image(base, platform, new, new_image.settings, created, new_image.annotations)
            made.append(ComposedImage(platform, manifest, config))
        graph, documents = compose_graph(made, is_index=new_image.is_index, annotations=new_image.annotations)
        own = {self.layers[planned].descriptor.digest: self.layers[planned] for chain in chains for planned in chain}
        below = content.layers if isinstance(content, MadeContent) else {}
        source = MadeContent(self.store, documents, {**below, **own})
        image = plan_made_image(self.store, new_image.name, graph, source, self.host, self.staging, new_image.names[1:])
        self.made.update(dict.fromkeys(new_image.names, MadeBase(new_image.name, graph, source)))
        return image

    def _find_base(self, new_image: NewImage) -> BaseImage | None:
        """Return the base, None for scratch. Raises the error of a base that this run couldn't make, and those of `StoredBase.find`."""
        base = new_image.base
        if base is None:
            return None
        if isinstance(base, Reference):
            made = self.made.get(base.name)
            if made is not None and base.digest in (None, made.graph.root.digest):
                return made
            if base.name in self.failed and base.digest is None:
                error = self.failed[base.name]
                raise type(error)(f"{new_image.name} can't be made without its base {base.name}: {error.message}")
        return StoredBase.find(self.store, base)

    def _read_bases(self, new_image: NewImage, found: BaseImage | None) -> list[tuple[Platform, Base | None]]:
        """Return each platform of the new image with its base."""
        selection = new_image.selection
        everything = selection is not None and selection.everything
        if found is None:
            if everything:
                raise InvalidOption("platform: 'all' means the platforms of the base, and scratch has none; name them")
            return [(platform, None) for platform in (selection.platforms if selection is not None else (self.host,))]
        if selection is None:
            base = found.read(self.host, exactly=False)
            return [(base.config.platform or self.host, base)]
        platforms = found.list_platforms() if everything else list(selection.platforms)
        return [(platform, found.read(platform, exactly=True)) for platform in platforms]

    def _plan_chain(self, new_image: NewImage, content: Source, platform: Platform, base: Base | None) -> list[PlannedLayer]:
        """Plan the new layers for one platform, each on top of the base and the layers before it.

        The base's layers are read only if one depends on them.
        """
        _created, seconds = parse_created(new_image.created, base.config if base is not None else None)
        sources = [dataclasses.replace(layer.source, modified=seconds) for layer in new_image.layers if layer.platform in (None, platform)]
        depends = [position for position, source in enumerate(sources) if needs_tree(source)]
        tree = self._read_tree(content, base) if depends and base is not None else ImageTree()
        return [plan_layer(source, tree, is_last=position > max(depends, default=-1)) for position, source in enumerate(sources)]

    def _read_tree(self, content: Source, base: Base) -> ImageTree:
        if not self.shares_trees:
            return read_tree(content, base)
        key = (base.digest, base.manifest.layers)
        if key not in self.trees:
            self.trees = {kept: tree for kept, tree in self.trees.items() if kept[0] == base.digest}
            self.trees[key] = read_tree(content, base)
        return self.trees[key].copy()

    def _measure(self, planned: t.Iterable[PlannedLayer], *, is_new: bool) -> None:
        """Read layers that no earlier image has. They are stored at once if the image IS_NEW; otherwise it may be unchanged, and that would be in vain."""
        missing = [layer for layer in dict.fromkeys(planned) if layer not in self.layers]
        consume = self.staging.put_blob if self.staging is not None and is_new else hash_stream
        self.layers.update(zip(missing, self.workers.map(functools.partial(measure, consume=consume), missing)))


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
