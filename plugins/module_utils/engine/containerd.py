# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Access containerd through its program `ctr`, in one namespace."""

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
from ..oci.reference import Reference
from ..oci.text import split_lines
from ..programs import Finished
from .address import Address
from .answers import parse_answer, parse_engine_names
from .interfaces import Chunks, Description, Details, EngineImage, EngineLayers, LayersByDigest, LayersOf, seconds_to_load
from .program import run_engine_program, stream_engine_program

_HEADER = re.compile(rb"REF\s+TYPE\s+DIGEST\s+STATUS\s+SIZE\s+UNPACKED\s*")
_CONTAINERS = ["CONTAINER", "IMAGE", "RUNTIME"]
_ID = re.compile(r"sha256:[0-9a-f]{64}")
_TRUE = "true"


class Containerd:
    """containerd identifies images by the digest of their index or manifest, and keeps blobs as they were sent."""

    title = "containerd"
    loads_oci = True
    holds_several_platforms = True
    keeps_used_images = False
    containers_need_images = False
    tag_keeps_replaced = False
    load_keeps_replaced = False
    platform: Platform | None = None

    def __init__(self, program: str, socket: str, namespace: str, timeout: float) -> None:
        """Raise EngineError if SOCKET can't be opened: the message of `ctr` for that would be long."""
        self.place = f"{socket}, namespace {namespace}"
        Address.unix(socket).connect(self.title, timeout).close()
        self._command = [program, "--address", socket, "--namespace", namespace]
        self._timeout = timeout

    def list_images(self, host: Platform) -> list[EngineImage]:
        """Return all images. Images that aren't unpacked, after a failed import or because they are for other platforms, are listed as not usable.

        containerd lists only their root digest, so age and labels are read from the config.
        """
        records: dict[Digest, list[_Record]] = {}
        for record in self._list_records():
            records.setdefault(record.digest, []).append(record)
        list_used = functools.cache(self._find_used_names)
        list_blobs = functools.cache(self._list_blobs)
        return [
            _build_image(digest, same, list_used, functools.cache(functools.partial(self._read_details, digest, host, list_blobs)))
            for digest, same in records.items()
        ]

    def _list_records(self) -> list[_Record]:
        done = self._run("images", "check")
        header, _newline, rows = done.output.partition(b"\n")
        # `ctr images check` fails if it can't check one image, but still prints the others, so the status alone is no error.
        if not done.output and done.status == 0:
            return []
        if not _HEADER.fullmatch(header):
            raise EngineError(f"{self.title} at {self.place} can't list its images: {done.failure_text}")
        return [_parse_record(line) for line in split_lines(rows.decode("utf-8", "replace")) if line]

    def read_layers(self, unused_listed: t.Sequence[EngineImage], unused_layers_of: LayersOf) -> EngineLayers:
        return LayersByDigest(self._list_blobs())

    def _list_blobs(self) -> set[Digest]:
        """Return the digests of all blobs that containerd has."""
        done = self._run_checked("content", "ls", "--quiet")
        return parse_answer(f"the list of blobs that ctr printed for {self.place}", lambda: {Digest.parse(text) for text in _decode(done).split()})

    def load(self, archive: Chunks, size: int, platform: Platform | None, *, every_platform: bool = False) -> None:
        """Load an archive as ManagedEngine.load does, with `--platform`.

        Without it, containerd would also look for older platforms that the host can run, and an index with missing blobs would fail.
        """
        if every_platform:
            # containerd fails if it has nothing to unpack.
            options = ["--all-platforms", *(["--no-unpack"] if platform is None else [])]
        else:
            options = ["--platform", str(platform)] if platform is not None else []
        self._run_checked("images", "import", *options, "-", standard_input=archive, seconds=seconds_to_load(size, self._timeout))

    def _find_used_names(self) -> set[str]:
        """Return the image names that containers use."""
        header, *lines = split_lines(_decode(self._run_checked("containers", "ls"))) or [""]
        rows = [_split_columns(line) for line in lines if line]
        if (header and _split_columns(header) != _CONTAINERS) or any(len(row) < len(_CONTAINERS) for row in rows):
            raise EngineError(f"{self.title} at {self.place} printed a list of containers in an unknown format: {header[:200]!r}")
        return {row[1] for row in rows}

    def _read_details(self, digest: Digest, host: Platform, list_blobs: t.Callable[[], t.Collection[Digest]]) -> Details:
        """Return the details of an image, empty if its documents can't be read."""

        def read_blob(blob: Descriptor) -> bytes | None:
            return self._read_blob(blob.digest) if blob.digest in list_blobs() else None

        try:
            data = self._read_blob(digest) if digest in list_blobs() else None
            graph = read_graph(describe_document(data, str(digest)), str(digest), read_blob) if data is not None else None
            if graph is None:
                return Details()
            image = _choose_image(host, graph)
            data = read_blob(image.manifest.config) if image is not None and image.manifest.is_image else None
            config = ImageConfig.read(data, f"{digest}, config") if data is not None else None
        except EngineError:
            raise
        except LongshoreError:
            return Details()
        size = sum({blob.digest: blob.size for blob in graph.content if blob.digest in list_blobs()}.values())
        return Details(config.created_at, config.labels, size) if config is not None else Details(size=size)

    def _read_blob(self, digest: Digest) -> bytes | None:
        data = self._run_checked("content", "get", str(digest)).output
        return data if Digest.of(data, digest.algorithm) == digest else None

    def remove(self, name: str) -> None:
        done = self._run("images", "rm", "--sync", name)
        if done.status != 0 and name in split_lines(_decode(self._run_checked("images", "ls", "--quiet"))):
            raise EngineRefused(f"{self.title} at {self.place} refused the request: {done.failure_text}")

    def untag(self, name: str) -> None:
        self.remove(name)

    def tag(self, image: EngineImage, name: Reference) -> None:
        """Raises EngineError for an image without a name: `ctr` tags by name only."""
        source = next(iter((*image.names.values(), *image.other_names)), None)
        if source is None:
            raise EngineError(f"{self.title} at {self.place} names no image by {image.digest}, and only a named image can be tagged")
        self._run_checked("images", "tag", "--force", source, str(name))

    # Reading.

    def list_blobs(self) -> set[Digest]:
        return self._list_blobs()

    def read_document(self, digest: Digest) -> bytes | None:
        return self._read_blob(digest)

    def read_blob(self, descriptor: Descriptor) -> t.Iterator[bytes]:
        command = [*self._command, "content", "get", str(descriptor.digest)]
        return stream_engine_program(command, f"{self.title} at {self.place}", self._timeout)

    def describe(self, unused_image: EngineImage) -> Description | None:
        """Return None: everything is read from the content."""
        return None

    def _run_checked(self, *arguments: str, standard_input: Chunks = (), seconds: float = math.inf) -> Finished:
        done = self._run(*arguments, standard_input=standard_input, seconds=seconds)
        if done.status != 0:
            raise EngineRefused(f"{self.title} at {self.place} refused the request: {done.failure_text}")
        return done

    def _run(self, *arguments: str, standard_input: Chunks = (), seconds: float = math.inf) -> Finished:
        return run_engine_program([*self._command, *arguments], f"{self.title} at {self.place}", self._timeout, standard_input, seconds)


