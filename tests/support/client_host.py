# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host below a folder, on which the module registry_client configures engines, beside files of others."""

from __future__ import annotations

import base64
import json
import stat
import typing as t
from pathlib import Path

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.longshore.images.plugins.module_utils.client_files.entries import MARK
from ansible_collections.longshore.images.plugins.module_utils.task.task import Task
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs.state_plan import StatePlan
from ansible_collections.longshore.images.plugins.modules import registry_client as module

Entry = dict[str, t.Any]

MIRROR = "https://mirror.example:5000"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nBBBB\n-----END PRIVATE KEY-----\n"
PUBLIC_KEY = "-----BEGIN PUBLIC KEY-----\nCCCC\n-----END PUBLIC KEY-----\n"
PASSWORD = "a pass:word é"
LOGIN = base64.b64encode(f"me:{PASSWORD}".encode()).decode()
CERTS_D = "etc/containerd/certs.d"
CONFIG_2 = 'version = 2\n\n[plugins]\n  [plugins."io.containerd.grpc.v1.cri".cni]\n    bin_dir = "/usr/lib/cni"\n'
CONFIG_PATH = '\n[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "/etc/containerd/certs.d"\n'


def hub(url: str = MIRROR, **settings: t.Any) -> Entry:
    """Return an entry of Docker Hub with one mirror."""
    return {"name": "docker.io", "mirrors": [{"url": url, **settings}]}


class Host:
    """A root with files of engines, and files of others in `etc`."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "host"
        self.root.mkdir()
        for name, text in {"ca.pem": CERTIFICATE, "client.pem": CERTIFICATE, "client-key.pem": KEY, "key.pub": PUBLIC_KEY}.items():
            (folder / name).write_text(text)
        self.folder = folder

    def plan(self, engines: str, *entries: Entry, **options: t.Any) -> StatePlan:
        arguments = module.argument_spec().as_kwargs()["argument_spec"]
        given = {"engines": engines.split(), "entries": list(entries), "root": str(self.root), **options}
        result = ArgumentSpecValidator(arguments).validate(given)
        assert not result.error_messages
        return t.cast("StatePlan", module.plan(Task(result.validated_parameters, check_mode=False)))

    def run(self, engines: str, *entries: Entry, **options: t.Any) -> StatePlan:
        """Run the module, and check that a second run has nothing to do."""
        plan = self.plan(engines, *entries, **options)
        with Workers(1) as workers:
            plan.apply(workers)
        again = self.plan(engines, *entries, **options)
        assert again.actions() == []
        assert again.diff()["before"] == again.diff()["after"] == plan.diff()["after"]
        assert again.facts() == {"reload": [], "paths": []}
        return plan

    def write(self, path: str, text: str, mode: int = 0o644) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
        return file

    def read(self, path: str) -> str:
        return (self.root / path).read_text()

    def lines(self, path: str) -> list[str]:
        """Return the lines of a file of ours after its mark."""
        mark, *lines = self.read(path).splitlines()
        assert mark == MARK
        return lines

    def json(self, path: str) -> dict[str, t.Any]:
        document: dict[str, t.Any] = json.loads(self.read(path))
        return document

    def mode(self, path: str) -> int:
        return stat.S_IMODE((self.root / path).stat().st_mode)

    def tree(self) -> dict[str, str | None]:
        """Return all files with their content, and all folders, without the folder of the record."""
        paths = [path for path in self.root.rglob("*") if "var" not in path.relative_to(self.root).parts]
        return {str(path.relative_to(self.root)): path.read_text() if path.is_file() else None for path in paths}
