# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rows of the benchmark: for each one, the same work for Longshore and for the tools that a user would pick instead."""

from __future__ import annotations

import dataclasses
import functools
import json
import random
import typing as t

from benchmarks import cold_fleet, fleets, growth, plays, prune
from benchmarks.contest import START_UP, Contestant, Figures, module, start_up
from benchmarks.distance import DISTANCES, Distance
from benchmarks.place import MEGABYTE, Place
from tests.support import modules
from tests.support.throttle import Throttle


def docker_command(place: Place, *words: str) -> list[str]:
    return ["docker", "--host", place.docker_options["docker_host"], *words]


def pull(place: Place, layers: int, size: int, *, docker: bool = False) -> list[Contestant]:
    name = place.image(layers, size)
    contestants = pulls(place, name)
    return [*contestants, docker_pull(place, name)] if docker else contestants


def pulls(place: Place, name: str) -> list[Contestant]:
    """Return contestants that pull NAME into an empty folder."""
    clear = functools.partial(place.empty, "pulled")
    target = place.folder / "pulled"
    skopeo = ["skopeo", "copy", "--quiet", "--preserve-digests", "--src-tls-verify=false", f"docker://{name}", f"oci:{target}:copy"]
    oras = ["oras", "copy", "--no-tty", "--from-plain-http", name, "--to-oci-layout", f"{target}:copy"]
    absent = {"name": f"{place.registry.host}/absent:1", "store": str(place.folder / "absent"), "plain_http": True}
    return [
        module("image_pull", {"name": name, "store": str(target), "plain_http": True}, prepare=clear),
        start_up("image_pull", absent),
        Contestant("skopeo", skopeo, prepare=clear),
        Contestant("oras", oras, prepare=clear),
        Contestant("crane", [place.crane, "pull", "--insecure", "--format", "oci", name, str(target)], prepare=clear),
    ]


def docker_pull(place: Place, name: str) -> Contestant:
    return Contestant("docker", docker_command(place, "pull", "--quiet", name), prepare=place.docker.clear)


def throttled(place: Place) -> list[Contestant]:
    """A line whose speed is limited for each connection, as many object stores do it."""
    throttle = Throttle(place.registry.host, 30 * MEGABYTE)
    place.stack.enter_context(throttle.running())
    name = place.image(1, 256 * MEGABYTE).replace(place.registry.host, throttle.host)
    return [*(contestant for contestant in pulls(place, name) if contestant.name != START_UP), docker_pull(place, name)]


def push(place: Place, layers: int, size: int) -> list[Contestant]:
    source, store = place.stored_image(layers, size)
    digests = [path.name for path in (store / "blobs" / "sha256").iterdir()]
    place.images.pop((layers, size))
    forget = functools.partial(place.forget, "pushed", digests)
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
        Contestant("crane", [place.crane, "push", "--insecure", str(store), target], prepare=forget),
    ]


def push_from_docker(place: Place, layers: int, size: int) -> list[Contestant]:
    """From Docker, which knows of no registry that has the image, as if it was built there. So the size must be another one than in other rows."""
    source, store = place.stored_image(layers, size)
    path = place.empty("archive.tar")
    modules.run("image_save", {"name": source, "path": str(path), "store": str(store)})
    place.docker.clear()
    place.docker.load(path)
    target = f"{place.registry.host}/from-docker:1"
    place.docker.tag(source, target)
    storage = place.registry.folder / "data" / "docker" / "registry" / "v2" / "blobs" / "sha256"
    kept = {path.name for path in storage.glob("*/*")}

    def forget() -> None:
        place.forget("from-docker", (path.name for path in storage.glob("*/*") if path.name not in kept))

    options = {"name": target, "destination": target, "plain_http": True, "engine": "docker", **place.docker_options}
    return [
        module("image_push", options, prepare=forget),
        Contestant("docker", docker_command(place, "push", "--quiet", target), prepare=forget),
    ]


def copy(place: Place, layers: int, size: int) -> list[Contestant]:
    source, target = place.image(layers, size), f"{place.registry.host}/copied:1"
    clear = functools.partial(place.forget, "copied", ())
    skopeo = ["skopeo", "copy", "--quiet", "--preserve-digests", "--src-tls-verify=false", "--dest-tls-verify=false"]
    oras = ["oras", "copy", "--no-tty", "--from-plain-http", source, "--to-plain-http", target]
    options = {"images": [{"src": source, "dest": target}], "plain_http": True}
    return [
        module("image_copy", options, prepare=clear),
        start_up("image_copy", {**options, "images": [{"src": f"{place.registry.host}/absent:1", "dest": target}]}),
        Contestant("skopeo", [*skopeo, f"docker://{source}", f"docker://{target}"], prepare=clear),
        Contestant("oras", oras, prepare=clear),
        Contestant("crane", [place.crane, "copy", "--insecure", source, target], prepare=clear),
    ]


