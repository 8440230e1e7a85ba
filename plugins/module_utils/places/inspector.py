# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Describe the images of a place: details, filters, history."""

from __future__ import annotations

import contextlib
import datetime
import functools
import typing as t

from ..errors import ImageNotFound, PlatformMissing
from ..oci.artifacts import TITLE
from ..oci.config import ImageConfig
from ..oci.digest import Digest
from ..oci.graph import Graph, ImageNode
from ..oci.manifest import Index, read_manifest
from ..oci.platform import Platform, Selection, choose_platform
from ..oci.reference import Reference
from .facts import preferred_image, stored_facts
from .filters import Filters, ImageFilter
from .inspected_image import Facts, InspectedImage

if t.TYPE_CHECKING:
    from ..trust.policy import TrustPolicy


class Inspector:
    """Return facts of the images of a place. PLACE is its name in messages, SELECTION the platforms to describe, the preferred one first.

    With TRUST, rows have its verdict, and with RAW the documents as they are.
    """

    def __init__(
        self,
        inspected: t.Sequence[InspectedImage],
        place: str,
        host: Platform,
        selection: Selection | None = None,
        trust: TrustPolicy | None = None,
        raw: bool = False,
    ) -> None:
        self._images = inspected
        self._place = place
        self._raw = raw
        self._filter = ImageFilter(inspected, place, self.created, self._labels, lambda one: one.image_ids, lambda one: one.known_digests)
        self._host = host
        self._trust = trust
        self._selection = selection
        self._platforms = selection.platforms if selection is not None else ()

    def list_rows(self, filters: Filters) -> list[Facts]:
        """Return the rows of all images that pass FILTERS. Their referrers are listed in these rows only."""
        rows = [(inspected, self._facts(inspected)) for inspected in self.find_matching(filters) if not inspected.is_referrer]
        return [row for inspected, row in rows if not inspected.was_removed()]

    def find_matching(self, filters: Filters) -> list[InspectedImage]:
        """Return the images that pass FILTERS."""
        tests = self._tests(filters)
        return [inspected for inspected in self._images if all(test(inspected) for test in tests)]

    def find_rows(self, selectors: t.Sequence[Reference | Digest], filters: Filters) -> list[Facts]:
        """Return a row for each of SELECTORS. If the image doesn't exist, or doesn't pass FILTERS, its `present` is false."""
        tests = self._tests(filters)
        rows: list[tuple[InspectedImage, Facts] | None] = []
        for selector in selectors:
            inspected = self._filter.find(selector)
            is_there = inspected is not None and all(test(inspected) for test in tests)
            rows.append((inspected, self._facts(inspected)) if inspected is not None and is_there else None)
        return [_absent_row(selector) if row is None or row[0].was_removed() else row[1] for selector, row in zip(selectors, rows)]

    def history(self, selector: Reference | Digest) -> Facts:
        """Return the name and digest of an image, and its history with the newest step first.

        Raises ImageNotFound or PlatformMissing if it doesn't exist, StoreDamaged if it is missing because a part of the image is lost.
        """
        inspected = self._filter.resolve(selector)
        try:
            image = self._image(inspected)
        except PlatformMissing:
            inspected.check_complete()
            raise
        config = inspected.config(image)
        if image is None or (config is None and image.manifest.is_image):
            inspected.check_complete()
            raise ImageNotFound(f"{selector} is in {self._place}, but has no history")
        return inspected.correct_history(
            {
                "name": str(inspected.name) if inspected.name is not None else None,
                "digest": str(inspected.digest),
                "history": history_facts(image, config),
            }
        )

    def _image(self, inspected: InspectedImage) -> ImageNode | None:
        """Return the image of the requested platform, else the preferred one. Raises PlatformMissing."""
        if inspected.graph is None or not self._platforms:
            return preferred_image(inspected.graph, None, self._host) if inspected.graph is not None else None
        entries = inspected.graph.images_by_platform
        *better, last = self._platforms
        for platform in better:
            with contextlib.suppress(PlatformMissing):
                return choose_platform(platform, entries, inspected.label)
        return choose_platform(last, entries, inspected.label)

    def _has_platform(self, inspected: InspectedImage) -> bool:
        try:
            return self._image(inspected) is not None
        except PlatformMissing:
            return False

    # Filters.

    def _tests(self, filters: Filters) -> list[t.Callable[[InspectedImage], bool]]:
        return [*([self._has_platform] if self._platforms else []), *self._filter.tests(filters)]

    def _labels(self, inspected: InspectedImage) -> t.Mapping[str, str]:
        config = inspected.config(self._image(inspected))
        return config.labels if config is not None else {}

    def created(self, inspected: InspectedImage) -> datetime.datetime | None:
        """Return the creation time in the config of the preferred platform."""
        config = inspected.config(self._image(inspected))
        return config.created_at if config is not None else None

    # Facts.

    @functools.cached_property
    def _names(self) -> dict[Digest, list[Reference]]:
        """Return all names of each digest."""
        names: dict[Digest, list[Reference]] = {}
        for inspected in self._images:
            names.setdefault(inspected.digest, []).extend([inspected.name] if inspected.name is not None else [])
        return names

    def _facts(self, inspected: InspectedImage) -> Facts:
        image = self._image(inspected)
        config = inspected.config(image)
        names = self._names[inspected.digest]
        name = str(inspected.name) if inspected.name is not None else None
        facts: Facts = stored_facts(name, inspected.root, inspected.graph, self._selection, self._host).facts()
        platform = config.platform if config is not None else None
        facts.update(
            present=True,
            changed=False,
            repo_tags=[str(name) for name in names if name.tag is not None],
            repo_digests=sorted({f"{name.context}@{inspected.digest}" for name in names}),
            created=config.created if config is not None else None,
            author=config.author if config is not None else None,
            os=platform.os if platform is not None else None,
            architecture=platform.architecture if platform is not None else None,
            variant=platform.variant if platform is not None else None,
            config=config.settings if config is not None else {},
            labels=dict(config.labels) if config is not None else {},
            artifact_type=_artifact_type(image),
            annotations=dict(image.manifest.annotations) if image is not None else {},
            layers=_layer_facts(image, config),
            manifests=_child_facts(inspected.graph),
            content=_content_facts(inspected.graph),
            verification=inspected.verify(self._trust),
            referrers=inspected.referrers(),
            **({"raw": inspected.raw(image)} if self._raw else {}),
        )
        return inspected.correct_row(facts, names)


