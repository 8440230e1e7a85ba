# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Made-up results of `image_info` for hosts. An image is described by one word for each of its blobs."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.lockfile import LockFile

Row = dict[str, t.Any]

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def digest(word: str) -> str:
    return str(Digest.of(word.encode()))


def row(name: str | None, text: str = "", parts: t.Mapping[str, int] | None = None, **other: t.Any) -> Row:
    """Return the row of image NAME, whose digest is made from TEXT (or NAME).

    PARTS maps a word for each blob to its size; OTHER members replace the defaults.
    """
    text = text or str(name)
    content = {digest(part): size for part, size in (parts or {text: 100}).items()}
    return {
        "name": name,
        "digest": digest(text),
        "image_id": digest(f"{text}-config"),
        "platforms": ["linux/amd64"],
        "size": sum(content.values()),
        "created": "2026-01-31T12:00:00Z",
        "labels": {},
        "content": [{"digest": part, "size": size} for part, size in content.items()],
        "manifests": [],
        "verification": None,
        "referrers": [],
        **other,
    }


def engine_row(name: str | None, text: str = "", size: int = 1_000, **other: t.Any) -> Row:
    """Return the row of an image in Docker's classic image store, which keeps no digest and doesn't report the content."""
    return row(name, text, **{"digest": None, "size": size, "content": [], **other})


def verification(**members: t.Any) -> Row:
    """Return the verdict of a policy as the row of an image has it, by default a refusal without a cause."""
    nothing: Row = {"format": None, "key": None, "issuer": None, "identity": None, "digest": None, "log": None, "annotations": {}, "attestations": []}
    return {"accepted": False, "reason": "", "error": None, **nothing, **members}


def answer(*rows: Row) -> Row:
    return {"images": list(rows), "store": "/srv/images", "changed": False, "failed": False}


def engine_answer(engine: str, *rows: Row, **settings: str) -> Row:
    """Return the result of one engine in a loop over engines with their SETTINGS."""
    return {"images": list(rows), "changed": False, "ansible_loop_var": "report__engine", "report__engine": {"engine": engine, **settings}}


def lock_text(*names: str) -> str:
    """Return the text of a lock file that locks each of NAMES to the digest that `row` gives it."""
    images = {
        name: {
            "digest": digest(name),
            "media_type": MANIFEST,
            "platforms": {"linux/amd64": {"digest": digest(name), "image_id": digest(f"{name}-config"), "size": 100}},
            "size": 100,
        }
        for name in names
    }
    return json.dumps({"version": 1, "platform": ["linux/amd64"], "images": images})


def lock(*names: str) -> LockFile:
    return LockFile.parse(lock_text(*names).encode(), "the test's lock file")
