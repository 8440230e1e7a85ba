# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several platforms of one image in an engine: which engines hold them, and which of them an engine has."""

from __future__ import annotations

import typing as t

from ..engine.interfaces import Engine, ManagedEngine
from ..errors import CorruptArchive, EngineError, InvalidOption
from ..oci.config import ImageConfig
from ..oci.document import encode_canonical
from ..oci.graph import Graph, read_graph
from ..oci.platform import Platform, Selection
from ..oci.reference import Reference
from .engine_images import EngineImages
from .outgoing_image import OutgoingImage


def is_several(selection: Selection | None) -> bool:
    """Return whether SELECTION may select several platforms."""
    return selection is not None and (selection.everything or len(selection.platforms) > 1)


def select_for_engine(engine: Engine, selection: Selection | None) -> Selection | None:
    """Return SELECTION, None for the engine's own platform. Raises InvalidOption for several platforms if ENGINE holds one under a name."""
    if is_several(selection) and selection is not None and not engine.holds_several_platforms:
        store = "" if engine.loads_oci else " with its classic image store"
        wanted = ", ".join(selection.texts())
        raise InvalidOption(f"platform: {engine.title}{store} holds one platform of an image under a name, not {wanted}; give one platform")
    return selection


def read_held(engine: Engine, name: Reference, native: Platform) -> Graph | None:
    """Return the part of the image NAME that ENGINE, which runs NATIVE, has completely. None if it can't be read."""
    from .copy.engine_source import EngineReader

    try:
        source = EngineReader(t.cast(ManagedEngine, engine), native).find(name)
        return read_graph(source.root(), str(name), source.read_document)
    except (EngineError, CorruptArchive):
        return None  # it is sent again, which reports the engine's error


def has_platforms(engine: Engine, name: Reference, selection: Selection, native: Platform) -> bool:
    """Return whether the image NAME of ENGINE, which runs NATIVE, is there for all platforms of SELECTION."""
    if engine.holds_several_platforms:
        held = read_held(engine, name, native)
        if held is None or selection.everything:
            return held is not None and not held.absent
        present = {image.platform for image in held.images}
    else:
        present = {_read_platform(t.cast(ManagedEngine, engine), name, native)}
    return all(not present.isdisjoint(wanted.fallbacks()) for wanted in selection.platforms)


def _read_platform(engine: ManagedEngine, name: Reference, native: Platform) -> Platform | None:
    entry = EngineImages(engine, native).get_named(name)
    description = engine.describe(entry.image) if entry is not None else None
    return ImageConfig.read(encode_canonical(description.config.members), str(name)).platform if description is not None else None


def contains_images(held: Graph | None, outgoing: OutgoingImage) -> bool:
    """Return whether HELD has the images of all platforms of OUTGOING."""
    present = held.document_digests if held is not None else ()
    return all(image.descriptor.digest in present for image in outgoing.images)
