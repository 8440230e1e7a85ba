# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The members of a new index: images of other indexes, and members of the index that its name points at now."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import InvalidOption, UnsupportedFormat
from ..oci.compose_index import IndexEntry, IndexImage, compose_index, group_entries, require_platforms
from ..oci.config import ImageConfig
from ..oci.digest import Digest
from ..oci.document import Document
from ..oci.document_reader import Read
from ..oci.manifest import Descriptor, Manifest, read_manifest
from ..oci.platform import Platform, choose_platform
from ..oci.reference import Reference

REPLACE, MERGE, ABSENT = "replace", "merge", "absent"


@dataclasses.dataclass(frozen=True)
class MemberRequest:
    """One member that the user named. `platform` selects an image of an index, or says for which platform an image is.

    Without `name`, which is possible for members to remove, `platform` selects the member.
    """

    name: Reference | Digest | None
    platform: Platform | None = None

    def __post_init__(self) -> None:
        if self.name is None and self.platform is None:
            raise InvalidOption("manifests: each entry needs name, or with existing: absent a platform")


@dataclasses.dataclass(frozen=True)
class IndexOptions:
    """The index to make. `tags` are further names in the repository of `name`."""

    name: Reference
    requests: t.Sequence[MemberRequest]
    existing: str
    media_type: str
    attestations: bool = True
    annotations: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    required: t.Sequence[Platform] = ()
    tags: t.Sequence[str] = ()

    def __post_init__(self) -> None:
        """Raise InvalidOption for an index that would be its own member, and for members without a name unless they are removed."""
        for request in self.requests:
            if self.existing != ABSENT and request.name is None:
                raise InvalidOption("manifests: each entry needs name; only existing: absent finds members by platform alone")
            if self.existing != ABSENT and isinstance(request.name, Reference) and request.name.name in self.names and request.name.digest is None:
                raise InvalidOption(f"{request.name} can't be a member of itself; give its members, or use existing: merge to keep them")

    @property
    def names(self) -> tuple[Reference, ...]:
        """Return all names of the new index, each once."""
        return tuple(dict.fromkeys((self.name, *(self.name.with_tag(tag) for tag in self.tags))))


@dataclasses.dataclass(frozen=True)
class IndexMember:
    """An image or index that exists. `read` returns its documents, None for one that is missing; `is_complete` says whether an image has all of its content."""

    label: str
    root: Descriptor
    read: Read
    is_complete: t.Callable[[Descriptor], bool] = lambda descriptor: True


@dataclasses.dataclass(frozen=True)
class NewIndex:
    """The bytes of an index, and its images in order."""

    root: Descriptor
    data: bytes
    images: tuple[IndexImage, ...]

    @property
    def rows(self) -> list[dict[str, t.Any]]:
        """Return a row of the results for each image."""
        return [
            {
                "platform": str(image.entry.platform),
                "os_version": image.entry.os_version,
                "digest": str(image.entry.descriptor.digest),
                "attestations": [str(entry.descriptor.digest) for entry in image.attestations],
            }
            for image in self.images
        ]


def make_index(options: IndexOptions, members: t.Sequence[tuple[MemberRequest, IndexMember | None]], current: IndexMember | None) -> NewIndex | None:
    """Return the new index. CURRENT is the image that its name points at now, None if there is none, or if no member of it is kept.

    A member is None if only its platform is known. Return None if members must be removed from an index that doesn't exist.
    Raises InvalidOption and UnsupportedFormat for members that an index can't have, PlatformMissing for a platform that a member or the index is missing.
    """
    annotations: dict[str, str] = {}
    kept: list[IndexImage] = []
    if current is not None and options.existing != REPLACE:
        kept = _all_images(current, options.attestations)
        annotations = Document.parse(_read(current, current.root), current.label).text_map("annotations") if current.root.is_index else {}
    if options.existing == ABSENT:
        if current is None:
            return None
        images = _without(kept, members, options)
    else:
        new = [image for request, member in members if member is not None for image in choose_images(member, request.platform, options.attestations)]
        taken = {image.key for image in new}
        images = [*(image for image in kept if image.key not in taken), *_drop_repeated(new)]
    require_platforms(images, options.required, str(options.name))
    data = compose_index(images, options.media_type, {**annotations, **options.annotations})
    return NewIndex(Descriptor.of(options.media_type, data), data, tuple(sorted(images, key=lambda image: image.key)))


