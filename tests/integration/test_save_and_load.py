# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_save and image_load: one reads the files of the other, and existing files with the right content are not written again."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import stat
import subprocess
import tarfile
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import modules
from tests.support.images import Image, make_image, make_index
from tests.support.privileges import needs_root

APP = "docker.io/library/app:1"
PLAIN = "localhost/plain:1"
HOST = "linux/amd64" if os.uname().machine == "x86_64" else "linux/arm64"
OTHER = "linux/arm64" if HOST == "linux/amd64" else "linux/amd64"
FORMATS = ["universal", "docker-archive", "oci-archive", "oci-dir"]


def app() -> Image:
    return make_index("app", (HOST, OTHER), size=150_000)


def plain() -> Image:
    return make_image("plain", platform=HOST, size=70_000)


@pytest.fixture
def filled(store: str) -> str:
    """Return a store with a complete index of two platforms, and a plain image."""
    app().put(Store(store), APP, platforms=["all"])
    plain().put(Store(store), PLAIN)
    return store


def saving(store: str, path: Path, *names: str, **options: t.Any) -> dict[str, t.Any]:
    return {"store": store, "path": str(path), "name": list(names) or [APP, PLAIN], **options}


def load(path: Path, store: Path, **options: t.Any) -> modules.Results:
    return modules.run("image_load", {"path": str(path), "store": str(store), **options})


def named(store: str | Path) -> dict[str | None, str]:
    return {row["name"]: row["digest"] for row in modules.run("image_info", {"store": str(store)})["images"]}


# Saving.


@pytest.mark.parametrize("form", FORMATS)
def test_check_mode_predicts_saving_a_second_run_changes_nothing_and_the_file_can_be_loaded(filled: str, tmp_path: Path, form: str) -> None:
    path = tmp_path / "archive"
    options = saving(filled, path, format=form, **({} if form == "oci-dir" else {"checksum": True}))
    done = modules.check_do_again("image_save", options)
    assert done["reason"].startswith("there is no such")
    if form != "oci-dir":
        assert done["size"] == path.stat().st_size
    loading = {"path": str(path), "store": str(tmp_path / "other")}
    loaded = modules.check_do_again("image_load", loading)
    assert {row["name"] for row in loaded["images"]} == {APP, PLAIN}
    assert named(tmp_path / "other")[PLAIN] == str(plain().root.digest)
    if form == "docker-archive":
        assert [row["platforms"] for row in done["images"]] == [[HOST], [HOST]]
    else:
        assert named(tmp_path / "other")[APP] == str(app().root.digest)
        assert sorted(loaded["images"][0]["platforms"]) == sorted([HOST, OTHER])


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_a_compressed_file_is_recognised_by_its_content(filled: str, tmp_path: Path, compression: str) -> None:
    path = tmp_path / "archive"
    options = saving(filled, path, compression=compression)
    predicted = modules.run("image_save", options, check=True)
    assert predicted["changed"]
    assert predicted["size"] is None
    assert modules.run("image_save", options)["size"] == path.stat().st_size
    assert not modules.run("image_save", options, check=True)["changed"]
    assert not modules.run("image_save", options)["changed"]
    modules.check_do_again("image_load", {"path": str(path), "store": str(tmp_path / "other")})
    assert named(tmp_path / "other") == named(filled)


def test_equal_stores_give_equal_bytes(filled: str, tmp_path: Path) -> None:
    plain().put(Store(str(tmp_path / "second")), PLAIN)
    app().put(Store(str(tmp_path / "second")), APP, platforms=["all"])
    modules.run("image_save", saving(filled, tmp_path / "one.tar"))
    modules.run("image_save", saving(str(tmp_path / "second"), tmp_path / "two.tar"))
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1000)


def altered(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def foreign(path: Path) -> None:
    path.write_bytes(b"something else")


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + bytes(512))


@pytest.mark.parametrize("damage", [truncated, altered, foreign, longer], ids=lambda damage: damage.__name__)
def test_a_file_that_differs_is_written_again_with_the_reason(filled: str, tmp_path: Path, damage: t.Callable[[Path], None]) -> None:
    path = tmp_path / "archive"
    modules.run("image_save", saving(filled, path))
    good = path.read_bytes()
    damage(path)
    done = modules.check_do_again("image_save", saving(filled, path))
    assert done["reason"]
    assert done["reason"] in done["actions"][0]
    assert path.read_bytes() == good
    assert sorted(os.listdir(tmp_path)) == ["archive", "store"]


