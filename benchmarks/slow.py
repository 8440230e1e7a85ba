# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure the pull of one large layer through a server that limits every connection, beside docker, skopeo and oras. The medians are printed."""

from __future__ import annotations

import functools
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / ".collections"), str(ROOT)]

from tests.support import engines, modules, registry  # noqa: E402 - found by the line above
from tests.support.measure import seconds, side_by_side  # noqa: E402
from tests.support.throttle import Throttle  # noqa: E402

MEGABYTE = 1_000_000
SIZE = 512 * MEGABYTE
RATE = 30 * MEGABYTE
WANTED = 4
RUNS = 3


def put_layer(running: registry.Registry, folder: Path) -> str:
    """Push an image with one layer of random bytes, which don't compress."""
    noise = random.Random(512)
    with (folder / "noise").open("wb") as file:
        for _megabyte in range(SIZE // MEGABYTE):
            file.write(noise.randbytes(MEGABYTE))
    name, store = f"{running.host}/bench/noise:1", str(folder / "source")
    modules.run("image_append", {"name": name, "base": "scratch", "layers": [{"src": str(folder / "noise"), "dest": "/noise"}], "store": store})
    modules.run("image_push", {"name": name, "store": store})
    shutil.rmtree(store)
    (folder / "noise").unlink()
    return name.removeprefix(running.host)


def longshore(name: str, store: Path) -> float:
    shutil.rmtree(store, ignore_errors=True)
    return seconds(lambda: modules.run("image_pull", {"name": name, "store": str(store), "plain_http": True}))


def docker(engine: engines.Docker, name: str) -> float:
    host = ["docker", "--host", f"unix://{engine.folder}/docker.sock"]
    subprocess.run([*host, "image", "rm", "--force", name], check=False, capture_output=True)
    return seconds(lambda: subprocess.run([*host, "pull", "--quiet", name], check=True, capture_output=True))


def skopeo(name: str, layout: Path) -> float:
    shutil.rmtree(layout, ignore_errors=True)
    command = ["skopeo", "copy", "--quiet", "--preserve-digests", "--src-tls-verify=false", f"docker://{name}", f"oci:{layout}:copy"]
    return seconds(lambda: subprocess.run(command, check=True))


def oras(name: str, layout: Path) -> float:
    shutil.rmtree(layout, ignore_errors=True)
    command = ["oras", "copy", "--no-tty", "--from-plain-http", name, "--to-oci-layout", f"{layout}:copy"]
    return seconds(lambda: subprocess.run(command, check=True, capture_output=True))


def main() -> None:
    registry.needed("docker-registry", "dockerd", "skopeo", "oras")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "registry").mkdir()
        with registry.running_registry(folder / "registry") as running, engines.running_docker(containerd_store=False) as engine:
            path = put_layer(running, folder)
            throttle = Throttle(running.host, RATE)
            with throttle.running():
                slow = f"{throttle.host}{path}"
                medians = side_by_side(
                    RUNS,
                    longshore=functools.partial(longshore, slow, folder / "store"),
                    docker=functools.partial(docker, engine, slow),
                    skopeo=functools.partial(skopeo, slow, folder / "layout"),
                    oras=functools.partial(oras, slow, folder / "oras"),
                )
    own = medians.pop("longshore")
    print(f"One layer of {SIZE / 1e6:.0f} MB at {RATE / 1e6:.0f} MB/s a connection: image_pull {own:.2f} s, start-up and all")
    for other, median in medians.items():
        print(f"  {other} {median:.2f} s: {median / own:.1f} times as long (wanted: at least {WANTED})")


if __name__ == "__main__":
    main()
