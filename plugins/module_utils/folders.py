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
# O_NONBLOCK: never wait for a FIFO. O_NOCTTY: a terminal never becomes the controlling terminal of this process.
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
# The folders above need only search permission; only Linux has a flag that requires no more.
_TRAVERSE_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_LINKS = 40  # the limit of the kernel for one path
MAX_DEPTH = 200  # of nested folders: each level uses a descriptor, and a hostile tree could be endless
_NOT_A_FOLDER = (errno.ENOTDIR, errno.ELOOP, errno.EMLINK)
_NOT_A_FILE = (errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.ENODEV, errno.EISDIR)


class Folder:
    """An open folder. Names are single entries: an empty name, `.`, `..` and a name with a slash raise ValueError. Links are not followed.

    All methods raise OSError from the system, and `open_file` and `walk` also InputOutputError. `path` is for messages only: another folder might have
    that path by now.
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
        # Threads may share a folder, so it is closed when the last reference disappears.
        with contextlib.suppress(AttributeError, OSError, TypeError):
            self.close()

    def path_of(self, name: str) -> str:
        """Return the path of an entry, for messages."""
        return os.path.join(self.path, name)

    def own_status(self) -> os.stat_result:
        """Return the status of the folder itself."""
        return os.fstat(self.descriptor)

    def status(self, name: str) -> os.stat_result | None:
        """Return the status of an entry (for a link, of the link itself), or None if there is no such entry."""
        try:
            return os.stat(_check_name(name), dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def is_readable(self, name: str) -> bool:
        """Return True if this user may read an entry. Unlike the other methods, this follows a link."""
        return os.access(_check_name(name), os.R_OK, dir_fd=self.descriptor)

    def list_names(self) -> list[str]:
        """Return the names of all entries in arbitrary order."""
        return os.listdir(self.descriptor)

    def file_statuses(self, depth: int = MAX_DEPTH) -> t.Iterator[os.stat_result]:
        """Yield the status of every entry below this folder except folders. Folders that are unreadable or nested too deeply count as empty."""
        for name in self.list_names():
            status = self.status(name)
            if status is not None and not stat.S_ISDIR(status.st_mode):
                yield status
            elif status is not None and depth:
                with contextlib.suppress(OSError), self.open_folder(name) as folder:
                    yield from folder.file_statuses(depth - 1)

    def open_folder(self, name: str, flags: int = OPEN_FOLDER) -> Folder:
        """Open a subfolder. Raises NotADirectoryError for anything else, including links to folders."""
        try:
            return Folder(os.open(_check_name(name), flags, dir_fd=self.descriptor), self.path_of(name))
        except OSError as error:
            if error.errno in _NOT_A_FOLDER:
                raise NotADirectoryError(errno.ENOTDIR, "not a folder", self.path_of(name)) from error
            raise

    def reopen_for_listing(self) -> Folder:
        """Open the same folder again, so that it can be listed and synced."""
        return Folder(os.open(".", OPEN_FOLDER, dir_fd=self.descriptor), self.path)

    @contextlib.contextmanager
    def parent_of(self, path: str) -> t.Iterator[tuple[Folder, str]]:
        """Open the parent folder of the relative PATH, and yield it with the name of the entry. No link on the path is followed."""
        *folders, name = path.split("/")
        with contextlib.ExitStack() as stack:
            folder = self
            for part in folders:
                folder = stack.enter_context(folder.open_folder(part))
            yield folder, name

    def make_folder(self, name: str, mode: int, owner: os.stat_result | None = None) -> Folder:
        """Open a subfolder, and create it if it is missing.

        Only a new subfolder gets MODE, regardless of the umask, and the user and group of OWNER if the system allows it.
        """
        try:
            os.mkdir(_check_name(name), 0o700, dir_fd=self.descriptor)
        except FileExistsError:
            return self.open_folder(name)
        folder = self.open_folder(name)
        try:
            if self._is_new(folder):
                os.fchmod(folder.descriptor, mode)
                set_owner(folder.descriptor, owner)
        except BaseException:
            folder.close()
            raise
        return folder

    def _is_new(self, folder: Folder) -> bool:
        """Return False if a subfolder may not be the one that this run has just created.

        A user who can write to this folder could have replaced it with another folder of ours that has content.
        """
        own = self.own_status()
        if folder.own_status().st_uid != os.geteuid():
            return False
        is_protected = own.st_uid in (0, os.geteuid()) and not own.st_mode & 0o022
        return is_protected or not folder.list_names()

    def open_file(self, name: str, flags: int = _OPEN_FILE) -> int:
        """Open a regular file and return its descriptor. Raises InputOutputError for anything else, without waiting for a FIFO."""
        try:
            descriptor = os.open(_check_name(name), flags | _OPEN_FILE, dir_fd=self.descriptor)
        except OSError as error:
            if error.errno in _NOT_A_FILE:
                raise InputOutputError(f"{self.path_of(name)}: not a regular file") from error
            raise
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise InputOutputError(f"{self.path_of(name)}: not a regular file")
        return descriptor

    def create_file(self, name: str, mode: int = 0o600, flags: int = os.O_WRONLY) -> int:
        """Create a new file and return its descriptor. Raises FileExistsError if an entry with this name exists."""
        descriptor = os.open(_check_name(name), flags | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=self.descriptor)
        try:
            os.fchmod(descriptor, mode)
        except BaseException:
            os.close(descriptor)
            with contextlib.suppress(OSError):
                self.unlink(name)
            raise
        return descriptor

    def rename(self, name: str, folder: Folder, new_name: str) -> None:
        """Rename an entry to NEW_NAME in FOLDER, and replace a file of that name."""
        os.rename(_check_name(name), _check_name(new_name), src_dir_fd=self.descriptor, dst_dir_fd=folder.descriptor)

    def unlink(self, name: str) -> None:
        """Delete an entry that is not a folder (for a link, the link itself). A missing entry is no error."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_check_name(name), dir_fd=self.descriptor)

    def remove_tree(self, name: str, owner: int | None = None, depth: int = MAX_DEPTH) -> None:
        """Delete an entry, including its content if it is a folder. Links are deleted and never followed. A missing entry is no error.

        With OWNER, raises PermissionError for a folder with content that belongs to another user: another user could have moved it
        here to make us delete files that they may not delete. Raises OSError for folders that are nested too deeply.
        """
        try:
            self.unlink(name)
            return
        except (IsADirectoryError, PermissionError):  # POSIX allows either error for a folder
            status = self.status(name)
            if status is None or not stat.S_ISDIR(status.st_mode):
                raise
        with self.open_folder(name) as folder:
            names = folder.list_names()
            if names and owner not in (None, folder.own_status().st_uid):
                raise PermissionError(errno.EPERM, "the folder belongs to another user and isn't emptied", folder.path)
            if names and not depth:
                raise OSError(errno.ELOOP, "folders are nested too deeply", folder.path)
            for inner in names:
                folder.remove_tree(inner, owner, depth - 1)
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(_check_name(name), dir_fd=self.descriptor)

    def sync(self) -> None:
        """Make the names in the folder durable."""
        os.fsync(self.descriptor)

    def walk(self, depth: int = MAX_DEPTH) -> t.Iterator[tuple[Folder, str, os.stat_result]]:
        """Yield all entries below this folder, each with its folder and its status. Links are yielded and never followed.

        The folder stays open until the next entry is requested. Raises InputOutputError for folders nested deeper than DEPTH, because each level
        uses a descriptor.
        """
        for name in self.list_names():
            status = self.status(name)
            if status is None:
                continue
            yield self, name, status
            if stat.S_ISDIR(status.st_mode):
                if not depth:
                    raise InputOutputError(f"{self.path_of(name)} has more than {MAX_DEPTH} folders above it")
                with self.open_folder(name) as folder:
                    yield from folder.walk(depth - 1)


