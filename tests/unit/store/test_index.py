# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parsing and changing `index.json`: promises I2 and I10, and one entry per name."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import StoreDamaged
from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.layout import REF_NAME
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Selection
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.store.index import MAX_INDEX, PLATFORMS, StoreIndex

PATH = "/store/index.json"
Members = dict[str, t.Any]


def digest(letter: str) -> Digest:
    return Digest("sha256", letter * 64)


def descriptor(letter: str) -> Descriptor:
    return Descriptor(media_types.OCI_MANIFEST, digest(letter), 10)


def name(text: str) -> Reference:
    return Reference.parse(text)


def entry(letter: str, ref_name: str | None = None, **members: t.Any) -> Members:
    annotations = {REF_NAME: ref_name} if ref_name is not None else {}
    annotations.update(members.pop("annotations", {}))
    line: Members = {"mediaType": media_types.OCI_MANIFEST, "digest": f"sha256:{letter * 64}", "size": 10, **members}
    return {**line, "annotations": annotations} if annotations else line


def index_of(*entries: Members, **members: t.Any) -> StoreIndex:
    return StoreIndex.parse(json.dumps({"schemaVersion": 2, "manifests": entries, **members}).encode(), PATH)


def written(index: StoreIndex) -> Members:
    members: Members = json.loads(index.to_bytes())
    return members


def lines(index: StoreIndex) -> list[tuple[str, str | None]]:
    """Return the first letter of the digest of each entry, and the last part of its name."""
    return [(line["digest"][7], line.get("annotations", {}).get(REF_NAME, "").rpartition("/")[2] or None) for line in written(index)["manifests"]]


def test_data_of_other_tools_survives_a_new_name() -> None:
    foreign = entry(
        "a", "1.27", annotations={"org.example.x": "y"}, platform={"os": "linux", "architecture": "riscv64"}, urls=["u"], extra={"k": [1]}
    )
    odd = entry("b", "/some/path")
    artifact = {"mediaType": "application/vnd.example", "digest": f"sha512:{'c' * 128}", "size": 3, "artifactType": "x/y"}
    index = index_of(foreign, odd, artifact, annotations={"top": "level"}, other=[True, None, 1.5])

    after = written(index.with_name(name("nginx:1"), descriptor("d"), None))

    assert after["manifests"][:3] == [foreign, odd, artifact]
    assert after["annotations"] == {"top": "level"}
    assert after["other"] == [True, None, 1.5]


@pytest.mark.parametrize("value", [None, {}])
def test_an_entry_whose_annotations_are_null_or_empty_is_an_unnamed_image(value: object) -> None:
    index = index_of({**entry("a"), "annotations": value})
    assert lines(index.with_name(name("x:1"), descriptor("a"), None)) == [("a", "x:1")]


def test_annotations_of_an_entry_stay_when_its_image_gets_a_name() -> None:
    index = index_of(entry("a", annotations={"org.example.x": "y"}, extra=1))
    (line,) = written(index.with_name(name("x:1"), descriptor("a"), None))["manifests"]
    assert line["annotations"] == {"org.example.x": "y", REF_NAME: "docker.io/library/x:1"}
    assert line["extra"] == 1


def test_annotations_of_an_entry_stay_when_its_name_moves_away() -> None:
    index = index_of(entry("a", "docker.io/library/x:1", annotations={"org.example.x": "y"}, extra=1))
    first, second = written(index.with_name(name("x:1"), descriptor("b"), None))["manifests"]
    assert first == entry("a", annotations={"org.example.x": "y"}, extra=1)
    assert second["digest"] == str(digest("b"))


def test_any_json_text_survives() -> None:
    strange = entry("a", annotations={"k": 'é 日本 \u2028 \x00 " \\ \U0001f6a2'})
    again = StoreIndex.parse(index_of(strange).with_name(name("x:1"), descriptor("b"), None).to_bytes(), PATH)
    assert written(again)["manifests"][0] == strange


def test_a_moved_name_leaves_the_old_image_unnamed_once() -> None:
    index = index_of(entry("a", "docker.io/library/x:1"), entry("a"), entry("b", "docker.io/library/y:1"))
    assert lines(index.with_name(name("x:1"), descriptor("c"), None)) == [("a", None), ("b", "y:1"), ("c", "x:1")]


