# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests, indexes, configs and the graphs that they make."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.longshore.images.plugins.module_utils.errors import DigestMismatch, PlatformMissing, UnsupportedFormat
from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.config import ImageConfig
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.graph import Choice, Graph, choose_all, choose_platforms, read_graph
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor, Index, Manifest, describe_document, read_manifest
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import ALL, Platform, Selection, choose_platform

SHA = "sha256:" + "a" * 64
CONFIG = {"mediaType": media_types.OCI_CONFIG, "digest": SHA, "size": 2}
LAYER = {"mediaType": media_types.OCI_LAYER_GZIP, "digest": SHA, "size": 3}
CHILD = {"mediaType": media_types.OCI_MANIFEST, "digest": SHA, "size": 4, "platform": {"os": "linux", "architecture": "amd64"}}
MANIFEST = {"schemaVersion": 2, "mediaType": media_types.OCI_MANIFEST, "config": CONFIG, "layers": [LAYER]}
INDEX = {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": [CHILD]}


def data(members: Any, **changes: Any) -> bytes:
    """MEMBERS as JSON with CHANGES; a change to ... leaves the member out."""
    return json.dumps({key: value for key, value in {**members, **changes}.items() if value is not ...}).encode()


# Types.


@pytest.mark.parametrize(
    ("document", "offered", "kind"),
    [
        (data(MANIFEST), media_types.OCI_MANIFEST, media_types.OCI_MANIFEST),
        (data(MANIFEST), None, media_types.OCI_MANIFEST),
        (data(MANIFEST), "application/json", media_types.OCI_MANIFEST),
        (data(MANIFEST, mediaType=...), media_types.OCI_MANIFEST, media_types.OCI_MANIFEST),
        (data(MANIFEST, mediaType=None), media_types.OCI_MANIFEST, media_types.OCI_MANIFEST),
        (data(MANIFEST, mediaType=media_types.DOCKER_MANIFEST), media_types.DOCKER_MANIFEST, media_types.DOCKER_MANIFEST),
        (data(MANIFEST, manifests=None), None, media_types.OCI_MANIFEST),
        (data(INDEX), media_types.OCI_INDEX, media_types.OCI_INDEX),
        (data(INDEX, mediaType=...), media_types.OCI_INDEX, media_types.OCI_INDEX),
        (data(INDEX, mediaType=media_types.DOCKER_LIST), None, media_types.DOCKER_LIST),
        (data(INDEX, layers=None, config=None), None, media_types.OCI_INDEX),
        (data(INDEX, manifests=[]), None, media_types.OCI_INDEX),
        (data(INDEX, manifests=None), None, media_types.OCI_INDEX),
    ],
)
def test_the_type_is_the_documents_own_and_else_the_one_offered(document: bytes, offered: str | None, kind: str) -> None:
    assert read_manifest(document, offered, "it").media_type == kind


SCHEMA1: dict[str, Any] = {"schemaVersion": 1, "name": "x", "tag": "y", "fsLayers": [{"blobSum": SHA}], "history": [{"v1Compatibility": "{}"}]}


@pytest.mark.parametrize(
    ("document", "offered", "reason"),
    [
        (data(MANIFEST), media_types.DOCKER_MANIFEST, "offered as"),
        (data(MANIFEST), media_types.OCI_INDEX, "offered as"),
        (data(INDEX), media_types.OCI_MANIFEST, "offered as"),
        (data(INDEX), media_types.DOCKER_LIST, "offered as"),
        (data(MANIFEST, manifests=[CHILD]), None, "both an index and a manifest"),
        (data(MANIFEST, manifests=[]), None, "both an index and a manifest"),
        (data(INDEX, layers=[]), None, "both an index and a manifest"),
        (data(INDEX, layers=[LAYER]), None, "both an index and a manifest"),
        (data(INDEX, config=CONFIG), None, "both an index and a manifest"),
        (data(INDEX, config={}), None, "both an index and a manifest"),
        (data(SCHEMA1), None, "schema 1"),
        (data(SCHEMA1), media_types.OCI_MANIFEST, "schema 1"),
        (data(SCHEMA1), "application/vnd.docker.distribution.manifest.v1+prettyjws", "schema 1"),
        (data({}), "application/vnd.docker.distribution.manifest.v1+json", "schema 1"),
        (data(MANIFEST, mediaType="application/vnd.docker.distribution.manifest.v1+json"), media_types.DOCKER_MANIFEST, "schema 1"),
        (data(MANIFEST, mediaType=...), None, "type unknown"),
        (data(MANIFEST, mediaType=...), "application/json", "application/json"),
        (data(MANIFEST, mediaType=...), "text/html", "text/html"),
        (data(MANIFEST, mediaType="x/y\x1b[31m"), None, "x/y"),
        (data(MANIFEST, mediaType=""), None, "unknown"),
        (data(MANIFEST, mediaType=1), media_types.OCI_MANIFEST, "mediaType is not a string"),
        (data(INDEX, mediaType=media_types.OCI_MANIFEST), None, "no config"),
        (data(MANIFEST, mediaType=media_types.OCI_INDEX, config=..., layers=...), None, "no manifests"),
        (data(MANIFEST, config=...), None, "no config"),
        (data(MANIFEST, config=[]), None, "config is not an object"),
        (data(MANIFEST, layers={}), None, "layers is not a list"),
        (data(MANIFEST, layers=[LAYER, None]), None, "entry 1 of layers"),
        (data(MANIFEST, layers=[LAYER] * 1001), None, "more than 1000"),
        (data(MANIFEST, annotations={"a": 1}), None, "not a string"),
        (data(INDEX, manifests=[CHILD] * 1001), None, "more than 1000"),
        (data(INDEX, manifests={}), None, "manifests is not a list"),
        (b"<html>404</html>", media_types.OCI_MANIFEST, "not a valid JSON"),
        (b"", media_types.OCI_MANIFEST, "not a valid JSON"),
        (b"{}" + b" " * 4 * 1024 * 1024, media_types.OCI_MANIFEST, "longer than"),
    ],
)
def test_a_document_that_two_readers_could_take_for_two_things_is_refused(document: bytes, offered: str | None, reason: str) -> None:
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
def test_a_bad_descriptor_is_refused_wherever_it_stands(place: str, changes: dict[str, Any]) -> None:
    bad = {key: value for key, value in {**CHILD, **changes}.items() if value is not ...}
    document = data(INDEX, manifests=[bad]) if place == "manifests" else data(MANIFEST, **{place: bad if place == "config" else [bad]})
    with pytest.raises(UnsupportedFormat, match=place) as caught:
        read_manifest(document, None, "it")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("size", [0, 1, 2**63 - 1])
def test_any_size_that_a_file_can_have_is_read(size: int) -> None:
    manifest = read_manifest(data(MANIFEST, config={**CONFIG, "size": size}), None, "it")
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
def test_an_entrys_platform_is_normalised_and_an_incomplete_one_is_none(platform: Any, shown: str) -> None:
    index = read_manifest(data(INDEX, manifests=[{**CHILD, "platform": platform}]), None, "it")
    assert isinstance(index, Index)
    assert str(index.manifests[0].platform) == shown


def test_a_thousand_entries_are_read() -> None:
    index = read_manifest(data(INDEX, manifests=[CHILD] * 1000), None, "it")
    assert isinstance(index, Index)
    assert len(index.manifests) == 1000


@pytest.mark.parametrize(
    ("kind", "is_image"), [(media_types.OCI_CONFIG, True), (media_types.DOCKER_CONFIG, True), ("application/vnd.cncf.helm.config.v1+json", False)]
)
def test_only_a_manifest_with_an_images_config_is_an_image(kind: str, is_image: bool) -> None:
    manifest = read_manifest(data(MANIFEST, config={**CONFIG, "mediaType": kind}), None, "it")
    assert isinstance(manifest, Manifest)
    assert manifest.is_image is is_image


@pytest.mark.parametrize(("kind", "is_image"), [(media_types.DOCKER_MANIFEST, True), (media_types.OCI_MANIFEST, False)])
def test_a_docker_manifest_whose_config_has_no_type_of_its_own_is_an_image(kind: str, is_image: bool) -> None:
    """Docker before 1.10 pushed such; with an OCI manifest it is something else that somebody keeps in a registry."""
    manifest = read_manifest(data(MANIFEST, mediaType=kind, config={**CONFIG, "mediaType": "application/octet-stream"}), None, "m")
    assert isinstance(manifest, Manifest)
    assert manifest.is_image == is_image


def test_a_manifest_that_we_write_is_read_back_equal() -> None:
    manifest = read_manifest(data(MANIFEST, annotations={"a": "b"}), None, "it")
    assert isinstance(manifest, Manifest)
    again = read_manifest(manifest.to_bytes(), None, "it")
    assert again == manifest
    assert isinstance(again, Manifest)
    assert again.annotations == {"a": "b"}


def test_an_index_keeps_chosen_entries_as_they_stand() -> None:
    other: dict[str, Any] = {**CHILD, "digest": "sha256:" + "b" * 64, "x": 1, "annotations": {"a": "b"}}
    index = read_manifest(data(INDEX, manifests=[CHILD, other], subject={"y": 2}), None, "it")
    assert isinstance(index, Index)
    assert json.loads(index.filter_entries([Digest.parse(other["digest"])])) == {**INDEX, "manifests": [other], "subject": {"y": 2}}


def test_an_index_of_null_holds_nothing() -> None:
    index = read_manifest(data(INDEX, manifests=None), None, "it")
    assert isinstance(index, Index)
    assert json.loads(index.filter_entries([]))["manifests"] == []


@pytest.mark.parametrize("document", [data(MANIFEST), data(MANIFEST, mediaType=...), data(INDEX), data(INDEX, mediaType=...)])
def test_bytes_alone_tell_their_descriptor(document: bytes) -> None:
    kind = media_types.OCI_INDEX if b"manifests" in document else media_types.OCI_MANIFEST
    assert describe_document(document, "it") == Descriptor(kind, Digest.of(document), len(document))


def test_schema_1_is_named_when_only_its_bytes_are_at_hand() -> None:
    with pytest.raises(UnsupportedFormat, match="schema 1"):
        describe_document(data(SCHEMA1), "it")


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
    st.dictionaries(st.sampled_from(KEYS), ODD, max_size=8).map(data) | st.binary(max_size=30),
    st.sampled_from([None, "text/html", *media_types.DOCUMENTS]),
)
def test_arbitrary_documents_are_read_or_unsupported(document: bytes, offered: str | None) -> None:
    for read in (lambda: read_manifest(document, offered, "it"), lambda: describe_document(document, "it"), lambda: ImageConfig.read(document, "it")):
        try:
            read()
        except UnsupportedFormat as error:
            words = str(error)
            assert words.isprintable()


