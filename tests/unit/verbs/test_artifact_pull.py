# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of an artifact appear together, verified, below their folder and nowhere else."""

from __future__ import annotations

import errno
import json
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import LongshoreError, Unreachable
from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.places.existing import Existing
from ansible_collections.longshore.images.plugins.module_utils.transfer import executor, ranged_fetch
from ansible_collections.longshore.images.plugins.module_utils.transfer.plan import Plan
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from tests.support.artifact_pulls import NAME, content, files_in
from tests.support.artifact_pulls import pull as pull_artifact
from tests.support.faults import Event, FileEvents, end_of, fail_events, kill_at, record_events, start_child
from tests.support.images import FakeRepository, Image, RemoteRepository, make_files, make_image
from tests.support.titles import UNSAFE

FILES = make_files([("a.txt", b"new a"), ("sub/b.txt", b"new b" * 1000), ("sub/empty", b"")])
NEW = {"a.txt": b"new a", "sub/b.txt": b"new b" * 1000, "sub/empty": b""}


def pull(dest: Path | str, artifact: Image | FakeRepository = FILES, check: bool = False, **options: t.Any) -> Plan:
    return pull_artifact(dest, artifact, check, **options)


def apply(plan: Plan) -> None:
    with Workers(2) as workers:
        done = plan.apply(workers)
    # A run that began before the other one made the folder, and ended after it, changes nothing and says so.
    assert not done.errors or "made by another program" in str(done.errors[0]), done.errors


def error_of(plan: Plan) -> tuple[str, str]:
    row = plan.rows()[0]
    assert row["failed"], row
    assert [file["changed"] for file in plan.facts()["files"]] == [False] * len(plan.facts()["files"])
    return row["error"], row["msg"]


def test_check_mode_predicts_the_run_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "dest").mkdir()
    (tmp_path / "dest" / "a.txt").write_bytes(b"old a")
    predicted = pull(tmp_path / "dest", check=True)

    done = pull(tmp_path / "dest")
    again = pull(tmp_path / "dest")

    assert files_in(tmp_path / "dest") == NEW
    assert not (tmp_path / "dest" / ".longshore-files").exists()
    assert (predicted.facts(), predicted.diff(), predicted.actions()) == (done.facts(), done.diff(), done.actions())
    assert [file["changed"] for file in done.facts()["files"]] == [True, True, True]
    assert (again.changed, again.facts()["bytes_transferred"], again.facts()["blobs_reused"]) == (False, 0, 3)
    assert again.diff()["before"] == again.diff()["after"] == done.diff()["after"]


def test_only_files_with_other_content_move_whatever_their_time_and_size(tmp_path: Path) -> None:
    pull(tmp_path)
    status = (tmp_path / "a.txt").stat()
    (tmp_path / "a.txt").write_bytes(b"old a")
    os.utime(tmp_path / "a.txt", ns=(status.st_atime_ns, status.st_mtime_ns))
    kept = (tmp_path / "sub" / "b.txt").stat().st_ino

    done = pull(tmp_path)

    assert done.facts()["bytes_transferred"] == 5
    assert files_in(tmp_path) == NEW
    assert (tmp_path / "sub" / "b.txt").stat().st_ino == kept


# An empty title counts as none.
@pytest.mark.parametrize("titles", [titles for titles in UNSAFE.values() if titles != [""]], ids=[name for name in UNSAFE if name != "empty"])
def test_unsafe_titles_write_nothing(tmp_path: Path, titles: list[str]) -> None:
    (tmp_path / "outside").write_bytes(b"outside")
    hostile = make_files([*((title, b"evil") for title in titles), ("good", b"good")])

    error, _message = error_of(pull(tmp_path / "dest" / "folder", hostile))

    assert error == "unsupported_format"
    assert content(tmp_path) == {"outside": b"outside"}


