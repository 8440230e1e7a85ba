# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rows that measure how the time grows with the work: layers, bytes, and images in a store."""

from __future__ import annotations

import functools
import typing as t
from pathlib import Path

from ansible_collections.longshore.images.plugins.module_utils.oci.graph import NamedGraph
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from benchmarks.contest import LONGSHORE, Contestant, module
from benchmarks.place import Place
from tests.support import engines, images, modules

STORES = (10, 100, 1000, 5000)
TAGGED = "docker.io/library/tagged:1"


def pulls_of_growing_images(place: Place, sizes: t.Mapping[str, tuple[int, int]]) -> list[Contestant]:
    """Return pulls of images, by their description: each has a number of layers of one size."""
    target = place.folder / "pulled"
    clear = functools.partial(place.empty, "pulled")
    contestants = []
    for label, (layers, size) in sizes.items():
        name = place.image(layers, size)
        oras = ["oras", "copy", "--no-tty", "--from-plain-http", name, "--to-oci-layout", f"{target}:copy"]
        contestants.append(module("image_pull", {"name": name, "store": str(target), "plain_http": True}, f"{LONGSHORE}, {label}", prepare=clear))
        contestants.append(Contestant(f"oras, {label}", oras, prepare=clear))
    return contestants


def layers(place: Place) -> list[Contestant]:
    return pulls_of_growing_images(place, {f"{count:,} layer{'s' if count > 1 else ''}": (count, 2000) for count in (1, 10, 100, 1000)})


def sizes(place: Place) -> list[Contestant]:
    return pulls_of_growing_images(place, {f"{megabytes} MB": (1, megabytes * 1_000_000) for megabytes in (1, 10, 100, 1000)})


def make_many(place: Place, count: int) -> tuple[Path, str]:
    """Return a store with COUNT images, and the name of one of them, which is in the registry as well."""
    path, name = place.folder / f"store-of-{count}", f"{place.registry.host}/many/image1:1"
    if not path.exists():
        made = [images.make_image(f"many {number}", 1, engines.HOST) for number in range(count)]
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
        # A store that was used for a while has its records: every run that writes records more of what it read.
        for _number in range(2 + count // 1000):
            _tag(path, name)
            _untag(path)
    return path, name


def _tag(store: Path, name: str) -> None:
    modules.run("image_tag", {"name": name, "targets": [TAGGED], "store": str(store)})


def _untag(store: Path) -> None:
    modules.run("image_rm", {"name": [TAGGED], "store": str(store)})


def one_image_of_many(place: Place, name: str) -> list[Contestant]:
    """The same module for one image of stores that have more and more images."""
    contestants = []
    for count in STORES:
        store, image = make_many(place, count)
        options, prepare = _work(name, image, store)
        contestants.append(module(name, {**options, "store": str(store)}, f"{LONGSHORE}, {count:,} images", prepare=prepare))
    return contestants


def _work(name: str, image: str, store: Path) -> tuple[dict[str, t.Any], t.Callable[[], object]]:
    """Return the options of a module for one image, and what makes its work possible again before each run."""
    if name == "image_tag":
        return {"name": image, "targets": [TAGGED]}, functools.partial(_untag, store)
    if name == "image_rm":
        return {"name": [TAGGED]}, functools.partial(_tag, store, image)
    return {"name": image, **({"plain_http": True} if name == "image_pull" else {})}, lambda: None


def all_images(place: Place, name: str) -> list[Contestant]:
    """A module for all images of such stores."""
    stores = [(count, make_many(place, count)[0]) for count in STORES]
    return [module(name, {"store": str(store)}, f"{LONGSHORE}, {count:,} images") for count, store in stores]
