# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Archives with a blob that does not match its digest, and layout folders that lead outside: no image is loaded."""

from __future__ import annotations

import os
import re
import typing as t
from pathlib import Path

import pytest

from tests.support import archives
from tests.support.archive_checks import check_refused, check_untouched
from tests.support.archive_samples import (
    APP,
    COMPRESSIONS,
    CORRUPT,
    FIVE_IMAGES,
    IMAGE,
    MISMATCH,
    OCI_LAYER,
    first_layer,
    five_images,
    flip_bit,
    with_entry,
)
from tests.support.archives import (
    Link,
    blob,
    changed,
    docker,
    manifest_entry,
    manifest_file,
    oci,
    pack,
)

# Mismatches that are found only by reading a blob.
WRONG_BLOBS: dict[str, tuple[t.Callable[[], bytes], str]] = {
    "a plain layer of docker's": (lambda: pack(changed(docker(IMAGE, APP), first_layer(docker(IMAGE)), flip_bit)), "layer.tar"),
    "a layer by its digest": (lambda: pack(changed(oci(IMAGE, APP), OCI_LAYER, flip_bit)), OCI_LAYER),
    "a layer of an image among five": (lambda: five_images(oci, "layer"), blob(FIVE_IMAGES[4].layers[0].digest)),
    "a layer of docker's among five": (lambda: five_images(docker, "layer"), "layer.tar"),
    "two layers in each other's place": (
        lambda: with_entry(Layers=[name for name in docker(IMAGE) if name.endswith("layer.tar")][::-1]),
        "layer.tar",
    ),
}


@pytest.mark.parametrize("compression", ["plain", "gzip"])
@pytest.mark.parametrize("wrong_blob", WRONG_BLOBS)
def test_a_blob_with_a_wrong_digest_is_reported_with_its_position_and_no_image_is_loaded(
    tmp_path: Path, store: Path, wrong_blob: str, compression: str
) -> None:
    make, name = WRONG_BLOBS[wrong_blob]
    path = tmp_path / "archive"
    path.write_bytes(COMPRESSIONS[compression](make()))
    error = check_refused(path, store) if compression == "plain" else check_untouched(path, store)
    assert error.cause == MISMATCH
    assert re.search(rf"{name} \(at byte \d+\)", error.message), error
    assert "should have the digest" in error.message


def test_reading_a_folder_never_leaves_it(tmp_path: Path, store: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(IMAGE.content[IMAGE.layers[0].digest])
    folder = archives.unpack({**oci(IMAGE, APP), OCI_LAYER: Link(str(secret))}, tmp_path / "archive")
    assert check_refused(folder, store).cause in ("io_error", MISMATCH)
    (folder / OCI_LAYER).unlink()
    os.mkfifo(folder / OCI_LAYER)
    assert check_refused(folder, store).cause in ("io_error", MISMATCH)
    outside = archives.unpack({"manifest.json": manifest_file(manifest_entry("../secret", [], []))}, tmp_path / "docker")
    assert check_untouched(outside, store).cause == CORRUPT
