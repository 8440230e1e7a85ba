# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Layers made from files: always the same tar for the same files (OCI image specification, layer.md)."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import posixpath
import stat
import tarfile
import typing as t

from ..errors import CorruptArchive, InvalidOption, UnsupportedFormat, system_error
from ..files import CHUNK
from ..folders import MAX_DEPTH, Folder, open_parent, read_link, refuse_planted_link
from ..oci import media_types
from ..oci.digest import Digest, hash_stream
from ..oci.manifest import Descriptor
from .compression import GZIP, ZSTD, compress, decompress, detect_compression
from .tar import BLOCK, NotATar, checked_tar

_WHITEOUT = ".wh."
_LAYER_TYPES = {None: media_types.OCI_LAYER, GZIP: media_types.OCI_LAYER_GZIP, ZSTD: media_types.OCI_LAYER_ZSTD}


@dataclasses.dataclass(frozen=True)
class LayerSource:
    """The source of a layer: a file or a folder of the host, put at `destination`; or, without one, a tar that is the layer as it is.

    `mode` holds permission bits for all files of the layer; None keeps those they have, but for setuid and setgid bits of a file that gets another owner.
    `modified` is the time of all of them, in seconds since 1970.
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
        if (not parts or destination.endswith("/")) and not _is_folder(self.path):
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


def measure_layer(source: LayerSource) -> Layer:
    """Reads all of SOURCE to know its layer's digests; nothing is kept. Raises InvalidOption, UnsupportedFormat, CorruptArchive, InputOutputError."""
    if source.destination is None:
        if not _is_folder(source.path):
            return _measure_tar(source)
        source = dataclasses.replace(source, destination="/")
    diff_id, size = hash_stream(_tar(source))
    if not source.compress:
        return Layer(Descriptor(media_types.OCI_LAYER, diff_id, size), diff_id, source)
    digest, size = hash_stream(compress(_tar(source), GZIP, source.path))
    return Layer(Descriptor(media_types.OCI_LAYER_GZIP, digest, size), diff_id, source)


def _bytes(source: LayerSource) -> t.Iterator[bytes]:
    if source.destination is None:
        return _tar_as_it_is(source.path)
    return compress(_tar(source), GZIP, source.path) if source.compress else _tar(source)


@contextlib.contextmanager
def _opened_parent(path: str) -> t.Iterator[tuple[Folder, str]]:
    """Open the folder that holds the src PATH, and yield it with the name there. A link at PATH counts only if root or the running user made it."""
    try:
        folder, name = open_parent(path)
    except OSError as error:
        raise system_error(error, f"the src of a layer, {path}") from error
    with folder:
        yield folder, name


def _status(folder: Folder, name: str, path: str) -> os.stat_result:
    """Return the status of a src. Raises InputOutputError, for a missing one too."""
    try:
        return os.stat(name or ".", dir_fd=folder.descriptor, follow_symlinks=False)
    except OSError as error:
        raise system_error(error, f"the src of a layer, {path}") from error


def _is_folder(path: str) -> bool:
    with _opened_parent(path) as (folder, name):
        return stat.S_ISDIR(_status(folder, name, path).st_mode)


# A tar as it is.


def _measure_tar(source: LayerSource) -> Layer:
    if source.mode is not None or source.owner or source.group:
        raise InvalidOption(
            f"{source.path} is taken as a tar, whose mode, owner and group can't be changed; give dest to put it into the image as a file"
        )
    with _opened_parent(source.path) as (folder, name):
        if not stat.S_ISREG(_status(folder, name, source.path).st_mode):
            raise UnsupportedFormat(f"{source.path} is neither a file nor a folder, and can't be a layer")
        with _opened_file(folder, name, source.path) as (descriptor, status):
            kind = detect_compression(os.pread(descriptor, BLOCK, 0))
            if kind not in _LAYER_TYPES:
                raise UnsupportedFormat(f"{source.path} is compressed with {kind}; a layer can be a plain tar, or one compressed with gzip or zstd")
            # Both readings are of the same open file, so they see the same content, or the check at the end fails.
            digest, size = hash_stream(_content(descriptor, status.st_size))
            chunks = _content(descriptor, status.st_size)
            try:
                diff_id, _size = hash_stream(checked_tar(chunks if kind is None else decompress(chunks, kind, source.path), source.path))
            except NotATar as error:
                raise CorruptArchive(f"{error.message}; give dest to put it into the image as a file") from error
    return Layer(Descriptor(_LAYER_TYPES[kind], digest, size), diff_id, source)


def _tar_as_it_is(path: str) -> t.Iterator[bytes]:
    with contextlib.ExitStack() as stack:
        folder, name = stack.enter_context(_opened_parent(path))
        descriptor, status = stack.enter_context(_opened_file(folder, name, path))
        yield from _content(descriptor, status.st_size)


# A tar of files.


