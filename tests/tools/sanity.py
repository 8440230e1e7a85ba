# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ansible-test sanity on a copy of this collection, with every supported ansible-core and on every supported Python of this machine.

All tests run with two versions: that of .venv, and the newest (or 2.19, if .venv has the newest). With the others, only the tests run whose rules
differ between versions. ansible-test needs a real folder .../ansible_collections/NAMESPACE/NAME with its own git repository. It also gets its own
HOME, for its environments and pip.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.tools.cores import CORES, Core, core_of, find_python, install, search_path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "sanity"
COPY = CACHE / "ansible_collections" / "longshore" / "images"
HOME = CACHE / "home"
# The tests whose rules differ between versions, without those that take long.
VERSIONED = ("validate-modules", "ansible-doc", "runtime-metadata", "action-plugin-docs")
LINKS = (".collections/", "playbooks/collections/")

# ansible-test uses this file instead of downloading get-pip: the pip that comes with every Python installs the wanted version.
GET_PIP = """\
import subprocess
import sys

wanted = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
subprocess.check_call([sys.executable, "-m", "ensurepip"], stdout=subprocess.DEVNULL)
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", "--quiet", *wanted]))
"""


def copy_collection() -> None:
    """Copy the files that git would commit now, without the links that point back into the collection."""
    listing = subprocess.check_output(["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, text=True)
    shutil.rmtree(COPY, ignore_errors=True)
    for name in filter(None, listing.split("\0")):
        source, target = ROOT / name, COPY / name
        if os.path.lexists(source) and not name.startswith(LINKS):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    subprocess.check_call(["git", "init", "--quiet", str(COPY)])


def prepare_home() -> None:
    """Create a HOME with the get-pip above for each ansible-core, and with the pip settings of the user."""
    scripts = HOME / ".ansible" / "test" / "cache"
    scripts.mkdir(parents=True, exist_ok=True)
    for version in ("23_1_2", "24_2", "25_2"):  # ansible-core 2.16; 2.18 and 2.19; 2.20 and 2.21
        (scripts / f"get_pip_{version}.py").write_text(GET_PIP)
    settings = {}
    for line in subprocess.check_output([sys.executable, "-m", "pip", "config", "list"], text=True).splitlines():
        key, value = line.split("=", 1)
        section, name = key.rsplit(".", 1)
        if section in ("global", ":env:", "install"):
            settings[name] = " ".join(ast.literal_eval(value).split())
    config = HOME / ".config" / "pip" / "pip.conf"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items()))


def lanes(path: str) -> list[tuple[Path, list[str]]]:
    """Return the programs of each ansible-core to test with, and the arguments of ansible-test."""
    own = core_of(sys.executable)
    others = [(core, python) for core in CORES if core.name != own and (python := find_python(core.pythons, path)) is not None]
    far = CORES[-1] if own != CORES[-1].name else CORES[2]
    words = sys.argv[1:]
    return [(Path(sys.executable).parent, words), *((install(core, python), words or _arguments(core, far)) for core, python in others)]


def _arguments(core: Core, far: Core) -> list[str]:
    return [] if core == far else [word for test in VERSIONED for word in ("--test", test)]


def passes(commands: Path, words: list[str], path: str) -> bool:
    """Return whether all sanity tests ran and passed. ansible-test also succeeds when it has nothing to test."""
    environment = {**os.environ, "HOME": str(HOME), "PATH": f"{commands}{os.pathsep}{path}"}
    environment.pop("ANSIBLE_CONFIG", None)
    command = [str(commands / "ansible-test"), "sanity", "--requirements", *words]
    print("sanity:", subprocess.check_output([str(commands / "ansible-test"), "--version"], text=True).strip(), flush=True)
    skipped = False
    with subprocess.Popen(command, cwd=COPY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            skipped |= "All targets skipped" in line
    return process.returncode == 0 and not skipped


def main() -> int:
    copy_collection()
    prepare_home()
    path = search_path()
    failed = [commands for commands, words in lanes(path) if not passes(commands, words, path)]
    print("sanity: failed" if failed else "sanity: passed")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
