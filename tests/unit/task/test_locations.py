# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places that a user names for reading."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidOption
from ansible_collections.longshore.images.plugins.module_utils.oci.location import Location
from ansible_collections.longshore.images.plugins.module_utils.task.locations import to_read_on_host


@pytest.mark.parametrize("name", ["app:1", "nginx", "team/app:1", "registry.example.com/app:1"])
def test_a_name_in_place_of_the_folder_of_a_store_gets_the_right_spelling(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidOption, match=f" store::{name}$"):
        to_read_on_host(Location.parse(f"store:{name}"))


@pytest.mark.parametrize(
    "text", ["store:", "store::app:1", "store:/absent:app:1", "store:./absent", "store:~/absent:app", "store:here:app", "oci:absent:app"]
)
def test_other_places_are_read_where_they_are(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    location = to_read_on_host(Location.parse(text))
    assert location.name == Location.parse(text).name
    assert location.path == "" or Path(location.path).is_absolute()
