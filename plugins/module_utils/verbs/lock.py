# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan a lock: names at registries -> the lock file."""

from __future__ import annotations

import dataclasses
import os
import typing as t

from ..atomic_files import FileTarget, replace_file
from ..errors import ImageNotFound, InputOutputError, InvalidOption, LongshoreError, TrustRefusal, UnsupportedFormat
from ..files import naming_path_in_errors
from ..limits import MAX_LOCK_FILE
from ..oci.digest import Digest
from ..oci.graph import choose_platforms, read_graph
from ..oci.lockfile import LockedImage, LockFile
from ..oci.matching import check_single_platform, reject_conflicting_references
from ..oci.platform import Platform, Selection
from ..oci.reference import Reference
from ..places.facts import preferred, short_digest
from ..places.verification import Verification, check_everything
from ..transfer.plan import ImageFacts, ImagePlan, Outcome, Plan, RefState, Step
from ..transfer.workers import Workers

if t.TYPE_CHECKING:
    from ..registry.repository import Repository
    from ..trust.policy import TrustPolicy
    from .lock_changes import TagChanges


@dataclasses.dataclass(frozen=True)
class _LockedName:
    """One name: its image in the lock file before and after, and its `current` digest at the registry, None without a request or if the tag is unlocked."""

    reference: Reference
    was: LockedImage | None
    locked: LockedImage | None
    current: Digest | None = None
    endpoint: str | None = None
    warning: str | None = None
    error: LongshoreError | None = None
    verification: Verification = None
    changes: TagChanges | None = None

    @property
    def moved(self) -> tuple[Digest, Digest] | None:
        """Return the digest that a tag was locked to before this run, and the one that it points at now; None if it hasn't moved."""
        if self.was is None or self.current is None or self.reference.digest is not None or self.was.digest == self.current:
            return None
        return self.was.digest, self.current

    @property
    def drift(self) -> dict[str, t.Any] | None:
        """Return the drift of a tag that points at another digest than the locked one, or that is unlocked; None without drift."""
        if self.locked is None or self.endpoint is None or self.reference.digest is not None or self.current == self.locked.digest:
            return None
        current = str(self.current) if self.current is not None else None
        changes = self.changes.facts() if self.changes is not None else {}
        return {"name": str(self.reference.name), "locked_digest": str(self.locked.digest), "current_digest": current, **changes}

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return the warning about the platform, and one about drift: a play that locks what it has just pushed would otherwise use older bytes."""
        own: tuple[str, ...] = (self.warning,) if self.warning else ()
        if self.changes is not None and self.changes.error is not None:
            own += (f"the packages of {self.reference.name} can't be compared: {self.changes.error.message}",)
        if self.locked is None or self.drift is None:
            return own
        now = f"points at {short_digest(self.current)} now" if self.current is not None else "no longer exists at its registry"
        if self.changes is not None and self.changes.summary is not None:
            now += f" ({self.changes.summary})"
        remedy = "set update to lock the new digest" if self.current is not None else "lock another name"
        stays = f"{self.reference.name} stays locked to {short_digest(self.locked.digest)}, but {now}; {remedy}"
        return (*own, stays)


def plan_lock(
    path: str,
    references: t.Sequence[Reference],
    *,
    repository: t.Callable[[Reference], Repository],
    selection: Selection,
    host: Platform,
    update: bool,
    now: str,
    mode: int,
    workers: Workers,
    trust: TrustPolicy | None = None,
    show_changes: bool = False,
) -> LockPlan:
    """Plan a lock file at PATH of these names and no others. If one of them can't be resolved the file stays unchanged.

    Names of images that TRUST refuses are errors too. With SHOW_CHANGES the packages of tags that have moved are compared.
    `now` is recorded with names that get another digest; a new file gets MODE.
    Raises UnsupportedFormat for a file that is no lock file, InvalidOption for one name with two digests and for a file that would be too long.
    """
    locker = _Locker(
        path=path, repository=repository, selection=selection, host=host, update=update, now=now, mode=mode, trust=trust, show_changes=show_changes
    )
    return locker.plan(references, workers)


@dataclasses.dataclass(frozen=True)
class _Locker:
    """The options of one lock, as `plan_lock` documents them."""

    path: str
    repository: t.Callable[[Reference], Repository]
    selection: Selection
    host: Platform
    update: bool
    now: str
    mode: int
    trust: TrustPolicy | None = None
    show_changes: bool = False

    def plan(self, references: t.Sequence[Reference], workers: Workers) -> LockPlan:
        unique = list(dict.fromkeys(references))
        reject_conflicting_references(unique)
        before = read_lock_file(self.path)
        findings = workers.map(lambda reference: self._resolve_or_error(reference, before), unique)
        if any(finding.error is not None for finding in findings):
            return LockPlan(
                [self._row(dataclasses.replace(finding, locked=finding.was)) for finding in findings],
                {"path": self.path},
                lock_before=before,
                lock_after=before,
            )
        after = LockFile.of([finding.locked for finding in findings if finding.locked is not None], self.selection)
        if after != before and len(after.to_bytes()) > MAX_LOCK_FILE:
            raise InvalidOption(
                f"{self.path} would be longer than the {MAX_LOCK_FILE} bytes that a lock file may have; lock the images in several files"
            )
        rows = [self._row(finding) for finding in findings]
        drift = [finding.drift for finding in findings if finding.drift is not None]
        return LockPlan(
            rows,
            {"path": self.path, "drift": drift, "lock": after.to_dict(times=False)},
            steps=[_WriteLockFile(self.path, after, self.mode)] if after != before else [],
            extra_actions=_extra_actions(self.path, before, after, rows),
            lock_before=before,
            lock_after=after,
            changes={str(finding.reference.name): finding.changes for finding in findings if finding.changes is not None},
        )

    # Resolving names.

    def _resolve_or_error(self, reference: Reference, before: LockFile | None) -> _LockedName:
        was = before.find(reference) if before is not None else None
        same_platforms = before is not None and before.platform == LockFile.of((), self.selection).platform
        try:
            finding = self._resolve(reference, was, same_platforms)
            verification = self._verify(reference, finding.locked) if finding.locked is not None else None
            finding = dataclasses.replace(finding, warning=self._warning(reference, finding.locked), verification=verification)
            return dataclasses.replace(finding, changes=self._read_changes(finding))
        except LongshoreError as error:
            return _LockedName(reference, was, None, error=error)

    def _resolve(self, reference: Reference, was: LockedImage | None, same_platforms: bool) -> _LockedName:
        """Return the image to lock for a name. A locked digest stays, unless the task gives another one, or updates and the tag has moved.

        A name with the digest that is locked already needs no request.
        """
        if was is not None and reference.digest == was.digest and same_platforms:
            return _LockedName(reference, was, was)
        repository = self.repository(reference)
        if was is None or reference.digest is not None:
            locked = self._read(reference, was, repository)
            return _LockedName(reference, was, locked, locked.digest, repository.answered_by)
        found = repository.probe(reference)
        if found is None and self.update:
            raise ImageNotFound(f"{reference}: {reference.registry} doesn't have it any more; it is locked to {was.digest}", status=404)
        current = found.digest if found is not None else None
        wanted = current if self.update and current is not None else was.digest
        unchanged = wanted == was.digest and same_platforms
        locked = was if unchanged else self._read(dataclasses.replace(reference, digest=wanted), was, repository)
        return _LockedName(reference, was, locked, current, repository.answered_by)

    def _read(self, reference: Reference, was: LockedImage | None, repository: Repository) -> LockedImage:
        """Return the image at the registry. A name that keeps its digest keeps the time at which that was resolved."""
        root = repository.fetch_manifest(reference)
        graph = read_graph(root, str(reference), repository.read_document, choose_platforms(self.selection))
        if graph is None:
            raise UnsupportedFormat(f"{reference} is empty")
        resolved_at = was.resolved_at if was is not None and was.digest == root.digest else self.now
        return LockedImage.of_graph(reference.name, graph, resolved_at)

    def _verify(self, reference: Reference, locked: LockedImage) -> Verification:
        """Verify everything that the locked digest can give, at its registry, also if the digest doesn't change: hosts of any platform pull by it.

        Raises what `check_trust` raises.
        """
        if self.trust is None:
            return None
        from ..registry.referrers import RepositoryReferrers

        repository = self.repository(reference)
        root = repository.fetch_manifest(dataclasses.replace(reference, digest=locked.digest))
        try:
            return check_everything(self.trust, reference, root, repository.read_document, [RepositoryReferrers(repository)])
        except TrustRefusal as error:
            if root.is_index:
                error.message += f"; a lock pins everything in the index {root.digest}, so the index or each image in it has to be accepted"
            raise

    def _read_changes(self, finding: _LockedName) -> TagChanges | None:
        if not self.show_changes or finding.moved is None:
            return None
        from .lock_changes import read_tag_changes

        return read_tag_changes(self.repository(finding.reference), finding.reference, *finding.moved, self.selection)

    def _warning(self, reference: Reference, locked: LockedImage | None) -> str | None:
        """Return a warning if the image is for another platform than the requested one, which an image that was locked earlier may be."""
        if locked is None or locked.is_index or not locked.platforms:
            return None
        return check_single_platform(locked.platforms[0].platform, self.selection, str(reference))

    # The plan.

    def _row(self, finding: _LockedName) -> ImagePlan:
        locked, was = finding.locked, finding.was
        name = str(finding.reference.name)
        if finding.error is not None or locked is None:
            return ImagePlan(name, error=finding.error)
        return ImagePlan(
            requested=name,
            image=self._facts(locked),
            actions=(_action(name, was, locked),) if locked != was else (),
            results={
                "previous_digest": str(was.digest) if was is not None else None,
                "current_digest": str(finding.current) if finding.current is not None else None,
                "endpoint": finding.endpoint,
                "verification": finding.verification,
            },
            warnings=finding.warnings,
        )

    def _facts(self, locked: LockedImage) -> ImageFacts:
        platform = preferred(locked.platforms, self.selection, self.host)
        return ImageFacts(
            name=str(locked.name),
            digest=locked.digest,
            image_id=platform.image_id if platform is not None else None,
            media_type=locked.media_type,
            platforms=tuple(str(item.platform) for item in locked.platforms),
            size=locked.size,
        )


@dataclasses.dataclass(frozen=True)
class _WriteLockFile(Step):
    path: str
    lock: LockFile
    mode: int

    def apply(self, unused_workers: Workers) -> Outcome:
        replace_file(self.path, self.lock.to_bytes(), self.mode)
        return Outcome()


@dataclasses.dataclass(frozen=True)
class LockPlan(Plan):
    """The plan of one lock file, from its content `lock_before` (None if there is no file) to `lock_after`. Spacing and order make no difference.

    `changes` has for each name whose tag has moved what changed in its image. Ansible shows the member `prepared` of a diff unchanged.
    """

    lock_before: LockFile | None = None
    lock_after: LockFile | None = None
    changes: t.Mapping[str, TagChanges] = dataclasses.field(default_factory=dict)

    def diff(self) -> dict[str, t.Any]:
        lines = [f"{name}: {changes.summary}\n" for name, changes in self.changes.items() if changes.summary is not None]
        shown = {"prepared": "".join(lines)} if lines else {}
        return {"before": _states(self.lock_before), "after": _states(self.lock_after), **shown}


def _extra_actions(path: str, before: LockFile | None, after: LockFile, rows: t.Sequence[ImagePlan]) -> tuple[str, ...]:
    """Return the changes that belong to no image: names that are no longer requested, or a file in which only the platforms change."""
    if before == after:
        return ()
    requested = {image.requested for image in rows}
    unlocked = tuple(f"unlock {name}: it is no longer requested" for name in _states(before) if name not in requested)
    return unlocked or (() if any(image.actions for image in rows) else (f"write {path}",))


def read_lock_file(path: str) -> LockFile | None:
    """Return the content of a host's lock file, None if there is none yet.

    Raises UnsupportedFormat for another file, InputOutputError if no lock file could be written or if another user may have planted the one that is there.
    """
    with FileTarget(path) as place:
        place.require_writable()
        owner = place.find_stranger()
        if owner is not None:
            # Another user could plant digests, and images would be pulled by them.
            raise InputOutputError(
                f"{path} belongs to another user (uid {owner}) in a folder that others may write to, and is not trusted; remove it"
            )
        if place.status() is None:
            return None
        with naming_path_in_errors(path), os.fdopen(place.open(), "rb") as file:
            data = file.read(MAX_LOCK_FILE + 1)
    try:
        return LockFile.parse(data, path)
    except UnsupportedFormat as error:
        raise UnsupportedFormat(f"{error.message}; the file was not changed; correct it, or remove it to lock all names again") from error


def _states(lock: LockFile | None) -> dict[str, t.Any]:
    """Return the names of a lock file as they appear in a diff."""
    images = lock.images if lock is not None else ()
    return {str(image.name): RefState(image.digest, tuple(str(item.platform) for item in image.platforms)).facts() for image in images}


def _action(name: str, was: LockedImage | None, locked: LockedImage) -> str:
    if was is None:
        return f"lock {name} to {short_digest(locked.digest)}"
    if was.digest != locked.digest:
        return f"lock {name} to {short_digest(locked.digest)} in place of {short_digest(was.digest)}"
    return f"lock {name} ({short_digest(locked.digest)}) for {', '.join(str(item.platform) for item in locked.platforms) or 'no platform'}"
