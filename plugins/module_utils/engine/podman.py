# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Access Podman through the API of its service, or through its program if no service runs."""

from __future__ import annotations

import abc
import dataclasses
import math
import re
import typing as t
from urllib.parse import quote

from ..errors import EngineError, EngineRefused
from ..oci.document import Document
from ..oci.platform import Platform
from ..oci.reference import Reference
from .answers import MAX_LIST, parse_answer, parse_engine_image
from .descriptions import describe_image, parse_description
from .interfaces import Chunks, Description, EngineImage, EngineLayers, LayersByDigest, LayersOf, seconds_to_load

if t.TYPE_CHECKING:
    from ..programs import Finished
    from .http_api import Api

_VERSION = re.compile(r"[0-9][0-9A-Za-z.-]{0,40}", re.ASCII)
_LISTED = "the list of images that podman printed"
_UNKNOWN_STATUS = 125  # the exit status of `podman image inspect` for a missing image
_MISSING_STATUS = 1  # the exit status of `podman image rm` for a missing image


class _Podman(abc.ABC):
    """Podman identifies images by config digest. It keeps the digests of images from OCI archives and remembers the blobs its layers came from.

    It doesn't list these blobs. So the layers of its images are looked up by digest in the store.
    """

    title = "podman"
    loads_oci = True
    holds_several_platforms = False
    keeps_used_images = True
    containers_need_images = True
    tag_keeps_replaced = True
    load_keeps_replaced = True
    platform: Platform | None = None

    def __init__(self, place: str) -> None:
        self.place = place

    @abc.abstractmethod
    def list_rows(self) -> list[Document]:
        """Return the rows of Podman's image list, with intermediate images."""

    def list_images(self, unused_host: Platform) -> list[EngineImage]:
        """Return all images, each once, although the program lists an image once per name.

        Those of additional stores are read-only. One that is in Podman's own store too isn't.
        """
        rows = sorted(self.list_rows(), key=lambda row: not row.boolean("ReadOnly"))
        return [_parse_row(row) for row in {row.required_text("Id"): row for row in rows}.values()]

    def read_layers(self, listed: t.Sequence[EngineImage], layers_of: LayersOf) -> EngineLayers:
        return LayersByDigest(layer for image in listed for digest in image.digests for layer in layers_of(digest))


def _parse_row(row: Document) -> EngineImage:
    """Parse a row of the image list. Its number of containers includes those of other tools on the same storage."""
    containers = row.number("Containers") or 0
    return dataclasses.replace(parse_engine_image(row, True, lambda unused_digest: containers > 0), read_only=bool(row.boolean("ReadOnly")))


class PodmanService(_Podman):
    """Podman's service, through the part of its API that Docker also has."""

    def __init__(self, api: Api) -> None:
        super().__init__(api.place)
        self._api = api

    def list_rows(self) -> list[Document]:
        return self._api.get_list("/images/json?all=1")

    def remove(self, name: str) -> None:
        self._api.remove_image(name)

    def untag(self, name: str) -> None:
        # To remove an image by force would remove its containers too.
        repository, _colon, tag = name.rpartition(":")
        path = f"images/{quote(name, safe='')}/untag?repo={quote(repository, safe='')}&tag={quote(tag, safe='')}"
        self._api.send(f"/v{self._read_version()}/libpod/{path}")

    def _read_version(self) -> str:
        """Return the version of Podman's own API, which its paths need, unlike those of the API that Docker also has."""
        version = self._api.get_header("/_ping", "Libpod-Api-Version") or ""
        if not _VERSION.fullmatch(version):
            raise EngineError(f"{self.title} at {self.place} doesn't report the version of its API; is it Podman?")
        return version

    def tag(self, image: EngineImage, name: Reference) -> None:
        self._api.tag_image(image.digest.hex, name.context, str(name.tag))

    def export(self, images: t.Sequence[str]) -> t.Iterator[bytes]:
        return self._api.export(images)

    def describe(self, image: EngineImage) -> Description | None:
        return describe_image(self._api, image)

    def load(self, archive: Chunks, size: int, unused_platform: Platform | None, *, every_platform: bool = False) -> None:
        self._api.send("/images/load?quiet=1", archive, size)


class PodmanProgram(_Podman):
    """The program `podman`, which reads an archive from its standard input."""

    def __init__(self, program: str, timeout: float) -> None:
        super().__init__(program)
        self._timeout = timeout

    def list_rows(self) -> list[Document]:
        output = self._run_checked("images", "--all", "--format", "json").output.strip()
        return parse_answer(_LISTED, lambda: Document.parse_list(output or b"[]", _LISTED, MAX_LIST, None))

    def load(self, archive: Chunks, size: int, unused_platform: Platform | None, *, every_platform: bool = False) -> None:
        self._run_checked("load", "--quiet", standard_input=archive, seconds=seconds_to_load(size, self._timeout))

    def remove(self, name: str) -> None:
        self._run_checked("image", "rm", name, allowed_status=_MISSING_STATUS)

    def untag(self, name: str) -> None:
        # To remove an image by force would remove its containers too.
        self._run_checked("untag", name, name)

    def tag(self, image: EngineImage, name: Reference) -> None:
        self._run_checked("tag", image.digest.hex, str(name))

    def export(self, images: t.Sequence[str]) -> t.Iterator[bytes]:
        from .program import stream_engine_program

        # Several images need the form docker-archive, and it leaves layers as they are: others are compressed again.
        several = ["--multi-image-archive"] if len(images) > 1 else []
        command = [self.place, "save", "--quiet", "--format", "docker-archive", *several, *images]
        return stream_engine_program(command, f"{self.title} ({self.place})", self._timeout)

    def describe(self, image: EngineImage) -> Description | None:
        output = self._run_checked("image", "inspect", image.digest.hex, allowed_status=_UNKNOWN_STATUS).output.strip()
        rows = parse_answer(_LISTED, lambda: Document.parse_list(output or b"[]", _LISTED, MAX_LIST, None))
        return parse_description(rows[0], rows[0].children("History", None)) if rows else None

    def _run_checked(self, *arguments: str, standard_input: Chunks = (), allowed_status: int = 0, seconds: float = math.inf) -> Finished:
        from .program import run_engine_program

        done = run_engine_program([self.place, *arguments], f"{self.title} ({self.place})", self._timeout, standard_input, seconds)
        if done.status not in (0, allowed_status):
            raise EngineRefused(f"{self.title} ({self.place}) refused the request: {done.failure_text}")
        return done
