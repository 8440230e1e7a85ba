# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make layers from files. The same files always give the same tar (OCI image specification, layer.md)."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import stat
import tarfile
import typing as t

from ..errors import CorruptArchive, UnsupportedFormat
from ..oci import media_types
from ..oci.digest import Digest, hash_stream
from ..oci.manifest import Descriptor
from .compression import GZIP, STORED, ZSTD, ExpansionLimit, compress, decompress, detect_compression
from .image_tree import ImageTree
from .layer_members import FileState, LayerMember, plan_members
from .layer_source import LayerSource
from .packed_tar import open_packed_tar
from .source_files import SourceFiles, changed, is_folder, opened_file, opened_parent, read_content, read_status, read_unchanged_file
from .tar import BLOCK, FILE, FOLDER, LINK, SYMLINK, NotATar, StreamBytes, TarMember, TarReader, checked_tar

_LAYER_TYPES = {None: media_types.OCI_LAYER, GZIP: media_types.OCI_LAYER_GZIP, STORED: media_types.OCI_LAYER_GZIP, ZSTD: media_types.OCI_LAYER_ZSTD}
_TAR_TYPES = {FILE: tarfile.REGTYPE, FOLDER: tarfile.DIRTYPE, SYMLINK: tarfile.SYMTYPE, LINK: tarfile.LNKTYPE}

# Reads a stream to its end, and returns its digest and size.
Consume = t.Callable[[t.Iterable[bytes]], "tuple[Digest, int]"]


@dataclasses.dataclass(frozen=True)
class PlannedLayer:
    """A layer whose members are known. Its files have not been read yet. `members` is None for a tar that becomes the layer unchanged."""

    source: LayerSource
    members: tuple[LayerMember, ...] | None

    @property
    def label(self) -> str:
        """Return the layer's text in the image's history. It names the destination, but not the source, which differs between hosts."""
        if self.members is None:
            return "layer from a tar"
        parts = [] if self.source.path is None else ["/" + "/".join(self._destination)]
        return ", ".join([*parts, *(f"remove {path}" for path in self.source.remove)])

    @property
    def _destination(self) -> t.Sequence[str]:
        parts, path = self.source.destination_parts, self.source.path or ""
        is_into = not parts or (self.source.destination or "").endswith("/")
        return (*parts, os.path.basename(path)) if is_into and not is_folder(path) else parts


@dataclasses.dataclass(frozen=True)
class Layer:
    """A layer that can be generated again: its descriptor, the digest of the tar in it, and the plan for its bytes."""

    descriptor: Descriptor
    diff_id: Digest
    planned: PlannedLayer

    @property
    def source(self) -> LayerSource:
        return self.planned.source

    def open(self) -> t.Iterator[bytes]:
        """Yield the bytes of the layer."""
        source, members = self.planned.source, self.planned.members
        if members is None:
            return read_unchanged_file(str(source.path))
        tar = _write_tar(source, members)
        return tar if source.compression is None else compress(tar, source.compression, str(source.path))


def needs_tree(source: LayerSource) -> bool:
    """Return True if the members of a layer depend on the image below it. Raises InputOutputError for a missing source."""
    return source.path is None or source.destination is not None or is_folder(source.path)


def plan_layer(source: LayerSource, tree: ImageTree, is_last: bool = True) -> PlannedLayer:
    """Plan a layer on top of the image TREE, and apply it to TREE. A tar that is the last layer isn't read.

    Raises the errors of `plan_members`, and those of reading a tar.
    """
    if needs_tree(source):
        return PlannedLayer(source, plan_members(source, tree))
    path = str(source.path)
    source.require_no_changes(path)
    if not is_last:
        with contextlib.closing(read_unchanged_file(path)) as chunks:
            tree.apply_layer(open_packed_tar(chunks, path), path)
    return PlannedLayer(source, None)


def measure(planned: PlannedLayer, consume: Consume = hash_stream) -> Layer:
    """Read all files of a layer to compute its digests. CONSUME gets the layer's bytes, and may store them; by default nothing is stored.

    Raises InvalidOption, UnsupportedFormat, CorruptArchive, InputOutputError, and what CONSUME raises.
    """
    source, members = planned.source, planned.members
    if members is None:
        return _measure_tar(planned, consume)
    if source.compression is None:
        digest, size = consume(_write_tar(source, members))
        return Layer(Descriptor(media_types.OCI_LAYER, digest, size), digest, planned)
    tar = _HashedChunks(_write_tar(source, members))
    digest, size = consume(compress(tar, source.compression, str(source.path)))
    return Layer(Descriptor(_LAYER_TYPES[source.compression], digest, size), tar.digest, planned)


