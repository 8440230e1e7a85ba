# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The interface of engines: list images and layers, load an archive, remove images."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

from ..limits import ENGINE_FLOOR
from ..oci.digest import Digest
from ..oci.document import Document
from ..oci.manifest import Descriptor, Manifest
from ..oci.platform import Platform
from ..oci.reference import Reference

Chunks = t.Iterable[t.Union[bytes, memoryview]]
LayersOf = t.Callable[[Digest], t.Collection[Digest]]


def seconds_to_send(size: int, timeout: float) -> float:
    """Return the maximum number of seconds for sending an archive of SIZE bytes to an engine."""
    return timeout + size / ENGINE_FLOOR


def seconds_to_load(size: int, timeout: float) -> float:
    """Return the maximum number of seconds for sending an archive of SIZE bytes and unpacking it."""
    return seconds_to_send(size, timeout) + timeout


@dataclasses.dataclass(frozen=True)
class ListedManifest:
    """A manifest that an engine has with all of its blobs. `platform` is None if the engine doesn't report it."""

    digest: Digest
    platform: Platform | None


@dataclasses.dataclass(frozen=True)
class Details:
    """The properties of an image in an engine. `size` counts all its blobs, including blobs that other images share."""

    created: datetime.datetime | None = None
    labels: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    size: int = 0


@dataclasses.dataclass(frozen=True)
class EngineImage:
    """An image of an engine with all its names.

    `digest` identifies the image in the engine: its ID in some engines. `names` maps each name to the engine's spelling of it. `other_names` are IDs or
    references by digest that must be removed together with the last name. `image_id` is None if the engine doesn't report it, and `digests` are those of
    its index or manifests. `parent` is the intermediate image that this one was built on, if the engine has one. An image that `has_unknown_name` has a name
    that is no valid reference; it is never removed, nor one that is `read_only`, in a storage that the engine only reads.

    `read_details` and `read_use` ask the engine, if that is needed, for the properties and for whether a container uses the image.

    If `usable` is False, parts are missing. `manifests` are the complete manifests of the image, None if the engine doesn't report them. An engine that then
    may have an index for other platforms only sets `read_platform`: it asks the engine for the platform of the image that it would run, None if it can't
    run it.
    """

    digest: Digest
    names: t.Mapping[Reference, str]
    read_details: t.Callable[[], Details] = Details
    image_id: Digest | None = None
    digests: tuple[Digest, ...] = ()
    other_names: tuple[str, ...] = ()
    parent: Digest | None = None
    read_use: t.Callable[[], bool] = lambda: False
    has_unknown_name: bool = False
    read_only: bool = False
    usable: bool = True
    manifests: tuple[ListedManifest, ...] | None = None
    read_platform: t.Callable[[], Platform | None] | None = None

    @property
    def details(self) -> Details:
        return self.read_details()

    @property
    def in_use(self) -> bool:
        """Whether a container uses the image, running or stopped."""
        return self.read_use()

    def has_manifest(self, digest: Digest, platform: Platform | None) -> bool:
        """Return whether the engine has the manifest DIGEST of this image completely. PLATFORM is that of the manifest. Raises EngineError."""
        if self.manifests is not None:
            return any(manifest.digest == digest for manifest in self.manifests)
        if digest in self.digests or self.read_platform is None:
            return True
        found = self.read_platform()
        # The variant may be missing in the config, from which the engine reads it.
        return found is not None and (platform is None or (found.os, found.architecture) == (platform.os, platform.architecture))

    def has_platform(self, platform: Platform) -> bool:
        """Return whether the engine has this image completely for PLATFORM. An image that is no index counts for any platform. Raises EngineError."""
        if self.manifests is not None:
            return any(manifest.platform in platform.fallbacks() or manifest.digest in self.digests for manifest in self.manifests)
        return self.read_platform is None or self.read_platform() in platform.fallbacks()


def without_parts(images: t.Iterable[EngineImage]) -> list[EngineImage]:
    """Return IMAGES without unnamed parents of other images, because they are parts of these."""
    images = list(images)
    parents = {image.parent for image in images}
    return [image for image in images if image.names or image.digest not in parents]


@dataclasses.dataclass(frozen=True)
class Description:
    """An engine's own description of an image: the members of a config that the engine returns, and the size that it counts."""

    config: Document
    size: int


@dataclasses.dataclass(frozen=True)
class OfferedImage:
    """An image to load into an engine. `diff_ids` are the digests of its uncompressed layers, from its config."""

    manifest: Manifest
    diff_ids: tuple[Digest, ...]


class EngineLayers(t.Protocol):
    """The layers that an engine has."""

    def find_missing(self, offer: OfferedImage) -> tuple[Descriptor, ...]:
        """Return the layers of an image that must be sent."""

    def add(self, offer: OfferedImage) -> None:
        """Record that the engine now has this image."""


