# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An open folder stays the same folder when another one replaces its path, and no name leads out of it."""

from __future__ import annotations

import contextlib
import os
import pathlib

import pytest

from ansible_collections.longshore.images.plugins.module_utils import folders
from ansible_collections.longshore.images.plugins.module_utils.errors import InputOutputError
from ansible_collections.longshore.images.plugins.module_utils.folders import MAX_DEPTH, Folder, make_path, open_parent, open_path
from tests.support.faults import in_child
from tests.support.privileges import needs_root

OTHER_USER = 54321


def is_same(folder: Folder, path: pathlib.Path) -> bool:
    return os.path.samestat(folder.own_status(), os.stat(path))


def test_a_path_through_links_of_the_running_user_opens(tmp_path: pathlib.Path) -> None:
    (tmp_path / "real" / "inner").mkdir(parents=True)
    (tmp_path / "relative").symlink_to("real/../real")
    (tmp_path / "absolute").symlink_to(tmp_path / "relative")
    with open_path(str(tmp_path / "absolute" / "inner")) as folder:
        assert is_same(folder, tmp_path / "real" / "inner")
        assert folder.path == str(tmp_path / "absolute" / "inner")


@pytest.mark.parametrize("path", ["link", "link/inner"])
def test_a_link_of_another_user_is_refused_anywhere_on_the_path(tmp_path: pathlib.Path, path: str) -> None:
    needs_root()
    (tmp_path / "real" / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    os.lchown(tmp_path / "link", OTHER_USER, OTHER_USER)
    with pytest.raises(InputOutputError, match="link is a link that belongs to another user"):
        open_path(str(tmp_path / path))


def test_links_in_a_circle_end(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="Too many levels"):
        open_path(str(tmp_path / "a"))


def test_an_open_folder_stays_itself_when_a_link_takes_its_place(tmp_path: pathlib.Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "file").touch()
    with open_path(str(tmp_path / "folder")) as folder:
        (tmp_path / "folder").rename(tmp_path / "moved")
        (tmp_path / "folder").symlink_to("victim")
        os.close(folder.create_file("new"))
        folder.unlink("file")
        folder.remove_tree("file")
    assert sorted(os.listdir(tmp_path / "moved")) == ["new"]
    assert os.listdir(tmp_path / "victim") == ["file"]


def test_links_inside_are_neither_opened_nor_followed_by_removal(tmp_path: pathlib.Path) -> None:
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "file").touch()
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    for place in (tmp_path / "folder", tmp_path / "folder" / "deep"):
        (place / "link").symlink_to(tmp_path / "victim")
        (place / "file").symlink_to(tmp_path / "victim" / "file")
    with open_path(str(tmp_path / "folder")) as folder:
        with pytest.raises(NotADirectoryError):
            folder.open_folder("link")
        with pytest.raises(NotADirectoryError):
            folder.make_folder("link", 0o700)
        with pytest.raises(InputOutputError, match="not a regular file"):
            folder.open_file("file")
        with pytest.raises(FileExistsError):
            folder.create_file("file")
        for name in folder.list_names():
            folder.remove_tree(name)
        assert folder.list_names() == []
    assert os.listdir(tmp_path / "victim") == ["file"]


def test_a_fifo_is_refused_without_waiting(tmp_path: pathlib.Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with open_path(str(tmp_path)) as folder:
        for flags in (os.O_RDONLY, os.O_WRONLY):
            with pytest.raises(InputOutputError, match="not a regular file"):
                folder.open_file("fifo", flags)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc"])
def test_only_single_names_are_accepted(tmp_path: pathlib.Path, name: str) -> None:
    with open_path(str(tmp_path)) as folder, pytest.raises(ValueError, match="not the name of an entry"):
        folder.unlink(name)


def test_made_folders_get_their_modes_whatever_the_umask(tmp_path: pathlib.Path) -> None:
    before = os.umask(0o077)
    try:
        make_path(str(tmp_path / "a" / "b"), 0o2770).close()
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "a" / "b").stat().st_mode & 0o7777 == 0o2770


def test_an_existing_folder_keeps_its_mode(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a").mkdir(mode=0o700)
    make_path(str(tmp_path / "a"), 0o755).close()
    assert (tmp_path / "a").stat().st_mode & 0o7777 == 0o700


# The folder of an entry.


@pytest.mark.parametrize(("path", "folder", "name"), [("real/new", "real", "new"), ("to-new", "real", "new"), ("up/x", "", "x")])
def test_the_folder_of_an_entry_is_where_trusted_links_lead(tmp_path: pathlib.Path, path: str, folder: str, name: str) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "to-new").symlink_to("real/new")
    (tmp_path / "up").symlink_to("real/..")
    opened, found = open_parent(str(tmp_path / path))
    with opened:
        assert is_same(opened, tmp_path / folder)
        assert found == name
        with opened.reopen_for_listing() as reopen_for_listing:
            assert reopen_for_listing.list_names() == os.listdir(tmp_path / folder)


@pytest.mark.parametrize("target", ["..", ".", "/"])
def test_a_folder_without_a_name_on_the_way_is_opened_itself(tmp_path: pathlib.Path, target: str) -> None:
    (tmp_path / "link").symlink_to(target)
    opened, name = open_parent(str(tmp_path / "link"))
    with opened:
        assert is_same(opened, (tmp_path / target).resolve())
        assert name == ""


