# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_copy from any place to any place: real registries, and layouts and archives of ours and of other tools."""

from __future__ import annotations

import gzip
import json
import subprocess
import typing as t
from pathlib import Path
from urllib.parse import quote

import pytest

from ansible_collections.longshore.images.plugins.module_utils.archive.reader import open_archive
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import modules
from tests.support.archives import docker, layout, oci, pack, unpack
from tests.support.images import Image, make_image, make_index, make_layer
from tests.support.recorder import Recorder
from tests.support.registry import PASSWORD, USER, Registry, free_port, needed

NAME = "docker.io/library/app:1"
PLATFORMS = ("linux/amd64", "linux/arm64", "linux/s390x")


def index() -> Image:
    return make_index("copied", PLATFORMS)


# Every kind of source, and every kind of destination.


def at_registry(registry: Registry, repository: str, folder: Path) -> str:
    return "docker://" + registry.put(index(), f"{repository}/source", "1")


def in_layout(registry: Registry, repository: str, folder: Path) -> str:
    index().put(Store(str(folder / "layout")), NAME, platforms=["all"])
    return f"oci:{folder}/layout:{NAME}"


def in_archive(registry: Registry, repository: str, folder: Path) -> str:
    (folder / "archive.tar").write_bytes(pack(oci(index(), NAME)))
    return f"oci-archive:{folder}/archive.tar"


def in_compressed_archive(registry: Registry, repository: str, folder: Path) -> str:
    (folder / "archive.tar.gz").write_bytes(gzip.compress(pack(oci(index(), NAME))))
    return f"oci-archive:{folder}/archive.tar.gz:{NAME}"


SOURCES = [at_registry, in_layout, in_archive, in_compressed_archive]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.__name__)
@pytest.mark.parametrize("target", ["docker", "oci", "oci-archive"])
def test_an_image_keeps_its_digest_wherever_it_goes(
    anonymous: Registry, repository: str, tmp_path: Path, source: t.Callable[[Registry, str, Path], str], target: str
) -> None:
    name = f"{anonymous.host}/{repository}:copy"
    dest = {"docker": f"docker://{name}", "oci": f"oci:{tmp_path}/new/layout:{name}", "oci-archive": f"oci-archive:{tmp_path}/new.tar:{name}"}[target]
    (tmp_path / "from").mkdir()
    options = {"images": [{"src": source(anonymous, repository, tmp_path / "from"), "dest": dest}]}

    done = modules.check_do_again("image_copy", options, place=tmp_path)

    assert done["images"][0]["name"] == name
    assert done["images"][0]["digest"] == str(index().root.digest)
    assert (done["bytes_transferred"] + done["bytes_reused"], done["images"][0]["platforms"]) == (
        sum(blob.size for blob in index().blobs),
        list(PLATFORMS),
    )
    assert held_at(anonymous, dest) == {name: str(index().root.digest)}
    if target != "docker":
        pulled = {"images": [{"src": dest, "dest": f"{anonymous.host}/{repository}/again:1"}]}
        assert modules.run("image_copy", pulled)["images"][0]["digest"] == str(index().root.digest)


def held_at(registry: Registry, dest: str) -> dict[str, str | None]:
    """Read the names and digests at a destination without the module."""
    scheme, _colon, rest = dest.partition(":")
    if scheme == "docker":
        reference = Reference.parse(rest[2:])
        return {rest[2:]: registry.digest(reference.repository, str(reference.tag))}
    archive = open_archive(rest.partition(":")[0])
    return {str(name): str(image.root.digest) for image in archive.images for name in image.names}


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.__name__)
def test_a_docker_archive_gets_a_single_platform(
    anonymous: Registry, repository: str, tmp_path: Path, source: t.Callable[[Registry, str, Path], str]
) -> None:
    (tmp_path / "from").mkdir()
    dest = f"docker-archive:{tmp_path}/new.tar:{NAME}"
    options = {"images": [{"src": source(anonymous, repository, tmp_path / "from"), "dest": dest}], "platform": ["linux/arm64"]}
    done = modules.check_do_again("image_copy", options, place=tmp_path)
    assert done["images"][0]["platforms"] == ["linux/arm64"]
    shown = subprocess.run(["skopeo", "inspect", "--config", f"docker-archive:{tmp_path}/new.tar:{NAME}"], check=True, capture_output=True)
    assert json.loads(shown.stdout)["architecture"] == "arm64"


