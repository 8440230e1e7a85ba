# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which layers an engine has for certain, and how its image list is parsed."""

from __future__ import annotations

import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.longshore.images.plugins.module_utils.engine.answers import parse_names
from ansible_collections.longshore.images.plugins.module_utils.engine.interfaces import LayersByChain, LayersByDigest, OfferedImage
from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.document import Document
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor, Manifest
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference


def blob(letter: str) -> Descriptor:
    return Descriptor(media_types.OCI_LAYER_GZIP, Digest.of(f"packed {letter}".encode()), 10)


def diff_id(letter: str) -> Digest:
    return Digest.of(letter.encode())


def offer(letters: str) -> OfferedImage:
    config = Descriptor(media_types.OCI_CONFIG, Digest.of(letters.encode()), 10)
    return OfferedImage(
        Manifest(media_types.OCI_MANIFEST, config, tuple(blob(letter) for letter in letters)), tuple(diff_id(letter) for letter in letters)
    )


def layer_chain(letters: str) -> tuple[Digest, ...]:
    return tuple(diff_id(letter) for letter in letters)


@pytest.mark.parametrize(
    ("present", "wanted", "missing"),
    [
        ([], "ab", "ab"),
        (["ab"], "ab", ""),
        (["abc"], "ab", ""),
        (["ab"], "abc", "c"),
        (["ab"], "ba", "ba"),  # the same content on other layers is a different layer
        (["ab"], "cb", "cb"),
        (["a", "b"], "ab", "b"),
        (["ab", "ac"], "abc", "c"),
        (["a"], "aba", "ba"),  # one blob that is two layers, of which one is missing
        (["aba"], "aba", ""),
    ],
)
def test_a_layer_is_missing_unless_all_layers_below_it_are_the_same(present: list[str], wanted: str, missing: str) -> None:
    layers = LayersByChain(layer_chain(letters) for letters in present)
    assert layers.find_missing(offer(wanted)) == tuple(blob(letter) for letter in missing)


@pytest.mark.parametrize(
    ("present", "wanted", "missing"), [("", "ab", "ab"), ("ab", "ab", ""), ("b", "ab", "a"), ("ab", "bac", "c"), ("b", "aba", "a")]
)
def test_blobs_are_missing_unless_the_engine_has_them(present: str, wanted: str, missing: str) -> None:
    layers = LayersByDigest(blob(letter).digest for letter in present)
    assert layers.find_missing(offer(wanted)) == tuple(blob(letter) for letter in missing)


@given(st.lists(st.text("abc", min_size=1, max_size=5)), st.text("abc", min_size=1, max_size=5))
def test_no_layer_of_an_added_image_is_missing(earlier: list[str], last: str) -> None:
    for layers in (LayersByChain([]), LayersByDigest([])):
        for letters in [*earlier, last]:
            layers.add(offer(letters))
        assert all(layers.find_missing(offer(letters)) == () for letters in [*earlier, last])


ID = "sha256:" + "1" * 64
DIGEST = "sha256:" + "2" * 64


def row(**members: t.Any) -> Document:
    return Document.parse(json.dumps({"Id": ID, **members}).encode(), "the answer")


def test_texts_that_are_no_names_are_skipped() -> None:
    assert parse_names(["<none>:<none>", "Upper", "", "a/b:1", "sha256:" + "3" * 64]) == {Reference.parse("docker.io/a/b:1")}
