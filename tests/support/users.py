# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Another user of the host: run modules as that user, and let that user change files while root works. Only root can use this."""

from __future__ import annotations

import codecs
import contextlib
import ctypes
import errno
import hashlib
import importlib
import itertools
import json
import os
import pkgutil
import signal
import stat
import sys
import tempfile
import time
import typing as t
from pathlib import Path

from ansible_collections.longshore.images.plugins import module_utils

from . import modules
from .faults import end_of, in_child, start_child

OTHER_USER = 54321

_RENAME_EXCHANGE = 2  # of linux/fs.h
_AT_FDCWD = -100


def become(user: int = OTHER_USER) -> None:
    """Give this process to another user, for good."""
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)


def give(path: Path, user: int = OTHER_USER) -> Path:
    """Give a file, a folder or a link to another user."""
    os.lchown(path, user, user)
    return path


def run_module_as(user: int, name: str, options: t.Mapping[str, t.Any]) -> modules.Results:
    """Run a module as another user, and return its results, failed or not.

    It runs in a forked child, since that user may have no access to the interpreter's own folder.
    """
    module = importlib.import_module(f"{modules.PACKAGE}.{name}")
    for found in pkgutil.walk_packages(module_utils.__path__, f"{module_utils.__name__}."):
        importlib.import_module(found.name)
    for encoding in ("ascii", "latin-1", "utf-8", "idna"):
        codecs.lookup(encoding)
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as output:
        given.write(json.dumps({"ANSIBLE_MODULE_ARGS": {**options, "_ansible_diff": True}}).encode())
        given.seek(0)

        def run() -> None:
            os.chdir("/")
            os.environ.update(HOME="/nonexistent")
            sys.argv = [name]
            sys.stdin = os.fdopen(given.fileno(), closefd=False)
            sys.stdout = os.fdopen(output.fileno(), "w", closefd=False)
            become(user)
            with contextlib.suppress(SystemExit):
                module.main()
            sys.stdout.flush()

        assert in_child(run) == 0
        output.seek(0)
        results: modules.Results = json.loads(output.read())
    results.pop("invocation", None)
    return results


@contextlib.contextmanager
def exchanging(path: Path, link: Path, user: int = OTHER_USER) -> t.Iterator[None]:
    """While the context lasts, another user keeps exchanging an entry and a LINK beside it, and creates the link again when it is deleted."""
    library = ctypes.CDLL(None, use_errno=True)
    target = os.readlink(link)

    def exchange() -> None:
        become(user)
        names = os.fsencode(path), os.fsencode(link)
        while True:
            if library.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE):
                if ctypes.get_errno() != errno.ENOENT:
                    raise OSError(ctypes.get_errno(), "the entries can't be exchanged")
                missing = link if os.path.lexists(path) else path
                with contextlib.suppress(FileExistsError):
                    missing.symlink_to(target)

    child = start_child(exchange)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        assert end_of(child) == -signal.SIGKILL


def attempts(successes: t.Sized | None = None, seconds: float = 1.5) -> t.Iterator[int]:
    """Count attempts for some SECONDS, and for at most 20 while there are no SUCCESSES: the order of two processes is a matter of luck."""
    start = time.monotonic()
    for attempt in itertools.count():
        passed = time.monotonic() - start
        if passed > 20 or (passed > seconds and (successes is None or len(successes))):
            return
        yield attempt


Fingerprint = dict[str, tuple[t.Any, ...]]


def fingerprint(folder: Path) -> Fingerprint:
    """Return everything that can change in a folder: kinds, modes, owners, link counts, times, content."""
    found: Fingerprint = {}
    for path in [folder, *folder.rglob("*")]:
        status = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(status.st_mode) else ""
        found[str(path)] = (status.st_mode, status.st_uid, status.st_gid, status.st_nlink, status.st_size, status.st_mtime_ns, content)
    return found
