# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configs of images."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import UnsupportedFormat
from ansible_collections.longshore.images.plugins.module_utils.oci.config import ImageConfig
from tests.support.documents import SHA, encode


def test_a_config_is_read() -> None:
    created = "2026-01-31T12:00:00.123456789Z"
    document = encode(
        {
            "os": "linux", "architecture": "arm64", "variant": "v8", "created": created, "author": "me", "config": {"Labels": {"a": "b"}, "Cmd": ["x"]},
            "rootfs": {"type": "layers", "diff_ids": [SHA]}, "history": [{"created_by": "x", "empty_layer": True}, {}],
        }
    )  # fmt: skip
    config = ImageConfig.read(document, "it")
    assert (str(config.platform), config.created, config.author, config.labels) == ("linux/arm64", created, "me", {"a": "b"})
    assert [str(digest) for digest in config.diff_ids] == [SHA]
    assert [(entry.created_by, entry.empty_layer) for entry in config.history] == [("x", True), (None, False)]
    assert config.created_at is not None
    assert config.created_at.isoformat() == "2026-01-31T12:00:00+00:00"
    assert config.settings == {"Labels": {"a": "b"}, "Cmd": ["x"]}


@pytest.mark.parametrize("document", [b"{}", encode({"config": None, "rootfs": None, "history": None, "os": "linux"})])
def test_an_empty_config_has_no_facts(document: bytes) -> None:
    config = ImageConfig.read(document, "it")
    assert (config.platform, config.created_at, config.labels, config.diff_ids, config.history, config.settings) == (None, None, {}, (), (), {})


@pytest.mark.parametrize("created", ["", "yesterday", "2026-13-01T00:00:00Z", "0000-00-00T00:00:00Z"])
def test_an_invalid_creation_time_is_none(created: str) -> None:
    assert ImageConfig.read(encode({"created": created}), "it").created_at is None


@pytest.mark.parametrize(
    "members",
    [
        {"rootfs": {"diff_ids": [1]}},
        {"rootfs": {"diff_ids": ["sha256:x"]}},
        {"rootfs": {"diff_ids": "x"}},
        {"rootfs": []},
        {"rootfs": {"diff_ids": [SHA] * 1001}},
        {"config": []},
        {"config": {"Labels": {"a": 1}}},
        {"config": {"Labels": []}},
        {"history": [1]},
        {"history": {"a": 1}},
        {"history": [{"empty_layer": 1}]},
        {"history": [{"created_by": ["x"]}]},
        {"os": 1},
        {"os": "linux", "architecture": []},
        {"created": 1},
    ],
)
def test_an_odd_config_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedFormat, match="it"):
        ImageConfig.read(encode(members), "it")
