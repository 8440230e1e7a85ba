# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Controller side of image_extract: reads the lock file as image_pull does, and shows the progress of the files."""

from __future__ import annotations

from .image_pull import ActionModule as ImagePullAction


class ActionModule(ImagePullAction):
    """The same as for image_pull."""
