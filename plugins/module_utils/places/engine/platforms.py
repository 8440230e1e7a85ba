# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several platforms of one image in an engine: which engines hold them, and which of them an engine has."""

from __future__ import annotations

import typing as t

from ...engine.interfaces import EngineImage, ManagedEngine
from ...errors import CorruptArchive, EngineError, InvalidOption
from ...oci.config import ImageConfig
from ...oci.document import encode_canonical
from ...oci.graph import Graph, read_graph
from ...oci.platform import Platform, Selection
from ...oci.reference import Reference
from .outgoing_image import OutgoingImage

if t.TYPE_CHECKING:
    from .reader import EngineReader


def is_several(selection: Selection | None) -> bool:
    """Return whether SELECTION may select several platforms."""
    return selection is not None and (selection.everything or len(selection.platforms) > 1)


def select_for_engine(engine: ManagedEngine, selection: Selection | None) -> Selection | None:
    """Return SELECTION, None for the engine's own platform. Raises InvalidOption for several platforms if ENGINE holds one under a name."""
    if is_several(selection) and selection is not None and not engine.holds_several_platforms:
        store = "" if engine.loads_oci else " with its classic image store"
        wanted = ", ".join(selection.texts())
        raise InvalidOption(f"platform: {engine.title}{store} holds one platform of an image under a name, not {wanted}; give one platform")
    return selection


def read_complete_part(reader: EngineReader, name: Reference) -> Graph | None:
    """Return the part of the image NAME that an engine has completely. None if it can't be read."""
    try:
        source = reader.find(name)
        return read_graph(source.root(), str(name), source.read_document)
    except (EngineError, CorruptArchive):
        return None  # it is sent again, which reports the engine's error


def has_platforms(reader: EngineReader, current: EngineImage, name: Reference, selection: Selection | None, engine_platform: Platform) -> bool:
    """Return whether an engine has its image CURRENT, which is named NAME, for all platforms of SELECTION, by default for its own.

    Without SELECTION, an image that is no index counts for any platform.
    """
    if selection is None:
        if current.has_platform(engine_platform):
            return True
        # The engine doesn't say whether this is an index.
        complete_part = read_complete_part(reader, name) if current.read_platform is not None else None
        return complete_part is not None and not complete_part.root.is_index
    if current.manifests is not None and not selection.everything:
        present: set[Platform | None] = {manifest.platform for manifest in current.manifests}
    elif reader.engine.holds_several_platforms:
        complete_part = read_complete_part(reader, name)
        if complete_part is None or selection.everything:
            return complete_part is not None and not complete_part.absent
        present = {image.platform for image in complete_part.images}
    else:
        present = {_read_platform(reader, name)}
    return all(not present.isdisjoint(wanted.fallbacks()) for wanted in selection.platforms)


def _read_platform(reader: EngineReader, name: Reference) -> Platform | None:
    entry = reader.images.get_named(name)
    description = reader.engine.describe(entry.image) if entry is not None else None
    return ImageConfig.read(encode_canonical(description.config.members), str(name)).platform if description is not None else None


def contains_images(complete_part: Graph | None, outgoing: OutgoingImage) -> bool:
    """Return whether COMPLETE_PART has the images of all platforms of OUTGOING."""
    present = complete_part.document_digests if complete_part is not None else ()
    return all(image.descriptor.digest in present for image in outgoing.images)
