# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option that says when a task shows its progress."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  progress:
    description:
      - Whether the controller shows the progress of this task while it runs. The lines go to standard error and never change the results.
      - V(auto) shows lines for each host if standard error of the controller is a terminal, and none otherwise. If the task runs on several hosts, a line
        every 30 seconds is the total of all hosts that have started the task.
      - V(always) needs no terminal and is made for logs of CI jobs. It shows one line every 30 seconds.
        If the task runs on several hosts, the line is the total of all hosts that have started the task.
      - V(never) shows nothing.
      - If the option is not set, the environment variable E(LONGSHORE_PROGRESS) of the controller can set another default.
      - Check mode and tasks with C(async) or C(no_log) show no progress.
    type: str
    choices: [auto, always, never]
    default: auto
"""
