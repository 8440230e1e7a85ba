# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A folder that travels as a tar is unpacked below its title, whole, and nowhere else."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import os
import stat
import tarfile
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils import limits
from ansible_collections.longshore.images.plugins.module_utils.errors import LongshoreError
from ansible_collections.longshore.images.plugins.module_utils.places.existing import Existing
from ansible_collections.longshore.images.plugins.module_utils.places.files import unpacked
from ansible_collections.longshore.images.plugins.module_utils.transfer.plan import Plan
from tests.support.artifact_pulls import content, files_in, pull
from tests.support.faults import FileEvents, fail_events, kill_at, record_events
from tests.support.images import Image, make_files

UNPACK = {"io.deis.oras.content.unpack": "true"}
RECORD = ".longshore-extract-"


class Member(t.NamedTuple):
    """One member of a tar: a file with content, or a link with a target, or anything else of KIND."""

    name: str
    data: bytes = b""
    kind: bytes = tarfile.REGTYPE
    target: str = ""
    mode: int = 0o640


def folder(name: str) -> Member:
    return Member(name, kind=tarfile.DIRTYPE, mode=0o750)


def link(name: str, target: str) -> Member:
    return Member(name, kind=tarfile.SYMTYPE, target=target)


def hard_link(name: str, target: str) -> Member:
    return Member(name, kind=tarfile.LNKTYPE, target=target)


def make_tar(*members: Member) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member in members:
            info = tarfile.TarInfo(member.name)
            info.size, info.mode, info.mtime = len(member.data), member.mode, 1_000_000
            info.type, info.linkname = member.kind, member.target
            tar.addfile(info, io.BytesIO(member.data))
    return buffer.getvalue()


def packed(*members: Member, title: str = "docs", others: t.Sequence[tuple[str, bytes]] = ()) -> Image:
    return make_files([(title, gzip.compress(make_tar(*members), mtime=0)), *others], layer_annotations=UNPACK)


TREE = (
    folder("docs"),
    Member("docs/a.txt", b"a"),
    Member("docs/sub/tool", b"tool", mode=0o4755),
    link("docs/sub/link", "../a.txt"),
    hard_link("docs/again", "docs/a.txt"),
)


def without_record(path: Path) -> dict[str, bytes | None]:
    return {name: data for name, data in content(path).items() if not name.startswith(RECORD)}


def error_of(plan: Plan) -> str:
    row = plan.rows()[0]
    assert row["failed"], row
    assert [file["changed"] for file in plan.facts()["files"]] == [False] * len(plan.facts()["files"])
    return str(row["error"])


@pytest.mark.parametrize("existed", [True, False])
def test_a_packed_folder_is_unpacked_once_and_check_mode_predicts_it(tmp_path: Path, existed: bool) -> None:
    dest = tmp_path / "dest"
    if existed:
        dest.mkdir()
    predicted = pull(f"{dest}/", packed(*TREE), check=True)
    assert not existed or content(dest) == {}

    done = pull(f"{dest}/", packed(*TREE))
    again = pull(f"{dest}/", packed(*TREE))

    assert without_record(dest) == {
        "docs": None,
        "docs/a.txt": b"a",
        "docs/again": b"a",
        "docs/sub": None,
        "docs/sub/link": b"a",
        "docs/sub/tool": b"tool",
    }
    assert os.readlink(dest / "docs" / "sub" / "link") == "../a.txt"
    assert (dest / "docs" / "a.txt").stat().st_ino == (dest / "docs" / "again").stat().st_ino
    modes = {name: stat.S_IMODE((dest / "docs" / name).stat().st_mode) for name in (".", "a.txt", "sub", "sub/tool")}
    assert modes == {".": 0o750, "a.txt": 0o640, "sub": 0o755, "sub/tool": 0o755}
    assert (dest / "docs" / "a.txt").stat().st_mtime == 1_000_000
    assert (predicted.facts(), predicted.diff(), predicted.actions()) == (done.facts(), done.diff(), done.actions())
    assert [(file["path"], file["title"], file["changed"]) for file in done.facts()["files"]] == [(str(dest / "docs"), "docs", True)]
    assert (again.changed, again.facts()["bytes_transferred"]) == (False, 0)
    assert sum(name.startswith(RECORD) for name in os.listdir(dest)) == 1


