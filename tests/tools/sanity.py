# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ansible-test sanity on copies of this collection, with every supported ansible-core and on every supported Python of this machine.

All tests run with two versions: that of .venv, and the newest (or 2.19, if .venv has the newest). With the others, only the tests run whose rules
differ between versions. As many versions run at once as there are processors. ansible-test needs a real folder .../ansible_collections/NAMESPACE/NAME
with its own git repository, in which it writes. It also gets its own HOME, for its environments and pip. Every version has its own copy of both.
"""

from __future__ import annotations

import ast
import concurrent.futures
import dataclasses
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.tools.cores import CORES, Core, core_of, find_python, install, search_path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "sanity"
# The tests whose rules differ between versions, without those that take long.
VERSIONED = ("validate-modules", "ansible-doc", "runtime-metadata", "action-plugin-docs")
# The release candidate installs a library for pylint from an archive of its sources, which not every network reaches. The ansible-core of .venv runs pylint.
FEWER_TESTS = {"2.22": ("--skip-test", "pylint")}
LINKS = (".collections/", "playbooks/collections/")

# ansible-test uses this file instead of downloading get-pip: the pip that comes with every Python installs the wanted version.
GET_PIP = """\
import subprocess
import sys

wanted = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
subprocess.check_call([sys.executable, "-m", "ensurepip"], stdout=subprocess.DEVNULL)
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", "--quiet", *wanted]))
"""


@dataclasses.dataclass(frozen=True)
class Lane:
    """One ansible-core: the folder of its programs, the arguments of ansible-test, and its folder in the cache."""

    name: str
    commands: Path
    words: tuple[str, ...]

    @property
    def home(self) -> Path:
        return CACHE / self.name / "home"

    @property
    def copy(self) -> Path:
        return CACHE / self.name / "ansible_collections" / "longshore" / "images"

    def copy_collection(self) -> None:
        """Copy the files that git would commit now, without the links that point back into the collection."""
        listing = subprocess.check_output(["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, text=True)
        shutil.rmtree(self.copy, ignore_errors=True)
        for name in filter(None, listing.split("\0")):
            source, target = ROOT / name, self.copy / name
            if os.path.lexists(source) and not name.startswith(LINKS):
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target, follow_symlinks=False)
        subprocess.check_call(["git", "init", "--quiet", str(self.copy)])

    def prepare_home(self, pip_settings: str) -> None:
        """Create a HOME with the get-pip above for each ansible-core, and with the settings of pip."""
        scripts = self.home / ".ansible" / "test" / "cache"
        scripts.mkdir(parents=True, exist_ok=True)
        for version in ("23_1_2", "24_2", "25_2"):  # ansible-core 2.16; 2.18 and 2.19; 2.20 to 2.22
            (scripts / f"get_pip_{version}.py").write_text(GET_PIP)
        config = self.home / ".config" / "pip" / "pip.conf"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(pip_settings)

    def run(self, path: str) -> tuple[bool, str]:
        """Return whether all tests ran and passed, and the output. ansible-test also succeeds when it has nothing to test."""
        begin = time.monotonic()
        self.copy_collection()
        environment = {**os.environ, "HOME": str(self.home), "PATH": f"{self.commands}{os.pathsep}{path}"}
        environment.pop("ANSIBLE_CONFIG", None)
        command = [str(self.commands / "ansible-test"), "sanity", "--requirements", *self.words]
        result = subprocess.run(command, cwd=self.copy, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        passed = result.returncode == 0 and "All targets skipped" not in result.stdout
        outcome = "passed" if passed else "failed"
        return passed, f"{result.stdout}sanity: ansible-core {self.name} {outcome} in {round(time.monotonic() - begin)} s"


def pip_settings() -> str:
    """Return the content of a pip.conf with the settings that the user's pip has, and with a cache that all versions share."""
    settings = {"cache-dir": str(CACHE / "pip")}
    for line in subprocess.check_output([sys.executable, "-m", "pip", "config", "list"], text=True).splitlines():
        key, value = line.split("=", 1)
        section, name = key.rsplit(".", 1)
        if section in ("global", ":env:", "install"):
            settings[name] = " ".join(ast.literal_eval(value).split())
    return "[global]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items())


def lanes(path: str) -> list[Lane]:
    """Return the versions to test with. Those that run all tests come first, because they take longest."""
    own = core_of(sys.executable)
    others = [(core, python) for core in CORES if core.name != own and (python := find_python(core.pythons, path)) is not None]
    far = CORES[-1] if own != CORES[-1].name else CORES[2]
    words = tuple(sys.argv[1:])
    found = [Lane(core.name, install(core, python), words or _arguments(core, far)) for core, python in others]
    return [Lane(own, Path(sys.executable).parent, words), *sorted(found, key=lambda lane: "--test" in lane.words)]


def _arguments(core: Core, far: Core) -> tuple[str, ...]:
    if core == far:
        return FEWER_TESTS.get(core.name, ())
    return tuple(word for test in VERSIONED for word in ("--test", test))


def main() -> int:
    path, settings = search_path(), pip_settings()
    found = lanes(path)
    for lane in found:
        lane.prepare_home(settings)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(min(len(found), os.cpu_count() or 1)) as pool:
        for done in concurrent.futures.as_completed([pool.submit(lane.run, path) for lane in found]):
            passed, output = done.result()
            failed += not passed
            print(output, flush=True)
    print("sanity: failed" if failed else "sanity: passed")
    return failed


if __name__ == "__main__":
    sys.exit(main())
