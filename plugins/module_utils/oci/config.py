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
    """One step of the history of an image. `created` is RFC 3339 text, unchanged from the image."""

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
    """The config of an image. `diff_ids` are the digests of the uncompressed layers, the lowest first."""

    platform: Platform | None
    created: str | None
    author: str | None
    labels: t.Mapping[str, str]
    diff_ids: tuple[Digest, ...]
    history: tuple[HistoryEntry, ...]
    document: Document = dataclasses.field(compare=False, repr=False)

    @classmethod
    def read(cls, data: bytes, what: str) -> ImageConfig:
        """Read an image configuration. Raises UnsupportedFormat for any other document."""
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
        """Return the creation time according to the image, None if it is missing or invalid."""
        try:
            return parse_time(self.created) if self.created is not None else None
        except ValueError:
            return None

    @property
    def settings(self) -> dict[str, t.Any]:
        """Return the `config` object (`Cmd`, `Env`, `Labels` ...) unchanged. It is shown to the user and never interpreted."""
        return dict(self.document.members.get("config") or {})


def _read_diff_ids(rootfs: Document) -> tuple[Digest, ...]:
    try:
        return tuple(Digest.parse(text) for text in rootfs.texts("diff_ids"))
    except InvalidReference as error:
        raise UnsupportedFormat(f"{rootfs.what}: {sanitise(str(error))}") from error
