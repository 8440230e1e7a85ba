# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check a blob on disk, without trusting the record of verified blobs (promise I8)."""

from __future__ import annotations

import stat
import typing as t

from ..errors import InputOutputError, StoreDamaged
from ..oci.digest import Digest, hash_stream

if t.TYPE_CHECKING:
    from ..oci.graph import Graph
    from .reader import StoreReader


def check_blob(store: StoreReader, digest: Digest, size: int | None) -> str | None:
    """Return the problem of a blob as one word, None if the blob is good, and update the record of verified blobs.

    Pass None for SIZE if no descriptor gives the size.
    """
    try:
        status = store.entry_status(digest)
    except InputOutputError:
        return "unreadable"
    if status is None:
        return "missing"
    if not stat.S_ISREG(status.st_mode):
        return "irregular"
    problem = _find_problem(store, digest, size)
    if problem is None and not store.verified.is_verified(digest, status):
        store.verified.add(digest, status)
    if problem not in (None, "missing") and not store.verified.is_wrong(digest, status):
        store.verified.mark_wrong(digest, status)
    return problem


def require_blobs(store: StoreReader, graph: Graph, label: str) -> None:
    """Raise StoreDamaged, which names LABEL, if a blob of GRAPH is missing or altered. A mark of another user doesn't count, as blobs leave the store."""
    for blob in graph.blobs:
        if not store.has_blob(blob, trust_others=False):
            store.require_named()
            problem = check_blob(store, blob.digest, blob.size) or "missing or altered"
            raise StoreDamaged(f"{label} is damaged in {store.path}: {blob.digest} is {problem}; pull it again to repair it")


def _find_problem(store: StoreReader, digest: Digest, size: int | None) -> str | None:
    try:
        actual, length = hash_stream(store.read_unverified(digest), digest.algorithm)
    except FileNotFoundError:
        return "missing"
    except InputOutputError:
        return "unreadable"
    if size is not None and length < size:
        return "truncated"
    return None if actual == digest and size in (None, length) else "altered"
