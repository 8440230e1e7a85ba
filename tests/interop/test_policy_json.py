# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""skopeo answers each policy.json as Longshore does. tests/unit/trust/test_policy_json.py asks Longshore about the same policies."""

from __future__ import annotations

import json
import subprocess
import typing as t
from pathlib import Path

import pytest

from tests.support.images import make_image
from tests.support.policies import CASES, FOLDER, INVALID, KEY_FILES, as_bytes
from tests.support.registry import Registry, needed, running_registry
from tests.support.trust import make_key, put_simple_signature


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Registry]:
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        running.put(make_image("signed"), "team/app", "1")
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the keys, and with the setting that lets skopeo read signatures beside images."""
    folder = tmp_path_factory.mktemp("skopeo")
    for name, data in KEY_FILES.items():
        (folder / name).write_bytes(data)
    (folder / "registries.d").mkdir()
    (folder / "registries.d" / "test.yaml").write_text("default-docker:\n  use-sigstore-attachments: true\n")
    return folder


def is_accepted(name: str, document: bytes, folder: Path) -> tuple[bool, str]:
    """Return whether skopeo copies the image, and what it says."""
    needed("skopeo")
    (folder / "policy.json").write_bytes(document)
    options = ["--policy", str(folder / "policy.json"), "--registries.d", str(folder / "registries.d")]
    result = subprocess.run(
        ["skopeo", *options, "copy", "--quiet", "--src-tls-verify=false", "--remove-signatures", f"docker://{name}", f"dir:{folder}/copy"],
        capture_output=True,
        text=True,
        check=False,
    )
    return result.returncode == 0, result.stderr


@pytest.mark.parametrize("case", CASES)
def test_skopeo_decides_as_longshore(case: str, registry: Registry, folder: Path) -> None:
    host = registry.host

    def here(text: str) -> str:
        return text.replace("*.test", "*.0.0.1").replace("registry.test", host).replace(f"{FOLDER}/", f"{folder}/")

    put_simple_signature(registry, "team/app", make_image("signed").root, make_key(), signed=here(CASES[case].signed))
    accepted, said = is_accepted(here(CASES[case].name), here(json.dumps(CASES[case].document)).encode(), folder)
    assert accepted is CASES[case].accepted, said
    if not accepted:
        assert "rejected" in said or "policy" in said or "ignature" in said, said


@pytest.mark.parametrize("case", INVALID)
def test_skopeo_refuses_invalid_policies_too(case: str, registry: Registry, folder: Path) -> None:
    accepted, said = is_accepted(f"{registry.host}/team/app:1", as_bytes(INVALID[case]), folder)
    assert not accepted
    assert "Error loading trust policy" in said
