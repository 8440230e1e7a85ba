# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible's private temporary folder for this run, on the controller. Ansible removes it when it ends."""

from __future__ import annotations

import tempfile

from ansible import constants

LOCAL_TMP = str(vars(constants)["DEFAULT_LOCAL_TMP"])


def make_private_folder() -> str:
    """Create a folder in it that no other user can enter, and return its path. Raises OSError."""
    return tempfile.mkdtemp(prefix="longshore-", dir=LOCAL_TMP)