def test_a_docker_archive_is_read_with_the_manifest_built_from_it(anonymous: Registry, repository: str, tmp_path: Path) -> None:
    (tmp_path / "saved.tar").write_bytes(pack(docker(make_image("saved"), NAME)))
    options = {"images": [{"src": f"docker-archive:{tmp_path}/saved.tar", "dest": f"{anonymous.host}/{repository}:1"}]}
    done = modules.check_do_again("image_copy", options, place=tmp_path)
    assert anonymous.digest(repository, "1") == done["images"][0]["digest"]


# Requests and transferred bytes.


def test_an_unchanged_copy_costs_one_head_to_each_registry(anonymous: Registry, protected: Registry, repository: str, recording: Recorder) -> None:
    anonymous.put(index(), f"{repository}/source", "1")
    anonymous.put(index(), f"{repository}/target", "1")
    images = [{"src": f"{recording.host}/{repository}/source:1", "dest": f"{recording.host}/{repository}/target:1"}]
    done = modules.run("image_copy", {"images": images})
    assert not done["changed"]
    assert sorted(recording.lines) == [f"HEAD /v2/{repository}/source/manifests/1", f"HEAD /v2/{repository}/target/manifests/1"]
    assert (done["images"][0]["digest"], done["images"][0]["platforms"]) == (str(index().root.digest), None)


def test_a_pinned_image_at_the_destination_costs_one_head(anonymous: Registry, repository: str, recording: Recorder) -> None:
    anonymous.put(index(), repository, "1")
    pinned = f"{recording.host}/{repository}@{index().root.digest}"
    assert not modules.run("image_copy", {"images": [{"src": pinned, "dest": f"{recording.host}/{repository}:1"}]})["changed"]
    assert recording.lines == [f"HEAD /v2/{repository}/manifests/1"]


def test_copying_within_a_registry_moves_no_bytes(anonymous: Registry, repository: str, recording: Recorder) -> None:
    anonymous.put(index(), f"{repository}/source", "1")
    images = [{"src": f"{recording.host}/{repository}/source:1", "dest": f"{recording.host}/{repository}/target:1"}]
    predicted = modules.run("image_copy", {"images": images}, check=True)
    recording.requests.clear()
    done = modules.run("image_copy", {"images": images})
    assert predicted == done
    assert (done["bytes_transferred"], done["blobs_reused"]) == (0, len(index().blobs))
    posts = [recorded.path for recorded in recording.requests if recorded.method == "POST"]
    assert len(posts) == len(index().blobs)
    assert all(path.endswith(f"from={quote(repository + '/source', safe='')}") for path in posts)
    assert anonymous.digest(f"{repository}/target", "1") == str(index().root.digest)


def test_copying_between_registries_moves_only_missing_blobs(anonymous: Registry, protected: Registry, repository: str) -> None:
    base = make_layer("base", 10_000)
    protected.put(make_image("below", 1, shared=[base]), repository, "below")
    source = anonymous.put(make_image("above", 1, shared=[base]), repository, "1")
    options = {"images": [{"src": source, "dest": f"{protected.host}/{repository}:1"}], **account_at(protected)}
    done = modules.check_do_again("image_copy", options, place="/nonexistent")
    assert (done["blobs_transferred"], done["blobs_reused"]) == (2, 1)


def account_at(registry: Registry, password: str = PASSWORD) -> dict[str, t.Any]:
    return {"registries": [{"name": registry.host, "username": USER, "password": password, "ca_path": str(registry.ca)}]}


