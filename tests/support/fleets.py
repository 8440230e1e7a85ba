# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts that are this machine several times, each with a store of its own, and playbooks of the collection that are run on them as users do."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
import typing as t
from pathlib import Path

from . import modules
from .registry import needed


@dataclasses.dataclass(frozen=True)
class Told:
    """What a run of a playbook printed."""

    output: str
    status: int

    def count(self, word: str, host: str) -> int:
        """A number of the recap, such as how many tasks have `changed` something."""
        found = re.search(rf"^{host} +:.* {word}=(\d+)", self.output, re.MULTILINE)
        assert found, self.output
        return int(found[1])

    def failure(self, host: str) -> str:
        """What the host is told to have failed with."""
        assert self.status != 0, self.output
        found = re.findall(rf"^(?:fatal|failed): \[{host}[^]]*\].*", self.output, re.MULTILINE)
        assert found, self.output
        return "\n".join(found).replace('\\"', '"')


@dataclasses.dataclass(frozen=True)
class Fleet:
    """Hosts, each with variables of its own, and with a store in a folder of its name, which the variable STORE_VARIABLE tells the role."""

    folder: Path
    store_variable: str
    hosts: t.Mapping[str, t.Mapping[str, t.Any]]

    def store(self, host: str) -> Path:
        return self.folder / host / "store"

    def images(self, host: str) -> dict[str, str]:
        """The digests of all names in a host's store."""
        return {image["name"]: image["digest"] for image in modules.run("image_info", {"store": str(self.store(host))})["images"]}

    def snapshots(self) -> dict[str, modules.Snapshot]:
        return {host: modules.snapshot(self.store(host)) for host in self.hosts}

    def run(self, playbook: str | Path, *words: str, **variables: t.Any) -> Told:
        """Plays a file, or what the collection has under that name, on all hosts. WORDS go to ansible-playbook, VARIABLES hold for all hosts."""
        needed("ansible-playbook")
        everywhere = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        hosts = {host: {self.store_variable: str(self.store(host)), **own} for host, own in self.hosts.items()}
        inventory = self.folder / "inventory.json"
        inventory.write_text(json.dumps({"all": {"hosts": hosts, "vars": everywhere}}))
        played = str(playbook) if isinstance(playbook, Path) else f"longshore.images.{playbook}"
        command = ["ansible-playbook", played, "-i", str(inventory), "-e", json.dumps(variables), *words]
        path = str(modules.ROOT / ".collections")
        environment = modules.environment(HOME=str(self.folder), ANSIBLE_COLLECTIONS_PATH=path, ANSIBLE_NOCOLOR="1", LC_ALL="C.UTF-8")
        result = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=300)
        return Told(result.stdout + result.stderr, result.returncode)
