# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers on top of a base image: its folders keep their metadata, its links are followed, and nothing disappears that wasn't listed."""

from __future__ import annotations

import io
import os
import tarfile
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.archive.image_tree import FileNode, FolderNode, ImageTree, LinkNode
from ansible_collections.longshore.images.plugins.module_utils.archive.layer import measure_layer, read_layer
from ansible_collections.longshore.images.plugins.module_utils.archive.layer_source import LayerSource, OwnerRule
from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidOption, UnsupportedFormat
from tests.support.rootfs import Item, layer

BASE = (
    Item("usr"),
    Item("usr/lib"),
    Item("usr/lib/libc.so", "libc"),
    Item("lib", target="usr/lib"),
    Item("tmp", mode=0o1777),
    Item("home"),
    Item("home/app", mode=0o750, owner=1000),
    Item("etc"),
    Item("etc/passwd", "root"),
    Item("etc/mtab", target="/proc/mounts"),
    Item("var"),
    Item("var/run", target="/run"),
    Item("loop", target="loop"),
)


def tree(*layers: t.Sequence[Item]) -> ImageTree:
    made = ImageTree()
    for number, items in enumerate(layers):
        made.apply_layer(read_layer([layer(*items)], None, f"layer {number}"), f"layer {number}")
    return made


def added(base: ImageTree, path: Path | None, destination: str | None = "/", **options: t.Any) -> dict[str, tarfile.TarInfo]:
    """Return the members that a layer adds to BASE."""
    source = LayerSource(str(path) if path is not None else None, destination, options.pop("mode", None), 0, 0, None, **options)
    data = b"".join(measure_layer(source, base).open())
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        names = archive.getnames()
        assert len(names) == len(set(names))
        return {info.name: info for info in archive}


def owners(info: tarfile.TarInfo) -> tuple[int, int, int]:
    return info.mode, info.uid, info.gid


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("new")
    path.chmod(0o644)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "folder"
    (path / "sub").mkdir(parents=True)
    (path / "sub" / "x").write_text("x")
    for inner in (path, path / "sub"):
        inner.chmod(0o700)
    return path


# Trees of several layers.


def test_a_tree_follows_links_deletes_by_whiteouts_and_ignores_the_order_in_a_layer() -> None:
    made = tree(
        BASE,
        (Item("lib/new", "x"), Item("etc/.wh.passwd", ""), Item("home/app/kept", "y"), Item("home/app/.wh..wh..opq", ""), Item("var/run/pid", "1")),
    )
    assert isinstance(made.find(("usr", "lib", "new")), FileNode)
    assert made.find(("etc", "passwd")) is None
    assert isinstance(made.find(("home", "app", "kept")), FileNode)
    assert isinstance(made.find(("run", "pid")), FileNode)
    assert made.find(("lib",)) == LinkNode("usr/lib")


def paths(node: FolderNode, above: str = "") -> set[str]:
    found = set()
    for name, child in node.children.items():
        found |= {above + name} | (paths(child, f"{above}{name}/") if isinstance(child, FolderNode) else set())
    return found


OPAQUE, A_LINK_TO_ITS_FOLDER = ".wh..wh..opq", (Item("a/old", "x"), Item("a/self", target="."))


@pytest.mark.parametrize(
    ("lower", "upper", "expected"),
    [
        # An opaque whiteout through a link to the link's own folder deletes the link, too, but only for what comes after it.
        (A_LINK_TO_ITS_FOLDER, (Item("a/self/new", "x"), Item(f"a/self/{OPAQUE}", "")), {"a", "a/new"}),
        (A_LINK_TO_ITS_FOLDER, (Item(f"a/self/{OPAQUE}", ""), Item("a/self/new", "x")), {"a", "a/self", "a/self/new"}),
        (A_LINK_TO_ITS_FOLDER, (Item("a/.wh.self", ""), Item("a/self/new", "x")), {"a", "a/old", "a/self", "a/self/new"}),
        (A_LINK_TO_ITS_FOLDER, (Item("a/self/new", "x"), Item("a/.wh.self", "")), {"a", "a/old", "a/new"}),
        # Links of the layer itself count, too.
        ((Item("a/old", "x"),), (Item("b", target="a"), Item(f"b/{OPAQUE}", "")), {"a", "b"}),
        ((Item("a/old", "x"),), (Item(f"b/{OPAQUE}", ""), Item("b", target="a")), {"a", "a/old", "b"}),
        # What the layer added stays, with the folders above it; lower content beside it goes.
        ((Item("a/b/old", "x"), Item("a/c", "x")), (Item("a/b/new", "x"), Item(".wh.a", "")), {"a", "a/b", "a/b/new"}),
        ((Item("a/b/old", "x"), Item("a/c", "x")), (Item("a/b/new", "x"), Item(OPAQUE, "")), {"a", "a/b", "a/b/new"}),
        ((Item("a/b/old", "x"),), (Item(".wh.a", ""), Item("a/b/new", "x")), {"a", "a/b", "a/b/new"}),
        ((Item("a/old", "x"), Item("b", "x")), (Item("b/.wh.x", ""), Item("c/.wh.x", ""), Item(f"b/{OPAQUE}", "")), {"a", "a/old", "b"}),
    ],
)
def test_whiteouts_delete_what_umoci_deletes(lower: t.Sequence[Item], upper: t.Sequence[Item], expected: set[str]) -> None:
    assert paths(tree(lower, upper).root) == expected


