# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The image configuration (OCI image specification, config.md)."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ..errors import InvalidReference, UnsupportedFormat
from .digest import Digest
from .document import Document
from .platform import Platform
from .text import sanitise
from .times import parse_time


@dataclasses.dataclass(frozen=True)
class HistoryEntry:
    """One step in the making of an image. `created` is RFC 3339 text as the image has it."""

    created: str | None
    created_by: str | None
    comment: str | None
    author: str | None
    empty_layer: bool

    @classmethod
    def read(cls, document: Document) -> HistoryEntry:
        return cls(
            created=document.text("created"),
            created_by=document.text("created_by"),
            comment=document.text("comment"),
            author=document.text("author"),
            empty_layer=document.boolean("empty_layer") or False,
        )


@dataclasses.dataclass(frozen=True)
class ImageConfig:
    """How an image runs, for which platform, and of which layers it is made (`diff_ids`: digests of the uncompressed tars, lowest first)."""

    platform: Platform | None
    created: str | None
    author: str | None
    labels: t.Mapping[str, str]
    diff_ids: tuple[Digest, ...]
    history: tuple[HistoryEntry, ...]
    document: Document = dataclasses.field(compare=False, repr=False)

    @classmethod
    def read(cls, data: bytes, what: str) -> ImageConfig:
        """Raises UnsupportedFormat for a document that is no image configuration."""
        document = Document.parse(data, what)
        os, architecture = document.text("os"), document.text("architecture")
        rootfs = document.child("rootfs")
        settings = document.child("config")
        return cls(
            platform=Platform.normalised(os, architecture, document.text("variant")) if os and architecture else None,
            created=document.text("created"),
            author=document.text("author"),
            labels=settings.text_map("Labels") if settings else {},
            diff_ids=_read_diff_ids(rootfs) if rootfs else (),
            history=tuple(HistoryEntry.read(entry) for entry in document.children("history", None)),
            document=document,
        )

    @property
    def created_at(self) -> datetime.datetime | None:
        """When the image says it was made; None where it doesn't, or not in a form that is a time."""
        try:
            return parse_time(self.created) if self.created is not None else None
        except ValueError:
            return None

    @property
    def settings(self) -> dict[str, t.Any]:
        """`Cmd`, `Env`, `Labels` and the rest, exactly as the image has them: shown to the user, never interpreted."""
        return dict(self.document.members.get("config") or {})


def _read_diff_ids(rootfs: Document) -> tuple[Digest, ...]:
    try:
        return tuple(Digest.parse(text) for text in rootfs.texts("diff_ids"))
    except InvalidReference as error:
        raise UnsupportedFormat(f"{rootfs.what}: {sanitise(str(error))}") from error
