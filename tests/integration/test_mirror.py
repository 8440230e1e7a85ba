# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role mirror, run by its playbook, from one real registry to another."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t
from pathlib import Path

import pytest

from tests.support.images import Image, make_image, make_index
from tests.support.modules import ROOT, run, snapshot
from tests.support.plays import Play, run_playbook
from tests.support.registry import Registry, free_port, running_registry
from tests.support.tag_deletion import deleting_single_tags
from tests.support.trust import make_key, put_simple_signature

PLATFORMS = ("linux/amd64", "linux/arm64", "linux/s390x")
VERSIONS = {tag: make_image(f"version-{tag}", 1) for tag in ("1.0", "1.1", "1.2", "2.0")}
MULTI = make_index("multi", PLATFORMS, 1)
TOOL = make_image("tool", 1)
SIGNATURE = make_image("signature", 1)


def digest(image: Image) -> str:
    return str(image.root.digest)


def tag_of(image: Image, ending: str = "") -> str:
    """Return the tag that cosign uses for signatures of an image."""
    return f"{digest(image).replace(':', '-')}{ending}"


def mirror(home: Path, *words: str, **variables: t.Any) -> Play:
    return run_playbook(str(ROOT / "playbooks" / "mirror.yml"), home, *words, "-e", json.dumps(variables))


@dataclasses.dataclass
class Scene:
    """An upstream and a private registry, and a list of wanted images."""

    upstream: Registry
    private: Registry
    home: Path

    @property
    def lock(self) -> dict[str, str]:
        """Return the digest of each name in the lock file."""
        return {name: entry["digest"] for name, entry in json.loads(Path(self.variables["mirror_lock_file"]).read_text())["images"].items()}

    @property
    def variables(self) -> dict[str, t.Any]:
        entries = [
            {"name": f"{self.upstream.host}/mirror/app", "tag_versions": "<2", "newest": 2, "tags": ["stable"], "referrers": True},
            {"name": f"{self.upstream.host}/mirror/multi:1", "platforms": ["linux/amd64", "linux/arm64"]},
            {"name": f"{self.upstream.host}/mirror/tool:1", "destination": f"{self.private.host}/own/tool:2"},
        ]
        lock = str(self.home / "images.lock")
        return {"mirror_images": entries, "mirror_destination": f"{self.private.host}/hub/", "mirror_lock_file": lock, "mirror_prune": True}

    def has(self, repository: str) -> list[str]:
        return sorted(self.private.request("GET", f"{repository}/tags/list").json()["tags"])

    @property
    def data(self) -> dict[str, t.Any]:
        """Return every file of the private registry."""
        return snapshot(self.private.folder / "data")


@pytest.fixture
def scene(anonymous: Registry, tmp_path: Path) -> t.Iterator[Scene]:
    for tag, image in VERSIONS.items():
        anonymous.put(image, "mirror/app", tag)
    anonymous.tag(VERSIONS["2.0"], "mirror/app", "stable")
    anonymous.put(SIGNATURE, "mirror/app", tag_of(VERSIONS["1.1"], ".sig"))
    anonymous.put(MULTI, "mirror/multi", "1")
    anonymous.put(TOOL, "mirror/tool", "1")
    (tmp_path / "private").mkdir()
    with running_registry(tmp_path / "private") as private:
        yield Scene(anonymous, private, tmp_path)


