# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_info with check_base: whether images stand on what the registries have under the names of their bases now."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from tests.support import modules
from tests.support.images import Image, make_image, make_index
from tests.support.recorder import Recorder
from tests.support.registry import PASSWORD, USER, Registry, free_port

BASE_NAME, BASE_DIGEST = "org.opencontainers.image.base.name", "org.opencontainers.image.base.digest"
HOST, OTHER = "linux/amd64", "linux/arm64"


def append(store: str, files: Path, name: str, **options: t.Any) -> None:
    files.mkdir(exist_ok=True)
    (files / "program").write_text(name)
    layers = [{"src": str(files / "program"), "dest": "/opt/program"}]
    modules.run("image_append", {"name": name, "platform": [HOST], "store": store, "layers": layers, "base": "scratch", **options})


def check(store: str, name: str = "app:1", **options: t.Any) -> dict[str, t.Any]:
    (row,) = modules.run("image_info", {"name": name, "store": store, "platform": [HOST], "check_base": True, "retries": 0, **options})["images"]
    base: dict[str, t.Any] = row["base"]
    return base


@pytest.fixture
def base(anonymous: Registry, recording: Recorder, repository: str, store: str, tmp_path: Path) -> str:
    """Put an image at a registry and another on top of it into a store, and return the name of the base."""
    anonymous.put(make_index("old", (HOST, OTHER)), repository, "12")
    name = f"{recording.host}/{repository}:12"
    modules.run("image_pull", {"name": name, "store": store, "platform": [HOST]})
    append(store, tmp_path / "files", "app:1", base=name)
    append(store, tmp_path / "files", "app:2", base=name)
    append(store, tmp_path / "files", "own:1")
    recording.requests.clear()
    return name


def tag(anonymous: Registry, repository: str, image: Image) -> str:
    anonymous.put(image, repository, "12")
    return str(image.root.digest)


def test_a_base_that_did_not_move_is_current_and_asked_for_once(base: str, recording: Recorder, repository: str, store: str) -> None:
    digest = str(make_index("old", (HOST, OTHER)).root.digest)
    rows = modules.run("image_info", {"name": ["app:1", "app:2", "own:1", "none:1"], "store": store, "check_base": True})["images"]
    current = {"name": base, "digest": digest, "current_digest": digest, "is_current": True, "error": None, "msg": None}
    assert [row["base"] for row in rows] == [current, current, None, None]
    assert recording.lines == [f"HEAD /v2/{repository}/manifests/12"]


def test_without_the_option_no_base_is_asked_for(base: str, recording: Recorder, store: str) -> None:
    (row,) = modules.run("image_info", {"name": "app:1", "store": store})["images"]
    assert base in row["annotations"][BASE_NAME]
    assert "base" not in row
    assert recording.lines == []


def test_a_base_that_moved_is_named_until_the_image_is_rebased(base: str, anonymous: Registry, repository: str, store: str) -> None:
    old, new = str(make_index("old", (HOST, OTHER)).root.digest), tag(anonymous, repository, make_index("new", (HOST, OTHER)))
    found = check(store)
    message = f"{base} is {new} now; this image was made on {old}. image_rebase puts the image on the new base"
    assert found == {"name": base, "digest": old, "current_digest": new, "is_current": False, "error": None, "msg": message}
    modules.run("image_pull", {"name": base, "store": store, "platform": [HOST]})
    modules.run("image_rebase", {"name": "app:1", "image": "app:1", "new_base": base, "old_base": old, "store": store})
    assert check(store) == {**found, "digest": new, "is_current": True, "msg": None}


def test_a_new_digest_with_the_same_layers_for_this_platform_is_current(base: str, anonymous: Registry, repository: str, store: str) -> None:
    new = tag(anonymous, repository, make_index("old", (HOST, OTHER, "linux/s390x")))
    assert (check(store)["current_digest"], check(store)["is_current"]) == (new, True)


