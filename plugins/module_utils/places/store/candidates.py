# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The images of a store as a retention policy sees them."""

from __future__ import annotations

import datetime
import functools
import typing as t

from ...errors import UnsupportedFormat
from ...oci.digest import Digest
from ...oci.manifest import read_subject
from ...oci.referrers import read_digest_tag
from ..filters import Filters, ImageFilter
from ..inspected_image import InspectedImage
from ..protection import Protection
from ..retention import RetentionCandidate
from ..subjects import follow_subjects

if t.TYPE_CHECKING:
    from ...oci.platform import Platform
    from ...store.index import Entry
    from ...store.store import Store
    from ..catalog import Catalog


def list_candidates(catalog: Catalog[Entry], store: Store, host: Platform, filters: Filters, protection: Protection) -> list[RetentionCandidate]:
    """Return the candidates of the policy: one for each entry of the store, in order."""
    entries = catalog.entries
    images = [InspectedImage(entry.name, entry.descriptor, functools.partial(store.read_graph, entry), store.read_document) for entry in entries]

    def created(image: InspectedImage) -> datetime.datetime | None:
        return image.created_on(host)

    image_filter = ImageFilter(images, catalog.place, created, lambda image: image.labels_on(host), lambda image: image.image_ids)
    tests = image_filter.tests(filters)
    subjects = _find_subjects(images)
    return [
        RetentionCandidate(
            name=image.name,
            digest=image.digest,
            created=_read_time(created, image),
            chosen=all(test(image) for test in tests),
            protected=protection.covers(image, lambda one: one.image_ids) or _has_foreign_name(entry),
            referrer_of=subjects.get(image.digest, frozenset()),
        )
        for entry, image in zip(entries, images)
    ]


def _read_time(created: t.Callable[[InspectedImage], datetime.datetime | None], image: InspectedImage) -> datetime.datetime | None:
    """Return the creation time of an image, None if its config can't be read."""
    try:
        return created(image)
    except UnsupportedFormat:
        return None


def _has_foreign_name(entry: Entry) -> bool:
    """Return whether the entry has a short name of another tool, such as `latest`. It is no reference, but its owner wants to keep the image."""
    return entry.name is None and not entry.is_anonymous


def _find_subjects(images: t.Sequence[InspectedImage]) -> dict[Digest, frozenset[Digest]]:
    """Return for each referrer, such as a signature, the images that it refers to."""
    images_by_manifest: dict[Digest, set[Digest]] = {}
    for image in images:
        documents = image.graph.documents if image.graph is not None else ()
        for digest in (image.digest, *(document.digest for document in documents)):
            images_by_manifest.setdefault(digest, set()).add(image.digest)
    subjects = {image.digest: found for image in images for found in [_read_subjects(image)] if found}
    return {digest: frozenset(follow_subjects(digest, subjects, images_by_manifest)) for digest in subjects}


def _read_subjects(image: InspectedImage) -> set[Digest]:
    """Return the subjects of an image: from its manifest or, as cosign does, from its tag."""
    root = image.graph.documents.get(image.root) if image.graph is not None else None
    found = (
        read_digest_tag(image.name.tag) if image.name is not None else None,
        read_subject(root, image.label) if root is not None else None,
    )
    return {subject for subject in found if subject is not None}
