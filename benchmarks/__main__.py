# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure Longshore beside other tools and print the figures. All rows together make docs/performance.md."""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / ".collections"), str(ROOT)]

from benchmarks import page  # noqa: E402 - found by the line above
from benchmarks.contest import RUNS, Figures, take_turns  # noqa: E402
from benchmarks.imports import Imports, count_imports, measure_start_up  # noqa: E402
from benchmarks.payload import measure_all  # noqa: E402
from benchmarks.place import Place  # noqa: E402
from benchmarks.rows import ROWS, Row  # noqa: E402
from tests.support import modules, registry  # noqa: E402

PAGE = ROOT / "docs" / "performance.md"
VERSIONS = {
    "skopeo": ["skopeo", "--version"],
    "oras": ["oras", "version"],
    "docker": ["docker", "--version"],
    "podman": ["podman", "--version"],
    "crane": ["dpkg-query", "--show", "--showformat=${Version}, built from Debian's source\n", "golang-github-google-go-containerregistry-dev"],
    "docker-registry": ["docker-registry", "--version"],
    "ansible-core": [str(Path(sys.executable).parent / "ansible"), "--version"],
}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", choices=[[], *(row.name for row in ROWS)], help="the rows to measure; all without any")
    parser.add_argument("--list", action="store_true", help="print the names of the rows")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"counted runs of each command ({RUNS}); rows that take long have fewer")
    parser.add_argument("--page", type=Path, help="write a page about the measured rows to this path")
    return parser.parse_args()


def describe_machine() -> dict[str, str]:
    """Return facts of the machine and the versions of the tools."""
    cpu = next(
        (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "unknown"
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    facts = {
        "processor": f"{cpu}, {os.cpu_count()} processors, {memory:.0f} GB of memory",
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", "unknown"),
        "file system": _output(["stat", "--file-system", "--format=%T", tempfile.gettempdir()]),
        "load average at the end": f"{os.getloadavg()[2]:.1f} over 15 minutes",
        "Python": platform.python_version(),
    }
    return facts | {tool: _output(command) for tool, command in VERSIONS.items()}


def _output(command: t.Sequence[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[0]


def has_room(row: Row, folder: Path) -> bool:
    """Return whether FOLDER has the free space that a row needs, and say so if it hasn't."""
    free = shutil.disk_usage(folder).free
    if free < row.disk:
        print(f"\n{row.name} is left out: it needs {row.disk / 1e9:.0f} GB in {folder.parent}, which has {free / 1e9:.0f} GB")
    return free >= row.disk


def print_row(row: page.Measured) -> None:
    print(f"\n{row.name}: {row.title}, measured in {row.seconds:.0f} s\n  {page.compare(row.figures)} {row.note}")
    for one in row.figures:
        print(
            f"  {one.name:40} {one.seconds:7.2f} s ({one.fastest:.2f} to {one.slowest:.2f}), {one.cpu:6.2f} s of processor time, {one.memory / 1e6:4.0f} MB",
            flush=True,
        )


def pull_unchanged(place: Place) -> dict[str, t.Any]:
    """Pull an image, and return the options with which `image_pull` finds it unchanged."""
    options = {"name": place.image(7, 17_285_714), "store": str(place.folder / "unchanged"), "plain_http": True}
    modules.run("image_pull", options)
    return options


def count_all_imports(place: Place) -> list[Imports]:
    """Count what every module imports. `image_pull` finds its image unchanged; the others find no image."""
    unchanged = pull_unchanged(place)
    others = [path.stem for path in sorted((ROOT / "plugins" / "modules").glob("image_*.py")) if path.stem != "image_pull"]
    absent = {"name": "absent:1", "store": str(place.folder / "nothing")}
    return [count_imports("image_pull", unchanged), *(count_imports(other, absent) for other in others)]


def main() -> None:
    arguments = parse_arguments()
    if arguments.list:
        print("\n".join(f"{row.name:22} {row.title}" for row in ROWS))
        return
    registry.needed("docker-registry", "skopeo", "oras", "docker", "dockerd", "podman", "go", "ip")
    measured: list[page.Measured] = []
    imports: list[Imports] = []
    start_up: list[Figures] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "registry").mkdir()
        with contextlib.ExitStack() as stack:
            place = Place(folder, stack.enter_context(registry.running_registry(folder / "registry")), stack)
            for row in ROWS:
                if row.name in arguments.rows or (not arguments.rows and has_room(row, folder)):
                    began = time.monotonic()
                    figures = take_turns(row.contestants(place), min(arguments.runs, row.most_runs))
                    measured.append(page.Measured(row.name, row.title, figures, row.note(place, figures), time.monotonic() - began))
                    print_row(measured[-1])
            if not arguments.rows:
                imports = count_all_imports(place)
                start_up = measure_start_up(pull_unchanged(place))
    target = arguments.page or (None if arguments.rows else PAGE)
    if target is not None:
        plots = target.parent / "images" / target.stem
        plots.mkdir(parents=True, exist_ok=True)
        for one in measured:
            (plots / f"{one.name}.svg").write_text(page.make_plot(one.title, one.figures))
        target.write_text(page.make_page(describe_machine(), measured, imports, [] if arguments.rows else measure_all(), start_up))


if __name__ == "__main__":
    main()
