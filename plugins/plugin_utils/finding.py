# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files on the controller, found as Ansible's own actions find theirs."""

from __future__ import annotations

import os
import typing as t

from ansible.errors import AnsibleError

from ..module_utils.errors import InputOutputError, InvalidOption

if t.TYPE_CHECKING:
    from ansible.plugins.action import ActionBase


def find_file(action: ActionBase, option: str, wanted: object) -> str:
    """The file that OPTION names, found as `copy` finds its `src`: in the role's or the playbook's folder `files`, or where it says.

    Raises InvalidOption for what is no name, InputOutputError for a file that isn't there.
    """
    if not isinstance(wanted, str) or not wanted:
        raise InvalidOption(f"{option} is required, and is the name of a file on the controller")
    try:
        found: str = action._find_needle("files", os.path.expanduser(wanted))
    except AnsibleError as error:
        raise InputOutputError(f"{wanted} is not on the controller, neither as it stands nor below a folder files") from error
    return found
