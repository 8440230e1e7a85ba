# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of the repositories that blobs were pulled from or pushed to."""

from __future__ import annotations

import typing as t

from ..folders import Folder
from ..limits import MAX_BLOB_ORIGINS
from ..oci.digest import Digest
from .cache import Cache

MAX_BLOBS = MAX_BLOB_ORIGINS
MAX_REPOSITORIES = 4


class BlobOrigins(Cache[tuple[str, ...]]):
    """A bounded map from digest to `registry/repository` names, most recent first.

    It only suggests repositories to mount a blob from: the registry decides whether it does.
    """

    def __init__(self, path: str, open_folder: t.Callable[[], Folder | None] | None = None) -> None:
        super().__init__(path, MAX_BLOBS, _parse_repositories, open_folder)

    def repositories(self, digest: Digest) -> tuple[str, ...]:
        return self.get(digest) or ()

    def add(self, digest: Digest, repository: str) -> None:
        """Record that REPOSITORY has the blob. Do nothing if this is recorded already, so that a run that changes nothing writes nothing."""
        recorded = self.repositories(digest)
        if repository not in recorded:
            self.set(digest, (repository, *recorded)[:MAX_REPOSITORIES])


def _parse_repositories(value: t.Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError("a list of strings is expected")
    return tuple(value)
