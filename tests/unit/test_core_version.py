# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An ansible-core that is too old gets one sentence from every module."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.longshore.images.plugins.module_utils import core_version
from ansible_collections.longshore.images.plugins.module_utils.errors import UnsupportedAnsible
from tests.support import modules
from tests.tools.cores import CORES

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("version", ["2.9.27", "2.15.13", "2.15.0rc1"])
def test_an_older_version_is_refused_with_both_versions(version: str) -> None:
    with pytest.raises(UnsupportedAnsible) as refused:
        core_version.check_core_version(version)
    assert refused.value.message == (f"Longshore needs ansible-core 2.16 or newer on the controller, but it runs ansible-core {version}: upgrade it")


@pytest.mark.parametrize("version", ["2.16.0", "2.16.0b1", "2.21.5", "2.22.0rc1", "3.0", "2.100.1", "0.0", None, "", "unknown"])
def test_other_versions_pass(version: t.Any) -> None:
    core_version.check_core_version(version)


def test_a_module_fails_before_it_does_anything(tmp_path: Path) -> None:
    options = {"name": "app:1", "path": str(tmp_path / "archive.tar"), "store": str(tmp_path / "store"), "_ansible_version": "2.15.13"}
    failed = modules.fail("image_save", options)
    assert failed["error"] == "unsupported_ansible"
    assert "ansible-core 2.15.13" in failed["msg"]
    assert list(tmp_path.iterdir()) == []


def test_every_file_states_the_same_minimum() -> None:
    minimum = ".".join(map(str, core_version.MINIMUM))
    assert yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["requires_ansible"] == f">={minimum}.0"
    for meta in (ROOT / "roles").glob("*/meta/main.yml"):
        assert yaml.safe_load(meta.read_text())["galaxy_info"]["min_ansible_version"] == minimum, meta
    readme = (ROOT / "README.md").read_text()
    assert set(re.findall(r"ansible-core ([0-9.]+) or newer", readme)) == {minimum}


def test_the_page_about_support_lists_the_tested_versions() -> None:
    listed = re.findall(r"^\| (2\.[0-9]+) \|", (ROOT / "docs" / "support.md").read_text(), re.MULTILINE)
    assert listed == [core.name for core in CORES]
