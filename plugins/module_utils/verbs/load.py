# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan a load: archive -> store."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ..archive.graphs import check_layers
from ..archive.reader import Archive
from ..archive.referrers import referrers_in_archive
from ..errors import CorruptArchive, ImageNotFound, InvalidOption, NameTaken, PlatformMissing
from ..oci.digest import Digest
from ..oci.document_reader import Read, bound_reads
from ..oci.graph import Graph, choose_all, choose_platforms, read_graph
from ..oci.manifest import Descriptor
from ..oci.matching import check_single_platform
from ..oci.platform import Platform, Selection
from ..oci.reference import Reference
from ..oci.referrers import FoundReferrers, LayoutReferrers, find_referrers
from ..places.archive.catalog import ArchiveCatalog, NamedArchiveImage
from ..places.facts import describe_record, describe_transfer, image_facts, ref_state, short_digest
from ..places.platforms import is_damaged, merge_with_store, platforms_to_record
from ..places.referrer_plan import ReferrerPlan
from ..places.store.referrers import plan_for_store
from ..places.verification import Verification, check_names
from ..transfer.plan import ImagePlan, RefChange, RefState, TransferPlan
from ..transfer.transfer import Transfer

if t.TYPE_CHECKING:
    from ..oci.referrers import ReferrerPlace
    from ..store.index import Entry
    from ..store.store import Store
    from ..trust.policy import TrustPolicy

OVERWRITE, KEEP, FAIL = "overwrite", "keep", "fail"


@dataclasses.dataclass(frozen=True)
class _LoadedVerdict:
    """The verdict about an image, and whether it needed the signatures that the store keeps, because those in the archive were not enough."""

    verification: Verification
    in_store: bool


@dataclasses.dataclass(frozen=True)
class _ImageToLoad:
    """The selected part of an image in the archive, its new names, and the image as the store has it afterwards.

    With `keeps_tags` the store's signatures of the image stay, because it was accepted by them.
    """

    graph: Graph
    names: tuple[Reference, ...]
    after: Graph  # GRAPH with the platforms that are in the store already
    is_damaged: bool
    keeps_tags: bool

    @property
    def state(self) -> RefState:
        """Return what its names point at afterwards."""
        return RefState(self.graph.root.digest, tuple(self.after.platforms))


@dataclasses.dataclass(frozen=True)
class LoadOptions:
    """What to load, under which names. `names` and `selection` are None for all; `renames` are old and new names.

    If `trust` refuses an image, nothing is loaded; an image is verified by its name in the archive, and by the name that it gets. With `referrers`,
    signatures and other referrers are loaded with their images, without it they stay in the archive.
    """

    host: Platform
    names: t.Sequence[Reference | Digest] | None = None
    renames: t.Sequence[tuple[Reference | Digest, Reference]] = ()
    existing: str = OVERWRITE
    selection: Selection | None = None
    referrers: bool = True
    trust: TrustPolicy | None = None


def plan_load(store: Store, archive: Archive, options: LoadOptions) -> TransferPlan:
    """Plan to load images of ARCHIVE into STORE: all of them or none.

    Raises ImageNotFound for a name that the archive doesn't hold and for a missing base, CorruptArchive for missing content, PlatformMissing, NameTaken,
    TrustRefusal, and DigestMismatch for a blob that is known to be wrong.
    """
    return _Loader(store, archive, options).plan()


