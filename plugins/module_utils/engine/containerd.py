# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""containerd by its program `ctr`, in one namespace."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import re
import typing as t

from ..errors import EngineError, EngineRefused, LongshoreError
from ..oci.config import ImageConfig
from ..oci.digest import Digest
from ..oci.graph import Graph, ImageNode, read_graph
from ..oci.manifest import Descriptor, describe_document
from ..oci.platform import Platform, choose_platform
from ..programs import Finished
from .address import Address
from .answers import parse_answer, parse_words
from .interfaces import Chunks, Details, EngineImage, EngineLayers, LayersByDigest, LayersOf, ListedImage, seconds_to_load
from .program import run_engine_program

_HEADER = re.compile(rb"REF\s+TYPE\s+DIGEST\s+STATUS\s+SIZE\s+UNPACKED\s*")
_CONTAINERS = ["CONTAINER", "IMAGE", "RUNTIME"]
_ID = re.compile(r"sha256:[0-9a-f]{64}")
_TRUE = "true"
_once = functools.lru_cache(maxsize=1)


class Containerd:
    """Images by the digests of their indexes or manifests, blobs as they came."""

    title = "containerd"
    loads_oci = True
    platform: Platform | None = None

    def __init__(self, program: str, socket: str, namespace: str, timeout: float) -> None:
        """Raises EngineError where nobody answers at SOCKET, or where this user may not ask: what `ctr` says of that is long."""
        self.place = f"{socket}, namespace {namespace}"
        Address.unix(socket).connect(self.title, timeout).close()
        self._words = [program, "--address", socket, "--namespace", namespace]
        self._timeout = timeout

    def list_images(self) -> list[ListedImage]:
        """What isn't unpacked is listed too, after an import that failed, and can't run; so is what is there for other platforms alone."""
        return [ListedImage(frozenset(parse_words([record.word])), (record.digest,), None, record.usable) for record in self._records()]

    def _records(self) -> list[_Record]:
        done = self._run("images", "check")
        header, _newline, rows = done.output.partition(b"\n")
        # It fails when it can't say of a single image whether that is unpacked, and prints the others nevertheless.
        if not done.output and done.status == 0:
            return []
        if not _HEADER.fullmatch(header):
            raise EngineError(f"{self.title} at {self.place} can't be asked for its images: {done.told}")
        return [_record_of(line) for line in rows.decode("utf-8", "replace").splitlines() if line.strip()]

    def read_layers(self, unused_layers_of: LayersOf) -> EngineLayers:
        return LayersByDigest(self._content())

    def _content(self) -> set[Digest]:
        """The blobs that it has."""
        done = self._checked("content", "ls", "--quiet")
        return parse_answer(f"what ctr lists of {self.place}", lambda: {Digest.parse(text) for text in _text(done).split()})

    def load(self, archive: Chunks, size: int, platform: Platform | None) -> None:
        """Without being told the platform it would look for older ones too that the host could run, and an index whose blobs are not all sent would fail."""
        told = ["--platform", str(platform)] if platform is not None else []
        self._checked("images", "import", *told, "-", given=archive, seconds=seconds_to_load(size, self._timeout))

    # Clearing away.

    def list_prunable_images(self, host: Platform) -> list[EngineImage]:
        """It tells nothing of an image but where it begins: age and labels are read from its config, where somebody asks for them."""
        words: dict[Digest, list[str]] = {}
        for record in self._records():
            words.setdefault(record.digest, []).append(record.word)
        used = self._used()
        here = _once(self._content)
        return [
            _resident(digest, of_image, not used.isdisjoint(of_image), _once(functools.partial(self._details, digest, host, here)))
            for digest, of_image in words.items()
        ]

    def _used(self) -> set[str]:
        """The words by which containers know their images."""
        header, *lines = _text(self._checked("containers", "ls")).splitlines() or [""]
        rows = [line.split() for line in lines if line.strip()]
        if (header and header.split() != _CONTAINERS) or any(len(row) < len(_CONTAINERS) for row in rows):
            raise EngineError(f"{self.title} at {self.place} lists its containers in a way that isn't understood: {header[:200]!r}")
        return {row[1] for row in rows}

    def _details(self, digest: Digest, host: Platform, here: t.Callable[[], t.Collection[Digest]]) -> Details:
        """What can't be read tells nothing."""

        def read(blob: Descriptor) -> bytes | None:
            return self._read(blob.digest) if blob.digest in here() else None

        try:
            data = self._read(digest) if digest in here() else None
            graph = read_graph(describe_document(data, str(digest)), str(digest), read) if data is not None else None
            if graph is None:
                return Details()
            image = _image_for(host, graph)
            data = read(image.manifest.config) if image is not None and image.manifest.is_image else None
            config = ImageConfig.read(data, f"{digest}, config") if data is not None else None
        except EngineError:
            raise
        except LongshoreError:
            return Details()
        size = sum({blob.digest: blob.size for blob in graph.content if blob.digest in here()}.values())
        return Details(config.created_at, config.labels, size) if config is not None else Details(size=size)

    def _read(self, digest: Digest) -> bytes | None:
        data = self._checked("content", "get", str(digest)).output
        return data if Digest.of(data, digest.algorithm) == digest else None

    def remove(self, word: str) -> None:
        done = self._run("images", "rm", "--sync", word)
        if done.status != 0 and word in _text(self._checked("images", "ls", "--quiet")).splitlines():
            raise EngineRefused(f"{self.title} at {self.place} refuses it: {done.told}")

    def _checked(self, *words: str, given: Chunks = (), seconds: float = math.inf) -> Finished:
        done = self._run(*words, given=given, seconds=seconds)
        if done.status != 0:
            raise EngineRefused(f"{self.title} at {self.place} refuses it: {done.told}")
        return done

    def _run(self, *words: str, given: Chunks = (), seconds: float = math.inf) -> Finished:
        return run_engine_program([*self._words, *words], f"{self.title} at {self.place}", self._timeout, given, seconds)


def _text(done: Finished) -> str:
    return done.output.decode("utf-8", "replace")


@dataclasses.dataclass(frozen=True)
class _Record:
    """One word by which containerd knows an image."""

    word: str
    digest: Digest
    usable: bool


def _record_of(line: str) -> _Record:
    """One line of `ctr images check`: name, type, digest, and at last whether it is unpacked."""
    words = line.split()
    if len(words) < 4:
        raise EngineError(f"containerd lists an image in a way that isn't understood: {line[:200]!r}")
    return _Record(words[0], parse_answer("what ctr lists of images", lambda: Digest.parse(words[2])), words[-1] == _TRUE)


def _resident(digest: Digest, words: t.Sequence[str], in_use: bool, details: t.Callable[[], Details]) -> EngineImage:
    """Names are written in full. Kubernetes has each image by its ID too, which is no name; any other word is somebody's own."""
    names = {name: word for name, word in parse_words(words).items() if str(name) == word}
    ids = tuple(word for word in words if _ID.fullmatch(word))
    return EngineImage(digest, names, details, None, (digest,), ids, None, in_use, foreign=len(names) + len(ids) < len(words))


def _image_for(host: Platform, graph: Graph) -> ImageNode | None:
    with contextlib.suppress(LongshoreError):
        return choose_platform(host, graph.images_by_platform, "")
    return next(iter(graph.images), None)