def test_wanted_images_are_copied_once_and_locked_and_unwanted_ones_are_pruned(scene: Scene) -> None:
    predicted = mirror(scene.home, "--check", "--diff", **scene.variables)
    assert predicted.status == 0, predicted.output
    assert predicted.recap["changed"] == 2
    assert not any(Path(path).name == "data" for path in scene.data)
    assert not (scene.home / "images.lock").exists()

    first = mirror(scene.home, **scene.variables)
    assert first.status == 0, first.output
    assert scene.has("hub/mirror/app") == ["1.1", "1.2", tag_of(VERSIONS["1.1"], ".sig"), "stable"]
    assert scene.private.digest("hub/mirror/app", "stable") == digest(VERSIONS["2.0"])
    assert scene.private.digest("own/tool", "2") == digest(TOOL)
    part = scene.private.request("GET", "hub/mirror/multi/manifests/1", headers={"Accept": MULTI.root.media_type})
    assert [child["platform"]["architecture"] for child in part.json()["manifests"]] == ["amd64", "arm64"]
    app = f"{scene.upstream.host}/mirror/app"
    assert scene.lock == {
        f"{app}:1.1": digest(VERSIONS["1.1"]),
        f"{app}:1.2": digest(VERSIONS["1.2"]),
        f"{app}:stable": digest(VERSIONS["2.0"]),
        f"{scene.upstream.host}/mirror/multi:1": part.headers["Docker-Content-Digest"],
        f"{scene.private.host}/own/tool:2": digest(TOOL),
    }

    data = scene.data
    second = mirror(scene.home, **scene.variables)
    assert second.status == 0, second.output
    assert second.recap["changed"] == 0
    assert scene.data == data

    pulling = [{"name": scene.upstream.host, "mirrors": [{"url": f"http://{scene.private.host}/hub"}], "mirror_only": True}]
    lock = (scene.home / "images.lock").read_text()
    pulled = run("image_pull", {"lock": lock, "platform": ["linux/amd64"], "registries": pulling, "store": str(scene.home / "store")})
    assert {row["name"]: row["digest"] for row in pulled["images"]} == scene.lock

    scene.upstream.put(make_image("version-1.3", 1), "mirror/app", "1.3")
    data = scene.data
    predicted = mirror(scene.home, "--check", **scene.variables)
    for task in ("Delete tags", "Delete the referrer tags of deleted images"):
        assert "changed" in predicted.went(f"longshore.images.mirror : {task}")
    assert scene.data == data
    third = mirror(scene.home, **scene.variables)
    assert third.status == 0, third.output
    assert scene.has("hub/mirror/app") == ["1.2", "1.3", "stable"]
    assert f"{app}:1.1" not in scene.lock
    assert f"{app}:1.3" in scene.lock
    fourth = mirror(scene.home, **scene.variables)
    assert fourth.recap["changed"] == 0


@pytest.mark.parametrize("deletes", [False, True])
def test_a_tag_that_cannot_be_deleted_alone_stays_and_is_reported(scene: Scene, deletes: bool) -> None:
    """CNCF Distribution 2.8 deletes a manifest together with all of its tags, version 3 also deletes a tag alone."""
    name = f"{scene.upstream.host}/mirror/tool"
    scene.private.put(TOOL, "hub/mirror/tool", "1")
    scene.private.tag(TOOL, "hub/mirror/tool", "old")
    with deleting_single_tags(scene.private, deletes).running() as private:
        variables = {"mirror_images": [{"name": f"{name}:1"}], "mirror_destination": f"{private.host}/hub/", "mirror_prune": True}
        done = mirror(scene.home, **variables)
        assert done.status == 0, done.output
        assert (f"{private.host}/hub/mirror/tool:old" in done.output) is not deletes
    assert scene.has("hub/mirror/tool") == (["1"] if deletes else ["1", "old"])


def test_an_image_wanted_by_digest_is_not_deleted_with_an_unwanted_tag(scene: Scene) -> None:
    """A registry that deletes a manifest together with its tags: the tag must stay."""
    scene.private.put(TOOL, "hub/mirror/tool", "old")
    scene.private.put(VERSIONS["1.0"], "hub/mirror/tool", "older")
    with deleting_single_tags(scene.private, deletes=False).running() as private:
        entry = {"name": f"{scene.upstream.host}/mirror/tool@{digest(TOOL)}"}
        variables = {"mirror_images": [entry], "mirror_destination": f"{private.host}/hub/", "mirror_prune": True}
        predicted = mirror(scene.home, "--check", **variables)
        assert predicted.recap["changed"] == 1
        done = mirror(scene.home, **variables)
        assert done.status == 0, done.output
        assert f"{private.host}/hub/mirror/tool:old" in done.output
        assert scene.has("hub/mirror/tool") == ["old"]
        assert scene.private.digest("hub/mirror/tool", digest(TOOL)) == digest(TOOL)
        assert mirror(scene.home, **variables).recap["changed"] == 0


