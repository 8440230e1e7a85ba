# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the graph of an image: its indexes, manifests and configs, for all platforms or the selected ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.longshore.images.plugins.module_utils.errors import PlatformMissing, UnsupportedFormat
from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest, DigestMismatch
from ansible_collections.longshore.images.plugins.module_utils.oci.graph import ChooseEntries, Graph, choose_all, choose_platforms, read_graph
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor, Manifest, read_manifest
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import ALL, Platform, Selection, choose_platform
from tests.support.documents import INDEX, LAYER, MANIFEST, SHA, encode


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
        content = encode(config if config is not None else {"os": "linux", "architecture": "s390x", "name": name})
        return self.put(
            encode(MANIFEST, config=self.put(content, media_types.OCI_CONFIG), layers=[LAYER], annotations={"n": name}),
            media_types.OCI_MANIFEST,
            platform,
        )

    def index(self, *children: dict[str, Any], **annotations: str) -> dict[str, Any]:
        return self.put(encode(INDEX, manifests=list(children), annotations=annotations), media_types.OCI_INDEX)

    def read(self, descriptor: Descriptor) -> bytes | None:
        self.read_order.append(descriptor.digest)
        return self.blobs.get(descriptor.digest)

    def graph(self, root: dict[str, Any], choice: ChooseEntries = choose_all) -> Graph:
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


def test_there_is_no_graph_without_the_root(place: Place) -> None:
    root = place.index(place.image("a"))
    place.lose(root)
    assert read_graph(descriptor_of(root), "image", place.read) is None


def test_a_plain_manifest_has_the_platform_of_its_config(place: Place) -> None:
    graph = place.graph(place.image("a"))
    assert graph.platforms == ["linux/s390x"]
    assert len(graph.blobs) == 2


def test_a_manifest_without_its_config_has_no_platform(place: Place) -> None:
    root = place.image("a")
    manifest = read_manifest(place.blobs[Digest.parse(root["digest"])], None, "it")
    assert isinstance(manifest, Manifest)
    del place.blobs[manifest.config.digest]
    assert place.graph(root).images[0].platform is None


def test_the_platform_is_that_of_the_index_entry_or_else_of_the_config(place: Place) -> None:
    graph = place.graph(place.index(place.image("a", "linux/arm64"), place.image("b", "unknown/unknown"), place.image("c")))
    assert [str(image.platform) for image in graph.images] == ["linux/arm64", "unknown/unknown", "linux/s390x"]
    assert graph.platforms == ["linux/arm64", "linux/s390x"]


@pytest.mark.parametrize("layers", [None, [], ...])
@pytest.mark.parametrize("kind", [media_types.OCI_CONFIG, media_types.DOCKER_CONFIG])
def test_a_manifest_without_the_layers_of_its_config_is_refused(place: Place, layers: Any, kind: str) -> None:
    config = place.put(encode({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [SHA]}}), kind)
    image = place.put(encode(MANIFEST, config=config, layers=layers), media_types.OCI_MANIFEST, "linux/amd64")
    for root in (image, place.index(image)):
        with pytest.raises(UnsupportedFormat, match=rf"has no layers, but its config {config['digest']} has 1"):
            place.graph(root)


@pytest.mark.parametrize(
    "config", [{}, {"rootfs": None}, {"rootfs": {"type": "layers", "diff_ids": None}}, {"rootfs": {"type": "layers", "diff_ids": []}}]
)
def test_an_image_without_any_layers_is_an_image(place: Place, config: Any) -> None:
    entry = place.put(encode(MANIFEST, config=place.put(encode(config), media_types.OCI_CONFIG), layers=None), media_types.OCI_MANIFEST)
    assert [image.manifest.layers for image in place.graph(entry).images] == [()]


def test_missing_children_are_reported_and_the_others_are_read(place: Place) -> None:
    first, second = place.image("a", "linux/amd64"), place.image("b", "linux/arm64")
    root = place.index(first, second)
    place.lose(first)
    graph = place.graph(root)
    assert digests(graph.absent) == [first["digest"]]
    assert graph.platforms == ["linux/arm64"]


