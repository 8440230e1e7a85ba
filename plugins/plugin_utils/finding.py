# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find files on the controller in the same way as Ansible's own action plugins."""

from __future__ import annotations

import os
import typing as t

from ansible.errors import AnsibleError

from ..module_utils.errors import InputOutputError, InvalidOption

if t.TYPE_CHECKING:
    from ansible.plugins.action import ActionBase


def find_file(action: ActionBase, option: str, name: object) -> str:
    """Return the path of the file NAME, which OPTION gives, as `copy` finds its `src`: in `files` of the role or playbook, or at the path itself.

    Raises InvalidOption if NAME is no text, InputOutputError if there is no such file.
    """
    if not isinstance(name, str) or not name:
        raise InvalidOption(f"{option} is required, and is the name of a file on the controller")
    try:
        found: str = action._find_needle("files", os.path.expanduser(name))
    except AnsibleError as error:
        raise InputOutputError(f"{name} is not on the controller, neither at this path nor in a folder named files") from error
    return found
