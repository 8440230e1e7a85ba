# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that are set once for all modules of the group."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from ansible_collections.longshore.images.tests.support.images import make_image
from ansible_collections.longshore.images.tests.support.plays import play

NAME = "docker.io/library/app:1"


@pytest.mark.parametrize(
    ("module", "options"),
    [
        ("image_tag", {"name": NAME, "targets": ["app:2"]}),
        ("image_copy", {"images": [{"src": "oci:{folder}/store:" + NAME, "dest": "oci-archive:{folder}/a.tar"}]}),
        ("image_info", {"name": NAME}),
    ],
)
def test_a_module_takes_what_it_needs_of_them(tmp_path: Path, module: str, options: dict[str, t.Any]) -> None:
    make_image("app").put(Store(str(tmp_path / "store")), NAME)
    registry = {"name": "r.test", "username": "me", "password": "planted-secret", "mirrors": [{"url": "http://cache.test"}]}
    defaults = {"store": str(tmp_path / "store"), "lock_timeout": 5, "registries": [registry], "retries": 2}
    own = {
        key: [{name: text.format(folder=tmp_path) for name, text in entry.items()} for entry in value] if key == "images" else value
        for key, value in options.items()
    }
    told = play(tmp_path, module, own, keywords={"module_defaults": {"group/longshore.images.images": defaults}})
    assert not told.get("failed"), told
    assert told["changed"] == (module != "image_info")
    assert ("store" in told) == (module != "image_copy")
    assert "rate_limit" in told or module != "image_copy"