@pytest.mark.parametrize("link", ["/", "../outside", "outside"])
def test_a_link_in_place_of_a_folder_is_never_followed(tmp_path: Path, link: str) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "dest").mkdir()
    (tmp_path / "dest" / "sub").symlink_to(link)

    assert error_of(pull(tmp_path / "dest"))[0] == "io_error"

    assert content(tmp_path / "dest") == {"sub": None}
    assert content(tmp_path / "outside") == {}


def test_a_link_planted_after_the_plan_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "dest").mkdir()
    plan = pull(tmp_path / "dest", check=True)
    (tmp_path / "dest" / "sub").symlink_to(tmp_path / "outside")

    with Workers(2) as workers:
        assert plan.apply(workers).rows()[0]["error"] == "io_error"

    assert content(tmp_path / "outside") == {}


def test_a_link_in_place_of_a_file_is_replaced_and_its_target_stays(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"outside")
    (tmp_path / "dest").mkdir()
    (tmp_path / "dest" / "a.txt").symlink_to(tmp_path / "outside")

    pull(tmp_path / "dest")

    assert not (tmp_path / "dest" / "a.txt").is_symlink()
    assert (tmp_path / "outside").read_bytes() == b"outside"


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()

    assert error_of(pull(tmp_path))[0] == "unsupported_format"


def test_one_file_goes_to_the_path_of_a_file(tmp_path: Path) -> None:
    pull(tmp_path / "policy.json", titles=["a.txt"])
    pull(f"{tmp_path}/folder/", titles=["a.txt"])

    assert files_in(tmp_path) == {"policy.json": b"new a", "folder/a.txt": b"new a"}
    assert error_of(pull(tmp_path / "missing" / "policy.json", titles=["a.txt"]))[0] == "io_error"


def test_existing_files_are_kept_or_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"own")

    error, message = error_of(pull(tmp_path, existing=Existing.FAIL))
    assert (error, files_in(tmp_path)) == ("name_taken", {"a.txt": b"own"})
    assert str(tmp_path / "a.txt") in message
    kept = pull(tmp_path, existing=Existing.KEEP)

    assert files_in(tmp_path) == {**NEW, "a.txt": b"own"}
    assert [file["changed"] for file in kept.facts()["files"]] == [False, True, True]
    assert not pull(tmp_path, existing=Existing.KEEP).changed


def test_two_titles_of_one_content_become_two_files_by_one_transfer(tmp_path: Path) -> None:
    done = pull(tmp_path, make_files([("one", b"same"), ("two", b"same"), ("three", b"same")]))

    assert files_in(tmp_path) == {"one": b"same", "two": b"same", "three": b"same"}
    assert done.facts()["blobs_transferred"] == 1
    assert len({path.stat().st_ino for path in tmp_path.iterdir()}) == 3


CHOICES: dict[str, tuple[dict[str, t.Any], list[str]]] = {
    "all": ({}, ["a.txt", "sub/b.txt", "sub/empty"]),
    "glob": ({"titles": ["*.txt"]}, ["a.txt"]),
    "globs in the order of the layers": ({"titles": ["sub/e*", "a.*"]}, ["a.txt", "sub/empty"]),
    "digest": ({"titles": [str(FILES.layers[1].digest)]}, ["sub/b.txt"]),
    "media type": ({"media_types": ["application/*"], "titles": ["sub/*"]}, ["sub/b.txt", "sub/empty"]),
}


@pytest.mark.parametrize(("options", "expected"), CHOICES.values(), ids=CHOICES)
def test_titles_and_media_types_choose_files(tmp_path: Path, options: dict[str, t.Any], expected: list[str]) -> None:
    assert [file["title"] for file in pull(f"{tmp_path}/", check=True, **options).facts()["files"]] == expected


@pytest.mark.parametrize("options", [{"titles": ["a.txt", "c.txt"]}, {"media_types": ["text/*"]}, {"titles": ["*.txt"], "media_types": ["x/y"]}])
def test_an_element_that_chooses_nothing_fails(tmp_path: Path, options: dict[str, t.Any]) -> None:
    assert error_of(pull(tmp_path, **options))[0] == "not_found"


