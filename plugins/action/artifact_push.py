# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Controller side of artifact_push: shows the progress of the push."""

from __future__ import annotations

from ansible.plugins.action.normal import ActionModule as PlainAction

from ..plugin_utils.progress import WatchedAction


class ActionModule(WatchedAction, PlainAction):
    verb = "push"
