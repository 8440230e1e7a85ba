# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lock file as a value: read strictly, written always alike."""

from __future__ import annotations

import dataclasses
import json
import random
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.longshore.images.plugins.module_utils.errors import NotLocked, UnsupportedFormat
from ansible_collections.longshore.images.plugins.module_utils.oci import lockfile, media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.document import encode_canonical
from ansible_collections.longshore.images.plugins.module_utils.oci.lockfile import LockedImage, LockedPlatform, LockFile
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import ALL, Platform, Selection
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from tests.support import modules
from tests.support.images import Image, make_image, make_index

NAME = "registry.test/team/app:3"
ROOT, CHILD, OTHER = (f"sha256:{character * 64}" for character in "abc")
TIME = "2026-01-31T12:00:00Z"

Members = dict[str, t.Any]


def members() -> Members:
    """A lock file of one image with an index, as JSON has it."""
    platforms = {"linux/amd64": {"digest": CHILD, "size": 10, "image_id": OTHER}}
    image = {"digest": ROOT, "media_type": media_types.OCI_INDEX, "platforms": platforms, "size": 15, "resolved_at": TIME}
    return {"version": 1, "platform": ["linux/amd64"], "images": {NAME: image}}


def parsed(value: t.Any) -> LockFile:
    return LockFile.parse(json.dumps(value).encode(), "images.lock")


def test_a_lock_file_has_name_digest_type_sizes_platforms_and_time() -> None:
    lock = parsed(members())
    platform = LockedPlatform(Platform("linux", "amd64"), Digest.parse(CHILD), 10, Digest.parse(OTHER))
    image = LockedImage(Reference.parse(NAME), Digest.parse(ROOT), media_types.OCI_INDEX, 15, (platform,), TIME)
    assert lock == LockFile((image,), ("linux/amd64",))
    assert image.is_index


def test_it_is_written_with_a_line_for_each_fact() -> None:
    assert (
        parsed(members()).to_bytes().decode()
        == f"""{{
  "images": {{
    "{NAME}": {{
      "digest": "{ROOT}",
      "media_type": "{media_types.OCI_INDEX}",
      "platforms": {{
        "linux/amd64": {{
          "digest": "{CHILD}",
          "image_id": "{OTHER}",
          "size": 10
        }}
      }},
      "resolved_at": "{TIME}",
      "size": 15
    }}
  }},
  "platform": [
    "linux/amd64"
  ],
  "version": 1
}}
"""
    )


def test_what_a_user_may_leave_out_is_the_time_and_the_id() -> None:
    value = members()
    del value["images"][NAME]["resolved_at"]
    del value["images"][NAME]["platforms"]["linux/amd64"]["image_id"]
    assert parsed(value).to_dict() == value
    assert parsed(members()).to_dict(times=False)["images"][NAME] == {
        key: held for key, held in members()["images"][NAME].items() if key != "resolved_at"
    }


def test_the_example_of_the_guide_is_a_valid_lock_file() -> None:
    guide = Path(__file__).resolve().parents[3] / "docs" / "locking.md"
    example = re.findall(r"^```json\n(.*?)^```$", guide.read_text(), re.MULTILINE | re.DOTALL)[0].encode()
    assert LockFile.parse(example, "the example").to_bytes() == example


# What is refused.


def image(**changed: t.Any) -> Members:
    value = members()
    value["images"][NAME].update(changed)
    return value


def platform(name: str = "linux/amd64", **changed: t.Any) -> Members:
    return image(platforms={name: {"digest": CHILD, "size": 10, **changed}})


def named(name: str) -> Members:
    value = members()
    value["images"] = {name: value["images"][NAME]}
    return value


def without(key: str) -> Members:
    value = members()
    del (value if key in value else value["images"][NAME])[key]
    return value


