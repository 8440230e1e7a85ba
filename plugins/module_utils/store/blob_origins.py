# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which repositories of registries blobs came from or went to."""

from __future__ import annotations

import typing as t

from ..folders import Folder
from ..limits import MAX_BLOB_ORIGINS
from ..oci.digest import Digest
from .cache import Cache

MAX_BLOBS = MAX_BLOB_ORIGINS
MAX_PLACES = 4


class BlobOrigins(Cache[tuple[str, ...]]):
    """A bounded record of `registry/repository` by digest, the last ones first. A registry that is asked to link a blob decides for itself."""

    def __init__(self, path: str, open_folder: t.Callable[[], Folder | None] | None = None) -> None:
        super().__init__(path, MAX_BLOBS, _read_places, open_folder)

    def places(self, digest: Digest) -> tuple[str, ...]:
        return self.value(digest) or ()

    def add(self, digest: Digest, place: str) -> None:
        """What is known already is no news, so that a run that changes nothing writes nothing."""
        known = self.places(digest)
        if place not in known:
            self.note(digest, (place, *known)[:MAX_PLACES])


def _read_places(value: t.Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(place, str) for place in value):
        raise ValueError("a list of texts is expected")
    return tuple(value)
