# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers made from files: the same files give the same bytes, and Python's tarfile reads them."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import socket
import tarfile
import types
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.longshore.images.plugins.module_utils.archive import layer_members
from ansible_collections.longshore.images.plugins.module_utils.archive.image_tree import ImageTree
from ansible_collections.longshore.images.plugins.module_utils.archive.layer import measure, measure_layer, plan_layer
from ansible_collections.longshore.images.plugins.module_utils.archive.layer_source import LayerSource
from ansible_collections.longshore.images.plugins.module_utils.archive.metadata import Metadata
from ansible_collections.longshore.images.plugins.module_utils.archive.tar import checked_tar
from ansible_collections.longshore.images.plugins.module_utils.errors import (
    CorruptArchive,
    InputOutputError,
    InvalidOption,
    LongshoreError,
    UnsupportedFormat,
)
from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest


def source(path: Path | str, destination: str | None = "/opt/app", **changes: Any) -> LayerSource:
    options: dict[str, Any] = {"mode": None, "owner": 0, "group": 0, "compression": None, "modified": 0, **changes}
    return LayerSource(os.fspath(path), destination, **options)


def made(path: Path | str, destination: str | None = "/opt/app", **changes: Any) -> bytes:
    """The layer's bytes, which are what its descriptor promises."""
    layer = measure_layer(source(path, destination, **changes))
    data = b"".join(layer.open())
    assert (Digest.of(data), len(data)) == (layer.descriptor.digest, layer.descriptor.size)
    plain = gzip.decompress(data) if layer.descriptor.media_type == media_types.OCI_LAYER_GZIP else data
    assert Digest.of(plain) == layer.diff_id
    assert b"".join(checked_tar([plain], "layer")) == plain
    return data


def tree_of(file: str, folders: list[str]) -> ImageTree:
    """Return an image with one file and some folders."""
    tree = ImageTree()
    for folder in folders:
        tree.add_folder(folder.split("/"), Metadata(0o755))
    tree.add_file(file.split("/"))
    return tree


