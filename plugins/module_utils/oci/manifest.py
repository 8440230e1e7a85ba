# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Descriptors, manifests and indexes (OCI image specification, descriptor.md, manifest.md, image-index.md)."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import InvalidReference, UnsupportedFormat
from . import media_types
from .digest import Digest
from .document import Document, encode_canonical
from .platform import Platform
from .text import sanitise

MAX_SIZE = 2**63 - 1


@dataclasses.dataclass(frozen=True)
class Descriptor:
    """A reference to content: its media type, digest and size in bytes."""

    media_type: str
    digest: Digest
    size: int
    platform: Platform | None = None
    annotations: t.Mapping[str, str] = dataclasses.field(default_factory=dict, compare=False)
    os_features: tuple[str, ...] = dataclasses.field(default=(), compare=False)

    @classmethod
    def read(cls, document: Document) -> Descriptor:
        """Raises UnsupportedFormat for a descriptor without type, digest or size, with a size that can't be, or with a digest of another kind."""
        size = document.required_number("size")
        if size < 0:
            raise UnsupportedFormat(f"{document.what} has a negative size")
        if size > MAX_SIZE:
            raise UnsupportedFormat(f"{document.what} has a size that no file can have")
        try:
            digest = Digest.parse(document.required_text("digest"))
        except InvalidReference as error:
            raise UnsupportedFormat(f"{document.what}: {sanitise(str(error))}") from error
        platform = document.child("platform")
        return cls(
            media_type=document.required_text("mediaType"),
            digest=digest,
            size=size,
            platform=_read_platform(platform),
            annotations=document.text_map("annotations"),
            os_features=tuple(platform.texts("os.features")) if platform is not None and platform.has("os.features") else (),
        )

    @property
    def is_index(self) -> bool:
        return self.media_type in media_types.INDEXES

    @property
    def is_document(self) -> bool:
        """Whether this is a manifest or an index: the part of an image that is not one of its blobs."""
        return self.media_type in media_types.DOCUMENTS

    def members(self) -> dict[str, t.Any]:
        """What a document of ours says to point here."""
        members: dict[str, t.Any] = {"mediaType": self.media_type, "digest": str(self.digest), "size": self.size}
        if self.platform is not None:
            members["platform"] = _platform_members(self.platform)
        if self.annotations:
            members["annotations"] = dict(self.annotations)
        return members


@dataclasses.dataclass(frozen=True)
class Manifest:
    """One image: its config, and its layers from the lowest up."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: t.Mapping[str, str] = dataclasses.field(default_factory=dict, compare=False)

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        return (self.config, *self.layers)

    @property
    def is_image(self) -> bool:
        """Whether the config is an image's: what else is kept in manifests (charts, signatures) has configs of other kinds."""
        kind = self.config.media_type
        return kind in media_types.IMAGE_CONFIGS or (self.media_type == media_types.DOCKER_MANIFEST and kind == media_types.UNNAMED_CONFIG)

    def to_bytes(self) -> bytes:
        return encode_canonical(
            {
                "schemaVersion": 2,
                "mediaType": self.media_type,
                "config": self.config.members(),
                "layers": [layer.members() for layer in self.layers],
                **({"annotations": dict(self.annotations)} if self.annotations else {}),
            }
        )


@dataclasses.dataclass(frozen=True)
class Index:
    """One image for several platforms: a list of manifests, or of further indexes."""

    media_type: str
    manifests: tuple[Descriptor, ...]
    document: Document = dataclasses.field(compare=False, repr=False)

    def only(self, kept: t.Collection[Digest]) -> bytes:
        """A new index that lists the entries with these digests alone, each as it stands here."""
        entries = [members for members, entry in zip(self.document.members["manifests"] or (), self.manifests) if entry.digest in kept]
        return encode_canonical({**self.document.members, "mediaType": self.media_type, "manifests": entries})


def read_manifest(data: bytes, media_type: str | None, what: str) -> Manifest | Index:
    """Reads a manifest or an index. MEDIA_TYPE is what its descriptor or its `Content-Type` calls it; None where nobody said.

    The type is the document's own `mediaType`, with which MEDIA_TYPE must agree; only without it MEDIA_TYPE decides.
    Raises UnsupportedFormat for schema 1, for other types, and for documents that two readers could take for two things.
    """
    document = Document.parse(data, what)
    own = document.text("mediaType")
    if own is None and document.members.get("schemaVersion") == 1:
        own = next(iter(media_types.SCHEMA1))
    kind = own or media_type
    if kind in media_types.SCHEMA1:
        raise UnsupportedFormat(
            f"{what} is in Docker's schema 1 format of before 2017, which is not supported: push the image again with a newer tool"
        )
    if own is not None and media_type in media_types.DOCUMENTS and own != media_type:
        raise UnsupportedFormat(f"{what} calls itself {sanitise(own)}, but it was offered as {media_type}")
    if kind not in media_types.DOCUMENTS:
        raise UnsupportedFormat(f"{what} is neither an image manifest nor an index, but of type {sanitise(kind or 'unknown')}")
    if document.has("manifests") and (document.has("layers") or document.has("config")):
        raise UnsupportedFormat(f"{what} is at once an index and a manifest")
    if kind in media_types.INDEXES:
        if "manifests" not in document.members:
            raise UnsupportedFormat(f"{what} has no manifests")
        return Index(kind, tuple(Descriptor.read(entry) for entry in document.children("manifests")), document)
    return Manifest(
        media_type=str(kind),
        config=Descriptor.read(document.required_child("config")),
        layers=tuple(Descriptor.read(layer) for layer in document.children("layers")),
        annotations=document.text_map("annotations"),
    )


def describe_document(data: bytes, what: str) -> Descriptor:
    """The descriptor of a manifest or an index of which only the bytes are at hand. Raises UnsupportedFormat for what is neither."""
    document = Document.parse(data, what)
    kind = document.text("mediaType") or (media_types.OCI_INDEX if document.has("manifests") else media_types.OCI_MANIFEST)
    return Descriptor(read_manifest(data, kind, what).media_type, Digest.of(data), len(data))


def read_subject(data: bytes, what: str) -> Digest | None:
    """The manifest that another one is about, as a signature is about an image. None where it says none, or nothing that can be read."""
    try:
        subject = Document.parse(data, what).child("subject")
        return Descriptor.read(subject).digest if subject is not None else None
    except UnsupportedFormat:
        return None


def _read_platform(document: Document | None) -> Platform | None:
    if document is None:
        return None
    os, architecture = document.text("os"), document.text("architecture")
    if not os or not architecture:
        return None
    return Platform.normalised(os, architecture, document.text("variant"))


def _platform_members(platform: Platform) -> dict[str, str]:
    members = {"os": platform.os, "architecture": platform.architecture}
    if platform.variant is not None:
        members["variant"] = platform.variant
    elif platform.architecture == "arm64":
        members["variant"] = "v8"
    return members
