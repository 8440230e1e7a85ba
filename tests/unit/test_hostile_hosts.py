# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a managed host can do to the controller by its answers: fail its own task, and nothing else. Each attack meets every action plugin that it concerns."""

from __future__ import annotations

import resource
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible.errors import AnsibleError

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from ansible_collections.longshore.images.plugins.plugin_utils import fetched_file
from ansible_collections.longshore.images.plugins.plugin_utils.host_answers import MAX_NESTING, MAX_PATH
from ansible_collections.longshore.images.plugins.plugin_utils.local_tmp import LOCAL_TMP
from tests.support import modules
from tests.support.controller import ARCHIVE, PLUGINS, Host, results
from tests.support.images import make_image

SAVE = {"name": "app:1", "path": "images.tar", "path_on": "controller"}
LOAD = {"path": "images.tar", "path_on": "controller"}

# Answers of `mktemp -d` that are no path, or more than one.
PATHS = {
    "template": "/tmp/x{{ lookup('pipe', 'touch ran') }}",
    "statement of a template": "/tmp/x{% for i in range(10) %}",
    "second line": "/tmp/x\n!touch ran",
    "second line of a terminal": "/tmp/x\r!touch ran",
    "line separator": "/tmp/x\u2028!touch ran",
    "command": "/tmp/$(touch ran)",
    "second command": "/tmp/x; touch ran",
    "quote": "/tmp/x' 'ran",
    "glob": "/tmp/*",
    "relative": "tmp/x",
    "option": "-rf",
    "parent": "/tmp/../ran",
    "empty": "",
    "root": "/",
    "home": "~/x",
    "control": "/tmp/\x1b[2Jx",
    "space": "/tmp/x ran",
    "NUL": "/tmp/x\0",
    "very long": "/x" * MAX_PATH,
    "bidirectional": "/tmp/\u202ex",
}


def nested(levels: int) -> t.Any:
    found: t.Any = "end"
    for _level in range(levels):
        found = [found]
    return found


# Results that none of our modules returns.
RESULTS = {
    "nothing": {},
    "changed is missing": results(changed=...),
    "changed is a text": results(changed="yes"),
    "changed is a number": results(changed=1),
    "changed is a list": results(changed=[True]),
    "failed is a text": results(failed="no"),
    "failed is null": results(failed=None),
    "images is missing": results(images=...),
    "images is a text": results(images="app:1"),
    "images is a number": results(images=7),
    "a row is a text": results(images=["app:1"]),
    "a row is null": results(images=[None]),
    "actions is missing": results(actions=...),
    "actions is a text": results(actions="write"),
    "an action is a number": results(actions=[1]),
    "an action is endless": results(actions=["a" * 100_000]),
    "diff is missing": results(diff=...),
    "diff is a list": results(diff=[]),
}
# Results of image_save that are wrong for an archive that the controller fetches.
ARCHIVES = {
    "checksum is missing": results(checksum=...),
    "checksum is null": results(checksum=None),
    "checksum is a number": results(checksum=7),
    "checksum is a template": results(checksum="{{ 7 }}"),
    "checksum is short": results(checksum="0" * 63),
    "checksum has a line": results(checksum="0" * 64 + "\n"),
    "size is missing": results(size=...),
    "size is null": results(size=None),
    "size is a text": results(size="10"),
    "size is negative": results(size=-1),
    "size is a float": results(size=1.5),
    "size is infinite": results(size=float("inf")),
    "size is true": results(size=True),
    "size is huge": results(size=10**400),
    "reason is missing": results(reason=...),
    "reason is a list": results(reason=[]),
    "diff is empty": results(diff={}),
    "a count is missing": results(bytes_reused=...),
    "a count is a text": results(blobs_reused="1"),
    "a count is negative": results(bytes_transferred=-1),
}


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(monkeypatch)


def is_refused(found: modules.Results, error: str = "host_error") -> bool:
    return (found["failed"], found["changed"], found.get("error")) == (True, False, error) and found["msg"].isprintable()


