# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read two images from any places and return what differs between them, by platform."""

from __future__ import annotations

import dataclasses
import typing as t

from ..comparison import text
from ..comparison.files import FileChange, FileChanges, compare_files
from ..comparison.layers import ADDED, CHANGED, KEPT, REMOVED, Layer, LayerChange, compare_layers, count_shared_bottom
from ..comparison.packages import PackageChange, compare_packages
from ..comparison.settings import Name, SettingChange, compare_settings, read_settings
from ..contents.package import Unreadable
from ..errors import ImageNotFound, UnsupportedFormat
from ..oci.config import ImageConfig
from ..oci.digest import Digest
from ..oci.graph import ImageNode, exclude_blobs
from ..oci.manifest import Descriptor
from ..oci.platform import Selection
from ..oci.text import format_size
from ..places.image_files import SharedLayers, read_both
from ..places.image_source import ImageSource
from ..places.platforms import select_complete

Facts = dict[str, t.Any]


class _HasRow(t.Protocol):
    def row(self) -> Facts: ...


@dataclasses.dataclass(frozen=True)
class ComparedImage:
    """One of the two images, with its selected platforms. `label` is its location as the task wrote it, `root` what its name points at."""

    label: str
    source: ImageSource
    root: Descriptor
    images: t.Sequence[PlatformImage]

    def facts(self) -> Facts:
        return {
            "location": self.label,
            "name": str(self.source.name) if self.source.name is not None else None,
            "digest": str(self.root.digest),
            "media_type": self.root.media_type,
        }


@dataclasses.dataclass(frozen=True)
class PlatformImage:
    """The image for one platform. `platform` is None if nothing says which one it is for."""

    platform: str | None
    node: ImageNode
    config: ImageConfig

    @property
    def layers(self) -> list[Layer]:
        diff_ids: list[Digest | None] = [*self.config.diff_ids]
        diff_ids += [None] * len(self.node.manifest.layers)
        return [Layer(layer.digest, diff_id, layer.size) for layer, diff_id in zip(self.node.manifest.layers, diff_ids)]

    @property
    def settings(self) -> dict[Name, t.Any]:
        return read_settings(self.config, self.node.manifest.annotations)


def read_image(source: ImageSource, label: str, selection: Selection) -> ComparedImage:
    """Read the manifests and configs of the selected platforms of an image. An image without an index has one, independently of SELECTION.

    Raises ImageNotFound, PlatformMissing, UnsupportedFormat for an artifact, and the errors of the place.
    """
    root = source.root()
    graph = select_complete(root, label, source.read_document, selection if root.is_index else None)
    source.check_blobs(graph)
    nodes = [node for node in graph.images if node.platform is None or node.platform.is_runnable]
    images = [_read_platform(source, label, node) for node in nodes if node.manifest.is_image]
    if not images:
        raise UnsupportedFormat(f"{label} is an artifact and not an image, so it can't be compared")
    return ComparedImage(label, source, root, list({image.platform: image for image in reversed(images)}.values())[::-1])


def _read_platform(source: ImageSource, label: str, node: ImageNode) -> PlatformImage:
    data = source.read_document(node.manifest.config)
    if data is None:
        raise ImageNotFound(f"{label}: its config {node.manifest.config.digest} can't be read")
    config = ImageConfig.read(data, f"{label}, config {node.manifest.config.digest}")
    return PlatformImage(str(node.platform) if node.platform is not None else None, node, config)


@dataclasses.dataclass(frozen=True)
class PlatformDifference:
    """What differs for one platform. `before` or `after` is None if that image doesn't have the platform, and then nothing is compared.

    `unreadable` are the package databases that can't be read, each with the image that it is in.
    """

    platform: str | None
    before: PlatformImage | None
    after: PlatformImage | None
    layers: t.Sequence[LayerChange] = ()
    settings: t.Sequence[SettingChange] = ()
    files: t.Sequence[FileChange] = ()
    packages: t.Sequence[PackageChange] = ()
    unreadable: t.Sequence[tuple[str, Unreadable]] = ()

    @classmethod
    def compare(cls, before: PlatformImage, after: PlatformImage) -> PlatformDifference:
        layers = compare_layers(before.layers, after.layers)
        return cls(after.platform or before.platform, before, after, layers, compare_settings(before.settings, after.settings))

    @property
    def change(self) -> str:
        if self.before is None or self.after is None:
            return ADDED if self.before is None else REMOVED
        return CHANGED if self.settings or any(layer.change != KEPT for layer in self.layers) else KEPT

    @property
    def to_move(self) -> t.Sequence[Descriptor]:
        """Return the config and the layers of the second image that a place with the first one doesn't have."""
        blobs = self.after.node.manifest.blobs if self.after is not None else ()
        return exclude_blobs(blobs, self.before.node.manifest.blobs if self.before is not None else ())

    def facts(self) -> Facts:
        return {
            "platform": self.platform,
            "change": self.change,
            "before": _digest_of(self.before),
            "after": _digest_of(self.after),
            "bytes_to_move": count_bytes(self.to_move),
        }

    def add_lines(self, lines: text.Lines) -> None:
        """Add the differences as text for people."""
        name = self.platform or "no platform"
        lines.add(name if self.before is not None else None, name if self.after is not None else None)
        text.add_settings(lines, self.settings)
        text.add_layers(lines, self.layers)
        text.add_packages(lines, self.packages)
        text.add_files(lines, self.files)
        size = count_bytes(self.to_move)
        lines.add(None, f"  {format_size(size)} to move" if size else None)


