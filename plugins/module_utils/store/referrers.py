# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store as a place to search for referrers: its entries whose manifests have a `subject`, and those that are named by a tag made of a digest."""

from __future__ import annotations

import functools
import os
import re
import typing as t

from ..errors import InputOutputError
from ..oci.digest import ALGORITHMS
from ..oci.layout import BLOBS
from ..oci.referrers import LayoutReferrers

if t.TYPE_CHECKING:
    from ..folders import Folder
    from .store import Store

_DIGEST_TAG = re.compile("|".join(f"{algorithm}-" for algorithm in ALGORITHMS))


# A longer document is read and parsed.
_MAX_SEARCHED = 64 * 1024


def referrers_in_store(store: Store, context: str | None = None) -> LayoutReferrers:
    """Return the referrers among the entries of STORE. Names in the repository CONTEXT come first.

    Entries that certainly aren't referrers are left out: they have no tag made of a digest, and their document has no subject, which is recorded, or
    visible without parsing it.
    """
    others = store.subjects.list_without_subject()
    search = functools.partial(_may_have_subject, store, {})
    entries = [
        entry
        for entry in store.index.entries
        if _DIGEST_TAG.search(entry.name_text) is not None or (entry.digest_text not in others and search(entry.digest_text))
    ]
    return LayoutReferrers(store.path, [(entry.root, entry.name) for entry in entries], store.read_document, context)


def _may_have_subject(store: Store, folders: dict[str, Folder | None], digest: str) -> bool:
    """Return whether the document with DIGEST may have a `subject`. FOLDERS are the blob folders that earlier calls opened.

    A run that only reads can't record what it learns, so each run does this for all entries of a layout that another tool wrote. Searching the bytes
    takes a fraction of the time of hashing and parsing them. A document that can't be searched may have a subject: it is read as any other.
    """
    algorithm, _colon, name = digest.partition(":")
    if algorithm not in folders:
        folders[algorithm] = store.folders.find(BLOBS, algorithm) if algorithm in ALGORITHMS else None
    folder = folders[algorithm]
    if folder is None:
        return True
    try:
        descriptor = folder.open_file(name)
    except (OSError, ValueError, InputOutputError):
        return True
    try:
        size = os.fstat(descriptor).st_size
        data = os.read(descriptor, _MAX_SEARCHED + 1)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    # JSON can write each letter of a key as an escape sequence.
    return len(data) != size or b"subject" in data or b"\\u" in data
