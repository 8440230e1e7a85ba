# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Recognise an image by its ID: some engines keep no digest of the manifest that an image was loaded with."""

from __future__ import annotations

import typing as t

from ..oci.digest import Digest
from ..oci.document_reader import Read
from ..oci.graph import Graph, read_graph
from ..oci.manifest import Descriptor
from ..oci.platform import Platform
from .facts import preferred_image


@t.runtime_checkable
class IdentifiedSource(t.Protocol):
    """A source that may know an image by its ID only."""

    image_id: Digest | None


def find_same_image(source: object, current: Descriptor | None, label: str, read: Read, host: Platform) -> Graph | None:
    """Return the image CURRENT of a target if it is the image of SOURCE, compared by ID. None if it is another one, or if SOURCE keeps digests.

    An index at the target is the same image if its image for HOST has the ID. LABEL is the name of the target in messages; READ reads its documents.
    """
    if current is None or not isinstance(source, IdentifiedSource) or source.image_id is None:
        return None
    graph = read_graph(current, label, read)
    image = preferred_image(graph, None, host) if graph is not None else None
    return graph if image is not None and image.manifest.config.digest == source.image_id else None
