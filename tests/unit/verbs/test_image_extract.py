# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of an image appear below their folder and nowhere else, from the layers that decide about them."""

from __future__ import annotations

import errno
import gzip
import os
import tarfile
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidOption
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Platform, Selection
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.places.existing import Existing
from ansible_collections.longshore.images.plugins.module_utils.places.registry.source import RegistrySource
from ansible_collections.longshore.images.plugins.module_utils.registry.repository import Repository
from ansible_collections.longshore.images.plugins.module_utils.transfer.plan import Plan
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs.image_extract import ExtractOptions, plan_image_extract
from ansible_collections.longshore.images.plugins.module_utils.verbs.single_image import SingleImageOptions
from tests.support.faults import Event, FileEvents, fail_events, kill_at, record_events
from tests.support.images import FakeRepository, Image, make_files, make_image
from tests.support.privileges import needs_root
from tests.support.rootfs import Item, folder_of, layer, link_to, read_folder, read_tar, text_file

NAME = "r.test/image:1"
HOST = Platform.parse("linux/amd64")
LINK = tarfile.LNKTYPE
STAGING = ".longshore-files"


def image_of(*layers: bytes) -> Image:
    return make_image(layers=0, shared=[gzip.compress(data, mtime=0) for data in layers])


IMAGE = image_of(
    layer(
        Item("etc"),
        Item("etc/a", "old a"),
        Item("etc/b", "b", mode=0o4755),
        Item("etc/gone", "gone"),
        Item("opaque"),
        Item("opaque/lower", "lower"),
        Item("lib", target="usr/lib"),
        Item("usr"),
        Item("usr/lib"),
        Item("usr/lib/so", "so"),
    ),
    layer(
        Item("etc"),
        Item("etc/a", "new a", mode=0o640),
        Item("etc/.wh.gone", ""),
        Item("etc/hard", target="etc/a", kind=LINK),
        Item("opaque", mode=0o555),
        Item("opaque/.wh..wh..opq", ""),
        Item("opaque/upper", "upper"),
        Item("lib/through", "through"),
        Item("link", target="/etc/passwd"),
    ),
)
TREE = {
    "etc": folder_of(),
    "etc/a": text_file("new a", 0o640),
    "etc/b": text_file("b", 0o755),
    "etc/hard": text_file("new a", 0o640),
    "lib": link_to("usr/lib"),
    "link": link_to("/etc/passwd"),
    "opaque": folder_of(0o555),
    "opaque/upper": text_file("upper", 0o755),
    "usr": folder_of(),
    "usr/lib": folder_of(),
    "usr/lib/so": text_file("so", 0o755),
    "usr/lib/through": text_file("through", 0o755),
}


def extract(dest: Path | str, image: Image | FakeRepository = IMAGE, *paths: str, check: bool = False, **options: t.Any) -> Plan:
    repository = image if isinstance(image, FakeRepository) else FakeRepository({NAME: image})

    def find_source() -> RegistrySource:
        return RegistrySource(Reference.parse(NAME), t.cast(Repository, repository), t.cast(t.Any, None))

    with Workers(2) as workers:
        planned = plan_image_extract(
            find_source, NAME, ExtractOptions(str(dest), paths or ("/",), **options), SingleImageOptions(Selection((HOST,), explicit=False), HOST)
        )
        return planned if check else planned.apply(workers)


def succeed(*arguments: t.Any, **options: t.Any) -> Plan:
    done = extract(*arguments, **options)
    assert "failed" not in done.rows()[0], done.rows()
    return done


def error_of(plan: Plan) -> str:
    row = plan.rows()[0]
    assert row["failed"], row
    assert plan.facts()["files"] == []
    return str(row["error"])


def tree_of(folder: Path) -> dict[str, t.Any]:
    """Return what is in a folder, without the record and without owners."""
    return {path: (*entry[:2], 0, 0, entry[4]) for path, entry in read_folder(folder).items() if not path.startswith(".longshore-extract-")}


