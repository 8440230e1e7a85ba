# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Layers made from files: always the same tar for the same files (OCI image specification, layer.md)."""

from __future__ import annotations

import dataclasses
import os
import posixpath
import stat
import tarfile
import typing as t

from ..errors import CorruptArchive, InvalidOption, UnsupportedFormat, system_error
from ..files import read_file
from ..oci import media_types
from ..oci.digest import Digest, hash_stream
from ..oci.manifest import Descriptor
from .compression import GZIP, ZSTD, compressed, expanded, kind_of
from .tar import BLOCK, NoTar, checked_tar

_WHITEOUT = ".wh."
_LAYER_TYPES = {None: media_types.OCI_LAYER, GZIP: media_types.OCI_LAYER_GZIP, ZSTD: media_types.OCI_LAYER_ZSTD}


@dataclasses.dataclass(frozen=True)
class LayerSource:
    """What a layer is made from: a file or a folder of the host, put at `destination`; or, without one, a tar that is the layer as it is.

    `mode` holds permission bits for all files of the layer; None keeps those they have. `modified` is the time of all of them, in seconds since 1970.
    """

    path: str
    destination: str | None
    mode: int | None
    owner: int
    group: int
    compress: bool
    modified: int = 0

    @property
    def inside(self) -> str:
        """Where in the image it is put, relative to the image's root: for a folder, its content. Raises InvalidOption for a way out of the image."""
        destination = self.destination or ""
        parts = [part for part in destination.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise InvalidOption(f"dest {destination} leads out of the image")
        if any(part.startswith(_WHITEOUT) for part in parts):
            raise InvalidOption(f"dest {destination}: in a layer names that begin with {_WHITEOUT} mean that a file is deleted")
        if (not parts or destination.endswith("/")) and not os.path.isdir(self.path):
            parts.append(os.path.basename(self.path))
            _refuse_whiteout(self.path, parts[-1])
        return "/".join(parts)

    @property
    def label(self) -> str:
        """What the image's history calls the layer: where it went, never where it came from, which differs between hosts."""
        return f"/{self.inside}" if self.destination is not None else "layer from a tar"


@dataclasses.dataclass(frozen=True)
class Layer:
    """A layer that can be made again: its descriptor, the digest of the tar in it, and what makes its bytes."""

    descriptor: Descriptor
    diff_id: Digest
    source: LayerSource

    def open(self) -> t.Iterator[bytes]:
        return _bytes(self.source)


def measure(source: LayerSource) -> Layer:
    """Reads all of SOURCE to know its layer's digests; nothing is kept. Raises InvalidOption, UnsupportedFormat, CorruptArchive, InputOutputError."""
    if source.destination is None:
        if not os.path.isdir(source.path):
            return _measure_tar(source)
        source = dataclasses.replace(source, destination="/")
    diff_id, size = hash_stream(_tar(source))
    if not source.compress:
        return Layer(Descriptor(media_types.OCI_LAYER, diff_id, size), diff_id, source)
    digest, size = hash_stream(compressed(_tar(source), GZIP, source.path))
    return Layer(Descriptor(media_types.OCI_LAYER_GZIP, digest, size), diff_id, source)


def _bytes(source: LayerSource) -> t.Iterator[bytes]:
    if source.destination is None:
        return read_file(source.path)
    return compressed(_tar(source), GZIP, source.path) if source.compress else _tar(source)


# A tar as it is.


def _measure_tar(source: LayerSource) -> Layer:
    if source.mode is not None or source.owner or source.group:
        raise InvalidOption(
            f"{source.path} is taken as a tar, whose mode, owner and group can't be changed; give dest to put it into the image as a file"
        )
    try:
        kind_of_file = os.stat(source.path).st_mode
    except OSError as error:
        raise system_error(error, f"the src of a layer, {source.path}") from error
    if not stat.S_ISREG(kind_of_file):
        raise UnsupportedFormat(f"{source.path} is neither a file nor a folder, and can't be a layer")
    kind = kind_of(next(read_file(source.path), b""))
    if kind not in _LAYER_TYPES:
        raise UnsupportedFormat(f"{source.path} is compressed with {kind}; a layer can be a plain tar, or one compressed with gzip or zstd")
    digest, size = hash_stream(read_file(source.path))
    chunks = read_file(source.path) if kind is None else expanded(read_file(source.path), kind, source.path)
    try:
        diff_id, _size = hash_stream(checked_tar(chunks, source.path))
    except NoTar as error:
        raise CorruptArchive(f"{error.message}; give dest to put it into the image as a file") from error
    return Layer(Descriptor(_LAYER_TYPES[kind], digest, size), diff_id, source)


# A tar of files.


def _tar(source: LayerSource) -> t.Iterator[bytes]:
    for path, name in _members(source):
        yield from _member(source, path, name)
    yield bytes(2 * BLOCK)


def _members(source: LayerSource) -> t.Iterator[tuple[str, str]]:
    """Paths on the host and names in the layer, sorted by name, each folder before what is in it."""
    inside = source.inside
    try:
        is_folder = stat.S_ISDIR(os.stat(source.path).st_mode)
    except OSError as error:
        raise system_error(error, f"the src of a layer, {source.path}") from error
    if inside:
        yield source.path, inside
    if is_folder:
        yield from _walk(source.path, inside)


def _walk(folder: str, inside: str) -> t.Iterator[tuple[str, str]]:
    try:
        names = sorted(os.listdir(folder), key=os.fsencode)
    except OSError as error:
        raise system_error(error, folder) from error
    for name in names:
        path = os.path.join(folder, name)
        _refuse_whiteout(path, name)
        yield path, posixpath.join(inside, name)
        if os.path.isdir(path) and not os.path.islink(path):
            yield from _walk(path, posixpath.join(inside, name))


def _refuse_whiteout(path: str, name: str) -> None:
    if name.startswith(_WHITEOUT):
        raise UnsupportedFormat(f"{path}: in a layer the name {name} means that a file is deleted; rename it or leave it out")


def _member(source: LayerSource, path: str, name: str) -> t.Iterator[bytes]:
    try:
        # The file that was named itself may be a link to what is meant; links inside a folder stay links.
        status = os.stat(path) if path == source.path else os.lstat(path)
        info = _header(source, path, name, status)
    except OSError as error:
        raise system_error(error, path) from error
    yield info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
    if info.isreg():
        yield from _padded(path, info.size)


def _header(source: LayerSource, path: str, name: str, status: os.stat_result) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.mode = stat.S_IMODE(status.st_mode)
    info.uid, info.gid, info.mtime = source.owner, source.group, source.modified
    if stat.S_ISDIR(status.st_mode):
        info.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(status.st_mode):
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, os.readlink(path), 0o777
    elif stat.S_ISREG(status.st_mode):
        info.size = status.st_size
        info.mode = info.mode if source.mode is None else source.mode
    else:
        raise UnsupportedFormat(f"{path} is neither a file, a folder nor a link, and can't be put into a layer")
    return info


def _padded(path: str, size: int) -> t.Iterator[bytes]:
    """A file's bytes, filled up to whole blocks. Raises CorruptArchive when the file isn't as long as its header says."""
    seen = 0
    for chunk in read_file(path):
        seen += len(chunk)
        yield chunk
    if seen != size:
        raise CorruptArchive(f"{path} changed while it was read")
    if size % BLOCK:
        yield bytes(BLOCK - size % BLOCK)