def test_a_link_of_another_user_is_refused_as_the_entry_itself(tmp_path: pathlib.Path) -> None:
    needs_root()
    (tmp_path / "link").symlink_to("/etc/passwd")
    os.lchown(tmp_path / "link", OTHER_USER, OTHER_USER)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(InputOutputError, match="link is a link that belongs to another user"):
        open_parent(str(tmp_path / "link"))
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_folder_of_a_deeper_entry_is_found_without_following_links(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "link").symlink_to("b")
    with open_path(str(tmp_path)) as top:
        with top.parent_of("a/b/file") as (folder, name):
            assert is_same(folder, tmp_path / "a" / "b")
            assert name == "file"
        with pytest.raises(NotADirectoryError), top.parent_of("a/link/file"):
            pass
        with pytest.raises(ValueError, match="not the name of an entry"), top.parent_of("a/../../x"):
            pass


def test_a_walk_yields_links_and_never_follows_them(tmp_path: pathlib.Path) -> None:
    (tmp_path / "top" / "a").mkdir(parents=True)
    (tmp_path / "top" / "a" / "file").touch()
    (tmp_path / "top" / "out").symlink_to(tmp_path)
    with open_path(str(tmp_path / "top")) as top:
        assert sorted(os.path.relpath(folder.path_of(name), top.path) for folder, name, _status in top.walk()) == ["a", "a/file", "out"]


def test_a_walk_ends_at_folders_that_are_nested_too_deep(tmp_path: pathlib.Path) -> None:
    with contextlib.ExitStack() as stack:
        top = folder = stack.enter_context(open_path(str(tmp_path)))
        for _level in range(MAX_DEPTH + 1):
            folder = stack.enter_context(folder.make_folder("d", 0o700))
        with pytest.raises(InputOutputError, match=f"more than {MAX_DEPTH} folders above it"):
            list(top.walk())


def test_a_folder_of_another_user_is_not_emptied_where_an_owner_is_given(tmp_path: pathlib.Path) -> None:
    needs_root()
    for name in ("own", "foreign", "empty"):
        (tmp_path / name).mkdir()
    for name in ("own", "foreign"):
        (tmp_path / name / "file").touch()
    for name in ("foreign", "empty"):
        os.chown(tmp_path / name, OTHER_USER, OTHER_USER)
    with open_path(str(tmp_path)) as folder:
        folder.remove_tree("own", 0)
        folder.remove_tree("empty", 0)
        with pytest.raises(PermissionError, match="belongs to another user"):
            folder.remove_tree("foreign", 0)
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == ["foreign", "foreign/file"]


def test_a_tree_without_end_is_given_up(tmp_path: pathlib.Path) -> None:
    with open_path(str(tmp_path)) as folder:
        deep = folder
        for _level in range(300):
            deep = deep.make_folder("down", 0o700)
        os.close(deep.create_file("file"))
        with pytest.raises(OSError, match="nested too deeply"):
            folder.remove_tree("down")
        assert list(folder.file_statuses()) == []
        while not deep.path.endswith(str(tmp_path)):
            deep = open_path(os.path.dirname(deep.path))
            deep.remove_tree("down")


def test_a_folder_put_in_place_of_the_one_just_made_keeps_its_owner_and_mode(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs_root()
    (tmp_path / "shared").mkdir()
    os.chown(tmp_path / "shared", OTHER_USER, OTHER_USER)
    secret = tmp_path / "shared" / "secret"
    secret.mkdir(0o700)
    (secret / "file").touch()
    make = os.mkdir

    def make_and_exchange(name: str, mode: int, *, dir_fd: int) -> None:
        make(name, mode, dir_fd=dir_fd)
        os.rmdir(name, dir_fd=dir_fd)
        secret.rename(tmp_path / "shared" / name)

    monkeypatch.setattr(os, "mkdir", make_and_exchange)
    with open_path(str(tmp_path / "shared")) as folder, folder.make_folder("new", 0o777, folder.own_status()) as new:
        assert (new.own_status().st_uid, new.own_status().st_mode & 0o777) == (0, 0o700)


def test_a_file_whose_mode_cant_be_set_does_not_stay(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*unused: object) -> None:
        raise OSError("no modes here")

    monkeypatch.setattr(os, "fchmod", fail)
    with open_path(str(tmp_path)) as folder, pytest.raises(OSError, match="no modes here"):
        folder.create_file("file")
    assert os.listdir(tmp_path) == []


def test_a_member_who_cant_give_files_away_still_gives_them_to_the_group(open_path: pathlib.Path) -> None:
    needs_root()
    (open_path / "shared").mkdir()
    os.chown(open_path / "shared", 0, OTHER_USER)
    (open_path / "shared").chmod(0o770)

    def make_as_a_member() -> None:
        os.setgroups([OTHER_USER])
        os.setgid(OTHER_USER + 1)
        os.setuid(OTHER_USER + 1)
        with folders.open_path(str(open_path / "shared")) as shared:
            shared.make_folder("new", 0o770, shared.own_status()).close()

    assert in_child(make_as_a_member) == 0
    status = (open_path / "shared" / "new").stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (OTHER_USER + 1, OTHER_USER, 0o770)


def test_a_folder_that_is_let_go_of_is_closed(tmp_path: pathlib.Path) -> None:
    folder = open_path(str(tmp_path))
    descriptor = folder.descriptor
    del folder
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
