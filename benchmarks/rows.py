# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rows of the benchmark: for each one, the same work for Longshore and for the tools that a user would pick instead."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import random
import shutil
import sys
import typing as t
from pathlib import Path

from ansible_collections.longshore.images.plugins.module_utils.oci.graph import NamedGraph
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from benchmarks.contest import Contestant
from tests.support import images, modules, registry
from tests.support.throttle import Throttle

LONGSHORE = "Longshore"
START_UP = "Longshore, only start-up"
PLATFORM = "linux/amd64" if os.uname().machine == "x86_64" else "linux/arm64"
MEGABYTE = 1_000_000


@dataclasses.dataclass
class Place:
    """Where the benchmark works: a scratch folder, and a registry. `images` are those pushed so far."""

    folder: Path
    registry: registry.Registry
    images: dict[tuple[int, int], str] = dataclasses.field(default_factory=dict)

    def image(self, layers: int, size: int) -> str:
        """Return the name of an image with LAYERS layers of SIZE random bytes each, which don't compress."""
        if (layers, size) not in self.images:
            name = f"{self.registry.host}/bench/layers{layers}x{size}:1"
            store, noise = self.folder / "source", random.Random(layers)
            sources = []
            for number in range(layers):
                path = self.folder / f"noise{number}"
                with path.open("wb") as file:
                    for start in range(0, size, MEGABYTE):
                        file.write(noise.randbytes(min(MEGABYTE, size - start)))
                sources.append({"src": str(path), "dest": f"/noise/{number}"})
            modules.run("image_append", {"name": name, "base": "scratch", "layers": sources, "store": str(store)})
            modules.run("image_push", {"name": name, "store": str(store), "plain_http": True})
            shutil.rmtree(store)
            for source in sources:
                os.unlink(source["src"])
            self.images[layers, size] = name
        return self.images[layers, size]

    def empty(self, name: str) -> Path:
        """Return the path of a file or folder that doesn't exist."""
        path = self.folder / name
        shutil.rmtree(path, ignore_errors=True)
        path.unlink(missing_ok=True)
        return path


def module(name: str, options: t.Mapping[str, t.Any], label: str = LONGSHORE, status: int = 0, **more: t.Any) -> Contestant:
    """Return a run of a module as Ansible does it, without bytecode of earlier runs."""
    arguments = json.dumps({"ANSIBLE_MODULE_ARGS": dict(options)}).encode()
    return Contestant(label, [sys.executable, "-m", f"{modules.PACKAGE}.{name}"], arguments, modules.environment(), status=status, **more)


def start_up(name: str, options: t.Mapping[str, t.Any]) -> Contestant:
    """Return a run of a module that imports everything and then fails, because OPTIONS ask for what doesn't exist."""
    return module(name, options, START_UP, status=1)


def pull(place: Place, layers: int, size: int) -> list[Contestant]:
    name = place.image(layers, size)
    return pulls(place, name, {"plain_http": True})


def pulls(place: Place, name: str, options: t.Mapping[str, t.Any]) -> list[Contestant]:
    """Return contestants that pull NAME into an empty folder."""
    clear = functools.partial(place.empty, "pulled")
    target = place.folder / "pulled"
    skopeo = ["skopeo", "copy", "--quiet", "--preserve-digests", "--src-tls-verify=false", f"docker://{name}", f"oci:{target}:copy"]
    oras = ["oras", "copy", "--no-tty", "--from-plain-http", name, "--to-oci-layout", f"{target}:copy"]
    absent = {"name": f"{place.registry.host}/absent:1", "store": str(place.folder / "absent"), "plain_http": True}
    return [
        module("image_pull", {"name": name, "store": str(target), **options}, prepare=clear),
        start_up("image_pull", absent),
        Contestant("skopeo", skopeo, prepare=clear),
        Contestant("oras", oras, prepare=clear),
    ]


def throttled(place: Place) -> list[Contestant]:
    """A line whose speed is limited for each connection, as many object stores do it."""
    throttle = Throttle(place.registry.host, 30 * MEGABYTE)
    throttle.running().__enter__()
    name = place.image(1, 256 * MEGABYTE).replace(place.registry.host, throttle.host)
    return [contestant for contestant in pulls(place, name, {"plain_http": True}) if contestant.name != START_UP]


def push(place: Place, layers: int, size: int) -> list[Contestant]:
    source, store = place.image(layers, size), place.folder / "to-push"
    modules.run("image_pull", {"name": source, "store": str(store), "plain_http": True})
    data = place.registry.folder / "data" / "docker" / "registry" / "v2"

    def forget() -> None:
        """Delete the blobs and the repository, so that every run uploads everything. The registry has no cache that would notice."""
        shutil.rmtree(data / "repositories" / "pushed", ignore_errors=True)
        for digest in digests:
            shutil.rmtree(data / "blobs" / "sha256" / digest[:2] / digest, ignore_errors=True)

    digests = [path.name for path in (store / "blobs" / "sha256").iterdir()]
    place.images.pop((layers, size))
    target = f"{place.registry.host}/pushed:1"
    skopeo = ["skopeo", "copy", "--quiet", "--preserve-digests", "--dest-tls-verify=false", f"oci:{store}:{source}", f"docker://{target}"]
    manifest = json.loads((store / "index.json").read_text())["manifests"][0]["digest"]
    oras = ["oras", "copy", "--no-tty", "--from-oci-layout", f"{store}@{manifest}", "--to-plain-http", target]
    options = {"name": source, "destination": target, "store": str(store), "plain_http": True}
    return [
        module("image_push", options, prepare=forget),
        start_up("image_push", {**options, "name": "absent:1"}),
        Contestant("skopeo", skopeo, prepare=forget),
        Contestant("oras", oras, prepare=forget),
    ]


