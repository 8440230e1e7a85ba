# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Action plugins without plays: they run in this process, and a test decides what their host answers."""

from __future__ import annotations

import hashlib
import importlib
import types
import typing as t
from pathlib import Path

import pytest
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from .modules import ROOT, Results

PLUGINS = sorted(path.stem for path in (ROOT / "plugins" / "action").glob("*.py"))
# What a well-behaved host saves.
ARCHIVE = b"an archive"
REMOTE_TMP = "/home/deploy/.ansible/tmp/ansible-tmp-1-2-3/"
Answer = t.Union[str, tuple[int, str]]


def results(**changes: t.Any) -> Results:
    """Return results of any of our modules, as a well-behaved host sends them. A change to `...` leaves a member out."""
    found = {
        "changed": True,
        "actions": ["write the archive: there is no such file yet"],
        "diff": {"before": {}, "after": {"refs": {}}},
        "images": [{"name": "docker.io/library/app:1", "changed": True}],
        "reason": "there is no such file yet",
        "size": len(ARCHIVE),
        "checksum": hashlib.sha256(ARCHIVE).hexdigest(),
        **dict.fromkeys(("bytes_transferred", "bytes_reused", "blobs_transferred", "blobs_reused"), 1),
        **changes,
    }
    return {name: value for name, value in found.items() if value is not ...}


class Host:
    """A host whose answers are set by a test, and what the controller asked of it.

    `answers` are the outputs of commands by a word in them, `results` those of its modules, the last one again and again, and `content` is what it sends
    for any file.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers: dict[str, Answer] = {"mktemp": "/tmp/tmp.hAyG5n\n", "id -u": "1000\n"}
        self.results: list[t.Any] = [results()]
        self.content: bytes = ARCHIVE
        self.remote_tmp = REMOTE_TMP
        self.become: object = None
        self.commands: list[str] = []
        self.as_connecting_user: list[str] = []
        self.sent: list[str] = []
        self.fetched: list[str] = []
        self.environments: list[t.Any] = []
        self.module_arguments: list[Results] = []
        monkeypatch.setattr(ActionBase, "_low_level_execute_command", lambda _action, command, **how: self._run(command, **how))
        monkeypatch.setattr(ActionBase, "_execute_module", lambda action, *_arguments, **options: self._execute(action, **options))
        monkeypatch.setattr(ActionBase, "_transfer_file", lambda _action, _local, remote: self.sent.append(remote))
        monkeypatch.setattr(ActionBase, "_fixup_perms2", lambda _action, paths: None)

    @property
    def asked(self) -> str:
        """Return everything that the controller has sent to this host, or done with what it said."""
        return "\n".join([*self.commands, *self.sent, *self.fetched, str(self.environments), str(self.module_arguments)])

    def run(self, plugin: str, options: Results, folder: Path, **keywords: t.Any) -> Results:
        """Run an action plugin in FOLDER of the controller, with OPTIONS and KEYWORDS of its task."""
        task = types.SimpleNamespace(
            args=options,
            action=f"longshore.images.{plugin}",
            _uuid="task",
            environment=None,
            no_log=False,
            diff=False,
            **{"async_val": 0, "check_mode": False, **keywords},
        )
        shell = types.SimpleNamespace(tmpdir=self.remote_tmp)
        connection = types.SimpleNamespace(
            transport="ssh", become=self.become, has_native_async=False, _shell=shell, fetch_file=self._fetch, set_become_plugin=lambda _become: None
        )
        loader = types.SimpleNamespace(path_dwim=lambda name: str(folder / name))
        module = importlib.import_module(f"ansible_collections.longshore.images.plugins.action.{plugin}")
        action = module.ActionModule(task, connection, types.SimpleNamespace(), loader, None, None)
        action._find_needle = lambda _kind, name: str(folder / name)
        found: Results = action.run(task_vars={"inventory_hostname": "web1"})
        return found

    def _run(self, command: str, sudoable: bool = True, **_how: t.Any) -> Results:
        self.commands.append(command)
        if not sudoable:
            self.as_connecting_user.append(command)
        answer = next((answer for word, answer in self.answers.items() if word in command), "")
        status, output = answer if isinstance(answer, tuple) else (0, answer)
        return {"rc": status, "stdout": output, "stderr": "refused" if status else ""}

    def _execute(self, action: ActionBase, module_args: Results | None = None, **_options: t.Any) -> t.Any:
        self.environments.append(action._task.environment)
        self.module_arguments.append(module_args or {})
        return self.results.pop(0) if len(self.results) > 1 else self.results[0]

    def _fetch(self, remote: str, local: str) -> None:
        self.fetched.append(remote)
        try:
            Path(local).write_bytes(self.content)
        except OSError as error:
            raise AnsibleError(f"failed to transfer file to {local}") from error
