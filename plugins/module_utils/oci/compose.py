# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compose new images from a base image, new layers and settings. The base is not changed."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ..errors import InvalidOption
from ..oci import media_types
from .config import ImageConfig
from .digest import Digest
from .document import encode_canonical
from .manifest import Descriptor, Manifest
from .platform import Platform
from .settings import Settings
from .times import parse_fraction, parse_time

EPOCH = "1970-01-01T00:00:00Z"
BASE_NAME = "org.opencontainers.image.base.name"
BASE_DIGEST = "org.opencontainers.image.base.digest"

_OCI_LAYERS = {media_types.DOCKER_LAYER: media_types.OCI_LAYER, media_types.DOCKER_LAYER_GZIP: media_types.OCI_LAYER_GZIP}


@dataclasses.dataclass(frozen=True)
class NewLayer:
    """A new top layer: its descriptor, the digest of its uncompressed tar, and its `created_by` text for the history."""

    descriptor: Descriptor
    diff_id: Digest
    created_by: str


@dataclasses.dataclass(frozen=True)
class Base:
    """The base image for one platform: its name, None if it has none, the digest that the name points at, its manifest and config."""

    name: str | None
    digest: Digest
    manifest: Manifest
    config: ImageConfig


def parse_created(text: str | None, base: ImageConfig | None) -> tuple[str, int]:
    """Return the creation time of the new image, as RFC 3339 text and in seconds since 1970: TEXT, else the time of the base, else 1970.

    The text keeps a fraction of a second, the number doesn't. A base with an invalid time, or a time before 1970 such as Go's zero time, counts as 1970.
    Raises InvalidOption for such a TEXT.
    """
    if text:
        try:
            return _format_time(text)
        except ValueError as error:
            raise InvalidOption(f"created: {text!r} is not a time since 1970 like 2026-01-31T12:00:00Z") from error
    try:
        return _format_time((base.created if base is not None else None) or EPOCH)
    except ValueError:
        return _format_time(EPOCH)


def _format_time(text: str) -> tuple[str, int]:
    """Return a time in UTC as RFC 3339 text and in seconds since 1970. Raises ValueError for a time before 1970 or after the year 9999."""
    seconds = int(parse_time(text).timestamp())
    if seconds < 0:
        raise ValueError("before 1970")
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return f"{moment.strftime('%Y-%m-%dT%H:%M:%S')}{parse_fraction(text)}Z", seconds


def compose_image(
    base: Base | None,
    platform: Platform,
    layers: t.Sequence[NewLayer],
    settings: Settings,
    created: str,
    annotations: t.Mapping[str, str] | None = None,
) -> tuple[Manifest, bytes]:
    """Return the manifest and the config of the new image. Layers keep their bytes. Docker's layer types are replaced by the same types of OCI.

    ANNOTATIONS are added to those that name the base.
    """
    base_members = base.config.document.members if base is not None else {}
    history = list(base_members.get("history") or [])
    history += [{"created": created, "created_by": f"image_append: {layer.created_by}"} for layer in layers]
    if not layers:
        history.append({"created": created, "created_by": "image_append: settings", "empty_layer": True})
    diff_ids = [*(base.config.diff_ids if base is not None else ()), *(layer.diff_id for layer in layers)]
    config: dict[str, t.Any] = {
        **{key: value for key, value in base_members.items() if key not in ("container", "container_config", "id", "parent", "docker_version")},
        "created": created,
        "os": platform.os,
        "architecture": platform.architecture,
        "config": settings.apply_to(base.config.settings if base is not None else {}),
        "rootfs": {"type": "layers", "diff_ids": [str(diff_id) for diff_id in diff_ids]},
        "history": history,
    }
    if platform.variant is not None and "variant" not in config:
        config["variant"] = platform.variant
    data = encode_canonical(config)
    manifest = Manifest(
        media_type=media_types.OCI_MANIFEST,
        config=Descriptor.of(media_types.OCI_CONFIG, data),
        layers=(*oci_layers(base.manifest.layers if base is not None else ()), *(layer.descriptor for layer in layers)),
        annotations={**base_annotations(base), **(annotations or {})},
    )
    return manifest, data


def oci_layers(layers: t.Sequence[Descriptor]) -> list[Descriptor]:
    """Return the layers with OCI's media types in place of Docker's. Their bytes are the same."""
    return [dataclasses.replace(layer, media_type=_OCI_LAYERS.get(layer.media_type, layer.media_type)) for layer in layers]


def base_annotations(base: Base | None) -> dict[str, str]:
    """Return the annotations that name the base of an image."""
    if base is None:
        return {}
    return {**({BASE_NAME: base.name} if base.name is not None else {}), BASE_DIGEST: str(base.digest)}
