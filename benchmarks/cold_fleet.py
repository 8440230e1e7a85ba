# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The row of a fleet whose hosts all need a new image, behind empty pull-through caches. It counts what the registry upstream sends."""

from __future__ import annotations

import contextlib
import functools
import shutil
import typing as t

from benchmarks import fleets
from benchmarks.contest import LONGSHORE, Contestant, Figures
from benchmarks.fleets import Fleet
from benchmarks.place import Place
from tests.support import engines, images

HOSTS = 48
LAYER = 20_000_000
RACKS = 3
UPSTREAM, CACHE, FIRST_RACK = 5001, 5002, 5010
TITLE = f"the role preload, with which {HOSTS} hosts pull a new image of 20 MB through empty caches"


class Caches:
    """A registry upstream, a cache of it, and caches of that cache: one for each rack. `counts` has the downloads of the layer by contestant."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.image = images.make_image("cold", 1, engines.HOST, LAYER)
        self.counts: dict[str, dict[str, int]] = {}
        self._label = ""
        self._running = contextlib.ExitStack()
        fleet.place.stack.callback(self._running.close)
        fleet.place.registry.put(self.image, "fleet/cold", "1")

    def start(self, label: str, racks: int) -> None:
        """Start all registries, with empty caches, and give all hosts empty stores."""
        self._count()
        self._running.close()
        self._label = label
        self._serve("upstream", UPSTREAM)
        self._serve("cache", CACHE, UPSTREAM)
        for number in range(racks):
            self._serve(f"rack{number}", FIRST_RACK + number, CACHE)
        for name in self.fleet.names:
            shutil.rmtree(self.fleet.store(name), ignore_errors=True)

    def _serve(self, name: str, port: int, upstream: int | None = None) -> None:
        sections: dict[str, t.Any] = {"log": {"level": "info"}}
        if upstream is not None:
            data = self.fleet.folder / f"{name}-data"
            shutil.rmtree(data, ignore_errors=True)
            sections["storage"] = {"filesystem": {"rootdirectory": str(data)}, "delete": {"enabled": True}}
            sections["proxy"] = {"remoteurl": f"http://{fleets.REGISTRY_HOST}:{upstream}"}
        self._running.enter_context(self.fleet.registry(name, port, **sections))

    def _count(self) -> None:
        """Note how often each registry sent the layer since the start, and delete the logs."""
        request = f'"GET /v2/fleet/cold/blobs/{self.image.layers[0].digest} '
        for name in ("upstream", "cache", *(f"rack{number}" for number in range(RACKS))):
            log = self.fleet.folder / f"{name}.log"
            if log.exists():
                self.counts.setdefault(self._label, {})[name] = log.read_text().count(request)
                log.unlink()

    def describe(self) -> str:
        self._count()
        return " ".join(
            f"With {label} the registry sent the layer {counts['upstream']} times{_racks(counts)}." for label, counts in self.counts.items()
        )


def _racks(counts: t.Mapping[str, int]) -> str:
    """Return what the caches of the racks downloaded from the first cache."""
    return f", and the first cache sent it {counts['cache']} times to {RACKS} caches" if "rack0" in counts else ""


def start(place: Place) -> Caches:
    if place.caches is None:
        place.caches = Caches(fleets.start(place))
    return t.cast(Caches, place.caches)


def contestants(place: Place) -> list[Contestant]:
    caches = start(place)
    rack = f"{{{{ {FIRST_RACK} + ansible_play_hosts_all.index(inventory_hostname) % {RACKS} }}}}"
    return [
        _play(caches, "all hosts at once", str(CACHE), one_first=False),
        _play(caches, "one host first", str(CACHE)),
        _play(caches, f"{RACKS} more caches", rack, RACKS),
    ]


def _play(caches: Caches, label: str, port: str, racks: int = 0, one_first: bool = True) -> Contestant:
    variables = {
        "preload_images": ["upstream.test/fleet/cold:1"],
        "preload_store": "{{ bench_store }}",
        "preload_registries": [{"name": "upstream.test", "mirror_only": True, "mirrors": [{"url": f"http://{fleets.REGISTRY_HOST}:{port}"}]}],
        "preload_one_host_first": one_first,
    }
    role = {"ansible.builtin.import_role": {"name": "longshore.images.preload"}, "vars": variables}
    return caches.fleet.play(f"{LONGSHORE}, {label}", HOSTS, role, functools.partial(caches.start, label, racks), forks=HOSTS)


def describe(place: Place, unused_figures: t.Sequence[Figures]) -> str:
    return start(place).describe()