def _digest_of(image: PlatformImage | None) -> str | None:
    return str(image.node.descriptor.digest) if image is not None else None


def count_bytes(blobs: t.Iterable[Descriptor]) -> int:
    """Return the size of blobs, each digest counted once."""
    return sum({blob.digest: blob.size for blob in blobs}.values())


def compare_images(before: ComparedImage, after: ComparedImage) -> list[PlatformDifference]:
    """Return the differences for each platform of one of the images. Two images of one platform each are compared, whichever that is."""
    if len(before.images) == len(after.images) == 1:
        return [PlatformDifference.compare(before.images[0], after.images[0])]
    old, new = ({image.platform: image for image in images} for images in (before.images, after.images))
    differences = []
    for platform in [*new, *(platform for platform in old if platform not in new)]:
        one, other = old.get(platform), new.get(platform)
        if one is not None and other is not None:
            differences.append(PlatformDifference.compare(one, other))
        else:
            differences.append(PlatformDifference(platform, one, other))
    return differences


def read_contents(before: ComparedImage, after: ComparedImage, difference: PlatformDifference, changes: FileChanges) -> PlatformDifference:
    """Return DIFFERENCE with the packages and files that differ, of which CHANGES keeps some.

    No layer is read if all are the same, and those at the bottom of both images only once. Raises CorruptArchive, DigestMismatch and UnsupportedFormat for
    layers that can't be read.
    """
    if difference.before is None or difference.after is None:
        return difference
    old, new = difference.before.node.manifest.layers, difference.after.node.manifest.layers
    number = count_shared_bottom(difference.before.layers, difference.after.layers)
    if number == len(old) == len(new):
        return difference
    one, other = (before.source.source, before.label), (after.source.source, after.label)
    if before.source.costs_requests and not after.source.costs_requests:
        files = read_both(one, other, other, SharedLayers(new[:number], old[number:], new[number:]))
    else:
        files = read_both(one, other, one, SharedLayers(old[:number], old[number:], new[number:]))
    found = [read.packages for read in files]
    versions = ([((package.type, package.name, package.architecture or ""), package.version) for package in each.packages] for each in found)
    return dataclasses.replace(
        difference,
        files=changes.keep(compare_files(*(read.entries() for read in files))),
        packages=compare_packages(*versions),
        unreadable=[(image, database) for image, each in zip(("before", "after"), found) for database in each.unreadable],
    )


def describe_difference(before: ComparedImage, after: ComparedImage, files_limit: int | None) -> Facts:
    """Return the results of image_diff_info: rows for playbooks, and two texts whose diff people read. Without FILES_LIMIT no layer is read.

    Raises the errors of `read_contents`.
    """
    differences = compare_images(before, after)
    changes = FileChanges(files_limit or 0)
    if files_limit is not None:
        differences = [read_contents(before, after, difference, changes) for difference in differences]
    lines = text.Lines()
    for difference in differences:
        difference.add_lines(lines)
    old, new = lines.texts

    def rows(part: t.Callable[[PlatformDifference], t.Iterable[_HasRow]]) -> list[Facts]:
        return [{"platform": difference.platform, **change.row()} for difference in differences for change in part(difference)]

    return {
        "before": before.facts(),
        "after": after.facts(),
        "different": any(difference.change != KEPT for difference in differences),
        "platforms": [difference.facts() for difference in differences],
        "layers": rows(lambda difference: difference.layers),
        "config": rows(lambda difference: difference.settings),
        "packages": rows(lambda difference: difference.packages),
        "unreadable": [{"platform": each.platform, "image": image, **found.row()} for each in differences for image, found in each.unreadable],
        "files": rows(lambda difference: difference.files),
        "files_left_out": changes.left_out,
        "file_counts": changes.counts if files_limit is not None else None,
        "bytes_to_move": count_bytes(blob for difference in differences for blob in difference.to_move),
        "diff": {"before_header": before.label, "after_header": after.label, "before": old, "after": new},
    }