def test_a_whiteout_through_a_circle_of_links_is_refused_as_umoci_refuses_it() -> None:
    with pytest.raises(UnsupportedFormat, match="layer 1 can't be unpacked"):
        tree((Item("a", target="a"),), (Item("a/.wh.x", ""),))


def test_very_many_opaque_whiteouts_cost_seconds() -> None:
    deep = "/".join("d" * 200)
    files = [Item(f"{deep}/{number}", "x") for number in range(2000)]
    whiteouts = [Item("/".join([*"d" * depth, OPAQUE]), "") for depth in range(200, 0, -1)] * 5
    start = time.process_time()
    assert len(paths(tree(BASE, [*files, *whiteouts]).root)) > 2000
    assert time.process_time() - start < 10


def test_a_folder_in_place_of_a_link_hides_the_link_as_engines_do() -> None:
    assert isinstance(tree(BASE, (Item("lib"),)).find(("lib",)), FolderNode)


@pytest.mark.parametrize("name", ["etc/passwd/x", "loop/x"])
def test_a_layer_that_no_engine_unpacks_is_named(name: str) -> None:
    with pytest.raises(UnsupportedFormat, match="layer 1 can't be unpacked"):
        tree(BASE, (Item(name, "x"),))


@pytest.mark.parametrize(
    ("path", "real"),
    [("lib/x", "usr/lib/x"), ("var/run/x/y", "run/x/y"), ("tmp/../../x", "x"), ("lib/../x", "usr/x"), ("new/deep", "new/deep"), ("", "")],
)
def test_links_are_followed_within_the_image(path: str, real: str) -> None:
    assert "/".join(tree(BASE).resolve([part for part in path.split("/") if part])) == real


def test_too_large_a_tree_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "ansible_collections.longshore.images.plugins.module_utils.archive.image_tree"
    for limit in ("MAX_TREE_ENTRIES", "MAX_TREE_TEXT"):
        with monkeypatch.context() as patch:
            patch.setattr(f"{module}.{limit}", 5)
            with pytest.raises(UnsupportedFormat, match="the base image has more than"):
                tree(BASE)


def test_links_that_cost_too_much_time_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.longshore.images.plugins.module_utils.archive.image_tree.MAX_TREE_FOLLOWED", 100)
    with pytest.raises(UnsupportedFormat, match="the links of the base image lead through more than 100 names"):
        tree(BASE, [Item(f"lib/{number}", "x") for number in range(60)])


# Where new files go.


def test_folders_of_the_base_keep_their_permissions_and_owners(folder: Path, file: Path) -> None:
    assert owners(added(tree(BASE), folder, "/tmp")["tmp"]) == (0o1777, 0, 0)
    found = added(tree(BASE), file, "/home/app/")
    assert {name: owners(info) for name, info in found.items()} == {
        "home": (0o755, 0, 0),
        "home/app": (0o750, 1000, 1000),
        "home/app/file": (0o644, 0, 0),
    }
    assert found["home"].mtime == 1_000_000


def test_extended_attributes_and_fractions_of_times_of_a_folder_stay(file: Path) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("srv")
        info.type, info.mode, info.pax_headers = tarfile.DIRTYPE, 0o755, {"SCHILY.xattr.user.a": "b", "mtime": "12.5"}
        tar.addfile(info)
    made = ImageTree()
    made.apply_layer(read_layer([data.getvalue()], None, "base"), "base")
    records = added(made, file, "/srv/")["srv"].pax_headers
    assert records == {"SCHILY.xattr.user.a": "b", "mtime": "12.5"}


