# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host with auth files and credential helpers, which are small shell scripts that keep each login in a file."""

from __future__ import annotations

import base64
import json
import os
import stat
import typing as t
from pathlib import Path

from ansible_collections.longshore.images.plugins.module_utils.registry.config.settings import Credentials
from ansible_collections.longshore.images.plugins.module_utils.task.login_options import parse_login_scope
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs.login import plan_login, plan_logout
from ansible_collections.longshore.images.plugins.module_utils.verbs.state_plan import StatePlan

PASSWORD = "pass:word/é 1"
LOGIN = Credentials("me", PASSWORD)

# It appends its arguments to `argv`, and keeps what it stores in one file for each server. Names of files may not have slashes.
_HELPER = """#!/bin/sh
cd '{folder}'
echo "$@" >>argv
given=$(cat)
server=$(printf %s "$given" | sed 's/.*"ServerURL": "\\([^"]*\\)".*/\\1/')
file=$(printf %s "$server" | tr / _)
case $1 in
  store) printf %s "$given" >"$file" ;;
  get) cat "$file" 2>/dev/null || {{ echo 'credentials not found in native keychain'; exit 1; }} ;;
  erase) rm "$file" || exit 1 ;;
  list) cat list 2>/dev/null || echo '{{}}' ;;
esac
"""


def entry(password: str = PASSWORD, username: str = "me", **more: t.Any) -> dict[str, t.Any]:
    """Return an entry of an auth file."""
    return {"auth": base64.b64encode(f"{username}:{password}".encode()).decode(), **more}


class LoginHost:
    """A home folder, and what a login changes there. `file` is the auth file of podman, `docker` that of docker."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.home.mkdir()
        self.programs = folder / "bin"
        self.programs.mkdir()
        self.file = self.home / ".config/containers/auth.json"
        self.docker = self.home / ".docker/config.json"
        # Without a session folder, the auth file of this host's own user would be read.
        self.environment = {"HOME": str(self.home), "XDG_RUNTIME_DIR": str(folder / "run")}

    def add_helper(self, name: str) -> Path:
        """Add a credential helper, and return the folder with its logins."""
        folder = self.programs.parent / name
        folder.mkdir()
        program = self.programs / f"docker-credential-{name}"
        program.write_text(_HELPER.format(folder=folder))
        program.chmod(0o755)
        return folder

    def login(self, registry: str = "r.io", login: Credentials = LOGIN, path: str | Path | None = None) -> StatePlan:
        """Log in, and check that doing it again changes nothing."""
        return self._run(lambda: plan_login(parse_login_scope(registry), login, str(path) if path else None, self.environment))

    def logout(self, registry: str = "r.io", path: str | Path | None = None) -> StatePlan:
        """Log out, and check that doing it again changes nothing."""
        return self._run(lambda: plan_logout(parse_login_scope(registry), str(path) if path else None, self.environment))

    @staticmethod
    def _run(make_plan: t.Callable[[], StatePlan]) -> StatePlan:
        plan = make_plan()
        with Workers(1) as workers:
            plan.apply(workers)
        again = make_plan()
        assert (again.actions(), list(again.steps)) == ([], [])
        assert again.diff()["before"] == again.diff()["after"] == plan.diff()["after"]
        assert again.facts() == plan.facts()
        assert PASSWORD not in str((plan, plan.actions(), plan.diff(), plan.facts()))
        assert plan.changed == (plan.diff()["before"] != plan.diff()["after"])
        return plan


def write(path: Path, document: t.Any, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    path.chmod(mode)
    return path


def read(path: Path) -> t.Any:
    return json.loads(path.read_text())


def mode_of(path: Path) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)