def change_content(path: Path) -> None:
    (path / "a.txt").write_bytes(b"b")


def change_mode(path: Path) -> None:
    (path / "a.txt").chmod(0o600)


def change_link(path: Path) -> None:
    (path / "sub" / "link").unlink()
    (path / "sub" / "link").symlink_to("/")


def remove_file(path: Path) -> None:
    (path / "sub" / "tool").unlink()


@pytest.mark.parametrize("change", [change_content, change_mode, change_link, remove_file])
def test_a_changed_tree_is_mended_and_files_of_others_stay(tmp_path: Path, change: t.Callable[[Path], None]) -> None:
    pull(f"{tmp_path}/", packed(*TREE))
    whole = without_record(tmp_path)
    (tmp_path / "docs" / "other").write_bytes(b"other")
    change(tmp_path / "docs")

    assert pull(f"{tmp_path}/", packed(*TREE)).changed

    assert without_record(tmp_path) == {**whole, "docs/other": b"other"}
    assert not pull(f"{tmp_path}/", packed(*TREE)).changed


def test_a_new_version_replaces_files_and_a_plain_file_comes_along(tmp_path: Path) -> None:
    pull(f"{tmp_path}/", packed(*TREE))
    # make_files marks every layer, so the second one is a tar too.
    other = gzip.compress(make_tar(Member("notes/n", b"n")), mtime=0)

    done = pull(f"{tmp_path}/", packed(Member("docs/a.txt", b"new"), others=[("notes", other)]))

    assert [file["changed"] for file in done.facts()["files"]] == [True, True]
    assert (files_in(tmp_path)["docs/a.txt"], files_in(tmp_path)["docs/again"], files_in(tmp_path)["notes/n"]) == (b"new", b"a", b"n")


@pytest.mark.parametrize(("existing", "error"), [(Existing.KEEP, None), (Existing.FAIL, "name_taken")])
def test_an_existing_folder_is_kept_or_refused_before_a_download(tmp_path: Path, existing: Existing, error: str | None) -> None:
    (tmp_path / "docs").mkdir()

    plan = pull(f"{tmp_path}/", packed(*TREE), existing=existing)

    assert (plan.changed, plan.errors[0].cause if plan.errors else None) == (False, error)
    assert content(tmp_path) == {"docs": None}


MODEL = {"org.cncf.model.filepath": "w/docs"}
KINDS = {
    "plain tar of a model": make_files(
        [(None, make_tar(Member("w/docs", b"1")))], media_type="application/vnd.cncf.model.doc.v1.tar", layer_annotations=MODEL
    ),
    "gzip of a model": make_files(
        [(None, gzip.compress(make_tar(folder("w"), folder("w/docs"), Member("w/docs/a", b"1"))))],
        media_type="application/vnd.cncf.model.doc.v1.tar+gzip",
        layer_annotations=MODEL,
    ),
    "names with a dot": packed(folder("./"), folder("./docs/"), Member("./docs/a", b"1")),
    "an empty folder": packed(folder("docs")),
    "a link to its folder": packed(Member("docs/a", b"1"), link("docs/l", "."), link("docs/m", "l/l/a")),
    "a link to nothing": packed(link("docs/l", "missing/../x")),
    "bzip2": make_files([("docs", bz2.compress(make_tar(Member("docs/a", b"1"))))], layer_annotations=UNPACK),
    "a deep title": packed(folder("a/b/docs"), Member("a/b/docs/x", b"1"), title="a/b/docs"),
}


