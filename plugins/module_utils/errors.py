# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tree of exceptions. Each class is a cause that a user can act on. Its message is one sentence for the user."""

from __future__ import annotations

import errno
import os
import sys
import typing as t

from .oci.text import format_size, sanitise_message

FULL_DISK = (errno.ENOSPC, errno.EDQUOT)


class LongshoreError(Exception):
    """A failure that is reported to the user. Playbooks may test `cause`, which is stable. The message may change.

    Any text can stand in a message: it is shortened, and loses characters that control a terminal or mislead a reader.
    `retry_after` is the delay in seconds that a registry asked for, if any. `after_redirect` is true if the request failed at another host, to which
    the registry had redirected it.
    """

    cause = "error"
    retry_after: float | None = None
    after_redirect: bool = False

    def __init__(self, message: str, status: int | None = None, registry_errors: t.Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.registry_errors = tuple(registry_errors)

    def __str__(self) -> str:
        return self.message

    @property
    def message(self) -> str:
        return self._message

    @message.setter
    def message(self, text: str) -> None:
        self._message = sanitise_message(text)


class InvalidReference(LongshoreError):
    cause = "invalid_reference"


class InvalidOption(LongshoreError):
    cause = "invalid_option"


class ImageNotFound(LongshoreError):
    cause = "not_found"


class Denied(LongshoreError):
    cause = "denied"


class RateLimited(LongshoreError):
    cause = "rate_limited"


class Unreachable(LongshoreError):
    cause = "unreachable"


class RegistryError(LongshoreError):
    """The registry answered with something that the distribution specification doesn't allow, or reported a failure."""

    cause = "registry_error"


class PlatformMissing(LongshoreError):
    cause = "platform_missing"


class UnsupportedFormat(LongshoreError):
    """A document, layer or folder in an unsupported or invalid format."""

    cause = "unsupported_format"


class CorruptArchive(LongshoreError):
    cause = "corrupt_archive"


class StoreDamaged(LongshoreError):
    cause = "store_damaged"


class StoreIncomplete(StoreDamaged):
    """An image can't get a name because some of its content is not in the store."""


class LockTimeout(LongshoreError):
    cause = "lock_timeout"


class DiskFull(LongshoreError):
    """A file system has no space left, or the user's quota is used up. `code` is the system's number for that."""

    cause = "disk_full"
    code = errno.ENOSPC

    def at(self, path: str, needed: int) -> DiskFull:
        """Return the error for PATH in place of a temporary file, with the NEEDED bytes, which are not stored, and those that are free."""
        sizes = [f"{format_size(needed)} more is needed"] if needed else []
        if self.code == errno.ENOSPC:  # of a quota, the file system doesn't say how much is left
            sizes += _describe_free_space(path)
        error = DiskFull(f"{path}: {os.strerror(self.code)}" + (f"; {', and '.join(sizes)}" if sizes else ""))
        error.code = self.code
        return error


class InputOutputError(LongshoreError):
    cause = "io_error"


class InUse(LongshoreError):
    """An object can't be removed because something else still needs it."""

    cause = "in_use"


class NameTaken(LongshoreError):
    """A name belongs to another image, and the task doesn't allow moving it."""

    cause = "name_taken"


class TooManyRemovals(LongshoreError):
    """A retention policy would remove more than the task allows."""

    cause = "too_many_removals"


class PlanOutdated(LongshoreError):
    """A place changed after the plan was made, so the plan is not applied there."""

    cause = "plan_outdated"


class NotLocked(LongshoreError):
    """The lock file doesn't contain the name, or has another digest for it."""

    cause = "not_locked"


class TrustRefusal(LongshoreError):
    """The trust policy refuses an image. `verification` is the verdict that the image's row has."""

    def __init__(
        self, message: str, status: int | None = None, registry_errors: t.Sequence[str] = (), *, verification: t.Mapping[str, t.Any]
    ) -> None:
        super().__init__(message, status, registry_errors)
        self.verification = verification


class Unsigned(TrustRefusal):
    """An image has no signature, and the trust policy requires one."""

    cause = "unsigned"


class Untrusted(TrustRefusal):
    """No signature of an image satisfies the trust policy, or a rule rejects the image."""

    cause = "untrusted"


class InvalidTrust(LongshoreError):
    """A rule, a key, a policy or a trusted root can't be used."""

    cause = "invalid_trust"


class EngineError(LongshoreError):
    """An engine is absent, stopped, denies access to this user, refuses a request, or closed the connection."""

    cause = "engine_error"


class EngineRefused(EngineError):
    """An engine answered with an error."""


class HostError(LongshoreError):
    """A managed host gave the controller an answer that none of our modules gives."""

    cause = "host_error"


class MissingLibrary(LongshoreError):
    cause = "missing_library"


class UnsupportedAnsible(LongshoreError):
    cause = "unsupported_ansible"


def missing_library(library: str, package: str, reason: ImportError) -> MissingLibrary:
    """Return the error for a library that this Python can't import. It names host and interpreter, because a host may have several."""
    where = f"on {os.uname().nodename} for {sys.executable or 'its Python'} ({str(reason)[:200]})"
    return MissingLibrary(
        f"the Python library {library} is missing {where}; install the package {package}, or {library.split()[0]} by pip for this Python"
    )


def system_error(error: OSError, path: str | os.PathLike[str] | None = None) -> LongshoreError:
    """Return the LongshoreError for an error of the operating system, with its path and the system's message."""
    place = os.fspath(path) if path is not None else error.filename
    words = error.strerror or str(error)
    message = f"{place}: {words}" if place else words
    if error.errno not in FULL_DISK:
        return InputOutputError(message)
    full = DiskFull(message)
    full.code = error.errno
    return full


def _describe_free_space(path: str) -> list[str]:
    """Return how much is free on the file system of PATH, which may be missing: one sentence, or none if the system doesn't say."""
    while not os.path.lexists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    try:
        state = os.statvfs(path)
    except OSError:
        return []
    free = "no inode" if state.f_files and not state.f_favail else format_size(state.f_bavail * state.f_frsize)
    return [f"{free} is free on its file system"]
