# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What there is to know of stored images: details, filters, history."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ..errors import ImageNotFound, InvalidOption
from ..oci.config import ImageConfig
from ..oci.digest import Digest
from ..oci.glob import compile_glob
from ..oci.graph import Graph, ImageNode
from ..oci.manifest import Index, read_manifest
from ..oci.platform import Platform, Selection, choose
from ..oci.reference import Reference
from .describe import image_facts, preferred_image, whole_graph

if t.TYPE_CHECKING:
    from ..store.index import Entry
    from ..store.store import Store

Facts = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Filters:
    """Which images to show: all conditions that are set must hold; of several globs one."""

    reference: t.Sequence[str] = ()
    label: t.Sequence[str] = ()
    dangling: bool | None = None
    before: Reference | Digest | None = None
    since: Reference | Digest | None = None


@dataclasses.dataclass(frozen=True)
class Stored:
    """One entry of the store with what could be read of it. `image` is the one that stands for it: the host's platform, else the first."""

    entry: Entry
    graph: Graph | None
    image: ImageNode | None
    config: ImageConfig | None


class Inspector:
    """Reads the store for one run; nothing is written."""

    def __init__(self, store: Store, host: Platform) -> None:
        self._store = store
        self._host = host

    def listed(self, filters: Filters) -> list[Facts]:
        """All images that pass FILTERS, in the order of the store."""
        stored = [self._stored(entry, None) for entry in self._store.index.entries]
        tests = self._tests(filters)
        return [self._facts(image) for image in stored if all(test(image) for test in tests)]

    def asked(self, selectors: t.Sequence[Reference | Digest], filters: Filters) -> list[Facts]:
        """A row for each of SELECTORS; one that isn't here, or doesn't pass FILTERS, has `present` false."""
        tests = self._tests(filters)
        rows: list[Facts] = []
        for selector in selectors:
            entry = self._store.find(selector)
            stored = self._stored(entry, None) if entry is not None else None
            if stored is not None and all(test(stored) for test in tests):
                rows.append(self._facts(stored))
            else:
                name = None if isinstance(selector, Digest) else str(selector.name)
                digest = selector if isinstance(selector, Digest) else selector.digest
                rows.append({"name": name, "digest": None if digest is None else str(digest), "present": False, "changed": False})
        return rows

    def history(self, selector: Reference | Digest, selection: Selection | None) -> Facts:
        """Which image it is, and how it was made, newest first. Raises ImageNotFound for one that isn't here, PlatformMissing for a platform that isn't."""
        stored = self._stored(self._store.resolve(selector), selection)
        if stored.image is None or stored.config is None:
            raise ImageNotFound(f"{selector} is in {self._store.path}, but nothing of it that has a history")
        name, digest = stored.entry.name, stored.entry.descriptor.digest
        return {
            "name": str(name) if name is not None else None,
            "digest": str(digest),
            "history": history_facts(stored.image, stored.config),
        }

    def _stored(self, entry: Entry, selection: Selection | None) -> Stored:
        graph = whole_graph(self._store, entry)
        image = self._image(graph, selection, entry.label) if graph is not None else None
        data = self._store.read(image.manifest.config) if image is not None and image.manifest.is_image else None
        config = ImageConfig.read(data, f"{entry.label}, config") if data is not None else None
        return Stored(entry, graph, image, config)

    def _image(self, graph: Graph, selection: Selection | None, label: str) -> ImageNode | None:
        """The image of the platform asked for, which must be here then; else the one that stands for all."""
        if selection is None or not selection.platforms:
            return preferred_image(graph, None, self._host)
        return choose(selection.platforms[0], [(image.platform, image) for image in graph.images], label)

    # Filters.

    def _tests(self, filters: Filters) -> list[t.Callable[[Stored], bool]]:
        tests: list[t.Callable[[Stored], bool]] = []
        if filters.reference:
            patterns = [compile_glob(pattern) for pattern in filters.reference]
            tests.append(lambda stored: stored.entry.name is not None and any(pattern.match(str(stored.entry.name)) for pattern in patterns))
        tests.extend(_label_test(label) for label in filters.label)
        if filters.dangling is not None:
            tests.append(lambda stored: (stored.entry.name is None) == filters.dangling)
        if filters.before is not None:
            before = self._time_of(filters.before)
            tests.append(lambda stored: (time := _created(stored)) is not None and time < before)
        if filters.since is not None:
            since = self._time_of(filters.since)
            tests.append(lambda stored: (time := _created(stored)) is not None and time > since)
        return tests

    def _time_of(self, selector: Reference | Digest) -> datetime.datetime:
        time = _created(self._stored(self._store.resolve(selector), None))
        if time is None:
            raise InvalidOption(f"filters: {selector} doesn't say when it was created")
        return time

    # Facts.

    def _facts(self, stored: Stored) -> Facts:
        entry, graph, config = stored.entry, stored.graph, stored.config
        same = [other for other in self._store.index.with_digest(entry.descriptor.digest) if other.name is not None]
        facts: Facts = {
            "name": str(entry.name) if entry.name is not None else None,
            "digest": str(entry.descriptor.digest),
            "image_id": None,
            "media_type": entry.descriptor.media_type,
            "platforms": [],
            "size": 0,
        }
        if graph is not None:
            facts.update(image_facts(facts["name"], graph, None, self._host).facts())
        platform = config.platform if config is not None else None
        facts.update(
            present=True,
            changed=False,
            repo_tags=[str(other.name) for other in same if other.name is not None and other.name.tag is not None],
            repo_digests=sorted({f"{other.name.context}@{entry.descriptor.digest}" for other in same if other.name is not None}),
            created=config.created if config is not None else None,
            author=config.author if config is not None else None,
            os=platform.os if platform is not None else None,
            architecture=platform.architecture if platform is not None else None,
            variant=platform.variant if platform is not None else None,
            config=config.settings if config is not None else {},
            labels=dict(config.labels) if config is not None else {},
            layers=_layer_facts(stored.image, config),
            manifests=_child_facts(graph),
        )
        return facts