REFUSED: dict[str, tuple[t.Any, str]] = {
    "an empty document": ({}, "not a lock file"),
    "another tool's": ({"lockfileVersion": 3, "packages": {}}, "not a lock file"),
    "a later version": ({**members(), "version": 2}, "version 2"),
    "a version as text": ({**members(), "version": "1"}, "whole number"),
    "a version that is true": ({**members(), "version": True}, "whole number"),
    "a list": ([], "JSON object"),
    "images as a list": ({**members(), "images": []}, "images is not an object"),
    "an image that is text": ({**members(), "images": {NAME: ROOT}}, "not an object"),
    "no images": (without("images"), "has no images"),
    "no platform": (without("platform"), "has no platform"),
    "an empty platform": ({**members(), "platform": []}, "has no platform"),
    "a platform that is none": ({**members(), "platform": ["amd64"]}, "not a platform"),
    "all beside others": ({**members(), "platform": ["all", "linux/amd64"]}, "all"),
    "a member more": ({**members(), "comment": "mine"}, "'comment' is not allowed"),
    "a member more of an image": (image(tag="3"), "'tag' is not allowed"),
    "a member more of a platform": (platform(os="linux"), "'os' is not allowed"),
    "a short name": (named("nginx"), "docker.io/library/nginx:latest"),
    "a name that is none": (named("docker.io/UPPER/case"), "not a reference"),
    "a name with a terminal's commands": (named("a\x1b[31m"), "not a reference"),
    "a name with its digest beside the tag": (named(f"{NAME}@{ROOT}"), "must be written as"),
    "a name of another digest": (named(f"registry.test/app@{CHILD}"), "its digest differs"),
    "no digest": (without("digest"), "has no digest"),
    "a digest that is none": (image(digest="sha256:short"), "not a digest"),
    "an unknown algorithm": (image(digest="md5:" + "0" * 32), "not a digest"),
    "a digest as a number": (image(digest=1), "digest is not a string"),
    "no type": (without("media_type"), "has no media_type"),
    "a type of something else": (image(media_type="application/json"), "not a media type of images"),
    "no size": (without("size"), "has no size"),
    "a negative size": (image(size=-1), "negative"),
    "a size with a fraction": (image(size=1.5), "whole number"),
    "no platforms": (without("platforms"), "has no platforms"),
    "platforms as a list": (image(platforms=[CHILD]), "not an object"),
    "a platform of an unusual spelling": (platform("linux/x86_64"), "must be written as linux/amd64"),
    "a platform's name that is none": (platform("linux"), "not a platform"),
    "a platform without a digest": (platform(digest=None), "has no digest"),
    "a platform of negative size": (platform(size=-1), "negative"),
    "an ID that is no digest": (platform(image_id="x"), "not a digest"),
    "a manifest with another digest for its platform": (image(media_type=media_types.OCI_MANIFEST), "same digest"),
    "a time without a zone": (image(resolved_at="2026-01-31T12:00:00"), "not a time"),
    "a day that isn't": (image(resolved_at="2026-02-30T12:00:00Z"), "not a time"),
    "a time as a number": (image(resolved_at=0), "not a string"),
}


