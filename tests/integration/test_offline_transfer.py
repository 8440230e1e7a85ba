# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role bundle and the playbooks airgap_export and airgap_import: from a registry into a file, and from it to hosts without access to that registry."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import shutil
import typing as t
from pathlib import Path

import pytest

from tests.support.images import Image, make_image, make_index, make_layer
from tests.support.modules import ROOT, run, snapshot
from tests.support.plays import Play, run_playbook
from tests.support.registry import Registry, free_port, running_registry

PLATFORMS = ["linux/amd64", "linux/arm64"]
BASE_LAYER = make_layer("base", 20_000)
APP = make_index("app", (*PLATFORMS, "linux/s390x"), 1)
TOOL = make_image("tool", 1, shared=[BASE_LAYER])
NEXT = make_image("next", 1, shared=[BASE_LAYER])


def play(name: str, home: Path, *words: str, **variables: t.Any) -> Play:
    return run_playbook(str(ROOT / "playbooks" / f"{name}.yml"), home, *words, "-e", json.dumps(variables))


@dataclasses.dataclass(frozen=True)
class Exported:
    """A bundle of two images, with the output of check mode, of the export, and of a second export."""

    folder: Path
    names: list[str]
    variables: dict[str, t.Any]
    predicted: Play
    first: Play
    second: Play
    left_by_check_mode: dict[str, t.Any]
    changed_by_second: bool

    @property
    def bundle(self) -> Path:
        return self.folder / "out" / "images.tar"

    def copied_to(self, folder: Path) -> Path:
        """Copy the bundle to a folder, as to the disconnected side."""
        shutil.copytree(self.bundle.parent, folder / "media")
        return folder / "media" / "images.tar"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, anonymous: Registry) -> Exported:
    folder = tmp_path_factory.mktemp("near")
    names = [anonymous.put(APP, "airgap/app", "1"), anonymous.put(TOOL, "airgap/tool", "1")]
    out = folder / "out"
    variables = {"bundle_images": names, "bundle_path": f"{out}/images.tar", "bundle_platforms": PLATFORMS, "bundle_store": f"{folder}/store"}
    predicted = play("airgap_export", folder, "--check", "--diff", **variables)
    left = {**snapshot(out), **snapshot(folder / "store")}
    first = play("airgap_export", folder, **variables)
    written = snapshot(out)
    second = play("airgap_export", folder, "--diff", **variables)
    return Exported(folder, names, variables, predicted, first, second, left, snapshot(out) != written)


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Registry]:
    """Run the registry of the disconnected side."""
    with running_registry(tmp_path_factory.mktemp("private")) as running:
        yield running


def digests(folder: Path, *names: str) -> list[str | None]:
    return [row["digest"] for row in run("image_info", {"store": str(folder / "store"), "name": list(names)})["images"]]


def digest(image: Image) -> str:
    return str(image.root.digest)


# Export.


def test_check_mode_completes_an_export_and_writes_nothing(exported: Exported) -> None:
    assert exported.predicted.status == 0, exported.predicted.output
    assert exported.predicted.recap["changed"] == 3
    assert exported.left_by_check_mode == {}


def test_a_bundle_has_a_lock_file_and_a_checksum_beside_it(exported: Exported) -> None:
    assert exported.first.status == 0, exported.first.output
    assert {path.name for path in exported.bundle.parent.iterdir()} == {"images.tar", "images.tar.lock.json", "images.tar.sha256"}
    checksum = hashlib.sha256(exported.bundle.read_bytes()).hexdigest()
    assert (exported.folder / "out" / "images.tar.sha256").read_text() == f"{checksum}  images.tar\n"
    locked = json.loads((exported.folder / "out" / "images.tar.lock.json").read_text())["images"]
    assert {name: entry["digest"] for name, entry in locked.items()} == dict(zip(exported.names, (digest(APP), digest(TOOL))))
    assert sorted(locked[exported.names[0]]["platforms"]) == PLATFORMS


def test_a_second_export_changes_nothing(exported: Exported) -> None:
    assert exported.second.status == 0, exported.second.output
    assert exported.second.recap["changed"] == 0
    assert not exported.changed_by_second


