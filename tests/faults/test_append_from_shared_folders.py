# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_append from sources that another user may change: nothing outside of them gets into a layer."""

from __future__ import annotations

import contextlib
import io
import os
import tarfile
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.archive.layer import measure_layer
from ansible_collections.longshore.images.plugins.module_utils.archive.layer_source import LayerSource
from ansible_collections.longshore.images.plugins.module_utils.errors import CorruptArchive, InputOutputError, LongshoreError, UnsupportedFormat
from ansible_collections.longshore.images.plugins.module_utils.folders import MAX_DEPTH
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.oci.settings import Settings
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs.append import NewImage, WantedLayer, plan_append
from tests.support import modules
from tests.support.faults import in_child
from tests.support.privileges import needs_root
from tests.support.users import OTHER_USER, attempts, become, exchanging, fingerprint, give, run_module_as
from tests.support.verbs import HOST

SECRET = b"only root may read this"


@pytest.fixture
def source(open_path: Path) -> Path:
    """Return a folder of another user, with files in a subfolder."""
    needs_root()
    source = give_folder(open_path / "source")
    inner = give_folder(source / "inner")
    for number in range(20):
        (inner / f"file{number}").write_bytes(b"harmless")
        give(inner / f"file{number}")
    return source


@pytest.fixture
def outside(open_path: Path) -> Path:
    """Return a folder that only root may enter, with files of the same names."""
    outside = open_path / "outside"
    outside.mkdir(0o700)
    for name in ("file", *(f"file{number}" for number in range(20))):
        (outside / name).write_bytes(SECRET)
        (outside / name).chmod(0o600)
    return outside


def give_folder(path: Path) -> Path:
    path.mkdir()
    return give(path)


def layer(path: Path, destination: str | None = "/x", **changes: t.Any) -> bytes:
    """Return the bytes of a layer. Like a run, this reads the source twice."""
    options: dict[str, t.Any] = {"mode": None, "owner": 0, "group": 0, "compression": None, **changes}
    return b"".join(measure_layer(LayerSource(str(path), destination, **options)).open())


def modes(data: bytes) -> dict[str, int]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {info.name: info.mode for info in archive}


# Links.


def test_a_folder_that_is_replaced_by_a_link_adds_nothing_of_the_links_target(source: Path, outside: Path) -> None:
    give(link(source / "evil", outside))
    before = fingerprint(outside)
    whole: list[int] = []
    with exchanging(source / "inner", source / "evil"):
        for attempt in attempts(whole):
            with contextlib.suppress(LongshoreError):
                assert SECRET not in layer(source)
                whole.append(attempt)
    assert whole
    assert fingerprint(outside) == before


def test_a_file_that_is_replaced_by_a_link_adds_nothing_of_the_links_target(source: Path, outside: Path) -> None:
    give(link(source / "inner" / "evil", outside / "file"))
    with exchanging(source / "inner" / "file7", source / "inner" / "evil"):
        for _attempt in attempts():
            with contextlib.suppress(LongshoreError):
                assert SECRET not in layer(source)


@pytest.mark.parametrize("inside", ["inner", "inner/file1"])
def test_the_source_itself_is_not_followed_when_it_is_replaced_by_a_link(source: Path, outside: Path, inside: str) -> None:
    give(link(source / "evil", outside))
    with exchanging(source / "inner", source / "evil"):
        for _attempt in attempts():
            with contextlib.suppress(LongshoreError):
                assert SECRET not in layer(source / inside)


def test_a_tar_that_is_replaced_by_a_link_is_not_followed(source: Path, outside: Path) -> None:
    (source / "layer.tar").write_bytes(layer(source))
    (outside / "file").write_bytes(layer(outside))
    give(link(source / "evil", outside / "file"))
    give(source / "layer.tar")
    with exchanging(source / "layer.tar", source / "evil"):
        for _attempt in attempts():
            with contextlib.suppress(LongshoreError):
                assert SECRET not in layer(source / "layer.tar", None)


def test_the_module_puts_no_outside_file_into_a_layer(source: Path, outside: Path, open_path: Path) -> None:
    give(link(source / "evil", outside))
    options = {"name": "r.test/made:1", "base": "scratch", "layers": [{"src": str(source), "dest": "/x"}], "store": str(open_path / "store")}
    with exchanging(source / "inner", source / "evil"):
        for _attempt in range(3):
            results = modules.attempt("image_append", options)
            assert not results.get("failed") or results["error"] in ("corrupt_archive", "io_error", "digest_mismatch"), results
    assert not any(SECRET in path.read_bytes() for path in (open_path / "store").rglob("*") if path.is_file())


@pytest.mark.parametrize("inside", ["", "inner", "inner/file1"])
def test_a_source_behind_a_link_of_another_user_is_refused(source: Path, open_path: Path, inside: str) -> None:
    give(link(open_path / "link", source))
    with pytest.raises(InputOutputError, match="link is a link that belongs to another user"):
        layer(open_path / "link" / inside)


def test_a_source_behind_a_link_of_root_is_read_by_root_and_by_others(source: Path, open_path: Path) -> None:
    link(open_path / "link", source)
    assert layer(open_path / "link") == layer(source)

    def read() -> None:
        become()
        assert b"harmless" in layer(open_path / "link" / "inner")

    assert in_child(read) == 0


