# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the bases of images are still what their registries have under these names."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import ImageNotFound, InvalidOption, InvalidReference, LongshoreError, UnsupportedFormat
from ..oci.compose import BASE_DIGEST, BASE_NAME
from ..oci.digest import Digest
from ..oci.graph import choose_platforms
from ..oci.platform import Platform, Selection
from ..oci.reference import Reference
from ..places.inspected_image import Facts
from ..transfer.workers import Workers
from .info_remote import OpenRepository, read_at_registry, resolve_digest


@dataclasses.dataclass(frozen=True)
class RecordedBase:
    """What an image says about its base: `digest` is None if it gives only the name. `layers` are all layers of the image, `platform` None if unknown."""

    name: Reference
    digest: Digest | None
    layers: tuple[str, ...]
    platform: Platform | None

    @classmethod
    def of_row(cls, row: Facts) -> RecordedBase | None:
        """Read the annotations of an image, else its labels; None if they name no base. Raises UnsupportedFormat for values that nobody can read."""
        annotations, labels = row.get("annotations") or {}, row.get("labels") or {}
        name, digest = (annotations.get(key) or labels.get(key) for key in (BASE_NAME, BASE_DIGEST))
        if not name or name == "scratch":
            return None
        try:
            platform = Platform.normalised(row["os"], row["architecture"], row["variant"]) if row.get("os") and row.get("architecture") else None
            return cls(Reference.parse(name), Digest.parse(digest) if digest else None, tuple(layer["digest"] for layer in row["layers"]), platform)
        except (InvalidReference, InvalidOption) as error:
            raise UnsupportedFormat(f"its annotations name no base that can be looked up: {error.message}") from error


def check_bases(rows: t.Sequence[Facts], open_repository: OpenRepository, workers: Workers) -> list[Facts]:
    """Return ROWS with `base`: what each image records, and what the registry of its base has now. Each base is asked for once.

    A base is current if the registry has the recorded digest under its name, or an image for the platform whose layers are the image's lowest ones. A base
    that can't be looked up has an `error`, and its `is_current` is null.
    """
    bases = [_read_base(row) for row in rows]
    names = list(dict.fromkeys(base.name for base in bases if isinstance(base, RecordedBase)))
    found = dict(zip(names, workers.map(lambda name: _attempt(lambda: resolve_digest(name, open_repository)), names)))

    def describe(base: RecordedBase | LongshoreError | None) -> Facts | None:
        if base is None:
            return None
        if isinstance(base, LongshoreError):
            return _facts(None, None, None, None, base)
        current = found[base.name]
        if isinstance(current, LongshoreError):
            return _facts(base.name, base.digest, None, None, current)
        same = True if base.digest == current.digest else _attempt(lambda: _has_layers_of(base, current, open_repository))
        if isinstance(same, LongshoreError):
            return _facts(base.name, base.digest, current.digest, None, same)
        return _facts(base.name, base.digest, current.digest, same, None)

    return [{**row, "base": base} for row, base in zip(rows, workers.map(describe, bases))]


_Value = t.TypeVar("_Value")


def _attempt(read: t.Callable[[], _Value]) -> _Value | LongshoreError:
    """Return the result of READ, or its error: one base that can't be looked up is no reason to say nothing about the others."""
    try:
        return read()
    except LongshoreError as error:
        return error


def _read_base(row: Facts) -> RecordedBase | LongshoreError | None:
    return _attempt(lambda: RecordedBase.of_row(row)) if row.get("present") else None


def _has_layers_of(base: RecordedBase, current: Reference, open_repository: OpenRepository) -> bool:
    """Return True if the image begins with the layers of its base as it is now. A base without layers says nothing."""
    if base.platform is None:
        return False
    image = read_at_registry(open_repository(current), current, choose_platforms(Selection((base.platform,))))
    if image is None or image.graph is None or not image.graph.images:
        raise ImageNotFound(f"{current}: {current.registry} doesn't have it for {base.platform}")
    layers = [str(layer.digest) for layer in image.graph.images[0].manifest.layers]
    return bool(layers) and list(base.layers[: len(layers)]) == layers


def _facts(name: Reference | None, digest: Digest | None, current: Digest | None, is_current: bool | None, error: LongshoreError | None) -> Facts:
    message = error.message if error is not None else None
    if is_current is False:
        was = f"; this image was made on {digest}" if digest is not None else ""
        message = f"{name} is {current} now{was}. image_rebase puts the image on the new base"
    return {
        "name": str(name) if name is not None else None,
        "digest": str(digest) if digest is not None else None,
        "current_digest": str(current) if current is not None else None,
        "is_current": is_current,
        "error": error.cause if error is not None else None,
        "msg": message,
    }
