# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What other runs have to do with a store: what the living need, and what the dead have left. Nothing is written to learn it."""

from __future__ import annotations

import contextlib
import os
import stat
import typing as t

from ..files import reporting
from ..oci.digest import Digest
from . import locks, partials

if t.TYPE_CHECKING:
    from .store import Store


class Company(t.NamedTuple):
    """`needed` is what live leases list. `abandoned` are the files of dead runs with their sizes, which the next writer clears away; `unfinished` are those of
    blobs that no live run needs, which it keeps for a run that goes on with them.
    """

    needed: frozenset[Digest]
    abandoned: t.Mapping[str, int]
    unfinished: t.Mapping[str, int]


def company_of(store: Store) -> Company:
    """Raises LockTimeout where another run is changing the store for longer than its `lock_timeout`."""
    with locks.watching(store.private("lock"), store.lock_timeout):
        live, dead = locks.seen_leases(store.private("leases"))
        paths = dead + locks.abandoned(store.private("tmp"), live)
        needed: frozenset[Digest] = frozenset().union(*live.values())
        waiting = partials.paths_but_of(store.private(partials.FOLDER), needed)
        return Company(needed, _with_sizes(paths), _with_sizes(waiting))


def _with_sizes(paths: t.Iterable[str]) -> dict[str, int]:
    return {path: size_below(path) for path in sorted(paths)}


def size_below(path: str) -> int:
    """The bytes of the regular files at PATH or below it. A link has none, wherever it leads."""
    if os.path.islink(path) or not os.path.isdir(path):
        return _size(path)
    return sum(_size(os.path.join(folder, name)) for folder, _folders, names in os.walk(path) for name in names)


def _size(path: str) -> int:
    with reporting(path), contextlib.suppress(FileNotFoundError):
        status = os.lstat(path)
        return status.st_size if stat.S_ISREG(status.st_mode) else 0
    return 0
