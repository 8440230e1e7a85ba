# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load images of an archive into a store: all of them or none."""

from __future__ import annotations

import dataclasses
import typing as t

from ...archive.graphs import check_layers
from ...archive.reader import Archive
from ...errors import CorruptArchive, ImageNotFound, InvalidOption, PlatformMissing
from ...oci.digest import Digest
from ...oci.graph import Graph, choose_all, choose_platforms, read_graph
from ...oci.manifest import Descriptor
from ...oci.matching import check_single_platform
from ...oci.reference import Reference
from ...oci.referrers import FoundReferrers, ReferrerPlace, find_referrers
from ...transfer.plan import ImagePlan, RefChange, RefState, TransferPlan
from ...transfer.transfer import Transfer
from ..archive.catalog import NamedArchiveImage
from ..existing import Existing
from ..facts import describe_record, describe_transfer, image_facts, ref_state, short_digest
from ..loading import ArchiveToLoad, ImageToLoad, LoadedVerdict
from ..platforms import is_damaged, merge_with_store, platforms_to_record
from ..referrer_plan import ReferrerPlan
from .referrers import plan_for_store

if t.TYPE_CHECKING:
    from ...store.index import Entry
    from ...store.store import Store


@dataclasses.dataclass(frozen=True)
class _StoredPart:
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


class StoreLoading:
    """A store that images of an archive are loaded into, with their referrers."""

    def __init__(self, store: Store) -> None:
        """Read the index of STORE again. Raises StoreDamaged."""
        self._store = store
        store.reload()

    @property
    def place(self) -> str:
        return self._store.path

    def read_document(self, descriptor: Descriptor) -> bytes | None:
        return self._store.read_document(descriptor)

    def signatures_of(self, name: Reference | None) -> t.Sequence[ReferrerPlace]:
        from ...store.referrers import referrers_in_store

        return [referrers_in_store(self._store).of_name(name)]

    def plan(self, images: t.Sequence[ImageToLoad], archive: ArchiveToLoad) -> TransferPlan:
        return _Loader(self._store, archive).plan(images)


