# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manifests, indexes and descriptors."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.longshore.images.plugins.module_utils.errors import UnsupportedFormat
from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.config import ImageConfig
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor, Index, Manifest, describe_document, read_manifest
from tests.support.documents import CHILD, CONFIG, INDEX, LAYER, MANIFEST, SHA, encode


@pytest.mark.parametrize(
    ("document", "offered", "kind"),
    [
        (encode(MANIFEST), media_types.OCI_MANIFEST, media_types.OCI_MANIFEST),
        (encode(MANIFEST), None, media_types.OCI_MANIFEST),
        (encode(MANIFEST), "application/json", media_types.OCI_MANIFEST),
        (encode(MANIFEST, mediaType=...), media_types.OCI_MANIFEST, media_types.OCI_MANIFEST),
        (encode(MANIFEST, mediaType=None), media_types.OCI_MANIFEST, media_types.OCI_MANIFEST),
        (encode(MANIFEST, mediaType=media_types.DOCKER_MANIFEST), media_types.DOCKER_MANIFEST, media_types.DOCKER_MANIFEST),
        (encode(MANIFEST, manifests=None), None, media_types.OCI_MANIFEST),
        (encode(INDEX), media_types.OCI_INDEX, media_types.OCI_INDEX),
        (encode(INDEX, mediaType=...), media_types.OCI_INDEX, media_types.OCI_INDEX),
        (encode(INDEX, mediaType=media_types.DOCKER_LIST), None, media_types.DOCKER_LIST),
        (encode(INDEX, layers=None, config=None), None, media_types.OCI_INDEX),
        (encode(INDEX, manifests=[]), None, media_types.OCI_INDEX),
        (encode(INDEX, manifests=None), None, media_types.OCI_INDEX),
    ],
)
def test_the_type_is_that_of_the_document_or_else_the_offered_one(document: bytes, offered: str | None, kind: str) -> None:
    assert read_manifest(document, offered, "it").media_type == kind


SCHEMA1: dict[str, Any] = {"schemaVersion": 1, "name": "x", "tag": "y", "fsLayers": [{"blobSum": SHA}], "history": [{"v1Compatibility": "{}"}]}


