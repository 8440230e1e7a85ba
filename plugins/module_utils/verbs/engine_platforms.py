# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several platforms of one image in an engine: which engines hold them, and which of them an engine has."""

from __future__ import annotations

import typing as t

from ..engine.interfaces import Engine, ManagedEngine
from ..errors import CorruptArchive, EngineError, InvalidOption
from ..oci.graph import Graph, read_graph
from ..oci.platform import Selection
from .outgoing_image import OutgoingImage


def is_several(selection: Selection | None) -> bool:
    """Return whether SELECTION may select several platforms."""
    return selection is not None and (selection.everything or len(selection.platforms) > 1)


def select_for_engine(engine: Engine, selection: Selection | None) -> Selection | None:
    """Return SELECTION, None for the engine's own platform. Raises InvalidOption for several platforms if ENGINE holds one under a name."""
    if is_several(selection) and selection is not None and not engine.holds_several_platforms:
        store = "" if engine.loads_oci else " with its first image store"
        wanted = ", ".join(selection.texts())
        raise InvalidOption(f"platform: {engine.title}{store} holds one platform of an image under a name, not {wanted}; give one platform")
    return selection


def read_held(engine: Engine, outgoing: OutgoingImage) -> Graph | None:
    """Return the part of the image under the name of OUTGOING that ENGINE has completely, None if it can't be read."""
    from .copy.engine_source import EngineReader

    try:
        source = EngineReader(t.cast(ManagedEngine, engine), outgoing.native).find(outgoing.name)
        return read_graph(source.root(), str(outgoing.name), source.read_document)
    except (EngineError, CorruptArchive):
        return None  # it is sent again, which reports the engine's error


def contains_images(held: Graph | None, outgoing: OutgoingImage) -> bool:
    """Return whether HELD has the images of all platforms of OUTGOING."""
    present = held.document_digests if held is not None else ()
    return all(image.descriptor.digest in present for image in outgoing.images)
