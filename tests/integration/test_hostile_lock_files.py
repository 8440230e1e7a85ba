# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lock file in a folder like /tmp, in which another user has planted an entry under its name."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.support import modules
from tests.support.locks import LockScene
from tests.support.privileges import needs_root
from tests.support.users import fingerprint, give

SECRET = "only root may read this"


@pytest.fixture
def target(open_path: Path) -> Path:
    needs_root()
    (open_path / "secret").write_text(SECRET)
    (open_path / "secret").chmod(0o600)
    (open_path / "shared").mkdir()
    (open_path / "shared").chmod(0o1777)
    return open_path / "shared" / "images.lock"


@pytest.mark.parametrize("planted", ["link", "file", "fifo"])
def test_planted_entries_are_refused_and_no_outside_content_is_revealed(locking: LockScene, open_path: Path, target: Path, planted: str) -> None:
    if planted == "link":
        target.symlink_to(open_path / "secret")
    elif planted == "file":
        locking.lock()
        target.write_bytes(locking.path.read_bytes())
    else:
        os.mkfifo(target)
    give(target)
    before = fingerprint(open_path)
    for check in (True, False):
        results = modules.fail("image_lock", locking.options(path=str(target)), check)
        assert results["error"] == "io_error"
        assert SECRET not in results["msg"]
    assert fingerprint(open_path) == before


def test_a_fifo_under_the_temporary_name_does_not_block(locking: LockScene, target: Path) -> None:
    fifo = target.with_name(".images.lock.longshore-0123456789abcdef")
    os.mkfifo(fifo)
    give(fifo)
    modules.check_do_again("image_lock", locking.options(path=str(target)), place=target)
    assert (target.stat().st_uid, stat.S_IMODE(target.stat().st_mode)) == (0, 0o644)
