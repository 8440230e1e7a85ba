# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the files of a layer's or an artifact's source, which other users may change at any time. Links are never followed below the source."""

from __future__ import annotations

import contextlib
import os
import stat
import typing as t

from ..errors import CorruptArchive, system_error
from ..files import CHUNK
from ..folders import Folder, open_parent, refuse_planted_link


@contextlib.contextmanager
def opened_parent(path: str) -> t.Iterator[tuple[Folder, str]]:
    """Open the folder that contains the src PATH, and yield it with the file's name. A link at PATH is followed only if root or the running user owns it."""
    try:
        folder, name = open_parent(path)
    except OSError as error:
        raise system_error(error, path) from error
    with folder:
        yield folder, name


def read_status(folder: Folder, name: str, path: str) -> os.stat_result:
    """Return the status of a src. Raises InputOutputError, for a missing one too."""
    try:
        return os.stat(name or ".", dir_fd=folder.descriptor, follow_symlinks=False)
    except OSError as error:
        raise system_error(error, path) from error


def read_mode(path: str) -> int:
    """Return the type and mode of a src. Raises as `read_status`."""
    with opened_parent(path) as (folder, name):
        return read_status(folder, name, path).st_mode


def is_folder(path: str) -> bool:
    return stat.S_ISDIR(read_mode(path))


class SourceFiles:
    """The files below one source. Folders stay open as long as the next file is below them."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._stack = contextlib.ExitStack()
        self._folders: list[tuple[str, Folder]] = []

    def __enter__(self) -> SourceFiles:
        return self

    def __exit__(self, *unused: object) -> None:
        while self._folders:
            self._folders.pop()[1].close()
        self._stack.close()

    def path_of(self, relative: str) -> str:
        return os.path.join(self._path, relative) if relative else self._path

    def locate(self, relative: str) -> tuple[Folder, str]:
        """Return the open folder of a file and the file's name in it. An empty RELATIVE is the source itself.

        Raises CorruptArchive if a folder on the way is gone, or is a link now.
        """
        if not relative:
            return self._stack.enter_context(opened_parent(self._path))
        *above, name = relative.split("/")
        with raising_changed_if_missing(self.path_of(relative)):
            return self._open_folder(above), name

    def _open_folder(self, parts: t.Sequence[str]) -> Folder:
        if not self._folders:
            with opened_parent(self._path) as (folder, name):
                top = folder.open_folder(name) if name else folder.reopen_for_listing()
            top.path = self._path
            self._folders.append(("", top))
        kept = 0
        while kept < min(len(parts), len(self._folders) - 1) and self._folders[kept + 1][0] == parts[kept]:
            kept += 1
        while len(self._folders) > kept + 1:
            self._folders.pop()[1].close()
        for part in parts[kept:]:
            self._folders.append((part, self._folders[-1][1].open_folder(part)))
        return self._folders[-1][1]


@contextlib.contextmanager
def opened_file(folder: Folder, name: str, path: str) -> t.Iterator[tuple[int, os.stat_result]]:
    """Open a regular file, and yield its descriptor and status. Raises CorruptArchive if the file has changed at the end."""
    with raising_changed_if_missing(path):
        descriptor = folder.open_file(name)
    try:
        before = os.fstat(descriptor)
        refuse_planted_link(folder, before, path)
        yield descriptor, before
        after = folder.status(name)
        is_same = after is not None and os.path.samestat(before, after)
        if after is None or not is_same or (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise changed(path)
        if os.pread(descriptor, 1, before.st_size):  # such as a file in /proc, whose status has the size 0
            raise changed(path)
    except OSError as error:
        raise system_error(error, path) from error
    finally:
        os.close(descriptor)


def read_content(descriptor: int, size: int) -> t.Iterator[bytes]:
    """Yield the first SIZE bytes of an open file, or fewer if it was truncated. Its status then shows the change."""
    offset = 0
    while offset < size:
        chunk = os.pread(descriptor, min(CHUNK, size - offset), offset)
        if not chunk:
            return
        offset += len(chunk)
        yield chunk


def read_unchanged_file(path: str) -> t.Generator[bytes, None, None]:
    """Yield the content of a regular file. Raises CorruptArchive if it changes while it is read, InputOutputError."""
    with contextlib.ExitStack() as stack:
        folder, name = stack.enter_context(opened_parent(path))
        descriptor, status = stack.enter_context(opened_file(folder, name, path))
        yield from read_content(descriptor, status.st_size)


@contextlib.contextmanager
def raising_changed_if_missing(path: str) -> t.Iterator[None]:
    """Report a file or folder that was removed or replaced after it was listed as changed."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise changed(path) from error
    except OSError as error:
        raise system_error(error, path) from error


def changed(path: str) -> CorruptArchive:
    return CorruptArchive(f"{path} changed while it was read")