# Configs.


def test_a_config_tells_what_the_image_is() -> None:
    created = "2026-01-31T12:00:00.123456789Z"
    document = data(
        {
            "os": "linux", "architecture": "arm64", "variant": "v8", "created": created, "author": "me", "config": {"Labels": {"a": "b"}, "Cmd": ["x"]},
            "rootfs": {"type": "layers", "diff_ids": [SHA]}, "history": [{"created_by": "x", "empty_layer": True}, {}],
        }
    )  # fmt: skip
    config = ImageConfig.read(document, "it")
    assert (str(config.platform), config.created, config.author, config.labels) == ("linux/arm64", created, "me", {"a": "b"})
    assert [str(digest) for digest in config.diff_ids] == [SHA]
    assert [(entry.created_by, entry.empty_layer) for entry in config.history] == [("x", True), (None, False)]
    assert config.created_at is not None
    assert config.created_at.isoformat() == "2026-01-31T12:00:00+00:00"
    assert config.settings == {"Labels": {"a": "b"}, "Cmd": ["x"]}


@pytest.mark.parametrize("document", [b"{}", data({"config": None, "rootfs": None, "history": None, "os": "linux"})])
def test_an_empty_config_says_nothing(document: bytes) -> None:
    config = ImageConfig.read(document, "it")
    assert (config.platform, config.created_at, config.labels, config.diff_ids, config.history, config.settings) == (None, None, {}, (), (), {})


