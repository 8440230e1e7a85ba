# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure pulling beside skopeo, and the cost of a play that changes nothing. The tools take turns; the medians are printed."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / ".collections"), str(ROOT)]

from tests.support import images, modules, registry  # noqa: E402 - found by the line above
from tests.support.measure import measure_start, peak_memory, seconds, side_by_side  # noqa: E402

MEMORY_LIMIT = 100_000_000
PLATFORM = "linux/amd64" if os.uname().machine == "x86_64" else "linux/arm64"


def pull(name: str, store: Path) -> float:
    shutil.rmtree(store, ignore_errors=True)
    return seconds(lambda: modules.run("image_pull", {"name": name, "store": str(store), "plain_http": True}))


def skopeo(name: str, layout: Path) -> float:
    shutil.rmtree(layout, ignore_errors=True)
    command = ["skopeo", "copy", "--quiet", "--preserve-digests", "--src-tls-verify=false", f"docker://{name}", f"oci:{layout}:copy"]
    return seconds(lambda: subprocess.run(command, check=True))


def compare_pulls(running: registry.Registry, folder: Path) -> None:
    for title, layers, size in (("7 layers, 120 MB", 7, 120_000_000 // 7), ("60 layers, 30 MB", 60, 500_000)):
        name = running.put(images.make_image(title, layers, PLATFORM, size), f"bench/layers{layers}", "1")
        medians = side_by_side(
            longshore=functools.partial(pull, name, folder / "store"),
            skopeo=functools.partial(skopeo, name, folder / "layout"),
            start=functools.partial(
                measure_start, "image_pull", {"name": f"{running.host}/absent:1", "store": str(folder / "nothing"), "plain_http": True}
            ),
        )
        net = medians["longshore"] - medians["start"]
        print(f"{title}: image_pull {net:.2f} s (and {medians['start']:.2f} s start-up), skopeo copy {medians['skopeo']:.2f} s", end=": ")
        print(f"{net / medians['skopeo']:.2f} times (wanted: at most 1.3)")


def play(folder: Path, tasks: list[dict[str, t.Any]]) -> float:
    playbook = folder / "play.json"
    playbook.write_text(json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]))
    command = ["ansible-playbook", "-i", "localhost,", "-e", f"ansible_python_interpreter={sys.executable}", str(playbook)]
    environment = {**modules.environment(HOME=str(folder)), "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    return seconds(lambda: subprocess.run(command, check=True, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL))


def compare_plays(running: registry.Registry, folder: Path) -> None:
    names = [running.put(images.make_image(f"unchanged {number}", 5, PLATFORM), f"bench/unchanged{number}", "1") for number in range(20)]
    options = {"name": names, "store": str(folder / "twenty")}
    modules.run("image_pull", options)
    medians = side_by_side(
        unchanged=lambda: play(folder, [{"longshore.images.image_pull": options}]),
        ping=lambda: play(folder, [{"ansible.builtin.ping": {}}]),
    )
    print(f"20 unchanged images in one task: {medians['unchanged']:.2f} s, a play that only pings {medians['ping']:.2f} s", end=": ")
    print(f"{medians['unchanged'] / medians['ping']:.2f} times (wanted: at most 1.5)")


def measure_memory(running: registry.Registry, folder: Path) -> None:
    """Measure the memory of pushing and pulling a layer of 1 GiB, which is made from a sparse file."""
    large = folder / "large"
    with large.open("wb") as file:
        file.truncate(1024**3)
    store, name = str(folder / "large-store"), f"{running.host}/bench/large:1"
    steps: dict[str, dict[str, t.Any]] = {
        "image_append": {"name": name, "base": "scratch", "layers": [{"src": str(large), "dest": "/large"}], "store": store},
        "image_push": {"name": name, "store": store},
        "image_pull": {"name": name, "store": str(folder / "large-copy")},
    }
    for module, options in steps.items():
        peak = peak_memory(module, options)
        print(f"{module} of a layer of 1 GiB: {peak / 1e6:.0f} MB of memory at most (wanted: under {MEMORY_LIMIT / 1e6:.0f})")


def main() -> None:
    registry.needed("docker-registry", "skopeo")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "registry").mkdir()
        with registry.running_registry(folder / "registry") as running:
            compare_pulls(running, folder)
            compare_plays(running, folder)
            measure_memory(running, folder)


if __name__ == "__main__":
    main()