@dataclasses.dataclass(frozen=True)
class _Loader:
    store: Store
    archive: Archive
    options: LoadOptions

    def plan(self) -> TransferPlan:
        self.store.reload()
        read = bound_reads(self._read, self.archive.path)
        catalog = ArchiveCatalog(self.archive, read)
        candidates = choose_images(catalog, self.options.names, self._referrer_place)
        graphs: dict[Digest, Graph] = {}
        for candidate in candidates:
            if candidate.digest not in graphs:
                graphs[candidate.digest] = self._read_graph(candidate, read)
        names = rename_images(catalog, self.options.renames, candidates)
        verdicts = {candidate: self._verify(candidate, names[candidate], graphs[candidate.digest]) for candidate in candidates}
        self._check_layers(candidates, graphs)
        by_store = {candidate.digest for candidate, verdict in verdicts.items() if verdict.in_store}
        images = [self._image_to_load(graph, _names_of(digest, names), digest in by_store) for digest, graph in graphs.items()]
        self._reject_shared_names(images)
        rows = [row for image in images for row in self._plan_image(image)]
        labels = {candidate: str(name or candidate.digest) for candidate, name in names.items()}
        verified = {labels[candidate]: verdict.verification for candidate, verdict in verdicts.items()}
        rows = [dataclasses.replace(row, results={**row.results, "verification": verified[row.requested]}) for row in rows]
        order = list(dict.fromkeys(labels.values()))
        positions = {label: position for position, label in enumerate(order)}
        return TransferPlan(sorted(rows, key=lambda row: positions[row.requested]), all_or_nothing=True)

    # The images to load.

    @functools.cached_property
    def _referrer_place(self) -> LayoutReferrers:
        return referrers_in_archive(self.archive)

    def _find_referrers(self, image: _ImageToLoad) -> FoundReferrers:
        """Return the referrers of an image in the archive. Raises CorruptArchive and ImageNotFound for missing content."""
        if not self.options.referrers or not self._referrer_place.subjects:
            return FoundReferrers()
        found = find_referrers(self._referrer_place, image.graph.document_digests)
        for referrer in found.referrers:
            self._check_blobs(referrer.graph, f"{self.archive.path}: {referrer.name or referrer.digest}")
        return found

    def _read_graph(self, candidate: NamedArchiveImage, read: Read) -> Graph:
        label, selection = f"{self.archive.path}: {candidate.label}", self.options.selection
        choice = choose_platforms(selection) if selection is not None and not selection.everything else choose_all
        graph = read_graph(candidate.root, label, read, choice)
        if graph is None:
            raise self._missing_content(label, [candidate.root])
        if graph.absent and selection is not None:
            raise PlatformMissing(f"{label} is in the archive without {', '.join(str(child.platform or child.digest) for child in graph.absent[:5])}")
        if not graph.images:
            raise self._missing_content(label, list(graph.absent))
        self._check_blobs(graph, label)
        if selection is not None and not graph.root.is_index:
            check_single_platform(graph.images[0].platform, selection, label)
        return graph

    def _check_blobs(self, graph: Graph, label: str) -> None:
        """Raise an error if a blob of GRAPH is neither in the archive nor in the store, or is known to be wrong."""
        missing = [blob for blob in graph.blobs if not self.archive.has_blob(blob.digest) and not self.store.has_blob(blob)]
        missing += [child for child in graph.absent if child.digest in self.archive.base_digests]
        if missing:
            raise self._missing_content(label, missing)
        for blob in graph.blobs:
            if not self.store.has_blob(blob):
                self.archive.check_blob(blob)

    def _verify(self, candidate: NamedArchiveImage, new_name: Reference | None, graph: Graph) -> _LoadedVerdict:
        """Verify an image by its name in the archive and by its new one, with the signatures in the archive, or with those that the store keeps.

        Raises what `check_names` raises.
        """
        in_store = False

        def list_places(name: Reference | None) -> t.Iterator[ReferrerPlace]:
            nonlocal in_store
            from ..store.referrers import referrers_in_store

            yield self._referrer_place.of_name(name)
            in_store = True
            yield referrers_in_store(self.store).of_name(name)

        verification = check_names(self.options.trust, (candidate.name,), new_name, graph, list_places)
        return _LoadedVerdict(verification, in_store)

    def _check_layers(self, candidates: t.Sequence[NamedArchiveImage], graphs: t.Mapping[Digest, Graph]) -> None:
        """Raise UnsupportedFormat for too many layers: each name of an image is planned with all of them."""
        counts = {digest: sum(len(image.manifest.layers) for image in graph.images) for digest, graph in graphs.items()}
        check_layers(sum(counts[candidate.digest] for candidate in candidates), self.archive.path)

    def _read(self, descriptor: Descriptor) -> bytes | None:
        return self.archive.read_document(descriptor) or self.store.read_document(descriptor)

    def _missing_content(self, label: str, missing: t.Sequence[Descriptor]) -> CorruptArchive | ImageNotFound:
        """Return the error for MISSING content. An archive records only digests of its base, so the message can't give the base's path."""
        digests = ", ".join(str(descriptor.digest) for descriptor in missing[:10]) + (" and more" if len(missing) > 10 else "")
        if any(descriptor.digest in self.archive.base_digests for descriptor in missing):
            advice = "first load the archive that was given as base when this one was saved"
            return ImageNotFound(f"{label} is a delta, and content of its base is missing in {self.store.path}: {digests}; {advice}")
        return CorruptArchive(f"{label} is incomplete: the archive is missing {digests}")

    # Names.

    def _reject_shared_names(self, images: t.Sequence[_ImageToLoad]) -> None:
        digests: dict[Reference, Digest] = {}
        for image in images:
            for name in image.names:
                if name.digest is not None and name.digest != image.graph.root.digest:
                    raise CorruptArchive(f"{self.archive.path} has the name {name} for an image with another digest, {image.graph.root.digest}")
                if digests.setdefault(name, image.graph.root.digest) != image.graph.root.digest:
                    raise InvalidOption(f"{name} would be the name of two images; give them different ones with rename")

    # The plan.

    def _plan_image(self, image: _ImageToLoad) -> list[ImagePlan]:
        """Return a row for each name of an image, or one for an image without a name."""
        named = {name: self.store.index.get_named(name) for name in image.names}
        new_names = tuple(name for name, before in named.items() if not self._is_kept(name, before, image.graph))
        is_loaded = bool(new_names) or not named
        of_image = tuple(blob for blob in image.graph.blobs if not self.store.has_blob(blob)) if is_loaded else ()
        unnamed = next(iter(self.store.index.find_by_digest(image.graph.root.digest)), None)
        before = [named[name] for name in new_names] if named else [unnamed]
        referrers = self._plan_referrers(image, new_names) if is_loaded else ReferrerPlan()
        added = tuple(blob for blob in referrers.missing_blobs(image.graph.blobs) if not self.store.has_blob(blob))
        moves = (*of_image, *added)
        transfer = Transfer(
            self.archive,
            self.store,
            image.graph,
            new_names,
            platforms_to_record(image.graph, self.options.selection),
            moves=moves,
            reused=(*image.graph.blobs_without(moves), *referrers.blobs_without((*image.graph.blobs, *moves))),
            pending=referrers.is_changed or any(self._list_actions(image, "", entry, "load") for entry in before),
            free=self.options.existing in (KEEP, FAIL),
            referrers=referrers.missing,
        )
        rows = (
            [self._plan_unnamed(image, unnamed, transfer)]
            if not named
            else [
                self._plan_name(image, name, entry, transfer) if name in new_names or entry is None else self._plan_kept(name, entry)
                for name, entry in named.items()
            ]
        )
        return [self._with_referrers(row, referrers, row is next((row for row in rows if row.transfer is not None), None), added) for row in rows]

    def _plan_referrers(self, image: _ImageToLoad, names: tuple[Reference, ...]) -> ReferrerPlan:
        return plan_for_store(self.store, self._find_referrers(image), names, keep=image.keeps_tags or self.options.existing in (KEEP, FAIL))

    def _with_referrers(self, row: ImagePlan, referrers: ReferrerPlan, is_first: bool, added: t.Sequence[Descriptor]) -> ImagePlan:
        """Return ROW with the referrers of its image. Only the first row of an image has their changes."""
        results = {**row.results, "referrers": list(referrers.rows) if row.transfer is not None else []}
        if not is_first:
            return dataclasses.replace(row, results=results)
        return dataclasses.replace(
            row,
            results=results,
            changes=(*row.changes, *referrers.changes),
            actions=(*row.actions, *referrers.actions("load", row.requested, added)),
            warnings=(*row.warnings, *referrers.warnings),
        )

    def _is_kept(self, name: Reference, before: Entry | None, graph: Graph) -> bool:
        """Return whether a name stays at another image. Raises NameTaken if the task forbids that."""
        if before is None or before.digest == graph.root.digest or self.options.existing == OVERWRITE:
            return False
        if self.options.existing == FAIL:
            raise NameTaken(
                f"{name} is in {self.store.path} already, for another image; set existing to overwrite to move it, or to keep to leave it"
            )
        return True

    def _plan_name(self, image: _ImageToLoad, name: Reference, before: Entry | None, transfer: Transfer) -> ImagePlan:
        was, will_be = ref_state(self.store, before), image.state
        replaced = f", in place of {short_digest(was.digest)}" if was is not None and was.digest != will_be.digest else ""
        action = f"load {name} ({short_digest(will_be.digest)}){replaced}: {self._describe_missing(image.graph)}"
        return ImagePlan(
            requested=str(name),
            image=image_facts(str(name), image.after, self.options.selection, self.options.host),
            changes=(RefChange(str(name), was, will_be),),
            actions=self._list_actions(image, str(name), before, action),
            transfer=transfer,
            results={"previous_digest": str(was.digest) if was is not None else None, "kept": False},
        )

    def _list_actions(self, image: _ImageToLoad, label: str, before: Entry | None, action: str) -> tuple[str, ...]:
        """Return ACTION if the image or its name changes, else the action that only records platforms, or none."""
        if image.is_damaged or ref_state(self.store, before) != image.state:
            return (action,)
        return describe_record(label, before, image.graph, platforms_to_record(image.graph, self.options.selection))

    def _plan_unnamed(self, image: _ImageToLoad, before: Entry | None, transfer: Transfer) -> ImagePlan:
        digest = image.graph.root.digest
        was, will_be = ref_state(self.store, before), image.state
        return ImagePlan(
            requested=str(digest),
            image=image_facts(None, image.after, self.options.selection, self.options.host),
            changes=(RefChange(str(digest), was, will_be),),
            actions=self._list_actions(image, str(digest), before, f"load the unnamed image {digest}: {self._describe_missing(image.graph)}"),
            transfer=transfer,
            results={"previous_digest": None, "kept": False},
        )

    def _plan_kept(self, name: Reference, before: Entry) -> ImagePlan:
        state = ref_state(self.store, before)
        graph = self.store.read_graph(before)
        return ImagePlan(
            requested=str(name),
            image=image_facts(str(name), graph, None, self.options.host) if graph is not None else None,
            changes=(RefChange(str(name), state, state),),
            results={"previous_digest": str(before.digest), "kept": True},
        )

    def _image_to_load(self, graph: Graph, names: tuple[Reference, ...], keeps_tags: bool) -> _ImageToLoad:
        after = merge_with_store(self.store, graph, self._read)
        return _ImageToLoad(graph=graph, names=names, after=after, is_damaged=is_damaged(self.store, graph), keeps_tags=keeps_tags)

    def _describe_missing(self, graph: Graph) -> str:
        return describe_transfer([blob for blob in graph.blobs if not self.store.has_blob(blob)])