def test_a_lock_file_is_bundled_by_digest_and_a_delta_omits_content_of_its_base(exported: Exported, anonymous: Registry, tmp_path: Path) -> None:
    name = anonymous.put(NEXT, "airgap/next", "1")
    lock = tmp_path / "images.lock"
    run("image_lock", {"name": [name], "path": str(lock)})
    anonymous.put(make_image("moved", 1), "airgap/next", "1")
    delta = tmp_path / "delta.tar"
    variables = {"bundle_lock_file": str(lock), "bundle_path": str(delta), "bundle_store": f"{tmp_path}/store"}
    done = play("airgap_export", tmp_path, **variables, bundle_base=[str(exported.bundle)], bundle_compression="gzip")
    assert done.status == 0, done.output
    assert json.loads(lock.read_text())["images"][name]["digest"] == json.loads(Path(f"{delta}.lock.json").read_text())["images"][name]["digest"]
    far = str(tmp_path / "far")
    run("image_load", {"path": str(exported.bundle), "store": far})
    loaded = run("image_load", {"path": str(delta), "store": far})
    assert [row["digest"] for row in loaded["images"]] == [digest(NEXT)]
    assert loaded["bytes_reused"] == len(BASE_LAYER)


def test_an_unreachable_registry_and_a_refused_image_stop_the_export_with_their_names(exported: Exported, tmp_path: Path) -> None:
    name = f"127.0.0.1:{free_port()}/team/app:1"
    variables = {"bundle_path": f"{tmp_path}/out/b.tar", "bundle_store": f"{tmp_path}/store"}
    rules = [{"scope": name.partition("/")[0], "accept": "anything"}]
    failed = play("airgap_export", tmp_path, bundle_images=[name, exported.names[0]], bundle_trust=rules, **variables)
    assert failed.status != 0
    assert f"{name}: https://" in failed.output
    assert f"{exported.names[0]} is not trusted" in failed.output
    assert "fatal: [localhost]" in failed.output
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("variables", "outcome"),
    [
        ({"bundle_path": "/nonexistent/b.tar", "bundle_iamges": ["app"]}, "bundle_iamges (bundle_images?)"),
        ({"bundle_path": "/nonexistent/b.tar"}, "There is nothing to bundle"),
        ({"bundle_path": "b.tar", "bundle_images": ["app"]}, "bundle_path (b.tar) has to be the absolute path of a file"),
        ({"bundle_path": "/nonexistent/b.tar", "bundle_images": ["app"], "bundle_base": ["/nonexistent/./b.tar"]}, "can't be the base of itself"),
        (
            {"bundle_path": "/nonexistent/b.tar", "bundle_images": ["app"], "bundle_base": ["/lost/a.tar"]},
            "bundle_base: /lost/a.tar isn't on this host",
        ),
    ],
    ids=str,
)
def test_invalid_values_are_refused_before_any_request(variables: dict[str, t.Any], outcome: str, tmp_path: Path) -> None:
    failed = play("airgap_export", tmp_path, **variables)
    assert failed.status != 0
    assert outcome in failed.output
    assert failed.recap["changed"] == 0


# Import.


def test_imported_images_keep_their_digests_in_the_store_and_in_the_private_registry(exported: Exported, private: Registry, tmp_path: Path) -> None:
    variables = {
        "airgap_bundle": str(exported.copied_to(tmp_path)),
        "airgap_destination": f"{private.host}/far/",
        "airgap_store": f"{tmp_path}/store",
    }
    predicted = play("airgap_import", tmp_path, "--check", **variables, airgap_bundle_on="controller")
    assert predicted.status == 0, predicted.output
    assert predicted.went("longshore.images.preload : Load the missing images") == ["changed"]
    assert predicted.went("Report the push that follows") == ["changed"]
    assert not snapshot(tmp_path / "store")
    # The bundle has only one platform of the index, and a registry doesn't accept that under the digest of the index.
    first = play("airgap_import", tmp_path, **variables, airgap_platforms=["linux/amd64"])
    assert first.status == 0, first.output
    assert digests(tmp_path, *exported.names) == [digest(APP), digest(TOOL)]
    assert private.digest("far/airgap/tool", "1") == digest(TOOL)
    second = play("airgap_import", tmp_path, **variables, airgap_platforms=["linux/amd64"])
    assert second.status == 0, second.output
    assert second.recap["changed"] == 0


