# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parse the answers of engines strictly: anything unexpected raises EngineError, which names the engine."""

from __future__ import annotations

import datetime
import typing as t

from ..errors import EngineError, InvalidReference, UnsupportedFormat
from ..limits import MAX_ENGINE_LIST
from ..oci.digest import Digest
from ..oci.document import Document
from ..oci.platform import Platform
from ..oci.reference import Reference
from ..oci.text import sanitise
from .digest_names import from_tag
from .interfaces import Details, EngineImage, ListedManifest

MAX_LIST = MAX_ENGINE_LIST

_Parsed = t.TypeVar("_Parsed")


def parse_answer(what: str, parse: t.Callable[[], _Parsed]) -> _Parsed:
    """Return the result of PARSE. Convert its errors into EngineError. WHAT describes the answer in messages."""
    try:
        return parse()
    except UnsupportedFormat as error:  # the message of a document says where it is from
        raise EngineError(str(error)) from error
    except InvalidReference as error:
        raise EngineError(f"{what}: {sanitise(str(error))}") from error


def parse_listed_manifests(row: Document) -> tuple[ListedManifest, ...]:
    """Parse the complete manifests of an image in the image list of Docker. `Available` means that Docker has all blobs of the manifest."""

    def parse() -> tuple[ListedManifest, ...]:
        found = [manifest for manifest in row.children("Manifests", None) if manifest.boolean("Available")]
        return tuple(ListedManifest(Digest.parse(manifest.required_text("ID")), _parse_image_platform(manifest)) for manifest in found)

    return parse_answer(row.what, parse)


def _parse_image_platform(manifest: Document) -> Platform | None:
    data = manifest.child("ImageData")
    platform = data.child("Platform") if data is not None else None
    return parse_platform(platform, "os", "architecture", "variant") if platform is not None else None


def parse_platform(document: Document, os_key: str, architecture_key: str, variant_key: str) -> Platform | None:
    """Return the platform in the members with these keys, None if it is incomplete."""
    os, architecture = document.text(os_key), document.text(architecture_key)
    return Platform.normalised(os, architecture, document.text(variant_key)) if os and architecture else None


def parse_engine_image(
    row: Document, has_image_ids: bool, is_used: t.Callable[[Digest], bool], names: t.Mapping[Reference, str] | None = None
) -> EngineImage:
    """Parse a row of the image list of Docker or Podman. Its `Id` is the digest of a config (HAS_IMAGE_IDS), or of an index or a manifest.

    NAMES are the names of the image in the spelling of the engine, by default those in the row. The details are parsed when they are read.
    """

    def parse() -> EngineImage:
        found = names if names is not None else _parse_row_names(row)
        digests = [Digest.parse(text.rpartition("@")[2]) for text in row.texts("RepoDigests", None) if "@sha" in text]
        digests += [name.digest for name in found if name.digest is not None]
        identifier = _parse_id(row.required_text("Id"))
        parent = row.text("ParentId")
        return EngineImage(
            digest=identifier,
            names=found,
            read_details=lambda: parse_answer(row.what, lambda: _parse_details(row)),
            image_id=identifier if has_image_ids else None,
            digests=tuple(dict.fromkeys(digests if has_image_ids else [identifier, *digests])),
            other_names=() if found else (str(identifier),),
            parent=_parse_id(parent) if parent else None,
            read_use=lambda: is_used(identifier),
        )

    return parse_answer(row.what, parse)


def parse_names_in_docker(row: Document) -> dict[Reference, str]:
    """Return the names of an image in Docker, each with Docker's spelling.

    References by digest count if the image has no tag in their repository. Others are removed together with the last tag of the repository.
    """

    def parse() -> dict[Reference, str]:
        tags = parse_engine_names(row.texts("RepoTags", None))
        tagged = {name.context for name in tags}
        by_digest = parse_engine_names(row.texts("RepoDigests", None))
        return {
            **{from_tag(name): text for name, text in tags.items()},
            **{name: text for name, text in by_digest.items() if name.context not in tagged},
        }

    return parse_answer(row.what, parse)


def parse_digest_names(row: Document) -> list[tuple[Reference, Digest]]:
    """Return all names by digest of an image in Docker, each with the image's ID."""
    return parse_answer(row.what, lambda: [(name, _parse_id(row.required_text("Id"))) for name in parse_engine_names(row.texts("RepoDigests", None))])


def _parse_row_names(row: Document) -> dict[Reference, str]:
    return parse_engine_names([*row.texts("RepoTags", None), *row.texts("Names", None)])


def _parse_details(row: Document) -> Details:
    """Return age, labels and size."""
    return Details(read_created(row), row.text_map("Labels"), max(row.number("Size") or 0, 0))


def read_created(row: Document) -> datetime.datetime | None:
    """Return the time `Created` of an image or of a step of its history. Raises UnsupportedFormat for a year above 9999.

    None if it has no time: then `Created` is missing, or the zero time of Go, which is long before 1970.
    """
    seconds = row.number("Created") or 0
    try:
        return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc) if seconds > 0 else None
    except (OverflowError, ValueError, OSError) as error:
        raise UnsupportedFormat(f"{row.what}: Created is not a valid time") from error


def _parse_id(text: str) -> Digest:
    """Parse an ID. The program `podman` writes it without its algorithm."""
    return Digest.parse(text if ":" in text else f"sha256:{text}")


def parse_names(texts: t.Iterable[str]) -> frozenset[Reference]:
    """Parse names as engines write them, short or in full. Skip texts that are no names, such as `<none>:<none>`."""
    return frozenset(parse_engine_names(texts))


def parse_engine_names(texts: t.Iterable[str]) -> dict[Reference, str]:
    """Parse names as parse_names does, and return each with the spelling of the engine."""
    names: dict[Reference, str] = {}
    for text in texts:
        try:
            names.setdefault(Reference.parse(text), text)
        except InvalidReference:
            continue
    return names
