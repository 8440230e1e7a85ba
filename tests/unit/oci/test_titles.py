# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci.titles import find_title_problem
from tests.support.titles import SAFE, UNSAFE


@pytest.mark.parametrize("titles", SAFE.values(), ids=SAFE)
def test_safe_titles_are_accepted(titles: list[str]) -> None:
    assert find_title_problem(titles) is None


@pytest.mark.parametrize("titles", UNSAFE.values(), ids=UNSAFE)
def test_unsafe_titles_are_refused_in_one_printable_sentence(titles: list[str]) -> None:
    problem = find_title_problem(titles)

    assert problem is not None
    assert problem.isprintable()