def save(place: Place, layers: int, size: int) -> list[Contestant]:
    name, store, path = place.image(layers, size), place.folder / "to-save", place.folder / "saved.tar"
    modules.run("image_pull", {"name": name, "store": str(store), "plain_http": True})
    clear = functools.partial(place.empty, "saved.tar")
    options = {"name": name, "path": str(path), "store": str(store)}
    return [
        module("image_save", options, prepare=clear),
        start_up("image_save", {**options, "name": "absent:1"}),
        Contestant("skopeo", ["skopeo", "copy", "--quiet", f"oci:{store}:{name}", f"oci-archive:{path}:{name}"], prepare=clear),
    ]


def load(place: Place, layers: int, size: int) -> list[Contestant]:
    name, store, path = place.image(layers, size), place.folder / "to-save", place.folder / "archive.tar"
    modules.run("image_pull", {"name": name, "store": str(store), "plain_http": True})
    modules.run("image_save", {"name": name, "path": str(path), "store": str(store)})
    target = place.folder / "loaded"
    clear = functools.partial(place.empty, "loaded")
    return [
        module("image_load", {"path": str(path), "store": str(target)}, prepare=clear),
        start_up("image_load", {"path": str(place.folder / "absent.tar"), "store": str(target)}),
        Contestant("skopeo", ["skopeo", "copy", "--quiet", f"oci-archive:{path}:{name}", f"oci:{target}:{name}"], prepare=clear),
    ]


def play(place: Place, label: str, task: t.Mapping[str, t.Any]) -> Contestant:
    playbook = place.folder / f"{label.replace(' ', '-')}.json"
    playbook.write_text(json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}]))
    program = str(Path(sys.executable).parent / "ansible-playbook")
    environment = {**modules.environment(HOME=str(place.folder)), "ANSIBLE_CONFIG": str(modules.ROOT / "ansible.cfg"), "LC_ALL": "C.UTF-8"}
    environment["ANSIBLE_COLLECTIONS_PATH"] = str(modules.ROOT / ".collections")
    return Contestant(
        label, [program, "-i", "localhost,", "-e", f"ansible_python_interpreter={sys.executable}", str(playbook)], environment=environment
    )


def unchanged_play(place: Place) -> list[Contestant]:
    names = [place.registry.put(images.make_image(f"unchanged {number}", 5, PLATFORM), f"bench/unchanged{number}", "1") for number in range(20)]
    options = {"name": names, "store": str(place.folder / "twenty"), "plain_http": True}
    modules.run("image_pull", options)
    return [play(place, LONGSHORE, {"longshore.images.image_pull": options}), play(place, "a play that only pings", {"ansible.builtin.ping": {}})]


def make_many(place: Place, count: int) -> tuple[Path, str]:
    """Return a store with COUNT images, and the name of one of them, which is in the registry as well."""
    path, name = place.folder / f"store-of-{count}", f"{place.registry.host}/many/image1:1"
    if not path.exists():
        made = [images.make_image(f"many {number}", 1, PLATFORM) for number in range(count)]
        place.registry.put(made[1], "many/image1", "1")
        with Store(str(path)).open_writer([digest for image in made for digest in image.digests]) as writer:
            for image in made:
                for blob in image.blobs:
                    writer.put_blob(blob, image.open)
            writer.publish_images(
                [
                    NamedGraph(image.graph, (Reference.parse(f"{place.registry.host}/many/image{number}:1"),), None)
                    for number, image in enumerate(made)
                ]
            )
    return path, name


def store_size(place: Place, name: str) -> list[Contestant]:
    """The same module for one image of a store with 10 and with 5,000 images."""
    contestants = []
    for count in (10, 5000):
        store, image = make_many(place, count)
        options = {"name": image, "store": str(store)}
        more: dict[str, dict[str, t.Any]] = {"image_pull": {"plain_http": True}, "image_tag": {"targets": ["docker.io/library/tagged:1"]}}
        contestant = module(name, {**options, **more.get(name, {})}, f"{LONGSHORE}, {count} images")
        if name == "image_tag":
            remove = {"name": ["docker.io/library/tagged:1"], "prune": False, "store": str(store)}
            contestant = dataclasses.replace(contestant, prepare=functools.partial(modules.run, "image_rm", remove))
        contestants.append(contestant)
    return contestants


@dataclasses.dataclass(frozen=True)
class Row:
    """One comparison. TITLE says which work is done."""

    name: str
    title: str
    contestants: t.Callable[[Place], list[Contestant]]


ROWS = (
    Row("pull-7", "pull 7 layers, 121 MB", lambda place: pull(place, 7, 17_285_714)),
    Row("pull-60", "pull 60 layers, 61 MB", lambda place: pull(place, 60, 1_016_666)),
    Row("pull-1000", "pull 1,000 layers of 2 kB", lambda place: pull(place, 1000, 2000)),
    Row("pull-large", "pull 6 layers, 1.6 GB", lambda place: pull(place, 6, 266_666_666)),
    Row("pull-throttled", "pull one layer of 256 MB, 30 MB/s for each connection", throttled),
    Row("push-7", "push 7 layers, 121 MB", lambda place: push(place, 7, 17_285_714)),
    Row("save", "save 7 layers, 121 MB, to an archive", lambda place: save(place, 7, 17_285_714)),
    Row("load", "load an OCI archive of 7 layers, 121 MB", lambda place: load(place, 7, 17_285_714)),
    Row("play-unchanged", "a play with 20 unchanged images", unchanged_play),
    Row("store-info", "image_info of one image", lambda place: store_size(place, "image_info")),
    Row("store-tag", "image_tag of one image", lambda place: store_size(place, "image_tag")),
    Row("store-pull", "image_pull of one unchanged image", lambda place: store_size(place, "image_pull")),
)