def test_one_task_sends_a_blob_to_a_registry_once(anonymous: Registry, protected: Registry, repository: str) -> None:
    base = make_layer("base", 10_000)
    images = []
    for name in ("one", "two"):
        source = anonymous.put(make_image(name, 1, shared=[base]), f"{repository}/{name}", "1")
        images.append({"src": source, "dest": f"{protected.host}/{repository}/{name}:1"})
    done = modules.check_do_again("image_copy", {"images": images, **account_at(protected)}, place="/nonexistent")
    assert done["blobs_transferred"] == 5


# Platforms of images.


def test_one_platform_is_copied_as_its_manifest_and_several_as_a_new_index(anonymous: Registry, repository: str, tmp_path: Path) -> None:
    source = anonymous.put(index(), repository, "1")
    one = {"images": [{"src": source, "dest": f"{anonymous.host}/{repository}/one:1"}], "platform": ["linux/arm64"]}
    done = modules.check_do_again("image_copy", one, place=tmp_path)
    assert anonymous.digest(f"{repository}/one", "1") == str(index().graph.images[1].descriptor.digest) == done["images"][0]["digest"]
    two = {"images": [{"src": source, "dest": f"oci:{tmp_path}/two:a/b:1"}], "platform": ["linux/arm64", "linux/amd64"]}
    done = modules.check_do_again("image_copy", two, place=tmp_path)
    assert done["images"][0]["digest"] != str(index().root.digest)
    assert done["images"][0]["platforms"] == ["linux/amd64", "linux/arm64"]


def test_a_platform_missing_at_the_source_is_an_error(anonymous: Registry, repository: str) -> None:
    source = anonymous.put(index(), repository, "1")
    options = {"images": [{"src": source, "dest": f"{anonymous.host}/{repository}/new:1"}], "platform": ["linux/riscv64"]}
    assert modules.fail("image_copy", options)["error"] == "platform_missing"


def test_a_sparse_layout_is_copied_to_archives_and_layouts_but_not_to_registries(anonymous: Registry, repository: str, tmp_path: Path) -> None:
    index().sparse("linux/arm64").put(Store(str(tmp_path / "sparse")), NAME, platforms=["linux/arm64"])
    source = f"oci:{tmp_path}/sparse"
    refused = modules.fail("image_copy", {"images": [{"src": source, "dest": f"{anonymous.host}/{repository}:1"}]})
    assert refused["error"] == "platform_missing"
    assert anonymous.digest(repository, "1") is None
    for dest in (f"oci:{tmp_path}/other", f"oci-archive:{tmp_path}/other.tar"):
        done = modules.check_do_again("image_copy", {"images": [{"src": source, "dest": dest}]}, place=tmp_path)
        assert (done["images"][0]["digest"], done["images"][0]["platforms"]) == (str(index().root.digest), ["linux/arm64"])


def test_a_layout_that_has_one_platform_gets_the_others_too(anonymous: Registry, repository: str, tmp_path: Path) -> None:
    source = anonymous.put(index(), repository, "1")
    index().sparse("linux/arm64").put(Store(str(tmp_path / "layout")), NAME, platforms=["linux/arm64"])
    done = modules.check_do_again("image_copy", {"images": [{"src": source, "dest": f"oci:{tmp_path}/layout:{NAME}"}]}, place=tmp_path)
    assert done["images"][0]["platforms"] == list(PLATFORMS)
    assert done["blobs_reused"] == len(make_index("copied", PLATFORMS).sparse("linux/arm64").graph.blobs)


# Archives are replaced as a whole, layouts keep other images.


def test_all_images_of_one_file_make_one_archive_and_another_set_replaces_it(anonymous: Registry, repository: str, tmp_path: Path) -> None:
    sources = [anonymous.put(make_image(name), f"{repository}/{name}", "1") for name in ("one", "two", "three")]
    dest = f"oci-archive:{tmp_path}/all.tar"
    options = {"images": [{"src": source, "dest": dest} for source in sources]}
    done = modules.check_do_again("image_copy", options, place=tmp_path)
    assert [row["name"] for row in done["images"]] == sources
    assert [str(image.names[0]) for image in open_archive(f"{tmp_path}/all.tar").images] == sorted(sources)
    first = (tmp_path / "all.tar").read_bytes()
    again = modules.check_do_again("image_copy", {"images": options["images"][::-1]}, changes=False, place=tmp_path)
    assert [row["name"] for row in again["images"]] == sources[::-1]

    modules.check_do_again("image_copy", {"images": options["images"][:1]}, place=tmp_path)
    assert [str(image.names[0]) for image in open_archive(f"{tmp_path}/all.tar").images] == sources[:1]
    modules.run("image_copy", options)
    assert (tmp_path / "all.tar").read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == ["all.tar"]


