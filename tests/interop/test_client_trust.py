# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""skopeo decides by the policy that registry_client writes: signed images of a scope are accepted, all others refused."""

from __future__ import annotations

import subprocess
import typing as t
from pathlib import Path

import pytest

from tests.support import modules
from tests.support.images import make_image
from tests.support.registry import Registry, needed, running_registry


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Registry]:
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


def call(folder: Path, *words: str) -> int:
    environment = {**modules.environment(HOME=str(folder)), "COSIGN_PASSWORD": ""}
    return subprocess.run(words, check=False, capture_output=True, cwd=folder, env=environment, timeout=60).returncode


def accepts(folder: Path, name: str) -> bool:
    """Return True if skopeo copies an image under the policy below FOLDER."""
    containers = folder / "root/etc/containers"
    settings = ["--policy", str(containers / "policy.json"), "--registries.d", str(containers / "registries.d"), "--src-tls-verify=false"]
    return call(folder, "skopeo", *settings[:4], "copy", *settings[4:], f"docker://{name}", f"dir:{folder}/copy") == 0


def test_skopeo_accepts_what_the_rules_say(registry: Registry, tmp_path: Path) -> None:
    needed("cosign", "skopeo")
    signed, unsigned = registry.put(make_image("signed"), "team/signed", "1"), registry.put(make_image("unsigned"), "team/unsigned", "1")
    open_image = registry.put(make_image("open"), "open/app", "1")
    assert call(tmp_path, "cosign", "generate-key-pair") == 0
    digest = registry.digest("team/signed", "1")
    arguments = ["sign", "--key", "cosign.key", "--tlog-upload=false", "--allow-insecure-registry", "--yes"]
    assert call(tmp_path, "cosign", *arguments, f"{registry.host}/team/signed@{digest}") == 0

    (tmp_path / "root").mkdir()
    rules = [{"scope": f"{registry.host}/team", "keys": [str(tmp_path / "cosign.pub")]}, {"scope": f"{registry.host}/open", "accept": "anything"}]
    options = {"root": str(tmp_path / "root"), "engines": ["podman"], "entries": []}
    modules.run("registry_client", {**options, "trust": rules})
    assert [accepts(tmp_path, name) for name in (signed, unsigned, open_image)] == [True, False, True]

    modules.run("registry_client", {**options, "trust": rules[1:]})
    assert [accepts(tmp_path, name) for name in (signed, open_image)] == [False, True]
