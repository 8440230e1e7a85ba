# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Referrers are found in a layout that another tool wrote, without parsing every manifest of it."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.store.referrers import referrers_in_store
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support.images import make_artifact, make_image

APP = make_image("app")
SIGNATURE = make_artifact("signature", APP.root)


def write_layout(folder: Path, documents: t.Sequence[bytes]) -> Path:
    """Write a layout with DOCUMENTS as another tool does: without our records, and without names."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    entries = []
    for data in documents:
        digest = Digest.of(data)
        (blobs / digest.hex).write_bytes(data)
        entries.append({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": str(digest), "size": len(data)})
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return folder


def find(folder: Path) -> list[Digest]:
    """Return the referrers of APP in the layout."""
    return [root.digest for root in referrers_in_store(Store(str(folder))).find_by_subject(APP.root.digest)]


def signature(old: bytes, new: bytes) -> bytes:
    data = SIGNATURE.content[SIGNATURE.root.digest]
    assert old in data
    return data.replace(old, new, 1)


@pytest.mark.parametrize(
    "document",
    [
        signature(b'"subject"', b'"subject"'),
        signature(b'"subject"', b'"\\u0073ubject"'),
        signature(b'"subject"', b'"subj\\u0065ct"'),
        signature(b'"text":"signature"', b'"text":"' + b"s" * 100_000 + b'"'),
    ],
    ids=["plain", "first letter escaped", "another letter escaped", "long"],
)
def test_a_referrer_is_found_however_its_subject_is_written(tmp_path: Path, document: bytes) -> None:
    assert find(write_layout(tmp_path, [APP.content[APP.root.digest], document])) == [Digest.of(document)]


def test_only_documents_that_mention_a_subject_are_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = [make_image(f"image {number}", layers=1) for number in range(5)]
    folder = write_layout(tmp_path, [image.content[image.root.digest] for image in (*images, SIGNATURE)])
    read: list[Digest] = []
    read_document = Store.read_document

    def count(store: Store, descriptor: Descriptor) -> bytes | None:
        read.append(descriptor.digest)
        return read_document(store, descriptor)

    monkeypatch.setattr(Store, "read_document", count)
    assert find(folder) == [SIGNATURE.root.digest]
    assert read == [SIGNATURE.root.digest]


@pytest.mark.parametrize("replace", [Path.mkdir, lambda path: path.symlink_to("/etc/passwd"), lambda path: path.write_bytes(b"short")])
def test_documents_that_are_missing_or_replaced_are_no_referrers(tmp_path: Path, replace: t.Callable[[Path], object]) -> None:
    folder = write_layout(tmp_path, [SIGNATURE.content[SIGNATURE.root.digest]])
    document = folder / "blobs" / "sha256" / SIGNATURE.root.digest.hex
    document.unlink()
    assert find(folder) == []
    replace(document)
    assert find(folder) == []
