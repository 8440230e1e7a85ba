# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_copy from every place to every place, for images with one platform and with several, and loads and pulls of several platforms into engines.

One task copies all pairs. Docker and Podman are two engines each: both image stores, and the API and the program.
"""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.archive.reader import open_archive
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import archives, modules
from tests.support.engines import HOST, OTHER, runnable_image, runnable_index
from tests.support.forked import run_forked
from tests.support.images import Image
from tests.support.registry import Registry, running_registry
from tests.support.targets import Target, config_of, make_target

SOURCE = "docker.io/library/source:1"
PLACES = ("registry", "store", "oci", "oci-archive", "docker-archive", "docker", "podman", "containerd")
SCHEMES = {"docker": "docker-daemon", "podman": "podman", "containerd": "containerd"}
BOTH = [HOST, OTHER]
TEXT = f"several-{HOST.replace('/', '-')}"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Registry]:
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@dataclasses.dataclass(frozen=True)
class Places:
    """All places, with the image SOURCE in each of them, as far as a place can hold it."""

    registry: Registry
    folder: Path
    engines: t.Mapping[str, Target]
    image: Image

    @property
    def options(self) -> dict[str, t.Any]:
        return {key: value for target in self.engines.values() for key, value in target.options.items() if key != "engine"}

    def holds_several(self, place: str) -> bool:
        return place != "docker-archive" and (place not in self.engines or self.engines[place].name in ("docker_on_containerd", "containerd"))

    def copy(self, check: bool = False, **options: t.Any) -> modules.Results:
        env = {key: value for target in self.engines.values() for key, value in target.env.items()}
        return run_forked("image_copy", {**self.options, **options}, check=check, env=env)

    def fill(self) -> None:
        self.registry.put(self.image, f"{self.folder.name}/source", "1")
        for folder in ("store", "layout"):
            self.image.put(Store(str(self.folder / folder)), SOURCE, platforms=["all"])
        host_image = Image(next(node.descriptor for node in self.image.graph.images if str(node.platform) == HOST), self.image.content)
        (self.folder / "oci.tar").write_bytes(archives.pack(archives.oci(self.image, SOURCE)))
        (self.folder / "docker.tar").write_bytes(archives.pack(archives.docker(host_image, SOURCE)))
        for place in self.engines:
            platforms = ["all"] if self.holds_several(place) and self.image.root.is_index else [HOST]
            copied = self.copy(src=self.source("store"), dest=self.source(place), platform=platforms)
            assert copied["changed"], copied

    def source(self, place: str) -> str:
        paths = {
            "registry": f"{self.registry.host}/{self.folder.name}/source:1",
            "store": f"store:{self.folder}/store:{SOURCE}",
            "oci": f"oci:{self.folder}/layout",
            "oci-archive": f"oci-archive:{self.folder}/oci.tar",
            "docker-archive": f"docker-archive:{self.folder}/docker.tar",
        }
        return paths[place] if place in paths else f"{SCHEMES[place]}:{SOURCE}"

    def target(self, source: str, place: str) -> str:
        """Return the destination in PLACE of the image that comes from SOURCE."""
        paths = {"store": f"store:{self.folder}/store-2:", "oci": f"oci:{self.folder}/layout-2:"}
        paths.update({scheme: f"{scheme}:{self.folder}/{source}-{scheme}.tar:" for scheme in ("oci-archive", "docker-archive")})
        paths.update({engine: f"{scheme}:" for engine, scheme in SCHEMES.items()})
        return f"{paths[place]}{self.name(source, place)}" if place in paths else self.name(source, place)

    def name(self, source: str, place: str) -> str:
        return f"{self.registry.host}/{self.folder.name}/from-{source}:2" if place == "registry" else f"docker.io/library/from-{source}:2"

    def find(self, source: str, place: str) -> str | None:
        """Return the digest at a destination, read without the module, or "present" in a place that keeps no manifests. None if there is nothing."""
        name = Reference.parse(self.name(source, place))
        if place == "registry":
            return self.registry.digest(name.repository, str(name.tag))
        if place in ("store", "oci"):
            entry = Store(f"{self.folder}/{'store' if place == 'store' else 'layout'}-2").index.get_named(name)
            return str(entry.digest) if entry is not None else None
        if place in self.engines:
            return "present" if str(name) in self.engines[place].engine.names() else None
        path = self.folder / f"{source}-{place}.tar"
        if not path.exists():
            return None
        (image,) = open_archive(str(path)).images
        return "present" if place == "docker-archive" else str(image.root.digest)


@pytest.fixture(params=[("docker", "podman_service"), ("docker_on_containerd", "podman")], ids="-".join)
def targets(request: pytest.FixtureRequest) -> t.Iterator[list[Target]]:
    running_target = contextlib.contextmanager(make_target)
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(running_target(request, name)) for name in (*request.param, "containerd")]


@dataclasses.dataclass(frozen=True)
class Expected:
    """What a copy gives: the word of an error, or platforms and whether the digest stays (None if the place keeps none)."""

    error: str | None = None
    platforms: t.Sequence[str] = ()
    keeps_digest: bool | None = None


def expect(places: Places, platform: t.Sequence[str] | None, source: str, target: str) -> Expected:
    several = places.image.root.is_index and places.holds_several(source)
    if platform is not None and target in places.engines and not places.holds_several(target):
        return Expected("invalid_option")
    # An engine gets its own platform if none is named, and a docker-archive that of the host.
    takes_all = places.holds_several(target) and (platform is not None or target not in places.engines)
    # A place that holds one platform exports an image without its manifest.
    keeps_digest = None if target in places.engines and not places.engines[target].keeps_digests else places.holds_several(source)
    return Expected(None, BOTH if several and takes_all else [HOST], keeps_digest)


@pytest.mark.parametrize(
    ("image", "platform"),
    [(runnable_image("one"), None), (runnable_index("several", OTHER), None), (runnable_index("several", OTHER), BOTH)],
    ids=["one", "several", "named"],
)
def test_every_place_gives_images_to_every_place(
    image: Image, platform: list[str] | None, targets: list[Target], registry: Registry, tmp_path: Path
) -> None:
    """Check mode is right and the second run changes nothing; a place that can't hold or give the platforms says so, and the other copies are done."""
    places = Places(registry, tmp_path, {target.title: target for target in targets}, image)
    places.fill()
    pairs = [(source, target) for source in PLACES for target in PLACES]
    if targets[0].name == "docker_on_containerd":
        pairs = [pair for pair in pairs if {"docker", "podman"} & set(pair)]  # the other pairs are the same as with the first engines
    images = [{"src": places.source(source), "dest": places.target(source, target)} for source, target in pairs]

    predicted = places.copy(check=True, images=images, platform=platform)
    done = places.copy(images=images, platform=platform)
    again = places.copy(images=images, platform=platform)

    assert predicted == done
    assert (done["changed"], again["changed"], again["actions"], again["bytes_transferred"]) == (True, False, [], 0)
    assert again["diff"]["before"] == again["diff"]["after"]
    for (source, target), row, unchanged in zip(pairs, done["images"], again["images"]):
        expected = expect(places, platform, source, target)
        where = f"{source} to {target}"
        assert (where, row.get("error"), unchanged.get("error")) == (where, expected.error, expected.error)
        if expected.error is not None:
            assert (where, places.find(source, target)) == (where, None)
            continue
        keeps = None if row["digest"] is None else row["digest"] == str(image.root.digest)
        assert (where, row["changed"], unchanged["changed"]) == (where, True, False)
        assert (where, row["platforms"], row["image_id"]) == (where, expected.platforms, config_of(image))
        assert (where, keeps) == (where, expected.keeps_digest)
        found = "present" if target == "docker-archive" or target in places.engines else row["digest"]
        assert (where, places.find(source, target)) == (where, found)
    if platform is None:
        # Each engine runs what it got from another one.
        for source, target in (("podman", "docker"), ("containerd", "podman"), ("docker", "containerd")):
            name = places.name(source, target)
            engine = places.engines[target].engine
            assert engine.image_id(name) == config_of(image)
            assert engine.runs_with(name, TEXT if image.root.is_index else "one")


