# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several hosts that are all this machine, each with its own store, and the playbooks of the collection, run on them as users do."""

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
class PlaybookOutput:
    """The output of a playbook run."""

    output: str
    status: int

    def count(self, word: str, host: str) -> int:
        """Return a number of the recap, such as that of the tasks that `changed` something."""
        found = re.search(rf"^{host} +:.* {word}=(\d+)", self.output, re.MULTILINE)
        assert found, self.output
        return int(found[1])

    def failure(self, host: str) -> str:
        """Return the error message that was printed for the host."""
        assert self.status != 0, self.output
        found = re.findall(rf"^(?:fatal|failed): \[{host}[^]]*\].*", self.output, re.MULTILINE)
        assert found, self.output
        return "\n".join(found).replace('\\"', '"')


@dataclasses.dataclass(frozen=True)
class Fleet:
    """Hosts with their own variables. The store of a host is in a folder of its name; the variable STORE_VARIABLE passes it to the role."""

    folder: Path
    store_variable: str
    hosts: t.Mapping[str, t.Mapping[str, t.Any]]

    def store(self, host: str) -> Path:
        return self.folder / host / "store"

    def images(self, host: str) -> dict[str, str]:
        """Return the digests of all names in the store of a host."""
        return {image["name"]: image["digest"] for image in modules.run("image_info", {"store": str(self.store(host))})["images"]}

    def snapshots(self) -> dict[str, modules.Snapshot]:
        return {host: modules.snapshot(self.store(host)) for host in self.hosts}

    def run(self, playbook: str | Path, *words: str, **variables: t.Any) -> PlaybookOutput:
        """Run a playbook, given by path or by its name in the collection, on all hosts. WORDS are options of ansible-playbook; VARIABLES apply to all hosts."""
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
        return PlaybookOutput(result.stdout + result.stderr, result.returncode)
