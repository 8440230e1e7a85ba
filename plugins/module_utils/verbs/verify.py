# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan to verify a store: every blob is read and hashed, and damage is reported and, if requested, repaired."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import DiskFull, ImageNotFound, InputOutputError, LockTimeout, LongshoreError, MissingLibrary, StoreDamaged
from ..oci.digest import Digest
from ..oci.manifest import Descriptor
from ..oci.platform import Platform
from ..oci.reference import Reference
from ..places.catalog import named_by
from ..places.facts import complete_graph, describe_transfer, format_count, ref_state, short_digest, stored_facts
from ..places.store.removal import RemoveFromStore
from ..store.blob_check import check_blob
from ..transfer.plan import ImagePlan, RefChange, RefState, TransferPlan
from ..transfer.workers import Workers
from .repair import plan_repair

if t.TYPE_CHECKING:
    from ..registry.repository import Repository
    from ..store.index import Entry
    from ..store.store import Store
    from ..transfer.transfer import Transfer

Selector = t.Union[Reference, Digest]


@dataclasses.dataclass(frozen=True)
class Problem:
    """A damaged blob, and the images that need it, by their names or digests."""

    descriptor: Descriptor
    path: str
    problem: str
    images: tuple[str, ...]

    def facts(self, repaired: bool) -> dict[str, t.Any]:
        return {
            "digest": str(self.descriptor.digest),
            "path": self.path,
            "problem": self.problem,
            "images": list(self.images),
            "repaired": repaired,
        }


@dataclasses.dataclass(frozen=True)
class VerificationPlan(TransferPlan):
    """The damage that was found, and its repair if that is requested. `strays` are damaged blobs that no image needs; a repair deletes them."""

    store: Store | None = None
    problems: tuple[Problem, ...] = ()
    strays: tuple[Digest, ...] = ()
    repairs: bool = False

    def error_of(self, image: ImagePlan) -> LongshoreError | None:
        failure = self.failures.get(image)
        return image.error if failure is None else _repair_error(image.requested, failure)

    @property
    def errors(self) -> list[LongshoreError]:
        errors = super().errors
        if self.strays and not self.repairs and not errors and self.store is not None:
            found = f"{self.store.path} has {format_count(len(self.strays), 'damaged blob')} that no image needs, {self.strays[0]} first"
            return [StoreDamaged(f"{found}; verify with repair to remove what is damaged, or prune the store")]
        return errors

    def facts(self) -> dict[str, t.Any]:
        repaired = {descriptor.digest for transfer in self.transfers for descriptor in transfer.graph.content}
        repaired.update(self.strays if self.repairs else ())
        return {**super().facts(), "problems": [problem.facts(problem.descriptor.digest in repaired) for problem in self.problems]}


@dataclasses.dataclass
class _Image:
    """An image with all its names that are verified, the content that it needs, and its repair."""

    entries: list[Entry] = dataclasses.field(default_factory=list)
    content: dict[Digest, Descriptor] = dataclasses.field(default_factory=dict)
    transfer: Transfer | None = None
    error: LongshoreError | None = None


def plan_verify(
    store: Store,
    selectors: t.Sequence[Selector] | None,
    *,
    host: Platform,
    workers: Workers,
    repository: t.Callable[[Reference], Repository] | None = None,
) -> VerificationPlan:
    """Read and hash the blobs of the selected images; without SELECTORS of all images, and the blobs that no image needs too.

    With `repository`, which opens a registry's repository, the plan repairs the damage.
    """
    return _StoreVerifier(store, host, repository).plan(selectors, workers)