def test_links_of_the_base_are_followed_and_stay(folder: Path, file: Path) -> None:
    assert list(added(tree(BASE), file, "/lib/")) == ["usr", "usr/lib", "usr/lib/file"]
    assert list(added(tree(BASE), folder, "/lib")) == ["usr", "usr/lib", "usr/lib/sub", "usr/lib/sub/x"]
    (folder / "lib").mkdir()
    (folder / "lib" / "y").write_text("y")
    assert "usr/lib/y" in added(tree(BASE), folder)
    assert list(added(tree(BASE), file, "/var/run/")) == ["run", "run/file"]


def test_a_file_replaces_a_file_or_a_link_to_one(file: Path) -> None:
    for destination in ("/etc/passwd", "/etc/mtab"):
        assert added(tree(BASE), file, destination)[destination[1:]].isreg()


@pytest.mark.parametrize("destination", ["/tmp", "/lib", "/etc/passwd/x", "/etc/passwd/", "/loop/x"])
def test_a_file_never_replaces_a_folder_nor_lies_below_a_file(file: Path, destination: str) -> None:
    with pytest.raises(InvalidOption, match=r"is a folder in the image|is a file in the image|links in the image"):
        added(tree(BASE), file, destination)


def test_a_folder_of_the_source_never_replaces_a_file(folder: Path) -> None:
    (folder / "etc" / "passwd").mkdir(parents=True)
    with pytest.raises(InvalidOption, match="/etc/passwd is a file in the image, and nothing can be put below it"):
        added(tree(BASE), folder)


def test_a_link_of_the_source_never_replaces_a_folder(folder: Path) -> None:
    (folder / "tmp").symlink_to("/var/tmp")
    with pytest.raises(InvalidOption, match="/tmp, which is a folder in the image"):
        added(tree(BASE), folder)


def test_two_files_for_one_path_are_refused(folder: Path) -> None:
    for name in ("lib", "usr/lib"):
        (folder / name).mkdir(parents=True)
        (folder / name / "same").write_text(name)
    with pytest.raises(InvalidOption, match="would both be /usr/lib/same"):
        added(tree(BASE), folder)


def test_a_later_layer_knows_what_an_earlier_one_added(folder: Path, file: Path) -> None:
    base = tree(BASE)
    added(base, folder, "/srv/app", rules=(OwnerRule("/srv/app", 7, 8, 0o2770),))
    assert owners(added(base, file, "/srv/app/")["srv/app"]) == (0o2770, 7, 8)


# Hard links.


def test_hard_links_stay_hard_links_unless_their_owners_differ(folder: Path) -> None:
    (folder / "a").write_bytes(b"x" * 1000)
    os.link(folder / "a", folder / "sub" / "b")
    found = added(tree(), folder, "/app")
    assert (found["app/a"].size, found["app/sub/b"].islnk(), found["app/sub/b"].linkname) == (1000, True, "app/a")
    found = added(tree(), folder, "/app", rules=(OwnerRule("/app/sub/b", 5),))
    assert (found["app/sub/b"].size, found["app/sub/b"].uid) == (1000, 5)


# Deleting.


def test_a_path_is_deleted_by_a_whiteout_beside_it(file: Path) -> None:
    found = added(tree(BASE), None, remove=("/etc/passwd", "lib/libc.so", "/home/app/", "/var/run"))
    assert [name for name in found if ".wh." in name] == ["etc/.wh.passwd", "usr/lib/.wh.libc.so", "home/.wh.app", "var/.wh.run"]
    assert owners(found["home"]) == (0o755, 0, 0)


def test_what_is_added_again_needs_no_whiteout_or_an_opaque_one(folder: Path, file: Path) -> None:
    assert list(added(tree(BASE), file, "/etc/passwd", remove=("/etc/passwd",))) == ["etc", "etc/passwd"]
    assert list(added(tree(BASE), folder, "/home/app", remove=("/home/app",))) == [
        "home",
        "home/app",
        "home/app/.wh..wh..opq",
        "home/app/sub",
        "home/app/sub/x",
    ]
    assert list(added(tree(BASE), file, "/home/app", remove=("/home/app",))) == ["home", "home/app"]
    assert "etc/passwd/.wh..wh..opq" not in added(tree(BASE), folder, "/etc/passwd", remove=("/etc/passwd",))


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/etc/shadow", "remove: /etc/shadow is not in the image"),
        ("/etc/passwd/x", "is a file in the image"),
        ("/", "can't lose its root"),
        ("", "can't lose its root"),
        ("/a/../..", "leads out of the image"),
        ("/etc/.wh.passwd", "mean that a file is deleted"),
    ],
)
def test_a_path_that_cannot_be_deleted_is_named(path: str, reason: str) -> None:
    with pytest.raises(InvalidOption, match=reason):
        added(tree(BASE), None, remove=(path,))


