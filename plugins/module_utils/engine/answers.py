# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What engines answer, read strictly: whatever is odd is an error of the engine that names it."""

from __future__ import annotations

import datetime
import typing as t

from ..errors import EngineError, InvalidReference, UnsupportedFormat
from ..limits import MAX_ENGINE_LIST
from ..oci.digest import Digest
from ..oci.document import Document
from ..oci.reference import Reference
from ..oci.text import sanitise
from .interfaces import Details, EngineImage, ListedImage

MAX_LIST = MAX_ENGINE_LIST

_Read = t.TypeVar("_Read")


def parse_answer(what: str, read: t.Callable[[], _Read]) -> _Read:
    """What READ finds in an answer, which WHAT names. Raises EngineError for one that is odd."""
    try:
        return read()
    except UnsupportedFormat as error:  # a document says itself where it is from
        raise EngineError(str(error)) from error
    except InvalidReference as error:
        raise EngineError(f"{what}: {sanitise(str(error))}") from error


def parse_listed_image(row: Document, knows_ids: bool) -> ListedImage:
    """A row of the list of images that Docker and Podman have. Its `Id` is a config's digest (KNOWS_IDS), or that of an index or a manifest."""

    def read() -> ListedImage:
        names = [*row.texts("RepoTags", None), *row.texts("Names", None)]
        digests = [Digest.parse(text.rpartition("@")[2]) for text in row.texts("RepoDigests", None) if "@sha" in text]
        own = _id_of(row.required_text("Id"))
        return ListedImage(parse_names(names), tuple(dict.fromkeys(digests if knows_ids else [own, *digests])), own if knows_ids else None)

    return parse_answer(row.what, read)


def parse_engine_image(row: Document, knows_ids: bool, used: t.Callable[[Digest], bool], by_digest: t.Sequence[str] = ()) -> EngineImage:
    """A row of that list as an image that may be cleared away. BY_DIGEST are references by digest that are no names, but hold the image."""

    def read() -> EngineImage:
        held = parse_listed_image(row, knows_ids)
        digest = held.image_id or held.digests[0]
        names = parse_words([*row.texts("RepoTags", None), *row.texts("Names", None)])
        tagged = {name.context for name in names}
        # With the last tag of a repository its references by digest go, without our doing.
        further = tuple(word for name, word in parse_words(by_digest).items() if name.context not in tagged)
        parent = row.text("ParentId")
        details = _details_of(row)
        return EngineImage(
            digest=digest,
            names=names,
            details=lambda: details,
            image_id=held.image_id,
            digests=held.digests,
            further=further if names or further else (str(digest),),
            parent=_id_of(parent) if parent else None,
            in_use=used(digest),
        )

    return parse_answer(row.what, read)


def _details_of(row: Document) -> Details:
    """The time comes as seconds; an image that tells none has no seconds, or the time that Go has for none, long before 1970."""
    seconds = row.number("Created") or 0
    try:
        created = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc) if seconds > 0 else None
    except (OverflowError, ValueError, OSError) as error:
        raise UnsupportedFormat(f"{row.what}: Created is no time") from error
    return Details(created, row.text_map("Labels"), max(row.number("Size") or 0, 0))


def _id_of(text: str) -> Digest:
    """An ID, which Podman's program writes without its algorithm."""
    return Digest.parse(text if ":" in text else f"sha256:{text}")


def parse_names(texts: t.Iterable[str]) -> frozenset[Reference]:
    """Names as engines write them, familiar or in full; what is no name (`<none>:<none>`) is passed over."""
    return frozenset(parse_words(texts))


def parse_words(texts: t.Iterable[str]) -> dict[Reference, str]:
    """These names, each with the word that the engine has for it."""
    names: dict[Reference, str] = {}
    for text in texts:
        try:
            names.setdefault(Reference.parse(text), text)
        except InvalidReference:
            continue
    return names
