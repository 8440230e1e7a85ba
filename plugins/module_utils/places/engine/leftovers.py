# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Temporary names in an engine: how they are made, and which of them killed runs have left."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import re
import time
import typing as t
import uuid

from ...engine.interfaces import ManagedEngine
from ...oci.digest import Digest
from ...oci.reference import Reference
from ...transfer.plan import Outcome, Plan, Step
from ...transfer.workers import Workers

_REPOSITORY = Reference("longshore.invalid", "temporary")
_TAG = re.compile(r"[0-9a-f]{64}-(?P<host>[0-9a-f]{12})-(?P<pid>[1-9][0-9]{0,8})-(?P<started>[0-9]{1,20})-(?P<made>[0-9]{1,12})")
# A run can't see processes of other hosts. No run needs a temporary name for so long.
_MAX_AGE = 24 * 60 * 60

_Plan = t.TypeVar("_Plan", bound=Plan)


def make_temporary_name(digest: Digest) -> Reference:
    """Return a name for an image that this process needs for a while. It says who needs it, so that other runs know when nobody does."""
    pid = os.getpid()
    return _REPOSITORY.with_tag(f"{digest.hex[:64]}-{_host()}-{pid}-{_read_start(pid) or 0}-{time.time():.0f}")


def is_temporary(name: Reference | None) -> bool:
    return _read_owner(name) is not None


def is_leftover(name: Reference) -> bool:
    """Return whether NAME is the temporary name of a run that was killed. One of another host is, if it is a day old."""
    owner = _read_owner(name)
    if owner is None:
        return False
    if owner["host"] == _host():
        return not _is_running(int(owner["pid"]), owner["started"])
    return time.time() - int(owner["made"]) > _MAX_AGE


def _read_owner(name: Reference | None) -> re.Match[str] | None:
    if name is None or name.context != _REPOSITORY.context:
        return None
    return _TAG.fullmatch(name.tag or "")


def _host() -> str:
    """Return a text for the processes that this one can see: those of this boot of the host, in the same PID namespace."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            seen = f"{file.read()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        seen = str(uuid.uuid4())  # without /proc, only the age counts
    return hashlib.sha256(seen.encode()).hexdigest()[:12]


def _is_running(pid: int, started: str) -> bool:
    """Return whether the process PID runs that began at STARTED. A later process may have the same ID."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it runs as another user
    return _read_start(pid) in (None, started)


def _read_start(pid: int) -> str | None:
    """Return the start time of a process as the kernel writes it, None if it is hidden."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", "rb") as file:
        # The name of the program may contain spaces and parentheses.
        return file.read().rpartition(b")")[2].split()[19].decode("ascii")
    return None


def remove_leftovers(plan: _Plan, engine: ManagedEngine, names: t.Iterable[Reference]) -> _Plan:
    """Return PLAN with the removal of the temporary names that killed runs have left. NAMES are all names in ENGINE."""
    leftovers = sorted({name for name in names if is_leftover(name)}, key=str)
    if not leftovers:
        return plan
    actions = (f"remove {name} from {engine.title}, the temporary name of a run that was killed" for name in leftovers)
    steps = [*plan.steps, _RemoveNames(engine, leftovers)]
    return dataclasses.replace(plan, steps=steps, extra_actions=(*plan.extra_actions, *actions))


@dataclasses.dataclass(frozen=True)
class _RemoveNames(Step):
    """Remove names, and images with their last names. This is the last step, because the ones before may give an image a name again."""

    engine: ManagedEngine
    names: t.Sequence[Reference]

    def apply(self, unused_workers: Workers) -> Outcome:
        for name in self.names:
            self.engine.untag(str(name))
        return Outcome()
