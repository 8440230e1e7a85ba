# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modes as playbooks write them, with quotes and without."""

from __future__ import annotations

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidOption
from ansible_collections.longshore.images.plugins.module_utils.task.file_modes import octal_mode
from ansible_collections.longshore.images.plugins.module_utils.task.file_options import check_file_options

USUAL = (
    0o400,
    0o440,
    0o444,
    0o500,
    0o555,
    0o600,
    0o640,
    0o644,
    0o660,
    0o664,
    0o700,
    0o711,
    0o750,
    0o755,
    0o770,
    0o775,
    0o1777,
    0o2755,
    0o2775,
    0o4755,
)


@pytest.mark.parametrize("mode", USUAL, ids=oct)
def test_a_mode_is_accepted_as_octal_text_and_as_the_number_that_yaml_reads(mode: int) -> None:
    assert octal_mode(f"{mode:o}", "mode") == octal_mode(f"0{mode:o}", "mode") == octal_mode(mode, "mode") == mode
    check_file_options({"mode": mode})


@pytest.mark.parametrize("mode", USUAL, ids=oct)
def test_a_mode_without_its_zero_and_quotes_is_refused_with_the_way_to_write_it(mode: int) -> None:
    decimal = int(f"{mode:o}")
    for refuse in (lambda: octal_mode(decimal, "mode"), lambda: check_file_options({"mode": decimal})):
        with pytest.raises(InvalidOption, match=f"mode {decimal} .* in quotes, as '0{decimal}' or '{decimal:04o}'"):
            refuse()


def test_a_number_that_may_be_meant_both_ways_is_refused() -> None:
    with pytest.raises(InvalidOption, match="'0511' or '0777'"):
        octal_mode(0o777, "mode")
