# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure pushing beside skopeo, and the cost of a second repository of the same registry. The tools take turns; the medians are printed."""

from __future__ import annotations

import functools
import itertools
import os
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / ".collections"), str(ROOT)]

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store  # noqa: E402 - found by the line above
from tests.support import images, modules, registry  # noqa: E402
from tests.support.measure import measure_start, seconds, side_by_side  # noqa: E402

NAME = "docker.io/bench/layers:1"
PLATFORM = "linux/amd64" if os.uname().machine == "x86_64" else "linux/arm64"
LAYERS, SIZE = 7, 120_000_000 // 7


def push(store: Path, name: str) -> dict[str, t.Any]:
    return modules.run("image_push", {"name": NAME, "destination": name, "store": str(store), "plain_http": True})


def skopeo(store: Path, name: str) -> None:
    command = ["skopeo", "copy", "--quiet", "--preserve-digests", "--dest-tls-verify=false", f"oci:{store}:{NAME}", f"docker://{name}"]
    subprocess.run(command, check=True)


def to_new_registry(folder: Path, numbers: t.Iterator[int], work: t.Callable[[str], object]) -> float:
    """Return how long WORK takes to push the image to an empty registry, without the start of the registry."""
    place = folder / f"registry{next(numbers)}"
    place.mkdir()
    with registry.running_registry(place) as running:
        return seconds(lambda: work(f"{running.host}/bench/layers:1"))


def compare(store: Path, folder: Path) -> None:
    numbers = itertools.count()
    medians = side_by_side(
        longshore=functools.partial(to_new_registry, folder, numbers, functools.partial(push, store)),
        skopeo=functools.partial(to_new_registry, folder, numbers, functools.partial(skopeo, store)),
        start=functools.partial(measure_start, "image_push", {"name": "absent:1", "store": str(store), "plain_http": True}),
    )
    net = medians["longshore"] - medians["start"]
    print(f"{LAYERS} layers, 120 MB: image_push {net:.2f} s (and {medians['start']:.2f} s start-up), skopeo copy {medians['skopeo']:.2f} s", end=": ")
    print(f"{net / medians['skopeo']:.2f} times (wanted: at most 1.2)")


def second_repository(store: Path, folder: Path) -> None:
    place = folder / "both"
    place.mkdir()
    with registry.running_registry(place) as running:
        push(store, f"{running.host}/first/layers:1")
        results: list[dict[str, t.Any]] = []
        took = seconds(lambda: results.append(push(store, f"{running.host}/second/layers:1")))
    print(f"the same for a second repository: {results[0]['bytes_transferred']} bytes moved (wanted: 0), {took:.2f} s with start-up")


def main() -> None:
    registry.needed("docker-registry", "skopeo")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images.make_image("push", LAYERS, PLATFORM, SIZE).put(Store(str(folder / "store")), NAME)
        compare(folder / "store", folder)
        second_repository(folder / "store", folder)


if __name__ == "__main__":
    main()
