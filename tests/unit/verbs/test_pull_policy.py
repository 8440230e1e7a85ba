# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When an image that a place has is kept, for every pull policy."""

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
from ansible_collections.longshore.images.plugins.module_utils.verbs.pull_policy import PullPolicy


@pytest.mark.parametrize(
    ("policy", "keeps_a_tag", "asks_for_signatures", "forbids_requests"),
    [("always", False, True, False), ("missing", True, False, False), ("newer", False, False, False), ("never", True, False, True)],
)
def test_every_policy_keeps_what_is_pinned_and_its_own_tags(
    policy: str, keeps_a_tag: bool, asks_for_signatures: bool, forbids_requests: bool
) -> None:
    chosen = PullPolicy(policy)
    assert chosen.keeps(is_pinned=True)
    assert chosen.keeps(is_pinned=False) == keeps_a_tag
    assert (chosen.asks_for_signatures, chosen.forbids_requests) == (asks_for_signatures, forbids_requests)


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