def choose_images(member: IndexMember, platform: Platform | None, attestations: bool) -> list[IndexImage]:
    """Return the images of MEMBER for a new index: all images of an index, or the one for PLATFORM, or the image itself."""
    if not member.root.is_index:
        return [_plain_image(member, platform)]
    images = _all_images(member, attestations)
    if platform is None:
        return images
    return [choose_platform(platform, [(image.entry.platform, image) for image in images], member.label)]


def _all_images(member: IndexMember, attestations: bool) -> list[IndexImage]:
    """Return all complete images of a member. Raises UnsupportedFormat for nested indexes, InvalidOption if there is none."""
    if not member.root.is_index:
        return [_plain_image(member, None)]
    document = Document.parse(_read(member, member.root), member.label)
    images: list[IndexImage] = []
    for image in group_entries(IndexEntry.read_all(document), member.label, attestations=attestations):
        if image.entry.descriptor.is_index:
            raise UnsupportedFormat(
                f"{member.label} has an index within its index; make the new index from the inner one, {image.entry.descriptor.digest}"
            )
        if member.is_complete(image.entry.descriptor):
            attesting = tuple(entry for entry in image.attestations if member.is_complete(entry.descriptor))
            images.append(dataclasses.replace(image, entry=_with_platform(member, image.entry), attestations=attesting))
    if not images:
        raise InvalidOption(f"{member.label} has no image for an index")
    return images


def _with_platform(member: IndexMember, entry: IndexEntry) -> IndexEntry:
    """Return ENTRY with its platform, which is read from the image's config if the index doesn't say it."""
    if entry.platform is not None:
        return entry
    found = IndexEntry.of_image(entry.descriptor, _read_config(member, entry.descriptor), None, f"{member.label}, {entry.descriptor.digest}")
    return IndexEntry(found.descriptor, {**entry.members, **found.members})


def _plain_image(member: IndexMember, platform: Platform | None) -> IndexImage:
    return IndexImage(IndexEntry.of_image(member.root, _read_config(member, member.root), platform, member.label), (), member.label)


def _read_config(member: IndexMember, descriptor: Descriptor) -> ImageConfig | None:
    """Return the config of an image. Raises InvalidOption for an artifact that is no image."""
    manifest = read_manifest(_read(member, descriptor), descriptor.media_type, member.label)
    if not isinstance(manifest, Manifest) or not manifest.is_image:
        raise InvalidOption(f"{member.label} is no image, and can't be in an index of images")
    return ImageConfig.read(_read(member, manifest.config), f"{member.label}, config {manifest.config.digest}")


def _read(member: IndexMember, descriptor: Descriptor) -> bytes:
    data = member.read(descriptor)
    if data is None:
        raise UnsupportedFormat(f"{member.label}: {descriptor.digest} can't be read")
    return data


def _drop_repeated(images: t.Sequence[IndexImage]) -> list[IndexImage]:
    """Return IMAGES without those that are there twice with the same digest and platform, as when an index and one of its images are both members."""
    unique: dict[tuple[tuple[str, str], Digest], IndexImage] = {}
    for image in images:
        first = unique.setdefault((image.key, image.entry.descriptor.digest), image)
        if len(image.attestations) > len(first.attestations):
            unique[image.key, image.entry.descriptor.digest] = image
    return list(unique.values())


def _without(
    images: t.Sequence[IndexImage], members: t.Sequence[tuple[MemberRequest, IndexMember | None]], options: IndexOptions
) -> list[IndexImage]:
    """Return IMAGES without the members to remove. Raises InvalidOption if none would be left."""
    digests: set[Digest] = set()
    platforms: set[Platform | None] = set()
    for request, member in members:
        if member is None:
            platforms.add(request.platform)
        else:
            digests.update(image.entry.descriptor.digest for image in choose_images(member, request.platform, attestations=False))
    left = [image for image in images if image.entry.descriptor.digest not in digests and image.entry.platform not in platforms]
    if not left:
        raise InvalidOption(f"{options.name} would have no image left; remove it with image_rm instead")
    return left
