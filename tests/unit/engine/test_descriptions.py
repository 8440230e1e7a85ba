# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Descriptions of images by Docker and Podman."""

from __future__ import annotations

import pytest

from ansible_collections.longshore.images.plugins.module_utils.engine.descriptions import parse_description
from ansible_collections.longshore.images.plugins.module_utils.errors import EngineError
from ansible_collections.longshore.images.plugins.module_utils.oci.document import Document

ROW = Document({"Os": "linux", "Size": 7}, "the image")


@pytest.mark.parametrize(
    ("seconds", "created"), [(0, None), (-62135596800, None), (1, "1970-01-01T00:00:01Z"), (253402300799, "9999-12-31T23:59:59Z")]
)
def test_a_step_of_the_history_has_the_time_that_the_engine_says(seconds: int, created: str | None) -> None:
    description = parse_description(ROW, [Document({"Created": seconds, "Size": 1}, "a step")])
    assert description.config.members["history"][0].get("created") == created


@pytest.mark.parametrize("seconds", [253402300800, 2**63, 10**400, "now", 1.5])
def test_a_step_with_an_impossible_time_is_an_error_of_the_engine(seconds: object) -> None:
    with pytest.raises(EngineError, match="a step: Created is not"):
        parse_description(ROW, [Document({"Created": seconds}, "a step")])
