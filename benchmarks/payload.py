# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure what Ansible sends with a module, and the controller's processor time to collect it: once for each module and play.

Ansible parses each file of a module and follows all its imports, also those in functions and those for types only. `python -m benchmarks.payload`
prints a table of all modules.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import json
import statistics
import subprocess
import sys
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLUGINS = ROOT / "plugins"
RUNS = 5

# Collects the files of a module as Ansible does before it sends it. Prints the seconds of the fastest of several runs, and the names of the files.
_SCRIPT = """
import datetime, inspect, io, json, sys, time, zipfile
from ansible.executor import module_common
from ansible.plugins.loader import init_plugin_loader
path, name, runs = sys.argv[1:]
init_plugin_loader([path.split("/ansible_collections/")[0]])
with open(path, "rb") as file:
    source = file.read()
def collect():
    archive = zipfile.ZipFile(io.BytesIO(), "w")
    words = inspect.signature(module_common.recursive_finder).parameters
    more = {}
    if "date_time" in words and words["date_time"].default is inspect.Parameter.empty:
        more["date_time"] = datetime.datetime.now(datetime.timezone.utc)
    if "extension_manager" in words:
        from ansible._internal._ansiballz import _builder
        more["extension_manager"] = _builder.ExtensionManager()
    began = time.process_time()
    module_common.recursive_finder(name.rpartition(".")[2], name, source, archive, **more)
    return time.process_time() - began, archive.namelist()
collected = [collect() for _ in range(int(runs) + 1)][1:]
print(json.dumps([min(seconds for seconds, _files in collected), collected[0][1]]))
"""


@dataclasses.dataclass(frozen=True)
class Payload:
    """The files of this collection that Ansible sends with a module, their bytes, and the seconds of processor time to collect them."""

    module: str
    files: int
    size: int
    seconds: float


def list_modules() -> list[str]:
    return sorted(path.stem for path in (PLUGINS / "modules").glob("*.py"))


def list_files(module: str) -> set[Path]:
    """Return the files of this collection that Ansible sends with MODULE: itself and all that any of them imports, in functions too."""
    start = PLUGINS / "modules" / f"{module}.py"
    found, pending = {start}, [start]
    while pending:
        new = _list_imports(pending.pop()) - found
        found |= new
        pending += new
    return found


@functools.cache
def _list_imports(path: Path) -> frozenset[Path]:
    """Return the files that the relative imports of PATH mean, and the packages that they are in."""
    imported: set[Path] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            for name in node.names:
                candidates = (base / name.name / "__init__.py", base / f"{name.name}.py", base / "__init__.py", base.with_suffix(".py"))
                found = next(candidate for candidate in candidates if candidate.is_file())
                imported.add(found)
                packages = (folder / "__init__.py" for folder in found.parents if PLUGINS / "module_utils" in (folder, *folder.parents))
                imported |= {package for package in packages if package.is_file()}
    return frozenset(imported)


def measure(module: str, runs: int = RUNS) -> tuple[float, list[str]]:
    """Return the processor time of Ansible to collect the files of MODULE, in seconds, and the names of all files that it sends."""
    path = ROOT / ".collections/ansible_collections/longshore/images/plugins/modules" / f"{module}.py"
    name = f"ansible_collections.longshore.images.plugins.modules.{module}"
    done = subprocess.run([sys.executable, "-c", _SCRIPT, str(path), name, str(runs)], capture_output=True, check=True, text=True, cwd="/")
    seconds, names = json.loads(done.stdout.splitlines()[-1])
    return seconds, names


def measure_all() -> list[Payload]:
    """Measure every module."""
    payloads = []
    for module in list_modules():
        files = list_files(module)
        payloads.append(Payload(module, len(files), sum(path.stat().st_size for path in files), measure(module)[0]))
    return payloads


def make_table(payloads: t.Sequence[Payload]) -> str:
    rows = [f"| `{one.module}` | {one.files} | {one.size / 1000:.0f} | {one.seconds:.2f} |" for one in payloads]
    return "| module | files | kB | seconds |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"


if __name__ == "__main__":
    measured = measure_all()
    print(make_table(measured))
    print(f"median {statistics.median(one.seconds for one in measured):.2f} s")
