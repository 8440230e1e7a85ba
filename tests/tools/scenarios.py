# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run molecule scenarios side by side, and say how long each took.

`molecule test --workers` would do that too, but then it creates the hosts of no scenario but `default`.
"""

from __future__ import annotations

import concurrent.futures
import os
import subprocess
import sys
import time
import zlib
from pathlib import Path

import yaml

from tests.support.modules import STARTUP
from tests.support.sharing import start_sharing

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = ROOT / "extensions" / "molecule"
LOGS = ROOT / ".cache" / "scenarios"
# The longest come first, so that no processor is left without work at the end.
LONGEST = ("registry_client", "registry", "fleet", "mirror")


def all_scenarios() -> list[str]:
    """Return the names of all scenarios, the longest first."""
    names = sorted(path.parent.name for path in SCENARIOS.glob("*/molecule.yml"))
    return sorted(names, key=lambda name: LONGEST.index(name) if name in LONGEST else len(LONGEST))


def needs_root(name: str) -> bool:
    """Return whether the hosts of a scenario are network namespaces, which only root can make."""
    platforms = yaml.safe_load((SCENARIOS / name / "molecule.yml").read_text())["platforms"]
    return any("fleet" in platform.get("groups", ()) for platform in platforms)


def environment() -> dict[str, str]:
    """Return an environment in which checkouts of the same name don't share molecule's state, which is named after the checkout's folder alone.

    The path is short, since sockets are made below it. Interpreters share what they compile.
    """
    home = Path.home() / ".ansible" / format(zlib.crc32(str(ROOT).encode()), "x")
    return {**os.environ, "ANSIBLE_HOME": str(home), "PYTHONPATH": str(STARTUP)}


def run(name: str, log: Path | None) -> bool:
    """Run one scenario, with its output in LOG or on the terminal, and return whether it passed."""
    begin = time.monotonic()
    command = ["molecule", "test", "--scenario-name", name]
    if log is None:
        status = subprocess.run(command, cwd=ROOT, env=environment(), check=False).returncode
    else:
        with log.open("w") as file:
            status = subprocess.run(command, cwd=ROOT, env=environment(), check=False, stdout=file, stderr=subprocess.STDOUT).returncode
    if log is not None and status:
        print(log.read_text(errors="replace"))
    seconds = round(time.monotonic() - begin)
    print(f"scenarios: {name} {'failed' if status else 'passed'} in {seconds // 60}:{seconds % 60:02} min", flush=True)
    return status == 0


def run_all(names: list[str]) -> list[str]:
    """Run scenarios, as many at once as there are processors but at most four, and return the names of those that failed."""
    LOGS.mkdir(parents=True, exist_ok=True)
    workers = min(4, os.cpu_count() or 1)
    print(f"scenarios: running {', '.join(names)}, {workers} at once; output in {LOGS.relative_to(ROOT)}", flush=True)
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        passed = list(pool.map(lambda name: run(name, LOGS / f"{name}.log"), names))
    return [name for name, good in zip(names, passed) if not good]


def main() -> int:
    names = sys.argv[1:] or all_scenarios()
    unknown = sorted(set(names) - set(all_scenarios()))
    if unknown:
        print(f"scenarios: no such scenario: {', '.join(unknown)}; there are {', '.join(sorted(all_scenarios()))}", file=sys.stderr)
        return 2
    if os.geteuid() and not sys.argv[1:] and not os.environ.get("CI"):
        left_out = [name for name in names if needs_root(name)]
        names = [name for name in names if name not in left_out]
        print(f"scenarios: left out, since only root can make network namespaces: {', '.join(left_out)}", file=sys.stderr)
    stop_sharing = start_sharing()
    try:
        failed = run_all(names) if len(names) > 1 else [name for name in names if not run(name, None)]
    finally:
        stop_sharing()
    if failed:
        print(f"scenarios: failed: {', '.join(failed)}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
