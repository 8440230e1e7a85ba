# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""List the packages of an image, and write them as an SBOM document. Only reads."""

from __future__ import annotations

import dataclasses
import typing as t

from ..contents.collector import ImagePackages
from ..contents.package import TYPES
from ..errors import ImageNotFound, UnsupportedFormat
from ..oci.config import ImageConfig
from ..places.image_packages import read_packages
from ..places.image_source import ImageSource
from .single_image import SingleImage, SingleImageOptions

CYCLONEDX, SPDX = "cyclonedx", "spdx"

Facts = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class PackagesOptions:
    """Which packages are listed, and the document to write: CYCLONEDX, SPDX or None. No `types` are all types."""

    types: t.Sequence[str] = ()
    document: t.Optional[str] = None  # noqa: UP045 - the annotations of dataclasses are evaluated on Python 3.9


def list_packages(source: ImageSource, label: str, options: PackagesOptions, reading: SingleImageOptions) -> Facts:
    """Return the results of image_packages_info for the image of SOURCE, which is called LABEL in messages.

    Raises UnsupportedFormat for an artifact, and the errors of `SingleImageOptions.read` and `read_packages`.
    """
    image = reading.read(source, label, "images")
    if not image.manifest.is_image:
        raise UnsupportedFormat(f"{label} is an artifact and not an image, so it has no packages")
    found = read_packages(source.source, image.manifest.layers, label, options.types or TYPES)
    platform = image.graph.images[0].platform
    return {
        "name": image.facts.name,
        "digest": str(image.facts.digest),
        "manifest_digest": str(image.graph.images[0].descriptor.digest),
        "platform": str(platform) if platform is not None else None,
        "distribution": {"id": found.distribution.id or None, "version": found.distribution.version or None},
        "packages": [package.row() for package in found.packages],
        "counts": found.counts(),
        "unreadable": [row.row() for row in found.unreadable],
        "document": _make_document(options.document, image, found),
        **({"warnings": [image.warning]} if image.warning is not None else {}),
    }


def _make_document(kind: str | None, image: SingleImage, found: ImagePackages) -> Facts | None:
    """Return the document of this KIND. It names the manifest of the platform, which alone has these packages."""
    if kind is None:
        return None
    from ..contents.document import Subject

    node = image.graph.images[0]
    subject = Subject(image.facts.name or image.label, node.descriptor.digest)
    if kind == CYCLONEDX:
        from ..contents.cyclonedx import make_cyclonedx

        return make_cyclonedx(subject, found.packages)
    from ..contents.spdx import make_spdx

    data = image.read(node.manifest.config)
    if data is None:
        raise ImageNotFound(f"{image.label}: its config {node.manifest.config.digest} can't be read")
    config = ImageConfig.read(data, f"{image.label}, config {node.manifest.config.digest}")
    return make_spdx(dataclasses.replace(subject, created=config.created_at), found.packages)