@pytest.mark.parametrize("plugin", PLUGINS)
@pytest.mark.parametrize("answer", PATHS.values(), ids=PATHS)
def test_the_path_of_the_progress_that_a_host_prints_is_checked_or_not_used(plugin: str, answer: str, host: Host, tmp_path: Path) -> None:
    host.answers["mktemp"] = answer
    assert host.run(plugin, {"progress": "always"}, tmp_path)["changed"]
    assert host.commands == ["mktemp -d"]
    assert host.environments == [None]


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plain_path_of_the_progress_is_used(plugin: str, host: Host, tmp_path: Path) -> None:
    host.run(plugin, {"progress": "always"}, tmp_path)
    assert host.environments == [[{"LONGSHORE_PROGRESS_FOLDER": "/tmp/tmp.hAyG5n"}]]
    assert host.commands[-1] == "rm -rf /tmp/tmp.hAyG5n"


@pytest.mark.parametrize("plugin", PLUGINS)
@pytest.mark.parametrize("answer", RESULTS.values(), ids=RESULTS)
def test_results_that_no_module_of_ours_returns_are_a_failure(plugin: str, answer: modules.Results, host: Host, tmp_path: Path) -> None:
    host.results = [answer]
    assert is_refused(host.run(plugin, {}, tmp_path))


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_failure_that_ansible_reports_for_a_host_stays_as_it_is(plugin: str, host: Host, tmp_path: Path) -> None:
    failure = {"failed": True, "msg": "MODULE FAILURE", "module_stderr": "no Python", "rc": 127}
    host.results = [failure]
    assert host.run(plugin, {}, tmp_path).items() >= failure.items()


@pytest.mark.parametrize("plugin", PLUGINS)
def test_an_async_job_is_started_on_the_host(plugin: str, host: Host, tmp_path: Path) -> None:
    job = {"ansible_job_id": "j1.2", "started": 1, "finished": 0, "changed": True}
    host.results = [job]
    assert host.run(plugin, {}, tmp_path, async_val=60).items() >= job.items()


@pytest.mark.parametrize(("plugin", "options"), [("image_save", SAVE), ("image_load", LOAD)])
def test_an_archive_on_the_controller_cannot_be_handled_by_an_async_job(plugin: str, options: modules.Results, host: Host, tmp_path: Path) -> None:
    refused = host.run(plugin, options, tmp_path, async_val=60)
    assert is_refused(refused, "invalid_option")
    assert "async" in refused["msg"]
    assert host.asked.strip("[]\n") == ""


@pytest.mark.parametrize("answer", PATHS.values(), ids=PATHS)
def test_a_save_fails_if_the_host_prints_no_plain_path(answer: str, host: Host, tmp_path: Path) -> None:
    host.answers["mktemp"] = answer
    assert is_refused(host.run("image_save", SAVE, tmp_path))
    assert host.commands == ["mktemp -d"]
    assert host.fetched == []


@pytest.mark.parametrize("when", ["planned", "saved"])
@pytest.mark.parametrize("answer", [*RESULTS.values(), *ARCHIVES.values()], ids=[*RESULTS, *ARCHIVES])
def test_a_save_fails_if_the_results_are_malformed(when: str, answer: modules.Results, host: Host, tmp_path: Path) -> None:
    host.results = [answer] if when == "planned" else [results(), answer]
    assert is_refused(host.run("image_save", SAVE, tmp_path))
    assert host.commands[-1] == "rm -rf /tmp/tmp.hAyG5n"
    assert host.fetched == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("saved", "compression"),
    [(results(size=11), "none"), (results(checksum="0" * 64), "none"), (results(size=300_000_000), "gzip")],
    ids=["another size", "another content", "a size that compression can't give"],
)
def test_an_archive_that_was_not_planned_is_not_fetched(saved: modules.Results, compression: str, host: Host, tmp_path: Path) -> None:
    host.results = [results(), saved]
    assert is_refused(host.run("image_save", {**SAVE, "compression": compression}, tmp_path), "plan_outdated")
    assert host.fetched == []


