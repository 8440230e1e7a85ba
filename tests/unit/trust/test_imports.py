# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules import the code of trust only for a task that uses it: Ansible compiles every imported line again in each task."""

from __future__ import annotations

import subprocess
import sys

from tests.support import modules
from tests.support.trust import make_key

SIGNING = {"image_sign", "image_attest"}
PROGRAM = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(f"{PACKAGE}.{name}")
print([name for name in sys.modules if ".module_utils.trust" in name or name.partition(".")[0] in ("cryptography", "sigstore", "nacl")])
"""


def test_rules_without_dictionaries_import_no_predicates() -> None:
    program = f"""
import sys
from {modules.PACKAGE.rpartition(".")[0]}.module_utils.trust.rules import RuleOptions, read_rules
for attestations in (("vuln",), ({{"type": "vuln", "at_most": {{"high": 0}}}},)):
    read_rules([RuleOptions("", keys=({make_key().pem!r},), attestations=attestations)])
    print(sorted(name.rpartition(".")[2] for name in sys.modules if name.endswith((".trust.gates", ".trust.vex", ".vulnerabilities", ".provenance"))))
"""
    done = subprocess.run([sys.executable, "-c", program], env=modules.environment(), check=True, capture_output=True, text=True, cwd="/")
    assert done.stdout.splitlines() == ["[]", "['gates', 'provenance', 'vex', 'vulnerabilities']"]


def test_no_module_but_those_that_sign_imports_it() -> None:
    names = sorted(path.stem for path in (modules.ROOT / "plugins" / "modules").glob("image_*.py") if path.stem not in SIGNING)
    assert len(names) > 10
    program = PROGRAM.replace("{PACKAGE}", modules.PACKAGE)
    done = subprocess.run([sys.executable, "-c", program, *names], env=modules.environment(), check=True, capture_output=True, text=True, cwd="/")
    assert done.stdout.strip() == "[]"
