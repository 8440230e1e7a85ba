# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The facts of images in results: what a name points at, which platforms are complete, how many bytes they need."""

from __future__ import annotations

import dataclasses
import typing as t

from ..oci.digest import Digest
from ..oci.graph import Graph, ImageNode
from ..oci.manifest import Descriptor
from ..oci.platform import ALL, Platform, Selection
from ..oci.text import format_size
from ..transfer.plan import ImageFacts, RefState

if t.TYPE_CHECKING:
    from ..store.index import Entry
    from ..store.store import Store


class OnPlatform(t.Protocol):
    """An image for one platform. `platform` is None if it doesn't say for which."""

    @property
    def platform(self) -> Platform | None: ...


_OnPlatform = t.TypeVar("_OnPlatform", bound=OnPlatform)


def complete_graph(store: Store, entry: Entry) -> Graph | None:
    """Return the complete part of a stored image: manifests all of whose blobs are verified. None if the root can't be read."""
    graph = store.read_graph(entry)
    if graph is None:
        return None
    whole = tuple(image for image in graph.images if all(store.has_blob(blob) for blob in image.manifest.blobs))
    return dataclasses.replace(graph, images=whole)


def ref_state(store: Store, entry: Entry | None) -> RefState | None:
    """Return what a stored name points at now, None for a name that doesn't exist."""
    if entry is None:
        return None
    graph = complete_graph(store, entry)
    return RefState(entry.descriptor.digest, tuple(graph.platforms) if graph is not None else ())


def describe_record(name: str, before: Entry | None, graph: Graph, selection: Selection | None) -> tuple[str, ...]:
    """Return the action that records platforms of SELECTION for the entry of an index, none if the entry records them all.

    Their content can be complete already, because another image has it. An entry without a record, as other tools write it, gets none without a change.
    """
    if before is None or before.selection is None or before.digest != graph.root.digest or selection is None:
        return ()
    recorded = before.selection.texts()
    new = [text for text in before.selection.union(selection).texts() if text not in recorded]
    return (f"keep {name} complete from now on for {'all platforms' if new == ALL.texts() else ', '.join(new)}",) if new else ()


def image_facts(name: str | None, graph: Graph, requested: Selection | None, host: Platform) -> ImageFacts:
    """Return an image's row in the results. Its ID is that of the requested platform, else of the host's, else of the first that is present."""
    image = preferred_image(graph, requested, host)
    return ImageFacts(
        name=name,
        digest=graph.root.digest,
        image_id=image.manifest.config.digest if image is not None else None,
        media_type=graph.root.media_type,
        platforms=tuple(graph.platforms),
        size=graph.size,
    )


def stored_facts(name: str | None, root: Descriptor, graph: Graph | None, requested: Selection | None, host: Platform) -> ImageFacts:
    """Return the same as `image_facts`, also for an image that can't be read and of which only the digest is known."""
    return image_facts(name, graph, requested, host) if graph is not None else ImageFacts(name, root.digest, None, root.media_type, (), 0)


def preferred_image(graph: Graph, requested: Selection | None, host: Platform) -> ImageNode | None:
    return preferred([image for _platform, image in graph.images_by_platform], requested, host)


def preferred(images: t.Sequence[_OnPlatform], requested: Selection | None, host: Platform) -> _OnPlatform | None:
    """Return the image for the requested platform, else for the host, else the first that can be run."""
    wanted = [*(requested.platforms if requested is not None else ()), host]
    for platform in wanted:
        for candidate in platform.fallbacks():
            for image in images:
                if image.platform == candidate:
                    return image
    runnable = (image for image in images if image.platform is None or image.platform.is_runnable)
    return next(runnable, images[0] if images else None)


def describe_transfer(blobs: t.Sequence[Descriptor]) -> str:
    """Return the number and size of BLOBS for a sentence."""
    return f"{format_count(len(blobs), 'blob')}, {format_size(sum(blob.size for blob in blobs))}" if blobs else "nothing to move"


def format_count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def file_facts(path: str, title: str | None, content: Descriptor, *, changed: bool) -> dict[str, t.Any]:
    """Return the row of one file of an artifact in the results. PATH is the file on the host."""
    return {
        "path": path,
        "title": title,
        "media_type": content.media_type,
        "digest": str(content.digest),
        "size": content.size,
        "changed": changed,
    }


def short_digest(digest: Digest) -> str:
    """Return the first digits of a digest for a sentence. Results contain the full digest."""
    return f"{digest.algorithm}:{digest.hex[:12]}"