def shorten(bundle: Path) -> None:
    with bundle.open("r+b") as file:
        file.truncate(bundle.stat().st_size // 2)


def replace(bundle: Path, old: str, new: str) -> None:
    path = Path(f"{bundle}{'.sha256' if old == 'checksum' else '.lock.json'}")
    path.write_text(path.read_text().replace(path.read_text().split()[0] if old == "checksum" else old, new))


def forget(bundle: Path) -> None:
    """Replace the lock file by that of another bundle with only one of the images."""
    path = Path(f"{bundle}.lock.json")
    lock = json.loads(path.read_text())
    lock["images"].popitem()
    path.write_text(json.dumps(lock))


DAMAGES: dict[str, tuple[t.Callable[[Path], object], str]] = {
    "half-copied": (shorten, "it was copied only partially"),
    "wrong checksum": (lambda bundle: replace(bundle, "checksum", "0" * 64), f"expected {'0' * 64}"),
    "no checksum": (lambda bundle: Path(f"{bundle}.sha256").unlink(), "is incomplete on localhost: there is no file"),
    "half a lock file": (lambda bundle: shorten(Path(f"{bundle}.lock.json")), ".lock.json on localhost isn't the lock file of a bundle"),
    "the lock file of another": (lambda bundle: replace(bundle, digest(TOOL), digest(APP)), "they differ in"),
    "an image too many": (forget, "they differ in"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_incomplete_bundle_is_refused_with_its_path_and_host(exported: Exported, damage: str, tmp_path: Path) -> None:
    spoil, outcome = DAMAGES[damage]
    bundle = exported.copied_to(tmp_path)
    spoil(bundle)
    failed = play("airgap_import", tmp_path, airgap_bundle=str(bundle), airgap_store=f"{tmp_path}/store")
    assert failed.status != 0
    assert outcome in failed.output
    assert re.search(r"^(fatal|failed): \[localhost\b", failed.output, re.MULTILINE)
    assert str(bundle) in failed.output
    assert not snapshot(tmp_path / "store")


@pytest.mark.parametrize(
    ("variables", "outcome"),
    [
        ({"airgap_engines": ["docker", "rkt"]}, "airgap_engines holds rkt: an engine is one of docker, podman, containerd."),
        ({"airgap_engines": "docker,rkt"}, "airgap_engines holds rkt: an engine is one of docker, podman, containerd."),
        ({"airgap_engines": [{"engine": "docker"}]}, "airgap_engines holds {'engine': 'docker'}: an engine is one of"),
        ({"airgap_bundle": ""}, "There is nothing to import. Give airgap_bundle."),
        ({"airgap_bundle": "images.tar"}, "airgap_bundle (images.tar) is on the host, so it has to be an absolute path."),
        ({"airgap_bundle_on": "here"}, "airgap_bundle_on (here) has to be host or controller."),
        ({"airgap_destination": "localhost:5444"}, "airgap_destination (localhost:5444) has to end in a slash, as localhost:5444/ does."),
        ({"airgap_destination": "/"}, "airgap_destination (/) has to begin with a registry."),
    ],
    ids=str,
)
def test_invalid_values_of_an_import_are_refused_before_anything_is_loaded(
    exported: Exported, variables: dict[str, t.Any], outcome: str, tmp_path: Path
) -> None:
    failed = play("airgap_import", tmp_path, **{"airgap_bundle": str(exported.bundle), "airgap_store": f"{tmp_path}/store", **variables})
    assert failed.status != 0
    assert outcome in failed.output
    assert not snapshot(tmp_path / "store")


def test_a_single_engine_may_be_given_as_text(exported: Exported, tmp_path: Path) -> None:
    variables = {"airgap_bundle": str(exported.bundle), "airgap_store": f"{tmp_path}/store", "airgap_engines": "podman"}
    predicted = play("airgap_import", tmp_path, "--check", **variables)
    assert predicted.status == 0, predicted.output
    assert "delivered to podman once the host has it." in predicted.output
