# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which folders are stores, which are empty stores, and which are refused. Reading writes nothing (promises I2, I11)."""

from __future__ import annotations

import gc
import json
import os
import shutil
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import (
    ImageNotFound,
    InputOutputError,
    InvalidOption,
    LongshoreError,
    StoreDamaged,
    UnsupportedFormat,
)
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support.faults import in_child, snapshot
from tests.support.images import make_image, make_index
from tests.support.privileges import needs_root

NAME = "docker.io/library/x:1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def filled(folder: Path) -> Path:
    make_image("x").put(Store(str(folder)), NAME)
    return folder


def open_both_ways(folder: Path, error: type[LongshoreError]) -> str:
    """Check that reading and writing fail with the same message and change nothing. Return the message."""
    before = snapshot(folder.parent)
    with pytest.raises(error) as read:
        Store(str(folder)).reload()
    with pytest.raises(error) as written, Store(str(folder)).open_writer(()):
        pass
    assert snapshot(folder.parent) == before
    assert read.value.message == written.value.message
    return read.value.message


def test_a_missing_folder_is_an_empty_store_and_stays_missing(folder: Path) -> None:
    store = Store(str(folder))
    assert store.index.entries == ()
    with pytest.raises(ImageNotFound, match=str(folder)):
        store.get_entry(Reference.parse(NAME))
    assert not folder.exists()


def test_an_empty_folder_is_an_empty_store_and_stays_empty(folder: Path) -> None:
    folder.mkdir()
    assert Store(str(folder)).index.entries == ()
    assert list(folder.iterdir()) == []