@pytest.mark.parametrize("created", ["", "yesterday", "2026-13-01T00:00:00Z", "0000-00-00T00:00:00Z"])
def test_a_creation_that_is_no_time_is_none(created: str) -> None:
    assert ImageConfig.read(data({"created": created}), "it").created_at is None


@pytest.mark.parametrize(
    "members",
    [
        {"rootfs": {"diff_ids": [1]}},
        {"rootfs": {"diff_ids": ["sha256:x"]}},
        {"rootfs": {"diff_ids": "x"}},
        {"rootfs": []},
        {"rootfs": {"diff_ids": [SHA] * 1001}},
        {"config": []},
        {"config": {"Labels": {"a": 1}}},
        {"config": {"Labels": []}},
        {"history": [1]},
        {"history": {"a": 1}},
        {"history": [{"empty_layer": 1}]},
        {"history": [{"created_by": ["x"]}]},
        {"os": 1},
        {"os": "linux", "architecture": []},
        {"created": 1},
    ],
)
def test_an_odd_config_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedFormat, match="it"):
        ImageConfig.read(data(members), "it")


# Graphs.


class Place:
    """Content by digest, which remembers what was read."""

    def __init__(self) -> None:
        self.blobs: dict[Digest, bytes] = {}
        self.read_order: list[Digest] = []

    def put(self, content: bytes, kind: str, platform: str | None = None) -> dict[str, Any]:
        digest = Digest.of(content)
        self.blobs[digest] = content
        entry: dict[str, Any] = {"mediaType": kind, "digest": str(digest), "size": len(content)}
        if platform is not None:
            entry["platform"] = dict(zip(("os", "architecture", "variant"), platform.split("/")))
        return entry

    def image(self, name: str, platform: str | None = None, config: Any = None) -> dict[str, Any]:
        content = data(config if config is not None else {"os": "linux", "architecture": "s390x", "name": name})
        return self.put(
            data(MANIFEST, config=self.put(content, media_types.OCI_CONFIG), layers=[LAYER], annotations={"n": name}),
            media_types.OCI_MANIFEST,
            platform,
        )

    def index(self, *children: dict[str, Any], **annotations: str) -> dict[str, Any]:
        return self.put(data(INDEX, manifests=list(children), annotations=annotations), media_types.OCI_INDEX)

    def read(self, descriptor: Descriptor) -> bytes | None:
        self.read_order.append(descriptor.digest)
        return self.blobs.get(descriptor.digest)

    def graph(self, root: dict[str, Any], choice: Choice = choose_all) -> Graph:
        graph = read_graph(descriptor_of(root), "image", self.read, choice)
        assert graph is not None
        return graph

    def lose(self, entry: dict[str, Any]) -> None:
        del self.blobs[Digest.parse(entry["digest"])]