def history_facts(image: ImageNode, config: ImageConfig) -> list[Facts]:
    """The steps of a config with the layers they made, newest first. Layers of which the history says nothing have a step of their own."""
    layers = _layer_facts(image, config)
    steps: list[Facts] = []
    for entry in config.history:
        layer = layers.pop(0) if not entry.empty_layer and layers else None
        steps.append(_step(entry.created, entry.created_by, entry.comment, layer, entry.empty_layer))
    steps += [_step(None, None, None, layer, False) for layer in layers]
    return steps[::-1]


def _step(created: str | None, created_by: str | None, comment: str | None, layer: Facts | None, empty: bool) -> Facts:
    return {
        "created": created,
        "created_by": created_by,
        "comment": comment,
        "empty_layer": empty,
        "size": layer["size"] if layer is not None else 0,
        "digest": layer["digest"] if layer is not None else None,
        "diff_id": layer["diff_id"] if layer is not None else None,
    }


def _layer_facts(image: ImageNode | None, config: ImageConfig | None) -> list[Facts]:
    if image is None:
        return []
    diff_ids = config.diff_ids if config is not None else ()
    return [
        {
            "digest": str(layer.digest),
            "diff_id": str(diff_ids[position]) if position < len(diff_ids) else None,
            "size": layer.size,
            "media_type": layer.media_type,
        }
        for position, layer in enumerate(image.manifest.layers)
    ]


def _child_facts(graph: Graph | None) -> list[Facts]:
    """A row for each entry of an image's index: whether all of it is here."""
    if graph is None:
        return []
    index = read_manifest(graph.documents[graph.root], graph.root.media_type, str(graph.root.digest))
    if not isinstance(index, Index):
        return []
    here = {image.descriptor.digest for image in graph.images}
    return [
        {
            "digest": str(child.digest),
            "platform": str(child.platform) if child.platform is not None else None,
            "size": child.size,
            "media_type": child.media_type,
            "present": child.digest in here,
        }
        for child in index.manifests
    ]


def _label_test(wanted: str) -> t.Callable[[Stored], bool]:
    key, equals, value = wanted.partition("=")

    def passes(stored: Stored) -> bool:
        labels = stored.config.labels if stored.config is not None else {}
        return key in labels and (not equals or labels[key] == value)

    return passes


def _created(stored: Stored) -> datetime.datetime | None:
    return stored.config.created_at if stored.config is not None else None
