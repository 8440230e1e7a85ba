# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rows that measure whole plays, beside the modules of community.docker and containers.podman. One ansible-core runs all of them."""

from __future__ import annotations

import json
import os
import typing as t

from benchmarks.contest import LONGSHORE, Contestant
from benchmarks.place import Place
from tests.support import engines, images, modules

SHARED = 60_000_000
OWN = 5_000_000
DOCKER = "docker_image_pull of community.docker"
PODMAN = "podman_image of containers.podman"


def play(
    place: Place,
    label: str,
    task: t.Mapping[str, t.Any],
    prepare: t.Callable[[], object] = lambda: None,
    inventory: t.Sequence[str] = ("-i", "localhost,"),
    hosts: str = "localhost",
) -> Contestant:
    """Return a play with one task. INVENTORY are the words of the command that define HOSTS, which are all this machine."""
    playbook = place.folder / f"{label.replace(' ', '-')}.json"
    playbook.write_text(json.dumps([{"hosts": hosts, "connection": "local", "gather_facts": False, "tasks": [task]}]))
    kept = {name: value for name, value in modules.environment(HOME=str(place.folder)).items() if name != "PYTHONPATH"}
    environment = {**kept, "ANSIBLE_COLLECTIONS_PATH": str(modules.ROOT / ".collections"), "LC_ALL": "C.UTF-8"}
    python = ["-e", f"ansible_python_interpreter={place.ansible / 'python'}"] if hosts == "localhost" else []
    command = [str(place.ansible / "ansible-playbook"), *inventory, *python, str(playbook)]
    return Contestant(label, command, environment=environment, prepare=prepare)


def ping(place: Place) -> Contestant:
    return play(place, "a play that only pings", {"ansible.builtin.ping": {}})


def twenty_images(place: Place) -> list[str]:
    return [place.registry.put(images.make_image(f"unchanged {number}", 5, engines.HOST), f"bench/unchanged{number}", "1") for number in range(20)]


def twenty_unchanged(place: Place) -> list[Contestant]:
    options = {"name": twenty_images(place), "store": str(place.folder / "twenty"), "plain_http": True}
    modules.run("image_pull", options)
    return [play(place, LONGSHORE, {"longshore.images.image_pull": options}), ping(place)]


def into_docker(place: Place, names: t.Sequence[str], prepare: t.Callable[[], object]) -> list[Contestant]:
    """Return plays that pull NAMES into Docker: one task of Longshore, and a loop over the module of community.docker."""
    own = {"name": list(names), "engine": "docker", "plain_http": True, **place.docker_options}
    other = {"community.docker.docker_image_pull": {"name": "{{ item }}", **place.docker_options}, "loop": list(names)}
    return [play(place, LONGSHORE, {"longshore.images.image_pull": own}, prepare), play(place, DOCKER, other, prepare), ping(place)]


def all_into_docker(place: Place) -> list[Contestant]:
    return into_docker(place, [_images_with_a_common_layer(place)[1]], place.docker.clear)


def part_into_docker(place: Place) -> list[Contestant]:
    first, second = _images_with_a_common_layer(place)
    place.pull_into_docker(first)

    def remove() -> None:
        if second in place.docker.names():
            place.docker.remove(second)

    return into_docker(place, [second], remove)


def _images_with_a_common_layer(place: Place) -> list[str]:
    base = images.make_layer("base", SHARED)
    return [place.registry.put(images.make_image(text, 1, engines.HOST, OWN, [base]), f"bench/{text}", "1") for text in ("first", "second")]


def into_podman(place: Place) -> list[Contestant]:
    """An image of 65 MB, pulled into an empty Podman."""
    name = _images_with_a_common_layer(place)[0]
    program = place.podman.program(place.folder / "podman-program")
    own = {"name": name, "engine": "podman", "plain_http": True}
    other = {"containers.podman.podman_image": {"name": name, "validate_certs": False, "executable": str(program / "podman")}}
    path = {"environment": {"PATH": f"{program}:{os.environ['PATH']}"}}
    return [
        play(place, LONGSHORE, {"longshore.images.image_pull": own, **path}, place.podman.clear),
        play(place, PODMAN, other, place.podman.clear),
        ping(place),
    ]


def twenty_unchanged_in_docker(place: Place) -> list[Contestant]:
    names = twenty_images(place)
    place.pull_into_docker(*names)
    return into_docker(place, names, lambda: None)