@pytest.mark.parametrize("target", ["docker", "docker_on_containerd", "podman_service", "containerd"], indirect=True)
def test_several_platforms_are_loaded_and_pulled_into_an_engine_or_refused(target: Target, registry: Registry, tmp_path: Path) -> None:
    loaded, pulled = runnable_index("loaded", OTHER), runnable_index("pulled", OTHER)
    archive = tmp_path / "a.tar"
    archive.write_bytes(archives.pack(archives.oci(loaded, "docker.io/library/loaded:1")))
    name = registry.put(pulled, "team/pulled", "1")
    for module, image, wanted in (("image_load", loaded, {"path": str(archive)}), ("image_pull", pulled, {"name": name})):
        for platform, platforms in ((None, [HOST]), (BOTH, BOTH)):
            options = {**target.options, **wanted, "platform": platform}
            predicted, done, again = (run_forked(module, options, check=check, env=target.env) for check in (True, False, False))
            assert predicted == done
            if platform is not None and target.name in ("docker", "podman_service"):
                assert (done["error"], "holds one platform" in done["msg"]) == ("invalid_option", True)
                continue
            assert (done["changed"], again["changed"], again["actions"]) == (True, False, [])
            (row,) = done["images"]
            assert (row["platforms"], row["image_id"]) == (platforms, config_of(image))
            assert row["digest"] == (str(image.root.digest) if target.keeps_digests else None)
    assert target.engine.names() == {"docker.io/library/loaded:1", name}
