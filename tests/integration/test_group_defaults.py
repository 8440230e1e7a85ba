# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options set for all modules by module_defaults of the action group."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support.images import make_image
from tests.support.plays import play

NAME = "docker.io/library/app:1"


@pytest.mark.parametrize(
    ("module", "options"),
    [
        ("image_tag", {"name": NAME, "targets": ["app:2"]}),
        ("image_copy", {"images": [{"src": "oci:FOLDER/store:" + NAME, "dest": "oci-archive:FOLDER/a.tar"}]}),
        ("image_info", {"name": NAME}),
    ],
)
def test_a_module_uses_only_the_defaults_that_it_needs(tmp_path: Path, module: str, options: dict[str, t.Any]) -> None:
    make_image("app").put(Store(str(tmp_path / "store")), NAME)
    registry = {"name": "r.test", "username": "me", "password": "planted-secret", "mirrors": [{"url": "http://cache.test"}]}
    defaults = {"store": str(tmp_path / "store"), "lock_timeout": 5, "registries": [registry], "retries": 2}
    own = json.loads(json.dumps(options).replace("FOLDER", str(tmp_path)))
    outcome = play(tmp_path, module, own, keywords={"module_defaults": {"group/longshore.images.images": defaults}})
    assert not outcome.get("failed"), outcome
    assert outcome["changed"] == (module != "image_info")
    assert ("store" in outcome) == (module != "image_copy")
    assert "rate_limit" in outcome or module != "image_copy"