def _tar(source: LayerSource) -> t.Iterator[bytes]:
    inside = source.inside
    with _opened_parent(source.path) as (folder, name):
        status = _status(folder, name, source.path)
        if stat.S_ISDIR(status.st_mode):
            with _changed_if_missing(source.path):
                top = folder.open_folder(name) if name else folder.listable()
            top.path = source.path
            with top:
                yield from _folder(source, top, inside, MAX_DEPTH)
        else:
            yield from _entry(source, folder, name, source.path, inside, status)
    yield bytes(2 * BLOCK)


def _folder(source: LayerSource, folder: Folder, inside: str, depth: int) -> t.Iterator[bytes]:
    """The members of an open folder, sorted by name, each folder before what is in it. A folder at the image's root has no member of its own."""
    if inside:
        yield _header(source, inside, folder.own_status())
    try:
        names = sorted(folder.names(), key=os.fsencode)
    except OSError as error:
        raise system_error(error, folder.path) from error
    for name in names:
        path = folder.path_of(name)
        _refuse_whiteout(path, name)
        status = folder.status(name)
        if status is None:
            raise _changed(path)
        if not stat.S_ISDIR(status.st_mode):
            yield from _entry(source, folder, name, path, posixpath.join(inside, name), status)
            continue
        if not depth:
            raise UnsupportedFormat(f"{path} has more than {MAX_DEPTH} folders above it, and can't be put into a layer")
        with _changed_if_missing(path):
            inner = folder.open_folder(name)
        with inner:
            yield from _folder(source, inner, posixpath.join(inside, name), depth - 1)


def _refuse_whiteout(path: str, name: str) -> None:
    if name.startswith(_WHITEOUT):
        raise UnsupportedFormat(f"{path}: in a layer the name {name} means that a file is deleted; rename it or leave it out")


def _entry(source: LayerSource, folder: Folder, name: str, path: str, inside: str, status: os.stat_result) -> t.Iterator[bytes]:
    """The member for a file or a link. STATUS only says what to open it as: it may be something else by now."""
    if stat.S_ISLNK(status.st_mode):
        with _changed_if_missing(path):
            own, target = read_link(folder, name)
        if not stat.S_ISLNK(own.st_mode):
            raise _changed(path)
        yield _header(source, inside, own, target)
    elif stat.S_ISREG(status.st_mode):
        with _opened_file(folder, name, path) as (descriptor, own):
            yield _header(source, inside, own)
            yield from _content(descriptor, own.st_size)
            if own.st_size % BLOCK:
                yield bytes(BLOCK - own.st_size % BLOCK)
    else:
        raise UnsupportedFormat(f"{path} is neither a file, a folder nor a link, and can't be put into a layer")


def _header(source: LayerSource, name: str, status: os.stat_result, target: str = "") -> bytes:
    info = tarfile.TarInfo(name)
    info.mode = stat.S_IMODE(status.st_mode)
    info.uid, info.gid, info.mtime = source.owner, source.group, source.modified
    if (status.st_uid, status.st_gid) != (source.owner, source.group):
        # As when a file is given to somebody else on a host: a program that runs as its owner would run as the new one.
        info.mode &= ~(stat.S_ISUID | stat.S_ISGID)
    if stat.S_ISDIR(status.st_mode):
        info.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(status.st_mode):
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, target, 0o777
    else:
        info.size = status.st_size
        info.mode = info.mode if source.mode is None else source.mode
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


# Files that may change while they are read.


@contextlib.contextmanager
def _opened_file(folder: Folder, name: str, path: str) -> t.Iterator[tuple[int, os.stat_result]]:
    """Open a regular file, and yield its descriptor and status. Raises CorruptArchive if, at the end, the file isn't what it was."""
    with _changed_if_missing(path):
        descriptor = folder.open_file(name)
    try:
        before = os.fstat(descriptor)
        refuse_planted_link(folder, before, path)
        yield descriptor, before
        after = folder.status(name)
        is_same = after is not None and os.path.samestat(before, after)
        if after is None or not is_same or (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise _changed(path)
        if os.pread(descriptor, 1, before.st_size):  # as of the files of /proc, which say that they are empty
            raise _changed(path)
    except OSError as error:
        raise system_error(error, path) from error
    finally:
        os.close(descriptor)


def _content(descriptor: int, size: int) -> t.Iterator[bytes]:
    """The first SIZE bytes of an open file; fewer if it has become shorter, which its status then says."""
    offset = 0
    while offset < size:
        chunk = os.pread(descriptor, min(CHUNK, size - offset), offset)
        if not chunk:
            return
        offset += len(chunk)
        yield chunk


@contextlib.contextmanager
def _changed_if_missing(path: str) -> t.Iterator[None]:
    """Report a file or folder that is no longer what it was listed as."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _changed(path) from error
    except OSError as error:
        raise system_error(error, path) from error


def _changed(path: str) -> CorruptArchive:
    return CorruptArchive(f"{path} changed while it was read")