def test_an_archive_for_which_the_controller_has_no_space_is_not_fetched(host: Host, tmp_path: Path) -> None:
    host.results = [results(size=2**62)]
    assert is_refused(host.run("image_save", SAVE, tmp_path), "disk_full")
    assert host.fetched == []


@pytest.mark.parametrize("content", [b"", ARCHIVE[:-1], ARCHIVE + b"+", b"An archive"], ids=["nothing", "less", "more", "other bytes"])
def test_what_is_not_the_announced_archive_is_refused_and_the_old_file_stays(content: bytes, host: Host, tmp_path: Path) -> None:
    host.content = content
    (tmp_path / "images.tar").write_bytes(b"kept")
    assert is_refused(host.run("image_save", SAVE, tmp_path))
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("images.tar", b"kept")]


def test_a_host_that_sends_without_end_is_stopped_at_the_announced_size(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetched_file, "_SMALL_FILE", 4096)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    written: list[int] = []

    def fetch(_remote: str, local: str) -> None:
        with open(local, "wb", buffering=0) as file:
            while True:
                written.append(file.write(bytes(1024)))

    monkeypatch.setattr(host, "_fetch", fetch)
    refused = host.run("image_save", SAVE, tmp_path)
    assert is_refused(refused)
    assert "more than the 10 bytes" in refused["msg"]
    assert sum(written) == 4096
    assert resource.getrlimit(resource.RLIMIT_FSIZE) == before
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_fetches_is_stopped_too(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetched_file, "_SMALL_FILE", 4096)

    def fetch(_remote: str, local: str) -> None:
        if subprocess.run(["dd", "if=/dev/zero", f"of={local}", "bs=1024", "count=1000"], check=False, capture_output=True).returncode:
            raise AnsibleError("failed to transfer file")

    monkeypatch.setattr(host, "_fetch", fetch)
    assert "more than the 10 bytes" in host.run("image_save", SAVE, tmp_path)["msg"]