@dataclasses.dataclass(frozen=True)
class _StoreVerifier:
    """The options of one verification, as `plan_verify` documents them."""

    store: Store
    host: Platform
    repository: t.Callable[[Reference], Repository] | None = None

    def plan(self, selectors: t.Sequence[Selector] | None, workers: Workers) -> VerificationPlan:
        entries, absent = find_entries(self.store, selectors)
        images = self._group_by_digest(entries)
        needs = {digest: descriptor.size for image in images.values() for digest, descriptor in image.content.items()}
        problems_by_digest = self._check_blobs(needs, workers)
        others = {digest: None for digest in self.store.stored() if digest not in needs} if selectors is None else {}
        stray_problems = self._check_blobs(others, workers)
        # An image that another run removed in the meantime is not damaged.
        present = {entry.digest for entry in self.store.reload().entries}
        images = {digest: image for digest, image in images.items() if digest in present}
        for image in images.values():
            self._plan_repair(image, problems_by_digest, workers)
        problems = list(self._problems(images.values(), problems_by_digest))
        claimed = {problem.descriptor.digest for problem in problems}
        strays = {digest: problem for digest, problem in stray_problems.items() if digest not in claimed and problem != "missing"}
        problems += [Problem(Descriptor("", digest, 0), self.store.blob_path(digest), problem, ()) for digest, problem in strays.items()]
        rows = [self._plan_row(entry, images[entry.digest]) for entry in entries if entry.digest in images]
        repairs = self.repository is not None
        removes_strays = repairs and bool(strays)
        return VerificationPlan(
            [*rows, *absent],
            steps=[RemoveFromStore(self.store, garbage=tuple(strays))] if removes_strays else [],
            extra_actions=(f"remove {format_count(len(strays), 'damaged blob')} that no image needs",) if removes_strays else (),
            store=self.store,
            problems=tuple(problems),
            strays=tuple(strays),
            repairs=repairs,
        )

    def _group_by_digest(self, entries: t.Sequence[Entry]) -> dict[Digest, _Image]:
        images: dict[Digest, _Image] = {}
        for entry in entries:
            image = images.setdefault(entry.digest, _Image())
            image.entries.append(entry)
            image.content.update((descriptor.digest, descriptor) for descriptor in self._list_content(entry))
        return images

    def _list_content(self, entry: Entry) -> list[Descriptor]:
        """Return all content that an entry needs, parents first, as far as they can be read."""
        graph, lost = self.store.inspect_graph(entry)
        if graph is None:
            return [entry.descriptor]
        return [*reversed(graph.content), *(lost if graph.images else graph.absent)]

    def _check_blobs(self, sizes: t.Mapping[Digest, int | None], workers: Workers) -> dict[Digest, str]:
        """Return the problem of each damaged blob. Several blobs are read at once."""
        digests = list(sizes)
        problems_by_digest = workers.map(lambda digest: check_blob(self.store, digest, sizes[digest]), digests)
        return {digest: problem for digest, problem in zip(digests, problems_by_digest) if problem is not None}

    def _plan_repair(self, image: _Image, problems_by_digest: dict[Digest, str], workers: Workers) -> None:
        """Set the repair of an image, or the error why there is none. Further damage that is found is added to PROBLEMS_BY_DIGEST."""
        damaged = [digest for digest in image.content if digest in problems_by_digest]
        if not damaged:
            return
        label = image.entries[0].label
        if self.repository is None:
            more = f", and {len(damaged) - 1} more" if len(damaged) > 1 else ""
            image.error = StoreDamaged(
                f"{label} is damaged in {self.store.path}: {damaged[0]} is {problems_by_digest[damaged[0]]}{more}; verify it with repair, or pull it again"
            )
            return
        try:
            image.transfer = plan_repair(self.store, image.entries, damaged, self.repository)
        except MissingLibrary:
            raise
        except LongshoreError as error:
            image.error = _repair_error(label, error)
            return
        found = {descriptor.digest: descriptor for descriptor in image.transfer.graph.content if descriptor.digest not in image.content}
        image.content.update(found)
        problems_by_digest.update(self._check_blobs({digest: descriptor.size for digest, descriptor in found.items()}, workers))

    def _problems(self, images: t.Iterable[_Image], problems_by_digest: t.Mapping[Digest, str]) -> t.Iterator[Problem]:
        needing: dict[Digest, list[str]] = {}
        descriptors: dict[Digest, Descriptor] = {}
        for image in images:
            for digest, descriptor in image.content.items():
                if digest in problems_by_digest:
                    descriptors.setdefault(digest, descriptor)
                    needing.setdefault(digest, []).extend(entry.label for entry in image.entries)
        for digest, labels in needing.items():
            yield Problem(descriptors[digest], self.store.blob_path(digest), problems_by_digest[digest], tuple(dict.fromkeys(labels)))

    def _plan_row(self, entry: Entry, image: _Image) -> ImagePlan:
        name = str(entry.name) if entry.name is not None else None
        was = ref_state(self.store, entry)
        graph = image.transfer.graph if image.transfer is not None else complete_graph(self.store, entry)
        will_be = RefState(entry.digest, tuple(graph.platforms)) if image.transfer is not None and graph is not None else was
        return ImagePlan(
            requested=entry.label,
            image=stored_facts(name, entry.descriptor, graph, None, self.host),
            changes=(RefChange(entry.label, was, will_be),),
            actions=self._actions(entry, image.transfer) if image.transfer is not None else (),
            transfer=image.transfer,
            error=image.error,
        )

    def _actions(self, entry: Entry, transfer: Transfer) -> tuple[str, ...]:
        lost = [document for document in transfer.graph.documents if self.store.read_document(document) is None]
        return (f"repair {entry.label} ({short_digest(entry.digest)}): {describe_transfer([*transfer.moves, *lost])}",)


def find_entries(store: Store, selectors: t.Sequence[Selector] | None) -> tuple[list[Entry], list[ImagePlan]]:
    """Return the selected entries, each once, without SELECTORS all; and a row with an error for each selector without an image."""
    if selectors is None:
        return list(store.index.entries), []
    found: list[Entry] = []
    absent: list[ImagePlan] = []
    for selector in selectors:
        entries = store.find_entries(selector)
        found += [entry for entry in entries if entry not in found]
        if not entries:
            absent.append(ImagePlan(str(selector), results=named_by(selector), error=ImageNotFound(f"{selector} is not in the store {store.path}")))
    return found, absent


def _repair_error(label: str, error: LongshoreError) -> LongshoreError:
    """Return the error of a failed repair: StoreDamaged, unless the cause is this host, such as a full disk."""
    if isinstance(error, (DiskFull, InputOutputError, LockTimeout, StoreDamaged)):
        return error
    return StoreDamaged(f"{label} was not repaired: {error.message}", error.status, error.registry_errors)
