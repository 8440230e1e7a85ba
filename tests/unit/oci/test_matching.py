# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidOption, PlatformMissing
from ansible_collections.longshore.images.plugins.module_utils.oci.matching import check_single_platform, reject_conflicting_references
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Platform, Selection
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference

AMD64 = Platform.parse("linux/amd64")
ZEROS, ONES = (f"@sha256:{digit * 64}" for digit in "01")


@pytest.mark.parametrize("wanted", [["linux/amd64"], ["linux/amd64/v3"], ["linux/arm64", "linux/amd64"], ["all"]])
def test_an_image_without_an_index_fits_if_one_of_the_selected_platforms_runs_it(wanted: list[str]) -> None:
    assert check_single_platform(AMD64, Selection.parse(wanted), "app") is None


@pytest.mark.parametrize(("wanted", "named"), [(["linux/arm64"], "linux/arm64"), (["linux/s390x", "linux/arm64"], "linux/s390x, linux/arm64")])
def test_an_image_for_none_of_the_selected_platforms_is_an_error(wanted: list[str], named: str) -> None:
    with pytest.raises(PlatformMissing) as raised:
        check_single_platform(AMD64, Selection.parse(wanted), "app")
    assert raised.value.message == f"app is an image for linux/amd64 only, not for {named}"


def test_the_platform_of_the_host_is_only_a_default_so_another_one_is_a_warning() -> None:
    default = dataclasses.replace(Selection.parse(["linux/arm64"]), explicit=False)
    assert check_single_platform(AMD64, default, "app") == "app is an image for linux/amd64, and this host is linux/arm64"


def test_an_image_that_names_no_platform_fits_any() -> None:
    assert check_single_platform(None, Selection.parse(["linux/amd64", "linux/arm64"]), "app") is None


@pytest.mark.parametrize("names", [["app:1", f"app:1{ZEROS}"], [f"app{ZEROS}", f"app:1{ZEROS}", f"docker.io/library/app:1{ONES}"]])
def test_one_name_for_two_images_is_refused(names: list[str]) -> None:
    with pytest.raises(InvalidOption, match="are two images under one name"):
        reject_conflicting_references(map(Reference.parse, names))


@pytest.mark.parametrize("names", [["app:1", "docker.io/library/app:1"], [f"app{ZEROS}", f"app{ONES}", "app:1"], [f"app:1{ZEROS}", f"app:2{ZEROS}"]])
def test_other_spellings_and_other_names_are_no_conflict(names: list[str]) -> None:
    reject_conflicting_references(map(Reference.parse, names))
