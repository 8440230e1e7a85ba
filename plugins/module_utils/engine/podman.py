# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Podman: by the API of its service, or by its program where no service runs."""

from __future__ import annotations

import abc
import typing as t

from ..errors import EngineRefused
from ..oci.document import Document
from ..oci.platform import Platform
from .engine import BlobHoldings, Chunks, HeldImage, Holdings, LayersOf
from .rows import MAX_LIST, image_of, understood

if t.TYPE_CHECKING:
    from .api import Api
    from .program import Finished

_LISTED = "what podman prints of its images"


class _Podman(abc.ABC):
    """Images by the digests of their configs; it keeps the digests of what it takes as an OCI archive, and knows the blobs that it made its layers of.

    Nothing tells which blobs these are: those of images that the store knows by their digests are surely there.
    """

    title = "podman"
    takes_oci = True
    platform: Platform | None = None

    @abc.abstractmethod
    def rows(self) -> list[Document]:
        """The images as Podman lists them."""

    def images(self) -> list[HeldImage]:
        return [image_of(row, knows_ids=True) for row in self.rows()]

    def holdings(self, layers_of: LayersOf) -> Holdings:
        return BlobHoldings(layer for image in self.images() for digest in image.digests for layer in layers_of(digest))


class PodmanService(_Podman):
    """Podman's service, in the words that it shares with Docker."""

    def __init__(self, api: Api) -> None:
        self.place = api.place
        self._api = api

    def rows(self) -> list[Document]:
        return self._api.get_list("/images/json")

    def load(self, archive: Chunks, size: int, unused_platform: Platform | None) -> None:
        self._api.send("/images/load?quiet=1", archive, size)


class PodmanProgram(_Podman):
    """The program `podman`, which takes an archive on its standard input."""

    def __init__(self, program: str, timeout: float) -> None:
        self.place = program
        self._timeout = timeout

    def rows(self) -> list[Document]:
        output = self._run("images", "--format", "json").output.strip()
        return understood(_LISTED, lambda: Document.parse_list(output or b"[]", _LISTED, MAX_LIST, None))

    def load(self, archive: Chunks, unused_size: int, unused_platform: Platform | None) -> None:
        self._run("load", "--quiet", given=archive)

    def _run(self, *words: str, given: Chunks = ()) -> Finished:
        from .program import run_program

        done = run_program([self.place, *words], f"{self.title} ({self.place})", self._timeout, given)
        if done.status != 0:
            raise EngineRefused(f"{self.title} ({self.place}) refuses it: {done.told}")
        return done
