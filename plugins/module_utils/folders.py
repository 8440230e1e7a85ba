# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Open folders: every operation names one entry of a folder that is held open, so nobody can redirect it by replacing a folder on the path with a link."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import typing as t

from .errors import InputOutputError, system_error

OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# So that a FIFO is never waited for, and a terminal never becomes ours.
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
# On the way to a folder the permission to search is enough; only Linux has a flag that asks for no more.
_PASS_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_LINKS = 40  # as the kernel allows on one path
MAX_DEPTH = 200
_NOT_A_FOLDER = (errno.ENOTDIR, errno.ELOOP, errno.EMLINK)
_NOT_A_FILE = (errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.ENODEV, errno.EISDIR)
_MAX_DEPTH = 100  # of folders below each other: each holds a descriptor, and a hostile tree has no end


class Folder:
    """An open folder. Names are single entries: one that is empty, `.`, `..` or holds a slash is refused. No method follows a link.

    All methods raise OSError, as the system reports it; `path` is for messages only and may name another folder by now.
    """

    def __init__(self, descriptor: int, path: str) -> None:
        """Take over DESCRIPTOR; `close` closes it."""
        self.descriptor = descriptor
        self.path = path

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the folder. Calling it again does nothing."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        # Threads may share a folder, so the last one that lets go of it closes it.
        with contextlib.suppress(AttributeError, OSError, TypeError):
            self.close()

    def path_of(self, name: str) -> str:
        """Return the path of an entry, for messages."""
        return os.path.join(self.path, name)

    def own_status(self) -> os.stat_result:
        """Return the status of the folder itself."""
        return os.fstat(self.descriptor)

    def status(self, name: str) -> os.stat_result | None:
        """Return the status of an entry, of a link its own; None if there is no such entry."""
        try:
            return os.stat(_entry(name), dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def is_readable(self, name: str) -> bool:
        """Return True if this user may read an entry."""
        return os.access(_entry(name), os.R_OK, dir_fd=self.descriptor)

    def names(self) -> list[str]:
        """Return the names of all entries, in no order."""
        return os.listdir(self.descriptor)

    def file_statuses(self, depth: int = _MAX_DEPTH) -> t.Iterator[os.stat_result]:
        """Yield the status of everything below this folder that is no folder. Folders that can't be read, or lie too deep, count as empty."""
        for name in self.names():
            status = self.status(name)
            if status is not None and not stat.S_ISDIR(status.st_mode):
                yield status
            elif status is not None and depth:
                with contextlib.suppress(OSError), self.open_folder(name) as folder:
                    yield from folder.file_statuses(depth - 1)

    def open_folder(self, name: str, flags: int = OPEN_FOLDER) -> Folder:
        """Open a subfolder. Raises NotADirectoryError for anything else, links to folders included."""
        try:
            return Folder(os.open(_entry(name), flags, dir_fd=self.descriptor), self.path_of(name))
        except OSError as error:
            if error.errno in _NOT_A_FOLDER:
                raise NotADirectoryError(errno.ENOTDIR, "not a folder", self.path_of(name)) from error
            raise

    def listable(self) -> Folder:
        """Open the same folder again, so that it can be listed and synced."""
        return Folder(os.open(".", OPEN_FOLDER, dir_fd=self.descriptor), self.path)

    @contextlib.contextmanager
    def parent_of(self, path: str) -> t.Iterator[tuple[Folder, str]]:
        """Open the folder of an entry below this one, and yield it with the entry's name. PATH is relative; no link on it is followed."""
        *folders, name = path.split("/")
        with contextlib.ExitStack() as stack:
            folder = self
            for part in folders:
                folder = stack.enter_context(folder.open_folder(part))
            yield folder, name

    def make_folder(self, name: str, mode: int, owner: os.stat_result | None = None) -> Folder:
        """Open a subfolder, after making it if it is missing.

        Only a new one gets MODE, whatever the umask, and the user and group of OWNER if the system allows it.
        """
        try:
            os.mkdir(_entry(name), 0o700, dir_fd=self.descriptor)
        except FileExistsError:
            return self.open_folder(name)
        folder = self.open_folder(name)
        try:
            if self._has_just_made(folder):
                os.fchmod(folder.descriptor, mode)
                give_to(folder.descriptor, owner)
        except BaseException:
            folder.close()
            raise
        return folder

    def _has_just_made(self, folder: Folder) -> bool:
        """Return False if a subfolder may be another one than was just made: who may write here could have exchanged it for one of our own with content."""
        own = self.own_status()
        if folder.own_status().st_uid != os.geteuid():
            return False
        is_ours = own.st_uid in (0, os.geteuid()) and not own.st_mode & 0o022
        return is_ours or not folder.names()

    def open_file(self, name: str, flags: int = _OPEN_FILE) -> int:
        """Open a regular file and return its descriptor. Raises InputOutputError for anything else; a FIFO is never waited for."""
        try:
            descriptor = os.open(_entry(name), flags | _OPEN_FILE, dir_fd=self.descriptor)
        except OSError as error:
            if error.errno in _NOT_A_FILE:
                raise InputOutputError(f"{self.path_of(name)}: not a regular file") from error
            raise
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise InputOutputError(f"{self.path_of(name)}: not a regular file")
        return descriptor

    def create_file(self, name: str, mode: int = 0o600, flags: int = os.O_WRONLY) -> int:
        """Create a file that is new, and return its descriptor. Raises FileExistsError if there is any entry of this name."""
        descriptor = os.open(_entry(name), flags | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=self.descriptor)
        try:
            os.fchmod(descriptor, mode)
        except BaseException:
            os.close(descriptor)
            with contextlib.suppress(OSError):
                self.unlink(name)
            raise
        return descriptor

    def rename(self, name: str, folder: Folder, new_name: str) -> None:
        """Rename an entry to NEW_NAME in FOLDER, and replace the file that is there."""
        os.rename(_entry(name), _entry(new_name), src_dir_fd=self.descriptor, dst_dir_fd=folder.descriptor)

    def unlink(self, name: str) -> None:
        """Delete an entry that is no folder, of a link the link itself. A missing one is no error."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_entry(name), dir_fd=self.descriptor)

    def remove_tree(self, name: str, owner: int | None = None, depth: int = _MAX_DEPTH) -> None:
        """Delete an entry, and all below it if it is a folder. Links are deleted and never followed. A missing one is no error.

        With OWNER, raises PermissionError for a folder with content that belongs to another user: who may write to it could have moved it here, but
        might not be allowed to delete what is deeper inside. Raises OSError for folders that are nested too deeply.
        """
        try:
            self.unlink(name)
            return
        except (IsADirectoryError, PermissionError):  # POSIX names either for a folder
            status = self.status(name)
            if status is None or not stat.S_ISDIR(status.st_mode):
                raise
        with self.open_folder(name) as folder:
            names = folder.names()
            if names and owner not in (None, folder.own_status().st_uid):
                raise PermissionError(errno.EPERM, "the folder belongs to another user and isn't emptied", folder.path)
            if names and not depth:
                raise OSError(errno.ELOOP, "folders are nested too deeply", folder.path)
            for inner in names:
                folder.remove_tree(inner, owner, depth - 1)
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(_entry(name), dir_fd=self.descriptor)

    def sync(self) -> None:
        """Make the names in the folder durable."""
        os.fsync(self.descriptor)

    def walk(self, depth: int = MAX_DEPTH) -> t.Iterator[tuple[Folder, str, os.stat_result]]:
        """Yield all entries below this folder, each with the folder that it is in and its status. Links are yielded as they are and never followed.

        The folder is open until the next entry is asked for. Raises InputOutputError for folders nested deeper than DEPTH: each level costs a descriptor.
        """
        for name in self.names():
            status = self.status(name)
            if status is None:
                continue
            yield self, name, status
            if stat.S_ISDIR(status.st_mode):
                if not depth:
                    raise InputOutputError(f"{self.path_of(name)} has more than {MAX_DEPTH} folders above it")
                with self.open_folder(name) as folder:
                    yield from folder.walk(depth - 1)


def _entry(name: str) -> str:
    if name in ("", ".", "..") or "/" in name:
        raise ValueError(f"{name!r} is not the name of an entry")
    return name


def give_to(descriptor: int, owner: os.stat_result | None) -> None:
    """Give an open file or folder the user and group of OWNER as far as the system allows it: only root can give files away, others can change the group.

    The mode stays. It is for files that this run has made: other people's files are not ours to give away.
    """
    own = os.fstat(descriptor)
    if owner is None or (owner.st_uid, owner.st_gid) == (own.st_uid, own.st_gid):
        return
    try:
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
    except OSError:
        with contextlib.suppress(OSError):
            os.fchown(descriptor, -1, owner.st_gid)
    with contextlib.suppress(OSError):
        os.fchmod(descriptor, stat.S_IMODE(own.st_mode))  # a change of owner clears the special bits


def refuse_planted_link(folder: Folder, file: os.stat_result, path: str) -> None:
    """Raise InputOutputError for a hard link by which somebody else's private file may have been put into a folder.

    Linux forbids to make such links (fs.protected_hardlinks), unless that is switched off.
    """
    if file.st_nlink < 2 or file.st_mode & stat.S_IROTH:
        return
    own = folder.own_status()
    if file.st_uid != own.st_uid or (file.st_uid == 0 and own.st_mode & (stat.S_IWGRP | stat.S_IWOTH)):
        raise InputOutputError(f"{path} is a second name of a private file of another user (uid {file.st_uid}), and is not read")


def open_path(path: str) -> Folder:
    """Open the folder PATH, component by component. A link on the way, or at its end, is followed only if root or the running user owns it.

    So links that an administrator made, such as /srv, work, and links that another user planted in a shared folder are refused with InputOutputError.
    Raises OSError if a component is missing or no folder.
    """
    parent, name = open_parent(path)
    with parent:
        folder = parent.open_folder(name) if name else parent.listable()
    folder.path = os.path.abspath(path)
    return folder


def open_parent(path: str) -> tuple[Folder, str]:
    """Open the folder that holds the entry PATH, and return it with the entry's name. Links are followed as in `open_path`, one at PATH itself too.

    The entry may be missing, and others may replace it at any time: it has to be opened without following links. The folder can be searched; only
    `listable` makes one that can be listed and synced. The name is empty if PATH is the root folder, or a link to `.` or `..`: then it is the folder itself.
    Raises OSError if a component before the last one is missing or no folder.
    """
    folder = Folder(os.open("/", _PASS_FOLDER), "/")
    todo = [name for name in os.path.abspath(path).split("/") if name][::-1]
    links = 0
    try:
        while todo:
            name = todo.pop()
            if not todo and name != ".." and not _is_link(folder, name):
                return folder, name
            try:
                following = _enter(folder, name)
            except NotADirectoryError:
                links += 1
                target = _read_trusted_link(folder, name, links)
                todo += [part for part in target.split("/") if part not in ("", ".")][::-1]
                if not target.startswith("/"):
                    continue
                following = Folder(os.open("/", _PASS_FOLDER), "/")
            folder.close()
            folder = following
        return folder, ""
    except BaseException:
        folder.close()
        raise


def _is_link(folder: Folder, name: str) -> bool:
    status = folder.status(name)
    return status is not None and stat.S_ISLNK(status.st_mode)


def _enter(folder: Folder, name: str) -> Folder:
    """Open the next folder of a path, which only the target of a link can make the parent: `abspath` leaves no `..`."""
    if name == "..":
        return Folder(os.open("..", _PASS_FOLDER, dir_fd=folder.descriptor), os.path.dirname(folder.path))
    return folder.open_folder(name, _PASS_FOLDER)


def _read_trusted_link(folder: Folder, name: str, links: int) -> str:
    """Return the target of a link. Raises InputOutputError if another user owns it, NotADirectoryError if it is no link."""
    path = folder.path_of(name)
    if links > _MAX_LINKS:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    status, target = read_link(folder, name)
    if not stat.S_ISLNK(status.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
    if status.st_uid not in (0, os.geteuid()):
        raise InputOutputError(f"{path} is a link that belongs to another user (uid {status.st_uid}), and is not followed")
    return target


def read_link(folder: Folder, name: str) -> tuple[os.stat_result, str]:
    """Return the status of an entry and, if it is a link, its target, which is empty otherwise.

    Both are of the same entry, since it could be exchanged between two calls by name.
    """
    if not hasattr(os, "O_PATH"):  # outside Linux: narrow, but not closed
        status = os.stat(name, dir_fd=folder.descriptor, follow_symlinks=False)
        return status, os.readlink(name, dir_fd=folder.descriptor) if stat.S_ISLNK(status.st_mode) else ""
    descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder.descriptor)
    try:
        status = os.fstat(descriptor)
        return status, os.readlink("", dir_fd=descriptor) if stat.S_ISLNK(status.st_mode) else ""
    finally:
        os.close(descriptor)


def make_path(path: str, mode: int, parent_mode: int = 0o755) -> Folder:
    """Open the folder PATH as `open_path` does, after making it with MODE, and its missing parents with PARENT_MODE. Existing folders keep their modes.

    Raises InputOutputError, also as DiskFull, that names the folder.
    """
    path = os.path.abspath(path)
    try:
        return open_path(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise system_error(error, f"the folder {path} can't be opened") from error
    with make_path(os.path.dirname(path), parent_mode, parent_mode) as parent:
        try:
            return parent.make_folder(os.path.basename(path), mode)
        except OSError as error:
            raise system_error(error, f"the folder {path} can't be made") from error
