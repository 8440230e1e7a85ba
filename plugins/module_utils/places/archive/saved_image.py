# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images and referrers as an archive lists them: which part of an index a format holds, and which index must not be listed."""

from __future__ import annotations

import dataclasses

from ...archive.format import DOCKER, SavedImage
from ...oci.graph import Graph, ImageNode
from ...oci.platform import Platform, Selection
from ...oci.reference import Reference
from ...oci.referrers import FoundReferrers
from ..facts import preferred_image


def saved_image(graph: Graph, names: tuple[Reference, ...], form: str, selection: Selection | None, host: Platform) -> SavedImage:
    """Return GRAPH as an archive of the format FORM lists it. A docker-archive holds only one of its platforms."""
    runnable = preferred_image(graph, selection, host)
    if runnable is not None and not runnable.manifest.is_image:
        runnable = None
    if form == DOCKER and runnable is not None:
        graph = _keep_image(graph, runnable)
    listed, index = graph.root, None
    if _must_travel_unlisted(graph):
        listed, index = graph.images[0].descriptor, graph.root.digest
    return SavedImage(graph, listed, names, runnable, index)


def _keep_image(graph: Graph, kept: ImageNode) -> Graph:
    """Return GRAPH with the image KEPT only."""
    left_out = [image.descriptor for image in graph.images if image is not kept]
    documents = {descriptor: data for descriptor, data in graph.documents.items() if descriptor not in left_out}
    return dataclasses.replace(graph, images=(kept,), documents=documents, absent=(*graph.absent, *left_out))


def saved_referrers(name: Reference | None, found: FoundReferrers) -> list[SavedImage]:
    """Return the referrers of the image with NAME as an archive lists them. A tag that is made of a digest moves to the repository of the image."""
    saved: list[SavedImage] = []
    for referrer in found.referrers:
        tag = referrer.name if referrer.name is None or name is None else name.with_tag(str(referrer.tag))
        saved.append(SavedImage(referrer.graph, referrer.graph.root, (tag,) if tag is not None else (), None, is_referrer=True))
    return saved


def _must_travel_unlisted(graph: Graph) -> bool:
    """Return whether the index must not be listed: an engine would look for a platform that is not in the archive but that its host could run."""
    if not graph.root.is_index or len(graph.images) != 1 or graph.images[0].platform is None:
        return False
    return any(child.platform is not None and _could_run(graph.images[0].platform, child.platform) for child in graph.absent)


def _could_run(host: Platform, other: Platform) -> bool:
    """Return whether engines on HOST also run images for OTHER: 32 bit on 64 bit, older ARM variants on newer ones."""
    if host.os != other.os or host == other:
        return False
    families = {"amd64": ("amd64", "386"), "arm64": ("arm64", "arm"), "arm": ("arm",)}
    return other.architecture in families.get(host.architecture, ())