class ManagedEngine(t.Protocol):
    """An engine on this host, or one that this host can reach. It is also an ExportingEngine or a ContentEngine, so its images can be read."""

    @property
    def title(self) -> str:
        """The name of the engine in results: docker, podman or containerd."""

    @property
    def place(self) -> str:
        """The socket, address or program of the engine, for messages."""

    @property
    def loads_oci(self) -> bool:
        """Whether the engine loads OCI archives and keeps their digests. Docker's classic image store loads only docker archives and keeps image IDs."""

    @property
    def holds_several_platforms(self) -> bool:
        """Whether one name can have the images of several platforms."""

    @property
    def platform(self) -> Platform | None:
        """The platform of the engine, without a variant; None if it is the platform of the host."""

    def list_images(self, host: Platform) -> list[EngineImage]:
        """Return all images of the engine, each once, with intermediate images. The details of one for several platforms are those of the platform HOST."""

    def read_layers(self, listed: t.Sequence[EngineImage], layers_of: LayersOf) -> EngineLayers:
        """Return the layers that the engine has for certain. LISTED are its images, and LAYERS_OF returns the layers of an index or a manifest."""

    def load(self, archive: Chunks, size: int, platform: Platform | None, *, every_platform: bool = False) -> None:
        """Load an archive of SIZE bytes with one image. PLATFORM selects an image of an index.

        With EVERY_PLATFORM all images of a complete index are loaded, and PLATFORM is the one that the engine can run, None if there is none.

        Raises EngineError if the engine refuses it or the connection fails. Success doesn't prove that the engine has the image: list its images after.
        """

    def remove(self, name: str) -> None:
        """Remove a name, an ID or a reference by digest, and the image with the last of them. A missing name is no error.

        Raises EngineRefused, for example if a container uses the image; EngineError if the connection fails.
        """

    def untag(self, name: str) -> None:
        """Remove a name of an image that a container uses. The image stays for the container. Raises as `remove`.

        An engine without `keeps_used_images` refuses to remove the last name.
        """

    @property
    def keeps_used_images(self) -> bool:
        """Whether an image that a container uses can stay without a name. Docker's classic image store would delete it if the container isn't running."""

    @property
    def containers_need_images(self) -> bool:
        """Whether a container needs its image. In containerd it keeps its files without it."""

    @property
    def tag_keeps_replaced(self) -> bool:
        """Whether an image whose last name `tag` moves to another image stays, so that `tag` can name it again."""

    @property
    def load_keeps_replaced(self) -> bool:
        """Whether an image whose last name `load` moves to another image stays, so that `tag` can name it again."""

    def tag(self, image: EngineImage, name: Reference) -> None:
        """Point a name at an image, in place of another image if there is one. Raises EngineRefused; EngineError if the connection fails."""

    def describe(self, image: EngineImage) -> Description | None:
        """Return the engine's description of an image without reading its content; None if the image is gone."""


@dataclasses.dataclass(frozen=True)
class EngineLogin:
    """A login that an engine uses for one request to a registry. The repr shows no part of it."""

    registry: str
    username: str = dataclasses.field(repr=False)
    password: str = dataclasses.field(repr=False)
    identity_token: str | None = dataclasses.field(default=None, repr=False)


@t.runtime_checkable
class DigestNamingEngine(ManagedEngine, t.Protocol):
    """An engine that gives names by digest only to images that it pulls itself."""

    def read_digest_names(self) -> t.Mapping[Reference, Digest]:
        """Return all names by digest, each with the ID of its image."""

    def pull_digest(self, name: Reference, login: EngineLogin | None) -> None:
        """Pull an image by digest. Raises EngineRefused if the engine can't; EngineError if the connection fails."""


@t.runtime_checkable
class ExportingEngine(t.Protocol):
    """An engine that gives images only as an archive."""

    def export(self, images: t.Sequence[str]) -> t.Iterator[bytes]:
        """Yield the bytes of a tar archive with images, by names, IDs or references by digest. Raises EngineRefused; EngineError if the connection fails."""


@t.runtime_checkable
class ContentEngine(t.Protocol):
    """An engine that gives every blob by its digest."""

    def list_blobs(self) -> t.Collection[Digest]:
        """Return the digests of all blobs that the engine has."""

    def read_document(self, digest: Digest) -> bytes | None:
        """Return the verified bytes of a document, None if it is damaged."""

    def read_blob(self, descriptor: Descriptor) -> t.Iterator[bytes]:
        """Yield the bytes of a blob. They are not verified. Raises EngineRefused if the engine doesn't have it."""


class LayersByDigest:
    """Layers that an engine identifies by the digest of their blob, as it was sent."""

    def __init__(self, blobs: t.Iterable[Digest]) -> None:
        self._blobs = set(blobs)

    def find_missing(self, offer: OfferedImage) -> tuple[Descriptor, ...]:
        return tuple(dict.fromkeys(layer for layer in offer.manifest.layers if layer.digest not in self._blobs))

    def add(self, offer: OfferedImage) -> None:
        self._blobs.update(layer.digest for layer in offer.manifest.layers)


class LayersByChain:
    """Layers that an engine identifies by their content and all layers below. The same content on other layers is a different layer."""

    def __init__(self, chains: t.Iterable[tuple[Digest, ...]]) -> None:
        self._chains: set[tuple[Digest, ...]] = set()
        for chain in chains:
            self._add_chain(chain)

    def _add_chain(self, chain: tuple[Digest, ...]) -> None:
        self._chains.update(chain[:height] for height in range(1, len(chain) + 1))

    def find_missing(self, offer: OfferedImage) -> tuple[Descriptor, ...]:
        """Return the blobs of all missing layers. One blob can be several layers; it is sent if any of them is missing."""
        layers = enumerate(offer.manifest.layers, 1)
        return tuple(dict.fromkeys(layer for height, layer in layers if offer.diff_ids[:height] not in self._chains))

    def add(self, offer: OfferedImage) -> None:
        self._add_chain(offer.diff_ids)
