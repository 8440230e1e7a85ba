# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store: what a run reads from it, whether an image can leave it, and the writer that changes it."""

from __future__ import annotations

import os
import typing as t

from ..errors import StoreDamaged
from ..files import find_nearest_ancestor, require_writable
from ..oci.digest import Digest
from ..oci.reference import Reference
from .index import Entry
from .open_folders import PRIVATE
from .reader import StoreReader

if t.TYPE_CHECKING:
    from .writer import Writer


class Store(StoreReader):
    """An image store in a folder, for reading and writing."""

    def open_writer(self, needed: t.Iterable[Digest]) -> Writer:
        """Return a writer that holds a lease on NEEDED. The import is local because runs that only read don't need the module."""
        from .writer import Writer

        return Writer(self, needed)

    def check_writable(self) -> None:
        """Raise InputOutputError if this user can't write to the store or create it. Writes nothing."""
        for names in ((), (PRIVATE,)):
            folder = self.folders.find(*names)
            if folder is not None:
                require_writable(folder.path, f"the store {self.path} can't be written")
        if not os.path.lexists(self.path):
            require_writable(find_nearest_ancestor(self.path), f"the store {self.path} can't be made")

    def get_complete_entry(self, selector: Reference | Digest, trust_others: bool = False) -> Entry:
        """Return the entry of a complete image, so that it can be copied out of the store. TRUST_OTHERS as in `has_blob`.

        Raises ImageNotFound; StoreDamaged if a blob is missing or altered. If another run has just removed the image, it is not found.
        """
        entry = self.get_entry(selector)
        self.check_complete(entry, trust_others)
        return entry

    def check_complete(self, entry: Entry, trust_others: bool = True) -> None:
        """Raise StoreDamaged if a blob of an image is missing or altered. TRUST_OTHERS as in `has_blob`."""
        missing = self.find_missing_blobs(entry, trust_others)
        if missing:
            self.require_named(entry)
            from .blob_check import check_blob

            problem = check_blob(self, missing[0].digest, missing[0].size) or "missing or altered"
            raise StoreDamaged(f"{entry.label} is damaged in {self.path}: {missing[0].digest} is {problem}; pull it again to repair it")
