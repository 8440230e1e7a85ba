# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Access Docker through its API, with the classic or the containerd image store."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ..errors import EngineError
from ..oci.digest import Digest
from ..oci.document import Document
from ..oci.platform import Platform
from ..oci.reference import Reference
from ..oci.text import sanitise
from .answers import parse_answer, parse_digest_names, parse_engine_image, parse_listed_manifests, parse_names_in_docker, parse_platform
from .descriptions import describe_image
from .digest_names import to_tag
from .http_api import Api
from .interfaces import (
    Chunks,
    Description,
    EngineImage,
    EngineLayers,
    EngineLogin,
    LayersByChain,
    LayersByDigest,
    LayersOf,
    ManagedEngine,
    without_parts,
)

_CONTAINERD_STORE = "io.containerd.snapshotter.v1"


def open_docker(api: Api) -> ManagedEngine:
    """Return the engine that answers: Docker with its classic or its containerd image store, or Podman, which has the same API."""
    if api.get_header("/_ping", "Libpod-Api-Version") is not None:
        from .podman import PodmanService

        return PodmanService(Api(api.address, PodmanService.title, api.timeout))
    info = api.get("/info")
    if info is None:
        raise EngineError(f"{api.title} at {api.place} has no answer to /info; is it Docker?")
    kind = DockerOnContainerd if _uses_containerd_store(info) else Docker
    return kind(api, parse_answer(info.what, lambda: _parse_platform(info)))


def _parse_platform(info: Document) -> Platform | None:
    os, architecture = info.text("OSType"), info.text("Architecture")
    return Platform.normalised(os, architecture) if os and architecture else None


def _uses_containerd_store(info: Document) -> bool:
    status = info.members.get("DriverStatus")
    return isinstance(status, list) and ["driver-type", _CONTAINERD_STORE] in status


def _parse_layers(image: Document, image_id: Digest) -> tuple[Digest, ...]:
    """Return the layers of an image, lowest first. Raises EngineError for an answer about another image: we would wrongly skip its layers."""
    if image.required_text("Id") != str(image_id):
        raise EngineError(
            f"{image.what}: the request was for the image {image_id}, but the answer describes {sanitise(image.required_text('Id'), 100)}"
        )
    return tuple(Digest.parse(text) for text in image.required_child("RootFS").texts("Layers"))


class Docker:
    """Docker with its classic image store: images are identified by config digest, layers by their content and all layers below."""

    title = "docker"
    loads_oci = False
    holds_several_platforms = False
    has_image_ids = True
    keeps_used_images = False
    containers_need_images = True
    tag_keeps_replaced = True
    load_keeps_replaced = True

    def __init__(self, api: Api, platform: Platform | None) -> None:
        self.place = api.place
        self.platform = platform
        self._api = api

    def list_images(self, unused_host: Platform) -> list[EngineImage]:
        return self._parse_images(self._api.get_list("/images/json?all=1"))

    def _parse_images(self, rows: t.Sequence[Document]) -> list[EngineImage]:
        list_used = functools.cache(self._list_used)
        return [parse_engine_image(row, self.has_image_ids, lambda digest: str(digest) in list_used(), self._parse_names(row)) for row in rows]

    def _list_used(self) -> set[str | None]:
        """Return the digests by which Docker identifies the images of all containers."""
        return {container.text("ImageID") for container in self._api.get_list("/containers/json?all=1")}

    def read_layers(self, listed: t.Sequence[EngineImage], unused_layers_of: LayersOf) -> EngineLayers:
        chains = (self._read_layer_chain(image.image_id) for image in without_parts(listed) if image.image_id is not None)
        return LayersByChain(chain for chain in chains if chain is not None)

    def _read_layer_chain(self, image_id: Digest) -> tuple[Digest, ...] | None:
        """Return the layers of an image, lowest first, None if the image was removed since it was listed."""
        image = self._api.get(f"/images/{image_id}/json")
        return None if image is None else parse_answer(image.what, lambda: _parse_layers(image, image_id))

    def load(self, archive: Chunks, size: int, unused_platform: Platform | None, *, every_platform: bool = False) -> None:
        self._api.send("/images/load?quiet=1", archive, size)

    def _parse_names(self, row: Document) -> dict[Reference, str] | None:
        """Return the names of an image in the spelling of Docker, None if they are the names in ROW."""
        return parse_names_in_docker(row)

    def read_digest_names(self) -> dict[Reference, Digest]:
        """Return all names by digest, each with the ID of its image."""
        rows = self._api.get_list("/images/json?all=1")
        return {name: image_id for row in rows for name, image_id in parse_digest_names(row)}

    def pull_digest(self, name: Reference, login: EngineLogin | None) -> None:
        """Let Docker pull an image by digest. It fetches only what it doesn't have. Raises EngineRefused, EngineError."""
        self._api.pull(name.context, str(name.digest), login)

    def remove(self, name: str) -> None:
        self._api.remove_image(name)

    def untag(self, name: str) -> None:
        # Docker refuses to remove the last name of an image that a container uses. With force, it would delete the image of a stopped container.
        self._api.remove_image(name)

    def tag(self, image: EngineImage, name: Reference) -> None:
        self._api.tag_image(str(image.digest), name.context, str(to_tag(name).tag))

    def export(self, images: t.Sequence[str]) -> t.Iterator[bytes]:
        return self._api.export(images)

    def describe(self, image: EngineImage) -> Description | None:
        return describe_image(self._api, image)