def test_the_whole_root_is_the_tree_of_the_layers_and_a_second_run_reads_no_layer(tmp_path: Path) -> None:
    predicted = extract(tmp_path / "dest", check=True)
    assert not (tmp_path / "dest").exists()

    done = succeed(tmp_path / "dest")
    again = succeed(tmp_path / "dest")

    assert tree_of(tmp_path / "dest") == TREE
    assert (tmp_path / "dest" / "etc" / "a").stat().st_ino == (tmp_path / "dest" / "etc" / "hard").stat().st_ino
    assert (predicted.actions(), predicted.diff()) == (done.actions(), done.diff())
    assert predicted.facts()["bytes_transferred"] == done.facts()["bytes_transferred"] > 0
    assert (again.changed, again.facts()["bytes_transferred"], again.diff()["before"]) == (False, 0, done.diff()["after"])
    assert [file["path"] for file in again.facts()["files"]] == [file["path"] for file in done.facts()["files"]]
    assert not (tmp_path / "dest" / ".longshore-files").exists()


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["/etc/a"], {"etc", "etc/a"}),
        (["etc/hard"], {"etc", "etc/hard"}),
        (["/etc/*"], {"etc", "etc/a", "etc/b", "etc/hard"}),
        (["/l*"], {"lib", "link"}),
        (["/usr", "/link"], {"usr", "usr/lib", "usr/lib/so", "usr/lib/through", "link"}),
        (["/*/lib/s?"], {"usr", "usr/lib", "usr/lib/so"}),
    ],
)
def test_paths_select_files_and_whole_folders(tmp_path: Path, paths: list[str], expected: set[str]) -> None:
    succeed(tmp_path, IMAGE, *paths)

    assert tree_of(tmp_path) == {path: TREE[path] for path in expected}


@pytest.mark.parametrize("path", ["/etc/gone", "/opaque/lower", "/lib/so", "/absent", "/etc/a/below", "/etc/x*"])
def test_a_path_that_is_not_in_the_image_is_not_found_and_writes_nothing(tmp_path: Path, path: str) -> None:
    done = extract(tmp_path / "dest", IMAGE, "/etc/a", path)

    assert error_of(done) == "not_found"
    assert path in done.rows()[0]["msg"]
    assert list(tmp_path.iterdir()) == []


LAZY = [
    layer(Item("a"), Item("a/low", "low"), Item("a/both", "old"), Item("b"), Item("b/x", "x")),
    layer(Item("a"), Item("a/both", "new"), Item("b"), Item("b/.wh..wh..opq", ""), Item("b/y", "y")),
    layer(Item("c"), Item("c/top", "top"), Item(".wh.d", "")),
]


@pytest.mark.parametrize(
    ("paths", "layers"),
    [
        (["/c/top"], 1),
        (["/a/both"], 2),
        (["/b/y"], 2),
        (["/b"], 2),
        (["/c/top", "/a/both"], 2),
        (["/a/low"], 3),
        (["/a"], 3),
        (["/c/*"], 3),
        (["/c"], 3),
    ],
)
def test_only_the_layers_that_decide_about_literal_paths_are_fetched(tmp_path: Path, paths: list[str], layers: int) -> None:
    done = succeed(tmp_path / "lazy", image_of(*LAZY), *paths)
    succeed(tmp_path / "whole", image_of(*LAZY))

    assert done.facts()["blobs_transferred"] == layers
    whole, lazy = tree_of(tmp_path / "whole"), tree_of(tmp_path / "lazy")
    assert lazy == {path: whole[path] for path in lazy}


def test_a_path_that_the_top_layer_deletes_needs_no_other_layer(tmp_path: Path) -> None:
    repository = FakeRepository({NAME: image_of(*LAZY)})

    assert error_of(extract(tmp_path / "dest", repository, "/d/e")) == "not_found"


@pytest.mark.parametrize(
    "top",
    [
        layer(Item("usr/lib/so", "other")),  # without its folders, so usr could be a link
        layer(Item("lib/so", "through a link")),
        layer(Item("usr"), Item("usr/lib"), Item("usr/lib/so", target="x", kind=LINK)),
    ],
    ids=["no folders", "a link", "a hard link"],
)
def test_a_layer_whose_paths_depend_on_lower_layers_decides_nothing(tmp_path: Path, top: bytes) -> None:
    base = layer(Item("x", "x"), Item("usr"), Item("usr/lib"), Item("usr/lib/so", "so"), Item("lib", target="usr/lib"))

    succeed(tmp_path / "lazy", image_of(base, top), "/usr/lib/so")
    succeed(tmp_path / "whole", image_of(base, top))

    assert tree_of(tmp_path / "lazy")["usr/lib/so"] == tree_of(tmp_path / "whole")["usr/lib/so"]


