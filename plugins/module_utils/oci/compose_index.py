# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compose indexes of images for several platforms (OCI image specification, image-index.md). The order of the images doesn't change the bytes."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import InvalidOption, PlatformMissing, UnsupportedFormat
from ..oci import media_types
from .config import ImageConfig
from .digest import Digest
from .document import Document, encode_canonical
from .manifest import Descriptor
from .platform import Platform

_ATTESTED = "vnd.docker.reference.digest"
_PLATFORM_KEYS = ("os", "architecture", "variant", "os.version", "os.features")
_FORMATS = {media_types.OCI_INDEX: media_types.DOCUMENTS, media_types.DOCKER_LIST: frozenset((media_types.DOCKER_MANIFEST,))}


@dataclasses.dataclass(frozen=True)
class IndexEntry:
    """One entry of an index, with all its JSON members."""

    descriptor: Descriptor
    members: t.Mapping[str, t.Any] = dataclasses.field(compare=False, repr=False)

    @property
    def platform(self) -> Platform | None:
        return self.descriptor.platform

    @property
    def os_version(self) -> str | None:
        """Return the version of the operating system that a Windows image needs."""
        version = (self.members.get("platform") or {}).get("os.version")
        return version if isinstance(version, str) else None

    @property
    def attested(self) -> str | None:
        """Return the digest of the image that this entry attests, None if it is no attestation of BuildKit."""
        return self.descriptor.annotations.get(_ATTESTED)

    @property
    def platform_text(self) -> str:
        """Return the platform for messages and results."""
        version = f" ({self.os_version})" if self.os_version is not None else ""
        return f"{self.platform or 'no platform'}{version}"

    @classmethod
    def read_all(cls, document: Document) -> list[IndexEntry]:
        """Return the entries of an index."""
        return [cls(Descriptor.read(entry), entry.members) for entry in document.children("manifests")]

    @classmethod
    def of_image(cls, descriptor: Descriptor, config: ImageConfig | None, platform: Platform | None, label: str) -> IndexEntry:
        """Return the entry of an image. Its platform is PLATFORM, by default that of CONFIG. If both are the same, it has all details that CONFIG gives.

        Raises InvalidOption if neither has one; LABEL names the image.
        """
        own = config.platform if config is not None else None
        wanted = platform or own
        if wanted is None:
            raise InvalidOption(f"{label} doesn't say for which platform it is; give platform")
        plain = dataclasses.replace(descriptor, platform=wanted, annotations={})
        members = plain.to_dict()
        if config is not None and own == wanted:
            # Other tools copy the config's own spelling, so an index of ours has the same entries as one of theirs.
            members["platform"] = {key: config.document.members[key] for key in _PLATFORM_KEYS if config.document.has(key)}
        return cls(plain, members)


@dataclasses.dataclass(frozen=True)
class IndexImage:
    """One image for an index, and the entries that attest it. `label` names it in messages."""

    entry: IndexEntry
    attestations: tuple[IndexEntry, ...]
    label: str

    @property
    def key(self) -> tuple[str, str]:
        """Return the value that only one image of an index may have."""
        return str(self.entry.platform), self.entry.os_version or ""

    @property
    def entries(self) -> tuple[IndexEntry, ...]:
        return (self.entry, *self.attestations)


def group_entries(entries: t.Sequence[IndexEntry], label: str, *, attestations: bool = True) -> list[IndexImage]:
    """Return the images among the ENTRIES of an index, each with its attestations unless these are left out. LABEL names the index.

    Attestations of images that the index doesn't have are left out.
    """
    images = [entry for entry in entries if entry.attested is None and entry.descriptor.is_document]
    found: dict[str, list[IndexEntry]] = {}
    for entry in entries if attestations else ():
        if entry.attested is not None:
            found.setdefault(entry.attested, []).append(entry)
    return [IndexImage(image, tuple(found.get(str(image.descriptor.digest), ())), label) for image in images]


def compose_index(images: t.Sequence[IndexImage], media_type: str, annotations: t.Mapping[str, str] | None = None) -> bytes:
    """Return an index of IMAGES, sorted by platform; attestations come after all images, each once.

    Raises InvalidOption for no images, two for one platform, and annotations of a Docker list; UnsupportedFormat for members that MEDIA_TYPE can't list.
    """
    if not images:
        raise InvalidOption("an index needs at least one image")
    if media_type == media_types.DOCKER_LIST and annotations:
        raise InvalidOption("annotations: Docker's format has none; leave them out, or choose format oci")
    _refuse_same_platform(images)
    ordered = sorted(images, key=lambda image: (image.key, str(image.entry.descriptor.digest)))
    # Two platforms may have the same image, each with an entry. Both then have the same attestations.
    attestations: dict[Digest, IndexEntry] = {}
    for image in ordered:
        attestations.update((entry.descriptor.digest, entry) for entry in sorted(image.attestations, key=lambda entry: str(entry.descriptor.digest)))
    entries = [*(image.entry for image in ordered), *attestations.values()]
    for entry in entries:
        if entry.descriptor.media_type not in _FORMATS[media_type]:
            kind = "attestation" if entry.attested is not None else "image"
            raise UnsupportedFormat(
                f"format docker: the {kind} {entry.descriptor.digest} ({entry.platform_text}) is in OCI's format, which a Docker manifest list"
                " can't have; choose format oci, or drop the attestations if they are the only ones"
            )
    return encode_canonical(
        {
            "schemaVersion": 2,
            "mediaType": media_type,
            "manifests": [dict(entry.members) for entry in entries],
            **({"annotations": dict(annotations)} if annotations else {}),
        }
    )


def _refuse_same_platform(images: t.Sequence[IndexImage]) -> None:
    taken: dict[tuple[str, str], IndexImage] = {}
    for image in images:
        first = taken.setdefault(image.key, image)
        if first is not image:
            raise InvalidOption(
                f"{first.label} and {image.label} are both images for {image.entry.platform_text}; an index takes one for each platform"
            )


def require_platforms(images: t.Sequence[IndexImage], required: t.Sequence[Platform], label: str) -> None:
    """Raise PlatformMissing if one of the REQUIRED platforms has no image."""
    present = {image.entry.platform for image in images}
    missing = [str(platform) for platform in required if platform not in present]
    if missing:
        shown = ", ".join(sorted(str(platform) for platform in present)) or "none"
        raise PlatformMissing(f"{label} would have no image for {', '.join(missing)}; it would have {shown}")
