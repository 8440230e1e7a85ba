# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a managed host can do by the files of an artifact that the controller fetches from it: fail its own task, and nothing else."""

from __future__ import annotations

import hashlib
import io
import tarfile
import typing as t
from pathlib import Path

import pytest

from tests.support import modules
from tests.support.archives import Link, pack
from tests.support.controller import Host, results

DATA = b"the content"


def file(**changes: t.Any) -> modules.Results:
    """Return the row of a file, as a well-behaved host sends it. A change to `...` leaves a member out."""
    row = {
        "path": "/tmp/tmp.hAyG5n/files/file",
        "title": "file",
        "media_type": "application/octet-stream",
        "digest": f"sha256:{hashlib.sha256(DATA).hexdigest()}",
        "size": len(DATA),
        "changed": True,
        "unpacked": False,
        **changes,
    }
    return {name: value for name, value in row.items() if value is not ...}


def tar_row(data: bytes) -> modules.Results:
    return file(digest=f"sha256:{hashlib.sha256(data).hexdigest()}", size=len(data), unpacked=True)


def device() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo("file/device")
        info.type = tarfile.CHRTYPE
        tar.addfile(info)
    return buffer.getvalue()


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host(monkeypatch)
    host.content = DATA
    return host


def pull(host: Host, folder: Path, *rows: t.Any, **options: t.Any) -> modules.Results:
    host.results = [results(files=list(rows))]
    return host.run("artifact_pull", {"name": "app:1", "dest": "in/dest/", "path_on": "controller", **options}, folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of the playbook, with a file that no host may change."""
    (tmp_path / "in" / "dest").mkdir(parents=True)
    (tmp_path / "in" / "dest" / "file").write_bytes(b"old")
    (tmp_path / "in" / "secret").write_bytes(b"secret")
    return tmp_path


def is_refused(found: modules.Results, folder: Path, before: modules.Snapshot) -> bool:
    """Return whether a task failed in one sentence, and changed nothing on the controller."""
    after = {path: state for path, state in modules.snapshot(folder).items() if path != str(folder / "in" / "dest")}  # its time may change
    del before[str(folder / "in" / "dest")]
    return (found["failed"], found["changed"]) == (True, False) and found["msg"].isprintable() and after == before


def test_the_file_of_a_well_behaved_host_is_written_and_then_not_fetched_again(host: Host, folder: Path) -> None:
    done = pull(host, folder, file())
    assert (done["changed"], [row["path"] for row in done["files"]]) == (True, [str(folder / "in" / "dest" / "file")])
    assert (folder / "in" / "dest" / "file").read_bytes() == DATA
    assert len(host.fetched) == 1
    assert not pull(host, folder, file())["changed"]
    assert len(host.fetched) == 1


MALFORMED = {
    "files is missing": ...,
    "files is a text": "file",
    "files has a text": ["file"],
    "nothing in a row": [{}],
    **{f"{name} is missing": [file(**{name: ...})] for name in ("title", "media_type", "digest", "size", "unpacked")},
    **{f"{name} is a list": [file(**{name: []})] for name in ("title", "media_type", "digest", "size", "unpacked")},
    "digest is short": [file(digest="sha256:00")],
    "digest is a path": [file(digest="sha256:../../../../etc/passwd")],
    "digest has a line": [file(digest=f"sha256:{'0' * 64}\n")],
    "digest of another kind": [file(digest=f"md5:{'0' * 32}")],
    "size is negative": [file(size=-1)],
    "size is huge": [file(size=10**400)],
    "size is true": [file(size=True)],
    "title is endless": [file(title="a" * 100_000)],
}


@pytest.mark.parametrize("rows", MALFORMED.values(), ids=MALFORMED)
def test_rows_that_no_module_of_ours_returns_are_a_failure(rows: t.Any, host: Host, folder: Path) -> None:
    before = modules.snapshot(folder)
    host.results = [results(files=rows)]
    found = host.run("artifact_pull", {"name": "app:1", "dest": "in/dest/", "path_on": "controller"}, folder)
    assert is_refused(found, folder, before), found
    assert found["error"] == "host_error"
    assert host.fetched == []


TITLES = [
    "../secret",
    "/etc/passwd",
    "..",
    ".",
    "a/../../secret",
    "a//b",
    "",
    "a\0b",
    "a\nb",
    "\x1b[2Jx",
    "\u202egnp.exe",
    "a/",
    "./file",
    ".longshore-files",
    ".longshore-files/x",
    ".longshore-extract-0123456789abcdef",
    "x" * 300,
    "a/" * 3000 + "a",
    "\ud800",
]


@pytest.mark.parametrize("title", TITLES, ids=range(len(TITLES)))
@pytest.mark.parametrize("unpacked", [False, True])
def test_a_title_that_leads_elsewhere_is_refused_before_anything_is_fetched(title: str, unpacked: bool, host: Host, folder: Path) -> None:
    before = modules.snapshot(folder)
    found = pull(host, folder, file(), file(title=title, unpacked=unpacked))
    assert is_refused(found, folder, before), found
    assert host.fetched == []


@pytest.mark.parametrize("titles", [("a", "a"), ("a", "A"), ("a", "a/b"), ("\u00e9", "e\u0301")], ids=range(4))
def test_titles_that_are_one_path_are_refused(titles: tuple[str, str], host: Host, folder: Path) -> None:
    before = modules.snapshot(folder)
    assert is_refused(pull(host, folder, *(file(title=title) for title in titles)), folder, before)
    assert host.fetched == []


@pytest.mark.parametrize(
    "content", [b"", b"the CONTENT", DATA[:-1], DATA + b"!", DATA * 1000], ids=["nothing", "other", "short", "long", "very long"]
)
def test_content_that_is_not_the_announced_file_is_refused_and_the_old_file_stays(content: bytes, host: Host, folder: Path) -> None:
    before = modules.snapshot(folder)
    host.content = content
    assert is_refused(pull(host, folder, file()), folder, before)


TARS = {
    "parent": pack({"file/../../secret": b"x"}),
    "absolute": pack({"/etc/x": b"x"}),
    "another folder": pack({"secret": b"x"}),
    "link out": pack({"file/link": Link("../../secret")}),
    "absolute link": pack({"file/link": Link("/etc/passwd")}),
    "chain of links": pack({"file/a": Link("b/.."), "file/b": Link("..")}),
    "hard link out": pack({"file/link": Link("../in/secret", tarfile.LNKTYPE)}),
    "through a link": pack({"file/link": Link("."), "file/link/x": b"x"}),
    "twice": pack({"file/a": b"x"})[:-1024] + pack({"file/a": b"y"}),
    "device": device(),
    "no tar": b"no tar",
    "record": pack({"file/.longshore-extract-0123456789abcdef": b"x"}),
}


@pytest.mark.parametrize("tar", TARS.values(), ids=TARS)
def test_a_tar_that_leads_elsewhere_is_refused_as_a_whole(tar: bytes, host: Host, folder: Path) -> None:
    (folder / "in" / "dest" / "file").unlink()
    before = modules.snapshot(folder)
    host.content = tar
    assert is_refused(pull(host, folder, tar_row(tar)), folder, before)


@pytest.mark.parametrize("word", ["digest_mismatch", "{{ x }}", 7, None, "Not A Word"])
def test_a_failure_of_the_host_while_it_writes_a_file_is_that_of_the_task(word: object, host: Host, folder: Path) -> None:
    before = modules.snapshot(folder)
    host.results = [results(files=[file()]), {"failed": True, "msg": "no \x1b[2J space", "error": word}]
    found = host.run("artifact_pull", {"name": "app:1", "dest": "in/dest/", "path_on": "controller"}, folder)
    assert is_refused(found, folder, before), found
    assert found["error"] == (word if word == "digest_mismatch" else "host_error")


@pytest.mark.parametrize(
    "options", [{"owner": "root"}, {"unpack": "some"}, {"mode": "rw"}, {"existing": "no"}, {"dest": None}, {"titel": "x"}], ids=str
)
def test_wrong_options_are_refused_before_the_host_is_asked(options: modules.Results, host: Host, folder: Path) -> None:
    before = modules.snapshot(folder)
    found = pull(host, folder, file(), **options)
    assert is_refused(found, folder, before), found
    assert found["error"] == "invalid_option"
    assert (host.commands, host.module_arguments) == ([], [])


def test_the_files_of_an_async_job_stay_on_the_host(host: Host, folder: Path) -> None:
    found = host.run("artifact_pull", {"name": "app:1", "dest": "in/dest/", "path_on": "controller"}, folder, async_val=60)
    assert found["error"] == "invalid_option"
