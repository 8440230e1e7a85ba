# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images in the words of results."""

from __future__ import annotations

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.graph import Graph, ImageNode
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor, Manifest
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Platform, Selection
from ansible_collections.longshore.images.plugins.module_utils.oci.text import format_size
from ansible_collections.longshore.images.plugins.module_utils.places.facts import format_count, image_facts, short_digest

HOST = Platform.parse("linux/amd64")


def graph_of(*platforms: str | None) -> Graph:
    images = []
    for number, platform in enumerate(platforms):
        manifest = Manifest(media_types.OCI_MANIFEST, Descriptor(media_types.OCI_CONFIG, Digest("sha256", f"{number:064x}"), 1), ())
        node = Descriptor(media_types.OCI_MANIFEST, Digest("sha256", f"{number + 100:064x}"), 1)
        images.append(ImageNode(node, manifest, Platform.parse(platform) if platform else None))
    root = Descriptor(media_types.OCI_INDEX, Digest("sha256", "f" * 64), 1)
    return Graph(root, {root: b"x"}, tuple(images), ())


@pytest.mark.parametrize(
    ("platforms", "asked", "position"),
    [
        (["linux/arm64", "linux/amd64"], None, 1),
        (["linux/amd64", "linux/arm64"], ["linux/arm64"], 1),
        (["linux/amd64", "linux/arm64"], ["linux/s390x"], 0),
        (["linux/s390x", "linux/arm/v6", "linux/arm/v5"], ["linux/arm/v7"], 1),
        (["linux/s390x", "linux/arm64"], None, 0),
        (["linux/s390x", "linux/amd64"], ["all"], 1),
        (["unknown/unknown", "linux/arm64"], None, 1),
        ([None, "linux/amd64"], None, 1),
        ([None], None, 0),
        ([], None, None),
    ],
)
def test_the_id_is_that_of_the_platform_asked_for_then_of_the_host_then_of_the_first(
    platforms: list[str | None], asked: list[str] | None, position: int | None
) -> None:
    facts = image_facts("n", graph_of(*platforms), Selection.parse(asked) if asked else None, HOST)
    assert facts.image_id == (None if position is None else Digest("sha256", f"{position:064x}"))


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1049, "1.0 kB"), (1050, "1.1 kB"), (999_949, "999.9 kB"), (999_950, "1.0 MB"), (1_500_000, "1.5 MB"),
        (999_999_999, "1.0 GB"), (10**12, "1.0 TB"), (12345 * 10**12, "12345.0 TB"),
    ],
)  # fmt: skip
def test_sizes_are_shown_in_decimal_units(size: int, words: str) -> None:
    assert format_size(size) == words


@pytest.mark.parametrize(("number", "words"), [(0, "0 blobs"), (1, "1 blob"), (2, "2 blobs")])
def test_one_is_singular(number: int, words: str) -> None:
    assert format_count(number, "blob") == words


def test_a_digest_in_a_sentence_keeps_its_algorithm() -> None:
    assert short_digest(Digest("sha512", "ab" * 64)) == "sha512:abababababab"