def test_a_path_is_deleted_once(folder: Path) -> None:
    with pytest.raises(InvalidOption, match="/home/app/x is not in the image"):
        added(tree(BASE, (Item("home/app/x", "x"),)), None, remove=("/home/app", "/home/app/x"))
    assert len([name for name in added(tree(BASE), None, remove=("/tmp", "tmp/")) if ".wh." in name]) == 1


def test_a_deleted_folder_leaves_nothing_of_itself_in_the_layer(folder: Path, file: Path) -> None:
    base = (*BASE, Item("home/app/x", "x"), Item("homes"), Item("homes/y", "y"))
    remove = ("/home/app/x", "/homes/y", "/home/app", "/home")
    assert list(added(tree(base), None, remove=remove)) == ["homes", "homes/.wh.y", ".wh.home"]
    # The link /lib goes, and its folder stays.
    assert list(added(tree(base), None, remove=("/lib/libc.so", "/lib"))) == ["usr", "usr/lib", "usr/lib/.wh.libc.so", ".wh.lib"]

    assert list(added(tree(base), file, "/home", remove=remove)) == ["homes", "homes/.wh.y", "home"]
    again = added(tree(base), folder, "/home/app", remove=remove)
    assert list(again) == ["homes", "homes/.wh.y", "home", "home/.wh..wh..opq", "home/app", "home/app/sub", "home/app/sub/x"]
    assert owners(again["home"]) == (0o755, 0, 0)


# Rules, and files that are left out.


def test_the_last_rule_that_matches_decides_as_a_whole(folder: Path) -> None:
    rules = (OwnerRule("/app/*", 1, 2, 0o500), OwnerRule("/app/sub", 3), OwnerRule("/app/*/x", mode=0o6755), OwnerRule("/app", 9, 9))
    found = {name: owners(info) for name, info in added(tree(), folder, "/app", mode=0o640, rules=rules).items()}
    assert found == {"app": (0o700, 9, 9), "app/sub": (0o700, 3, 0), "app/sub/x": (0o6755, 0, 0)}


@pytest.mark.parametrize("number", [-1, 2**32 - 1, 2**32])
def test_owners_that_no_system_has_are_refused(number: int) -> None:
    for make in (lambda: OwnerRule("/x", number), lambda: OwnerRule("/x", None, number), lambda: LayerSource("/x", None, None, number, 0, None)):
        with pytest.raises(InvalidOption, match="is not a user or group ID"):
            make()


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        (["sub"], {"a.pyc", "b.txt", ".git/c"}),
        (["*.pyc"], {"b.txt", ".git/c", "sub/x", "sub/y.pyc", "sub/deep/z.txt"}),
        (["**/*.pyc", "**/.git"], {"b.txt", "sub/x", "sub/deep/z.txt"}),
        (["**", "!b.txt"], {"b.txt"}),
        (["sub", "!sub/deep/*.txt"], {"a.pyc", "b.txt", ".git/c", "sub/deep/z.txt"}),
        (["/sub/deep/", "?.txt", "[a-c].pyc"], {".git/c", "sub/x", "sub/y.pyc"}),
        (["sub/**/z.txt", ".g*"], {"a.pyc", "b.txt", "sub/x", "sub/y.pyc"}),
    ],
)
def test_patterns_leave_files_out_as_in_dockerignore(tmp_path: Path, patterns: list[str], left: set[str]) -> None:
    folder = tmp_path / "src"
    for name in ("a.pyc", "b.txt", ".git/c", "sub/x", "sub/y.pyc", "sub/deep/z.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    found = added(tree(), folder, exclude=tuple(patterns))
    assert {name for name, info in found.items() if not info.isdir()} == left
    assert {name for name, info in found.items() if info.isdir()} >= {str(Path(name).parent) for name in left} - {"."}


@pytest.mark.parametrize("pattern", ["", " ", "!", "/", "../x", "[z-a]"])
def test_what_is_no_pattern_is_refused(folder: Path, pattern: str) -> None:
    with pytest.raises(InvalidOption, match="exclude"):
        added(tree(), folder, exclude=(pattern,))
