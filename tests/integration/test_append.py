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
from tests.support.images import make_image, make_index, make_layer

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
]


@pytest.mark.parametrize("options", [row[1] for row in CASES], ids=[row[0] for row in CASES])
def test_check_mode_predicts_a_new_image_and_a_second_run_changes_nothing(store: str, files: Path, options: dict[str, t.Any]) -> None:
    if options["base"] == BASE:
        based(store)
    layers = [{**layer, "src": str(files / layer["src"])} for layer in options.get("layers", [])]
    done = modules.check_do_again("image_append", {"name": NAME, "store": store, **options, "layers": layers})
    entry = Store(store).get_entry(Reference.parse(NAME))
    assert str(entry.descriptor.digest) == done["images"][0]["digest"]
    assert Store(store).find_missing_blobs(entry) == []


def test_the_same_files_make_the_same_digest_whatever_their_times_and_the_umask(tmp_path: Path, files: Path) -> None:
    options = {"name": NAME, "base": "scratch", "layers": [{"src": str(files / "site"), "dest": "/srv"}]}
    first = modules.run("image_append", {**options, "store": str(tmp_path / "one")})
    for path in files.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
    old = os.umask(0o077)
    try:
        second = modules.run("image_append", {**options, "store": str(tmp_path / "two")})
    finally:
        os.umask(old)
    assert first["images"][0]["digest"] == second["images"][0]["digest"]


def test_files_belong_to_root_and_keep_their_permissions(store: str, files: Path) -> None:
    options = {"name": NAME, "base": "scratch", "store": store, "layers": [{"src": str(files / "site"), "dest": "/srv/www"}]}
    with layer_of(store, modules.run("image_append", options)) as layer:
        members = {member.name: member for member in layer}
    assert list(members) == ["srv/www", "srv/www/index.html", "srv/www/link", "srv/www/sub", "srv/www/sub/run"]
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
    ],
    ids=lambda value: str(value)[:60],
)
def test_bad_input_has_a_stable_cause_and_changes_nothing(store: str, options: dict[str, t.Any], error: str) -> None:
    based(store)
    before = modules.snapshot(store)
    assert modules.fail("image_append", {"name": NAME, "base": "scratch", "store": store, **options})["error"] == error
    assert modules.snapshot(store) == before


def test_a_tar_that_is_cut_off_is_refused_with_its_offset(store: str, tmp_path: Path) -> None:
    data = gzip.decompress(make_layer("cut", 5000))
    tar = tmp_path / "cut.tar"
    tar.write_bytes(data[:2000])
    results = modules.fail("image_append", {"name": NAME, "base": "scratch", "store": store, "layers": [{"src": str(tar)}]})
    assert results["error"] == "corrupt_archive"
    assert "at byte 2000" in results["msg"]
    assert json.dumps(results).count(str(tar)) >= 1