def test_a_missing_and_an_empty_folder_become_stores(folder: Path) -> None:
    for path in (folder, folder.parent / "deep" / "er"):
        make_image("x").put(Store(str(path)), NAME)
        assert Store(str(path)).get_complete_entry(Reference.parse(NAME))
        assert json.loads((path / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}


def test_blobs_without_an_index_are_damage(filled: Path) -> None:
    (filled / "index.json").unlink()
    assert str(filled / "index.json") in open_both_ways(filled, StoreDamaged)


def test_blobs_without_index_and_layout_are_damage(filled: Path) -> None:
    for name in ("index.json", "oci-layout"):
        (filled / name).unlink()
    shutil.rmtree(filled / ".longshore")
    open_both_ways(filled, StoreDamaged)


def test_an_index_without_layout_file_is_damage(filled: Path) -> None:
    (filled / "oci-layout").unlink()
    assert str(filled / "oci-layout") in open_both_ways(filled, StoreDamaged)


@pytest.mark.parametrize("other_file", ["notes.txt", ".hidden", "etc/passwd", "index.json.bak"])
def test_a_folder_of_other_files_is_refused_and_left_alone(folder: Path, other_file: str) -> None:
    (folder / other_file).parent.mkdir(parents=True)
    (folder / other_file).write_text("mine")
    assert str(folder) in open_both_ways(folder, UnsupportedFormat)


def test_other_files_in_a_store_are_left_alone(filled: Path) -> None:
    (filled / "notes.txt").write_text("mine")
    (filled / "blobs" / "sha256" / "notes.txt").write_text("mine")
    make_image("y").put(Store(str(filled)), "y:1")
    assert (filled / "notes.txt").read_text() == (filled / "blobs" / "sha256" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("version", ["2.0.0", "0.9", "10.0.0", "one", ""])
def test_a_layout_of_another_major_version_is_refused(filled: Path, version: str) -> None:
    (filled / "oci-layout").write_text(json.dumps({"imageLayoutVersion": version}))
    assert str(filled / "oci-layout") in open_both_ways(filled, UnsupportedFormat)


def test_a_layout_of_another_major_version_is_refused_before_it_has_an_index(folder: Path) -> None:
    folder.mkdir()
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"2.0.0"}')
    open_both_ways(folder, UnsupportedFormat)


@pytest.mark.parametrize("data", ["", "{", "[]", "{}", '{"imageLayoutVersion":1}'])
def test_a_garbled_layout_file_is_damage(filled: Path, data: str) -> None:
    (filled / "oci-layout").write_text(data)
    assert str(filled / "oci-layout") in open_both_ways(filled, StoreDamaged)


@pytest.mark.parametrize("kind", ["folder", "link", "dangling link", "fifo"])
def test_an_index_that_is_no_regular_file_is_damage(filled: Path, kind: str) -> None:
    index = filled / "index.json"
    index.rename(filled.parent / "elsewhere.json")
    if kind == "folder":
        index.mkdir()
    elif kind == "fifo":
        os.mkfifo(index)
    else:
        index.symlink_to(filled.parent / ("elsewhere.json" if kind == "link" else "nowhere"))
    assert str(index) in open_both_ways(filled, StoreDamaged)


@pytest.mark.parametrize("data", [b"", b"{", b'{"schemaVersion":2}', b"\0" * 300])
def test_a_garbled_index_stops_the_run_and_is_never_created_again(filled: Path, data: bytes) -> None:
    (filled / "index.json").write_bytes(data)
    assert str(filled / "index.json") in open_both_ways(filled, StoreDamaged)


def test_an_index_that_cant_be_read_says_so_and_is_not_called_damaged(open_path: Path) -> None:
    needs_root()
    folder = open_path / "store"
    make_image("x").put(Store(str(folder), 0o755), NAME)
    (folder / "index.json").chmod(0)

    def as_somebody_else() -> None:
        os.setuid(65534)
        with pytest.raises(InputOutputError, match=rf"{folder}/index.json.*Permission denied"):
            Store(str(folder)).reload()

    assert in_child(as_somebody_else) == 0


@pytest.mark.parametrize("place", ["theirs", "theirs/deep/er", "their-store"])
def test_a_store_of_another_user_is_reported_before_it_is_written(open_path: Path, place: str) -> None:
    needs_root()
    (open_path / "theirs").mkdir(0o755)
    make_image("x").put(Store(str(open_path / "their-store"), 0o755), NAME)
    path = str(open_path / place)

    def as_somebody_else() -> None:
        os.setuid(65534)
        with pytest.raises(InputOutputError, match=rf"the store {path} can't be (made|written)"):
            Store(path).check_writable()

    Store(path).check_writable()
    assert in_child(as_somebody_else) == 0


def test_a_file_in_place_of_the_store_is_refused(folder: Path) -> None:
    folder.write_text("a file")
    assert str(folder) in open_both_ways(folder, UnsupportedFormat)


def test_a_file_above_the_store_is_an_error_that_names_it(folder: Path) -> None:
    folder.write_text("a file")
    with pytest.raises(LongshoreError, match=str(folder)):
        make_image("x").put(Store(str(folder / "below")), NAME)
    assert folder.read_text() == "a file"


@pytest.mark.parametrize("made", [[".longshore"], [".longshore", "oci-layout"], [".longshore", "blobs"], [".longshore", "oci-layout", "blobs"]])
def test_a_store_whose_creation_was_interrupted_is_an_empty_store(filled: Path, made: list[str]) -> None:
    shutil.rmtree(filled / "blobs")
    (filled / "blobs" / "sha256").mkdir(parents=True)
    (filled / ".longshore" / "leases" / "1-0").write_text("")
    for path in list(filled.iterdir()):
        if path.name not in made:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    store = Store(str(filled))
    assert store.index.entries == ()
    make_image("x").put(store, NAME)
    assert Store(str(filled)).get_complete_entry(Reference.parse(NAME))
    assert list((filled / ".longshore" / "leases").iterdir()) == []


@pytest.mark.parametrize("mode", [0o777, 0o702, 0o1777])
def test_a_store_that_everybody_may_write_to_is_refused(folder: Path, mode: int) -> None:
    with pytest.raises(InvalidOption, match="everybody"):
        Store(str(folder), mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
@pytest.mark.parametrize("mode", [0o700, 0o750, 0o755, 0o770])
def test_modes_follow_the_option_and_never_the_umask(tmp_path: Path, umask: int, mode: int) -> None:
    folder = tmp_path / "new" / "store"
    before = os.umask(umask)
    try:
        make_image("x").put(Store(str(folder), mode), NAME)
    finally:
        os.umask(before)
    assert folder.parent.stat().st_mode & 0o7777 == 0o755
    for path in (folder, *folder.rglob("*")):
        found = path.stat().st_mode & 0o7777
        if path.is_dir():
            assert found == mode, path
        elif path.parent.parent.name == "blobs":
            assert found == 0o444, path
        else:
            assert found == mode & 0o666, path


def test_a_folder_that_exists_keeps_its_mode(folder: Path) -> None:
    folder.mkdir(mode=0o711)
    make_image("x").put(Store(str(folder), 0o755), NAME)
    assert folder.stat().st_mode & 0o7777 == 0o711


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o2770])
@pytest.mark.parametrize("later", [0o700, 0o755])
def test_a_later_run_keeps_the_modes_of_a_store(folder: Path, mode: int, later: int) -> None:
    make_image("x").put(Store(str(folder), mode), NAME)
    before = {path: path.stat().st_mode for path in (folder, *folder.rglob("*"))}
    make_image("y").put(Store(str(folder), later), "y:1")
    with Store(str(folder), later).open_writer(()) as writer:
        writer.remove_images([Store(str(folder)).get_entry(Reference.parse("y:1"))], [])
    assert {path: path.stat().st_mode for path in before} == before
    assert {path.stat().st_mode & 0o777 for path in (folder / ".longshore").iterdir() if path.is_file()} == {mode & 0o666}