def test_an_archive_is_unchanged_when_one_of_its_images_fails_and_other_copies_continue(anonymous: Registry, repository: str, tmp_path: Path) -> None:
    source = anonymous.put(make_image("one"), repository, "1")
    (tmp_path / "all.tar").write_text("mine")
    images = [
        {"src": source, "dest": f"oci-archive:{tmp_path}/all.tar"},
        {"src": f"{anonymous.host}/{repository}:absent", "dest": f"oci-archive:{tmp_path}/all.tar"},
        {"src": source, "dest": f"{anonymous.host}/{repository}:2"},
    ]
    results = modules.fail("image_copy", {"images": images})
    assert (results["error"], results["status"]) == ("not_found", 404)
    assert [row.get("failed", False) for row in results["images"]] == [True, True, False]
    assert (tmp_path / "all.tar").read_text() == "mine"
    assert anonymous.digest(repository, "2") == str(make_image("one").root.digest)


def test_a_copy_to_an_archive_that_is_killed_leaves_the_old_one_and_nothing_after_the_next_run(
    anonymous: Registry, repository: str, tmp_path: Path, recording: Recorder
) -> None:
    anonymous.put(make_image("large", 4, size=2_000_000), repository, "1")
    (tmp_path / "all.tar").write_text("mine")
    options = {"images": [{"src": f"{recording.host}/{repository}:1", "dest": f"oci-archive:{tmp_path}/all.tar"}]}
    process = modules.start_module("image_copy", options)
    while process.poll() is None and not any(recorded.method == "GET" and "/blobs/" in recorded.path for recorded in recording.requests):
        pass
    process.kill()
    process.communicate()
    assert (tmp_path / "all.tar").read_text() == "mine"
    assert modules.run("image_copy", options)["changed"]
    assert [path.name for path in tmp_path.iterdir()] == ["all.tar"]
    assert not modules.run("image_copy", options)["changed"]


def test_a_layout_of_another_tool_keeps_what_is_in_it(anonymous: Registry, repository: str, tmp_path: Path) -> None:
    needed("skopeo")
    theirs = anonymous.put(make_image("theirs"), f"{repository}/theirs", "1")
    ours = anonymous.put(make_image("ours"), f"{repository}/ours", "1")
    skopeo("copy", "--src-tls-verify=false", f"docker://{theirs}", f"oci:{tmp_path}/layout:short")
    modules.check_do_again("image_copy", {"images": [{"src": ours, "dest": f"oci:{tmp_path}/layout"}]}, place=tmp_path)
    for name, image in (("short", make_image("theirs")), (ours, make_image("ours"))):
        outcome = json.loads(skopeo("inspect", f"oci:{tmp_path}/layout:{name}"))
        assert outcome["Digest"] == str(image.root.digest)


def test_layouts_and_archives_of_other_tools_are_read_by_their_short_names(anonymous: Registry, repository: str, tmp_path: Path) -> None:
    needed("skopeo")
    source = anonymous.put(make_image("theirs"), repository, "1")
    for scheme in ("oci", "oci-archive"):
        skopeo("copy", "--src-tls-verify=false", f"docker://{source}", f"{scheme}:{tmp_path}/{scheme}:short")
        options = {"images": [{"src": f"{scheme}:{tmp_path}/{scheme}:short", "dest": f"{anonymous.host}/{repository}/{scheme}:1"}]}
        assert modules.run("image_copy", options)["images"][0]["digest"] == str(make_image("theirs").root.digest)


def skopeo(*words: str) -> str:
    return subprocess.run(["skopeo", *words], check=True, capture_output=True, text=True).stdout


