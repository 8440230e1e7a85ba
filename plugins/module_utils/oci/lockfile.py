# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lock file: which digest each name stood for when it was last resolved."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import typing as t

from ..errors import InvalidOption, InvalidReference, NotLocked, UnsupportedFormat
from ..limits import MAX_LOCK_FILE, MAX_LOCK_VALUES
from . import media_types
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
    """The image that is locked for one platform. `size` is that of its manifest, config and layers together; `image_id` is None for what is no image."""

    platform: Platform
    digest: Digest
    size: int
    image_id: Digest | None = None

    @classmethod
    def of_node(cls, node: ImageNode, platform: Platform) -> LockedPlatform:
        parts = {part.digest: part.size for part in (node.descriptor, *node.manifest.blobs)}
        return cls(platform, node.descriptor.digest, sum(parts.values()), node.manifest.config.digest if node.manifest.is_image else None)

    @classmethod
    def read(cls, name: str, listed: Document) -> LockedPlatform:
        platform = _parsed(Platform.parse, name, listed.what)
        if str(platform) != name:
            raise UnsupportedFormat(f"{listed.what}: {name} has to be written {platform}")
        document = listed.required_child(name)
        _only(document, "digest", "image_id", "size")
        return cls(platform, _digest(document, "digest"), _size(document), _digest(document, "image_id") if document.has("image_id") else None)

    def members(self) -> dict[str, t.Any]:
        members: dict[str, t.Any] = {"digest": str(self.digest), "size": self.size}
        if self.image_id is not None:
            members["image_id"] = str(self.image_id)
        return members


@dataclasses.dataclass(frozen=True)
class LockedImage:
    """What one name stands for. The digest decides; `platforms` tell, in their order, what that is on those that were asked for.

    `size` is that of all that belongs to these platforms, index included. `resolved_at` is when the name was found to stand for the digest.
    """

    name: Reference
    digest: Digest
    media_type: str
    size: int
    platforms: tuple[LockedPlatform, ...]
    resolved_at: str | None = None

    @classmethod
    def of_graph(cls, name: Reference, graph: Graph, resolved_at: str | None) -> LockedImage:
        """The image as it was read. Of several entries for one platform the first counts, as for those who run it; attestations are the digest's to tell."""
        platforms: dict[Platform, LockedPlatform] = {}
        for platform, node in graph.images_by_platform:
            if platform is not None and _has_name(platform) and platform not in platforms:
                platforms[platform] = LockedPlatform.of_node(node, platform)
        return cls(name, graph.root.digest, graph.root.media_type, graph.size, _in_order(platforms.values()), resolved_at)

    @classmethod
    def read(cls, name: str, listed: Document) -> LockedImage:
        reference = _parsed(Reference.parse, name, listed.what)
        if str(reference.name) != name:
            raise UnsupportedFormat(f"{listed.what}: {name} has to be written {reference.name}")
        document = listed.required_child(name)
        _only(document, "digest", "media_type", "platforms", "resolved_at", "size")
        digest = _digest(document, "digest")
        if reference.digest not in (None, digest):
            raise UnsupportedFormat(f"{document.what}: it is locked to another digest than the one in its name")
        media_type = document.required_text("media_type")
        if media_type not in media_types.DOCUMENTS:
            raise UnsupportedFormat(f"{document.what}: {sanitise(media_type)} is no type of an image")
        children = document.required_child("platforms")
        platforms = _in_order(LockedPlatform.read(key, children) for key in children.members)
        if media_type in media_types.MANIFESTS and any(platform.digest != digest for platform in platforms):
            raise UnsupportedFormat(f"{document.what}: an image without an index has one digest, and here a platform has another")
        return cls(reference, digest, media_type, _size(document), platforms, _time(document))

    @property
    def is_index(self) -> bool:
        return self.media_type in media_types.INDEXES

    @property
    def pinned(self) -> Reference:
        """The name with the digest that decides what it stands for."""
        return dataclasses.replace(self.name, digest=self.digest)

    def members(self, times: bool = True) -> dict[str, t.Any]:
        members: dict[str, t.Any] = {
            "digest": str(self.digest),
            "media_type": self.media_type,
            "platforms": {str(platform.platform): platform.members() for platform in self.platforms},
            "size": self.size,
        }
        if times and self.resolved_at is not None:
            members["resolved_at"] = self.resolved_at
        return members