def test_a_base_that_is_gone_or_not_offered_for_the_platform_has_an_error(base: str, anonymous: Registry, repository: str, store: str) -> None:
    tag(anonymous, repository, make_index("new", (OTHER, "linux/s390x")))
    found = check(store)
    assert (found["is_current"], found["error"]) == (None, "platform_missing")
    anonymous.request("DELETE", f"{repository}/manifests/{found['current_digest']}")
    found = check(store)
    assert (found["is_current"], found["current_digest"], found["error"]) == (None, None, "not_found")
    assert base in found["msg"]


def test_an_image_at_a_registry_is_checked_too(base: str, anonymous: Registry, recording: Recorder, repository: str, store: str) -> None:
    modules.run("image_tag", {"name": "app:1", "targets": [f"{recording.host}/{repository}:app"], "store": store})
    modules.run("image_push", {"name": f"{recording.host}/{repository}:app", "store": store})
    recording.requests.clear()
    assert check(store, f"{recording.host}/{repository}:app", remote=True)["is_current"] is True
    assert recording.lines.count(f"HEAD /v2/{repository}/manifests/12") == 1
    assert base.endswith(":12")


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({BASE_NAME: "not a name!"}, "unsupported_format"),
        ({BASE_NAME: "r.test/base:1", BASE_DIGEST: "sha256:short"}, "unsupported_format"),
    ],
)
def test_annotations_that_nobody_can_read_are_named(annotations: dict[str, str], expected: str, store: str, tmp_path: Path) -> None:
    append(store, tmp_path / "files", "app:1", annotations=annotations)
    found = check(store)
    assert (found["is_current"], found["error"]) == (None, expected)


@pytest.mark.parametrize("annotations", [{BASE_NAME: ""}, {BASE_NAME: "scratch"}, {BASE_DIGEST: "sha256:" + "0" * 64}])
def test_an_image_without_a_named_base_has_none(annotations: dict[str, str], store: str, tmp_path: Path) -> None:
    append(store, tmp_path / "files", "app:1", annotations=annotations)
    assert check(store) is None


def test_labels_name_a_base_too_and_layers_decide_without_a_digest(anonymous: Registry, repository: str, store: str, tmp_path: Path) -> None:
    old = make_image("labelled", platform=HOST)
    name = anonymous.put(old, repository, "12")
    modules.run("image_pull", {"name": name, "store": store})
    append(store, tmp_path / "files", "app:1", base=name, annotations={BASE_NAME: "", BASE_DIGEST: ""}, config={"labels": {BASE_NAME: name}})
    assert [check(store)[key] for key in ("digest", "is_current")] == [None, True]
    new = tag(anonymous, repository, make_image("patched", platform=HOST))
    found = check(store)
    assert (found["is_current"], found["msg"]) == (False, f"{name} is {new} now. image_rebase puts the image on the new base")


def test_a_registry_that_is_not_there_is_an_error_of_this_base(store: str, tmp_path: Path) -> None:
    gone = f"127.0.0.1:{free_port()}/base:1"
    append(store, tmp_path / "files", "app:1", annotations={BASE_NAME: gone, BASE_DIGEST: "sha256:" + "0" * 64})
    assert [check(store)[key] for key in ("name", "is_current", "error")] == [gone, None, "unreachable"]


def test_the_login_of_the_task_is_not_sent_to_a_registry_that_only_an_image_names(
    anonymous: Registry, protected: Registry, repository: str, store: str, tmp_path: Path
) -> None:
    protected.put(make_image("private", platform=HOST), repository, "1")
    private, name = f"{protected.host}/{repository}:1", f"{anonymous.host}/{repository}:app"
    append(store, tmp_path / "files", name, annotations={BASE_NAME: private, BASE_DIGEST: "sha256:" + "0" * 64})
    modules.run("image_push", {"name": name, "store": store})
    login = {"username": USER, "password": PASSWORD}
    for place in ({"ca_path": str(protected.ca)}, {"ca_path": str(protected.ca), "remote": True}):
        assert check(store, name, **login, **place)["error"] == "denied"
        entry = {"name": protected.host, "ca_path": str(protected.ca), **login}
        assert check(store, name, registries=[entry], **place)["is_current"] is False
        assert check(store, name, registries=[{**entry, "password": "wrong"}], **place)["error"] == "denied"