def test_an_unnamed_image_stays_unnamed(anonymous: Registry, repository: str, tmp_path: Path) -> None:
    unpack(oci(make_image("unnamed")), tmp_path / "layout")
    for dest in (f"oci:{tmp_path}/other", f"oci-archive:{tmp_path}/other.tar", f"docker-archive:{tmp_path}/docker.tar"):
        done = modules.check_do_again("image_copy", {"images": [{"src": f"oci:{tmp_path}/layout", "dest": dest}]}, place=tmp_path)
        assert done["images"][0]["name"] is None


def test_one_of_several_images_is_selected_by_name_or_digest(anonymous: Registry, repository: str, tmp_path: Path) -> None:
    for name in ("one", "two"):
        make_image(name).put(Store(str(tmp_path / "layout")), f"r.test/{name}:1")
    for text in ("r.test/two:1", str(make_image("two").root.digest)):
        options = {"images": [{"src": f"oci:{tmp_path}/layout:{text}", "dest": f"{anonymous.host}/{repository}:1"}]}
        assert modules.run("image_copy", options)["images"][0]["digest"] == str(make_image("two").root.digest)


# Errors.


def test_a_damaged_layout_is_refused_by_name_and_the_tag_stays(anonymous: Registry, repository: str, tmp_path: Path) -> None:
    index().put(Store(str(tmp_path / "layout")), NAME, platforms=["all"])
    blob = Path(Store(str(tmp_path / "layout")).blob_path(index().layers[0].digest))
    blob.unlink()
    blob.write_bytes(b"altered")
    results = modules.fail("image_copy", {"images": [{"src": f"oci:{tmp_path}/layout", "dest": f"{anonymous.host}/{repository}:1"}]})
    assert results["error"] == "store_damaged"
    assert NAME in results["msg"]
    assert anonymous.digest(repository, "1") is None


@pytest.mark.parametrize("kind", ["altered", "missing"])
@pytest.mark.parametrize("target", ["docker", "oci", "oci-archive"])
def test_a_damaged_archive_changes_nothing_at_the_target(anonymous: Registry, repository: str, tmp_path: Path, kind: str, target: str) -> None:
    image = make_image("damaged")
    layer = image.layers[0].digest
    content = {
        digest: data if digest != layer else b"?" * len(data) for digest, data in image.content.items() if kind == "altered" or digest != layer
    }
    files = oci(image, NAME)
    if kind == "altered":
        files = {name: data if layer.hex not in name else content[layer] for name, data in files.items()}
    else:
        files = {name: data for name, data in files.items() if layer.hex not in name}
    (tmp_path / "damaged.tar").write_bytes(pack(files))
    (tmp_path / "new.tar").write_text("mine")
    dest = {"docker": f"{anonymous.host}/{repository}:1", "oci": f"oci:{tmp_path}/new:{NAME}", "oci-archive": f"oci-archive:{tmp_path}/new.tar"}[
        target
    ]
    results = modules.fail("image_copy", {"images": [{"src": f"oci-archive:{tmp_path}/damaged.tar", "dest": dest}]})
    assert results["error"] in ("digest_mismatch", "corrupt_archive")
    assert str(layer) in results["msg"]
    assert anonymous.digest(repository, "1") is None
    assert (tmp_path / "new.tar").read_text() == "mine"
    assert Store(str(tmp_path / "new")).index.entries == ()


@pytest.mark.parametrize(
    ("image", "error"),
    [
        ({"src": "oci:/nonexistent/layout:a/b:1"}, "not_found"),
        ({"src": "oci-archive:/nonexistent.tar"}, "io_error"),
        ({"src": "oci:"}, "invalid_option"),
        ({"src": "oci:/x:"}, "invalid_option"),
        ({"src": "not a reference"}, "invalid_reference"),
        ({"dest": "docker://not a reference"}, "invalid_reference"),
        ({"dest": "localhost:5443"}, "invalid_reference"),
        ({"dest": "oci:/nonexistent/new:tag"}, "invalid_option"),
        ({"dest": "oci-archive:/nonexistent/new.tar"}, "io_error"),
        ({"src": "REGISTRY:absent"}, "not_found"),
    ],
    ids=str,
)
def test_bad_input_has_a_stable_cause(anonymous: Registry, repository: str, image: dict[str, str], error: str) -> None:
    source = anonymous.put(make_image("a"), repository, "1")
    filled = {key: value.replace("REGISTRY", f"{anonymous.host}/{repository}") for key, value in image.items()}
    options = {"images": [{"src": source, "dest": f"{anonymous.host}/{repository}:2", **filled}]}
    assert modules.fail("image_copy", options)["error"] == error