def _check_name(name: str) -> str:
    """Return NAME. Raises ValueError if it is not the name of a single entry."""
    if name in ("", ".", "..") or "/" in name:
        raise ValueError(f"{name!r} is not the name of an entry")
    return name


def set_owner(descriptor: int, owner: os.stat_result | None) -> None:
    """Give an open file or folder the user and group of OWNER as far as the system allows it: only root can change the user, others can change the group.

    The mode is kept. Use this only for files that this run has created, never for files of other users.
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
        os.fchmod(descriptor, stat.S_IMODE(own.st_mode))  # the kernel clears the setuid and setgid bits when the owner changes


def refuse_planted_link(folder: Folder, file: os.stat_result, path: str) -> None:
    """Raise InputOutputError for a hard link that another user may have created in a folder to make root read a private file.

    Linux forbids such links unless fs.protected_hardlinks is switched off.
    """
    if file.st_nlink < 2 or file.st_mode & stat.S_IROTH:
        return
    own = folder.own_status()
    if file.st_uid != own.st_uid or (file.st_uid == 0 and own.st_mode & (stat.S_IWGRP | stat.S_IWOTH)):
        raise InputOutputError(f"{path} is a hard link to a private file of uid {file.st_uid}, which another user may have planted; it is not read")


def may_be_planted(file: os.stat_result, folder: os.stat_result) -> bool:
    """Return whether another user may have put FILE into FOLDER to attack us.

    In a folder like /tmp any user can create the file and change it later. Members of a group that share a folder trust each other,
    unless the folder is sticky.
    """
    if file.st_uid in (0, os.geteuid(), folder.st_uid):
        return False
    return bool(folder.st_mode & stat.S_IWOTH or (folder.st_mode & stat.S_IWGRP and folder.st_mode & stat.S_ISVTX))


def open_path(path: str) -> Folder:
    """Open the folder PATH, component by component. A link on the path, or at its end, is followed only if root or the running user owns it.

    So links of an administrator, such as /srv, work. A link of another user in a shared folder raises InputOutputError.
    Raises OSError if a component is missing or is not a folder.
    """
    parent, name = open_parent(path)
    with parent:
        folder = parent.open_folder(name) if name else parent.reopen_for_listing()
    folder.path = os.path.abspath(path)
    return folder


def open_parent(path: str) -> tuple[Folder, str]:
    """Open the folder that contains the entry PATH, and return it with the name of the entry. Links are followed as in `open_path`, also at PATH itself.

    The entry may be missing, and other users may replace it at any time, so open it without following links. The folder can be searched; call
    `reopen_for_listing` for a folder that can be listed and synced. The name is empty if PATH is the root folder, or a link to `.` or `..`: then PATH is
    the returned folder itself. Raises OSError if a component before the last one is missing or is not a folder.
    """
    folder = Folder(os.open("/", _TRAVERSE_FOLDER), "/")
    remaining = [name for name in os.path.abspath(path).split("/") if name][::-1]
    links = 0
    try:
        while remaining:
            name = remaining.pop()
            if not remaining and name != ".." and not _is_link(folder, name):
                return folder, name
            try:
                next_folder = _open_next(folder, name)
            except NotADirectoryError:
                links += 1
                target = _read_trusted_link(folder, name, links)
                remaining += [part for part in target.split("/") if part not in ("", ".")][::-1]
                if not target.startswith("/"):
                    continue
                next_folder = Folder(os.open("/", _TRAVERSE_FOLDER), "/")
            folder.close()
            folder = next_folder
        return folder, ""
    except BaseException:
        folder.close()
        raise


def _is_link(folder: Folder, name: str) -> bool:
    status = folder.status(name)
    return status is not None and stat.S_ISLNK(status.st_mode)


def _open_next(folder: Folder, name: str) -> Folder:
    """Open the next folder of a path. NAME is `..` only in the target of a link, because `abspath` removes it from other paths."""
    if name == "..":
        return Folder(os.open("..", _TRAVERSE_FOLDER, dir_fd=folder.descriptor), os.path.dirname(folder.path))
    return folder.open_folder(name, _TRAVERSE_FOLDER)


def _read_trusted_link(folder: Folder, name: str, links: int) -> str:
    """Return the target of a link. Raises InputOutputError if another user owns it, NotADirectoryError if it is not a link."""
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
    """Return the status of an entry, and its target if it is a link, else an empty text.

    Both belong to the same entry: another user could replace the entry between two calls by name.
    """
    if not hasattr(os, "O_PATH"):  # outside Linux a short race remains
        status = os.stat(name, dir_fd=folder.descriptor, follow_symlinks=False)
        return status, os.readlink(name, dir_fd=folder.descriptor) if stat.S_ISLNK(status.st_mode) else ""
    descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder.descriptor)
    try:
        status = os.fstat(descriptor)
        return status, os.readlink("", dir_fd=descriptor) if stat.S_ISLNK(status.st_mode) else ""
    finally:
        os.close(descriptor)


def make_path(path: str, mode: int, parent_mode: int = 0o755) -> Folder:
    """Open the folder PATH like `open_path`, and create it with MODE and its missing parents with PARENT_MODE. Existing folders keep their modes.

    Raises InputOutputError, or DiskFull, that names the folder.
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
