# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the tests that are marked `core` with each supported ansible-core for which this machine has a Python.

pytest and the modules run on the Python of .venv. `ansible-playbook` and the plugins of the controller run in a separate environment for each
ansible-core, in .venv/core-VERSION. The ansible-core of .venv itself is left out, because all other tests use it.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "tests" / "requirements.txt"


@dataclasses.dataclass(frozen=True)
class Core:
    """A release of ansible-core, and the Pythons that can run it, best first."""

    version: str
    pythons: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.version.rpartition(".")[0]


# The newest release of every version that is supported. An environment holds the libraries of the platforms that ship the version.
CORES = (
    Core("2.16.19", ("python3.12", "python3.11", "python3.10")),
    Core("2.18.19", ("python3.12", "python3.13", "python3.11")),
    Core("2.19.14", ("python3.13", "python3.12", "python3.11")),
    Core("2.20.10", ("python3.12", "python3.13", "python3.14")),
    Core("2.21.5", ("python3.14", "python3.13", "python3.12")),
    Core("2.22.0rc1", ("python3.13", "python3.14")),
)


def search_path() -> str:
    """Return PATH with pyenv's interpreters before its shims, which fail for versions that are not selected."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    return os.pathsep.join([*map(str, sorted(pyenv.glob("3.*/bin"))), os.environ["PATH"]])


def find_python(names: tuple[str, ...], path: str) -> str | None:
    """Return the first of these Pythons that can create environments."""
    for name in names:
        python = shutil.which(name, path=path)
        if python and not subprocess.run([python, "-c", "import ensurepip, venv"], check=False, capture_output=True).returncode:
            return python
    return None


def install(core: Core, python: str) -> Path:
    """Create the environment of CORE if it is missing or outdated, and return its folder of programs."""
    folder = ROOT / ".venv" / f"core-{core.name}"
    libraries = re.findall(r"^(?:distlib|requests|zstandard)==.*$", REQUIREMENTS.read_text(), re.MULTILINE)
    wanted = "\n".join([python, f"ansible-core=={core.version}", *libraries])
    stamp = folder / "made-for"
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.check_call([python, "-m", "venv", str(folder)])
        subprocess.check_call([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *wanted.splitlines()[1:]])
        stamp.write_text(wanted)
    return folder / "bin"


def marked_files() -> list[str]:
    """Return the test files that have a marked test, so that pytest need not import all others."""
    return [str(path) for path in sorted((ROOT / "tests").glob("*/test_*.py")) if "mark.core" in path.read_text()]


def run(core: Core, python: str) -> bool:
    """Run the marked tests with CORE, and return whether they passed."""
    begin = time.monotonic()
    commands = install(core, python)
    path = os.pathsep.join([str(commands), os.environ["PATH"]])
    command = [sys.executable, "-m", "pytest", "-m", "core", "--override-ini", f"cache_dir=.cache/pytest-{core.name}", *marked_files()]
    result = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PATH": path}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    lines = result.stdout.splitlines()
    print("\n".join(lines if result.returncode else lines[-1:]))
    outcome = "failed" if result.returncode else "passed"
    print(f"core: ansible-core {core.version} on {Path(python).name} {outcome} in {round(time.monotonic() - begin)} s", flush=True)
    return result.returncode == 0


def core_of(python: str) -> str:
    """Return the ansible-core that a Python has, as two numbers."""
    shown = subprocess.check_output([python, "-c", "from ansible.release import __version__; print(__version__)"], text=True)
    return shown.rpartition(".")[0]


def chosen(names: list[str]) -> list[Core]:
    """Return the versions that are named, or all but that of .venv."""
    if names:
        return [core for core in CORES if core.name in names]
    own = core_of(sys.executable)
    return [core for core in CORES if core.name != own]


def main() -> int:
    unknown = sorted(set(sys.argv[1:]) - {core.name for core in CORES})
    if unknown:
        print(f"core: no such version: {', '.join(unknown)}; there are {', '.join(core.name for core in CORES)}", file=sys.stderr)
        return 2
    path = search_path()
    found = {core: find_python(core.pythons, path) for core in chosen(sys.argv[1:])}
    for core, python in found.items():
        if python is None:
            print(f"core: ansible-core {core.name} is left out: there is no {' or '.join(core.pythons)} here", file=sys.stderr)
    lanes = [(core, python) for core, python in found.items() if python is not None]
    with concurrent.futures.ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        passed = list(pool.map(lambda lane: run(*lane), lanes))
    return int(not all(passed))


if __name__ == "__main__":
    sys.exit(main())