def _decode(done: Finished) -> str:
    return done.output.decode("utf-8", "replace")


def _split_columns(line: str) -> list[str]:
    """Return the columns of a table that `ctr` prints. It fills them with spaces; other white space, such as U+2003, can be a part of a name."""
    return [column for column in line.split(" ") if column]


@dataclasses.dataclass(frozen=True)
class _Record:
    """One name of an image in containerd."""

    name: str
    digest: Digest
    usable: bool


def _parse_record(line: str) -> _Record:
    """Parse a line of `ctr images check`: name, type, digest and, last, whether the image is unpacked."""
    columns = _split_columns(line)
    if len(columns) < 4:
        raise EngineError(f"containerd printed an image in an unknown format: {line[:200]!r}")
    return _Record(columns[0], parse_answer("the list of images that ctr printed", lambda: Digest.parse(columns[2])), columns[-1] == _TRUE)


def _build_image(
    digest: Digest, records: t.Sequence[_Record], list_used: t.Callable[[], t.Collection[str]], read_details: t.Callable[[], Details]
) -> EngineImage:
    """Build an image from the names that containerd has for it.

    A name counts only if it is written in full. Kubernetes also names each image by its ID. Any other text is a name that a user or a tool chose.
    """
    texts = [record.name for record in records]
    names = {name: text for name, text in parse_engine_names(texts).items() if str(name) == text}
    ids = tuple(text for text in texts if _ID.fullmatch(text))
    return EngineImage(
        digest=digest,
        names=names,
        read_details=read_details,
        digests=(digest,),
        other_names=ids,
        read_use=lambda: not set(texts).isdisjoint(list_used()),
        has_unknown_name=len(names) + len(ids) < len(texts),
        usable=all(record.usable for record in records),
    )


def _choose_image(host: Platform, graph: Graph) -> ImageNode | None:
    """Return the image for the platform HOST, or else the first image of the graph."""
    with contextlib.suppress(LongshoreError):
        return choose_platform(host, graph.images_by_platform, "")
    return next(iter(graph.images), None)