@pytest.mark.parametrize("damage", ["content", "mode", "removed", "link", "record", "folder"])
def test_a_file_that_differs_is_extracted_again(tmp_path: Path, damage: str) -> None:
    succeed(tmp_path)
    file = tmp_path / "etc" / "b"
    if damage == "content":
        file.write_bytes(b"B")
    elif damage == "mode":
        file.chmod(0o777)
    elif damage == "removed":
        file.unlink()
    elif damage == "link":
        file.unlink()
        file.symlink_to("a")
    elif damage == "folder":
        file.unlink()
        (tmp_path / "usr" / "lib" / "so").unlink()
        (tmp_path / "usr" / "lib" / "so").write_bytes(b"so")
    else:
        next(tmp_path.glob(".longshore-extract-*")).write_bytes(b"[]\n")

    done = succeed(tmp_path)

    assert done.changed
    assert tree_of(tmp_path) == TREE
    assert not succeed(tmp_path).changed


HOSTILE_RECORDS = [
    b"",
    b"\n",
    b"null\n",
    b"[" * 60000,
    b'[2, "x", 1]\n',
    b'[2, "DIGEST", 0]\n',
    b'[2, "DIGEST", 1]\n',
    b'[2, "DIGEST", 99999999999]\n',
    b'[2, "DIGEST", true]\n[]\n',
    *(
        b'[2, "DIGEST", 1]\n["%s", "file", "", 0, 0, null, null, []]\n' % path
        for path in (b"..", b"/etc/passwd", b"etc/../../x", b"", b".", b"a\\u0000", b"etc//a", b"a\\ud800")
    ),
    b'[2, "DIGEST", 1]\n["etc/a", "device", "", 0, 0, null, null, []]\n',
    b'[2, "DIGEST", 1]\n["etc/a", "file", 5, 0, 0, null, null, []]\n',
    *(
        b'[2, "DIGEST", 1]\n["etc/a", "file", "", 0, 0, null, null, %s]\n' % attributes
        for attributes in (b"null", b"[7]", b"[[]]", b'[["user.a"]]', b'[[7, "x"]]', b'[["user.a\\u0000", "x"]]', b'[["user.a", "x", "y"]]')
    ),
    b'[2, "DIGEST", 1]\n["link/x", "file", "", 0, 0, null, null, []]\n',
]


@pytest.mark.parametrize("record", HOSTILE_RECORDS)
def test_a_hostile_record_only_causes_work(tmp_path: Path, record: bytes) -> None:
    succeed(tmp_path)
    next(tmp_path.glob(".longshore-extract-*")).write_bytes(record.replace(b"DIGEST", str(IMAGE.root.digest).encode()))

    assert succeed(tmp_path).changed
    assert tree_of(tmp_path) == TREE


@pytest.mark.parametrize("existing", ["overwrite", "keep", "fail"])
def test_existing_decides_about_files_with_other_content(tmp_path: Path, existing: str) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "a").write_bytes(b"mine")
    (tmp_path / "other").write_bytes(b"other")

    done = extract(tmp_path, existing=Existing(existing))

    if existing == "fail":
        assert error_of(done) == "name_taken"
        assert sorted(tree_of(tmp_path)) == ["etc", "etc/a", "other"]
    else:
        assert (tmp_path / "etc" / "a").read_bytes() == (b"mine" if existing == "keep" else b"new a")
        assert (tmp_path / "other").read_bytes() == b"other"
        assert not succeed(tmp_path, existing=Existing(existing)).changed


def test_strip_components_shortens_paths_and_refuses_what_would_collide(tmp_path: Path) -> None:
    succeed(tmp_path / "one", IMAGE, "/usr/lib/so", strip=2)
    assert tree_of(tmp_path / "one") == {"so": TREE["usr/lib/so"]}

    same = image_of(layer(Item("a"), Item("a/x", "1"), Item("b"), Item("b/x", "2")))
    assert error_of(extract(tmp_path / "two", same, strip=1)) == "invalid_option"
    assert error_of(extract(tmp_path / "two", IMAGE, "/link", strip=1)) == "invalid_option"
    assert not (tmp_path / "two").exists()


def test_setuid_bits_are_kept_only_on_request(tmp_path: Path) -> None:
    succeed(tmp_path / "with", IMAGE, "/etc/b", preserve=["setuid"])

    assert (tmp_path / "with" / "etc" / "b").stat().st_mode & 0o7777 == 0o4755


def test_owners_are_kept_on_request_and_only_by_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = image_of(layer(Item("d", owner=7), Item("d/f", "f", owner=8), Item("d/l", target="f", owner=9)))
    owners = {"d": 7, "d/f": 8, "d/l": 9}

    succeed(tmp_path / "root.tar", image, form="tar", preserve=["owner"])
    assert {path: entry[2] for path, entry in read_tar((tmp_path / "root.tar").read_bytes()).items()} == owners
    if os.geteuid() == 0:
        succeed(tmp_path / "dest", image, preserve=["owner"])
        assert {path: entry[2] for path, entry in read_folder(tmp_path / "dest").items() if path in owners} == owners
        os.chown(tmp_path / "dest" / "d" / "f", 0, 0)
        assert extract(tmp_path / "dest", image, preserve=["owner"], check=True).changed

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(InvalidOption, match="only root"):
        extract(tmp_path / "dest", image, preserve=["owner"])


