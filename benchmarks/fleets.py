# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rows that measure what each host of a fleet costs the controller. The hosts are network namespaces of this machine, with their own stores.

The network is a namespace too, in which a registry with the same content listens, so nothing appears in the network of this machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import typing as t
from pathlib import Path

from benchmarks import plays
from benchmarks.contest import LONGSHORE, Contestant, Figures
from benchmarks.place import Place
from tests.support import engines, images, modules, registry
from tests.support.engines.base import wait_until
from tests.support.privileges import needs_root

SIZES = (1, 10, 50)
IMAGES = 10
LAYER = 5_000_000
FORKS = 10
REGISTRY_HOST = "10.98.255.254"
PORT = 5000
ADDRESS = f"{REGISTRY_HOST}:{PORT}"

# Runs a module in the namespace of a host. It records how much processor time that takes, and the size of the file that the controller sent.
_PYTHON = """#!/bin/bash
TIMEFORMAT='%U %S'
{{ time ip netns exec {host} {python} "$@" 2>&3; }} 3>&2 2>>{folder}/seconds
status=$?
[ ! -f "$1" ] || stat --format=%s "$1" >>{folder}/bytes
exit $status
"""


class Fleet:
    """SIZES[-1] hosts with a registry at ADDRESS. Each play runs on the first ones."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.place = place
        self.folder = folder
        self.network = f"ls-bench-{os.getpid()}"
        self.names = [f"{self.network}-{number}" for number in range(SIZES[-1])]

    @contextlib.contextmanager
    def running(self) -> t.Iterator[Fleet]:
        needs_root()
        registry.needed("ip")
        with contextlib.ExitStack() as stack:
            self._add_namespace(stack, self.network)
            _ip(self.network, "link", "add", "switch", "type", "bridge")
            _ip(self.network, "address", "add", f"{REGISTRY_HOST}/16", "dev", "switch")
            for device in ("lo", "switch"):
                _ip(self.network, "link", "set", device, "up")
            for number, name in enumerate(self.names):
                self._add_host(stack, number, name)
            stack.enter_context(self.registry("registry", PORT))
            yield self

    def _add_namespace(self, stack: contextlib.ExitStack, name: str) -> None:
        subprocess.run(["ip", "netns", "add", name], check=True)
        stack.callback(subprocess.run, ["ip", "netns", "delete", name], check=True)

    def _add_host(self, stack: contextlib.ExitStack, number: int, name: str) -> None:
        self._add_namespace(stack, name)
        _ip(self.network, "link", "add", f"plug{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip(self.network, "link", "set", f"plug{number}", "master", "switch", "up")
        _ip(name, "address", "add", f"10.98.{number // 250}.{number % 250 + 1}/16", "dev", "eth0")
        for device in ("lo", "eth0"):
            _ip(name, "link", "set", device, "up")
        host = self.folder / name
        host.mkdir(parents=True)
        (host / "python").write_text(_PYTHON.format(host=name, python=self.place.ansible / "python", folder=host))
        (host / "python").chmod(0o755)

    @contextlib.contextmanager
    def registry(self, name: str, port: int, **sections: t.Any) -> t.Iterator[None]:
        """Run a registry in the network, with the content of the place's registry. SECTIONS replace sections of its configuration."""
        config = {**json.loads((self.place.registry.folder / "config.yml").read_text()), **sections}
        config["http"]["addr"] = f"{REGISTRY_HOST}:{port}"
        path = self.folder / f"{name}.yml"
        path.write_text(json.dumps(config))
        command = ["ip", "netns", "exec", self.network, "docker-registry", "serve", str(path)]
        with (self.folder / f"{name}.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
            try:
                wait_until(lambda: self._answers(port), lambda: f"the registry {name} of the fleet didn't start")
                yield
            finally:
                process.terminate()

    def _answers(self, port: int) -> bool:
        probe = ["ip", "netns", "exec", self.network, "bash", "-c", f"</dev/tcp/{REGISTRY_HOST}/{port}"]
        return subprocess.run(probe, capture_output=True, check=False).returncode == 0

    def name(self, repository: str) -> str:
        return f"{ADDRESS}/{repository}:1"

    def store(self, name: str) -> Path:
        return self.folder / name / "store"

    def fill_stores(self, template: Path) -> None:
        """Give all hosts a copy of the store TEMPLATE."""
        for name in self.names:
            shutil.rmtree(self.store(name), ignore_errors=True)
            subprocess.run(["cp", "-a", str(template), str(self.store(name))], check=True)

    def pull_template(self, names: t.Sequence[str]) -> Path:
        """Return a store with the images NAMES, pulled by the first host."""
        options = json.dumps({"ANSIBLE_MODULE_ARGS": {"name": list(names), "plain_http": True, "store": str(self.folder / "template")}})
        shutil.rmtree(self.folder / "template", ignore_errors=True)
        command = [str(self.folder / self.names[0] / "python"), "-m", f"{modules.PACKAGE}.image_pull"]
        subprocess.run(command, input=options.encode(), env=modules.environment(), check=True, capture_output=True, cwd="/")
        return self.folder / "template"

    def play(
        self, label: str, size: int, task: t.Mapping[str, t.Any], prepare: t.Callable[[], object] = lambda: None, forks: int = FORKS
    ) -> Contestant:
        """Return a play with TASK on the first SIZE hosts. Its processor time is that of the controller only."""
        hosts = {
            name: {"ansible_python_interpreter": str(self.folder / name / "python"), "bench_store": str(self.store(name))}
            for name in self.names[:size]
        }
        inventory = self.folder / f"hosts{size}.json"
        inventory.write_text(json.dumps({"all": {"hosts": hosts, "vars": {"ansible_connection": "local"}}}))

        def forget_records() -> None:
            prepare()
            for name in self.names:
                for kind in ("seconds", "bytes"):
                    (self.folder / name / kind).unlink(missing_ok=True)

        contestant = plays.play(self.place, label, task, forget_records, ["-i", str(inventory), "--forks", str(forks)], "all")
        return contestant.not_counting(self.count_seconds)

    def _read(self, kind: str) -> list[float]:
        paths = [self.folder / name / kind for name in self.names]
        return [float(word) for path in paths if path.exists() for word in path.read_text().split()]

    def count_seconds(self) -> float:
        """Return the processor time of all modules of the last play."""
        return sum(self._read("seconds"))

    def describe_last_play(self) -> str:
        """Return a sentence about the last play, which was one of Longshore on all hosts."""
        hosts = len(self.names)
        sent, spent = sum(self._read("bytes")) / hosts, self.count_seconds() / hosts
        return f"For each host, the controller sends {sent / 1000:.0f} kB of modules, and the host itself uses {spent:.2f} seconds of processor time."


def _ip(namespace: str, *words: str) -> None:
    subprocess.run(["ip", "-n", namespace, *words], check=True)


def start(place: Place) -> Fleet:
    """Start the fleet at its first use."""
    if place.fleet is None:
        place.fleet = place.stack.enter_context(Fleet(place, place.folder / "fleet").running())
    return t.cast(Fleet, place.fleet)


def describe(place: Place, figures: t.Sequence[Figures]) -> str:
    return f"{describe_controller(figures)} {start(place).describe_last_play()}"


def describe_controller(figures: t.Sequence[Figures]) -> str:
    """Return a sentence about the controller's processor time for each host of the largest play. The figures' names are `PLAY, SIZE`."""
    plays_of_most = [(one.name.rpartition(", ")[0], one.cpu / SIZES[-1]) for one in figures if one.name.endswith(_hosts(SIZES[-1]))]
    listed = ", ".join(f"{seconds:.2f} s for {name}" for name, seconds in plays_of_most)
    return f"Of the play on {_hosts(SIZES[-1])}, each host uses this processor time of the controller: {listed}."


def _pull(names: t.Sequence[str]) -> dict[str, t.Any]:
    return {"longshore.images.image_pull": {"name": list(names), "plain_http": True, "store": "{{ bench_store }}"}}


def _for_each_size(fleet: Fleet, names: t.Sequence[str], prepare: t.Callable[[], object]) -> list[Contestant]:
    contestants = []
    for size in SIZES:
        contestants.append(fleet.play(f"only pinging, {_hosts(size)}", size, {"ansible.builtin.ping": {}}))
        contestants.append(fleet.play(f"{LONGSHORE}, {_hosts(size)}", size, _pull(names), prepare))
    return contestants


def _hosts(count: int) -> str:
    return f"{count} host{'s' if count > 1 else ''}"


def unchanged(place: Place) -> list[Contestant]:
    fleet = start(place)
    names = []
    for number in range(IMAGES):
        place.registry.put(images.make_image(f"fleet {number}", 5, engines.HOST), f"fleet/unchanged{number}", "1")
        names.append(fleet.name(f"fleet/unchanged{number}"))
    fleet.fill_stores(fleet.pull_template(names))
    variables = {"preload_images": names, "preload_store": "{{ bench_store }}", "preload_registries": [{"name": ADDRESS, "plain_http": True}]}
    role = {"ansible.builtin.import_role": {"name": "longshore.images.preload"}, "vars": variables}
    return [*(fleet.play(f"the role preload, {_hosts(size)}", size, role) for size in SIZES), *_for_each_size(fleet, names, lambda: None)]


def one_new_layer(place: Place) -> list[Contestant]:
    """Ten images, one of which has got a new layer of 5 MB under its tag since the hosts pulled it."""
    fleet = start(place)
    base = images.make_layer("fleet base", LAYER)
    names = [fleet.name(f"fleet/moving{number}") for number in range(IMAGES)]
    for number in range(IMAGES):
        place.registry.put(images.make_image(f"moving {number}", 1, engines.HOST, 0, [base]), f"fleet/moving{number}", "1")
    template = fleet.pull_template(names)
    place.registry.put(images.make_image("moved", 1, engines.HOST, LAYER, [base]), "fleet/moving0", "1")
    return _for_each_size(fleet, names, lambda: fleet.fill_stores(template))
