# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""OCI archives whose index, manifests or blobs are broken or hostile: one clear error, and an untouched store."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.document import encode_canonical
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from tests.support.archive_checks import check_archive_refused, check_module_refuses
from tests.support.archive_samples import (
    APP,
    COMPRESSIONS,
    CORRUPT,
    DIGEST,
    ESCAPE,
    FIVE_IMAGES,
    IMAGE,
    MISMATCH,
    OCI_LAYER,
    UNSUPPORTED,
    five_images,
    flip_bit,
)
from tests.support.archives import (
    blob,
    changed,
    config_of,
    index_entry,
    index_file,
    layout,
    oci,
    pack,
    without,
)
from tests.support.images import Image, make_index


def nested(levels: int) -> bytes:
    """Return an OCI archive with LEVELS nested indexes around an image."""
    content: dict[Digest, bytes] = dict(IMAGE.content)
    inner = IMAGE.root
    for _level in range(levels):
        data = encode_canonical({"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": [inner.to_dict()]})
        inner = Descriptor(media_types.OCI_INDEX, Digest.of(data), len(data))
        content[inner.digest] = data
    image = Image(inner, content)
    return pack(layout(index_file(index_entry(image, APP)), image))


def with_index_entry(**changes: t.Any) -> bytes:
    """Return an OCI archive whose index describes the image with CHANGES."""
    return pack(layout(index_file({**index_entry(IMAGE, APP), **changes}), IMAGE))


def with_manifest(**changes: t.Any) -> bytes:
    """Return an OCI archive whose manifest has CHANGES and a matching digest."""
    data = encode_canonical({**json.loads(IMAGE.content[IMAGE.root.digest]), **changes})
    image = Image(Descriptor(media_types.OCI_MANIFEST, Digest.of(data), len(data)), {**IMAGE.content, Digest.of(data): data})
    return pack(layout(index_file(index_entry(image, APP)), image))