def test_a_layer_without_a_title_is_written_only_by_its_digest(tmp_path: Path) -> None:
    artifact = make_files([(None, b"untitled")])
    digest = artifact.layers[0].digest

    error, message = error_of(pull(tmp_path, artifact))
    pull(f"{tmp_path}/", artifact, titles=[str(digest)])

    assert (error, str(digest) in message) == ("not_found", True)
    assert files_in(tmp_path) == {f"sha256-{digest.hex}": b"untitled"}


CHART = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"


@pytest.mark.parametrize("annotated", [True, False])
def test_a_chart_is_named_as_helm_names_it(tmp_path: Path, annotated: bool) -> None:
    annotations = {"org.opencontainers.image.title": "app", "org.opencontainers.image.version": "1.2.3+build"} if annotated else None
    config = json.dumps({"name": "app", "version": "1.2.3+build"}).encode()
    chart = make_files(
        [(None, b"chart")], media_type=CHART, config_type="application/vnd.cncf.helm.config.v1+json", config=config, annotations=annotations
    )

    pull(f"{tmp_path}/", chart)

    assert files_in(tmp_path) == {"app-1.2.3+build.tgz": b"chart"}


def test_a_chart_whose_name_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    chart = make_files(
        [(None, b"chart")], media_type=CHART, config_type="application/vnd.cncf.helm.config.v1+json", config=b'{"name": "../app", "version": "1"}'
    )

    assert error_of(pull(f"{tmp_path}/dest/", chart))[0] == "unsupported_format"
    assert content(tmp_path) == {}


def test_a_raw_layer_of_a_model_is_written_under_its_path(tmp_path: Path) -> None:
    model = make_files(
        [(None, b"weights")], media_type="application/vnd.cncf.model.weight.v1.raw", layer_annotations={"org.cncf.model.filepath": "w/model.gguf"}
    )

    pull(f"{tmp_path}/", model)

    assert files_in(tmp_path) == {"w/model.gguf": b"weights"}


def test_an_image_is_refused_with_the_module_for_its_files(tmp_path: Path) -> None:
    error, message = error_of(pull(tmp_path, make_image("image")))

    assert (error, "image_extract" in message) == ("unsupported_format", True)


def test_the_staging_folder_is_no_title(tmp_path: Path) -> None:
    assert error_of(pull(f"{tmp_path}/", make_files([(".longshore-files/x", b"x")])))[0] == "unsupported_format"
    assert content(tmp_path) == {}


def test_wrong_bytes_leave_the_old_files_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"old a")
    layer = FILES.layers[1]
    wrong = Image(FILES.root, {**FILES.content, layer.digest: b"x" * layer.size})

    assert error_of(pull(tmp_path, wrong))[0] == "digest_mismatch"
    assert files_in(tmp_path).pop("a.txt") == b"old a"
    pull(tmp_path)

    assert content(tmp_path) == {**NEW, "sub": None}


def test_a_failed_download_of_a_new_folder_leaves_no_folder(tmp_path: Path) -> None:
    layer = FILES.layers[0]
    wrong = Image(FILES.root, {**FILES.content, layer.digest: b"x" * layer.size})

    error_of(pull(tmp_path / "dest", wrong, titles=["a.txt", "a*"]))
    error_of(pull(f"{tmp_path}/dest/", wrong, titles=["a.txt"]))

    assert content(tmp_path) == {}


def test_a_large_file_is_resumed(tmp_path: Path) -> None:
    data = os.urandom(2_000_000)
    artifact = make_files([("large", data)])
    chunks = 0

    def fail_late() -> None:
        nonlocal chunks
        chunks += 1
        if chunks == 1500:
            raise Unreachable("the network failed")

    assert error_of(pull(f"{tmp_path}/", RemoteRepository({NAME: artifact}, fail_late)))[0] == "unreachable"
    assert not (tmp_path / "large").exists()
    chunks = 10_000
    pull(f"{tmp_path}/", RemoteRepository({NAME: artifact}, fail_late))

    assert content(tmp_path) == {"large": data}
    assert chunks < 10_600