def members(data: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as archive:
        return {info.name: info for info in archive}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with a bit of everything."""
    folder = tmp_path / "tree"
    for name, content in {"b": b"bee", "a/x": b"", "a/b.txt": b"text", "a-c": b"dash", "Z": b"x" * 1500}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o644)
    for path in (folder, folder / "a"):
        path.chmod(0o755)
    (folder / "link").symlink_to("../outside")
    return folder


def test_a_folder_comes_before_what_is_in_it_and_names_are_sorted(tree: Path) -> None:
    found = members(made(tree))
    assert list(found) == ["opt", *(f"opt/app{name}" for name in ("", "/Z", "/a", "/a/b.txt", "/a/x", "/a-c", "/b", "/link"))]
    assert (found["opt/app/Z"].size, found["opt/app/link"].linkname, found["opt/app/a"].isdir()) == (1500, "../outside", True)


def test_the_same_files_always_give_the_same_digest(tree: Path) -> None:
    """The digest is written down: a change to it, in our code or from one Python to the next, makes every user's images anew."""
    assert hashlib.sha256(made(tree)).hexdigest() == "fbdf1d3e76cab4810dce998d3f3da97d1f40a84381626b76d79e1e4bf267abc8"


def test_times_listing_order_and_umask_change_nothing(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = made(tree)
    for path in tree.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
    listed = os.listdir
    monkeypatch.setattr(os, "listdir", lambda folder: sorted(listed(folder), reverse=True))
    umask = os.umask(0o077)
    try:
        assert made(tree) == before
    finally:
        os.umask(umask)


def test_times_owners_and_modes_are_those_asked_for(tree: Path) -> None:
    found = members(made(tree, "/app", mode=0o600, owner=1000, group=1001, modified=1234567890))
    assert {(info.uid, info.gid, info.uname, info.gname, info.mtime) for info in found.values()} == {(1000, 1001, "", "", 1234567890)}
    assert {info.mode for info in found.values() if info.isreg()} == {0o600}
    assert {info.mode for info in found.values() if info.isdir()} == {0o755}


def test_numbers_beyond_octal_are_kept(tree: Path) -> None:
    found = members(made(tree, owner=2**32 - 2, modified=2**33 + 5))
    assert (found["opt/app/b"].uid, found["opt/app/b"].mtime) == (2**32 - 2, 2**33 + 5)


def test_gzip_contains_the_same_tar_without_name_and_time(tree: Path) -> None:
    data = made(tree, compression="gzip")
    assert gzip.decompress(data) == made(tree)
    assert data[3:8] == bytes(5)
    assert made(tree, compression="gzip") == data


@pytest.mark.parametrize(
    ("destination", "name"),
    [
        ("/usr/bin/x", "usr/bin/x"),
        ("usr//bin/./x", "usr/bin/x"),
        ("/usr/bin/", "usr/bin/file"),
        ("/", "file"),
        ("", "file"),
        ("./", "file"),
        ("/..x", "..x"),
    ],
)
def test_a_file_goes_to_its_destination_or_into_it(tmp_path: Path, destination: str, name: str) -> None:
    (tmp_path / "file").write_bytes(b"x")
    above = ["usr", "usr/bin"] if "/" in name else []
    assert list(members(made(tmp_path / "file", destination))) == [*above, name]


def test_a_folder_at_the_root_has_no_entry_of_its_own(tree: Path) -> None:
    assert "b" in members(made(tree, "/"))
    assert made(tree, None) == made(tree, "/")


@pytest.mark.parametrize("destination", ["..", "/..", "/a/../b", "../x", "a/.."])
def test_a_destination_outside_of_the_image_is_refused(tree: Path, destination: str) -> None:
    with pytest.raises(InvalidOption, match="leads out of the image"):
        measure_layer(source(tree, destination))


@pytest.mark.parametrize("name", [".wh.x", ".wh..wh..opq", ".wh."])
def test_a_whiteout_in_a_source_or_destination_is_refused(tree: Path, name: str) -> None:
    (tree / "a" / name).write_bytes(b"")
    for path, destination in ((tree, "/x"), (tree, None), (tree / "a" / name, "/x/"), (tree / "a" / name, "/")):
        with pytest.raises((InvalidOption, UnsupportedFormat), match="deleted"):
            measure_layer(source(path, destination))
    for destination in (f"/x/{name}", f"/{name}/x"):
        with pytest.raises((InvalidOption, UnsupportedFormat), match="deleted"):
            measure_layer(source(tree / "b", destination))


def test_a_name_that_only_resembles_a_whiteout_is_a_name(tree: Path) -> None:
    (tree / ".whx").write_bytes(b"")
    (tree / "a.wh.b").write_bytes(b"")
    assert {"x/.whx", "x/a.wh.b"} < set(members(made(tree, "/x")))


@pytest.mark.parametrize("kind", ["fifo", "socket"])
@pytest.mark.parametrize("destination", ["/x", None])
def test_what_is_no_file_folder_or_link_is_refused_without_waiting_for_it(tmp_path: Path, kind: str, destination: str | None) -> None:
    path = tmp_path / "odd"
    if kind == "fifo":
        os.mkfifo(path)
    else:
        with socket.socket(socket.AF_UNIX) as unix:
            unix.bind(os.fspath(path))
    for given in (path, tmp_path):
        with pytest.raises(UnsupportedFormat, match="odd"):
            measure_layer(source(given, destination))


def test_a_device_is_refused() -> None:
    for destination in ("/x", None):
        with pytest.raises(UnsupportedFormat, match="/dev/null"):
            measure_layer(source("/dev/null", destination))


def test_what_is_not_there_is_named_with_the_systems_words(tmp_path: Path) -> None:
    for destination in ("/x", None):
        with pytest.raises(InputOutputError, match=r"nowhere: No such file"):
            measure_layer(source(tmp_path / "nowhere", destination))


def test_a_link_that_was_named_is_followed_and_one_inside_is_kept(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "to-tree").symlink_to(tree)
    (tmp_path / "to-file").symlink_to(tree / "b")
    (tree / "to-folder").symlink_to("a")
    (tree / "dangling").symlink_to("nowhere")
    assert made(tmp_path / "to-tree") == made(tree)
    assert members(made(tmp_path / "to-file", "/x"))["x"].size == 3
    found = members(made(tree, "/x"))
    assert found["x/to-folder"].linkname == "a"
    assert "x/to-folder/x" not in found
    assert found["x/dangling"].issym()
    assert found["x/dangling"].mode == 0o777


@pytest.mark.parametrize("name", [b"n" * 255, b"\xff\xfe", "é".encode(), b"new\nline", b"12 size=5", b" ", b"a\\b", b"~"])
def test_any_name_that_a_file_can_have_is_kept(tmp_path: Path, name: bytes) -> None:
    folder = os.fsencode(tmp_path) + b"/tree"
    os.mkdir(folder)
    with open(folder + b"/" + name, "wb") as file:
        file.write(b"content")
    os.symlink(name, folder + b"/zlink")
    found = members(made(os.fsdecode(folder), "/x"))
    assert found[f"x/{os.fsdecode(name)}"].size == 7
    assert found["x/zlink"].linkname == os.fsdecode(name)


def test_names_do_not_depend_on_the_locale_of_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The names as Python decodes them in Latin-1: the bytes of "é" are two characters there.
    read, real = "Ã©", "é"
    (tmp_path / "tree" / read).mkdir(parents=True)
    (tmp_path / "tree" / read / read).write_text("content")
    os.link(tmp_path / "tree" / read / read, tmp_path / "tree" / read / f"{read}-hard")
    (tmp_path / "tree" / read / f"{read}-link").symlink_to(read)
    (tmp_path / "tree" / f"{read}-left-out").write_text("")
    monkeypatch.setattr(layer_members, "os", types.SimpleNamespace(**{**vars(os), "fsencode": lambda name: name.encode("latin-1")}))
    found = members(made(tmp_path / "tree", "/x", exclude=(f"{real}-left*",)))
    assert set(found) == {"x", f"x/{real}", f"x/{real}/{real}", f"x/{real}/{real}-hard", f"x/{real}/{real}-link"}
    assert found[f"x/{real}/{real}-link"].linkname == real
    assert found[f"x/{real}/{real}-hard"].linkname == f"x/{real}/{real}"


def test_a_very_long_path_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    (folder / ("d" * 200) / ("e" * 200)).mkdir(parents=True)
    assert f"x/{'d' * 200}/{'e' * 200}" in members(made(folder, "/x"))


def test_a_sparse_file_of_more_than_2_gib_is_kept_with_its_holes_as_zeros(tmp_path: Path) -> None:
    """The digest that is written down is that of a tar which Python's tarfile wrote."""
    size = (2 << 30) + 5
    with (tmp_path / "file").open("wb") as file:
        for place in (0, 1 << 30, size - 4):
            file.seek(place)
            file.write(b"data")
    (tmp_path / "file").chmod(0o644)
    layer = measure_layer(source(tmp_path / "file", "/file"))
    assert layer.descriptor.size == 512 + size + -size % 512 + 1024
    assert layer.diff_id.hex == "0d8c98f8d78674470a5f1d1988ae04b2467a725a0ee7d37b2cae148a0e3704e0"


def test_the_size_of_a_file_beyond_8_gib_is_kept(tmp_path: Path) -> None:
    """The size field of a tar header has 11 octal digits. An extended header comes before a larger file."""
    size = (9 << 30) + 1
    (tmp_path / "file").touch()
    os.truncate(tmp_path / "file", size)
    headers: list[bytes] = []

    def read_first(chunks: Iterable[bytes]) -> tuple[Digest, int]:
        headers.append(next(iter(chunks)))
        return Digest.of(b""), 0

    measure(plan_layer(source(tmp_path / "file", "/file"), ImageTree()), read_first)
    with tarfile.open(fileobj=io.BytesIO(headers[0])) as tar:
        info = tar.next()
    assert info is not None
    assert (info.name, info.size) == ("file", size)


def test_a_file_that_grew_meanwhile_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10)
    chunks = measure_layer(source(path, "/x")).open()
    next(chunks)
    path.write_bytes(b"x" * 11)
    with pytest.raises(CorruptArchive, match="changed while it was read"):
        b"".join(chunks)


def test_the_history_does_not_contain_the_source_path_of_a_layer(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    labels = {
        plan_layer(source(path, destination, remove=remove), tree_of(file="gone", folders=["old"])).label
        for path, destination, remove in [
            (tmp_path, "opt//app/", ()),
            (tmp_path / "file", "/opt/", ("/gone", "old/")),
            (tmp_path, None, ()),
        ]
    }
    assert labels == {"/opt/app", "/opt/file, remove /gone, remove old/", "/"}


# A tar as it is.


@pytest.fixture
def tar(tree: Path) -> bytes:
    return made(tree)


def as_file(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "layer.tar"
    path.write_bytes(data)
    return path


def test_a_tar_is_used_byte_for_byte(tmp_path: Path, tar: bytes) -> None:
    layer = measure_layer(source(as_file(tmp_path, tar), None, compression="gzip"))
    assert b"".join(layer.open()) == tar
    assert (layer.descriptor.media_type, layer.descriptor.digest, layer.diff_id) == (media_types.OCI_LAYER, Digest.of(tar), Digest.of(tar))


@pytest.mark.parametrize("parts", [1, 2, 5])
def test_a_gzip_file_with_any_number_of_members_is_used_unchanged(tmp_path: Path, tar: bytes, parts: int) -> None:
    step = -(-len(tar) // parts)
    data = b"".join(gzip.compress(tar[start : start + step]) for start in range(0, len(tar), step)) + gzip.compress(b"")
    layer = measure_layer(source(as_file(tmp_path, data), None))
    assert b"".join(layer.open()) == data
    assert (layer.descriptor.media_type, layer.descriptor.digest, layer.diff_id) == (media_types.OCI_LAYER_GZIP, Digest.of(data), Digest.of(tar))


def test_a_gzip_file_that_grows_a_thousandfold_is_read_to_its_end(tmp_path: Path) -> None:
    info = tarfile.TarInfo("zeros")
    info.size = 20 << 20
    tar = info.tobuf() + bytes(info.size + 1024)
    assert measure_layer(source(as_file(tmp_path, gzip.compress(tar)), None)).diff_id == Digest.of(tar)


@pytest.mark.parametrize("content", [b"<html>", b"<html>" * 200, gzip.compress(b"<html>" * 200)], ids=["short", "long", "compressed"])
def test_a_file_that_is_not_a_tar_needs_a_destination(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(CorruptArchive, match=r"no tar .*; give dest to put it into the image as a file"):
        measure_layer(source(as_file(tmp_path, content), None))


def test_a_source_that_is_not_there_is_called_the_source_of_a_layer(tmp_path: Path) -> None:
    for destination in (None, "/opt/"):
        with pytest.raises(InputOutputError, match=f"{tmp_path}/absent: No such file or directory"):
            measure_layer(source(tmp_path / "absent", destination))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda tar: b"", "empty"),
        (lambda tar: b"PK\x03\x04" * 200, "no tar"),
        (lambda tar: tar[:700], r"ends in the middle of .*\(at byte \d+\)"),
        (lambda tar: tar[:516] + b"!" + tar[517:], r"damaged.*\(at byte 512\)"),
        (lambda tar: tar + b"more", "after its end"),
        (lambda tar: gzip.compress(tar)[:-1], "ends too early"),
        (lambda tar: gzip.compress(tar)[:5], "ends too early|empty"),
        (lambda tar: gzip.compress(tar)[:-8] + bytes(8), "damaged gzip"),
        (lambda tar: gzip.compress(tar) + b"more", "damaged gzip"),
        (lambda tar: gzip.compress(tar) + gzip.compress(tar)[:20], "ends too early"),
        (lambda tar: gzip.compress(b""), "empty"),
        (lambda tar: gzip.compress(b"no tar" * 100), "no tar"),
        (lambda tar: gzip.compress(tar[:700]), r"middle of .*\(at byte \d+\)"),
        (lambda tar: gzip.compress(gzip.compress(tar)), "not a whole tar"),
    ],
)
def test_a_damaged_tar_is_no_layer(tmp_path: Path, tar: bytes, damage: Any, reason: str) -> None:
    path = as_file(tmp_path, damage(tar))
    with pytest.raises(CorruptArchive, match=reason) as caught:
        measure_layer(source(path, None))
    assert os.fspath(path) in str(caught.value)


@pytest.mark.parametrize("changes", [{"mode": 0o644}, {"mode": 0}, {"owner": 1}, {"group": 1}])
def test_modes_and_owners_in_a_tar_cannot_be_changed(tmp_path: Path, tar: bytes, changes: dict[str, int]) -> None:
    with pytest.raises(InvalidOption, match="give dest"):
        measure_layer(source(as_file(tmp_path, tar), None, **changes))


def test_a_tar_with_a_destination_is_a_file_like_any_other(tmp_path: Path, tar: bytes) -> None:
    assert members(made(as_file(tmp_path, tar), "/backup.tar"))["backup.tar"].size == len(tar)


def test_an_unreadable_source_fails_with_one_of_our_errors(tmp_path: Path) -> None:
    path = tmp_path / "loop"
    path.symlink_to("loop")
    for destination in ("/x", None):
        with pytest.raises(LongshoreError, match="loop"):
            measure_layer(source(path, destination))
