# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""artifact_push to a real registry."""

from __future__ import annotations

import hashlib
import os
import time
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.longshore.images.plugins.module_utils.task.registry_task import RegistryTask
from ansible_collections.longshore.images.plugins.modules import artifact_push
from tests.support import modules
from tests.support.images import make_image
from tests.support.recorder import Recorder
from tests.support.registry import PASSWORD, USER, Registry, free_port

SPDX = "application/spdx+json"

State = t.Callable[[Registry, dict[str, t.Any]], None]


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@pytest.fixture
def files(tmp_path: Path) -> list[dict[str, t.Any]]:
    """Return two files and a folder, as the option takes them."""
    (tmp_path / "switch.bin").write_bytes(b"firmware" * 1000)
    (tmp_path / "notes.md").write_text("# Notes\n")
    (tmp_path / "conf" / "sub").mkdir(parents=True)
    (tmp_path / "conf" / "sub" / "a").write_text("a\n")
    return [
        {"path": str(tmp_path / "switch.bin")},
        {"path": str(tmp_path / "notes.md"), "media_type": "text/markdown", "title": "docs/notes.md"},
        {"path": str(tmp_path / "conf"), "unpack": True},
    ]


def manifest_of(registry: Registry, repository: str, target: str) -> t.Any:
    accept = {"Accept": "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json"}
    return registry.request("GET", f"{repository}/manifests/{target}", headers=accept).json()


def nothing_there(registry: Registry, options: dict[str, t.Any]) -> None:
    """Leave the registry empty."""


def another_artifact_there(registry: Registry, options: dict[str, t.Any]) -> None:
    modules.run("artifact_push", {**options, "type": "application/other"})


def already_there(registry: Registry, options: dict[str, t.Any]) -> None:
    modules.run("artifact_push", options)


@pytest.mark.parametrize("state", [nothing_there, another_artifact_there, already_there], ids=lambda state: state.__name__)
def test_check_mode_predicts_the_run_that_follows_and_a_second_run_changes_nothing(
    anonymous: Registry, repository: str, files: list[dict[str, t.Any]], tmp_path: Path, state: State
) -> None:
    options = {"name": f"{anonymous.host}/{repository}:1", "files": files, "type": "application/vnd.test.firmware", "annotations": {"a": 1}}
    state(anonymous, options)
    was = anonymous.digest(repository, "1")

    modules.run("artifact_push", options, check=True)
    assert anonymous.digest(repository, "1") == was
    done = modules.check_do_again("artifact_push", options, state is not already_there, tmp_path)

    row = done["images"][0]
    assert anonymous.digest(repository, "1") == row["digest"]
    assert (row["previous_digest"], row["artifact_type"]) == (was, "application/vnd.test.firmware")
    assert done["diff"]["after"] == {options["name"]: {"digest": row["digest"]}}


def test_the_manifest_lists_the_files_with_titles_and_types(anonymous: Registry, repository: str, files: list[dict[str, t.Any]]) -> None:
    done = modules.run("artifact_push", {"name": f"{anonymous.host}/{repository}:1", "files": files})
    manifest = manifest_of(anonymous, repository, "1")
    assert manifest["artifactType"] == "application/vnd.unknown.artifact.v1"
    assert manifest["config"]["mediaType"] == "application/vnd.oci.empty.v1+json"
    assert [(row["title"], row["media_type"], row["digest"], row["size"]) for row in done["files"]] == [
        (layer["annotations"]["org.opencontainers.image.title"], layer["mediaType"], layer["digest"], layer["size"]) for layer in manifest["layers"]
    ]
    assert done["files"][0]["digest"] == digest_of(b"firmware" * 1000)
    assert [row["title"] for row in done["files"]] == ["switch.bin", "docs/notes.md", "conf"]
    assert manifest["layers"][2]["annotations"]["io.deis.oras.content.unpack"] == "true"


def test_an_artifact_that_is_there_costs_one_request(
    anonymous: Registry, recording: Recorder, repository: str, files: list[dict[str, t.Any]]
) -> None:
    modules.run("artifact_push", {"name": f"{anonymous.host}/{repository}:1", "files": files})
    assert not modules.run("artifact_push", {"name": f"{recording.host}/{repository}:1", "files": files})["changed"]
    assert [request.method for request in recording.requests if request.path != "/v2/"] == ["HEAD"]


def test_an_artifact_without_a_name_is_attached_to_an_image(anonymous: Registry, repository: str, tmp_path: Path) -> None:
    image = make_image("subject")
    subject = anonymous.put(image, repository, "3")
    (tmp_path / "sbom.json").write_text("{}")
    options = {"subject": subject, "type": SPDX, "files": [{"path": str(tmp_path / "sbom.json"), "media_type": SPDX}]}

    done = modules.check_do_again("artifact_push", options, place=tmp_path)

    row = done["images"][0]
    assert row["name"] == f"{anonymous.host}/{repository}@{row['digest']}"
    assert row["subject"] == str(image.root.digest)
    listed = modules.run("image_info", {"name": subject, "remote": True, "store": str(tmp_path / "store")})["images"][0]["referrers"]
    assert [(found["digest"], found["artifact_type"]) for found in listed] == [(row["digest"], SPDX)]


