# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An auth file that logins are added to or removed from, beside those of docker, podman and other runs."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import stat
import typing as t

from ..atomic_files import FileTarget
from ..errors import InputOutputError
from ..files import find_nearest_ancestor, naming_path_in_errors, require_writable, wait_for_lock
from ..folders import make_path
from ..limits import MAX_CONFIG_FILE
from ..oci.document import Document, encode_readable
from ..registry.auth.auth_files import replace_entries
from ..registry.auth.credentials import parse_auth_file
from ..registry.auth.login_scope import LoginScope
from ..transfer.plan import Outcome, Step
from ..transfer.workers import Workers

_LOCK_SECONDS = 30.0
_PRIVATE = 0o600
_PRIVATE_FOLDER = 0o700


@dataclasses.dataclass(frozen=True)
class AuthFile:
    """An auth file as it is now. `mode` has its permissions, None if it doesn't exist."""

    path: str
    document: Document
    mode: int | None

    @property
    def private_mode(self) -> int:
        """The permissions for the new file: those of the existing one if nobody but its owner has any."""
        return self.mode if self.mode is not None and not self.mode & 0o077 else _PRIVATE

    def require_writable(self) -> None:
        """Raise InputOutputError if this user can't replace or create the file, so that check mode fails like the real run."""
        folder = find_nearest_ancestor(os.path.dirname(os.path.abspath(self.path)))
        if not os.path.isdir(folder):
            raise InputOutputError(f"{self.path} can't be written: {folder} is not a folder")
        if self.mode is None:
            require_writable(folder, f"{self.path} can't be written")
        else:
            with FileTarget(self.path) as target:
                target.require_writable()


def open_auth_file(path: str) -> AuthFile:
    """Read an auth file in order to change it; a missing or empty one has no logins.

    Raises UnsupportedFormat for a malformed file, and InputOutputError for one that another user planted: that user could read or redirect the logins.
    """
    if not os.path.isdir(os.path.dirname(os.path.abspath(path))):
        return AuthFile(path, Document({}, path), None)
    with FileTarget(path) as target:
        stranger = target.find_stranger()
        if stranger is not None:
            raise InputOutputError(
                f"{path} belongs to another user (uid {stranger}) in a folder that others may write to, and is not used; remove it"
            )
        status = target.status()
        return AuthFile(path, parse_auth_file(_read(target), path), stat.S_IMODE(status.st_mode) if status is not None else None)


def _read(target: FileTarget) -> bytes:
    """Return the content of a file, at most one byte more than is allowed; nothing for a missing one."""
    if target.status() is None:
        return b""
    with naming_path_in_errors(target.path), os.fdopen(target.open(), "rb") as file:
        return file.read(MAX_CONFIG_FILE + 1)


@dataclasses.dataclass(frozen=True)
class ReplaceEntries(Step):
    """Replace the entries for a scope in an auth file. The file is read again, because others may have changed it since the plan was made."""

    path: str
    scope: LoginScope
    entries: t.Mapping[str, t.Any] = dataclasses.field(repr=False)
    mode: int

    def apply(self, unused_workers: Workers) -> Outcome:
        make_path(os.path.dirname(os.path.abspath(self.path)), _PRIVATE_FOLDER).close()
        with FileTarget(self.path) as target, _locked(target):
            before = _read(target)
            members = replace_entries(parse_auth_file(before, self.path), self.scope, self.entries)
            with target.create_replacement(self.mode) as file:
                file.write(encode_readable(members, before))
                file.publish()
        return Outcome()


@contextlib.contextmanager
def _locked(target: FileTarget) -> t.Iterator[None]:
    """Lock the folder of a file against other runs of this collection, such as those for many hosts that are delegated to one.

    docker and podman lock nothing, so a file system that can't lock a folder, such as NFS, is no reason to fail. Raises LockTimeout.
    """
    with naming_path_in_errors(target.path):
        folder = target.folder.reopen_for_listing()
    with folder:
        with contextlib.suppress(OSError, InputOutputError):
            wait_for_lock(folder.descriptor, target.path, _LOCK_SECONDS, advice="wait for that run to end")
        yield