def test_a_new_modification_time_is_not_a_change(filled: str, tmp_path: Path) -> None:
    path = tmp_path / "archive"
    modules.run("image_save", saving(filled, path))
    os.utime(path, (1, 1))
    modules.check_do_again("image_save", saving(filled, path), changes=False)
    assert path.stat().st_mtime == 1


def test_other_names_of_an_image_change_no_digest_of_another_image(filled: str, tmp_path: Path) -> None:
    modules.run("image_tag", {"store": filled, "name": PLAIN, "targets": ["second:1", "third:1"]})
    names = [APP, PLAIN, "second:1", "third:1", str(plain().root.digest)]
    modules.check_do_again("image_save", saving(filled, tmp_path / "archive", *names))
    load(tmp_path / "archive", tmp_path / "other")
    assert named(tmp_path / "other") == named(filled)


def test_another_order_of_images_is_not_a_change(filled: str, tmp_path: Path) -> None:
    modules.run("image_save", saving(filled, tmp_path / "archive", APP, PLAIN))
    done = modules.check_do_again("image_save", saving(filled, tmp_path / "archive", PLAIN, APP, PLAIN), changes=False)
    assert [row["name"] for row in done["images"]] == [PLAIN, APP]


def test_an_image_that_is_named_twice_is_saved_once(filled: str, tmp_path: Path) -> None:
    done = modules.check_do_again("image_save", saving(filled, tmp_path / "archive", PLAIN, str(plain().root.digest)))
    assert [row["name"] for row in done["images"]] == [PLAIN]


def test_another_set_of_images_is_another_archive(filled: str, tmp_path: Path) -> None:
    path = tmp_path / "archive"
    modules.run("image_save", saving(filled, path, PLAIN))
    modules.check_do_again("image_save", saving(filled, path, APP, PLAIN))


def test_stray_files_are_deleted_from_a_folder_and_a_folder_of_others_is_refused(filled: str, tmp_path: Path) -> None:
    folder = tmp_path / "layout"
    modules.run("image_save", saving(filled, folder, format="oci-dir"))
    done = modules.check_do_again("image_save", saving(filled, folder, PLAIN, format="oci-dir"))
    assert done["changed"]
    held = {path.name for path in (folder / "blobs" / "sha256").iterdir()}
    assert held == {digest.hex for digest in plain().digests}
    (folder / "thesis.txt").write_text("mine")
    assert modules.fail("image_save", saving(filled, folder, format="oci-dir"))["error"] == "unsupported_format"
    assert (folder / "thesis.txt").read_text() == "mine"