WAYS = {"one after the other": (1_000_000, 0.0), "in two parts": (1000, 0.0), "in pieces": (1000, float("inf"))}


@pytest.mark.parametrize("works_for", range(7))
@pytest.mark.parametrize(("parallel_from", "fast"), WAYS.values(), ids=WAYS)
def test_a_large_file_comes_in_ranges_and_the_next_run_fetches_only_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parallel_from: int, fast: float, works_for: int
) -> None:
    for owner, limit, value in (
        (executor, "MIN_RESUMABLE", 1000),
        (ranged_fetch, "MIN_PARALLEL", parallel_from),
        (ranged_fetch, "MIN_RANGE", 2500),
        (ranged_fetch, "FAST", fast),
        (ranged_fetch, "INTERVAL", 0),
        (ranged_fetch, "RECORD_EVERY", 1000),
    ):
        monkeypatch.setattr(owner, limit, value)
    data = os.urandom(7000)
    chunks, allowed = 0, works_for

    def fail_late() -> None:
        nonlocal chunks
        if chunks >= allowed:
            raise Unreachable("the network failed")
        chunks += 1

    repository = RemoteRepository({NAME: make_files([("large", data)])}, fail_late)
    assert error_of(pull(f"{tmp_path}/dest/", repository))[0] == "unreachable"
    assert not (tmp_path / "dest").exists()
    chunks, allowed = 0, 1000

    pull(f"{tmp_path}/dest/", repository)

    assert content(tmp_path) == {"dest": None, "dest/large": data}
    # Each of the three ranges may end with a part of a chunk, and begin with the other part.
    assert chunks <= (7 if parallel_from > 7000 else 10) - works_for + 3


def prepared(folder: Path) -> Path:
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"old a")
    (folder / "sub" / "b.txt").write_bytes(b"old b")
    return folder


def assert_old_or_new(folder: Path, event: object) -> None:
    assert (folder / "a.txt").read_bytes() in (b"old a", b"new a"), event
    assert (folder / "sub" / "b.txt").read_bytes() in (b"old b", b"new b" * 1000), event


def test_a_run_that_is_killed_at_any_step_leaves_old_or_new_files_and_blocks_nothing(tmp_path: Path) -> None:
    whole = prepared(tmp_path / "whole")
    events = record_events(whole, lambda: pull(whole))
    assert len(events) > 10

    for event in events:
        folder = prepared(tmp_path / str(event.number))
        assert kill_at(event.number, folder, lambda folder=folder: pull(folder)), event  # type: ignore[misc]
        assert_old_or_new(folder, event)

        assert not pull(folder).errors, event
        assert files_in(folder) == NEW, event
        (folder / "a.txt").unlink()
        assert not pull(folder).errors, event
        # A run that has nothing to write deletes no empty staging folder.
        assert content(folder) == {**NEW, "sub": None}, event


def test_a_new_folder_appears_with_all_files_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    events = record_events(tmp_path / "whole", lambda: pull(tmp_path / "whole" / "dest"))
    assert len(events) > 10

    for event in events:
        folder = tmp_path / str(event.number)
        folder.mkdir()
        assert kill_at(event.number, folder, lambda folder=folder: pull(folder / "dest")), event  # type: ignore[misc]
        assert not (folder / "dest").exists() or files_in(folder / "dest") == NEW, event

        # The next run brings another version, and none of the files that the killed one staged.
        assert not pull(f"{folder}/dest/", make_files([("c.txt", b"c")]), existing="fail").errors, event
        assert set(files_in(folder)) in ({"dest/c.txt"}, {"dest/c.txt", *(f"dest/{title}" for title in NEW)}), event


