# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What engines answer, read strictly: whatever is odd is an error of the engine that names it."""

from __future__ import annotations

import typing as t

from ..errors import EngineError, InvalidReference, UnsupportedFormat
from ..oci.digest import Digest
from ..oci.document import Document
from ..oci.reference import Reference
from ..oci.text import clean
from .engine import HeldImage

MAX_LIST = 64 * 1024 * 1024

_Read = t.TypeVar("_Read")


def understood(what: str, read: t.Callable[[], _Read]) -> _Read:
    """What READ finds in an answer, which WHAT names. Raises EngineError for one that is odd."""
    try:
        return read()
    except UnsupportedFormat as error:  # a document says itself where it is from
        raise EngineError(str(error)) from error
    except InvalidReference as error:
        raise EngineError(f"{what}: {clean(str(error))}") from error


def image_of(row: Document, knows_ids: bool) -> HeldImage:
    """A row of the list of images that Docker and Podman have. Its `Id` is a config's digest (KNOWS_IDS), or that of an index or a manifest."""

    def read() -> HeldImage:
        names = [*row.texts("RepoTags", None), *row.texts("Names", None)]
        digests = [Digest.parse(text.rpartition("@")[2]) for text in row.texts("RepoDigests", None) if "@sha" in text]
        text = row.required_text("Id")
        own = Digest.parse(text if ":" in text else f"sha256:{text}")
        return HeldImage(names_of(names), tuple(dict.fromkeys(digests if knows_ids else [own, *digests])), own if knows_ids else None)

    return understood(row.what, read)


def names_of(texts: t.Iterable[str]) -> frozenset[Reference]:
    """Names as engines write them, familiar or in full; what is no name (`<none>:<none>`) is passed over."""
    names = set()
    for text in texts:
        try:
            names.add(Reference.parse(text))
        except InvalidReference:
            continue
    return frozenset(names)