def test_children_of_unknown_types_are_skipped_without_being_read(place: Place) -> None:
    odd = place.put(b"odd", "application/x-odd", "linux/amd64")
    graph = place.graph(place.index(odd, place.image("a", "linux/amd64")))
    assert len(graph.images) == 1
    assert Digest.parse(odd["digest"]) not in place.read_order
    assert graph.absent == ()


@pytest.mark.parametrize("platform", ["linux/amd64", None])
def test_a_child_of_unknown_type_is_never_selected(place: Place, platform: str | None) -> None:
    odd, good = place.put(b"odd", "application/x-odd", platform), place.image("a", "linux/amd64")
    choice = choose_platforms(Selection.parse(["linux/amd64"]))
    assert [image.descriptor.digest for image in place.graph(place.index(odd, good), choice).images] == [Digest.parse(good["digest"])]
    with pytest.raises(PlatformMissing):
        place.graph(place.index(odd), choice)


def test_only_selected_platforms_are_read_in_the_order_of_the_index(place: Place) -> None:
    entries = [place.image(name, f"linux/{name}") for name in ("amd64", "arm64", "s390x")]
    graph = place.graph(place.index(*entries), choose_platforms(Selection.parse(["linux/s390x", "linux/amd64"])))
    assert graph.platforms == ["linux/amd64", "linux/s390x"]
    assert Digest.parse(entries[1]["digest"]) not in place.read_order


def test_all_includes_attestations(place: Place) -> None:
    root = place.index(place.image("a", "linux/amd64"), place.image("b", "unknown/unknown"))
    assert len(place.graph(root, choose_platforms(ALL)).images) == 2
    assert len(place.graph(root, choose_platforms(Selection.parse(["linux/amd64"]))).images) == 1


def test_a_missing_platform_is_an_error_that_names_it(place: Place) -> None:
    root = place.index(place.image("a", "linux/amd64"))
    with pytest.raises(PlatformMissing, match=r"image has no image for linux/arm64; it has linux/amd64"):
        place.graph(root, choose_platforms(Selection.parse(["linux/amd64", "linux/arm64"])))


def test_an_image_listed_for_two_platforms_has_the_selected_one(place: Place) -> None:
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


def test_an_entry_with_os_features_is_selected_if_it_is_the_only_match(place: Place) -> None:
    special, older = place.image("special", "linux/amd64/v2"), place.image("older", "linux/amd64")
    special["platform"]["os.features"] = ["sse4"]
    graph = place.graph(place.index(special, older), choose_platforms(Selection.parse(["linux/amd64/v2"])))
    assert [str(image.descriptor.digest) for image in graph.images] == [special["digest"]]


@pytest.mark.parametrize("features", [None, []])
def test_empty_os_features_count_as_none(place: Place, features: list[str] | None) -> None:
    first, second = place.image("first", "linux/amd64"), place.image("second", "linux/amd64")
    first["platform"]["os.features"] = features
    graph = place.graph(place.index(first, second), choose_platforms(Selection.parse(["linux/amd64"])))
    assert [str(image.descriptor.digest) for image in graph.images] == [first["digest"]]


def test_a_child_that_is_listed_twice_is_read_once(place: Place) -> None:
    child = place.image("a", "linux/amd64")
    graph = place.graph(place.index(child, child))
    assert len(graph.images) == 1
    assert place.read_order.count(Digest.parse(child["digest"])) == 1
    assert len(graph.content) == len({blob.digest for blob in graph.content}) == 4


def test_a_document_with_another_size_than_its_descriptor_is_a_mismatch(place: Place) -> None:
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
def test_a_child_with_another_type_than_its_entry_is_refused(place: Place, kind: str) -> None:
    child = {**place.image("a", "linux/amd64"), "mediaType": kind}
    with pytest.raises(UnsupportedFormat, match="offered as"):
        place.graph(place.index(child))


def test_the_config_of_an_artifact_is_not_read(place: Place) -> None:
    config = place.put(b"no JSON", "application/vnd.cncf.helm.config.v1+json")
    graph = place.graph(place.put(encode(MANIFEST, config=config), media_types.OCI_MANIFEST))
    assert graph.images[0].platform is None
    assert Digest.parse(config["digest"]) not in place.read_order


@given(st.data())
def test_the_content_of_a_graph_is_listed_children_first(draw: st.DataObject) -> None:
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