def test_an_unnamed_entry_of_another_tool_stays_next_to_a_named_one() -> None:
    foreign = entry("a", annotations={"org.example.x": "y"}, artifactType="x/y")
    index = index_of(entry("a", "docker.io/library/x:1"), foreign, entry("a"))
    assert written(index.with_name(name("y:1"), descriptor("b"), None))["manifests"][:3] == written(index)["manifests"]


def test_annotations_of_two_entries_of_one_image_are_merged() -> None:
    index = index_of(entry("a", annotations={"one": "1"}), entry("a", "docker.io/library/x:1", annotations={"two": "2"}, extra=1))
    (line,) = written(index.with_name(name("x:1"), descriptor("a"), None))["manifests"]
    assert line == entry("a", "docker.io/library/x:1", annotations={"one": "1", "two": "2"}, extra=1)


def test_an_image_that_keeps_another_name_is_not_listed_unnamed_as_well() -> None:
    index = index_of(entry("a", "docker.io/library/x:1"), entry("a", "docker.io/library/z:1"))
    assert lines(index.with_name(name("x:1"), descriptor("b"), None)) == [("a", "z:1"), ("b", "x:1")]


def test_an_unnamed_image_gets_its_name_in_its_own_entry() -> None:
    index = index_of(entry("a"), entry("b", "docker.io/library/y:1"))
    assert lines(index.with_name(name("x:1"), descriptor("a"), None)) == [("a", "x:1"), ("b", "y:1")]


def test_a_name_that_moves_back_finds_its_old_image() -> None:
    index = index_of(entry("a", "docker.io/library/x:1"))
    moved = index.with_name(name("x:1"), descriptor("b"), None)
    assert lines(moved.with_name(name("x:1"), descriptor("a"), None)) == [("a", "x:1"), ("b", None)]


def test_a_name_that_another_tool_wrote_twice_is_listed_once_afterwards() -> None:
    index = index_of(entry("a", "docker.io/library/x:1"), entry("b", "x:1"), entry("c", "docker.io/library/x:1"))
    for letter in "abcd":
        named = [line for line in lines(index.with_name(name("x:1"), descriptor(letter), None)) if line[1] == "x:1"]
        assert named == [(letter, "x:1")]


def test_naming_again_changes_nothing() -> None:
    index = index_of(entry("a", "docker.io/library/x:1", annotations={PLATFORMS: "linux/amd64"}), entry("b", "short"))
    again = index.with_name(name("x:1"), descriptor("a"), Selection.parse(["linux/amd64"]))
    assert again == index
    assert written(again)["manifests"] == written(index)["manifests"]


def test_the_order_of_the_file_is_kept() -> None:
    index = index_of(*(entry(letter, f"docker.io/library/{letter}:1") for letter in "fadbec"))
    assert [letter for letter, _name in lines(index.with_name(name("d:2"), descriptor("d"), None))] == list("fadbecd")


def test_requested_platforms_are_merged() -> None:
    index = index_of(entry("a", "docker.io/library/x:1", annotations={PLATFORMS: "linux/amd64"}))
    added = index.with_name(name("x:1"), descriptor("a"), Selection.parse(["linux/arm64"]))
    assert written(added)["manifests"][0]["annotations"][PLATFORMS] == "linux/amd64,linux/arm64"


def test_platforms_of_the_old_image_are_not_those_of_the_new_one() -> None:
    index = index_of(entry("a", "docker.io/library/x:1", annotations={PLATFORMS: "linux/s390x"}))
    moved = index.with_name(name("x:1"), descriptor("b"), Selection.parse(["linux/amd64"]))
    assert written(moved)["manifests"][1]["annotations"][PLATFORMS] == "linux/amd64"


def test_a_short_name_of_another_tool_is_no_name_and_stays() -> None:
    index = index_of(entry("a", "latest"))
    assert index.entries[0].name is None
    assert index.get_named(name("latest")) is None
    assert lines(index.with_name(name("x:1"), descriptor("a"), None)) == [("a", "latest"), ("a", "x:1")]


def test_removal_keeps_a_name_that_another_run_moved() -> None:
    before = index_of(entry("a", "docker.io/library/x:1"), entry("b", "docker.io/library/y:1"))
    moved = before.with_name(name("x:1"), descriptor("c"), None)
    assert lines(moved.without([before.entries[0]])) == [("a", None), ("b", "y:1"), ("c", "x:1")]


