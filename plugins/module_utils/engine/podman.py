# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Podman: by the API of its service, or by its program where no service runs."""

from __future__ import annotations

import abc
import math
import typing as t

from ..errors import EngineRefused
from ..oci.document import Document
from ..oci.platform import Platform
from .answers import MAX_LIST, parse_answer, parse_engine_image, parse_listed_image
from .interfaces import Chunks, EngineImage, EngineLayers, LayersByDigest, LayersOf, ListedImage, seconds_to_load

if t.TYPE_CHECKING:
    from ..programs import Finished
    from .http_api import Api

_LISTED = "what podman prints of its images"
_ABSENT = 1  # the status of `podman image rm` for what isn't there


class _Podman(abc.ABC):
    """Images by the digests of their configs; it keeps the digests of what it takes as an OCI archive, and knows the blobs that it made its layers of.

    Nothing tells which blobs these are: those of images that the store knows by their digests are surely there.
    """

    title = "podman"
    loads_oci = True
    platform: Platform | None = None

    @abc.abstractmethod
    def rows(self, everything: bool = False) -> list[Document]:
        """The images as Podman lists them; with EVERYTHING those too that only lie below others."""

    def list_images(self) -> list[ListedImage]:
        return [parse_listed_image(row, knows_ids=True) for row in self.rows()]

    def list_prunable_images(self, unused_host: Platform) -> list[EngineImage]:
        """Each once, though the program lists it for every name. What an additional store holds can't be removed here, and is left out."""
        rows = {row.required_text("Id"): row for row in self.rows(everything=True) if not row.boolean("ReadOnly")}
        return [_resident_of(row) for row in rows.values()]

    def read_layers(self, layers_of: LayersOf) -> EngineLayers:
        return LayersByDigest(layer for image in self.list_images() for digest in image.digests for layer in layers_of(digest))


def _resident_of(row: Document) -> EngineImage:
    """Podman counts the containers of an image, those of other tools on its storage too."""
    containers = row.number("Containers") or 0
    return parse_engine_image(row, True, lambda unused_digest: containers > 0)


class PodmanService(_Podman):
    """Podman's service, in the words that it shares with Docker."""

    def __init__(self, api: Api) -> None:
        self.place = api.place
        self._api = api

    def rows(self, everything: bool = False) -> list[Document]:
        return self._api.get_list("/images/json?all=1" if everything else "/images/json")

    def remove(self, word: str) -> None:
        self._api.remove_image(word)

    def load(self, archive: Chunks, size: int, unused_platform: Platform | None) -> None:
        self._api.send("/images/load?quiet=1", archive, size)


class PodmanProgram(_Podman):
    """The program `podman`, which takes an archive on its standard input."""

    def __init__(self, program: str, timeout: float) -> None:
        self.place = program
        self._timeout = timeout

    def rows(self, everything: bool = False) -> list[Document]:
        output = self._checked("images", *(["--all"] if everything else []), "--format", "json").output.strip()
        return parse_answer(_LISTED, lambda: Document.parse_list(output or b"[]", _LISTED, MAX_LIST, None))

    def load(self, archive: Chunks, size: int, unused_platform: Platform | None) -> None:
        self._checked("load", "--quiet", given=archive, seconds=seconds_to_load(size, self._timeout))

    def remove(self, word: str) -> None:
        self._checked("image", "rm", word, allowed=_ABSENT)

    def _checked(self, *words: str, given: Chunks = (), allowed: int = 0, seconds: float = math.inf) -> Finished:
        from .program import run_engine_program

        done = run_engine_program([self.place, *words], f"{self.title} ({self.place})", self._timeout, given, seconds)
        if done.status not in (0, allowed):
            raise EngineRefused(f"{self.title} ({self.place}) refuses it: {done.told}")
        return done