@dataclasses.dataclass(frozen=True)
class LockFile:
    """All that is locked, each name once and in order. `platform` are the words by which the platforms were asked for."""

    images: tuple[LockedImage, ...]
    platform: tuple[str, ...]

    @classmethod
    def of(cls, images: t.Iterable[LockedImage], selection: Selection) -> LockFile:
        return cls(tuple(sorted(images, key=lambda image: str(image.name))), tuple(sorted(selection.texts())))

    @classmethod
    def parse(cls, data: bytes, what: str) -> LockFile:
        """Raises UnsupportedFormat, which names WHAT, for all that `to_bytes` wouldn't write, but for other spacing and order.

        A member that isn't known is refused too: the next run that writes the file would lose it.
        """
        document = Document.parse(data, what, MAX_LOCK_FILE, MAX_LOCK_VALUES)
        if "version" not in document.members:
            raise UnsupportedFormat(f"{what} is not a lock file: it has no version")
        version = document.required_number("version")
        if version != VERSION:
            raise UnsupportedFormat(f"{what} is a lock file of version {version}, and only version {VERSION} is known here")
        _only(document, "images", "platform", "version")
        images = document.required_child("images")
        words = document.texts("platform")
        if not words:
            raise UnsupportedFormat(f"{what} has no platform")
        return cls.of([LockedImage.read(name, images) for name in images.members], _parsed(Selection.parse, words, what))

    def to_bytes(self) -> bytes:
        """The file: the same bytes for the same content, and a line for each fact, so that a change is easy to review."""
        return json.dumps(self.members(), indent=2, sort_keys=True).encode("ascii") + b"\n"

    def members(self, times: bool = True) -> dict[str, t.Any]:
        images = {str(image.name): image.members(times) for image in self.images}
        return {"version": VERSION, "platform": list(self.platform), "images": images}

    @property
    def names(self) -> list[Reference]:
        return [image.name for image in self.images]

    def find(self, name: Reference) -> LockedImage | None:
        """Return the locked image of a name. A digest in the reference is ignored."""
        return self._by_name.get(name.name)

    def pin(self, reference: Reference) -> Reference:
        """REFERENCE with the digest that is locked for it. Raises NotLocked for a name that isn't there, and where the two say different digests."""
        locked = self.find(reference)
        if locked is None:
            raise NotLocked(f"{reference} is not in the lock file; add it there with image_lock, or pull it without a lock file")
        if reference.digest not in (None, locked.digest):
            raise NotLocked(f"{reference} is locked to another digest, {locked.digest}; update the lock file, or pull it without one")
        return locked.pinned

    @functools.cached_property
    def _by_name(self) -> dict[Reference, LockedImage]:
        return {image.name: image for image in self.images}


def _has_name(platform: Platform) -> bool:
    """Whether a host could run it, and a user could ask for it: images may say anything of themselves."""
    try:
        return platform.is_runnable and Platform.parse(str(platform)) == platform
    except InvalidOption:
        return False


def _in_order(platforms: t.Iterable[LockedPlatform]) -> tuple[LockedPlatform, ...]:
    return tuple(sorted(platforms, key=lambda platform: str(platform.platform)))


def _only(document: Document, *known: str) -> None:
    for key in document.members:
        if key not in known:
            raise UnsupportedFormat(f"{document.what}: {sanitise(key, 100)!r} is not known in a lock file of version {VERSION}")


def _parsed(parse: t.Callable[[t.Any], _Value], value: object, what: str) -> _Value:
    """What PARSE makes of a word of the file; its complaint is one about the file."""
    try:
        return parse(value)
    except (InvalidOption, InvalidReference) as error:
        raise UnsupportedFormat(f"{what}: {sanitise(error.message)}") from error


def _digest(document: Document, key: str) -> Digest:
    return _parsed(Digest.parse, document.required_text(key), document.what)


def _size(document: Document) -> int:
    size = document.required_number("size")
    if size < 0:
        raise UnsupportedFormat(f"{document.what} has a negative size")
    return size


def _time(document: Document) -> str | None:
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
