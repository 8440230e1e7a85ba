# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an engine is to us: what it holds under which name, which layers it has, that it takes an archive, and that it lets go of images."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ..limits import ENGINE_FLOOR
from ..oci.digest import Digest
from ..oci.manifest import Descriptor, Manifest
from ..oci.platform import Platform
from ..oci.reference import Reference

Chunks = t.Iterable[t.Union[bytes, memoryview]]
LayersOf = t.Callable[[Digest], t.Collection[Digest]]


def seconds_to_send(size: int, timeout: float) -> float:
    """Return how long an engine may take at all to receive an archive of SIZE bytes."""
    return timeout + size / ENGINE_FLOOR


def seconds_to_load(size: int, timeout: float) -> float:
    """Return how long it may take at all to receive and to unpack it."""
    return seconds_to_send(size, timeout) + timeout


@dataclasses.dataclass(frozen=True)
class ListedImage:
    """An image of an engine. `digests` are those of an index or a manifest by which it is known; `image_id` is None where the engine doesn't tell.

    One that isn't `usable` is listed, but something of it is missing.
    """

    names: frozenset[Reference]
    digests: tuple[Digest, ...]
    image_id: Digest | None
    usable: bool = True


@dataclasses.dataclass(frozen=True)
class Details:
    """What an engine tells of an image beside its names. `size` is all that the image stands on, shared with others or not."""

    created: datetime.datetime | None = None
    labels: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    size: int = 0


@dataclasses.dataclass(frozen=True)
class EngineImage:
    """An image of an engine with all of its names, as somebody sees it who clears up there.

    `digest` is that by which the engine tells it from others, its ID with some. `names` come with the engine's own word for each, `further` are words
    that go with the last name. `details` are read when they are asked for. One that is `foreign` has a name that is none to us, and stays. `parent` is
    the image that this one was built on, as long as the engine keeps that below it.
    """

    digest: Digest
    names: t.Mapping[Reference, str]
    details: t.Callable[[], Details]
    image_id: Digest | None = None
    digests: tuple[Digest, ...] = ()
    further: tuple[str, ...] = ()
    parent: Digest | None = None
    in_use: bool = False
    foreign: bool = False


@dataclasses.dataclass(frozen=True)
class OfferedImage:
    """An image that an engine is to take. `diff_ids` are the digests of its layers, uncompressed, as its config has them."""

    manifest: Manifest
    diff_ids: tuple[Digest, ...]


class EngineLayers(t.Protocol):
    """The layers of an engine."""

    def find_missing(self, offer: OfferedImage) -> tuple[Descriptor, ...]:
        """The layers of an image that have to be sent."""

    def add(self, offer: OfferedImage) -> None:
        """Notes that an image is there from now on."""


class Engine(t.Protocol):
    """An engine on this host, or one that this host can reach."""

    @property
    def title(self) -> str:
        """Its name in results: docker, podman or containerd."""

    @property
    def place(self) -> str:
        """Where it was found, for messages: a socket, an address or a program."""

    @property
    def loads_oci(self) -> bool:
        """Whether it takes OCI archives, and keeps their digests. Docker's first store takes docker archives alone, and keeps IDs."""

    @property
    def platform(self) -> Platform | None:
        """The platform that it runs, without a variant; None where that is the host's."""

    def list_images(self) -> list[ListedImage]:
        """All images that it has now."""

    def read_layers(self, layers_of: LayersOf) -> EngineLayers:
        """What it surely has of layers. LAYERS_OF tells the layers of an index or a manifest, as far as the store knows it."""

    def load(self, archive: Chunks, size: int, platform: Platform | None) -> None:
        """Takes an archive of SIZE bytes with one image; PLATFORM is the one of an index that is meant. Raises EngineError when it refuses or breaks off.

        That it says nothing of the kind doesn't mean that the image is there: ask it afterwards.
        """


class PrunableEngine(Engine, t.Protocol):
    """An engine that also lets go of what it holds."""

    def list_prunable_images(self, host: Platform) -> list[EngineImage]:
        """All images that it has now, each once. What is told of an image for several platforms is told of that of HOST."""

    def remove(self, word: str) -> None:
        """Takes one of the words away by which it knows an image, and with the last one the image; what is gone already is no error.

        Raises EngineRefused, for one that a container uses for example, and EngineError when it breaks off.
        """


class LayersByDigest:
    """Layers that are known by the digests of the blobs that they came as."""

    def __init__(self, blobs: t.Iterable[Digest]) -> None:
        self._blobs = set(blobs)

    def find_missing(self, offer: OfferedImage) -> tuple[Descriptor, ...]:
        return tuple(dict.fromkeys(layer for layer in offer.manifest.layers if layer.digest not in self._blobs))

    def add(self, offer: OfferedImage) -> None:
        self._blobs.update(layer.digest for layer in offer.manifest.layers)


class LayersByChain:
    """Layers that are known by their content and by all layers below: one that lies on others is another layer."""

    def __init__(self, stacks: t.Iterable[tuple[Digest, ...]]) -> None:
        self._chains: set[tuple[Digest, ...]] = set()
        for stack in stacks:
            self._note(stack)

    def _note(self, stack: tuple[Digest, ...]) -> None:
        self._chains.update(stack[:height] for height in range(1, len(stack) + 1))

    def find_missing(self, offer: OfferedImage) -> tuple[Descriptor, ...]:
        """A blob is sent where any layer that it stands for is lacking."""
        layers = enumerate(offer.manifest.layers, 1)
        return tuple(dict.fromkeys(layer for height, layer in layers if offer.diff_ids[:height] not in self._chains))

    def add(self, offer: OfferedImage) -> None:
        self._note(offer.diff_ids)