def test_removal_keeps_other_names_of_the_image() -> None:
    index = index_of(entry("a", "docker.io/library/x:1"), entry("a", "docker.io/library/z:1"))
    assert lines(index.without(index.entries[:1])) == [("a", "z:1")]


VALID = entry("a", "docker.io/library/x:1")
ODD: dict[str, bytes] = {
    "an empty file": b"",
    "spaces": b"  \n",
    "zeros": b"\0" * 100,
    "no JSON": b"{",
    "half of it": json.dumps({"schemaVersion": 2, "manifests": [VALID]}).encode()[:60],
    "two documents": b'{"schemaVersion":2,"manifests":[]}{}',
    "a list": b"[]",
    "null": b"null",
    "no UTF-8": b'{"schemaVersion":2,"manifests":[],"x":"\xff"}',
    "a key twice": b'{"schemaVersion":2,"manifests":[],"manifests":[]}',
    "NaN": b'{"schemaVersion":2,"manifests":[],"x":NaN}',
    "a number beyond all bounds": b'{"schemaVersion":2,"manifests":[],"x":1e999}',
    "deep nesting": b'{"schemaVersion":2,"manifests":[],"x":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "no schema version": b'{"manifests":[]}',
    "schema version 1": b'{"schemaVersion":1,"manifests":[]}',
    "a schema version in words": b'{"schemaVersion":"2","manifests":[]}',
    "another media type": b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","manifests":[]}',
    "no manifests": b'{"schemaVersion":2}',
    "manifests of another kind": b'{"schemaVersion":2,"manifests":{}}',
    "an entry of another kind": b'{"schemaVersion":2,"manifests":["x"]}',
    "an entry without digest": json.dumps({"schemaVersion": 2, "manifests": [{**VALID, "digest": None}]}).encode(),
    "a digest that leads out": json.dumps({"schemaVersion": 2, "manifests": [{**VALID, "digest": "sha256:../../../etc/passwd"}]}).encode(),
    "a digest of another kind": json.dumps({"schemaVersion": 2, "manifests": [{**VALID, "digest": "md5:00"}]}).encode(),
    "a negative size": json.dumps({"schemaVersion": 2, "manifests": [{**VALID, "size": -1}]}).encode(),
    "a size that is true": json.dumps({"schemaVersion": 2, "manifests": [{**VALID, "size": True}]}).encode(),
    "an annotation that is no text": json.dumps({"schemaVersion": 2, "manifests": [{**VALID, "annotations": {"x": 1}}]}).encode(),
    "platforms that are none": json.dumps({"schemaVersion": 2, "manifests": [{**VALID, "annotations": {PLATFORMS: "here/and/there/x"}}]}).encode(),
}


@pytest.mark.parametrize("data", ODD.values(), ids=ODD.keys())
def test_an_invalid_index_is_an_error_that_names_the_file(data: bytes) -> None:
    with pytest.raises(StoreDamaged, match=PATH):
        StoreIndex.parse(data, PATH)


def test_a_name_is_found_without_reading_the_other_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    index = index_of(*(entry(letter, f"docker.io/library/{letter}:1") for letter in "abcdef"), entry("0", "nginx:latest"), entry("1", "short"))
    read: list[str] = []
    parse = Reference.parse

    def recorded_parse(text: str) -> Reference:
        read.append(text)
        return parse(text)

    monkeypatch.setattr(Reference, "parse", recorded_parse)
    wanted = parse("nginx")
    found = index.get_named(wanted)
    assert found is not None
    assert found.digest == digest("0")
    assert [one.digest for one in index.find_candidates(wanted)] == [digest("0")]
    assert ("a", "nginx:latest") in lines(index.with_name(wanted, descriptor("a"), None))
    assert set(read) == {"nginx:latest"}


def test_an_index_of_more_than_64_mib_is_an_error() -> None:
    with pytest.raises(StoreDamaged, match=PATH):
        StoreIndex.parse(b" " * (MAX_INDEX + 1), PATH)


def test_an_index_can_have_more_entries_than_an_index_from_a_registry() -> None:
    index = index_of(*(entry("a", f"docker.io/library/x:{number}") for number in range(3000)))
    assert len(index.entries) == 3000


