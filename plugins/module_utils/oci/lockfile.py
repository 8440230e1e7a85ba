# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lock file: the digest of each name when it was last resolved."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import typing as t

from ..errors import InvalidOption, InvalidReference, NotLocked, UnsupportedFormat
from ..limits import MAX_LOCK_FILE, MAX_LOCK_VALUES
from ..oci import media_types
from .digest import Digest
from .document import Document
from .graph import Graph, ImageNode
from .platform import Platform, Selection
from .reference import Reference
from .text import sanitise
from .times import parse_time

VERSION = 1

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)
_Value = t.TypeVar("_Value")


@dataclasses.dataclass(frozen=True)
class LockedPlatform:
    """The locked image of one platform. `size` counts its manifest, config and layers; `image_id` is None for an artifact that is not an image."""

    platform: Platform
    digest: Digest
    size: int
    image_id: Digest | None = None

    @classmethod
    def of_node(cls, node: ImageNode, platform: Platform) -> LockedPlatform:
        sizes = {content.digest: content.size for content in (node.descriptor, *node.manifest.blobs)}
        return cls(platform, node.descriptor.digest, sum(sizes.values()), node.manifest.config.digest if node.manifest.is_image else None)

    @classmethod
    def read(cls, name: str, listed: Document) -> LockedPlatform:
        platform = _parse_value(Platform.parse, name, listed.what)
        if str(platform) != name:
            raise UnsupportedFormat(f"{listed.what}: {name} must be written as {platform}")
        document = listed.required_child(name)
        _reject_other_keys(document, "digest", "image_id", "size")
        return cls(
            platform, _read_digest(document, "digest"), _read_size(document), _read_digest(document, "image_id") if document.has("image_id") else None
        )

    def to_dict(self) -> dict[str, t.Any]:
        members: dict[str, t.Any] = {"digest": str(self.digest), "size": self.size}
        if self.image_id is not None:
            members["image_id"] = str(self.image_id)
        return members


@dataclasses.dataclass(frozen=True)
class LockedImage:
    """The locked image of one name. The digest decides; `platforms` lists the image of each selected platform, in alphabetical order.

    `size` counts all content of these platforms and the index. `resolved_at` is the time when the name was resolved to the digest.
    """

    name: Reference
    digest: Digest
    media_type: str
    size: int
    platforms: tuple[LockedPlatform, ...]
    resolved_at: str | None = None

    @classmethod
    def of_graph(cls, name: Reference, graph: Graph, resolved_at: str | None) -> LockedImage:
        """Return the entry for a graph. Of several images for one platform the first counts, as in engines. Attestations are not listed."""
        platforms: dict[Platform, LockedPlatform] = {}
        for platform, node in graph.images_by_platform:
            if platform is not None and _is_selectable(platform) and platform not in platforms:
                platforms[platform] = LockedPlatform.of_node(node, platform)
        return cls(name, graph.root.digest, graph.root.media_type, graph.size, _sort_platforms(platforms.values()), resolved_at)

    @classmethod
    def read(cls, name: str, listed: Document) -> LockedImage:
        reference = _parse_value(Reference.parse, name, listed.what)
        if str(reference.name) != name:
            raise UnsupportedFormat(f"{listed.what}: {name} must be written as {reference.name}")
        document = listed.required_child(name)
        _reject_other_keys(document, "digest", "media_type", "platforms", "resolved_at", "size")
        digest = _read_digest(document, "digest")
        if reference.digest not in (None, digest):
            raise UnsupportedFormat(f"{document.what}: its digest differs from the one in its name")
        media_type = document.required_text("media_type")
        if media_type not in media_types.DOCUMENTS:
            raise UnsupportedFormat(f"{document.what}: {sanitise(media_type)} is not a media type of images")
        children = document.required_child("platforms")
        platforms = _sort_platforms(LockedPlatform.read(key, children) for key in children.members)
        if media_type in media_types.MANIFESTS and any(platform.digest != digest for platform in platforms):
            raise UnsupportedFormat(f"{document.what}: the image has no index, so its platform must have the same digest as the image")
        return cls(reference, digest, media_type, _read_size(document), platforms, _read_time(document))

    @property
    def is_index(self) -> bool:
        return self.media_type in media_types.INDEXES

    @property
    def pinned(self) -> Reference:
        """Return the name with the locked digest."""
        return dataclasses.replace(self.name, digest=self.digest)

    def to_dict(self, times: bool = True) -> dict[str, t.Any]:
        members: dict[str, t.Any] = {
            "digest": str(self.digest),
            "media_type": self.media_type,
            "platforms": {str(platform.platform): platform.to_dict() for platform in self.platforms},
            "size": self.size,
        }
        if times and self.resolved_at is not None:
            members["resolved_at"] = self.resolved_at
        return members


