# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Docker through its API, with either of its image stores."""

from __future__ import annotations

from ..errors import EngineError
from ..oci.digest import Digest
from ..oci.document import Document
from ..oci.platform import Platform
from ..oci.text import sanitise
from .answers import parse_answer, parse_engine_image, parse_listed_image
from .http_api import Api
from .interfaces import Chunks, EngineImage, EngineLayers, LayersByChain, LayersByDigest, LayersOf, ListedImage, PrunableEngine

_CONTAINERD_STORE = "io.containerd.snapshotter.v1"


def open_docker(api: Api) -> PrunableEngine:
    """The engine that answers: Docker with its first store, or with the containerd image store, or Podman, which speaks Docker's language too."""
    if api.header("/_ping", "Libpod-Api-Version") is not None:
        from .podman import PodmanService

        return PodmanService(Api(api.address, PodmanService.title, api.timeout))
    info = api.get("/info")
    if info is None:
        raise EngineError(f"{api.title} at {api.place} has no answer to /info; is it Docker?")
    kind = DockerOnContainerd if _is_on_containerd(info) else Docker
    return kind(api, parse_answer(info.what, lambda: _platform_of(info)))


def _platform_of(info: Document) -> Platform | None:
    os, architecture = info.text("OSType"), info.text("Architecture")
    return Platform.normalised(os, architecture) if os and architecture else None


def _is_on_containerd(info: Document) -> bool:
    status = info.members.get("DriverStatus")
    return isinstance(status, list) and ["driver-type", _CONTAINERD_STORE] in status


def _layers_of(image: Document, image_id: Digest) -> tuple[Digest, ...]:
    """Return the layers from the lowest up. Raises EngineError for the answer about another image: its layers would not be sent."""
    if image.required_text("Id") != str(image_id):
        raise EngineError(f"{image.what}: the image {image_id} was asked for, and it describes {sanitise(image.required_text('Id'), 100)}")
    return tuple(Digest.parse(text) for text in image.required_child("RootFS").texts("Layers"))


class Docker:
    """Docker with the store that it had first: images by the digests of their configs, layers by their content and what is below them."""

    title = "docker"
    loads_oci = False
    knows_ids = True

    def __init__(self, api: Api, platform: Platform | None) -> None:
        self.place = api.place
        self.platform = platform
        self._api = api

    def list_images(self) -> list[ListedImage]:
        return [parse_listed_image(row, self.knows_ids) for row in self._api.get_list("/images/json")]

    def read_layers(self, unused_layers_of: LayersOf) -> EngineLayers:
        stacks = (self._stack(image.image_id) for image in self.list_images() if image.image_id is not None)
        return LayersByChain(stack for stack in stacks if stack is not None)

    def _stack(self, image_id: Digest) -> tuple[Digest, ...] | None:
        """The layers of an image from the lowest up; None for one that was removed meanwhile."""
        image = self._api.get(f"/images/{image_id}/json")
        return None if image is None else parse_answer(image.what, lambda: _layers_of(image, image_id))

    def load(self, archive: Chunks, size: int, unused_platform: Platform | None) -> None:
        self._api.send("/images/load?quiet=1", archive, size)

    def list_prunable_images(self, unused_host: Platform) -> list[EngineImage]:
        """Those below others are among them. What has no tag has no name to Docker, whether or not it can be reached by a digest."""
        used = {container.text("ImageID") for container in self._api.get_list("/containers/json?all=1")}
        rows = self._api.get_list("/images/json?all=1")
        return [parse_engine_image(row, self.knows_ids, lambda digest: str(digest) in used, row.texts("RepoDigests", None)) for row in rows]

    def remove(self, word: str) -> None:
        self._api.remove_image(word)


class DockerOnContainerd(Docker):
    """Docker with the containerd image store: images by the digests of their indexes or manifests, blobs as they came.

    Its API doesn't tell blobs: those of images that the store knows by their digests are surely there.
    """

    loads_oci = True
    knows_ids = False

    def read_layers(self, layers_of: LayersOf) -> EngineLayers:
        return LayersByDigest(layer for image in self.list_images() for digest in image.digests for layer in layers_of(digest))