def test_the_index_of_another_tool_keeps_its_mode(filled: Path) -> None:
    shutil.rmtree(filled / ".longshore")
    (filled / "index.json").chmod(0o644)
    make_image("y").put(Store(str(filled)), "y:1")
    assert (filled / "index.json").stat().st_mode & 0o777 == 0o644
    assert (filled / ".longshore").stat().st_mode & 0o777 == 0o700


def test_reading_a_store_writes_nothing(filled: Path) -> None:
    make_index("i").sparse("linux/amd64").put(Store(str(filled)), "i:1", platforms=["linux/amd64"])
    shutil.rmtree(filled / ".longshore")
    before = snapshot(filled)
    store = Store(str(filled))
    for entry in store.index.entries:
        assert store.find_missing_blobs(entry) == []
        assert store.get_complete_entry(entry.descriptor.digest) == entry
        assert store.read_graph(entry)
        assert store.find_entries(entry.descriptor.digest)
    assert store.find_entry(make_image("x").graph.images[0].manifest.config.digest) == store.index.entries[0]
    assert snapshot(filled) == before


def open_folders(folder: Path) -> list[str]:
    """Return the open folders of a store in this process."""
    paths = [os.readlink(entry.path) for entry in os.scandir("/proc/self/fd") if os.path.lexists(entry.path)]
    return [path for path in paths if path.startswith(str(folder))]


@pytest.mark.parametrize("end", ["closed", "dropped"])
def test_a_closed_or_deleted_store_has_no_open_files(filled: Path, end: str) -> None:
    gc.collect()  # the store that filled the folder
    store = Store(str(filled))
    make_image("y").put(store, "y:1")
    assert len(open_folders(filled)) == 6
    if end == "closed":
        store.close()
    else:
        del store
        gc.collect()
    assert open_folders(filled) == []


def test_a_closed_store_opens_again(filled: Path) -> None:
    store = Store(str(filled))
    assert store.get_complete_entry(Reference.parse(NAME))
    store.close()
    shutil.rmtree(filled)
    assert store.reload().entries == ()
    make_image("y").put(store, "y:1")
    assert store.get_complete_entry(Reference.parse("y:1"))


@pytest.mark.parametrize("place", ["store", "folder/store"])
def test_a_store_behind_a_link_of_root_works_and_one_behind_a_link_of_another_user_is_refused(open_path: Path, place: str) -> None:
    """A link of root, such as /srv, is followed. A link of another user is not: he would decide in which folder root writes."""
    needs_root()
    (open_path / "disk" / "store").mkdir(parents=True)
    link = open_path / place.partition("/")[0]
    link.symlink_to("disk" if "/" in place else "disk/store")
    store = str(open_path / place)
    make_image("x").put(Store(store), NAME)
    assert Store(str(open_path / "disk" / "store")).get_complete_entry(Reference.parse(NAME))
    os.lchown(link, 4321, 4321)
    message = open_both_ways(Path(store), InputOutputError)
    assert "is a link that belongs to another user" in message


def test_a_link_in_place_of_a_blob_folder_is_refused_for_reading_too(filled: Path) -> None:
    entry = Store(str(filled)).get_entry(Reference.parse(NAME))
    (filled / "blobs" / "sha256").rename(filled.parent / "elsewhere")
    (filled / "blobs" / "sha256").symlink_to(filled.parent / "elsewhere")
    with pytest.raises(StoreDamaged, match=f"{filled}/blobs/sha256 is a link"):
        Store(str(filled)).find_missing_blobs(entry)


def test_a_private_folder_behind_a_link_is_never_read(filled: Path) -> None:
    (filled / ".longshore").rename(filled.parent / "elsewhere")
    (filled / ".longshore").symlink_to(filled.parent / "elsewhere")
    before = snapshot(filled.parent)
    with pytest.raises(StoreDamaged, match=f"{filled}/.longshore is a link"):
        Store(str(filled)).open_writer(())
    assert Store(str(filled)).get_complete_entry(Reference.parse(NAME)), "without the record the blobs are hashed again"
    assert snapshot(filled.parent) == before