@pytest.mark.parametrize("damage", ["changed", "removed"])
def test_a_file_whose_kept_attribute_differs_is_extracted_again(tmp_path: Path, damage: str) -> None:
    needs_root()
    image = image_of(layer(Item("f", "f", xattrs=(("user.note", "from the image"),)), Item("plain", "p")))
    succeed(tmp_path, image, preserve=["xattrs"])
    assert not succeed(tmp_path, image, preserve=["xattrs"]).changed

    if damage == "changed":
        os.setxattr(tmp_path / "f", "user.note", b"other")
    else:
        os.removexattr(tmp_path / "f", "user.note")

    assert extract(tmp_path, image, preserve=["xattrs"], check=True).changed
    succeed(tmp_path, image, preserve=["xattrs"])
    assert os.getxattr(tmp_path / "f", "user.note") == b"from the image"
    os.setxattr(tmp_path / "plain", "user.other", b"that no image has")
    assert not succeed(tmp_path, image, preserve=["xattrs"]).changed


def test_an_attribute_that_the_file_system_drops_is_not_missed_by_the_next_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs_root()
    image = image_of(layer(Item("f", "f", xattrs=(("user.note", "from the image"),))))
    monkeypatch.setattr(os, "setxattr", lambda *_arguments: None)
    succeed(tmp_path, image, preserve=["xattrs"])
    assert not succeed(tmp_path, image, preserve=["xattrs"]).changed


def test_a_tar_has_the_same_tree_and_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.tar", "two.tar"):
        succeed(tmp_path / name, form="tar")

    assert {path: (*entry[:2], 0, 0, entry[4]) for path, entry in read_tar((tmp_path / "one.tar").read_bytes()).items()} == TREE
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    assert not succeed(tmp_path / "one.tar", form="tar").changed
    (tmp_path / "one.tar").write_bytes(b"other")
    assert succeed(tmp_path / "one.tar", form="tar").changed
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_an_artifact_is_refused(tmp_path: Path) -> None:
    done = extract(tmp_path / "dest", make_files([("a", b"a")]))

    assert error_of(done) == "unsupported_format"
    assert "artifact_pull" in done.rows()[0]["msg"]


FIFO, DEVICE, BLOCK = tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE
EVIL = Item("evil", "evil")
# Each may be extracted in some form or be refused, but nothing outside may change.
HOSTILE_NAMES = [
    "../outside", "../../outside", "a/../../outside", "/outside", "//outside", "./../outside", "..", "../", "a/..", "/..", "/../..", "../outside/x",
    "a/./../../outside", "\\..\\outside", "a//..//..//outside", ".", "/", "./", "a/b/../../../outside", "x" * 300, "a/" * 250 + "x",
    ".longshore-files", ".longshore-files/x", ".longshore-extract-0", "a\nb", "\x1b[2J", "a ", "-rf", "~/x", "$HOME/x",
]  # fmt: skip
LINK_TARGETS = ("..", "/", "../..", "/etc", "../outside", "l", "l/l", ".", "//", "a/../..", "../../..", "/..")
LINKED = ("../outside", "/outside", "/etc/passwd", "..", "absent", "h", "../../outside")
HOSTILE_TREES: dict[str, list[Item]] = {
    **{f"name {name[:30]!r}": [Item(name, "evil")] for name in HOSTILE_NAMES},
    **{f"link {target}": [Item("l", target=target), Item("l/x", "evil")] for target in LINK_TARGETS},
    **{f"nested link {target}": [Item("d"), Item("d/l", target=target), Item("d/l/x", "evil"), Item("d/l/outside", "evil")] for target in LINK_TARGETS},
    **{f"hard link to {target}": [Item("h", target=target, kind=LINK)] for target in LINKED},
    "a hard link to a folder": [Item("d"), Item("h", target="d", kind=LINK)],
    "a hard link to a link": [Item("l", target="../outside"), Item("h", target="l", kind=LINK), Item("h", "evil")],
    "a chain of links": [Item("a", target="."), Item("b", target="a/.."), Item("c", target="b/.."), Item("c/outside", "evil")],
    "a link replaced by a folder": [Item("l", target=".."), Item("l"), Item("l/outside", "evil")],
    "a folder replaced by a link": [Item("l"), Item("l", target=".."), Item("l/outside", "evil")],
    "a file replaced by a folder": [Item("f", "f"), Item("f"), Item("f/x", "x")],
    "a file as a folder": [Item("f", "f"), Item("f/x", "x")],
    "a whiteout of ..": [Item("d"), Item("d/.wh...", "")],
    "a whiteout of the root": [Item(".wh..", "")],
    "a circle of links": [Item("a", target="b"), Item("b", target="a"), Item("a/x", "x")],
    "an empty target": [Item("l", kind=tarfile.SYMTYPE)],
    "only a FIFO": [Item("p", kind=FIFO)],
    "only a device": [Item("p", kind=DEVICE)],
    "only a block device": [Item("p", kind=BLOCK)],
    "an unknown kind": [Item("p", kind=b"V")],
    "a device and a file": [EVIL, Item("dev"), Item("dev/null", kind=DEVICE)],
}  # fmt: skip


