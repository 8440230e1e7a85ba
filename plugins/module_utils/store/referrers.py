# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store as a place to search for referrers: its entries whose manifests have a `subject`, and those that are named by a tag made of a digest."""

from __future__ import annotations

import re
import typing as t

from ..oci.digest import ALGORITHMS
from ..oci.referrers import LayoutReferrers

if t.TYPE_CHECKING:
    from .store import Store

_DIGEST_TAG = re.compile("|".join(f"{algorithm}-" for algorithm in ALGORITHMS))


def referrers_in_store(store: Store, context: str | None = None) -> LayoutReferrers:
    """Return the referrers among the entries of STORE. Names in the repository CONTEXT come first.

    Entries that certainly aren't referrers are left out: they have no tag made of a digest, and their document is recorded to have no subject.
    """
    others = store.subjects.list_without_subject()
    entries = [entry for entry in store.index.entries if entry.digest_text not in others or _DIGEST_TAG.search(entry.name_text) is not None]
    return LayoutReferrers(store.path, [(entry.root, entry.name) for entry in entries], store.read_document, context)