@dataclasses.dataclass(frozen=True)
class _Loader:
    store: Store
    request: ArchiveToLoad

    @property
    def archive(self) -> Archive:
        return self.request.archive

    @property
    def moves_names(self) -> bool:
        return self.request.existing is Existing.OVERWRITE

    def plan(self, images: t.Sequence[ImageToLoad]) -> TransferPlan:
        graphs: dict[Digest, Graph] = {}
        for image in images:
            if image.archived.digest not in graphs:
                graphs[image.archived.digest] = self._read_graph(image.archived)
        verdicts = {image: image.verify(graphs[image.archived.digest]) for image in images}
        self._check_layers(images, graphs)
        parts = [self._part(graph, [image for image in images if image.archived.digest == digest], verdicts) for digest, graph in graphs.items()]
        self._reject_shared_names(parts)
        rows = {row.requested: row for part in parts for row in self._plan_image(part)}
        verified = {image.requested: verdict.verification for image, verdict in verdicts.items()}
        return TransferPlan(
            [
                dataclasses.replace(rows[name], results={**rows[name].results, "verification": verdict})
                for name, verdict in verified.items()
                if name in rows
            ],
            all_or_nothing=True,
        )

    # The images to load.

    def _find_referrers(self, image: _StoredPart) -> FoundReferrers:
        """Return the referrers of an image in the archive. Raises CorruptArchive and ImageNotFound for missing content."""
        if not self.request.with_referrers or not self.request.referrers.subjects:
            return FoundReferrers()
        found = find_referrers(self.request.referrers, image.graph.document_digests)
        for referrer in found.referrers:
            self._check_blobs(referrer.graph, f"{self.archive.path}: {referrer.name or referrer.digest}")
        return found

    def _read_graph(self, image: NamedArchiveImage) -> Graph:
        label, selection = self.request.label(image), self.request.selection
        choice = choose_platforms(selection) if selection is not None and not selection.everything else choose_all
        graph = read_graph(image.root, label, self.request.read, choice)
        if graph is None:
            raise self._missing_content(label, [image.root])
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

    def _check_layers(self, images: t.Sequence[ImageToLoad], graphs: t.Mapping[Digest, Graph]) -> None:
        """Raise UnsupportedFormat for too many layers: each name of an image is planned with all of them."""
        counts = {digest: sum(len(image.manifest.layers) for image in graph.images) for digest, graph in graphs.items()}
        check_layers(sum(counts[image.archived.digest] for image in images), self.archive.path)

    def _read(self, descriptor: Descriptor) -> bytes | None:
        """Return a document that was read before, so it doesn't count for the limits of the archive again."""
        return self.archive.read_document(descriptor) or self.store.read_document(descriptor)

    def _missing_content(self, label: str, missing: t.Sequence[Descriptor]) -> CorruptArchive | ImageNotFound:
        """Return the error for MISSING content. An archive records only digests of its base, so the message can't give the base's path."""
        digests = ", ".join(str(descriptor.digest) for descriptor in missing[:10]) + (" and more" if len(missing) > 10 else "")
        if any(descriptor.digest in self.archive.base_digests for descriptor in missing):
            advice = "first load the archive that was given as base when this one was saved"
            return ImageNotFound(f"{label} is a delta, and content of its base is missing in {self.store.path}: {digests}; {advice}")
        return CorruptArchive(f"{label} is incomplete: the archive is missing {digests}")

    # Names.

    def _reject_shared_names(self, images: t.Sequence[_StoredPart]) -> None:
        digests: dict[Reference, Digest] = {}
        for image in images:
            for name in image.names:
                if name.digest is not None and name.digest != image.graph.root.digest:
                    raise CorruptArchive(f"{self.archive.path} has the name {name} for an image with another digest, {image.graph.root.digest}")
                if digests.setdefault(name, image.graph.root.digest) != image.graph.root.digest:
                    raise InvalidOption(f"{name} would be the name of two images; give them different ones with rename")

    # The plan.

    def _plan_image(self, image: _StoredPart) -> list[ImagePlan]:
        """Return a row for each name of an image, or one for an image without a name."""
        named = {name: self.store.index.get_named(name) for name in image.names}
        new_names = tuple(name for name, before in named.items() if not self._is_kept(name, before, image.graph))
        is_loaded = bool(new_names) or not named
        of_image = self.store.list_missing(image.graph.blobs) if is_loaded else ()
        unnamed = next(iter(self.store.index.find_by_digest(image.graph.root.digest)), None)
        before = [named[name] for name in new_names] if named else [unnamed]
        referrers = self._plan_referrers(image, new_names) if is_loaded else ReferrerPlan()
        added = self.store.list_missing(referrers.missing_blobs(image.graph.blobs))
        moves = (*of_image, *added)
        transfer = Transfer(
            self.archive,
            self.store,
            image.graph,
            new_names,
            platforms_to_record(image.graph, self.request.selection),
            moves=moves,
            reused=(*image.graph.blobs_without(moves), *referrers.blobs_without((*image.graph.blobs, *moves))),
            pending=referrers.is_changed or any(self._list_actions(image, "", entry, "load") for entry in before),
            free=not self.moves_names,
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

    def _plan_referrers(self, image: _StoredPart, names: tuple[Reference, ...]) -> ReferrerPlan:
        return plan_for_store(self.store, self._find_referrers(image), names, keep=image.keeps_tags or not self.moves_names)

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
        return before is not None and before.digest != graph.root.digest and self.request.existing.keeps_name(name, self.store.path)

    def _plan_name(self, image: _StoredPart, name: Reference, before: Entry | None, transfer: Transfer) -> ImagePlan:
        was, will_be = ref_state(self.store, before), image.state
        replaced = f", in place of {short_digest(was.digest)}" if was is not None and was.digest != will_be.digest else ""
        action = f"load {name} ({short_digest(will_be.digest)}){replaced}: {self._describe_missing(image.graph)}"
        return ImagePlan(
            requested=str(name),
            image=image_facts(str(name), image.after, self.request.selection, self.request.host),
            changes=(RefChange(str(name), was, will_be),),
            actions=self._list_actions(image, str(name), before, action),
            transfer=transfer,
            results={"previous_digest": str(was.digest) if was is not None else None, "kept": False},
        )

    def _list_actions(self, image: _StoredPart, label: str, before: Entry | None, action: str) -> tuple[str, ...]:
        """Return ACTION if the image or its name changes, else the action that only records platforms, or none."""
        if image.is_damaged or ref_state(self.store, before) != image.state:
            return (action,)
        return describe_record(label, before, image.graph, platforms_to_record(image.graph, self.request.selection))

    def _plan_unnamed(self, image: _StoredPart, before: Entry | None, transfer: Transfer) -> ImagePlan:
        digest = image.graph.root.digest
        was, will_be = ref_state(self.store, before), image.state
        return ImagePlan(
            requested=str(digest),
            image=image_facts(None, image.after, self.request.selection, self.request.host),
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
            image=image_facts(str(name), graph, None, self.request.host) if graph is not None else None,
            changes=(RefChange(str(name), state, state),),
            results={"previous_digest": str(before.digest), "kept": True},
        )

    def _part(self, graph: Graph, images: t.Sequence[ImageToLoad], verdicts: t.Mapping[ImageToLoad, LoadedVerdict]) -> _StoredPart:
        """Return what the store has of IMAGES after the load, the names of one digest, whose selected part is GRAPH."""
        return _StoredPart(
            graph=graph,
            names=tuple(dict.fromkeys(image.name for image in images if image.name is not None)),
            after=merge_with_store(self.store, graph, self._read),
            is_damaged=is_damaged(self.store, graph),
            keeps_tags=any(verdicts[image].by_place for image in images),
        )

    def _describe_missing(self, graph: Graph) -> str:
        return describe_transfer(self.store.list_missing(graph.blobs))
