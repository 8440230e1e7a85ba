# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role report with real engines, and with an image that cosign signed."""

from __future__ import annotations

import typing as t
from pathlib import Path

from tests.support import engines, modules, signing
from tests.support.fleets import Fleet
from tests.support.images import make_image
from tests.support.pages import Element, read_page
from tests.support.registry import needed, running_registry


def rows(section: Element, caption: str) -> list[list[str]]:
    (table,) = [table for table in section.all("table") if table.one("caption").text == caption]
    return table.table()


def test_engines_are_beside_the_store_with_their_drift_and_the_verdicts_about_their_images(
    docker: engines.Docker, containerd: engines.Containerd, podman: engines.Podman, tmp_path: Path
) -> None:
    needed("cosign")
    (tmp_path / "registry").mkdir()
    page, lock, store = tmp_path / "page.html", tmp_path / "images.lock", tmp_path / "web1" / "store"
    kubernetes = engines.Containerd(containerd.folder, "k8s.io")
    kubernetes.clear()
    with running_registry(tmp_path / "registry") as registry, podman.service() as socket:
        signed = registry.put(engines.runnable_index("signed", engines.OTHER), "team/signed", "1")
        plain = registry.put(make_image("plain", 1, engines.HOST), "team/plain", "1")
        signing.sign(signing.make_keys(tmp_path), signed)
        wanted: list[dict[str, t.Any]] = [
            {"engine": "docker", "docker_host": f"unix://{docker.folder}/docker.sock"},
            {"engine": "podman", "podman_host": f"unix://{socket}"},
            {"engine": "containerd", "containerd_address": f"{containerd.folder}/c.sock", "containerd_namespace": "k8s.io"},
        ]
        modules.run("image_pull", {"name": [signed, plain], "store": str(store), "referrers": True})
        modules.run("image_lock", {"name": [signed, plain], "path": str(lock)})
        for engine in wanted:
            modules.run("image_deliver", {"name": [signed, plain], "store": str(store), **engine})
        old = registry.put(make_image("old", 1, engines.HOST), "team/two", "1")
        registry.put(make_image("new", 1, engines.HOST, created="2026-03-01T00:00:00Z"), "team/two", "2")
        modules.run("image_pull", {"name": old, **wanted[0]})
        docker.remove(plain)
        kubernetes.tag(signed, plain)

        stopped = {"engine": "containerd", "containerd_address": f"{tmp_path}/c.sock"}
        trust = [{"scope": signed.rpartition(":")[0], "keys": [(tmp_path / "cosign.pub").read_text()]}]
        fleet = Fleet(tmp_path, "report_store", {"web1": {"report_engines": [*wanted, stopped]}})
        pruned = [{"registry": registry.host, "repositories": ["team/two"], "keep": 1, "plain_http": True}]
        settings = {"report_path": str(page), "report_lock_file": str(lock), "report_trust": trust, "report_registries": pruned}
        outcome = fleet.run("report", **settings)
        assert (outcome.status, outcome.count("changed", "web1")) == (0, 1), outcome.output

    seen = read_page(page.read_text())
    ((absent, why),) = seen.one(id="not-asked").one("table").table()
    assert absent == "web1 containerd"
    assert f"{tmp_path}/c.sock" in why
    drift, signatures = seen.one(id="drift"), seen.one(id="signatures")
    assert [(line[0], line[1], line[-1]) for line in rows(drift, "What is not as locked")] == [
        (plain, "another image", "web1 (containerd k8s.io)"),
        (plain, "missing", "web1 (docker)"),
    ]
    assert [line[0] for line in rows(drift, "Names that mean different images on different hosts or engines")] == [plain, plain]
    # Docker keeps only the ID of the signed image, and Podman the digest of one manifest.
    ((name, _digest, signer, on),) = rows(signatures, "Who signed what")
    assert (name, signer.endswith("simple signing"), on) == (signed, True, "web1 (store, docker, podman, containerd k8s.io)")
    assert [(line[0], line[1], line[-1]) for line in rows(signatures, "What the policy refuses") if line[0] != old] == [
        (plain, "refused", "web1 (containerd k8s.io)"),
        (plain, "refused", "web1 (store, podman)"),
    ]
    sizes = {line[0]: line[1:] for line in seen.one(id="disk").one("table").table()}
    assert (sizes["web1 docker"][0], sizes["web1 docker"][2].startswith("up to ")) == ("2", True)
    assert sizes["web1 containerd k8s.io"][2] == sizes["web1 containerd k8s.io"][1] == "1.1 MB"
    # Docker has the old image, of which it knows only the ID, so the policy would keep it.
    assert [(line[1], line[-1]) for line in seen.one(id="registries").one("table").table()] == [("2", "nothing")]
