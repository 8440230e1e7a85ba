# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ansible-test sanity on a copy of this collection, on every supported Python of this machine.

ansible-test needs a real folder .../ansible_collections/NAMESPACE/NAME with its own git repository. It also gets its own HOME, for its
environments and pip.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "sanity"
COPY = CACHE / "ansible_collections" / "longshore" / "images"
HOME = CACHE / "home"
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
    for version in ("24_2", "25_2"):  # ansible-core 2.19; 2.20 and 2.21
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


def search_path() -> str:
    """Return PATH with pyenv's interpreters before its shims, which fail for versions that are not selected."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    return os.pathsep.join([*map(str, sorted(pyenv.glob("3.*/bin"))), os.environ["PATH"]])


def controllers(path: str) -> Iterator[Path]:
    """Return the folders of ansible-test: that of .venv, and one for each other supported ansible-core that finds a Python."""
    yield Path(sys.executable).parent
    for name in ("python3.11",) if sys.version_info >= (3, 12) else ("python3.13", "python3.12"):
        python = shutil.which(name, path=path)
        if python and not subprocess.run([python, "-c", "import ensurepip, venv"], check=False).returncode:
            commands = CACHE / name / "bin"
            if not (commands / "python").exists():
                subprocess.check_call([python, "-m", "venv", str(commands.parent)])
            pins = str(ROOT / "tests" / "requirements.txt")
            subprocess.check_call([str(commands / "python"), "-m", "pip", "install", "--quiet", "--constraint", pins, "ansible-core"])
            yield commands
            return


def passes(commands: Path, path: str) -> bool:
    """Return whether all sanity tests ran and passed. ansible-test also succeeds when it has nothing to test."""
    environment = {**os.environ, "HOME": str(HOME), "PATH": f"{commands}{os.pathsep}{path}"}
    environment.pop("ANSIBLE_CONFIG", None)
    command = [str(commands / "ansible-test"), "sanity", "--requirements", *sys.argv[1:]]
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
    failed = [commands for commands in controllers(path) if not passes(commands, path)]
    print("sanity: failed" if failed else "sanity: passed")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