@pytest.mark.parametrize("artifact", KINDS.values(), ids=KINDS)
def test_tars_of_all_kinds_are_unpacked_or_written_as_they_are(tmp_path: Path, artifact: Image) -> None:
    assert not pull(f"{tmp_path}/unpacked/", artifact).errors
    assert not pull(f"{tmp_path}/unpacked/", artifact).changed
    assert not pull(f"{tmp_path}/tar/", artifact, unpack="false").errors

    assert len(list(content(tmp_path / "unpacked"))) > 1
    assert list(files_in(tmp_path / "tar").values()) == [artifact.content[artifact.layers[0].digest]]


HOSTILE: dict[str, tuple[Member, ...]] = {
    "absolute": (Member("/etc/cron.d/x", b"x"),),
    "absolute below the title": (Member("/docs/x", b"x"),),
    "parent": (Member("../x", b"x"),),
    "parent within": (Member("docs/../../x", b"x"),),
    "parent that stays": (Member("docs/../docs/x", b"x"),),
    "beside the title": (Member("x", b"x"),),
    "a name that begins with the title": (Member("docs2/x", b"x"),),
    "in the folder of another title": (folder("other"), Member("other/x", b"x")),
    "backslash": (Member("docs\\..\\x", b"x"),),
    "a name that can't be printed": (Member("docs/\x1b[2J", b"x"),),
    "staging folder": (Member("docs/.longshore-files/x", b"x"),),
    "record": (Member("docs/.longshore-extract-0", b"x"),),
    "nested too deeply": (Member("docs/" + "a/" * 40 + "x", b"x"),),
    "link that is absolute": (link("docs/l", "/etc"),),
    "link to the folder above": (link("docs/l", ".."),),
    "link far up": (folder("docs/a/b"), link("docs/a/b/l", "../../../x")),
    "file through a link": (link("docs/l", "."), Member("docs/l/x", b"x")),
    "file through a link to a folder": (folder("docs/d"), link("docs/l", "d"), Member("docs/l/x", b"x")),
    "folder through a link": (link("docs/l", "."), folder("docs/l/x")),
    "link through a link": (folder("docs/d"), link("docs/d/self", "."), link("docs/d/l", "self/../.."), link("docs/m", "d/l/x")),
    "chain of links": (folder("docs/d/e"), link("docs/up", "d/e"), link("docs/l", "up/../../.."), Member("docs/z", b"")),
    "chain that only looks deep": (folder("docs/d"), link("docs/d/r", ".."), link("docs/l", "d/r/d/r/../x")),
    "circle of links": (link("docs/a", "b"), link("docs/b", "a")),
    "link in place of the title": (link("docs", "."),),
    "link in place of the title to the outside": (link("docs", "/tmp"), Member("docs/x", b"x")),
    "link with a long target": (link("docs/l", "a/" * 3000),),
    "hard link to the outside": (hard_link("docs/l", "../outside"),),
    "hard link to an absolute path": (hard_link("docs/l", "/etc/passwd"),),
    "hard link to a missing file": (hard_link("docs/l", "docs/missing"),),
    "hard link to a later file": (hard_link("docs/l", "docs/x"), Member("docs/x", b"x")),
    "hard link to a link": (link("docs/s", "x"), hard_link("docs/l", "docs/s")),
    "hard link to a folder": (folder("docs/d"), hard_link("docs/l", "docs/d")),
    "hard link to itself": (hard_link("docs/l", "docs/l"),),
    "character device": (Member("docs/null", kind=tarfile.CHRTYPE),),
    "block device": (Member("docs/sda", kind=tarfile.BLKTYPE),),
    "FIFO": (Member("docs/fifo", kind=tarfile.FIFOTYPE),),
    "file twice": (Member("docs/x", b"1"), Member("docs/x", b"2")),
    "folder twice": (folder("docs/d"), folder("docs/d")),
    "link replaced by a file": (link("docs/x", "y"), Member("docs/x", b"x")),
    "folder replaced by a link": (folder("docs/d"), link("docs/d", ".")),
    "file replaced by a folder": (Member("docs/x", b"1"), folder("docs/x")),
    "file with a file below": (Member("docs/x", b"1"), Member("docs/x/y", b"2")),
    "names that differ in case": (Member("docs/x", b"1"), Member("docs/X", b"2")),
    "folders that differ in case": (Member("docs/d/x", b"1"), Member("docs/D/y", b"2")),
    "a link and a folder that differ in case": (link("docs/D", "."), Member("docs/d/x", b"2")),
    "names that differ in composition": (Member("docs/\u00e9", b"1"), Member("docs/e\u0301", b"2")),
    "no member": (),
}


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("existed", [True, False])
def test_a_hostile_tar_is_refused_whole_and_leaves_nothing(tmp_path: Path, members: tuple[Member, ...], existed: bool) -> None:
    (tmp_path / "outside").write_bytes(b"outside")
    dest = tmp_path / "dest"
    if existed:
        (dest / "docs").mkdir(parents=True)
        (dest / "docs" / "good").write_bytes(b"old")

    plan = pull(f"{dest}/", packed(*((Member("docs/good", b"good"),) if members else (folder("."),)), *members))

    assert error_of(plan) == "unsupported_format"
    old: dict[str, bytes | None] = {"dest": None, "dest/docs": None, "dest/docs/good": b"old"} if existed else {}
    assert content(tmp_path) == {**old, "outside": b"outside"}