@pytest.mark.parametrize("form", ["folder", "tar"])
@pytest.mark.parametrize("items", HOSTILE_TREES.values(), ids=HOSTILE_TREES)
def test_hostile_trees_write_nothing_outside_and_leave_nothing_behind(tmp_path: Path, items: list[Item], form: str) -> None:
    (tmp_path / "outside").write_bytes(b"outside")
    (tmp_path / "parent").mkdir()
    dest = tmp_path / "parent" / "dest"

    done = extract(dest, image_of(layer(*items)), form=form)

    assert (tmp_path / "outside").read_bytes() == b"outside"
    assert (tmp_path / "outside").stat().st_nlink == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside", "parent"]
    left = sorted(path.name for path in (tmp_path / "parent").iterdir() if not path.name.startswith(".longshore-extract-"))
    if done.errors:
        assert not done.facts()["files"]
        assert left == []
    else:
        assert left in ([], ["dest"])
        assert not (dest / ".longshore-files").exists()


@pytest.mark.parametrize("link", ["/", "../outside", "outside"])
def test_a_link_in_place_of_a_folder_is_never_followed(tmp_path: Path, link: str) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "dest").mkdir()
    (tmp_path / "dest" / "etc").symlink_to(link)

    assert error_of(extract(tmp_path / "dest")) == "io_error"

    assert sorted(tree_of(tmp_path / "dest")) == ["etc"]
    assert list((tmp_path / "outside").iterdir()) == []


KILLED = image_of(layer(Item("d"), Item("d/a", "new a"), Item("e"), Item("e/b", "new b"), Item("l", target="d")))


def _prepare(folder: Path) -> None:
    (folder / "d").mkdir()
    (folder / "d" / "a").write_bytes(b"old a")


def _check_killed(folder: Path) -> None:
    files = {path: entry[4] for path, entry in tree_of(folder).items() if entry[0] == "f" and not path.startswith(".longshore-files")}
    assert files.pop("d/a") in (text_file("old a")[4], text_file("new a")[4])
    assert set(files.items()) <= {("e/b", text_file("new b")[4])}


def test_a_run_that_is_killed_at_any_step_leaves_old_or_new_files(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    _prepare(whole)
    events = record_events(whole, lambda: extract(whole, KILLED))
    assert len(events) > 10

    for event in events:
        folder = tmp_path / str(event.number)
        folder.mkdir()
        _prepare(folder)
        kill_at(event.number, folder, lambda folder=folder: extract(folder, KILLED))  # type: ignore[misc]
        _check_killed(folder)

        assert not extract(folder, KILLED).errors, event
        # A run that has nothing to write deletes no empty staging folder.
        assert {**tree_of(folder), STAGING: None} == {**tree_of(whole), STAGING: None}, event
        assert not succeed(folder, KILLED).changed


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails_at_any_step_is_reported_and_leaves_old_or_new_files(tmp_path: Path, code: int) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    _prepare(whole)
    events = [event for event in record_events(whole, lambda: extract(whole, KILLED)) if event.call in ("open", "write", "mkdir", "fsync", "rename")]

    for start in events:
        folder = tmp_path / str(start.number)
        folder.mkdir()
        _prepare(folder)

        def is_start(event: Event, number: int = start.number) -> bool:
            return event.number == number

        with FileEvents(folder, fail_events(code, is_start)).watched():
            errors = extract(folder, KILLED).errors
        _check_killed(folder)
        assert [error.cause for error in errors] in ([], ["disk_full" if code == errno.ENOSPC else "io_error"]), start

        assert not extract(folder, KILLED).errors, start
        assert {**tree_of(folder), STAGING: None} == {**tree_of(whole), STAGING: None}, start
