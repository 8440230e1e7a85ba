# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Delete manifests only while the tags of their repository are those of the plan.

A registry deletes a manifest with every tag on it, and has no request that deletes it only if nothing changed. So the tags are checked before each
deletion.
"""

from __future__ import annotations

import threading
import typing as t
from time import monotonic

from ...errors import PlanOutdated
from ...oci.digest import Digest
from ...oci.reference import Reference
from ...oci.text import sanitise

if t.TYPE_CHECKING:
    from ...registry.repository import Repository

# Reading the digests of all tags before each deletion would take a request for each pair of a tag and a deletion.
RECHECK_SECONDS = 5.0


class TagGuard:
    """Deletes in one repository, one object after the other. TAGS has the digest of each listed tag, None for a tag whose manifest is missing.

    Before each deletion the names of all tags and the digests of the manifest's own tags are read again. The digests of all other tags are read again if
    that was longer ago than RECHECK_SECONDS, and than it took. So even in a large repository the checks at most double the time.
    UNKNOWN are listed names, usable or not, whose digests can't be read. `checked` is when the tags were read and how long that took, None if the first
    deletion must read them again.
    """

    def __init__(
        self,
        repository: Repository,
        tags: t.Mapping[Reference, Digest | None],
        unknown: t.Collection[str] = (),
        checked: tuple[float, float] | None = None,
    ) -> None:
        self._repository = repository
        self._context = Reference(repository.registry, repository.repository)
        self._tags = dict(tags)
        self._unknown = frozenset(unknown)
        self._checked = checked
        self._deleted: set[Reference] = set()
        self._has_deleted = False
        self._lock = threading.Lock()

    def delete_manifest(self, digest: Digest) -> None:
        """Delete a manifest with its tags. Raises PlanOutdated if a tag is new, is gone or has moved, and the errors of the registry."""
        from ...registry.deletion import delete_manifest

        with self._lock:
            changed = self._find_change(digest)
            if changed is not None:
                rest = "nothing more" if self._has_deleted else "nothing"
                raise PlanOutdated(f"{changed} changed after the plan was made; {rest} is removed from {self._context.context}: run again")
            delete_manifest(self._repository, digest)
            self._forget([name for name, tagged in self._tags.items() if tagged == digest])

    def delete_tag(self, reference: Reference) -> bool:
        """Delete only a tag. Return False if the registry can't do that."""
        from ...registry.deletion import delete_tag

        with self._lock:
            deleted = delete_tag(self._repository, reference)
            if deleted:
                self._forget([reference])
            return deleted

    def _forget(self, names: t.Iterable[Reference]) -> None:
        self._has_deleted = True
        for name in names:
            self._tags.pop(name, None)
            self._deleted.add(name)

    def _find_change(self, digest: Digest) -> str | None:
        """Return the name of a tag that isn't as in the plan. DIGEST is deleted next."""
        from ...registry.tags import TagList, read_tag_list

        listed = read_tag_list(self._repository) or TagList()
        # A registry may list a deleted tag a little longer.
        names = {name for name in listed.tags if name not in self._deleted or self._read_digest(name) is not None}
        found = {str(name.tag) for name in names} | set(listed.unusable)
        different = found ^ ({str(name.tag) for name in self._tags} | self._unknown)
        if different:
            return sanitise(f"{self._context.context}:{min(different)}")
        if self._is_check_due():
            return self._find_moved(list(self._tags))
        return self._find_moved([name for name, tagged in self._tags.items() if tagged == digest])

    def _is_check_due(self) -> bool:
        if self._checked is None:
            return True
        finished, duration = self._checked
        return monotonic() - finished >= max(RECHECK_SECONDS, duration)

    def _find_moved(self, names: t.Sequence[Reference]) -> str | None:
        """Return a tag of NAMES whose digest isn't that of the plan."""
        started = monotonic()
        for name in names:
            if self._read_digest(name) != self._tags[name]:
                return str(name)
        if len(names) == len(self._tags):
            finished = monotonic()
            self._checked = (finished, finished - started)
        return None

    def _read_digest(self, name: Reference) -> Digest | None:
        found = self._repository.probe(name)
        return found.digest if found is not None else None
