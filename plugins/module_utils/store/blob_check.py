# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking at a blob for what it is, whatever the record says of it (promise I8)."""

from __future__ import annotations

import stat
import typing as t

from ..errors import InputOutputError
from ..oci.digest import Digest, hash_stream

if t.TYPE_CHECKING:
    from .store import Store


def check_blob(store: Store, digest: Digest, size: int | None) -> str | None:
    """What is wrong with a blob, in a word; None for a good one. SIZE is None where no descriptor tells it. The record learns what was found."""
    try:
        status = store.entry_status(digest)
    except InputOutputError:
        return "unreadable"
    if status is None:
        return "missing"
    if not stat.S_ISREG(status.st_mode):
        return "irregular"
    problem = _problem_of(store, digest, size)
    if problem is None and not store.verified.knows(digest, status):
        store.verified.add(digest, status)
    if problem not in (None, "missing") and not store.verified.rejects(digest, status):
        store.verified.reject(digest, status)
    return problem


def _problem_of(store: Store, digest: Digest, size: int | None) -> str | None:
    try:
        found, length = hash_stream(store.read_unverified(digest), digest.algorithm)
    except FileNotFoundError:
        return "missing"
    except InputOutputError:
        return "unreadable"
    if size is not None and length < size:
        return "truncated"
    return None if found == digest and size in (None, length) else "altered"
