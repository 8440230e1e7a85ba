# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible sends a module with all files that it imports anywhere, and parses them in each play: their number is bounded."""

from __future__ import annotations

import pytest

from benchmarks.payload import ROOT, list_files, list_modules, measure

# The files and the kilobytes of each module, with little room. An import that a module doesn't need belongs into a file that it doesn't import.
MOST = {
    "image_append": (85, 500),
    "image_attest": (141, 790),
    "image_copy": (206, 1170),
    "image_deliver": (125, 745),
    "image_history_info": (179, 1005),
    "image_index": (111, 650),
    "image_info": (186, 1045),
    "image_load": (134, 795),
    "image_lock": (133, 775),
    "image_prune": (188, 1060),
    "image_pull": (174, 1030),
    "image_push": (191, 1070),
    "image_rebase": (81, 480),
    "image_rm": (178, 1015),
    "image_save": (109, 680),
    "image_search_info": (107, 615),
    "image_sign": (141, 790),
    "image_tag": (133, 755),
    "image_verify": (118, 685),
    "registry_client": (118, 660),
    "registry_login": (106, 620),
    "registry_login_info": (102, 590),
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
        ("image_append", ("registry/", "engine/", "trust/")),
        ("image_tag", ("registry/",)),
        ("image_search_info", ("engine/", "trust/", "archive/")),
        ("image_pull", ("places/store/catalog.py", "places/engine/catalog.py", "places/engine/removal.py", "task/file_options.py")),
    ],
)
def test_a_module_is_sent_without_places_that_it_never_opens(module: str, unneeded: tuple[str, ...]) -> None:
    sent = {str(path.relative_to(ROOT / "plugins")).removeprefix("module_utils/") for path in list_files(module)}
    assert [name for name in sorted(sent) if name.startswith(unneeded)] == []