@pytest.mark.parametrize("manifests", [None, []])
def test_an_index_without_entries_is_an_empty_one(manifests: object) -> None:
    data = json.dumps({"schemaVersion": 2, "manifests": manifests}).encode()
    assert StoreIndex.parse(data, PATH).entries == ()


def test_the_same_index_has_the_same_bytes() -> None:
    index = index_of(entry("b", "docker.io/library/x:1"), entry("a"), annotations={"b": "1", "a": "2"})
    assert StoreIndex.parse(index.to_bytes(), PATH).to_bytes() == index.to_bytes()


OWN = [
    entry("a", "docker.io/library/x:1"),
    entry("b"),
    entry("c", "r.test/team/app:1", annotations={PLATFORMS: "linux/amd64,linux/arm64"}),
    entry("d", annotations={PLATFORMS: "all"}),
    entry("e", "r.test/\N{GREEK SMALL LETTER MU}:1", size=0),
]
FOREIGN = [
    entry("a", "r.test/x:1", artifactType="application/x"),
    entry("b", "latest", annotations={"org.example": "1"}),
    entry("c", "r.test/x:1", platform={"os": "linux", "architecture": "amd64"}),
    {**entry("d"), "digest": f"sha512:{'d' * 128}"},
    {**entry("e"), "annotations": None},
    entry("f", 'r.test/"quoted\\":1'),
    entry("0", "r.test/\x01:1"),
    entry("1", size=2**62),
]


@pytest.mark.parametrize("entries", [OWN, FOREIGN, [*OWN, *FOREIGN], *([one] for one in FOREIGN)])
def test_an_index_that_we_wrote_is_read_like_any_other(entries: list[Members]) -> None:
    index = index_of(*entries)
    ours = StoreIndex.parse(index.to_bytes(), PATH)
    spaced = StoreIndex.parse(json.dumps(json.loads(index.to_bytes()), indent=2).encode(), PATH)
    assert ours.to_bytes() == index.to_bytes() == spaced.to_bytes()
    for other in (ours, spaced):
        assert other.entries == index.entries
        assert [dict(one.members) for one in other.entries] == [dict(one.members) for one in index.entries]
        assert [one.platforms_text for one in other.entries] == [one.platforms_text for one in index.entries]
        assert [one.is_anonymous for one in other.entries] == [one.is_anonymous for one in index.entries]


def damage(data: bytes) -> t.Iterator[bytes]:
    """Yield invalid indexes that differ in few bytes from one that we wrote."""
    yield data[:-1]
    yield data + b"}"
    first = data.index(b"},{") + 1
    yield data[:first] + data[first + 1 :]
    yield data[:first] + b"," + data[first:]
    yield data[:first] + b"x" + data[first:]
    for old, new in (
        (b'"size":10', b'"size":010'),
        (b'"size":10', b'"size":-1'),
        (b'"size":10', b'"size":9999999999999999999'),
        (b'"size":10', b'"size":10,"size":10'),
        (b"library/x:1", b"library/\tx:1"),
        (b"library/x:1", b"library/x:1\xff"),
        (b"linux/amd64,", b"here/and/there/x,"),
        (b"aaaa", b"AAAA"),
        (b'"schemaVersion":2', b'"schemaVersion":1'),
        (b"[{", b"[,{"),
        (b"}]", b"},]"),
    ):
        assert old in data
        yield data.replace(old, new, 1)


def test_a_damaged_index_is_an_error_wherever_the_damage_is() -> None:
    for data in damage(index_of(*OWN).to_bytes()):
        with pytest.raises(StoreDamaged, match=PATH):
            StoreIndex.parse(data, PATH)


@pytest.mark.parametrize("text", ["app:1", "r.test/app", "r.test/app:1", "r.test/app:1@sha256:" + "a" * 64, "r.test:5000/deep/app:1"])
def test_a_name_is_found_however_it_is_written(text: str) -> None:
    index = index_of(entry("a", text), entry("b", text.replace("app", "apps")), entry("c", text.replace("app", "anapp")))
    (only, *_others) = index.entries
    assert only.name is not None
    assert index.get_named(only.name) is only
    assert index.find_candidates(only.name) == [only]