def sparse() -> bytes:
    tar = bytearray(make_tar(Member("docs/x", b"x")))
    tar[156:157] = b"S"
    tar[148:156] = b" " * 8
    tar[148:156] = b"%06o\0 " % sum(tar[:512])
    return bytes(tar)


DAMAGED = {
    "sparse": sparse(),
    "cut": make_tar(Member("docs/x", b"x" * 5000))[:3000],
    "no tar": b"text" * 500,
    "something after the end": make_tar(Member("docs/x", b"x")) + b"more",
    "cut gzip": gzip.compress(os.urandom(5000))[:2000],
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_tar_is_refused_and_leaves_nothing(tmp_path: Path, data: bytes) -> None:
    assert error_of(pull(f"{tmp_path}/dest/", make_files([("docs", data)], layer_annotations=UNPACK))) == "corrupt_archive"
    assert content(tmp_path) == {}


def test_a_tar_that_expands_too_far_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.longshore.images.plugins.module_utils.archive.compression.MIN_EXPANDED", 100_000)

    assert error_of(pull(f"{tmp_path}/dest/", packed(Member("docs/x", bytes(limits._MIB * 4))))) == "corrupt_archive"
    assert content(tmp_path) == {}


def test_too_many_files_and_links_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacked, "MAX_TREE_ENTRIES", 4)
    assert error_of(pull(f"{tmp_path}/", packed(*(Member(f"docs/{number}", b"") for number in range(5))))) == "unsupported_format"
    monkeypatch.setattr(unpacked, "MAX_TREE_ENTRIES", 100)
    monkeypatch.setattr(unpacked, "MAX_TREE_FOLLOWED", 10)
    assert error_of(pull(f"{tmp_path}/", packed(*(link(f"docs/{number}", "a/b/c") for number in range(5))))) == "unsupported_format"
    assert content(tmp_path) == {}


def block_by_link(dest: Path) -> None:
    (dest / "docs").symlink_to(dest.parent)


def block_by_file(dest: Path) -> None:
    (dest / "docs").write_bytes(b"file")


def block_a_file_by_a_folder(dest: Path) -> None:
    (dest / "docs" / "a.txt").mkdir(parents=True)


def block_a_folder_by_a_link(dest: Path) -> None:
    (dest / "docs").mkdir()
    (dest / "docs" / "sub").symlink_to(dest.parent)


OBSTACLES: dict[t.Callable[[Path], None], str] = {
    block_by_link: "io_error",
    block_by_file: "io_error",
    block_a_file_by_a_folder: "unsupported_format",
    block_a_folder_by_a_link: "io_error",
}


