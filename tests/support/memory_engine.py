# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An engine in memory that can be of any kind and behave in any way."""

from __future__ import annotations

import dataclasses
import io
import json
import tarfile
import typing as t

from ansible_collections.longshore.images.plugins.module_utils.engine.digest_names import from_tag
from ansible_collections.longshore.images.plugins.module_utils.engine.interfaces import (
    Chunks,
    Description,
    EngineImage,
    EngineLayers,
    LayersByChain,
    LayersByDigest,
    LayersOf,
)
from ansible_collections.longshore.images.plugins.module_utils.errors import EngineError, EngineRefused
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Platform
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference


def engine_image(names: t.Iterable[Reference], digests: t.Iterable[Digest], image_id: Digest | None = None, **facts: t.Any) -> EngineImage:
    """Return an image that an engine identifies by its ID if it knows one, else by the first digest."""
    found = tuple(digests)
    return EngineImage(image_id or found[0], {name: str(name) for name in names}, image_id=image_id, digests=found, **facts)


@dataclasses.dataclass
class MemoryEngine:
    """A fake engine: its images are in `images`, and `reactions` are what it does with the next archives instead of loading them.

    `requests` are the lists that it was asked for, `loaded_blobs` the blobs of each archive that it got, `platforms` the platform of each.
    """

    loads_oci: bool = True
    platform: Platform | None = None
    images: dict[Reference, EngineImage] = dataclasses.field(default_factory=dict)
    reactions: list[t.Literal["refuses", "forgets", "dies"] | None] = dataclasses.field(default_factory=list)
    loaded_blobs: list[list[str]] = dataclasses.field(default_factory=list)
    requests: list[str] = dataclasses.field(default_factory=list)
    platforms: list[Platform | None] = dataclasses.field(default_factory=list)
    holds_several_platforms = False
    keeps_used_images = True
    containers_need_images = True
    tag_keeps_replaced = True
    load_keeps_replaced = True
    title = "docker"
    place = "memory"

    def list_images(self, unused_host: Platform) -> list[EngineImage]:
        self.requests.append("images")
        return list(self.images.values())

    def read_layers(self, listed: t.Sequence[EngineImage], layers_of: LayersOf) -> EngineLayers:
        self.requests.append("layers")
        if not self.loads_oci:
            return LayersByChain([])
        return LayersByDigest(layer for image in self.images.values() for digest in image.digests for layer in layers_of(digest))

    def load(self, archive: Chunks, size: int, platform: Platform | None, *, every_platform: bool = False) -> None:
        data = b"".join(archive)
        assert len(data) == size
        self.platforms.append(platform)
        reaction = self.reactions.pop(0) if self.reactions else None
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            self.loaded_blobs.append([name.rpartition("/")[2] for name in tar.getnames() if name.startswith("blobs/") and name.count("/") == 2])
            listed = json.load(t.cast("t.IO[bytes]", tar.extractfile("index.json" if self.loads_oci else "manifest.json")))
        if reaction == "refuses":
            raise EngineRefused("docker at memory refused the request: no")
        if reaction == "dies":
            raise EngineError("docker at memory broke the connection off")
        if reaction is None:
            self._keep(listed)

    def remove(self, name: str) -> None:
        self.images.pop(Reference.parse(name), None)

    def untag(self, name: str) -> None:
        self.remove(name)

    def tag(self, image: EngineImage, name: Reference) -> None:
        source = next(one for one in self.images.values() if image.digest in (*one.digests, one.image_id))
        self.images[name] = dataclasses.replace(source, names={name: str(name)})

    def describe(self, unused_image: EngineImage) -> Description | None:
        return None

    def _keep(self, listed: t.Any) -> None:
        if self.loads_oci:
            for entry in listed["manifests"]:
                name = Reference.parse(entry["annotations"]["io.containerd.image.name"])
                self.images[name] = engine_image([name], [Digest.parse(entry["digest"])])
        else:
            for entry in listed:
                name = from_tag(Reference.parse((entry["RepoTags"] or ["none@sha256:" + "0" * 64])[0]))
                image_id = Digest("sha256", entry["Config"].rpartition("/")[2])
                self.images[name] = engine_image(
                    [name] if entry["RepoTags"] else [], [name.digest] if name.digest and entry["RepoTags"] else [], image_id
                )
