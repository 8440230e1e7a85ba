# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files and folders of the host that an artifact consists of. They are read where they are, and never copied on disk."""

from __future__ import annotations

import dataclasses
import errno
import os
import stat
import typing as t

from ..errors import InputOutputError, InvalidOption
from ..oci.artifacts import CONTENT_DIGEST, TITLE, UNPACK
from ..oci.digest import Digest, hash_stream
from ..oci.manifest import Descriptor
from .source_files import read_mode, read_unchanged_file


@dataclasses.dataclass(frozen=True)
class FileToPublish:
    """A file, or a folder that travels as a tar. `title` is its name after a pull, None if the artifact gives it none.

    `is_compressed` says whether the tar of a folder is inside a gzip stream, from which oras unpacks it.
    """

    path: str
    title: str | None
    media_type: str
    is_folder: bool = False
    is_compressed: bool = True
    annotations: t.Mapping[str, str] = dataclasses.field(default_factory=dict)


class _Opened(t.Protocol):
    def __call__(self) -> t.Iterable[bytes]: ...


@dataclasses.dataclass(frozen=True)
class MeasuredFile:
    """A file whose content is known by its digest. `diff_id` is the digest of the content without compression. `open` yields the content again."""

    file: FileToPublish
    descriptor: Descriptor
    diff_id: Digest
    open: _Opened


def _is_folder(path: str) -> bool:
    """Return True for a folder, False for a regular file. Raises InputOutputError for anything else, and for a missing file."""
    mode = read_mode(path)
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise InputOutputError(f"{path} is neither a file nor a folder")
    return stat.S_ISDIR(mode)


def measure_file(file: FileToPublish) -> MeasuredFile:
    """Read a file or a folder once to compute its digest. Raises InputOutputError, CorruptArchive if it changes while it is read, UnsupportedFormat."""
    return _measure_folder(file) if file.is_folder else _measure_regular(file)


def _measure_regular(file: FileToPublish) -> MeasuredFile:
    def read() -> t.Iterator[bytes]:
        return read_unchanged_file(file.path)

    digest, size = hash_stream(read())
    return MeasuredFile(file, Descriptor(file.media_type, digest, size, annotations=_annotations(file)), digest, read)


def _measure_folder(file: FileToPublish) -> MeasuredFile:
    from .compression import STORED
    from .image_tree import ImageTree
    from .layer import measure, plan_layer
    from .layer_source import LayerSource

    title = file.title or ""
    planned = plan_layer(
        LayerSource(file.path, f"/{title}/", mode=None, owner=0, group=0, compression=STORED if file.is_compressed else None), ImageTree()
    )
    # As oras does it, every name in the tar begins with the title, and the folders above the title are left out: oras refuses them.
    above = {title[:position] for position, character in enumerate(title) if character == "/"}
    layer = measure(dataclasses.replace(planned, members=tuple(member for member in planned.members or () if member.name not in above)))
    annotations = _annotations(file)
    if file.is_compressed:
        annotations = {**annotations, UNPACK: "true", CONTENT_DIGEST: str(layer.diff_id)}
    descriptor = Descriptor(file.media_type, layer.descriptor.digest, layer.descriptor.size, annotations=annotations)
    return MeasuredFile(file, descriptor, layer.diff_id, layer.open)


def _annotations(file: FileToPublish) -> dict[str, str]:
    return {**({TITLE: file.title} if file.title is not None else {}), **file.annotations}


def require_kind(path: str, *, unpack: bool) -> None:
    """Raise InvalidOption unless PATH is a folder if UNPACK is set, and a file otherwise. Raises InputOutputError for anything else."""
    found = _is_folder(path)
    if found and not unpack:
        raise InvalidOption(f"files: {path} is a folder; set unpack to publish it as a tar that is unpacked by those who pull it")
    if unpack and not found:
        raise InvalidOption(f"files: unpack is for folders, and {path} is a file")


def default_title(path: str) -> str:
    """Return the last part of a path. Raises InvalidOption for the root folder, which has no name."""
    name = os.path.basename(path.rstrip("/"))
    if not name:
        raise InvalidOption(f"files: {path} doesn't end with a name; give it a title")
    return name


def read_small_file(path: str, limit: int) -> bytes:
    """Return the content of a file of at most LIMIT bytes. Raises InvalidOption for a larger one."""
    if _is_folder(path):
        raise InputOutputError(f"{path}: {os.strerror(errno.EISDIR)}")
    data = bytearray()
    for chunk in read_unchanged_file(path):
        data += chunk
        if len(data) > limit:
            raise InvalidOption(f"{path} has more than {limit} bytes, and can't be the config of an artifact")
    return bytes(data)