class _HashedChunks:
    """Chunks that are hashed while they are read. `digest` is that of the bytes read so far."""

    def __init__(self, chunks: t.Iterable[bytes]) -> None:
        self._chunks = chunks
        self._hash = hashlib.sha256()

    def __iter__(self) -> t.Iterator[bytes]:
        for chunk in self._chunks:
            self._hash.update(chunk)
            yield chunk

    @property
    def digest(self) -> Digest:
        return Digest("sha256", self._hash.hexdigest())


def measure_layer(source: LayerSource, tree: ImageTree | None = None) -> Layer:
    """Plan and measure one layer, on top of TREE or of an empty image."""
    return measure(plan_layer(source, tree or ImageTree()))


def read_layer(chunks: t.Iterable[bytes], kind: str | None, what: str, limit: ExpansionLimit | None = None) -> t.Iterator[TarMember]:
    """Yield the members of a layer with the compression KIND. Raises CorruptArchive for a damaged one, and for one that expands beyond LIMIT."""
    return iter(TarReader(StreamBytes(chunks if kind is None else decompress(chunks, kind, what, limit)), what))


# A tar that becomes a layer unchanged.


def _measure_tar(planned: PlannedLayer, consume: Consume) -> Layer:
    path = str(planned.source.path)
    with opened_parent(path) as (folder, name):
        if not stat.S_ISREG(read_status(folder, name, path).st_mode):
            raise UnsupportedFormat(f"{path} is neither a file nor a folder, and can't be a layer")
        with opened_file(folder, name, path) as (descriptor, status):
            kind = detect_compression(os.pread(descriptor, BLOCK, 0))
            if kind not in _LAYER_TYPES:
                raise UnsupportedFormat(f"{path} is compressed with {kind}; a layer can be a plain tar, or one compressed with gzip or zstd")
            chunks = read_content(descriptor, status.st_size)
            try:
                if kind is None:
                    digest, size = consume(checked_tar(chunks, path))
                    diff_id = digest
                else:
                    diff_id, _size = hash_stream(checked_tar(decompress(chunks, kind, path), path))
                    # Both readings are of the same open file, so they see the same content, or the check at the end fails.
                    digest, size = consume(read_content(descriptor, status.st_size))
            except NotATar as error:
                raise CorruptArchive(f"{error.message}; give dest to put it into the image as a file") from error
    return Layer(Descriptor(_LAYER_TYPES[kind], digest, size), diff_id, planned)


# A tar of files.


def _write_tar(source: LayerSource, members: t.Iterable[LayerMember]) -> t.Iterator[bytes]:
    """Yield the bytes of a tar. Raises CorruptArchive if a file has changed since the members were planned."""
    with SourceFiles(source.path or "") as files:
        for member in members:
            yield write_header(member)
            if member.state is not None:
                yield from _read_file(files, member.source, member.state)
    yield bytes(2 * BLOCK)


def _read_file(files: SourceFiles, relative: str, state: FileState) -> t.Iterator[bytes]:
    folder, name = files.locate(relative)
    path = files.path_of(relative)
    status = folder.status(name)
    if status is None or not stat.S_ISREG(status.st_mode):
        raise changed(path)
    with opened_file(folder, name, path) as (descriptor, status):
        if FileState.of(status) != state:
            raise changed(path)
        yield from read_content(descriptor, state.size)
        if state.size % BLOCK:
            yield bytes(BLOCK - state.size % BLOCK)


def write_header(member: LayerMember) -> bytes:
    """Return the header of a member, with the extended header before it."""
    info = tarfile.TarInfo(member.name)
    metadata = member.metadata
    info.type, info.linkname = _TAR_TYPES[member.kind], member.target
    info.mode, info.uid, info.gid, info.mtime = metadata.mode, metadata.owner, metadata.group, metadata.modified
    info.size = member.state.size if member.state is not None else 0
    info.pax_headers = dict(metadata.extended)
    if "mtime" in info.pax_headers:
        info.mtime = 0  # only some Python versions leave it out of the header
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
