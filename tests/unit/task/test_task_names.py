# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of images as playbooks write them."""

from __future__ import annotations

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidReference
from ansible_collections.longshore.images.plugins.module_utils.task.task import Task


def test_spaces_after_the_commas_of_a_list_are_no_part_of_a_name() -> None:
    task = Task({"name": ["a:1", " b:1 "]}, False)  # what Ansible makes of "a:1, b:1 "
    assert [str(reference) for reference in task.references("name")] == ["docker.io/library/a:1", "docker.io/library/b:1"]


@pytest.mark.parametrize("text", ["['a:1', 'b:1']", '["a:1"]', "[]"])
def test_a_list_in_place_of_one_name_is_refused_as_a_list(text: str) -> None:
    task = Task({"name": text}, False)  # what Ansible makes of a list for an option that is text
    with pytest.raises(InvalidReference, match="name takes one image, and got a list"):
        task.selectors("name")


def test_a_registry_in_brackets_is_no_list() -> None:
    assert str(Task({"name": "[::1]:5000/app:1"}, False).references("name")[0]) == "[::1]:5000/app:1"