@pytest.mark.parametrize(
    ("document", "offered", "reason"),
    [
        (encode(MANIFEST), media_types.DOCKER_MANIFEST, "offered as"),
        (encode(MANIFEST), media_types.OCI_INDEX, "offered as"),
        (encode(INDEX), media_types.OCI_MANIFEST, "offered as"),
        (encode(INDEX), media_types.DOCKER_LIST, "offered as"),
        (encode(MANIFEST, manifests=[CHILD]), None, "both an index and a manifest"),
        (encode(MANIFEST, manifests=[]), None, "both an index and a manifest"),
        (encode(INDEX, layers=[]), None, "both an index and a manifest"),
        (encode(INDEX, layers=[LAYER]), None, "both an index and a manifest"),
        (encode(INDEX, config=CONFIG), None, "both an index and a manifest"),
        (encode(INDEX, config={}), None, "both an index and a manifest"),
        (encode(SCHEMA1), None, "schema 1"),
        (encode(SCHEMA1), media_types.OCI_MANIFEST, "schema 1"),
        (encode(SCHEMA1), "application/vnd.docker.distribution.manifest.v1+prettyjws", "schema 1"),
        (encode({}), "application/vnd.docker.distribution.manifest.v1+json", "schema 1"),
        (encode(MANIFEST, mediaType="application/vnd.docker.distribution.manifest.v1+json"), media_types.DOCKER_MANIFEST, "schema 1"),
        (encode(MANIFEST, mediaType=...), None, "type unknown"),
        (encode(MANIFEST, mediaType=...), "application/json", "application/json"),
        (encode(MANIFEST, mediaType=...), "text/html", "text/html"),
        (encode(MANIFEST, mediaType="x/y\x1b[31m"), None, "x/y"),
        (encode(MANIFEST, mediaType=""), None, "unknown"),
        (encode(MANIFEST, mediaType=1), media_types.OCI_MANIFEST, "mediaType is not a string"),
        (encode(INDEX, mediaType=media_types.OCI_MANIFEST), None, "no config"),
        (encode(MANIFEST, mediaType=media_types.OCI_INDEX, config=..., layers=...), None, "no manifests"),
        (encode(MANIFEST, config=...), None, "no config"),
        (encode(MANIFEST, config=[]), None, "config is not an object"),
        (encode(MANIFEST, layers={}), None, "layers is not a list"),
        (encode(MANIFEST, layers=[LAYER, None]), None, "entry 1 of layers"),
        (encode(MANIFEST, layers=[LAYER] * 1001), None, "more than 1000"),
        (encode(MANIFEST, annotations={"a": 1}), None, "not a string"),
        (encode(INDEX, manifests=[CHILD] * 1001), None, "more than 1000"),
        (encode(INDEX, manifests={}), None, "manifests is not a list"),
        (b"<html>404</html>", media_types.OCI_MANIFEST, "not a valid JSON"),
        (b"", media_types.OCI_MANIFEST, "not a valid JSON"),
        (b"{}" + b" " * 4 * 1024 * 1024, media_types.OCI_MANIFEST, "longer than"),
    ],
)
def test_an_ambiguous_document_is_refused(document: bytes, offered: str | None, reason: str) -> None:
    with pytest.raises(UnsupportedFormat, match=reason) as caught:
        read_manifest(document, offered, "it")
    assert str(caught.value).startswith("it")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "changes",
    [
        {"size": -1}, {"size": True}, {"size": 1.0}, {"size": "1"}, {"size": None}, {"size": ...}, {"size": 2**63}, {"size": 10**900}, {"digest": ...},
        {"digest": None}, {"digest": ""}, {"digest": SHA[:-1]}, {"digest": SHA.upper()}, {"digest": "md5:" + "a" * 32}, {"digest": "../../etc/passwd"},
        {"digest": SHA + "\n"}, {"digest": 1}, {"digest": "sha256:../" + "a" * 61}, {"mediaType": ...}, {"mediaType": 1}, {"mediaType": None},
        {"annotations": []}, {"annotations": {"a": None}}, {"platform": []}, {"platform": {"os": 1}},
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", ["config", "layers", "manifests"])
def test_a_bad_descriptor_is_refused_in_every_place(place: str, changes: dict[str, Any]) -> None:
    bad = {key: value for key, value in {**CHILD, **changes}.items() if value is not ...}
    document = encode(INDEX, manifests=[bad]) if place == "manifests" else encode(MANIFEST, **{place: bad if place == "config" else [bad]})
    with pytest.raises(UnsupportedFormat, match=place) as caught:
        read_manifest(document, None, "it")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("size", [0, 1, 2**63 - 1])
def test_every_possible_file_size_is_read(size: int) -> None:
    manifest = read_manifest(encode(MANIFEST, config={**CONFIG, "size": size}), None, "it")
    assert isinstance(manifest, Manifest)
    assert manifest.config.size == size


@pytest.mark.parametrize(
    ("platform", "shown"),
    [
        ({"os": "linux", "architecture": "arm64", "variant": "v8"}, "linux/arm64"),
        ({"os": "linux", "architecture": "arm"}, "linux/arm/v7"),
        ({"os": "unknown", "architecture": "unknown"}, "unknown/unknown"),
        ({"os": "linux"}, "None"),
        ({"os": "", "architecture": "amd64"}, "None"),
        ({}, "None"),
        (None, "None"),
    ],
)
def test_the_platform_of_an_entry_is_normalised_and_none_if_incomplete(platform: Any, shown: str) -> None:
    index = read_manifest(encode(INDEX, manifests=[{**CHILD, "platform": platform}]), None, "it")
    assert isinstance(index, Index)
    assert str(index.manifests[0].platform) == shown


def test_a_thousand_entries_are_read() -> None:
    index = read_manifest(encode(INDEX, manifests=[CHILD] * 1000), None, "it")
    assert isinstance(index, Index)
    assert len(index.manifests) == 1000


@pytest.mark.parametrize(
    ("kind", "is_image"), [(media_types.OCI_CONFIG, True), (media_types.DOCKER_CONFIG, True), ("application/vnd.cncf.helm.config.v1+json", False)]
)
def test_a_manifest_is_an_image_if_its_config_is_that_of_an_image(kind: str, is_image: bool) -> None:
    manifest = read_manifest(encode(MANIFEST, config={**CONFIG, "mediaType": kind}), None, "it")
    assert isinstance(manifest, Manifest)
    assert manifest.is_image is is_image


@pytest.mark.parametrize(("kind", "is_image"), [(media_types.DOCKER_MANIFEST, True), (media_types.OCI_MANIFEST, False)])
def test_a_docker_manifest_with_an_untyped_config_is_an_image(kind: str, is_image: bool) -> None:
    """Docker before 1.10 pushed such; with an OCI manifest it is something else that somebody keeps in a registry."""
    manifest = read_manifest(encode(MANIFEST, mediaType=kind, config={**CONFIG, "mediaType": "application/octet-stream"}), None, "m")
    assert isinstance(manifest, Manifest)
    assert manifest.is_image == is_image


def test_a_manifest_that_we_write_is_read_back_equal() -> None:
    manifest = read_manifest(encode(MANIFEST, annotations={"a": "b"}), None, "it")
    assert isinstance(manifest, Manifest)
    again = read_manifest(manifest.to_bytes(), None, "it")
    assert again == manifest
    assert isinstance(again, Manifest)
    assert again.annotations == {"a": "b"}


def test_filtering_an_index_keeps_the_chosen_entries_unchanged() -> None:
    other: dict[str, Any] = {**CHILD, "digest": "sha256:" + "b" * 64, "x": 1, "annotations": {"a": "b"}}
    index = read_manifest(encode(INDEX, manifests=[CHILD, other], subject={"y": 2}), None, "it")
    assert isinstance(index, Index)
    assert json.loads(index.filter_entries([Digest.parse(other["digest"])])) == {**INDEX, "manifests": [other], "subject": {"y": 2}}


def test_an_index_with_null_manifests_is_empty() -> None:
    index = read_manifest(encode(INDEX, manifests=None), None, "it")
    assert isinstance(index, Index)
    assert json.loads(index.filter_entries([]))["manifests"] == []


@pytest.mark.parametrize("document", [encode(MANIFEST), encode(MANIFEST, mediaType=...), encode(INDEX), encode(INDEX, mediaType=...)])
def test_a_descriptor_is_computed_from_bytes_alone(document: bytes) -> None:
    kind = media_types.OCI_INDEX if b"manifests" in document else media_types.OCI_MANIFEST
    assert describe_document(document, "it") == Descriptor(kind, Digest.of(document), len(document))


def test_schema_1_is_recognised_from_bytes_alone() -> None:
    with pytest.raises(UnsupportedFormat, match="schema 1"):
        describe_document(encode(SCHEMA1), "it")


VALUES: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from([SHA, *media_types.DOCUMENTS]) | st.just([]) | st.just({})
)
KEYS = [
    "mediaType",
    "schemaVersion",
    "manifests",
    "layers",
    "config",
    "digest",
    "size",
    "platform",
    "os",
    "architecture",
    "variant",
    "rootfs",
    "diff_ids",
    "history",
]
ODD = st.recursive(VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5), max_leaves=12)


@given(
    st.dictionaries(st.sampled_from(KEYS), ODD, max_size=8).map(encode) | st.binary(max_size=30),
    st.sampled_from([None, "text/html", *media_types.DOCUMENTS]),
)
def test_arbitrary_documents_are_read_or_unsupported(document: bytes, offered: str | None) -> None:
    for read in (lambda: read_manifest(document, offered, "it"), lambda: describe_document(document, "it"), lambda: ImageConfig.read(document, "it")):
        try:
            read()
        except UnsupportedFormat as error:
            words = str(error)
            assert words.isprintable()


def test_annotations_do_not_matter_when_descriptors_are_compared() -> None:
    descriptor = Descriptor(media_types.OCI_LAYER, Digest.parse(SHA), 1)
    assert dataclasses.replace(descriptor, annotations={"a": "b"}) == descriptor
