# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Tools: mkfs.xfs skopeo

"""Measure saving and loading beside skopeo, docker and podman. The tools take turns; the medians are printed."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / ".collections"), str(ROOT)]

from tests.support import engines, modules  # noqa: E402 - found by the line above
from tests.support.measure import measure_start, peak_memory, seconds, side_by_side  # noqa: E402

RUNS = 3
MEMORY_LIMIT = 100_000_000
NAME = "docker.io/library/bench:1"


def make_store(folder: Path, layers: int, size: int) -> Path:
    """Return a store with an image of LAYERS layers, each with a file of SIZE random bytes, which don't compress."""
    sources = []
    for number in range(layers):
        file = folder / f"data{number}"
        with file.open("wb") as data:
            for _piece in range(size // 1_000_000):
                data.write(os.urandom(1_000_000))
        sources.append({"src": str(file), "dest": f"/data/{number}"})
    modules.run("image_append", {"name": NAME, "base": "scratch", "layers": sources, "store": str(folder / "store")})
    for source in sources:
        os.unlink(source["src"])
    return folder / "store"


def save(store: Path, path: Path) -> float:
    path.unlink(missing_ok=True)
    return seconds(lambda: modules.run("image_save", {"name": NAME, "path": str(path), "store": str(store)}))


def skopeo_save(store: Path, path: Path) -> float:
    path.unlink(missing_ok=True)
    return seconds(lambda: subprocess.run(["skopeo", "copy", "--quiet", f"oci:{store}:{NAME}", f"oci-archive:{path}:{NAME}"], check=True))


def docker_save(docker: engines.Docker, path: Path) -> float:
    path.unlink(missing_ok=True)
    return seconds(lambda: docker.save([NAME], path))


def load(path: Path, store: Path) -> float:
    shutil.rmtree(store, ignore_errors=True)
    return seconds(lambda: modules.run("image_load", {"path": str(path), "store": str(store)}))


def engine_load(engine: engines.Engine, path: Path) -> float:
    engine.clear()
    return seconds(lambda: engine.load(path))


def skopeo_load(path: Path, layout: Path) -> float:
    shutil.rmtree(layout, ignore_errors=True)
    return seconds(lambda: subprocess.run(["skopeo", "copy", "--quiet", f"docker-archive:{path}", f"oci:{layout}:copy"], check=True))


def print_comparison(title: str, medians: t.Mapping[str, float], ours: str, wanted: t.Mapping[str, float]) -> None:
    net = medians[ours] - medians["start"]
    print(f"{title}: {ours} {net:.2f} s (and {medians['start']:.2f} s start-up)")
    for other, least in wanted.items():
        print(f"  {other} {medians[other]:.2f} s: {medians[other] / net:.1f} times as long (wanted: at least {least:g})")


def compare(title: str, layers: int, size: int, docker: engines.Docker, folder: Path) -> None:
    store, archive = make_store(folder, layers, size), folder / "image.tar"
    save(store, archive)
    docker.clear()
    docker.load(archive)
    medians = side_by_side(
        RUNS,
        image_save=functools.partial(save, store, archive),
        skopeo=functools.partial(skopeo_save, store, folder / "skopeo.tar"),
        docker=functools.partial(docker_save, docker, folder / "docker.tar"),
        start=functools.partial(measure_start, "image_save", {"name": "absent:1", "path": str(folder / "absent.tar"), "store": str(store)}),
    )
    print_comparison(f"saving {title}", medians, "image_save", {"skopeo": 5, "docker": 8})
    podman = engines.Podman(folder / "podman")
    medians = side_by_side(
        RUNS,
        image_load=functools.partial(load, folder / "docker.tar", folder / "loaded"),
        docker=functools.partial(engine_load, docker, folder / "docker.tar"),
        podman=functools.partial(engine_load, podman, folder / "docker.tar"),
        skopeo=functools.partial(skopeo_load, folder / "docker.tar", folder / "layout"),
        start=functools.partial(measure_start, "image_load", {"path": str(folder / "absent.tar"), "store": str(store)}),
    )
    print_comparison(f"loading what docker saved of {title}", medians, "image_load", {"docker": 1, "podman": 1, "skopeo": 1})
    for module, options in (
        ("image_save", {"name": NAME, "path": str(folder / "memory.tar"), "store": str(store)}),
        ("image_load", {"path": str(folder / "docker.tar"), "store": str(folder / "memory")}),
    ):
        peak = peak_memory(module, options)
        print(f"  {module}: {peak / 1e6:.0f} MB of memory at most (wanted: under {MEMORY_LIMIT / 1e6:.0f})")
    podman.clear()


def watch_reflinks(folder: Path) -> None:
    """Save on a file system that can share extents, and print how many bytes of the disk that took."""
    device, mount = folder / "xfs", folder / "mounted"
    with device.open("wb") as file:
        file.truncate(2 * 1024**3)
    mount.mkdir()
    subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", str(device)], check=True)
    with _mounted(device, mount):
        store = make_store(mount, 3, 100_000_000)
    # Unmounting frees the space of all deleted files.
    with _mounted(device, mount):
        before = _free(mount)
        save(store, mount / "image.tar")
        size = (mount / "image.tar").stat().st_size
    with _mounted(device, mount):
        taken = before - _free(mount)
    print(f"saving 300 MB on xfs with reflinks: the file has {size / 1e6:.1f} MB and took {taken / 1e6:.1f} MB of the disk")


@contextlib.contextmanager
def _mounted(device: Path, mount: Path) -> t.Iterator[None]:
    subprocess.run(["mount", "-o", "loop", str(device), str(mount)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def _free(mount: Path) -> int:
    room = os.statvfs(mount)
    return room.f_bavail * room.f_frsize


def main() -> None:
    with tempfile.TemporaryDirectory() as name, engines.running_docker(containerd_store=False) as docker:
        for title, layers, size in (("120 MB", 6, 20_000_000), ("1.5 GB", 6, 250_000_000)):
            folder = Path(name, title.replace(" ", ""))
            folder.mkdir()
            compare(title, layers, size, docker, folder)
            shutil.rmtree(folder)
        watch_reflinks(Path(name))


if __name__ == "__main__":
    main()
