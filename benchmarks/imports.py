# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Count what a module imports: Ansible sends modules without bytecode, so each task compiles every imported line again."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import typing as t

from benchmarks.contest import Contestant, Figures, module, take_turns
from tests.support import modules

# Runs a module as Ansible does. Then it prints the lines of this collection that were compiled, and the milliseconds of processor time that took.
_SCRIPT = """
import importlib, importlib.machinery, json, sys, time
lines, spent = [0], [0.0]
compile_source = importlib.machinery.SourceFileLoader.source_to_code
def counting(loader, data, path, *more, **options):
    began = time.process_time()
    try:
        return compile_source(loader, data, path, *more, **options)
    finally:
        if "longshore/images/plugins" in str(path):
            spent[0] += time.process_time() - began
            lines[0] += data.count(b"\\n")
importlib.machinery.SourceFileLoader.source_to_code = counting
module = importlib.import_module(sys.argv.pop(1))
imported, status = lines[0], 0
try:
    if not sys.stdin.isatty():
        module.main()
except SystemExit as end:
    status = end.code
print(json.dumps([imported, lines[0], spent[0] * 1000, status]), file=sys.stderr)
"""


@dataclasses.dataclass(frozen=True)
class Imports:
    """The lines that a module compiles when it is imported and until the end of a run, and the processor time of that in milliseconds."""

    module: str
    imported: int
    run: int
    milliseconds: float


def count_imports(module: str, options: t.Mapping[str, t.Any]) -> Imports:
    """Run MODULE with OPTIONS and count. A run that fails counts too: it shows what the module needs to find that out."""
    command = [sys.executable, "-c", _SCRIPT, f"{modules.PACKAGE}.{module}"]
    data = json.dumps({"ANSIBLE_MODULE_ARGS": dict(options)}).encode()
    done = subprocess.run(command, input=data, capture_output=True, check=True, env=modules.environment(), cwd="/")
    imported, run, milliseconds, _status = json.loads(done.stderr.splitlines()[-1])
    return Imports(module, imported, run, milliseconds)


def measure_start_up(options: t.Mapping[str, t.Any]) -> list[Figures]:
    """Measure what every module needs that reaches a registry, each with all before it, and at last `image_pull` with OPTIONS."""
    programs = {
        "Python": "pass",
        "Ansible's module code": "import ansible.module_utils.basic",
        "HTTP client (urllib3)": "import ansible.module_utils.basic, http.client, urllib3",
    }
    contestants = [Contestant(name, [sys.executable, "-c", program]) for name, program in programs.items()]
    return take_turns([*contestants, module("image_pull", options)])