def descriptor_of(entry: dict[str, Any]) -> Descriptor:
    return Descriptor(entry["mediaType"], Digest.parse(entry["digest"]), entry["size"])


def digests(descriptors: Sequence[Descriptor]) -> list[str]:
    return [str(descriptor.digest) for descriptor in descriptors]


@pytest.fixture
def place() -> Place:
    return Place()


def test_an_absent_root_gives_no_graph(place: Place) -> None:
    root = place.index(place.image("a"))
    place.lose(root)
    assert read_graph(descriptor_of(root), "image", place.read) is None


def test_a_plain_manifest_has_the_platform_of_its_config(place: Place) -> None:
    graph = place.graph(place.image("a"))
    assert graph.platforms == ["linux/s390x"]
    assert len(graph.blobs) == 2


def test_a_manifest_whose_config_is_absent_has_no_platform(place: Place) -> None:
    root = place.image("a")
    manifest = read_manifest(place.blobs[Digest.parse(root["digest"])], None, "it")
    assert isinstance(manifest, Manifest)
    del place.blobs[manifest.config.digest]
    assert place.graph(root).images[0].platform is None


def test_the_platform_is_what_the_index_says(place: Place) -> None:
    graph = place.graph(place.index(place.image("a", "linux/arm64"), place.image("b", "unknown/unknown"), place.image("c")))
    assert [str(image.platform) for image in graph.images] == ["linux/arm64", "unknown/unknown", "linux/s390x"]
    assert graph.platforms == ["linux/arm64", "linux/s390x"]


@pytest.mark.parametrize("layers", [None, [], ...])
@pytest.mark.parametrize("kind", [media_types.OCI_CONFIG, media_types.DOCKER_CONFIG])
def test_a_manifest_without_the_layers_of_its_config_is_refused(place: Place, layers: Any, kind: str) -> None:
    config = place.put(data({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [SHA]}}), kind)
    image = place.put(data(MANIFEST, config=config, layers=layers), media_types.OCI_MANIFEST, "linux/amd64")
    for root in (image, place.index(image)):
        with pytest.raises(UnsupportedFormat, match=rf"has no layers, but its config {config['digest']} has 1"):
            place.graph(root)


