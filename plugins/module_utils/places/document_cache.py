# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manifests that earlier runs of this user fetched, for modules that keep no store: a second run then asks a registry only for the digest of the tag."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..atomic_files import replace_file
from ..errors import LongshoreError
from ..files import read_bounded
from ..folders import Folder, make_path
from ..limits import MAX_KEPT_DOCUMENT, MAX_KEPT_DOCUMENTS
from ..oci.digest import Digest
from ..oci.manifest import Descriptor

if t.TYPE_CHECKING:
    from .image_source import ImageSource

_FOLDER = os.path.join("longshore", "manifests")

Read = t.Callable[[Descriptor], t.Optional[bytes]]


class DocumentCache:
    """Documents by their digests, in a folder of the user's cache. A file counts only if its bytes have the digest, so nobody can plant one.

    The cache only saves requests: without it, or with a folder that can't be read or written, a run returns the same results.
    """

    def __init__(self, path: str | None) -> None:
        """PATH is the folder, which is created if it is needed. With None, nothing is kept."""
        self._path = path
        self._unsaved: dict[Digest, bytes] = {}

    def reader(self, read: Read) -> Read:
        """Return a function that reads documents from the cache, and others with READ; `save` keeps these."""

        def read_cached(descriptor: Descriptor) -> bytes | None:
            data = self._find(descriptor)
            if data is None:
                data = read(descriptor)
                if data is not None and len(data) <= MAX_KEPT_DOCUMENT:
                    self._unsaved[descriptor.digest] = data
            return data

        return read_cached

    def reader_of(self, source: ImageSource) -> Read:
        """Return a function that reads documents of SOURCE, from the cache if SOURCE is a registry."""
        return self.reader(source.read_document) if source.costs_requests else source.read_document

    def _find(self, descriptor: Descriptor) -> bytes | None:
        if self._path is None or descriptor.size > MAX_KEPT_DOCUMENT:
            return None
        try:
            data = read_bounded(os.path.join(self._path, _file_name(descriptor.digest)), MAX_KEPT_DOCUMENT)
            return descriptor.digest.check(data, self._path)
        except (OSError, LongshoreError):
            return None

    def save(self) -> None:
        """Write the documents that were read, and delete the oldest ones if there are too many."""
        if self._path is None or not self._unsaved:
            return
        with contextlib.suppress(OSError, LongshoreError), make_path(self._path, 0o700, 0o700) as folder:
            for digest, data in self._unsaved.items():
                replace_file(folder.path_of(_file_name(digest)), data, 0o600)
            _delete_oldest(folder)


def _delete_oldest(folder: Folder) -> None:
    statuses = {name: folder.status(name) for name in folder.list_names()}
    times = {name: status.st_mtime_ns for name, status in statuses.items() if status is not None}
    for name in sorted(times, key=times.__getitem__)[:-MAX_KEPT_DOCUMENTS]:
        folder.unlink(name)


def _file_name(digest: Digest) -> str:
    return f"{digest.algorithm}-{digest.hex}"


def find_cache_folder(environment: t.Mapping[str, str]) -> str | None:
    """Return the folder of this user for cached manifests; None for a user without a home, and for root with the home of another user."""
    base = environment.get("XDG_CACHE_HOME", "")
    if os.path.isabs(base):
        return os.path.join(base, _FOLDER)
    home = os.path.expanduser("~")
    try:
        is_own = os.stat(home).st_uid == os.geteuid()
    except OSError:
        return None
    return os.path.join(home, ".cache", _FOLDER) if is_own else None
