# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connection that Ansible takes for remote. It runs commands on this machine and records them in the file that `ELSEWHERE` names."""

from __future__ import annotations

import os

from ansible.plugins.connection import local

DOCUMENTATION = """
name: elsewhere
short_description: another host, which is this one
description: For tests.
extends_documentation_fragment: connection_pipelining
"""


class Connection(local.Connection):
    transport = "elsewhere"

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        with open(os.environ["ELSEWHERE"], "a", encoding="utf-8") as file:
            file.write(f"{cmd}\n")
        outcome: tuple[int, bytes, bytes] = super().exec_command(cmd, in_data, sudoable)
        return outcome
