# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fetch a file of a known size from a host that isn't trusted, for a file on the controller."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import typing as t

from ..module_utils.errors import DiskFull, HostError, InvalidOption
from ..module_utils.files import naming_path_in_errors
from ..module_utils.oci.text import format_size
from .local_tmp import LOCAL_TMP, make_private_folder

_SMALL_FILE = 16 * 1024 * 1024
# Options that Ansible's own code would apply to the file on the host.
_OPTIONS_OF_HOSTS = ("owner", "group", "seuser", "serole", "setype", "selevel", "attributes", "unsafe_writes")


def refuse_options_of_hosts(arguments: t.Mapping[str, t.Any]) -> None:
    """Raise InvalidOption for an option of a task with `path_on: controller` that applies to files of hosts only."""
    given = [option for option in _OPTIONS_OF_HOSTS if arguments.get(option) is not None]
    if given:
        raise InvalidOption(f"path_on 'controller' can't be used with {', '.join(given)}; only mode applies to a file on the controller")


@contextlib.contextmanager
def fetched_file(size: int, what: str, fetch: t.Callable[[str], None]) -> t.Iterator[int]:
    """Yield the descriptor of a file of SIZE bytes that FETCH writes to a given path. The caller closes it. WHAT names the file in messages.

    It is fetched into Ansible's private folder on the controller, because only a name can be given to a connection plugin, and other users may be able to
    put a link at a name in another folder. Raises HostError if the host sends another number of bytes, DiskFull, and the errors of FETCH.
    """
    with _private_folder() as folder:
        require_space(folder, size)
        temporary = os.path.join(folder, "file")
        with _limited_file_size(size):
            fetch(temporary)
        with naming_path_in_errors(temporary):
            descriptor = os.open(temporary, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        found = os.fstat(descriptor).st_size
        if found != size:
            os.close(descriptor)
            raise HostError(f"{what}: the host sent {found} bytes instead of {size} bytes")
        yield descriptor


@contextlib.contextmanager
def _private_folder() -> t.Iterator[str]:
    """Create a folder in the one that Ansible removes when it ends, and remove it at the end."""
    with naming_path_in_errors(LOCAL_TMP):
        folder = make_private_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def require_space(folder: str, size: int) -> None:
    """Raise DiskFull unless FOLDER has room for a file of SIZE bytes from the host."""
    with naming_path_in_errors(folder):
        state = os.statvfs(folder)
    free = state.f_bavail * state.f_frsize
    if free < size:
        raise DiskFull(f"the file needs {format_size(size)}, and {folder} on the controller has {format_size(free)} free")


@contextlib.contextmanager
def _limited_file_size(size: int) -> t.Iterator[None]:
    """Let the system refuse files that grow beyond SIZE, written by this process and by those that it starts, such as sftp.

    A host can send without end, and connection plugins write what they get. Small files may be larger, because ssh writes into known_hosts.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    limits = [max(size, _SMALL_FILE), *(limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_FSIZE, (min(limits), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
