# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""./dev installs Python packages in exact versions, and only files whose hashes are in tests/locked."""

from __future__ import annotations

import re

import pytest

from tests.support.modules import ROOT
from tests.tools.locked import LOCKED, SOURCES, normalise, read, select

DEV = (ROOT / "dev").read_text()
TEXT = """one==1 ; python_version < '3.12' \\
    --hash=sha256:00 \\
    --hash=sha256:01
    # via -r tests/requirements.txt
Deep.One==2 \\
    --hash=sha256:02
    # via
    #   -r tests/requirements.txt
    #   one
deeper==3 \\
    --hash=sha256:03
    # via deep-one
other==4 \\
    --hash=sha256:04
"""


def pin(line: str) -> tuple[str, str]:
    """Return the name and the version in a line of requirements."""
    return normalise(line), re.split("[ ;]", line.partition("==")[2])[0]


@pytest.mark.parametrize("name", SOURCES)
def test_every_pinned_package_is_locked_in_its_version_and_every_locked_one_has_hashes(name: str) -> None:
    locked = read((LOCKED / name).read_text())
    wanted = {pin(line) for source in SOURCES[name][0] for line in (ROOT / source).read_text().splitlines() if "==" in line}
    assert wanted
    assert wanted <= {pin(one.lines[0]) for one in locked}
    for one in locked:
        assert "==" in one.lines[0]
        assert len(one.lines) > 1
        assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in one.lines[1:]), one.name


@pytest.mark.parametrize("group", re.findall(r"^    [a-z]+\) set -- ([a-z].*) ;;$", DEV, re.MULTILINE))
def test_every_group_of_packages_is_locked(group: str) -> None:
    locked = read((LOCKED / "requirements.txt").read_text())
    chosen = {one.name for one in select(locked, group.split())}
    assert set(map(normalise, group.split())) <= chosen < {one.name for one in locked}


def test_pip_never_installs_a_file_without_a_known_hash() -> None:
    installations = re.findall(r"^.*pip install .*$", DEV, re.MULTILINE)
    assert len(installations) == 2
    assert all("--require-hashes" in line for line in installations)


def test_a_package_is_selected_with_all_that_it_needs() -> None:
    locked = read(TEXT)
    assert [one.name for one in select(locked, ["one"])] == ["one", "deep-one", "deeper"]
    assert select(locked, ["one"])[0].lines == ("one==1 ; python_version < '3.12' \\", "    --hash=sha256:00 \\", "    --hash=sha256:01")
    with pytest.raises(LookupError, match="absent: not in tests/locked"):
        select(locked, ["absent"])