def test_a_run_that_is_killed_between_two_files_is_completed_without_a_download(tmp_path: Path) -> None:
    whole, folder = prepared(tmp_path / "whole"), prepared(tmp_path / "folder")
    renames = [event.number for event in record_events(whole, lambda: pull(whole)) if event.call == "rename"]
    assert kill_at(renames[1], folder, lambda: pull(folder))
    assert (folder / "a.txt").read_bytes() == b"new a"
    assert (folder / "sub" / "b.txt").read_bytes() == b"old b"
    without_content = Image(FILES.root, {**FILES.content, **{layer.digest: b"x" * layer.size for layer in FILES.layers}})

    assert not pull(folder, without_content).errors

    assert content(folder) == {**NEW, "sub": None}


@pytest.mark.parametrize("taken", ["file", "folder"])
def test_a_folder_that_another_program_makes_meanwhile_is_kept(tmp_path: Path, taken: str) -> None:
    plan = pull(tmp_path / "dest", check=True)

    def make_folder(event: Event) -> None:
        if event.call == "rename" and not (tmp_path / "dest").exists():
            (tmp_path / "dest" / "other").mkdir(parents=True) if taken == "folder" else (tmp_path / "dest").write_bytes(b"other")

    with FileEvents(tmp_path, make_folder).watched(), Workers(2) as workers:
        row = plan.apply(workers).rows()[0]

    assert (row["error"], row["msg"]) == ("io_error", f"{tmp_path}/dest was made by another program while this one ran; run the task again")
    assert content(tmp_path) == ({"dest": None, "dest/other": None} if taken == "folder" else {"dest": b"other"})


def test_two_runs_make_a_new_folder_one_after_the_other(tmp_path: Path) -> None:
    plans = [pull(tmp_path / "dest", check=True) for _run in range(2)]
    children = [start_child(lambda plan=plan: apply(plan)) for plan in plans]  # type: ignore[misc]

    assert [end_of(child) for child in children] == [0, 0]
    assert content(tmp_path) == {"dest": None, **{f"dest/{name}": data for name, data in {**NEW, "sub": None}.items()}}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails_at_any_step_is_reported_and_leaves_old_or_new_files(tmp_path: Path, code: int) -> None:
    whole = prepared(tmp_path / "whole")
    events = [event for event in record_events(whole, lambda: pull(whole)) if event.call in ("open", "write", "mkdir", "fsync", "rename")]

    for start in events:
        folder = prepared(tmp_path / str(start.number))

        def is_start(event: Event, number: int = start.number) -> bool:
            return event.number == number

        errors: t.Sequence[LongshoreError]
        with FileEvents(folder, fail_events(code, is_start)).watched():
            try:
                errors = pull(folder).errors
            except LongshoreError as error:
                errors = [error]
        assert_old_or_new(folder, start)
        assert [error.cause for error in errors] in ([], ["disk_full" if code == errno.ENOSPC else "io_error"]), start

        assert not pull(folder).errors, start
        assert content(folder) == {**NEW, "sub": None}, start


def test_every_file_is_durable_before_it_gets_its_name(tmp_path: Path) -> None:
    events = record_events(tmp_path, lambda: pull(tmp_path))
    renamed = [event for event in events if event.call == "rename"]

    assert len(renamed) == 3
    for event in renamed:
        earlier = [done.call for done in events[: event.number] if done.path == event.path and done.call in ("write", "fsync")]
        assert earlier[-1] == "fsync", event


def test_an_index_is_resolved_by_platform(tmp_path: Path) -> None:
    children = {name: make_files([("file", name.encode())]) for name in ("linux/amd64", "linux/arm64")}
    entries = [{**child.root.to_dict(), "platform": {"os": "linux", "architecture": name.partition("/")[2]}} for name, child in children.items()]
    data = json.dumps({"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": entries}).encode()
    first = make_files([("file", b"x")]).root
    root = type(first)(media_types.OCI_INDEX, type(first.digest).of(data), len(data))
    index = Image(root, {root.digest: data, **{digest: item for child in children.values() for digest, item in child.content.items()}})

    done = pull(f"{tmp_path}/", index)

    assert files_in(tmp_path) == {"file": b"linux/amd64"}
    assert done.rows()[0]["digest"] == str(root.digest)
