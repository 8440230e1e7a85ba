# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Descriptors, manifests and indexes (OCI image specification, descriptor.md, manifest.md, image-index.md)."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import InvalidReference, UnsupportedFormat
from ..oci import media_types
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
        """Read a descriptor. Raises UnsupportedFormat for a missing type, digest or size, an impossible size, or an invalid or unsupported digest."""
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

    @classmethod
    def of(cls, media_type: str, data: bytes) -> Descriptor:
        """Return the descriptor of the content DATA."""
        return cls(media_type, Digest.of(data), len(data))

    @property
    def is_index(self) -> bool:
        return self.media_type in media_types.INDEXES

    @property
    def is_document(self) -> bool:
        """Return True for a manifest or an index, False for a config, a layer or any other blob."""
        return self.media_type in media_types.DOCUMENTS

    def to_dict(self) -> dict[str, t.Any]:
        """Return this descriptor as the JSON object that documents have."""
        members: dict[str, t.Any] = {"mediaType": self.media_type, "digest": str(self.digest), "size": self.size}
        if self.platform is not None:
            members["platform"] = _platform_members(self.platform)
        if self.annotations:
            members["annotations"] = dict(self.annotations)
        return members


@dataclasses.dataclass(frozen=True)
class Manifest:
    """A manifest: the config of one image, and its layers, the lowest first. `artifact_type` is None unless the manifest says it."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: t.Mapping[str, str] = dataclasses.field(default_factory=dict, compare=False)
    artifact_type: str | None = dataclasses.field(default=None, compare=False)

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        return (self.config, *self.layers)

    @property
    def is_image(self) -> bool:
        """Return True if the config is of an image. Charts, signatures and other artifacts have configs of other types."""
        kind = self.config.media_type
        return kind in media_types.IMAGE_CONFIGS or (self.media_type == media_types.DOCKER_MANIFEST and kind == media_types.UNNAMED_CONFIG)

    @property
    def kind(self) -> str | None:
        """The type of an artifact, which is that in the manifest, else that of the config. None for an image."""
        return self.artifact_type or (None if self.is_image else self.config.media_type)

    def to_bytes(self) -> bytes:
        return encode_canonical(
            {
                "schemaVersion": 2,
                "mediaType": self.media_type,
                **({"artifactType": self.artifact_type} if self.artifact_type else {}),
                "config": self.config.to_dict(),
                "layers": [layer.to_dict() for layer in self.layers],
                **({"annotations": dict(self.annotations)} if self.annotations else {}),
            }
        )


@dataclasses.dataclass(frozen=True)
class Index:
    """An image for several platforms: a list of manifests, or of other indexes."""

    media_type: str
    manifests: tuple[Descriptor, ...]
    document: Document = dataclasses.field(compare=False, repr=False)

    def filter_entries(self, digests: t.Collection[Digest]) -> bytes:
        """Return a new index with only the entries that have one of these digests. Each entry stays unchanged."""
        entries = [members for members, entry in zip(self.document.members["manifests"] or (), self.manifests) if entry.digest in digests]
        return encode_canonical({**self.document.members, "mediaType": self.media_type, "manifests": entries})


def read_manifest(data: bytes, media_type: str | None, what: str) -> Manifest | Index:
    """Read a manifest or an index. MEDIA_TYPE is its type according to its descriptor or its `Content-Type`, None if unknown. WHAT names it in messages.

    The document's `mediaType` decides, and must equal MEDIA_TYPE. Without it MEDIA_TYPE decides.
    Raises UnsupportedFormat for schema 1, for other types, and for a document that is both a manifest and an index, which clients could read
    differently (CVE-2021-41190).
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
        raise UnsupportedFormat(f"{what} says that its type is {sanitise(own)}, but it was offered as {media_type}")
    if kind not in media_types.DOCUMENTS:
        raise UnsupportedFormat(f"{what} is neither an image manifest nor an index: it is of type {sanitise(kind or 'unknown')}")
    if document.has("manifests") and (document.has("layers") or document.has("config")):
        raise UnsupportedFormat(f"{what} is both an index and a manifest")
    if kind in media_types.INDEXES:
        if "manifests" not in document.members:
            raise UnsupportedFormat(f"{what} has no manifests")
        return Index(kind, tuple(Descriptor.read(entry) for entry in document.children("manifests")), document)
    return Manifest(
        media_type=str(kind),
        config=Descriptor.read(document.required_child("config")),
        layers=tuple(Descriptor.read(layer) for layer in document.children("layers")),
        annotations=document.text_map("annotations"),
        artifact_type=document.text("artifactType"),
    )


def describe_document(data: bytes, what: str) -> Descriptor:
    """Return the descriptor of a manifest or an index, made from its bytes. Raises UnsupportedFormat for any other document."""
    document = Document.parse(data, what)
    kind = document.text("mediaType") or (media_types.OCI_INDEX if document.has("manifests") else media_types.OCI_MANIFEST)
    return Descriptor.of(read_manifest(data, kind, what).media_type, data)


def read_subject(data: bytes, what: str) -> Digest | None:
    """Return the digest of the `subject` of a manifest: the image that a signature or another referrer belongs to. None if it has none or can't be read."""
    # Most images have no subject: don't parse these. A key may be written with JSON escapes.
    if b"subject" not in data and b"\\u" not in data:
        return None
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
    return members