def test_a_layout_with_several_images_needs_a_name_and_lists_them(tmp_path: Path) -> None:
    for name in ("one", "two"):
        make_image(name).put(Store(str(tmp_path / "layout")), f"r.test/{name}:1")
    for source, error in ((f"oci:{tmp_path}/layout", "invalid_option"), (f"oci:{tmp_path}/layout:r.test/three:1", "not_found")):
        results = modules.fail("image_copy", {"images": [{"src": source, "dest": f"oci:{tmp_path}/new"}]})
        assert results["error"] == error
        assert "r.test/one:1, r.test/two:1" in results["msg"]


def test_two_images_can_not_get_one_name(anonymous: Registry, repository: str) -> None:
    sources = [anonymous.put(make_image(name), f"{repository}/{name}", "1") for name in ("one", "two")]
    options = {"images": [{"src": source, "dest": f"{anonymous.host}/{repository}:1"} for source in sources]}
    assert modules.fail("image_copy", options)["error"] == "invalid_option"
    assert anonymous.digest(repository, "1") is None


def test_a_digest_as_destination_must_be_the_images_own(anonymous: Registry, repository: str) -> None:
    source = anonymous.put(make_image("one"), repository, "1")
    pinned = f"{anonymous.host}/{repository}/new@{make_image('two').root.digest}"
    assert modules.fail("image_copy", {"images": [{"src": source, "dest": pinned}]})["error"] == "invalid_option"


def test_an_archive_can_not_have_two_formats(anonymous: Registry, repository: str, tmp_path: Path) -> None:
    sources = [anonymous.put(make_image(name), f"{repository}/{name}", "1") for name in ("one", "two")]
    images = [{"src": source, "dest": f"{scheme}:{tmp_path}/a.tar"} for source, scheme in zip(sources, ("oci-archive", "docker-archive"))]
    assert modules.fail("image_copy", {"images": images})["error"] == "invalid_option"
    assert list(tmp_path.iterdir()) == []


def test_wrong_credentials_are_denied_and_not_shown(anonymous: Registry, protected: Registry, repository: str) -> None:
    source = anonymous.put(make_image("a"), repository, "1")
    images = [{"src": source, "dest": f"{protected.host}/{repository}:1"}]
    results = modules.fail("image_copy", {"images": images, **account_at(protected, "planted-Secret")})
    assert results["error"] == "denied"
    assert "planted-Secret" not in json.dumps(results)


def test_credentials_that_could_go_to_two_registries_are_refused(anonymous: Registry, protected: Registry, repository: str) -> None:
    images = [{"src": f"{anonymous.host}/{repository}:1", "dest": f"{protected.host}/{repository}:1"}]
    results = modules.fail("image_copy", {"images": images, "username": USER, "password": PASSWORD})
    assert results["error"] == "invalid_option"
    assert "registries" in results["msg"]


def test_a_registry_that_does_not_answer_is_unreachable(tmp_path: Path) -> None:
    images = [{"src": f"127.0.0.1:{free_port()}/a:1", "dest": f"oci:{tmp_path}/new"}]
    assert modules.fail("image_copy", {"images": images, "retries": 1})["error"] == "unreachable"


def test_an_index_that_no_docker_archive_can_hold_is_refused(tmp_path: Path) -> None:
    unpack(layout(b'{"schemaVersion":2,"manifests":[]}'), tmp_path / "empty")
    results = modules.fail("image_copy", {"images": [{"src": f"oci:{tmp_path}/empty", "dest": f"docker-archive:{tmp_path}/a.tar"}]})
    assert results["error"] == "not_found"
