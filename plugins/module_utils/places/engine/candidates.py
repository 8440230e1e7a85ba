# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The images of an engine as a retention policy sees them."""

from __future__ import annotations

import typing as t

from ...engine.interfaces import ContentEngine
from ...errors import CorruptArchive, EngineError
from ...oci.digest import Digest
from ..filters import Filters, ImageFilter
from ..protection import Protection
from ..retention import RetentionCandidate, RetentionPolicy
from .images import EngineImages, NamedEngineImage
from .leftovers import is_temporary

ReadIds = t.Callable[[NamedEngineImage], t.Collection[Digest]]


def list_candidates(
    listed: EngineImages, read_ids: ReadIds, policy: RetentionPolicy, filters: Filters, protection: Protection
) -> list[RetentionCandidate]:
    """Return the candidates of the policy, in the order of the engine's entries. Creation times are only read if the policy needs them.

    READ_IDS returns the image IDs of an image.
    """
    entries = listed.entries
    known = {digest for entry in entries for digest in entry.digests}
    unknown = [one for one in (*protection.selectors, *filters.compared) if isinstance(one, Digest) and one not in known]
    # An engine that gives images only as an archive would have to export all of them: not for the digests of lock files, which it knows.
    reads_ids = bool(unknown) or isinstance(listed.engine, ContentEngine)

    def image_ids(entry: NamedEngineImage) -> t.Collection[Digest]:
        return read_ids(entry) if reads_ids else ()

    def is_protected(entry: NamedEngineImage) -> bool:
        if entry.image.has_unknown_name or entry.image.read_only or is_temporary(entry.name):
            return True
        try:
            return protection.covers(entry, image_ids, lambda one: one.digests)
        except (CorruptArchive, EngineError):
            return bool(unknown)  # its ID can't be read, so it may be one of those to protect

    image_filter = ImageFilter(
        entries,
        listed.place,
        lambda one: one.image.details.created,
        lambda one: one.image.details.labels,
        image_ids,
        lambda one: one.digests,
    )
    tests = image_filter.tests(filters)
    return [
        RetentionCandidate(
            name=entry.name,
            digest=entry.digest,
            created=entry.image.details.created if policy.judges_names else None,
            chosen=all(test(entry) for test in tests),
            protected=is_protected(entry),
        )
        for entry in entries
    ]