def test_another_user_makes_the_same_image_with_another_umask_and_time_zone(source: Path, open_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = give_folder(open_path / "store")
    options = {"name": "r.test/made:1", "base": "scratch", "layers": [{"src": str(source), "dest": "/x"}]}
    roots = modules.run("image_append", {**options, "store": str(open_path / "other")})
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    umask = os.umask(0o077)
    try:
        own = run_module_as(OTHER_USER, "image_append", {**options, "store": str(store)})
    finally:
        os.umask(umask)
    assert own["images"][0]["digest"] == roots["images"][0]["digest"]


def test_a_hard_link_to_a_private_file_of_root_is_not_read(source: Path, outside: Path) -> None:
    """Another user can create such a hard link where the kernel allows it (fs.protected_hardlinks is 0)."""
    os.link(outside / "file", source / "inner" / "file")
    for given, destination in ((source, "/x"), (source / "inner" / "file", "/x"), (source / "inner" / "file", None)):
        with pytest.raises(InputOutputError, match="hard link to a private file"):
            layer(given, destination)


def test_hard_links_to_files_of_the_same_owner_are_read(source: Path) -> None:
    os.link(source / "inner" / "file1", source / "again")
    (source / "again").chmod(0o600)
    assert "x/again" in modes(layer(source))


def link(path: Path, target: Path) -> Path:
    path.symlink_to(target)
    return path


# Files that change.


@pytest.mark.parametrize("change", ["longer", "shorter", "another content", "another file", "gone"])
@pytest.mark.parametrize("size", [10, 3_000_000])
def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path: Path, change: str, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * size)
    os.utime(path, (1, 1))
    chunks = measure_layer(LayerSource(str(tmp_path), "/x", None, 0, 0, None)).open()
    while b"x/file" not in next(chunks):
        pass
    if change == "longer":
        path.write_bytes(b"x" * (size + 1))
    elif change == "shorter":
        os.truncate(path, size - 1)
    elif change == "another content":
        path.write_bytes(b"y" * size)
    elif change == "another file":
        (tmp_path / "new").write_bytes(b"x" * size)
        os.utime(tmp_path / "new", (1, 1))
        (tmp_path / "new").rename(path)
    else:
        path.unlink()
    with pytest.raises(CorruptArchive, match=f"^{path} changed while it was read$"):
        b"".join(chunks)


def test_a_file_with_content_but_size_zero_is_an_error() -> None:
    with pytest.raises(CorruptArchive, match="/proc/version changed while it was read"):
        layer(Path("/proc/version"))


def test_a_source_that_changes_between_the_two_reads_is_named(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"first")
    wanted = NewImage(Reference.parse("r.test/made:1"), None, [WantedLayer(LayerSource(str(path), "/x", None, 0, 0, None))], Settings())
    with Workers(1) as workers:
        plan = plan_append(Store(str(tmp_path / "store")), [wanted], HOST, workers)
        path.write_bytes(b"other")
        plan = plan.apply(workers)
    assert [str(error) for error in plan.errors] == [f"{path} changed while it was read"]
    assert isinstance(plan.errors[0], CorruptArchive)


def test_folders_that_are_nested_too_deep_are_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "source"
    for _level in range(MAX_DEPTH + 2):
        path = path / "d"
    path.mkdir(parents=True)
    with pytest.raises(UnsupportedFormat, match=f"more than {MAX_DEPTH} folders above it"):
        layer(tmp_path / "source")


# Rights of programs.


@pytest.mark.parametrize("bits", [0o4000, 0o2000, 0o6000], ids=oct)
@pytest.mark.parametrize(
    ("user", "group", "owner", "new_group", "are_kept"),
    [(0, 0, 0, 0, True), (OTHER_USER, 0, 0, 0, None), (0, OTHER_USER, 0, 0, None), (0, 0, 7, 0, False), (7, 8, 7, 8, True), (7, 8, 7, 9, False)],
)
def test_a_program_that_gets_another_owner_loses_its_setuid_bits(
    tmp_path: Path, bits: int, user: int, group: int, owner: int, new_group: int, are_kept: bool
) -> None:
    needs_root()
    (tmp_path / "program").write_bytes(b"")
    os.chown(tmp_path / "program", user, group)
    (tmp_path / "program").chmod(0o1755 | bits)
    wanted = 0o1755 | (bits if are_kept else 0)
    assert modes(layer(tmp_path, owner=owner, group=new_group))["x/program"] == wanted
    assert modes(layer(tmp_path / "program", owner=owner, group=new_group))["x"] == wanted


def test_setuid_bits_that_the_mode_option_sets_are_kept(tmp_path: Path) -> None:
    needs_root()
    (tmp_path / "program").write_bytes(b"")
    os.chown(tmp_path / "program", OTHER_USER, OTHER_USER)
    assert modes(layer(tmp_path, mode=0o4755))["x/program"] == 0o4755


@pytest.mark.parametrize("planted", ["fifo", "socket", "device"])
def test_special_files_never_block_a_run_even_if_they_replace_a_file(tmp_path: Path, planted: str) -> None:
    needs_root()
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "b").write_bytes(b"x")
    chunks = measure_layer(LayerSource(str(tmp_path), "/x", None, 0, 0, None)).open()
    while b"x/a" not in next(chunks):
        pass
    (tmp_path / "b").unlink()
    kinds = {"fifo": 0o010000, "socket": 0o140000, "device": 0o020000}
    os.mknod(tmp_path / "b", kinds[planted] | 0o600, os.makedev(1, 3))
    with pytest.raises(CorruptArchive, match="b changed while it was read"):
        b"".join(chunks)