@pytest.mark.parametrize(("block", "error"), OBSTACLES.items())
def test_what_is_in_the_way_is_reported_before_a_file_moves(tmp_path: Path, block: t.Callable[[Path], None], error: str) -> None:
    dest = tmp_path / "dest"
    dest.mkdir()
    block(dest)
    before = content(tmp_path)

    assert error_of(pull(f"{dest}/", packed(*TREE))) == error
    assert content(tmp_path) == before


def test_a_chart_is_unpacked_only_on_request(tmp_path: Path) -> None:
    chart = make_files([("web-1.tgz", gzip.compress(make_tar(Member("web/Chart.yaml", b"name: web"), Member("web/values.yaml", b""))))])

    pull(f"{tmp_path}/packed/", chart)
    first = pull(f"{tmp_path}/unpacked/", chart, unpack="true")

    assert list(files_in(tmp_path / "packed")) == ["web-1.tgz"]
    assert without_record(tmp_path / "unpacked") == {"web": None, "web/Chart.yaml": b"name: web", "web/values.yaml": b""}
    assert first.facts()["files"][0]["path"] == f"{tmp_path}/unpacked"
    assert not pull(f"{tmp_path}/unpacked/", chart, unpack="true").changed


def test_two_files_of_an_artifact_never_share_a_path(tmp_path: Path) -> None:
    first, second = (gzip.compress(make_tar(Member("web/x", data))) for data in (b"1", b"2"))

    assert error_of(pull(f"{tmp_path}/", make_files([("a.tgz", first), ("b.tgz", second)]), unpack="true")) == "unsupported_format"
    assert error_of(pull(f"{tmp_path}/", make_files([("a.tgz", first), ("web/x", b"plain")]), unpack="true")) == "unsupported_format"
    assert content(tmp_path) == {}


@pytest.mark.parametrize("existed", [True, False])
def test_a_run_that_is_killed_at_any_step_is_completed_by_the_next_one(tmp_path: Path, existed: bool) -> None:
    def prepared(path: Path) -> Path:
        path.mkdir()
        if existed:
            (path / "dest" / "docs").mkdir(parents=True)
            (path / "dest" / "docs" / "a.txt").write_bytes(b"old")
        return path

    whole = prepared(tmp_path / "whole")
    events = record_events(whole, lambda: pull(f"{whole}/dest/", packed(*TREE)))

    for event in events[:: 1 if existed else 2]:
        place = prepared(tmp_path / str(event.number))
        assert kill_at(event.number, place, lambda place=place: pull(f"{place}/dest/", packed(*TREE))), event  # type: ignore[misc]
        if existed:
            assert (place / "dest" / "docs" / "a.txt").read_bytes() in (b"old", b"a"), event

        assert not pull(f"{place}/dest/", packed(*TREE)).errors, event
        assert without_record(place / "dest" / "docs") == without_record(whole / "dest" / "docs"), event
        assert not pull(f"{place}/dest/", packed(*TREE)).changed, event


def errors_of(run: t.Callable[[], Plan]) -> t.Sequence[LongshoreError]:
    """Return the errors of RUN, in its plan or raised by it."""
    try:
        return run().errors
    except LongshoreError as error:
        return [error]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails_at_any_step_is_reported_and_the_next_run_completes_the_tree(tmp_path: Path, code: int) -> None:
    events = record_events(tmp_path, lambda: pull(f"{tmp_path}/whole/", packed(*TREE)))
    whole = without_record(tmp_path / "whole")

    for start in [event for event in events if event.call in ("open", "write", "mkdir", "fsync", "rename", "link")][code == errno.EIO :: 2]:
        place = tmp_path / str(start.number)
        with FileEvents(tmp_path, fail_events(code, lambda event, number=start.number: event.number == number)).watched():  # type: ignore[misc]
            errors = errors_of(lambda place=place: pull(f"{place}/", packed(*TREE)))  # type: ignore[misc]
        assert [error.cause for error in errors] in ([], ["disk_full" if code == errno.ENOSPC else "io_error"]), start
        assert not errors or not place.exists() or without_record(place) == whole, start

        assert not pull(f"{place}/", packed(*TREE)).errors, start
        assert without_record(place) == whole, start
