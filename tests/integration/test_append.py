# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_append: new images from files, with or without a base."""

from __future__ import annotations

import gzip
import json
import os
import tarfile
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import modules
from tests.support.faults import leftovers
from tests.support.images import make_image, make_index, make_layer
from tests.support.measure import peak_memory

NAME = "docker.io/library/new:1"
BASE = "docker.io/library/base:1"
HOST = "linux/amd64" if os.uname().machine == "x86_64" else "linux/arm64"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Return a folder with a program, and a folder with a link, a subfolder and an executable."""
    folder = tmp_path / "files"
    (folder / "site" / "sub").mkdir(parents=True)
    (folder / "site" / "index.html").write_text("hello")
    (folder / "site" / "sub" / "run").write_text("#!/bin/sh\n")
    (folder / "site" / "sub" / "run").chmod(0o755)
    (folder / "site" / "link").symlink_to("index.html")
    (folder / "program").write_bytes(b"\x7fELF" + bytes(3000))
    (folder / "program").chmod(0o755)
    return folder


def based(store: str) -> None:
    make_index("base", ("linux/amd64", "linux/arm64")).put(Store(store), BASE, platforms=["all"])


def layer_of(store: str, results: modules.Results, position: int = -1) -> tarfile.TarFile:
    row = modules.run("image_info", {"name": results["images"][0]["name"], "store": store})["images"][0]
    return tarfile.open(Store(store).blob_path(Digest.parse(row["layers"][position]["digest"])))


CASES: list[tuple[str, dict[str, t.Any]]] = [
    ("a file from nothing", {"base": "scratch", "layers": [{"src": "program", "dest": "/bin/program"}]}),
    ("a folder from nothing", {"base": "scratch", "layers": [{"src": "site", "dest": "/srv"}]}),
    ("a folder at the root", {"base": "scratch", "layers": [{"src": "site"}]}),
    (
        "two layers on a base",
        {"base": BASE, "layers": [{"src": "site", "dest": "/srv"}, {"src": "program", "dest": "/bin/", "mode": "0700", "owner": 7}]},
    ),
    (
        "settings alone",
        {"base": BASE, "config": {"cmd": ["/bin/sh"], "env": {"A": 1}, "labels": {"b": "c"}, "exposed_ports": ["80"], "volumes": ["/v"]}},
    ),
    ("another platform of the base", {"base": BASE, "platform": "linux/arm64", "layers": [{"src": "program", "dest": "/p"}]}),
    ("compressed", {"base": "scratch", "compression": "gzip", "layers": [{"src": "site", "dest": "/srv"}]}),
    ("a given time", {"base": "scratch", "created": "2026-01-31T12:00:00+01:00", "layers": [{"src": "program", "dest": "/p"}]}),
    ("nothing but a name", {"base": "scratch"}),
    (
        "two platforms, each with its own layer",
        {
            "base": BASE,
            "platform": ["linux/arm64", "linux/amd64"],
            "annotations": {"org.example.team": "web"},
            "layers": [
                {"src": "site", "dest": "/srv", "exclude": ["sub"]},
                {"src": "program", "dest": "/bin/program", "platform": "linux/amd64"},
                {"src": "site", "dest": "/opt", "platform": "linux/arm64", "rules": [{"path": "/opt/*", "owner": 5, "mode": "0700"}]},
            ],
        },
    ),
    ("all platforms of the base", {"base": BASE, "platform": ["all"], "compression": "zstd", "layers": [{"src": "site", "dest": "/srv"}]}),
    ("a file that is deleted", {"base": "scratch", "layers": [{"src": "site", "dest": "/srv"}, {"remove": ["/srv/sub", "srv/link"]}]}),
    (
        "the whole config",
        {
            "base": BASE,
            "config": {
                "stop_signal": "SIGQUIT",
                "unset_labels": ["text"],
                "unset_env": ["ABSENT"],
                "healthcheck": {"test": "curl localhost", "interval": "1m30s", "timeout": "1.5s", "start_period": "0s", "retries": 2},
            },
        },
    ),
]


@pytest.mark.parametrize("options", [row[1] for row in CASES], ids=[row[0] for row in CASES])
def test_check_mode_predicts_a_new_image_and_a_second_run_changes_nothing(store: str, files: Path, options: dict[str, t.Any]) -> None:
    if options["base"] == BASE:
        based(store)
    layers = [{**layer, **({"src": str(files / layer["src"])} if "src" in layer else {})} for layer in options.get("layers", [])]
    done = modules.check_do_again("image_append", {"name": NAME, "store": store, **options, "layers": layers})
    entry = Store(store).get_entry(Reference.parse(NAME))
    assert str(entry.descriptor.digest) == done["images"][0]["digest"]
    assert Store(store).find_missing_blobs(entry) == []


def test_the_same_files_make_the_same_digest_whatever_their_times_the_umask_and_the_time_zone(tmp_path: Path, files: Path) -> None:
    options = {"name": NAME, "base": "scratch", "layers": [{"src": str(files / "site"), "dest": "/srv"}]}
    first = modules.run("image_append", {**options, "store": str(tmp_path / "one")})
    for path in files.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
    old = os.umask(0o077)
    try:
        second = modules.run("image_append", {**options, "store": str(tmp_path / "two")}, env={"TZ": "Asia/Kathmandu", "LC_ALL": "C"})
    finally:
        os.umask(old)
    assert first["images"][0]["digest"] == second["images"][0]["digest"]


def test_files_belong_to_root_and_keep_their_permissions(store: str, files: Path) -> None:
    options = {"name": NAME, "base": "scratch", "store": store, "layers": [{"src": str(files / "site"), "dest": "/srv/www"}]}
    with layer_of(store, modules.run("image_append", options)) as layer:
        members = {member.name: member for member in layer}
    assert list(members) == ["srv", "srv/www", "srv/www/index.html", "srv/www/link", "srv/www/sub", "srv/www/sub/run"]
    assert {(member.uid, member.gid, member.uname, member.mtime) for member in members.values()} == {(0, 0, "", 0)}
    assert members["srv/www/sub/run"].mode == 0o755
    assert members["srv/www/link"].linkname == "index.html"


def test_a_changed_file_makes_a_new_image_and_the_old_one_loses_its_name(store: str, files: Path) -> None:
    options = {"name": NAME, "base": "scratch", "store": store, "layers": [{"src": str(files / "program"), "dest": "/bin/"}]}
    first = modules.run("image_append", options)
    (files / "program").write_bytes(b"changed")
    second = modules.check_do_again("image_append", options)
    assert second["images"][0]["previous_digest"] == first["images"][0]["digest"] != second["images"][0]["digest"]
    unnamed = modules.run("image_info", {"store": store, "filters": {"dangling": True}})["images"]
    assert [row["digest"] for row in unnamed] == [first["images"][0]["digest"]]


def test_the_base_keeps_its_layers_and_the_new_image_adds_to_its_settings(store: str, files: Path) -> None:
    base = make_image("base", platform=HOST)
    base.put(Store(store), BASE)
    layers = [{"src": str(files / "program"), "dest": "/bin/"}]
    modules.run(
        "image_append", {"name": NAME, "base": BASE, "store": store, "layers": layers, "config": {"entrypoint": ["/bin/program"], "env": {"A": "b"}}}
    )
    row = modules.run("image_info", {"name": NAME, "store": store})["images"][0]
    assert [layer["digest"] for layer in row["layers"]][:2] == [str(layer.digest) for layer in base.layers]
    assert row["config"] == {"Entrypoint": ["/bin/program"], "Env": ["A=b"], "Labels": {"text": "base"}}
    history = modules.run("image_history_info", {"name": NAME, "store": store})["history"]
    assert [step["created_by"] for step in history] == ["image_append: /bin/program", "layer 1", "layer 0"]


def test_a_command_is_kept_word_by_word_and_one_word_needs_no_list(store: str) -> None:
    config = {"entrypoint": "/bin/program", "cmd": ["echo", "hi, you", 1, 2.5]}
    modules.check_do_again("image_append", {"name": NAME, "base": "scratch", "store": store, "config": config})
    row = modules.run("image_info", {"name": NAME, "store": store})["images"][0]
    assert row["config"] == {"Entrypoint": ["/bin/program"], "Cmd": ["echo", "hi, you", "1", "2.5"]}


@pytest.mark.parametrize("compressed", [True, False])
def test_a_tar_becomes_the_layer_unchanged(store: str, tmp_path: Path, compressed: bool) -> None:
    data = make_layer("ready")
    tar = tmp_path / "layer.tar"
    tar.write_bytes(data if compressed else gzip.decompress(data))
    modules.check_do_again("image_append", {"name": NAME, "base": "scratch", "store": store, "layers": [{"src": str(tar)}]})
    layer = modules.run("image_info", {"name": NAME, "store": store})["images"][0]["layers"][0]
    assert layer["digest"] == str(Digest.of(tar.read_bytes()))
    assert layer["diff_id"] == str(Digest.of(gzip.decompress(data)))


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"name": BASE, "base": "base:1"}, "invalid_option"),
        ({"name": BASE, "base": f"base:1@{make_image('base').root.digest}"}, "invalid_option"),
        ({"base": "absent:1"}, "not_found"),
        ({"base": BASE, "platform": "linux/s390x"}, "platform_missing"),
        ({"platform": "amd64"}, "invalid_option"),
        ({"name": "No:1"}, "invalid_reference"),
        ({"name": f"a@sha256:{'0' * 64}"}, "invalid_reference"),
        ({"created": "yesterday"}, "invalid_option"),
        ({"created": "1950-01-01T00:00:00Z"}, "invalid_option"),
        ({"config": {"exposed_ports": ["http"]}}, "invalid_option"),
        ({"config": {"cmd": "echo hi, you"}}, "invalid_option"),
        ({"config": {"cmd": "a,b"}}, "invalid_option"),
        ({"config": {"entrypoint": "/bin/program -v"}}, "invalid_option"),
        ({"config": {"entrypoint": {"program": "/bin/sh"}}}, "invalid_option"),
        ({"config": {"cmd": [["echo"]]}}, "invalid_option"),
        ({"config": {"cmd": [None]}}, "invalid_option"),
        ({"layers": [{"src": "/nowhere/file", "dest": "/f"}]}, "io_error"),
        ({"layers": [{"src": "/etc/hostname", "dest": "/../f"}]}, "invalid_option"),
        ({"layers": [{"src": "/etc/hostname", "dest": "/f", "mode": "rwx"}]}, "invalid_option"),
        ({"layers": [{"src": "/etc/passwd"}]}, "corrupt_archive"),
        ({"layers": [{"src": "/dev/null", "dest": "/null"}]}, "unsupported_format"),
        ({"layers": [{"dest": "/null"}]}, "invalid_option"),
        ({"layers": [{"remove": ["/absent"]}]}, "invalid_option"),
        ({"layers": [{"src": "/etc/hostname", "dest": "/f", "owner": -1}]}, "invalid_option"),
        ({"layers": [{"src": "/etc/hostname", "dest": "/f", "group": 4294967296}]}, "invalid_option"),
        ({"layers": [{"src": "/etc/hostname", "dest": "/f", "rules": [{"path": "f"}]}]}, "invalid_option"),
        ({"layers": [{"src": "/etc/hostname", "dest": "/f"}, {"src": "/etc/hostname", "dest": "/f/g"}]}, "invalid_option"),
        ({"layers": [{"src": "/etc/hostname", "dest": "/d/f"}, {"src": "/etc/hostname", "dest": "/d"}]}, "invalid_option"),
        ({"layers": [{"src": "/etc/hostname", "dest": "/f", "platform": "linux/s390x"}]}, "invalid_option"),
        ({"platform": ["all"]}, "invalid_option"),
        ({"base": BASE, "platform": ["linux/amd64", "linux/s390x"]}, "platform_missing"),
        ({"config": {"env": {"A=B": "c"}}}, "invalid_option"),
        ({"config": {"env": {"A": "b"}, "unset_env": ["A"]}}, "invalid_option"),
        ({"config": {"stop_signal": "kill -9"}}, "invalid_option"),
        ({"config": {"healthcheck": {"interval": "30s"}}}, "invalid_option"),
        ({"config": {"healthcheck": {"test": ["curl"]}}}, "invalid_option"),
        ({"config": {"healthcheck": {"test": "x", "interval": "30"}}}, "invalid_option"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_bad_input_has_a_stable_cause_and_changes_nothing(store: str, options: dict[str, t.Any], error: str) -> None:
    based(store)
    before = modules.snapshot(store)
    assert modules.fail("image_append", {"name": NAME, "base": "scratch", "store": store, **options})["error"] == error
    assert modules.snapshot(store) == before


def test_several_platforms_make_an_index_of_their_own_layers(store: str, files: Path) -> None:
    based(store)
    layers = [
        {"src": str(files / "program"), "dest": "/amd64", "platform": "linux/amd64"},
        {"src": str(files / "program"), "dest": "/arm64", "platform": "linux/arm64"},
    ]
    options = {"name": NAME, "base": BASE, "store": store, "layers": layers, "annotations": {"a": "b"}}
    done = modules.run("image_append", {**options, "platform": ["linux/arm64", "linux/amd64"]})
    assert done["images"][0]["platforms"] == ["linux/amd64", "linux/arm64"]
    index = json.loads(Path(Store(store).blob_path(Digest.parse(done["images"][0]["digest"]))).read_bytes())
    assert [entry["platform"]["architecture"] for entry in index["manifests"]] == ["amd64", "arm64"]
    assert index["annotations"] == {"a": "b"}
    base = str(Store(store).get_entry(Reference.parse(BASE)).digest)
    for entry in index["manifests"]:
        manifest = json.loads(Path(Store(store).blob_path(Digest.parse(entry["digest"]))).read_bytes())
        assert manifest["annotations"] == {
            "a": "b",
            "org.opencontainers.image.base.name": BASE,
            "org.opencontainers.image.base.digest": base,
        }
        with tarfile.open(Store(store).blob_path(Digest.parse(manifest["layers"][-1]["digest"]))) as layer:
            assert layer.getnames() == [entry["platform"]["architecture"]]
    again = modules.run("image_append", {**options, "platform": ["linux/amd64", "linux/arm64"]})
    assert not again["changed"]


def test_a_healthcheck_is_written_as_docker_does(store: str) -> None:
    health = {"test": ["CMD", "/check", "-v"], "interval": "1m30s", "timeout": "500ms", "start_interval": "1.5s", "retries": 3}
    options = {"name": NAME, "base": "scratch", "store": store, "config": {"healthcheck": health, "stop_signal": "SIGINT"}}
    modules.run("image_append", options)
    config = modules.run("image_info", {"name": NAME, "store": store})["images"][0]["config"]
    assert config == {
        "Healthcheck": {
            "Test": ["CMD", "/check", "-v"],
            "Interval": 90_000_000_000,
            "Timeout": 500_000_000,
            "StartInterval": 1_500_000_000,
            "Retries": 3,
        },
        "StopSignal": "SIGINT",
    }
    child = {"name": "child:1", "base": NAME, "store": store, "config": {"healthcheck": {"test": ["NONE"]}}}
    modules.run("image_append", child)
    assert modules.run("image_info", {"name": "child:1", "store": store})["images"][0]["config"]["Healthcheck"] == {"Test": ["NONE"]}


def test_a_store_in_the_source_is_refused_unless_it_is_left_out(files: Path) -> None:
    options = {"name": NAME, "base": "scratch", "store": str(files / "work" / "store")}
    failed = modules.fail("image_append", {**options, "layers": [{"src": str(files), "dest": "/srv"}]})
    assert failed["error"] == "invalid_option"
    assert "list work/store in exclude" in failed["msg"]
    layers = [{"src": str(files), "dest": "/srv", "exclude": ["work"]}]
    modules.check_do_again("image_append", {**options, "layers": layers})


def test_files_on_top_of_a_tar_follow_its_links(store: str, files: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "base.tar", "w") as tar:
        for name, kind, target in (("usr", tarfile.DIRTYPE, ""), ("bin", tarfile.SYMTYPE, "usr")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mode = kind, target, 0o711
            tar.addfile(info)
    layers = [{"src": str(tmp_path / "base.tar")}, {"src": str(files / "program"), "dest": "/bin/"}]
    with layer_of(store, modules.check_do_again("image_append", {"name": NAME, "base": "scratch", "store": store, "layers": layers})) as layer:
        assert [(member.name, member.mode) for member in layer] == [("usr", 0o711), ("usr/program", 0o755)]


def test_a_tar_that_is_cut_off_is_refused_with_its_offset(store: str, tmp_path: Path) -> None:
    data = gzip.decompress(make_layer("cut", 5000))
    tar = tmp_path / "cut.tar"
    tar.write_bytes(data[:2000])
    results = modules.fail("image_append", {"name": NAME, "base": "scratch", "store": store, "layers": [{"src": str(tar)}]})
    assert results["error"] == "corrupt_archive"
    assert "at byte 2000" in results["msg"]
    assert json.dumps(results).count(str(tar)) >= 1


def test_a_source_that_changes_while_it_is_read_leaves_no_name_and_no_file(store: str) -> None:
    """The status of a file in /proc says that it is empty, as if it had grown since."""
    failed = modules.fail("image_append", {"name": NAME, "base": "scratch", "store": store, "layers": [{"src": "/proc/version", "dest": "/version"}]})
    assert (failed["error"], failed["msg"]) == ("corrupt_archive", "/proc/version changed while it was read")
    assert (Store(store).index.entries, list(Store(store).stored()), leftovers(store)) == ((), [], [])


def test_memory_does_not_depend_on_the_size_of_files(store: str, tmp_path: Path) -> None:
    (tmp_path / "large").touch()
    os.truncate(tmp_path / "large", 300_000_000)
    options = {"name": NAME, "base": "scratch", "store": store, "layers": [{"src": str(tmp_path / "large"), "dest": "/large"}]}
    assert peak_memory("image_append", options) < 64_000_000


def several(files: Path) -> list[dict[str, t.Any]]:
    """Return four images: two on a base in the store, one on the second, for two platforms and with further names, and one from nothing."""
    program, site = str(files / "program"), str(files / "site")
    both = ["linux/amd64", "linux/arm64"]
    return [
        {
            "name": "r.test/first:1",
            "base": BASE,
            "platform": both,
            "layers": [{"src": site, "dest": "/lib/site"}, {"src": program, "dest": "/lib/sub"}],
        },
        {"name": "r.test/runtime:1", "base": BASE, "platform": both, "layers": [{"src": site, "dest": "/lib"}]},
        {
            "name": "r.test/app:1",
            "base": "r.test/runtime:1",
            "platform": ["all"],
            "layers": [{"src": program, "dest": "/lib/sub/program"}, {"remove": ["/lib/sub/run"]}],
            "targets": ["r.test/app:latest", "r.test/app:stable"],
        },
        {"name": "r.test/tool:1", "base": "scratch", "layers": [{"src": program, "dest": "/tool"}], "compression": "gzip"},
    ]


def test_images_of_a_list_are_those_that_a_task_for_each_makes(tmp_path: Path, files: Path) -> None:
    one, many = str(tmp_path / "one"), str(tmp_path / "many")
    for store in (one, many):
        based(store)
    single = [modules.run("image_append", {"store": one, **entry})["images"][0] for entry in several(files)]
    rows = modules.check_do_again("image_append", {"store": many, "images": several(files)})["images"]
    assert rows == single
    for name in ("r.test/app:1", "r.test/app:latest", "r.test/app:stable", "r.test/tool:1"):
        entry = Store(many).get_entry(Reference.parse(name))
        assert str(entry.digest) in {row["digest"] for row in rows}
        assert Store(many).find_missing_blobs(entry) == []


def test_a_name_of_an_unchanged_image_that_moved_is_the_only_change(store: str, files: Path) -> None:
    based(store)
    options = {"store": store, "images": several(files)}
    digest = modules.run("image_append", options)["images"][2]["digest"]
    modules.run("image_tag", {"store": store, "name": BASE, "targets": ["r.test/app:latest"]})
    done = modules.check_do_again("image_append", options)
    assert [row["changed"] for row in done["images"]] == [False, False, True, False]
    assert len(done["actions"]) == 1
    assert done["actions"][0].startswith(f"tag r.test/app:1 ({digest[:19]}) as r.test/app:latest, in place of ")


def test_an_image_of_a_list_that_fails_stops_only_those_that_are_based_on_it(store: str, files: Path) -> None:
    based(store)
    images = several(files)
    images[1]["layers"][0]["src"] = "/nowhere/site"
    failed = modules.fail("image_append", {"store": store, "images": images})
    assert [row.get("error") for row in failed["images"]] == [None, "io_error", "io_error", None]
    assert failed["images"][2]["msg"].startswith("r.test/app:1 can't be made without its base r.test/runtime:1: ")
    assert (failed["error"], failed["changed"]) == ("io_error", True)
    assert [entry.label for entry in Store(store).index.entries] == [BASE, "r.test/first:1", "r.test/tool:1"]
    assert leftovers(store) == []


def test_a_source_of_a_list_that_changes_while_it_is_read_leaves_no_name_of_its_images(store: str, files: Path) -> None:
    based(store)
    images = several(files)
    images[1]["layers"][0] = {"src": "/proc/version", "dest": "/version"}
    failed = modules.fail("image_append", {"store": store, "images": images})
    assert [row.get("error") for row in failed["images"]] == [None, "corrupt_archive", "corrupt_archive", None]
    assert [entry.label for entry in Store(store).index.entries] == [BASE, "r.test/first:1", "r.test/tool:1"]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([("a:1", "scratch", []), ("docker.io/library/a:1", "scratch", [])], "two of the images get the name docker.io/library/a:1"),
        ([("a:1", "scratch", ["b:1"]), ("b:1", "scratch", [])], "two of the images get the name docker.io/library/b:1"),
        ([("a:1", "b:1", []), ("b:1", "scratch", [])], "docker.io/library/a:1 is based on docker.io/library/b:1, which the task makes later"),
        ([("a:1", "b:1", ["b:1"])], "docker.io/library/b:1 is the base of docker.io/library/a:1 and one of its targets"),
        ([("a:1", "a", ["a"])], "docker.io/library/a:latest is the base of docker.io/library/a:1 and one of its targets"),
        ([("a:1", "a:1", [])], "name and base are both docker.io/library/a:1"),
        ([("a:1", "scratch", ["B:1"])], "images, a:1: "),
    ],
    ids=lambda value: str(value)[:60],
)
def test_names_that_images_can_not_have_together_are_refused(store: str, images: list[tuple[str, str, list[str]]], message: str) -> None:
    entries = [{"name": name, "base": base, "targets": targets} for name, base, targets in images]
    failed = modules.fail("image_append", {"store": store, "images": entries})
    assert failed["error"] in ("invalid_option", "invalid_reference")
    assert failed["msg"].startswith(message)
    assert not Path(store).exists()


@pytest.mark.parametrize(
    "option", [{"compression": "gzip"}, {"layers": [{"remove": ["/a"]}]}, {"platform": ["all"]}, {"created": "2026-01-01T00:00:00Z"}], ids=str
)
def test_an_option_for_one_image_beside_a_list_of_images_is_refused(store: str, option: dict[str, t.Any]) -> None:
    failed = modules.fail("image_append", {"store": store, "images": [{"name": "a:1", "base": "scratch"}], **option})
    assert failed["error"] == "invalid_option"
    assert failed["msg"] == f"{next(iter(option))} is for a task with one image; with images, set {next(iter(option))} in each of them"
