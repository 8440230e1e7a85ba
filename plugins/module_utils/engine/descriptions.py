# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the descriptions of images by Docker and Podman, as far as an image config has the same fields."""

from __future__ import annotations

import typing as t
from urllib.parse import quote

from ..oci.document import Document, encode_canonical
from .answers import parse_answer, read_created
from .interfaces import Description, EngineImage

if t.TYPE_CHECKING:
    from .http_api import Api

_EMPTY: tuple[t.Any, ...] = (None, "", False, 0, [], {})


def describe_image(api: Api, image: EngineImage) -> Description | None:
    """Ask Docker or Podman for an image, by ID; None if it is gone. Raises EngineError."""
    path = f"/images/{quote(str(image.digest), safe=':')}"
    row = api.get(f"{path}/json")
    return parse_description(row, api.get_list(f"{path}/history")[::-1]) if row is not None else None


def parse_description(row: Document, steps: t.Sequence[Document]) -> Description:
    """Parse the description of an image, and the STEPS of its history, oldest first. Raises EngineError."""

    def parse() -> Description:
        settings = row.child("Config")
        rootfs = row.child("RootFS")
        config = {
            "architecture": row.text("Architecture"),
            "os": row.text("Os"),
            "variant": row.text("Variant"),
            "author": row.text("Author") or None,
            "created": row.text("Created") or None,
            # Docker's API adds members that describe containers, always empty, to the config of every image.
            "config": {key: value for key, value in (settings.members if settings else {}).items() if value not in _EMPTY},
            "rootfs": {"type": "layers", "diff_ids": list(rootfs.texts("Layers", None)) if rootfs else []},
            "history": [_parse_step(step) for step in steps],
        }
        data = encode_canonical({key: value for key, value in config.items() if value is not None})
        return Description(Document.parse(data, row.what), max(row.number("Size") or 0, 0))

    return parse_answer(row.what, parse)


def _parse_step(step: Document) -> dict[str, t.Any]:
    """Return a step in the form of an image config. Docker doesn't say which steps have a layer, but a step without one has no size."""
    if "created_by" in step.members or "created" in step.members:  # Podman's program prints the config's own history
        return dict(step.members)
    created = read_created(step)
    return {
        "created": created.isoformat().replace("+00:00", "Z") if created is not None else None,
        "created_by": step.text("CreatedBy"),
        "comment": step.text("Comment"),
        "empty_layer": not step.number("Size"),
    }