@dataclasses.dataclass(frozen=True)
class LockFile:
    """The locked images, sorted by name, each name once. `platform` is the value of the option `platform` that they were locked with."""

    images: tuple[LockedImage, ...]
    platform: tuple[str, ...]

    @classmethod
    def of(cls, images: t.Iterable[LockedImage], selection: Selection) -> LockFile:
        return cls(tuple(sorted(images, key=lambda image: str(image.name))), tuple(sorted(selection.texts())))

    @classmethod
    def parse(cls, data: bytes, what: str) -> LockFile:
        """Parse a lock file. WHAT names it in messages.

        Raises UnsupportedFormat for a document that `to_bytes` wouldn't write; only spacing and order may differ. An unknown member is refused too,
        because the next run that writes the file would lose it.
        """
        document = Document.parse(data, what, MAX_LOCK_FILE, MAX_LOCK_VALUES)
        if "version" not in document.members:
            raise UnsupportedFormat(f"{what} is not a lock file: it has no version")
        version = document.required_number("version")
        if version != VERSION:
            raise UnsupportedFormat(f"{what} is a lock file of version {version}, but only version {VERSION} is supported")
        _reject_other_keys(document, "images", "platform", "version")
        images = document.required_child("images")
        platform = document.texts("platform")
        if not platform:
            raise UnsupportedFormat(f"{what} has no platform")
        return cls.of([LockedImage.read(name, images) for name in images.members], _parse_value(Selection.parse, platform, what))

    def to_bytes(self) -> bytes:
        """Encode the file. The same content gives the same bytes, and each value has its own line, so that changes are easy to review."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True).encode("ascii") + b"\n"

    def to_dict(self, times: bool = True) -> dict[str, t.Any]:
        images = {str(image.name): image.to_dict(times) for image in self.images}
        return {"version": VERSION, "platform": list(self.platform), "images": images}

    @property
    def names(self) -> list[Reference]:
        return [image.name for image in self.images]

    def find(self, name: Reference) -> LockedImage | None:
        """Return the locked image of a name. A digest in the reference is ignored."""
        return self._by_name.get(name.name)

    def pin(self, reference: Reference) -> Reference:
        """Return REFERENCE with its locked digest. Raises NotLocked for a name that isn't locked, and for a reference with another digest."""
        locked = self.find(reference)
        if locked is None:
            raise NotLocked(f"{reference} is not in the lock file; add it there with image_lock, or pull it without a lock file")
        if reference.digest not in (None, locked.digest):
            raise NotLocked(f"{reference} is locked to another digest, {locked.digest}; update the lock file, or pull it without one")
        return locked.pinned

    @functools.cached_property
    def _by_name(self) -> dict[Reference, LockedImage]:
        return {image.name: image for image in self.images}


def _is_selectable(platform: Platform) -> bool:
    """Return True if a host could run the platform and a user could write it in an option. The text comes from the image and may be anything."""
    try:
        return platform.is_runnable and Platform.parse(str(platform)) == platform
    except InvalidOption:
        return False


def _sort_platforms(platforms: t.Iterable[LockedPlatform]) -> tuple[LockedPlatform, ...]:
    return tuple(sorted(platforms, key=lambda platform: str(platform.platform)))


def _reject_other_keys(document: Document, *allowed: str) -> None:
    for key in document.members:
        if key not in allowed:
            raise UnsupportedFormat(f"{document.what}: {sanitise(key, 100)!r} is not allowed in a lock file of version {VERSION}")


def _parse_value(parse: t.Callable[[t.Any], _Value], value: object, what: str) -> _Value:
    """Return what PARSE returns for a value of the file. Errors of PARSE become UnsupportedFormat, with WHAT in the message."""
    try:
        return parse(value)
    except (InvalidOption, InvalidReference) as error:
        raise UnsupportedFormat(f"{what}: {sanitise(error.message)}") from error


def _read_digest(document: Document, key: str) -> Digest:
    return _parse_value(Digest.parse, document.required_text(key), document.what)


def _read_size(document: Document) -> int:
    size = document.required_number("size")
    if size < 0:
        raise UnsupportedFormat(f"{document.what} has a negative size")
    return size


def _read_time(document: Document) -> str | None:
    text = document.text("resolved_at")
    if text is None:
        return None
    try:
        if not _TIME.fullmatch(text):
            raise ValueError
        parse_time(text)
    except ValueError as error:
        raise UnsupportedFormat(f"{document.what}: resolved_at is not a time like 2026-01-31T12:00:00Z") from error
    return text