def save(place: Place, layers: int, size: int) -> list[Contestant]:
    name, store = place.stored_image(layers, size)
    place.pull_into_docker(name)
    path = place.folder / "saved.tar"
    clear = functools.partial(place.empty, "saved.tar")
    options = {"name": name, "path": str(path), "store": str(store)}
    return [
        module("image_save", options, prepare=clear),
        start_up("image_save", {**options, "name": "absent:1"}),
        Contestant("skopeo", ["skopeo", "copy", "--quiet", f"oci:{store}:{name}", f"oci-archive:{path}:{name}"], prepare=clear),
        Contestant("docker", docker_command(place, "save", "--output", str(path), name), prepare=clear),
    ]


def load(place: Place, layers: int, size: int, *, by_docker: bool = False) -> list[Contestant]:
    """Load an archive that Longshore saved, or one that Docker saved."""
    name, store = place.stored_image(layers, size)
    path = place.folder / "archive.tar"
    modules.run("image_save", {"name": name, "path": str(path), "store": str(store)})
    if by_docker:
        place.docker.clear()
        place.docker.load(path)
        path.unlink()
        place.docker.save([name], path)
    target = place.folder / "loaded"
    clear = functools.partial(place.empty, "loaded")
    kind = "docker-archive" if by_docker else "oci-archive"
    return [
        module("image_load", {"path": str(path), "store": str(target)}, prepare=clear),
        start_up("image_load", {"path": str(place.folder / "absent.tar"), "store": str(target)}),
        Contestant("skopeo", ["skopeo", "copy", "--quiet", f"{kind}:{path}:{name}", f"oci:{target}:{name}"], prepare=clear),
        Contestant("docker", docker_command(place, "load", "--quiet", "--input", str(path)), prepare=place.docker.clear),
        Contestant("podman", [*place.podman.words, "load", "--quiet", "--input", str(path)], prepare=place.podman.clear),
    ]


def append(place: Place, files: int, size: int) -> list[Contestant]:
    """Make an image from a folder of FILES random files of SIZE bytes each: a tar with its digest."""
    source, noise = place.folder / "files", random.Random(files)
    for number in range(files):
        path = source / f"folder{number % 10}" / f"file{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(noise.randbytes(size))
    store, tar = place.folder / "appended", place.folder / "files.tar"
    clear = functools.partial(place.empty, "appended")
    options = {"name": "made:1", "base": "scratch", "store": str(store), "layers": [{"src": str(source), "dest": "/srv"}]}
    words = f"tar --create --file={tar} --directory={source} --sort=name . && sha256sum {tar}"
    return [
        module("image_append", options, prepare=clear),
        start_up("image_append", {**options, "base": "absent:1"}),
        Contestant("tar and sha256sum", ["sh", "-c", words], prepare=functools.partial(place.empty, "files.tar")),
    ]


def pull_file(place: Place, size: int) -> list[Contestant]:
    """An artifact of one file of SIZE random bytes, into an empty folder."""
    source, name, target = place.empty("artifact.bin"), f"{place.registry.host}/bench/file{size}:1", place.folder / "pulled"
    noise = random.Random(size)
    with source.open("wb") as file:
        for start in range(0, size, MEGABYTE):
            file.write(noise.randbytes(min(MEGABYTE, size - start)))
    modules.run("artifact_push", {"name": name, "files": [{"path": str(source)}], "plain_http": True})
    source.unlink()
    clear = functools.partial(place.empty, "pulled")
    options = {"name": name, "dest": f"{target}/", "plain_http": True}
    return [
        module("artifact_pull", options, prepare=clear),
        start_up("artifact_pull", {**options, "name": f"{place.registry.host}/absent:1"}),
        Contestant("oras", ["oras", "pull", "--no-tty", "--plain-http", "--output", str(target), name], prepare=clear),
    ]


@dataclasses.dataclass(frozen=True)
class Row:
    """One comparison. TITLE says which work is done.

    NOTE returns a sentence about the runs and their figures. A row that needs DISK bytes of free space is left out if there is less, unless it is asked for.
    MOST_RUNS limits the runs of a row that takes long.
    """

    name: str
    title: str
    contestants: t.Callable[[Place], list[Contestant]]
    note: t.Callable[[Place, t.Sequence[Figures]], str] = lambda unused_place, unused_figures: ""
    disk: int = 0
    most_runs: int = 100