@pytest.mark.parametrize(
    "config", [{}, {"rootfs": None}, {"rootfs": {"type": "layers", "diff_ids": None}}, {"rootfs": {"type": "layers", "diff_ids": []}}]
)
def test_an_image_without_any_layers_is_an_image(place: Place, config: Any) -> None:
    entry = place.put(data(MANIFEST, config=place.put(data(config), media_types.OCI_CONFIG), layers=None), media_types.OCI_MANIFEST)
    assert [image.manifest.layers for image in place.graph(entry).images] == [()]


def test_absent_children_are_told_and_the_others_read(place: Place) -> None:
    first, second = place.image("a", "linux/amd64"), place.image("b", "linux/arm64")
    root = place.index(first, second)
    place.lose(first)
    graph = place.graph(root)
    assert digests(graph.absent) == [first["digest"]]
    assert graph.platforms == ["linux/arm64"]


def test_children_of_unknown_types_are_passed_over_unread(place: Place) -> None:
    odd = place.put(b"odd", "application/x-odd", "linux/amd64")
    graph = place.graph(place.index(odd, place.image("a", "linux/amd64")))
    assert len(graph.images) == 1
    assert Digest.parse(odd["digest"]) not in place.read_order
    assert graph.absent == ()


@pytest.mark.parametrize("platform", ["linux/amd64", None])
def test_a_child_of_unknown_type_serves_no_platform(place: Place, platform: str | None) -> None:
    odd, good = place.put(b"odd", "application/x-odd", platform), place.image("a", "linux/amd64")
    choice = choose_platforms(Selection.parse(["linux/amd64"]))
    assert [image.descriptor.digest for image in place.graph(place.index(odd, good), choice).images] == [Digest.parse(good["digest"])]
    with pytest.raises(PlatformMissing):
        place.graph(place.index(odd), choice)


def test_a_selection_reads_its_platforms_alone_in_the_order_of_the_index(place: Place) -> None:
    entries = [place.image(name, f"linux/{name}") for name in ("amd64", "arm64", "s390x")]
    graph = place.graph(place.index(*entries), choose_platforms(Selection.parse(["linux/s390x", "linux/amd64"])))
    assert graph.platforms == ["linux/amd64", "linux/s390x"]
    assert Digest.parse(entries[1]["digest"]) not in place.read_order


def test_all_takes_attestations_too(place: Place) -> None:
    root = place.index(place.image("a", "linux/amd64"), place.image("b", "unknown/unknown"))
    assert len(place.graph(root, choose_platforms(ALL)).images) == 2
    assert len(place.graph(root, choose_platforms(Selection.parse(["linux/amd64"]))).images) == 1


def test_a_lacking_platform_is_missing_by_name(place: Place) -> None:
    root = place.index(place.image("a", "linux/amd64"))
    with pytest.raises(PlatformMissing, match=r"image has no image for linux/arm64; it has linux/amd64"):
        place.graph(root, choose_platforms(Selection.parse(["linux/amd64", "linux/arm64"])))


def test_an_image_listed_for_two_platforms_is_that_of_the_platform_asked_for(place: Place) -> None:
    arm, amd = place.image("a", "linux/arm64"), place.image("a", "linux/amd64")
    assert arm["digest"] == amd["digest"]
    graph = place.graph(place.index(arm, amd), choose_platforms(Selection.parse(["linux/amd64"])))
    assert graph.platforms == ["linux/amd64"]


@pytest.mark.parametrize("features", [["win32k"], ["a", "b"]])
def test_an_entry_without_os_features_is_preferred(place: Place, features: list[str]) -> None:
    special, plain = place.image("special", "linux/amd64"), place.image("plain", "linux/amd64")
    special["platform"]["os.features"] = features
    choice = choose_platforms(Selection.parse(["linux/amd64"]))
    for entries in ((special, plain), (plain, special)):
        graph = place.graph(place.index(*entries), choice)
        assert [str(image.descriptor.digest) for image in graph.images] == [plain["digest"]]
        whole = place.graph(place.index(*entries))
        chosen = choose_platform(Platform.parse("linux/amd64"), whole.images_by_platform, "image")
        assert str(chosen.descriptor.digest) == plain["digest"]


def test_an_entry_with_os_features_still_serves_alone(place: Place) -> None:
    special, older = place.image("special", "linux/amd64/v2"), place.image("older", "linux/amd64")
    special["platform"]["os.features"] = ["sse4"]
    graph = place.graph(place.index(special, older), choose_platforms(Selection.parse(["linux/amd64/v2"])))
    assert [str(image.descriptor.digest) for image in graph.images] == [special["digest"]]


