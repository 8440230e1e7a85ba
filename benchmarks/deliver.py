# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Tools: containerd ctr docker dockerd podman runc

"""Measure delivery to engines beside the modules of community.docker and containers.podman. Whole plays take turns; the medians are printed.

The collections come with the package `ansible`, in a separate environment below .cache. Its ansible-playbook runs all plays.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
import typing as t
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / ".collections"), str(ROOT)]

from tests.support import engines, images, modules, registry  # noqa: E402 - found by the line above
from tests.support.measure import seconds, side_by_side  # noqa: E402

RUNS = 3
WANTED = 5
ENVIRONMENT = ROOT / ".cache" / "bench-ansible"
SHARED = 60_000_000
OWN = 5_000_000

Tasks = list[dict[str, t.Any]]


def make_environment() -> None:
    """Install `ansible` once, and return the environment."""
    if not (ENVIRONMENT / "done").exists():
        print(f"installing ansible in {ENVIRONMENT}", flush=True)
        venv.create(ENVIRONMENT, clear=True, with_pip=True)
        subprocess.run([str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "--quiet", "ansible", "requests"], check=True)
        (ENVIRONMENT / "done").touch()


def play(folder: Path, tasks: Tasks) -> float:
    playbook = folder / "play.json"
    playbook.write_text(json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]))
    python = ENVIRONMENT / "bin" / "python"
    command = [str(ENVIRONMENT / "bin" / "ansible-playbook"), "-i", "localhost,", "-e", f"ansible_python_interpreter={python}", str(playbook)]
    kept = {name: value for name, value in modules.environment(HOME=str(folder)).items() if name != "PYTHONPATH"}
    environment = {**kept, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "LC_ALL": "C.UTF-8"}
    return seconds(lambda: subprocess.run(command, check=True, cwd=folder, env=environment, stdout=subprocess.DEVNULL))


def ours(names: t.Sequence[str], store: Path, engine: t.Mapping[str, str]) -> Tasks:
    """Return the tasks that pull and deliver with Longshore."""
    shared = {"name": list(names), "store": str(store)}
    return [{"longshore.images.image_pull": shared}, {"longshore.images.image_deliver": {**shared, **engine}}]


def of_docker(names: t.Sequence[str], docker: engines.Docker, pull: str = "always") -> Tasks:
    options = {"name": "{{ item }}", "docker_host": f"unix://{docker.folder}/docker.sock", "pull": pull}
    return [{"community.docker.docker_image_pull": options, "loop": list(names)}]


def of_podman(names: t.Sequence[str], program: Path) -> Tasks:
    return [{"containers.podman.podman_image": {"name": "{{ item }}", "executable": str(program), "validate_certs": False}, "loop": list(names)}]


def second_image(running: registry.Registry, docker: engines.Docker, folder: Path) -> None:
    """Measure an image that shares its lower layers with one that Docker already has."""
    base = images.make_layer("base", SHARED)
    first, second = (running.put(images.make_image(text, 1, engines.HOST, OWN, [base]), f"bench/{text}", "1") for text in ("first", "second"))
    store, engine = folder / "store", {"engine": "docker", "docker_host": f"unix://{docker.folder}/docker.sock"}

    def contest(tasks: Tasks) -> float:
        if second in docker.names():
            docker.remove(second)
        modules.run("image_rm", {"name": [second], "store": str(store)})
        return play(folder, tasks)

    play(folder, ours([first], store, engine))
    medians = side_by_side(
        RUNS,
        longshore=functools.partial(contest, ours([second], store, engine)),
        docker_image_pull=functools.partial(contest, of_docker([second], docker)),
        ping=lambda: play(folder, [{"ansible.builtin.ping": {}}]),
    )
    print(f"a second image with {SHARED // 1_000_000} MB in common and {OWN // 1_000_000} MB of new layers, a play that pulls and delivers it:")
    print(
        f"  longshore {medians['longshore']:.2f} s, docker_image_pull {medians['docker_image_pull']:.2f} s (a play that pings {medians['ping']:.2f} s)"
    )


def twenty_unchanged(running: registry.Registry, docker: engines.Docker, folder: Path) -> None:
    names = [running.put(images.make_image(f"unchanged {number}", 5, engines.HOST), f"bench/unchanged{number}", "1") for number in range(20)]
    podman = engines.Podman(folder / "podman")
    program = podman.program(folder / "bin") / "podman"
    os.environ["PATH"] = f"{program.parent}:{os.environ['PATH']}"
    store, socket = folder / "twenty", f"unix://{docker.folder}/docker.sock"
    in_docker = ours(names, store, {"engine": "docker", "docker_host": socket})
    in_podman = ours(names, store, {"engine": "podman"})
    # Tasks that also ask the registry are compared with pull and deliver, tasks that only read their engine with deliver.
    contests = {
        "docker_image_pull, which asks the registry": (in_docker, of_docker(names, docker)),
        "docker_image_pull with pull: not_present": (in_docker[1:], of_docker(names, docker, "not_present")),
        "podman_image": (in_podman[1:], of_podman(names, program)),
    }
    play(folder, in_podman)
    for other, (own, theirs) in contests.items():
        play(folder, own)
        play(folder, theirs)
        medians = side_by_side(RUNS, longshore=functools.partial(play, folder, own), other=functools.partial(play, folder, theirs))
        print(f"20 unchanged images: {len(own)} task(s) of longshore {medians['longshore']:.2f} s, {other} {medians['other']:.2f} s", end=": ")
        print(f"{medians['other'] / medians['longshore']:.1f} times as long (wanted: at least {WANTED})", flush=True)


def main() -> None:
    make_environment()
    with tempfile.TemporaryDirectory() as name, engines.running_docker(containerd_store=False) as docker:
        folder = Path(name)
        (folder / "registry").mkdir()
        with registry.running_registry(folder / "registry") as running:
            second_image(running, docker, folder)
            twenty_unchanged(running, docker, folder)


if __name__ == "__main__":
    main()
