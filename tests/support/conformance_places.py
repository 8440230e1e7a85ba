# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Places of every kind that hold the same images under the same names, for tests of rules that hold in all of them."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import typing as t
from pathlib import Path

from ansible_collections.longshore.images.plugins.module_utils.archive.reader import open_archive
from ansible_collections.longshore.images.plugins.module_utils.archive.referrers import referrers_in_archive
from ansible_collections.longshore.images.plugins.module_utils.engine.address import Address
from ansible_collections.longshore.images.plugins.module_utils.engine.docker import open_docker
from ansible_collections.longshore.images.plugins.module_utils.engine.http_api import Api
from ansible_collections.longshore.images.plugins.module_utils.engine.interfaces import Details, EngineImage
from ansible_collections.longshore.images.plugins.module_utils.errors import ImageNotFound
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.layout import REF_NAME
from ansible_collections.longshore.images.plugins.module_utils.oci.location import Location
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Platform
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference, parse_selector
from ansible_collections.longshore.images.plugins.module_utils.places.archive.catalog import ArchiveCatalog
from ansible_collections.longshore.images.plugins.module_utils.places.artifact_sources import ArtifactSources
from ansible_collections.longshore.images.plugins.module_utils.places.engine.catalog import EngineCatalog
from ansible_collections.longshore.images.plugins.module_utils.places.engine.saving import EngineSaving
from ansible_collections.longshore.images.plugins.module_utils.places.inspector import Inspector
from ansible_collections.longshore.images.plugins.module_utils.places.store.catalog import StoreCatalog
from ansible_collections.longshore.images.plugins.module_utils.places.store.saving import StoreSaving
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from ansible_collections.longshore.images.plugins.module_utils.verbs.info import InfoOptions
from ansible_collections.longshore.images.plugins.module_utils.verbs.load import choose_images
from tests.support.archives import index_entry, index_file, layout, pack
from tests.support.docker_daemon import DockerDaemon
from tests.support.engines import HOST, OTHER
from tests.support.images import Image, make_image, make_index

PLATFORM = Platform.parse(HOST)
APP = make_index("app", (HOST, OTHER), 1)
TOOL = make_image("tool", 1, HOST)
# The names in every place, in the order of its rows. The first image has two names.
FIRST, SECOND, THIRD = "docker.io/library/app:1", "docker.io/library/app:latest", "registry.test/team/tool:2"
NAMES = {FIRST: APP, SECOND: APP, THIRD: TOOL}


def image_id(image: Image, position: int = 0) -> Digest:
    return image.graph.images[position].manifest.config.digest


class Place(t.Protocol):
    """A place with the images of `NAMES`."""

    def read(self, selector: str) -> list[str]:
        """Return the names of the images that a verb that reads finds, none for ImageNotFound. The first is the image that it uses."""


class CatalogPlace:
    """A place whose catalog verbs use directly. `inspect` opens it for `image_info`, `choose` returns what a save or a load of the place selects."""

    def __init__(
        self, catalog: t.Any, inspect: t.Callable[[], Inspector], choose: t.Callable[[t.Sequence[Reference | Digest]], t.Sequence[t.Any]]
    ) -> None:
        self.catalog = catalog
        self.inspect = inspect
        self.choose = choose

    def read(self, selector: str) -> list[str]:
        parsed = parse_selector(selector)
        found = [image.label for image in self.catalog.select(parsed)]
        try:
            used = [self.catalog.get(parsed).label]
        except ImageNotFound:
            used = []
        assert used == found[:1]
        return found


class LocationPlace:
    """A layout or an archive, in which a location names an image."""

    def __init__(self, location: str) -> None:
        self.location = location
        self.sources = ArtifactSources(t.cast(t.Any, None), PLATFORM)

    def read(self, selector: str) -> list[str]:
        try:
            source = self.sources.find(Location.parse(f"{self.location}:{selector}"))
        except ImageNotFound:
            return []
        assert source.name == source.judged_names[0]
        return list(map(str, source.judged_names))


def files_of_a_layout() -> dict[str, t.Any]:
    """Return the layout that another tool writes, with the images in the order of `NAMES`."""
    entries = [index_entry(image, annotations={REF_NAME: name}) for name, image in NAMES.items()]
    return layout(index_file(*entries), APP, TOOL)


def open_store(folder: Path) -> CatalogPlace:
    store = Store(str(folder / "store"))
    for name, image in NAMES.items():
        image.put(store, name)
    return of_store(store)


