# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pull keeps, compares, fetches or refuses an image: one table for all pull policies."""

from __future__ import annotations

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import (
    DiskFull,
    ImageNotFound,
    LongshoreError,
    RateLimited,
    RegistryError,
    Unreachable,
)
from ansible_collections.longshore.images.plugins.module_utils.verbs.pull import Current, PullPolicy, choose

TABLE = """
    policy  | signatures | absent | tagged  | pinned
    always  | kept       | fetch  | compare | verify
    missing | kept       | fetch  | keep    | keep
    newer   | kept       | fetch  | compare | keep
    never   | kept       | refuse | keep    | keep
    always  | missing    | fetch  | compare | compare
    missing | missing    | fetch  | verify  | verify
    newer   | missing    | fetch  | compare | compare
    never   | missing    | refuse | keep    | keep
"""
ROWS = [[cell.strip() for cell in line.split("|")] for line in TABLE.strip().splitlines()[1:]]


@pytest.mark.parametrize(("policy", "signatures", "absent", "tagged", "pinned"), ROWS)
def test_each_policy_decides_about_absent_tagged_and_pinned_images(policy: str, signatures: str, absent: str, tagged: str, pinned: str) -> None:
    choices = [choose(PullPolicy(policy), current, lacks_signatures=signatures == "missing").name.lower() for current in Current]
    assert choices == [absent, tagged, pinned]


@pytest.mark.parametrize(
    ("error", "may_pass"),
    [
        (Unreachable("no answer"), True),
        (RateLimited("too many requests", 429), True),
        (RegistryError("failed", 503), True),
        (RegistryError("odd answer", 200), False),
        (ImageNotFound("gone", 404), False),
        (DiskFull("no space"), False),
    ],
)
def test_only_newer_keeps_an_image_after_an_error_that_may_pass(error: LongshoreError, may_pass: bool) -> None:
    assert PullPolicy.NEWER.keeps_after(error) == may_pass
    assert not any(policy.keeps_after(error) for policy in PullPolicy if policy is not PullPolicy.NEWER)