# Each case: the archive, the expected error, and a pattern that its message matches. All are refused before anything is written.
BROKEN_OCI_ARCHIVES: dict[str, tuple[t.Callable[[], bytes], str, str]] = {
    "layers of null beside a config with two": (lambda: with_manifest(layers=None), UNSUPPORTED, "has no layers, but its config .* has 2"),
    "no images in an index": (lambda: pack(layout(index_file())), "not_found", "without any image"),
    "one name for two digests": (
        lambda: pack(layout(index_file(index_entry(IMAGE, APP), index_entry(FIVE_IMAGES[0], "app:1")), IMAGE, FIVE_IMAGES[0])),
        CORRUPT,
        f"{APP} for two images",
    ),
    "a layout of version 2": (lambda: pack(layout(index_file(index_entry(IMAGE)), IMAGE, version="2.0.0")), UNSUPPORTED, "of version 2.0.0"),
    "a version with escapes": (lambda: pack(layout(index_file(index_entry(IMAGE)), IMAGE, version=ESCAPE)), UNSUPPORTED, "of version"),
    "no version": (lambda: pack(without(oci(IMAGE, APP), "oci-layout")), CORRUPT, "no file oci-layout"),
    "1001 images in an index": (lambda: pack(layout(index_file(*[index_entry(IMAGE)] * 1001), IMAGE)), UNSUPPORTED, "more than 1000 entries"),
    "nested five deep": (lambda: nested(5), UNSUPPORTED, "nests indexes more than 4 levels deep"),
    "an index in a circle": (lambda: with_index_entry(mediaType=media_types.OCI_INDEX), UNSUPPORTED, "offered as"),
    "another size of a manifest": (lambda: with_index_entry(size=10), MISMATCH, "but its descriptor says 10"),
    "a negative size of a manifest": (lambda: with_index_entry(size=-1), UNSUPPORTED, "negative size"),
    "no digest": (lambda: with_index_entry(digest="sha256:../../etc/passwd"), UNSUPPORTED, "is not a digest"),
    "an absent manifest": (lambda: with_index_entry(digest=DIGEST), CORRUPT, f"is missing {DIGEST}"),
    "an unknown type": (lambda: with_index_entry(mediaType=f"text/html{ESCAPE}"), "not_found", "without any image"),
    "annotations of the wrong kind": (lambda: with_index_entry(annotations={"a": 1}), UNSUPPORTED, "annotations holds a value"),
    "a containerd name that is none": (lambda: with_index_entry(annotations={"io.containerd.image.name": ESCAPE}), CORRUPT, "not a valid reference"),
    "a listed name with a digest that lies": (
        lambda: with_index_entry(annotations={"io.containerd.image.name": f"app@{DIGEST}"}),
        CORRUPT,
        "for an image with another digest",
    ),
    "a base that is no digest": (
        lambda: pack(layout(index_file(index_entry(IMAGE), annotations={"images.longshore.base": ESCAPE}), IMAGE)),
        CORRUPT,
        "not a digest",
    ),
    "an index that is no digest": (lambda: with_index_entry(annotations={"images.longshore.index": "../x"}), CORRUPT, "not a digest"),
    "an altered manifest": (lambda: pack(changed(oci(IMAGE, APP), blob(IMAGE.root.digest), flip_bit)), MISMATCH, r"at byte \d+\) should have the"),
    "an altered config": (lambda: pack(changed(oci(IMAGE, APP), blob(Digest.of(config_of(IMAGE))), flip_bit)), MISMATCH, r"at byte \d+\) should"),
    "an altered index": (
        lambda: pack(changed(oci(make_index("x"), APP), blob(make_index("x").root.digest), flip_bit)),
        MISMATCH,
        r"at byte \d+\) should have the digest",
    ),
    "a layer that is cut": (lambda: pack(changed(oci(IMAGE, APP), OCI_LAYER, lambda data: data[:-1])), MISMATCH, r"at byte \d+\) has \d+ bytes, but"),
    "a layer that is longer": (lambda: pack(changed(oci(IMAGE, APP), OCI_LAYER, lambda data: data + b"x")), MISMATCH, "bytes, but its descriptor"),
    "an absent layer": (lambda: pack(without(oci(IMAGE, APP), OCI_LAYER)), CORRUPT, f"is missing sha256:{OCI_LAYER[-64:]}"),
    "an absent config": (lambda: pack(without(oci(IMAGE, APP), blob(Digest.of(config_of(IMAGE))))), CORRUPT, "is incomplete"),
    "a manifest with another size of a layer": (
        lambda: with_manifest(layers=[{**layer.to_dict(), "size": 3} for layer in IMAGE.layers]),
        MISMATCH,
        "but its descriptor says 3",
    ),
    "an image and an index at once": (lambda: with_manifest(manifests=[]), UNSUPPORTED, "both an index and a manifest"),
    "1001 layers in a manifest": (lambda: with_manifest(layers=[IMAGE.layers[0].to_dict()] * 1001), UNSUPPORTED, "more than 1000"),
    "schema 1": (lambda: with_manifest(schemaVersion=1, mediaType=None), UNSUPPORTED, "schema 1"),
    "a bad manifest of five": (lambda: five_images(oci, "manifest"), MISMATCH, "should have the digest"),
    "a bad config of five by digest": (lambda: five_images(oci, "config"), MISMATCH, "should have the digest"),
}


@pytest.mark.parametrize("compression", ["plain", "gzip"])
@pytest.mark.parametrize("case", BROKEN_OCI_ARCHIVES)
def test_a_broken_oci_archive_is_refused_before_anything_is_written(tmp_path: Path, store: Path, case: str, compression: str) -> None:
    make, cause, pattern = BROKEN_OCI_ARCHIVES[case]
    check_archive_refused(COMPRESSIONS[compression](make()), tmp_path, store, cause, pattern)


@pytest.mark.parametrize("case", ["an absent layer"])
def test_the_module_reports_a_broken_oci_archive_in_one_sentence(tmp_path: Path, store: Path, case: str) -> None:
    make, cause, pattern = BROKEN_OCI_ARCHIVES[case]
    path = tmp_path / "archive"
    path.write_bytes(make())
    check_module_refuses(path, store, cause, pattern)