def of_store(store: Store) -> CatalogPlace:
    return CatalogPlace(StoreCatalog(store, PLATFORM), lambda: InfoOptions(PLATFORM).inspect_store(store), StoreSaving(store).choose)


def of_engine(engine: t.Any) -> CatalogPlace:
    catalog = EngineCatalog(engine, PLATFORM)
    return CatalogPlace(catalog, lambda: InfoOptions(PLATFORM).inspect_engine(engine), EngineSaving(catalog).choose)


def open_tar(folder: Path) -> CatalogPlace:
    archive = open_archive(write_archive(folder))
    catalog = ArchiveCatalog(archive)
    choose = functools.partial(choose_images, catalog, place=referrers_in_archive(archive))
    return CatalogPlace(catalog, lambda: InfoOptions(PLATFORM).inspect_archive(archive), choose)


def write_layout(folder: Path, files: t.Mapping[str, t.Any] | None = None) -> str:
    for name, content in (files or files_of_a_layout()).items():
        path = folder / "layout" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return str(folder / "layout")


def write_archive(folder: Path) -> str:
    path = folder / "images.tar"
    path.write_bytes(pack(files_of_a_layout()))
    return str(path)


@dataclasses.dataclass
class ListedEngine:
    """An engine that lists images in the way of `list_image`, and gives them only as an archive, which no test here reads."""

    title: str
    list_image: t.Callable[[Image], EngineImage]
    place = "memory"

    def list_images(self, unused_host: Platform) -> list[EngineImage]:
        return [self._named(TOOL, THIRD), self._named(APP, SECOND, FIRST)]

    def _named(self, image: Image, *names: str) -> EngineImage:
        return dataclasses.replace(self.list_image(image), names={Reference.parse(name): name for name in names})

    def describe(self, unused_image: EngineImage) -> None:
        """Describe no image: the tests look for names only."""

    def export(self, images: t.Sequence[str]) -> t.Iterator[bytes]:
        raise AssertionError(f"{images} are exported, but a selector is answered by what the engine lists")


class ContentListedEngine(ListedEngine):
    """An engine that gives every blob."""

    def list_blobs(self) -> set[Digest]:
        return {*APP.digests, *TOOL.digests}

    def read_document(self, digest: Digest) -> bytes | None:
        return {**APP.content, **TOOL.content}.get(digest)

    def read_blob(self, descriptor: Descriptor) -> t.Iterator[bytes]:
        yield {**APP.content, **TOOL.content}[descriptor.digest]


def list_in_docker_classic(image: Image) -> EngineImage:
    return EngineImage(image_id(image), {}, Details, image_id(image))


def list_in_podman(image: Image) -> EngineImage:
    return EngineImage(
        image_id(image), {}, Details, image_id(image), tuple(dict.fromkeys((image.root.digest, image.graph.images[0].descriptor.digest)))
    )


def list_in_containerd(image: Image) -> EngineImage:
    return EngineImage(image.root.digest, {}, Details, None, (image.root.digest,))


@contextlib.contextmanager
def docker_on_containerd(unused_folder: Path) -> t.Iterator[CatalogPlace]:
    with DockerDaemon(reports_manifests=True).running() as daemon:
        for name, image in NAMES.items():
            daemon.pull(name, image)
        api = Api(Address.unix(daemon.address.removeprefix("unix://")), "docker", 30.0)
        yield of_engine(open_docker(api))


Open = t.Callable[[Path], "contextlib.AbstractContextManager[Place]"]


def at_once(open_place: t.Callable[[Path], Place]) -> Open:
    return lambda folder: contextlib.nullcontext(open_place(folder))


PLACES: dict[str, Open] = {
    "store": at_once(open_store),
    "layout": at_once(lambda folder: of_store(Store(write_layout(folder)))),
    "layout-location": at_once(lambda folder: LocationPlace(f"oci:{write_layout(folder)}")),
    "archive": at_once(open_tar),
    "archive-location": at_once(lambda folder: LocationPlace(f"oci-archive:{write_archive(folder)}")),
    "docker-classic": at_once(lambda folder: of_engine(ListedEngine("docker", list_in_docker_classic))),
    "docker-containerd": docker_on_containerd,
    "podman": at_once(lambda folder: of_engine(ListedEngine("podman", list_in_podman))),
    "containerd": at_once(lambda folder: of_engine(ContentListedEngine("containerd", list_in_containerd))),
}
# Locations and archives are only read.
REMOVABLE = ["store", "layout", "docker-classic", "docker-containerd", "podman", "containerd"]
