# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible sends a module with all files that it imports anywhere, and parses them in each play: their number is bounded."""

from __future__ import annotations

import pytest

from benchmarks.payload import ROOT, list_files, list_modules, measure

# The files and the kilobytes of each module, with little room. An import that a module doesn't need belongs into a file that it doesn't import.
MOST = {
    "artifact_pull": (194, 1125),
    "artifact_push": (136, 825),
    "image_append": (89, 520),
    "image_attest": (138, 800),
    "image_copy": (213, 1250),
    "image_deliver": (131, 821),
    "image_diff_info": (202, 1125),
    "image_extract": (221, 1300),
    "image_history_info": (183, 1035),
    "image_index": (115, 670),
    "image_info": (196, 1150),
    "image_load": (144, 880),
    "image_lock": (173, 1000),
    "image_packages_info": (202, 1125),
    "image_prune": (192, 1095),
    "image_pull": (181, 1110),
    "image_push": (196, 1150),
    "image_rebase": (85, 500),
    "image_rm": (182, 1045),
    "image_save": (113, 700),
    "image_search_info": (111, 635),
    "image_sign": (138, 795),
    "image_tag": (137, 785),
    "image_verify": (122, 705),
    "registry_client": (126, 755),
    "registry_login": (110, 640),
    "registry_login_info": (106, 610),
}


@pytest.mark.parametrize("module", list_modules())
def test_a_module_is_sent_with_few_files(module: str) -> None:
    files = list_files(module)
    most_files, most_kilobytes = MOST[module]
    assert len(files) <= most_files
    assert sum(path.stat().st_size for path in files) <= most_kilobytes * 1000


@pytest.mark.parametrize("module", ["image_tag", "image_pull"])
def test_the_listed_files_are_those_that_ansible_sends(module: str) -> None:
    _seconds, names = measure(module, runs=1)
    own = {name.partition("/longshore/images/")[2] for name in names if "/longshore/images/plugins/module_utils/" in name}
    listed = {str(path.relative_to(ROOT)) for path in list_files(module)} - {f"plugins/modules/{module}.py"}
    assert listed == own


@pytest.mark.parametrize(
    ("module", "unneeded"),
    [
        ("artifact_pull", ("engine/", "places/engine/", "task/engines.py")),
        ("image_append", ("registry/", "engine/", "trust/")),
        ("image_tag", ("registry/",)),
        ("image_search_info", ("engine/", "trust/", "archive/")),
        ("image_pull", ("places/store/catalog.py", "places/engine/catalog.py", "places/engine/removal.py", "task/file_options.py")),
    ],
)
def test_a_module_is_sent_without_places_that_it_never_opens(module: str, unneeded: tuple[str, ...]) -> None:
    sent = {str(path.relative_to(ROOT / "plugins")).removeprefix("module_utils/") for path in list_files(module)}
    assert [name for name in sorted(sent) if name.startswith(unneeded)] == []