def test_an_archive_is_fetched_into_ansibles_private_folder(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places: list[Path] = []

    def fetch(_remote: str, local: str) -> None:
        places.append(Path(local))
        assert Path(local).parent.stat().st_mode & 0o777 == 0o700
        # Another user who can write to the folder of the archive sees no name that the fetching program will open.
        assert [path.stat().st_size for path in tmp_path.iterdir()] == [0]
        Path(local).write_bytes(ARCHIVE)

    monkeypatch.setattr(host, "_fetch", fetch)
    done = host.run("image_save", {**SAVE, "mode": "0640"}, tmp_path)
    assert (done["changed"], done["size"], done["checksum"]) == (True, len(ARCHIVE), None)
    archive = tmp_path / "images.tar"
    assert (archive.read_bytes(), archive.stat().st_mode & 0o777) == (ARCHIVE, 0o640)
    assert places[0].is_relative_to(LOCAL_TMP)
    assert not places[0].parent.exists()


# The archive on the host.


def test_the_archive_on_the_host_is_for_the_user_of_the_module_alone(host: Host, tmp_path: Path) -> None:
    host.run("image_save", SAVE, tmp_path)
    assert host.commands == ["mktemp -d", "rm -rf /tmp/tmp.hAyG5n"]
    assert [arguments.get("mode") for arguments in host.module_arguments] == [None, "0600"]


@pytest.mark.parametrize(
    ("users", "expected"),
    [
        (("1000", "0"), ["chown 1000 /tmp/tmp.hAyG5n/archive && chown 1000 /tmp/tmp.hAyG5n"]),
        (("1000", "33"), ["setfacl -m u:1000:r /tmp/tmp.hAyG5n/archive && setfacl -m u:1000:x /tmp/tmp.hAyG5n"]),
        (("1000", "1000"), []),
        (("0", "33"), []),
    ],
    ids=["root", "another user", "the same user", "root connects"],
)
def test_an_archive_that_another_user_saved_is_shared_with_the_connecting_user_alone(
    users: tuple[str, str], expected: list[str], host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.become = object()
    run = host._run

    def answer(command: str, sudoable: bool = True, **how: t.Any) -> modules.Results:
        host.answers["id -u"] = f"{users[sudoable]}\n"
        return run(command, sudoable=sudoable, **how)

    monkeypatch.setattr(host, "_run", answer)
    assert host.run("image_save", SAVE, tmp_path)["changed"]
    assert host.as_connecting_user == ["id -u"]
    assert [command for command in host.commands if command.startswith(("chown", "setfacl", "chmod"))] == expected


@pytest.mark.parametrize("answer", ["", "root", "0; touch ran", "1000\n!touch ran", "-1", "{{ 0 }}", "9" * 11])
def test_a_user_id_that_is_no_number_is_refused(answer: str, host: Host, tmp_path: Path) -> None:
    host.become, host.answers["id -u"] = object(), answer
    assert is_refused(host.run("image_save", SAVE, tmp_path))
    assert host.fetched == []
    assert "touch" not in host.asked


# An archive that the controller sends.


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    store = Store(str(folder / "store"))
    make_image("app").put(store, "docker.io/library/app:1")
    modules.run("image_save", {"name": "app:1", "path": str(folder / "images.tar"), "store": store.path})
    return folder / "images.tar"


@pytest.fixture
def archive(saved: Path, tmp_path: Path) -> Path:
    path = tmp_path / "images.tar"
    path.symlink_to(saved)
    return path


def test_a_load_names_the_archive_of_the_controller(archive: Path, host: Host, tmp_path: Path) -> None:
    host.results = [results(actions=[f"load {host.remote_tmp}archive"])]
    done = host.run("image_load", LOAD, tmp_path)
    assert (done["actions"], done["path"]) == ([f"load {archive}"], str(archive))
    assert host.sent == [f"{host.remote_tmp}summary", f"{host.remote_tmp}archive"]


@pytest.mark.parametrize(
    "options",
    [
        {"existing": "ever"},
        {"exists": "keep"},
        {"name": []},
        {"name": ["a", None]},
        {"rename": {"a": "B C"}},
        {"lock_timeout": "soon"},
        {"store": ""},
    ],
    ids=str,
)
def test_wrong_options_are_refused_before_an_archive_of_the_controller_is_read(options: modules.Results, host: Host, tmp_path: Path) -> None:
    (tmp_path / "images.tar").write_bytes(b"reading this would be corrupt_archive")
    done = host.run("image_load", {**LOAD, **options}, tmp_path)
    assert (done["failed"], done["error"]) == (True, "invalid_reference" if "rename" in options else "invalid_option")
    assert next(iter(options)) in done["msg"] or "B C" in done["msg"]
    assert host.sent == []


@pytest.mark.parametrize("answer", [f"{path}" for path in PATHS.values() if path], ids=[name for name, path in PATHS.items() if path])
def test_a_load_fails_if_the_temporary_folder_of_the_host_is_no_plain_path(archive: Path, answer: str, host: Host, tmp_path: Path) -> None:
    host.remote_tmp = answer
    assert is_refused(host.run("image_load", LOAD, tmp_path))
    assert host.asked.strip("[]\n") == ""


@pytest.mark.parametrize("when", ["planned", "loaded"])
@pytest.mark.parametrize("answer", [*RESULTS.values(), results(images=[{"a": nested(900)}])], ids=[*RESULTS, "deep"])
def test_a_load_fails_if_the_results_are_malformed(when: str, answer: modules.Results, archive: Path, host: Host, tmp_path: Path) -> None:
    host.results = [dict(answer)] if when == "planned" else [results(), dict(answer)]
    assert is_refused(host.run("image_load", LOAD, tmp_path))
    assert len(host.sent) == (1 if when == "planned" else 2)


def test_results_may_be_nested_as_deeply_as_ours_are(archive: Path, host: Host, tmp_path: Path) -> None:
    host.results = [results(images=[{"a": nested(MAX_NESTING - 4)}])]
    assert host.run("image_load", LOAD, tmp_path)["changed"]
