# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Detect tags at registries that point at new digests, for the event source tag_moved."""

from __future__ import annotations

import os
import random
import typing as t

from ..module_utils.errors import ImageNotFound, InvalidOption, LongshoreError, system_error
from ..module_utils.files import read_bounded
from ..module_utils.limits import MAX_LOCK_FILE
from ..module_utils.oci.lockfile import LockFile
from ..module_utils.oci.reference import Reference
from ..module_utils.task.arguments import REGISTRY
from ..module_utils.task.registry_task import RegistryTask
from ..module_utils.task.secrets import redact
from ..module_utils.verbs.info_remote import resolve_digest
from .registry_options import read_registry_options

OWN_OPTIONS = ("name", "interval", "lock_file")
MIN_INTERVAL, DEFAULT_INTERVAL = 1.0, 300.0
# The share of the interval by which each pause varies at random, so that many watchers don't send requests at the same time.
JITTER = 0.1

Event = dict[str, t.Any]


class TagWatch:
    """The tags to watch, and the digest that each had at the last poll; None if the registry didn't have it.

    The constructor raises a LongshoreError for options that can't be used, and for a lock file that can't be read. A tag of the lock file is compared
    with its locked digest at first; the first answer for any other tag is not an event.
    """

    def __init__(self, options: t.Mapping[str, t.Any]) -> None:
        unknown = sorted(set(options) - set(REGISTRY.options) - set(OWN_OPTIONS))
        if unknown:
            raise InvalidOption(f"{', '.join(unknown)}: the event source tag_moved has no such option")
        self._registry_options = read_registry_options(options)
        self._interval = _read_interval(options.get("interval", DEFAULT_INTERVAL))
        self._last: dict[Reference, str | None] = {}
        self._names = [Reference.parse(str(name)) for name in _read_names(options.get("name"))]
        if options.get("lock_file") is not None:
            self._read_lock_file(str(options["lock_file"]))
        if not self._names:
            raise InvalidOption("name or lock_file is required, and names the images to watch")
        pinned = [str(name) for name in self._names if name.digest is not None]
        if pinned:
            raise InvalidOption(f"{pinned[0]} has a digest, which never moves; name a tag")
        self._open().close()

    def _open(self) -> RegistryTask:
        """Return a task with the settings of all registries. It sends no request yet."""
        task = RegistryTask(self._registry_options, check_mode=True)
        task.open_registries(self._names)
        return task

    def _read_lock_file(self, path: str) -> None:
        """Watch all names of the lock file. If there are names in the options, watch only these, and compare them with the lock file."""
        try:
            lock = LockFile.parse(read_bounded(os.path.expanduser(path), MAX_LOCK_FILE), path)
        except OSError as error:
            raise system_error(error, path) from error
        if not self._names:
            self._names = [image.name for image in lock.images if image.name.digest is None]
        for name in self._names:
            locked = lock.find(name)
            if locked is not None:
                self._last[name] = str(locked.digest)

    def pause(self) -> float:
        """Return the seconds until the next poll."""
        return self._interval * random.uniform(1 - JITTER, 1 + JITTER)

    def poll(self) -> tuple[list[Event], list[str]]:
        """Send one HEAD request for each tag. Return an event for each tag that has moved, and a sentence for each request that failed."""
        task = self._open()
        try:
            with task.workers:
                answers = task.workers.map(lambda name: _ask(task, name), self._names)
        finally:
            task.close()
        events = [event for name, answer in zip(self._names, answers) if (event := self._compare(name, answer)) is not None]
        problems = [f"{name}: {answer.message}" for name, answer in zip(self._names, answers) if isinstance(answer, LongshoreError)]
        return events, [redact(problem, task.secrets()) for problem in problems]

    def _compare(self, name: Reference, answer: str | LongshoreError | None) -> Event | None:
        if isinstance(answer, LongshoreError):
            return None
        is_first, previous = name not in self._last, self._last.get(name)
        self._last[name] = answer
        if is_first or answer == previous:
            return None
        return {"name": str(name), "digest": answer, "previous_digest": previous, "pinned": f"{name}@{answer}" if answer is not None else None}


def _ask(task: RegistryTask, name: Reference) -> str | LongshoreError | None:
    """Return the digest of a tag, None if the registry doesn't have the tag, or the error."""
    try:
        return str(resolve_digest(name, task.repository).digest)
    except ImageNotFound:
        return None
    except LongshoreError as error:
        return error


def _read_names(value: object) -> list[t.Any]:
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        raise InvalidOption("name has to be a list of image names")
    return value


def _read_interval(value: object) -> float:
    try:
        seconds = float(t.cast(t.Any, value))
    except (TypeError, ValueError):
        seconds = 0.0
    if not MIN_INTERVAL <= seconds <= 7 * 86400:
        raise InvalidOption(f"interval is {value}, and has to be a number of seconds from 1 to 604800")
    return seconds