class DockerOnContainerd(Docker):
    """Docker with the containerd image store: images are identified by the digest of their index or manifest, and blobs are kept as sent.

    Its API doesn't list blobs. So the layers of its images are looked up by digest in the store. Docker lists images that it has only partially. It reports
    which of their manifests are complete, unless it is too old to know the question; then it lists an image if any of its manifests is complete.
    """

    loads_oci = True
    holds_several_platforms = True
    has_image_ids = False
    keeps_used_images = True
    load_keeps_replaced = False

    def _parse_names(self, unused_row: Document) -> None:
        """Return None: this store holds names by digest."""

    def list_images(self, unused_host: Platform) -> list[EngineImage]:
        rows = self._api.get_list("/images/json?all=1&manifests=1")
        images = self._parse_images(rows)
        if any(row.has("Manifests") for row in rows):  # Docker leaves out an empty list
            return [dataclasses.replace(image, manifests=parse_listed_manifests(row)) for image, row in zip(images, rows)]
        return [
            dataclasses.replace(image, read_platform=functools.cache(functools.partial(self._read_platform, image.digests[0]))) for image in images
        ]

    def _read_platform(self, digest: Digest) -> Platform | None:
        """Return the platform of the image that Docker chooses from an index; None if it isn't unpacked, because then Docker has no history of it."""
        path = f"/images/{digest}"
        row = self._api.get(f"{path}/json")
        if row is None or not self._api.has(f"{path}/history"):
            return None
        return parse_answer(row.what, lambda: parse_platform(row, "Os", "Architecture", "Variant"))

    def read_layers(self, listed: t.Sequence[EngineImage], layers_of: LayersOf) -> EngineLayers:
        return LayersByDigest(layer for image in listed for layer in self._find_layers(image, layers_of))

    def _find_layers(self, image: EngineImage, layers_of: LayersOf) -> t.Iterable[Digest]:
        """Return the layers that Docker has if it lists IMAGE. It may have an index for other platforms only."""
        if image.manifests is not None:
            return [layer for manifest in image.manifests for layer in layers_of(manifest.digest)]
        layers = [layer for digest in image.digests for layer in layers_of(digest)]
        return layers if layers and (self.platform is None or image.has_platform(self.platform)) else []

    def untag(self, name: str) -> None:
        # Docker refuses to remove the last name of an image that a container uses, unless it is forced. This store keeps the image.
        self._api.remove_image(name, force=True)