def test_mode_is_set_with_the_file_and_can_change_alone(filled: str, tmp_path: Path) -> None:
    path = tmp_path / "archive"
    modules.check_do_again("image_save", saving(filled, path, mode="0600"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    modules.check_do_again("image_save", saving(filled, path, mode="0644"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize(("wanted", "mode"), [("0600", 0o600), ("0o640", 0o640), (0o644, 0o644), ("u=rw,g=,o=", 0o600)], ids=str)
def test_a_mode_may_have_any_form_that_ansible_accepts(filled: str, tmp_path: Path, wanted: object, mode: int) -> None:
    path = tmp_path / "archive"
    modules.check_do_again("image_save", saving(filled, path, mode=wanted))
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_mode_and_owner_of_a_folder_apply_to_everything_in_it(filled: str, tmp_path: Path) -> None:
    needs_root()
    path = tmp_path / "layout"
    modules.check_do_again("image_save", saving(filled, path, format="oci-dir", mode="0644"))
    done = modules.check_do_again("image_save", saving(filled, path, format="oci-dir", mode="0640", owner="12345", group="23456"))
    assert done["reason"] is None
    assert done["actions"] == [f"set the mode or the owner of {path}"]
    for found in (path, *path.rglob("*")):
        status = found.stat()
        wanted = 0o750 if found.is_dir() else 0o640
        assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (wanted, 12345, 23456)


def test_an_attribute_that_can_not_be_set_has_a_stable_cause(filled: str, tmp_path: Path) -> None:
    (tmp_path / "chattr").write_text("#!/bin/sh\necho 'chattr: Operation not supported' >&2\nexit 1\n")
    (tmp_path / "chattr").chmod(0o755)
    results = modules.fail("image_save", saving(filled, tmp_path / "archive", attributes="i"), env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert results["error"] == "io_error"
    assert str(tmp_path / "archive") in results["msg"]
    assert "Operation not supported" in results["msg"]


def test_a_program_in_the_current_folder_does_not_set_an_attribute(filled: str, tmp_path: Path) -> None:
    (tmp_path / "chattr").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (tmp_path / "chattr").chmod(0o755)
    # The modules of these tests run in the root folder.
    path = f"{str(tmp_path)[1:]}:.:{os.environ['PATH']}"
    modules.attempt("image_save", saving(filled, tmp_path / "archive", attributes="d"), env={"PATH": path})
    assert not (tmp_path / "ran").exists()


def test_one_platform_is_saved_and_the_index_keeps_its_digest(filled: str, tmp_path: Path) -> None:
    modules.check_do_again("image_save", saving(filled, tmp_path / "archive", APP, platform=[OTHER]))
    loaded = load(tmp_path / "archive", tmp_path / "other")
    assert loaded["images"][0]["digest"] == str(app().root.digest)
    assert loaded["images"][0]["platforms"] == [OTHER]


def test_an_index_with_another_platform_that_the_host_could_run_is_saved_unlisted_and_restored(store: str, tmp_path: Path) -> None:
    image = make_index("both", ("linux/amd64", "linux/386"))
    image.sparse("linux/amd64").put(Store(store), APP, platforms=["linux/amd64"])
    saved = modules.check_do_again("image_save", saving(store, tmp_path / "archive", APP))
    assert saved["images"][0]["digest"] == str(image.root.digest)
    assert saved["images"][0]["listed_digest"] == str(image.graph.images[0].descriptor.digest)
    with tarfile.open(tmp_path / "archive") as tar:
        index = json.loads(t.cast(t.IO[bytes], tar.extractfile("index.json")).read())
    assert [entry["digest"] for entry in index["manifests"]] == [saved["images"][0]["listed_digest"]]
    assert load(tmp_path / "archive", tmp_path / "other")["images"][0]["digest"] == str(image.root.digest)


def test_a_delta_has_only_content_missing_in_earlier_archives_and_needs_them(store: str, tmp_path: Path) -> None:
    base = make_image("base", 2, HOST, size=90_000)
    base.put(Store(store), "base:1")
    shared = [base.content[layer.digest] for layer in base.layers]
    top = make_image("top", 1, HOST, size=90_000, shared=shared)
    top.put(Store(store), "top:1")
    modules.run("image_save", saving(store, tmp_path / "base.tar", "base:1"))
    options = saving(store, tmp_path / "delta.tar", "top:1", base=[str(tmp_path / "base.tar")])
    modules.check_do_again("image_save", options)
    assert (tmp_path / "delta.tar").stat().st_size < 150_000

    fresh = tmp_path / "fresh"
    results = modules.fail("image_load", {"path": str(tmp_path / "delta.tar"), "store": str(fresh)})
    assert results["error"] == "not_found"
    assert str(base.layers[0].digest) in results["msg"]
    assert not fresh.exists()
    load(tmp_path / "base.tar", fresh)
    modules.check_do_again("image_load", {"path": str(tmp_path / "delta.tar"), "store": str(fresh)})
    assert named(fresh)["docker.io/library/top:1"] == str(top.root.digest)


def test_layers_are_left_out_by_digest_too(store: str, tmp_path: Path) -> None:
    plain().put(Store(store), PLAIN)
    layer = str(plain().layers[0].digest)
    modules.check_do_again("image_save", saving(store, tmp_path / "delta.tar", PLAIN, base_digests=[layer]))
    with tarfile.open(tmp_path / "delta.tar") as tar:
        assert f"blobs/sha256/{layer[7:]}" not in tar.getnames()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"name": ["absent:1"]}, "not_found"),
        ({"name": ["No:1"]}, "invalid_reference"),
        ({"name": [APP], "platform": ["linux/s390x"]}, "platform_missing"),
        ({"name": [PLAIN], "platform": [OTHER]}, "platform_missing"),
        ({"path": "/nowhere/at/all.tar"}, "io_error"),
        ({"base": ["/nowhere/base.tar"]}, "io_error"),
        ({"base_digests": ["sha256:1"]}, "invalid_reference"),
        ({"base_digests": [str(plain().layers[0].digest)], "format": "docker-archive"}, "invalid_option"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_bad_input_to_saving_has_a_stable_cause(filled: str, tmp_path: Path, options: dict[str, t.Any], error: str) -> None:
    assert modules.fail("image_save", {**saving(filled, tmp_path / "archive"), **options})["error"] == error
    assert sorted(os.listdir(tmp_path)) == ["store"]


def test_a_damaged_image_is_not_saved_and_the_old_file_stays(filled: str, tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_text("old")
    os.unlink(Store(filled).blob_path(plain().layers[0].digest))
    results = modules.fail("image_save", saving(filled, path))
    assert results["error"] == "store_damaged"
    assert PLAIN in results["msg"]
    assert path.read_text() == "old"


def test_a_killed_save_leaves_the_old_file_and_the_next_run_deletes_leftovers(filled: str, tmp_path: Path) -> None:
    large = make_image("large", 6, HOST, size=8_000_000)
    large.put(Store(filled), "large:1")
    folder = tmp_path / "target"
    folder.mkdir()
    path = folder / "archive"
    path.write_text("old")
    process = modules.start_module("image_save", saving(filled, path, "large:1", compression="gzip"))
    while process.poll() is None and len(os.listdir(folder)) < 2:
        pass
    process.kill()
    process.communicate()
    assert path.read_text() == "old"
    assert len(os.listdir(folder)) == 2
    modules.run("image_save", saving(filled, path, "large:1"))
    assert os.listdir(folder) == ["archive"]


# Loading.


@pytest.fixture
def archive(filled: str, tmp_path: Path) -> Path:
    modules.run("image_save", saving(filled, tmp_path / "images.tar"))
    return tmp_path / "images.tar"


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress], ids=["gzip", "bzip2", "xz"])
def test_compressed_archives_are_loaded(archive: Path, filled: str, tmp_path: Path, compress: t.Callable[[bytes], bytes]) -> None:
    (tmp_path / "compressed").write_bytes(compress(archive.read_bytes()))
    modules.check_do_again("image_load", {"path": str(tmp_path / "compressed"), "store": str(tmp_path / "other")})
    assert named(tmp_path / "other") == named(filled)


def test_only_requested_images_are_loaded(archive: Path, tmp_path: Path) -> None:
    modules.check_do_again("image_load", {"path": str(archive), "store": str(tmp_path / "other"), "name": ["localhost/plain:1"]})
    assert set(named(tmp_path / "other")) == {PLAIN}


def test_rows_are_in_the_requested_order(filled: str, tmp_path: Path) -> None:
    modules.run("image_tag", {"store": filled, "name": PLAIN, "targets": ["a:1", "z:1"]})
    modules.run("image_save", saving(filled, tmp_path / "archive", APP, PLAIN, "a:1", "z:1"))
    wanted = ["docker.io/library/z:1", PLAIN, APP, "docker.io/library/a:1"]
    options = {"path": str(tmp_path / "archive"), "store": str(tmp_path / "other"), "name": [*wanted, PLAIN], "rename": {PLAIN: "new:1"}}
    done = modules.check_do_again("image_load", options)
    assert [row["name"] for row in done["images"]] == [wanted[0], "docker.io/library/new:1", *wanted[2:]]


@pytest.mark.parametrize(
    "key", [str(plain().root.digest), str(plain().graph.images[0].manifest.config.digest), f"localhost/other@{plain().root.digest}"]
)
def test_images_are_named_by_digest_or_id_too(filled: str, tmp_path: Path, key: str) -> None:
    modules.run("image_tag", {"store": filled, "name": PLAIN, "targets": ["localhost/other:1"]})
    modules.run("image_save", saving(filled, tmp_path / "archive", APP, PLAIN, "localhost/other:1"))
    modules.check_do_again("image_load", {"path": str(tmp_path / "archive"), "store": str(tmp_path / "other"), "name": [key]})
    assert set(named(tmp_path / "other")) == ({"localhost/other:1"} if "@" in key else {PLAIN, "localhost/other:1"})


def test_an_image_without_a_name_is_loaded_alone_and_gets_one(store: str, tmp_path: Path) -> None:
    plain().put(Store(store), PLAIN)
    make_image("mover").put(Store(store), PLAIN)
    digest = str(plain().root.digest)
    modules.run("image_save", saving(store, tmp_path / "archive", digest, PLAIN))
    options = {"path": str(tmp_path / "archive"), "store": str(tmp_path / "other"), "name": [digest], "rename": {digest: "new:1"}}
    modules.check_do_again("image_load", options)
    assert named(tmp_path / "other") == {"docker.io/library/new:1": digest}


@pytest.mark.parametrize("key", ["app:1", str(app().root.digest), str(app().graph.images[0].manifest.config.digest)])
def test_images_are_renamed_by_name_digest_or_id(archive: Path, tmp_path: Path, key: str) -> None:
    options = {"path": str(archive), "store": str(tmp_path / "other"), "rename": {key: "quay.io/team/app:2"}}
    modules.check_do_again("image_load", options)
    assert set(named(tmp_path / "other")) == {"quay.io/team/app:2", PLAIN}


def test_one_platform_is_loaded_of_several(archive: Path, tmp_path: Path) -> None:
    done = modules.check_do_again("image_load", {"path": str(archive), "store": str(tmp_path / "other"), "name": [APP], "platform": [OTHER]})
    assert done["images"][0]["platforms"] == [OTHER]
    done = modules.check_do_again("image_load", {"path": str(archive), "store": str(tmp_path / "other"), "name": [APP]})
    assert sorted(done["images"][0]["platforms"]) == sorted([HOST, OTHER])


def test_an_existing_name_is_moved_kept_or_an_error(archive: Path, tmp_path: Path) -> None:
    other = Store(str(tmp_path / "other"))
    mine = make_image("mine", platform=HOST)
    mine.put(other, APP)
    options = {"path": str(archive), "store": other.path}
    before = modules.snapshot(other.path)
    results = modules.fail("image_load", {**options, "existing": "fail"})
    assert results["error"] == "name_taken"
    assert APP in results["msg"]
    assert modules.snapshot(other.path) == before
    kept = modules.check_do_again("image_load", {**options, "existing": "keep"})
    assert [row["kept"] for row in kept["images"]] == [True, False]
    assert named(other.path)[APP] == str(mine.root.digest)
    moved = modules.check_do_again("image_load", options)
    assert moved["images"][0]["previous_digest"] == str(mine.root.digest)
    assert named(other.path)[APP] == str(app().root.digest)


def test_a_damaged_blob_of_the_store_is_repaired_by_loading_again(archive: Path, tmp_path: Path) -> None:
    other = Store(str(tmp_path / "other"))
    load(archive, tmp_path / "other")
    blob = Path(other.blob_path(plain().layers[0].digest))
    blob.unlink()
    blob.write_bytes(b"altered")
    assert modules.check_do_again("image_load", {"path": str(archive), "store": other.path})["blobs_transferred"] == 1
    assert Store(other.path).find_missing_blobs(Store(other.path).get_entry(Reference.parse(PLAIN))) == []


def test_an_image_without_a_name_is_kept_by_its_digest(store: str, tmp_path: Path) -> None:
    plain().put(Store(store), PLAIN)
    modules.run("image_tag", {"store": store, "name": PLAIN, "targets": ["x:1"]})
    make_image("mover").put(Store(store), PLAIN, "x:1")
    digest = str(plain().root.digest)
    modules.check_do_again("image_save", saving(store, tmp_path / "archive", digest))
    done = modules.check_do_again("image_load", {"path": str(tmp_path / "archive"), "store": str(tmp_path / "other")})
    assert done["images"][0]["name"] is None
    assert named(tmp_path / "other") == {None: digest}


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"name": ["absent:1"]}, "not_found"),
        ({"rename": {"absent:1": "b:1"}}, "not_found"),
        ({"rename": {"app:1": "localhost/plain:1"}}, "invalid_option"),
        ({"rename": {"app:1": "a:1", "docker.io/library/app:1": "b:1"}}, "invalid_option"),
        ({"rename": {"app:1": "a:1", str(app().root.digest): "b:1"}}, "invalid_option"),
        ({"rename": {f"app:1@{plain().root.digest}": "b:1"}}, "not_found"),
        ({"name": [f"app:1@{plain().root.digest}"]}, "not_found"),
        ({"name": ["sha256:" + "0" * 64]}, "not_found"),
        ({"name": [APP], "rename": {PLAIN: "b:1"}}, "not_found"),
        ({"rename": {"app:1": f"a@{'sha256:' + '0' * 64}"}}, "invalid_reference"),
        ({"platform": ["linux/s390x"]}, "platform_missing"),
        ({"path": "/nowhere/archive"}, "io_error"),
        ({"path": "/dev/null"}, "unsupported_format"),
        ({"path": "/etc/passwd"}, "corrupt_archive"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_bad_input_to_loading_has_a_stable_cause_and_writes_nothing(archive: Path, tmp_path: Path, options: dict[str, t.Any], error: str) -> None:
    other = tmp_path / "other"
    assert modules.fail("image_load", {"path": str(archive), "store": str(other), **options})["error"] == error
    assert not other.exists()


def test_a_load_that_meets_a_bad_blob_loads_nothing_at_all(archive: Path, tmp_path: Path) -> None:
    other = Store(str(tmp_path / "other"))
    make_image("mine", platform=HOST).put(other, "mine:1")
    data = archive.read_bytes()
    layer = plain().content[plain().layers[1].digest]
    place = data.index(layer)
    archive.write_bytes(data[:place] + bytes(len(layer)) + data[place + len(layer) :])
    results = modules.fail("image_load", {"path": str(archive), "store": other.path})
    assert results["error"] == "digest_mismatch"
    assert str(plain().layers[1].digest) in results["msg"]
    assert set(named(other.path)) == {"docker.io/library/mine:1"}
    left = {path.name for path in (tmp_path / "other" / "blobs" / "sha256").iterdir()}
    assert left == {digest.hex for digest in make_image("mine", platform=HOST).digests}


# Information about an archive.


def test_info_about_an_archive_equals_info_about_the_store_after_loading_it(archive: Path, filled: str) -> None:
    outcome = modules.run("image_info", {"archive": str(archive), "store": "/nowhere"})["images"]
    assert outcome == modules.run("image_info", {"store": filled})["images"]
    (row,) = modules.run("image_info", {"archive": str(archive), "name": [APP], "store": "/nowhere"})["images"]
    assert row == outcome[0]
    assert not modules.run("image_info", {"archive": str(archive), "name": ["absent:1"]})["images"][0]["present"]


def test_history_is_read_from_an_archive(archive: Path, filled: str) -> None:
    outcome = modules.run("image_history_info", {"archive": str(archive), "name": APP, "platform": [OTHER]})
    stored = modules.run("image_history_info", {"store": filled, "name": APP, "platform": [OTHER]})
    assert (outcome["name"], outcome["digest"], outcome["history"]) == (stored["name"], stored["digest"], stored["history"])
    assert modules.fail("image_history_info", {"archive": str(archive), "name": "absent:1"})["error"] == "not_found"


def test_info_about_a_broken_archive_fails(tmp_path: Path) -> None:
    (tmp_path / "broken").write_bytes(b"no tar")
    results = modules.fail("image_info", {"archive": str(tmp_path / "broken")})
    assert results["error"] == "corrupt_archive"
    assert str(tmp_path / "broken") in results["msg"]


@pytest.mark.parametrize(
    "options",
    [{"mode": "rw"}, {"owner": "nobody-of-this-name"}, {"group": "nobody-of-this-name"}, {"format": "oci-dir", "compression": "gzip"}],
    ids=str,
)
def test_a_file_is_not_written_if_its_attributes_cannot_be_set(filled: str, tmp_path: Path, options: dict[str, str]) -> None:
    assert modules.fail("image_save", saving(filled, tmp_path / "archive", **options))["error"] == "invalid_option"
    assert not (tmp_path / "archive").exists()


def test_check_mode_predicts_a_disk_that_cannot_be_written(filled: str, tmp_path: Path) -> None:
    needs_root()
    folder = tmp_path / "read-only"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", str(folder)], check=True)
    try:
        modules.run("image_save", saving(filled, folder / "archive"))
        modules.run("image_save", saving(filled, folder / "layout", format="oci-dir"))
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        for check in (True, False):
            assert not modules.run("image_save", saving(filled, folder / "archive"), check)["changed"]
            assert not modules.run("image_save", saving(filled, folder / "layout", format="oci-dir"), check)["changed"]
            for name, form in (("archive", "universal"), ("new", "universal"), ("layout", "oci-dir")):
                results = modules.fail("image_save", saving(filled, folder / name, PLAIN, format=form), check)
                assert results["error"] == "io_error"
                assert "read-only" in results["msg"].replace(str(folder), "")
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_check_mode_predicts_a_missing_folder(filled: str, tmp_path: Path) -> None:
    for check in (True, False):
        results = modules.fail("image_save", saving(filled, tmp_path / "nowhere" / "archive"), check)
        assert results["error"] == "io_error"
        assert str(tmp_path / "nowhere") in results["msg"]