def choose_images(catalog: ArchiveCatalog, names: t.Sequence[Reference | Digest] | None, place: LayoutReferrers) -> list[NamedArchiveImage]:
    """Return the images to load, in the order of NAMES, else all that are no referrers in PLACE, in the order of the archive. Raises ImageNotFound."""
    if not catalog.entries:
        raise ImageNotFound(f"{catalog.place} is an archive without any image")
    if names is None:
        return catalog.without_referrers(place)
    return list(dict.fromkeys(image for name in names for image in catalog.require(name)))


def rename_images(
    catalog: ArchiveCatalog, renames: t.Sequence[tuple[Reference | Digest, Reference]], candidates: t.Sequence[NamedArchiveImage]
) -> dict[NamedArchiveImage, Reference | None]:
    """Return the new name of each image. A key of `rename` is one name, or a digest or ID, which renames every name of that image."""
    chosen = set(candidates)
    renamed: dict[NamedArchiveImage, Reference] = {}
    for key, new in renames:
        found = [image for image in catalog.select(key) if image in chosen]
        if not found:
            raise ImageNotFound(f"rename: {key} is not in {catalog.place}")
        for candidate in found:
            if renamed.setdefault(candidate, new) != new:
                raise InvalidOption(f"rename gives {candidate.label} two new names, {renamed[candidate]} and {new}")
    return {candidate: renamed.get(candidate, candidate.name) for candidate in candidates}


def _names_of(digest: Digest, names: t.Mapping[NamedArchiveImage, Reference | None]) -> tuple[Reference, ...]:
    return tuple(dict.fromkeys(name for candidate, name in names.items() if candidate.digest == digest and name is not None))