def pull_over(line: Distance) -> Row:
    return Row(line.name, line.title, line.contestants, lambda unused_place, figures: line.describe(figures), most_runs=line.most_runs)


ROWS = (
    Row("pull-7", "pull 7 layers, 121 MB", lambda place: pull(place, 7, 17_285_714, docker=True)),
    Row("pull-60", "pull 60 layers, 61 MB", lambda place: pull(place, 60, 1_016_666)),
    Row("pull-1000", "pull 1,000 layers of 2 kB", lambda place: pull(place, 1000, 2000)),
    Row("pull-large", "pull 6 layers, 1.6 GB", lambda place: pull(place, 6, 266_666_666)),
    Row("pull-huge", "pull 6 layers, 10 GB", lambda place: pull(place, 6, 1_666_666_666), disk=60 * 1000 * MEGABYTE, most_runs=1),
    Row("artifact-large", "pull one file of 1.6 GB from an artifact", lambda place: pull_file(place, 1600 * MEGABYTE), disk=10 * 1000 * MEGABYTE),
    Row("layers", "pull images of 1 to 1,000 layers of 2 kB", growth.layers),
    Row("sizes", "pull images of 1 MB to 1 GB", growth.sizes, disk=15 * 1000 * MEGABYTE),
    Row("pull-throttled", "pull one layer of 256 MB, 30 MB/s for each connection", throttled),
    *map(pull_over, DISTANCES),
    Row("push-7", "push 7 layers, 121 MB", lambda place: push(place, 7, 17_285_714)),
    Row("push-docker", "push 7 layers, 121 MB, from Docker to a registry", lambda place: push_from_docker(place, 7, 17_285_700)),
    Row("copy-7", "copy 7 layers, 121 MB, to another repository of the registry", lambda place: copy(place, 7, 17_285_714)),
    Row("save", "save 7 layers, 121 MB, to an archive", lambda place: save(place, 7, 17_285_714)),
    Row("save-large", "save 6 layers, 1.6 GB, to an archive", lambda place: save(place, 6, 266_666_666)),
    Row("load", "load an OCI archive of 7 layers, 121 MB", lambda place: load(place, 7, 17_285_714)),
    Row("load-docker", "load what docker saved of 7 layers, 121 MB", lambda place: load(place, 7, 17_285_714, by_docker=True)),
    Row("append-large", "make an image of 1,000 files, 1 GB", lambda place: append(place, 1000, MEGABYTE)),
    Row("play-unchanged", "a play with 20 unchanged images", plays.twenty_unchanged),
    Row("play-docker-all", "a play that pulls an image of 65 MB into Docker", plays.all_into_docker),
    Row("play-docker-part", "a play that pulls an image of 65 MB into Docker, which has 60 MB of it already", plays.part_into_docker),
    Row("play-docker-unchanged", "a play with 20 unchanged images in Docker, checked at the registry", plays.twenty_unchanged_in_docker),
    Row("play-podman", "a play that pulls an image of 65 MB into Podman", plays.into_podman),
    Row("store-info", "image_info of one image", lambda place: growth.one_image_of_many(place, "image_info")),
    Row("store-tag", "image_tag of one image", lambda place: growth.one_image_of_many(place, "image_tag")),
    Row("store-rm", "image_rm of one name", lambda place: growth.one_image_of_many(place, "image_rm")),
    Row("store-pull", "image_pull of one unchanged image", lambda place: growth.one_image_of_many(place, "image_pull")),
    Row("store-info-all", "image_info of all images", lambda place: growth.all_images(place, "image_info")),
    Row("store-prune", "image_prune of a store without garbage", lambda place: growth.all_images(place, "image_prune")),
    Row("store-verify", "image_verify of all images", lambda place: growth.all_images(place, "image_verify")),
    Row("fleet-unchanged", "a play with 10 unchanged images on 1 to 50 hosts", fleets.unchanged, fleets.describe, most_runs=2),
    Row("fleet-layer", "a play with 10 images, one with a new layer of 5 MB, on 1 to 50 hosts", fleets.one_new_layer, fleets.describe, most_runs=2),
    Row("fleet-cold", cold_fleet.TITLE, cold_fleet.contestants, cold_fleet.describe, most_runs=1),
    Row("prune-registry", prune.TITLE, prune.contestants, prune.describe_requests, most_runs=2),
)
