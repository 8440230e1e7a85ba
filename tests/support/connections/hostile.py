# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connection to a host that lies: this machine runs the commands, but those that contain a word of `HOSTILE` have the answer that stands there.

The commands, and the lines that Ansible's ssh plugin would write into a batch file of sftp, are recorded in the file that `ELSEWHERE` names.
"""

from __future__ import annotations

import json
import os
import shlex

from ansible.plugins.connection import local

DOCUMENTATION = """
name: hostile
short_description: another host, which lies
description: For tests.
extends_documentation_fragment: connection_pipelining
"""


class Connection(local.Connection):
    transport = "hostile"

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        _record(cmd)
        for word, answer in json.loads(os.environ["HOSTILE"]).items():
            if word in cmd:
                return 0, answer.encode(), b""
        outcome: tuple[int, bytes, bytes] = super().exec_command(cmd, in_data, sudoable)
        return outcome

    def fetch_file(self, in_path: str, out_path: str) -> None:
        _record(f"get {shlex.quote(in_path)} {shlex.quote(out_path)}")
        super().fetch_file(in_path, out_path)


def _record(line: str) -> None:
    with open(os.environ["ELSEWHERE"], "a", encoding="utf-8") as file:
        file.write(f"{line}\n")