@pytest.mark.parametrize(("value", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_lock_file_of_ours_is_refused_with_the_reason(value: t.Any, words: str) -> None:
    with pytest.raises(UnsupportedFormat, match=words) as caught:
        parsed(value)
    assert caught.value.message.startswith("images.lock")
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    "data",
    [b"", b"<<<<<<< HEAD\n", b"version: 1\n", json.dumps(members()).encode()[:-1], b'{"version":1,"version":1}', b"\xff", b"{" * 100_000],
    ids=["empty", "conflict", "yaml", "cut off", "twice", "binary", "deep"],
)
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(UnsupportedFormat, match=r"^images\.lock"):
        LockFile.parse(data, "images.lock")


def test_a_file_that_is_too_long_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data = json.dumps(members()).encode()
    monkeypatch.setattr(lockfile, "MAX_LOCK_FILE", len(data) - 1)
    with pytest.raises(UnsupportedFormat, match="longer"):
        LockFile.parse(data, "images.lock")


# Names.


@pytest.mark.parametrize("text", [NAME, f"{NAME}@{ROOT}"])
def test_a_name_is_pinned_to_the_digest_that_is_locked(text: str) -> None:
    assert str(parsed(members()).pin(Reference.parse(text))) == f"{NAME}@{ROOT}"


@pytest.mark.parametrize("text", ["registry.test/team/app:4", "registry.test/team/app", f"registry.test/team/app@{ROOT}", f"{NAME}@{CHILD}"])
def test_a_name_that_is_absent_or_locked_to_another_digest_is_not_locked(text: str) -> None:
    with pytest.raises(NotLocked, match=r"registry\.test/team/app"):
        parsed(members()).pin(Reference.parse(text))


def test_an_image_that_is_locked_by_digest_alone_is_pinned_to_it() -> None:
    name = f"registry.test/app@{ROOT}"
    assert str(parsed(named(name)).pin(Reference.parse(name))) == name


# Images.


def test_an_index_is_locked_with_the_platforms_that_were_read() -> None:
    graph = make_index("app").graph
    locked = LockedImage.of_graph(Reference.parse(NAME), graph, TIME)
    assert (locked.digest, locked.size) == (graph.root.digest, graph.size)
    assert [str(item.platform) for item in locked.platforms] == ["linux/amd64", "linux/arm64"]
    first, node = locked.platforms[0], graph.images[0]
    assert (first.digest, first.image_id) == (node.descriptor.digest, node.manifest.config.digest)
    assert first.size == node.descriptor.size + sum(blob.size for blob in node.manifest.blobs)


def test_a_plain_manifest_is_its_own_platform() -> None:
    graph = make_image("plain", platform="linux/arm/v6").graph
    locked = LockedImage.of_graph(Reference.parse(NAME), graph, TIME)
    assert [(str(item.platform), item.digest, item.size) for item in locked.platforms] == [("linux/arm/v6", graph.root.digest, graph.size)]


def test_a_layer_that_an_image_has_twice_counts_once() -> None:
    layer = make_image("base", 1)
    data = layer.content[layer.layers[0].digest]
    graph = make_image("twice", 0, shared=[data, data]).graph
    assert LockedImage.of_graph(Reference.parse(NAME), graph, TIME).platforms[0].size == graph.size


@pytest.mark.parametrize("text", ["unknown/unknown", "lin ux/amd64", "linux/amd64/a/b", "linux/\x1b"])
def test_a_platform_that_nobody_could_ask_for_is_left_to_the_digest(text: str) -> None:
    graph = make_index("odd", ("linux/amd64", "linux/arm64")).graph
    odd = dataclasses.replace(graph.images[1], platform=Platform(*text.split("/", 2)))
    locked = LockedImage.of_graph(Reference.parse(NAME), dataclasses.replace(graph, images=(graph.images[0], odd)), TIME)
    assert [str(item.platform) for item in locked.platforms] == ["linux/amd64"]


# Any lock file.

digests = st.builds(Digest, st.just("sha256"), st.text("0123456789abcdef", min_size=64, max_size=64))
platforms = st.builds(
    Platform.normalised,
    st.sampled_from(["linux", "windows"]),
    st.sampled_from(["amd64", "arm", "arm64", "x86_64"]),
    st.sampled_from([None, "v3", "v7"]),
)
references = st.builds(
    lambda host, path, tag, digest: Reference(host, path, tag, None if tag else digest),
    st.sampled_from(["docker.io", "registry.test:5000", "[::1]:5000"]),
    st.sampled_from(["library/app", "team/app", "a/b/c"]),
    st.none() | st.sampled_from(["1", "latest", "1.27-alpine"]),
    digests,
)


@st.composite
def images(draw: st.DrawFn) -> LockedImage:
    name = draw(references)
    digest = name.digest or draw(digests)
    is_index = draw(st.booleans())
    wanted = draw(st.lists(platforms, unique=True, max_size=3 if is_index else 1))
    sizes = st.integers(0, 2**63)
    rows = [LockedPlatform(item, draw(digests) if is_index else digest, draw(sizes), draw(st.none() | digests)) for item in wanted]
    media_type = media_types.DOCKER_LIST if is_index else media_types.DOCKER_MANIFEST
    return LockedImage(
        name, digest, media_type, draw(sizes), tuple(sorted(rows, key=lambda row: str(row.platform))), draw(st.sampled_from([None, TIME]))
    )


selections = st.just(ALL) | st.lists(platforms, unique=True, min_size=1, max_size=3).map(lambda wanted: Selection(tuple(wanted)))


@given(st.lists(images(), unique_by=lambda item: item.name, max_size=5), selections, st.randoms())
def test_any_lock_file_is_read_as_it_was_written_and_has_one_form(found: list[LockedImage], selection: Selection, order: random.Random) -> None:
    lock = LockFile.of(found, selection)
    data = lock.to_bytes()
    assert LockFile.parse(data, "it") == lock
    order.shuffle(found)
    assert LockFile.of(found, selection).to_bytes() == data
    assert yaml.safe_load(data) == json.loads(data) == lock.to_dict()
    assert all(lock.pin(item.name) == item.pinned for item in found)


@given(st.data())
def test_a_changed_file_is_refused_or_is_a_lock_file_again(data: st.DataObject) -> None:
    text = bytearray(parsed(members()).to_bytes())
    start = data.draw(st.integers(0, len(text)))
    text[start : start + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        lock = LockFile.parse(bytes(text), "it")
    except UnsupportedFormat:
        return
    assert LockFile.parse(lock.to_bytes(), "it") == lock


PLATFORMS = ["linux/386", "linux/amd64", "linux/arm/v7", "linux/arm64", "linux/ppc64le", "linux/riscv64", "linux/s390x", "windows/amd64"]
MEASURE = """
import re, sys, time
from pathlib import Path
from ansible_collections.longshore.images.plugins.module_utils.errors import LongshoreError
from ansible_collections.longshore.images.plugins.module_utils.files import read_bounded
from ansible_collections.longshore.images.plugins.module_utils.limits import MAX_LOCK_FILE
from ansible_collections.longshore.images.plugins.module_utils.oci.lockfile import LockFile
try:
    said = len(LockFile.parse(read_bounded(sys.argv[1], MAX_LOCK_FILE), "it").images)
except LongshoreError as error:
    said = error.message
most = re.search(r"VmHWM:\\s*([0-9]+)", Path("/proc/self/status").read_text())
print(int(most.group(1)) >> 10, time.process_time(), said)
"""


def measured(path: Path, data: bytes) -> tuple[int, float, str]:
    """The MiB of memory and the seconds of CPU that reading a lock file takes, and how many images it has, or what is wrong with it."""
    path.write_bytes(data)
    words = [sys.executable, "-c", MEASURE, str(path)]
    done = subprocess.run(words, env=modules.environment(), capture_output=True, text=True, timeout=60, check=True)
    memory, seconds, said = done.stdout.strip().split(" ", 2)
    return int(memory), float(seconds), said


def locked_image(number: int) -> dict[str, t.Any]:
    platforms = {name: {"digest": CHILD, "image_id": OTHER, "size": 12345678 + number} for name in PLATFORMS}
    return {"digest": ROOT, "media_type": media_types.OCI_INDEX, "platforms": platforms, "resolved_at": "2026-01-31T12:00:00Z", "size": 123456789}


def test_ten_thousand_images_for_eight_platforms_fit_into_a_lock_file(tmp_path: Path) -> None:
    images = {f"registry.example.com/team-{number:05}/application:1.2.3": locked_image(number) for number in range(10_000)}
    data = json.dumps({"version": 1, "platform": ["all"], "images": images}, indent=2).encode()
    memory, seconds, said = measured(tmp_path / "lock", data)
    assert said == "10000"
    assert memory < 400
    assert seconds < 10


@pytest.mark.parametrize(
    "data",
    [
        b'{"version": 1, "platform": ["all"], "images": {' + b" " * 60_000_000 + b"}}",
        b'{"version": 1, "platform": [' + b"[]," * 8_000_000 + b'""], "images": {}}',
        b'{"version": 1, "platform": ["all"], "images": {"' + b"a" * 24_000_000 + b'": {}}}',
    ],
    ids=["60 MB", "brackets", "one long name"],
)
def test_a_hostile_lock_file_takes_little_memory_and_time(tmp_path: Path, data: bytes) -> None:
    memory, seconds, said = measured(tmp_path / "lock", data)
    assert "it" in said
    assert memory < 250
    assert seconds < 10


def test_of_two_entries_for_a_platform_the_one_without_os_features_is_locked() -> None:
    special, plain = make_image("special"), make_image("plain")
    entries = [image.root.to_dict() for image in (special, plain)]
    entries[0]["platform"]["os.features"] = ["sse4"]
    index = encode_canonical({"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": entries})
    root = Descriptor(media_types.OCI_INDEX, Digest.of(index), len(index))
    graph = Image(root, {**special.content, **plain.content, root.digest: index}).graph
    (locked,) = LockedImage.of_graph(Reference.parse(NAME), graph, TIME).platforms
    assert locked.digest == plain.root.digest