def test_an_attached_artifact_can_have_a_name_too(anonymous: Registry, repository: str, files: list[dict[str, t.Any]], tmp_path: Path) -> None:
    subject = anonymous.put(make_image("subject"), repository, "3")
    options = {"name": f"{anonymous.host}/{repository}:sbom", "subject": subject, "type": SPDX, "files": files}
    done = modules.check_do_again("artifact_push", options, place=tmp_path)
    assert anonymous.digest(repository, "sbom") == done["images"][0]["digest"]


def test_a_missing_subject_is_not_found_and_nothing_is_pushed(anonymous: Registry, repository: str, files: list[dict[str, t.Any]]) -> None:
    failed = modules.fail("artifact_push", {"subject": f"{anonymous.host}/{repository}:absent", "type": SPDX, "files": files})
    assert failed["error"] == "not_found"
    assert failed["status"] == 404


def test_a_name_with_another_digest_is_refused(anonymous: Registry, repository: str, files: list[dict[str, t.Any]], tmp_path: Path) -> None:
    name = f"{anonymous.host}/{repository}"
    digest = modules.run("artifact_push", {"name": f"{name}:1", "files": files}, check=True)["images"][0]["digest"]
    failed = modules.fail("artifact_push", {"name": f"{name}@{digest_of(b'other')}", "files": files})
    assert failed["error"] == "invalid_option"
    assert digest in failed["msg"]
    pushed = modules.check_do_again("artifact_push", {"name": f"{name}@{digest}", "files": files}, place=tmp_path)
    assert pushed["images"][0]["name"] == f"{name}@{digest}"


def test_wrong_credentials_are_denied(protected: Registry, repository: str, files: list[dict[str, t.Any]]) -> None:
    options = {"name": f"{protected.host}/{repository}:1", "files": files, "ca_path": str(protected.ca)}
    failed = modules.fail("artifact_push", {**options, "username": USER, "password": "wrong"})
    assert failed["error"] == "denied"
    assert modules.run("artifact_push", {**options, "username": USER, "password": PASSWORD})["changed"]


def test_a_killed_push_leaves_the_tag_and_can_be_repeated(anonymous: Registry, repository: str, recording: Recorder, tmp_path: Path) -> None:
    anonymous.put(make_image("other"), repository, "1")
    was = anonymous.digest(repository, "1")
    (tmp_path / "large").write_bytes(os.urandom(20_000_000))
    options = {"name": f"{recording.host}/{repository}:1", "files": [{"path": str(tmp_path / "large")}]}
    process = modules.start_module("artifact_push", options)
    while process.poll() is None and not any(recorded.method in ("PATCH", "PUT") for recorded in recording.requests):
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert anonymous.digest(repository, "1") == was
    assert modules.run("artifact_push", options)["changed"]
    assert not modules.run("artifact_push", options)["changed"]


def test_a_registry_that_does_not_answer_is_unreachable(files: list[dict[str, t.Any]]) -> None:
    failed = modules.fail("artifact_push", {"name": f"127.0.0.1:{free_port()}/a:1", "files": files, "retries": 0})
    assert failed["error"] == "unreachable"


def test_bundles_and_copies_take_artifacts_beside_images(anonymous: Registry, repository: str, files: list[dict[str, t.Any]], tmp_path: Path) -> None:
    name = f"{anonymous.host}/{repository}:1"
    digest = modules.run("artifact_push", {"name": name, "files": files})["images"][0]["digest"]
    image = anonymous.put(make_image("beside"), repository, "image")
    store, archive = str(tmp_path / "store"), str(tmp_path / "bundle.tar")
    modules.run("image_pull", {"name": [name, image], "store": store})
    modules.run("image_save", {"name": [name, image], "path": archive, "store": store})
    loaded = modules.run("image_load", {"path": archive, "store": str(tmp_path / "other")})
    assert {row["name"]: row["digest"] for row in loaded["images"]}[name] == digest
    copied = modules.run("image_push", {"name": name, "destination": f"{anonymous.host}/{repository}/copy:1", "store": str(tmp_path / "other")})
    assert copied["images"][0]["digest"] == digest == anonymous.digest(f"{repository}/copy", "1")


@pytest.mark.parametrize("changed", ["a file", "a folder"])
def test_a_file_that_changes_before_the_upload_fails_and_the_tag_stays(
    anonymous: Registry, repository: str, files: list[dict[str, t.Any]], tmp_path: Path, changed: str
) -> None:
    """The upload verifies the digests of the plan, so that no artifact is made of two states of a file."""
    name = f"{anonymous.host}/{repository}:1"
    given = ArgumentSpecValidator(artifact_push.argument_spec().as_kwargs()["argument_spec"]).validate({"name": name, "files": files})
    task = RegistryTask(given.validated_parameters, False)
    plan = artifact_push.plan(task)
    path = tmp_path / ("switch.bin" if changed == "a file" else "conf/sub/a")
    status = path.stat()
    path.write_bytes(b"x" * status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with task.workers:
        applied = plan.apply(task.workers)
    assert [error.cause for error in applied.errors] == ["corrupt_archive"]
    where = path if changed == "a file" else tmp_path / "conf"
    assert f"{where} changed while it was read" in applied.errors[0].message
    assert anonymous.digest(repository, "1") is None