def _absent_row(selector: Reference | Digest) -> Facts:
    name = None if isinstance(selector, Digest) else str(selector.name)
    digest = selector if isinstance(selector, Digest) else selector.digest
    return {"name": name, "digest": None if digest is None else str(digest), "present": False, "changed": False}


def history_facts(image: ImageNode, config: ImageConfig | None) -> list[Facts]:
    """Return the steps of a config with the layers that they made, newest first. A layer without a history entry gets a separate step.

    An artifact, which has no config of an image, has a step for each file, with the title as its comment.
    """
    layers = _layer_facts(image, config)
    steps: list[Facts] = []
    for entry in config.history if config is not None else ():
        layer = layers.pop(0) if not entry.empty_layer and layers else None
        steps.append(_step(entry.created, entry.created_by, entry.comment, layer, entry.empty_layer))
    steps += [_step(None, None, None if image.manifest.is_image else layer["title"], layer, False) for layer in layers]
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
            "title": layer.annotations.get(TITLE),
        }
        for position, layer in enumerate(image.manifest.layers)
    ]


def _artifact_type(image: ImageNode | None) -> str | None:
    """Return the type of an artifact: the one that its manifest says, else that of its config. None for an image without one."""
    if image is None:
        return None
    manifest = image.manifest
    return manifest.kind


def _content_facts(graph: Graph | None) -> list[Facts]:
    """Return digest and size of all content of an image, each digest once."""
    sizes = {descriptor.digest: descriptor.size for descriptor in graph.content} if graph is not None else {}
    return [{"digest": str(digest), "size": size} for digest, size in sizes.items()]


def _child_facts(graph: Graph | None) -> list[Facts]:
    """Return a row for each entry of an image's index, with whether all of that entry is present."""
    if graph is None:
        return []
    index = read_manifest(graph.documents[graph.root], graph.root.media_type, str(graph.root.digest))
    if not isinstance(index, Index):
        return []
    # A manifest counts as present with its blobs, a nested index with its document: its images have rows too.
    present = {image.descriptor.digest for image in graph.images} | {document.digest for document in graph.documents if document.is_index}
    return [
        {
            "digest": str(child.digest),
            "platform": str(child.platform) if child.platform is not None else None,
            "size": child.size,
            "media_type": child.media_type,
            "present": child.digest in present,
        }
        for child in index.manifests
    ]
