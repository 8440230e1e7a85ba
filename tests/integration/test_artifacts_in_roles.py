# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The roles mirror and bundle take artifacts beside images: files, a Helm chart, and an SBOM that is attached to an image."""

from __future__ import annotations

import dataclasses
import io
import json
import tarfile
import typing as t
from pathlib import Path

import pytest

from tests.support.images import make_index
from tests.support.modules import ROOT, run
from tests.support.plays import Play, run_playbook
from tests.support.registry import Registry, running_registry

SPDX = "application/spdx+json"
PLATFORMS = ["linux/amd64", "linux/arm64"]


@dataclasses.dataclass(frozen=True)
class Upstream:
    """A registry with an image, its SBOM, firmware, and two versions of a chart. `digests` are those of the names."""

    registry: Registry
    digests: dict[str, str]
    sbom: str

    def name(self, ending: str) -> str:
        return f"{self.registry.host}/site/{ending}"


def play(name: str, home: Path, *words: str, **variables: t.Any) -> Play:
    return run_playbook(str(ROOT / "playbooks" / f"{name}.yml"), home, *words, "-e", json.dumps(variables))


def publish(**options: t.Any) -> str:
    return str(run("artifact_push", options)["images"][0]["digest"])


def package(folder: Path, version: str) -> str:
    path = folder / f"web-{version}.tgz"
    data = f"apiVersion: v2\nname: web\nversion: {version}\n".encode()
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo("web/Chart.yaml")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return str(path)


@pytest.fixture
def upstream(anonymous: Registry, tmp_path: Path) -> Upstream:
    (tmp_path / "switch.bin").write_bytes(b"firmware" * 100)
    (tmp_path / "sbom.json").write_text("{}")
    prefix = f"{anonymous.host}/site"
    image = make_index("site", (*PLATFORMS, "linux/s390x"), 1)
    digests = {
        anonymous.put(image, "site/app", "3"): str(image.root.digest),
        f"{prefix}/switch:4.2": publish(
            name=f"{prefix}/switch:4.2", files=[{"path": f"{tmp_path}/switch.bin"}], type="application/vnd.test.firmware"
        ),
    }
    for version in ("1.4.0", "1.5.0"):
        name = f"{prefix}/charts/web:{version}"
        digests[name] = publish(name=name, preset="helm_chart", files=[{"path": package(tmp_path, version)}])
    sbom = publish(subject=f"{prefix}/app:3", type=SPDX, files=[{"path": f"{tmp_path}/sbom.json", "media_type": SPDX}])
    return Upstream(anonymous, digests, sbom)


def test_a_mirror_keeps_the_digests_of_artifacts_and_what_is_attached_to_images(upstream: Upstream, tmp_path: Path) -> None:
    with running_registry(tmp_path) as private:
        entries = [
            {"name": upstream.name("app:3"), "referrers": True},
            {"name": upstream.name("switch:4.2"), "platforms": PLATFORMS},
            {"name": upstream.name("charts/web"), "tag_versions": ">=1,<2", "newest": 1},
        ]
        variables = {"mirror_images": entries, "mirror_destination": f"{private.host}/hub/", "mirror_lock_file": f"{tmp_path}/images.lock"}
        first = play("mirror", tmp_path, **variables)
        assert first.status == 0, first.output
        second = play("mirror", tmp_path, **variables)
        assert (second.status, second.recap["changed"]) == (0, 0), second.output

        wanted = {name: digest for name, digest in upstream.digests.items() if not name.endswith(":1.4.0")}
        locked = json.loads((tmp_path / "images.lock").read_text())["images"]
        assert {name: entry["digest"] for name, entry in locked.items()} == wanted
        for name, digest in wanted.items():
            repository, _colon, tag = name.removeprefix(f"{upstream.registry.host}/").rpartition(":")
            assert private.digest(f"hub/{repository}", tag) == digest
        copy = run("image_info", {"name": f"{private.host}/hub/site/app:3", "remote": True, "store": f"{tmp_path}/store"})["images"][0]
        assert [referrer["digest"] for referrer in copy["referrers"]] == [upstream.sbom]


def test_a_bundle_carries_artifacts_and_what_is_attached_to_images(upstream: Upstream, tmp_path: Path) -> None:
    variables = {
        "bundle_images": list(upstream.digests), "bundle_path": f"{tmp_path}/out/site.tar", "bundle_platforms": PLATFORMS,
        "bundle_referrers": True, "bundle_store": f"{tmp_path}/near",
    }  # fmt: skip
    done = play("airgap_export", tmp_path, **variables)
    assert done.status == 0, done.output

    far = f"{tmp_path}/far"
    loaded = run("image_load", {"path": f"{tmp_path}/out/site.tar", "store": far})
    assert {row["name"]: row["digest"] for row in loaded["images"]} == upstream.digests
    with running_registry(tmp_path) as private:
        names = [upstream.name("switch:4.2"), upstream.name("charts/web:1.5.0")]
        pushed = run("image_push", {"name": names, "destination": f"{private.host}/hub/", "store": far})
        assert [row["digest"] for row in pushed["images"]] == [upstream.digests[name] for name in names]
        assert private.digest("hub/site/charts/web", "1.5.0") == upstream.digests[names[1]]
