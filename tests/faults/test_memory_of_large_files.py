# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The memory of tasks that write files of images and artifacts doesn't depend on the size of the files."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import modules
from tests.support.images import make_files
from tests.support.measure import peak_memory

NAME = "registry.example.com/team/large:1"
# More than a task may need, so a file that is kept in memory doesn't fit.
SIZE, BOUND = 96 << 20, 64_000_000


def test_a_large_file_of_an_image_is_extracted_in_little_memory(store: Path, tmp_path: Path) -> None:
    large = tmp_path / "large"
    with open(large, "wb") as file:
        file.truncate(SIZE)
    modules.run("image_append", {"name": NAME, "base": "scratch", "layers": [{"src": str(large), "dest": "/large"}], "store": str(store)})

    peak = peak_memory("image_extract", {"src": "store:", "name": NAME, "store": str(store), "dest": str(tmp_path / "dest")})

    assert (tmp_path / "dest" / "large").stat().st_size == SIZE
    assert peak < BOUND


def test_a_large_file_of_an_artifact_is_written_in_little_memory(store: Path, tmp_path: Path) -> None:
    make_files([("large", bytes(SIZE))]).put(Store(str(store)), NAME)

    peak = peak_memory("artifact_pull", {"src": "store:", "name": NAME, "store": str(store), "dest": f"{tmp_path}/dest/"})

    assert (tmp_path / "dest" / "large").stat().st_size == SIZE
    assert peak < BOUND