def refused(home: Path, entry: t.Mapping[str, t.Any], **variables: t.Any) -> str:
    play = mirror(
        home, **{"mirror_images": [entry], "mirror_destination": f"127.0.0.1:{free_port()}/", "mirror_lock_file": f"{home}/lock", **variables}
    )
    assert play.status != 0
    assert play.recap["changed"] == 0
    assert re.search(r"^(fatal|failed): \[localhost\b", play.output, re.MULTILINE)
    assert not (home / "lock").exists()
    return play.output


@pytest.mark.parametrize(
    ("entry", "variables", "outcome"),
    [
        ({"name": "nginx", "tag_patern": "1"}, {}, "tag_patern"),
        ({"tags": ["1"]}, {}, "missing required arguments: name found in mirror_images"),
        ({"name": "nginx:1", "tags": ["2"]}, {}, "nginx:1 has a tag or digest already"),
        (
            {"name": "nginx"},
            {"mirror_destination": "registry.example.com"},
            "mirror_destination (registry.example.com) has to be a registry, with an optional path, and",
        ),
        ({"name": "nginx"}, {"mirror_images": []}, '"msg": "There is nothing to mirror. Give mirror_images."'),
        ({"name": "nginx"}, {"mirror_lock_file": "lock"}, '"msg": "mirror_lock_file (lock) has to be an absolute path."'),
        ({"name": "nginx"}, {"mirror_lock_file": "/nowhere/lock"}, "/nowhere is no folder on localhost"),
        ({"name": "nginx"}, {"mirror_registrys": []}, "mirror_registrys (mirror_registries?)"),
    ],
    ids=str,
)
def test_an_invalid_list_is_refused_before_any_request(entry: dict[str, t.Any], variables: dict[str, t.Any], outcome: str, tmp_path: Path) -> None:
    assert outcome in refused(tmp_path, entry, **variables)


def test_a_pattern_without_matching_tags_is_refused_and_nothing_is_deleted(scene: Scene) -> None:
    scene.private.put(TOOL, "hub/mirror/app", "1.0")
    entry = {"name": f"{scene.upstream.host}/mirror/app", "tag_pattern": "^v"}
    outcome = refused(scene.home, entry, mirror_destination=f"{scene.private.host}/hub/", mirror_prune=True)
    assert f"No tag of {scene.upstream.host}/mirror/app fits" in outcome
    assert scene.has("hub/mirror/app") == ["1.0"]


def test_an_unreachable_registry_and_a_refused_image_stop_the_run_with_their_names_and_the_next_run_converges(scene: Scene) -> None:
    away = f"127.0.0.1:{free_port()}/team/app:1"
    signed, unsigned = (f"{scene.upstream.host}/mirror/{name}" for name in ("tool", "multi"))
    put_simple_signature(scene.upstream, "mirror/tool", TOOL.root, make_key(), signed)
    here = {"name": f"{signed}:1"}
    key = make_key().pem.decode()
    # The signatures name the upstream repository, and the copies have other names.
    rules = [
        {"keys": [key]},
        {"scope": scene.private.host, "keys": [key], "repository": "any"},
        {"scope": away.partition("/")[0], "accept": "anything"},
    ]
    variables = {
        "mirror_destination": f"{scene.private.host}/",
        "mirror_lock_file": str(scene.home / "lock"),
        "mirror_prune": True,
        "mirror_trust": rules,
    }
    failed = mirror(scene.home, mirror_images=[here, {"name": away}, {"name": f"{unsigned}:1"}], **variables)
    assert failed.status != 0
    assert f"{away}: https://" in failed.output
    assert f"{unsigned}:1 is not signed" in failed.output
    assert not (scene.home / "lock").exists()
    assert [scene.private.digest(f"mirror/{name}", "1") for name in ("tool", "multi")] == [digest(TOOL), None]
    again = mirror(scene.home, mirror_images=[here], **variables)
    assert again.status == 0, again.output
    assert again.recap["changed"] == 1  # the lock file alone