@pytest.mark.parametrize("features", [None, []])
def test_os_features_of_nothing_are_none(place: Place, features: list[str] | None) -> None:
    first, second = place.image("first", "linux/amd64"), place.image("second", "linux/amd64")
    first["platform"]["os.features"] = features
    graph = place.graph(place.index(first, second), choose_platforms(Selection.parse(["linux/amd64"])))
    assert [str(image.descriptor.digest) for image in graph.images] == [first["digest"]]


def test_the_same_child_twice_is_read_once(place: Place) -> None:
    child = place.image("a", "linux/amd64")
    graph = place.graph(place.index(child, child))
    assert len(graph.images) == 1
    assert place.read_order.count(Digest.parse(child["digest"])) == 1
    assert len(graph.content) == len({blob.digest for blob in graph.content}) == 4


def test_a_document_of_another_size_than_its_descriptor_says_is_a_mismatch(place: Place) -> None:
    child = place.image("a", "linux/amd64")
    with pytest.raises(DigestMismatch, match=child["digest"]):
        place.graph(place.index({**child, "size": child["size"] + 1}))
    with pytest.raises(DigestMismatch, match=r"^image has"):
        place.graph({**child, "size": child["size"] - 1})


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_indexes_nest_to_four_levels(place: Place, levels: int) -> None:
    entry = place.image("a", "linux/amd64")
    for _level in range(levels):
        entry = place.index(entry)
    assert len(place.graph(entry).documents) == levels + 1


def test_a_fifth_level_is_refused(place: Place) -> None:
    entry = place.image("a", "linux/amd64")
    for _level in range(4):
        entry = place.index(entry)
    with pytest.raises(UnsupportedFormat, match="more than 4 levels"):
        place.graph(entry)


def test_too_many_manifests_are_refused(place: Place) -> None:
    child = {"mediaType": media_types.OCI_MANIFEST, "size": 1}
    indexes = [place.index(*({**child, "digest": f"sha256:{half * 1000 + number:064x}"} for number in range(1000))) for half in range(3)]
    with pytest.raises(UnsupportedFormat, match="more than 2000 manifests"):
        place.graph(place.index(*indexes))


@pytest.mark.parametrize("kind", [media_types.OCI_INDEX, media_types.DOCKER_MANIFEST])
def test_a_child_of_another_type_than_its_entry_says_is_refused(place: Place, kind: str) -> None:
    child = {**place.image("a", "linux/amd64"), "mediaType": kind}
    with pytest.raises(UnsupportedFormat, match="offered as"):
        place.graph(place.index(child))


def test_what_is_no_image_has_no_platform_and_its_config_is_not_read(place: Place) -> None:
    config = place.put(b"no JSON", "application/vnd.cncf.helm.config.v1+json")
    graph = place.graph(place.put(data(MANIFEST, config=config), media_types.OCI_MANIFEST))
    assert graph.images[0].platform is None
    assert Digest.parse(config["digest"]) not in place.read_order


@given(st.data())
def test_every_part_of_a_graph_comes_after_what_it_points_at(draw: st.DataObject) -> None:
    place = Place()
    entries = [place.image(str(number), "linux/amd64") for number in range(draw.draw(st.integers(1, 3)))]
    below = [entries]
    for _level in range(draw.draw(st.integers(0, 2))):
        pool = [entry for level in below for entry in level]
        below.append(
            [place.index(*draw.draw(st.lists(st.sampled_from(pool), min_size=1, max_size=4)), n=str(n)) for n in range(draw.draw(st.integers(1, 2)))]
        )
    graph = place.graph(place.index(*below[-1]))
    published: set[str] = set()
    for descriptor in graph.content:
        content = graph.documents.get(descriptor)
        if content is not None:
            members = json.loads(content)
            children = members.get("manifests") or [members["config"], *members["layers"]]
            assert {child["digest"] for child in children} <= published
        published.add(str(descriptor.digest))
    assert graph.content[-1] == graph.root
    assert graph.size == sum({blob.digest: blob.size for blob in graph.content}.values())


def test_descriptors_are_equal_whatever_their_annotations_say() -> None:
    descriptor = Descriptor(media_types.OCI_LAYER, Digest.parse(SHA), 1)
    assert dataclasses.replace(descriptor, annotations={"a": "b"}) == descriptor
