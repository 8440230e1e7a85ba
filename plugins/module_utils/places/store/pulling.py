# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pulls into a store: which images it has, and what of one at a registry is missing."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ...errors import ImageNotFound, LongshoreError, PlatformMissing, UnsupportedFormat
from ...oci.digest import Digest
from ...oci.graph import ChooseEntries, Graph, IndexPosition, choose_platforms, read_graph
from ...oci.manifest import Descriptor, Index, describe_document
from ...oci.matching import check_single_platform
from ...oci.platform import Platform, Selection
from ...oci.reference import Reference
from ...transfer.plan import ImagePlan, RefChange, RefState, TransferPlan
from ...transfer.transfer import Transfer
from ...transfer.workers import Workers
from ..facts import describe_record, describe_transfer, image_facts, ref_state, short_digest
from ..verification import Verification, check_trust

if t.TYPE_CHECKING:
    from ...oci.referrers import FoundReferrers, LayoutReferrers, ReferrerPlace
    from ...registry.repository import Repository
    from ...store.index import Entry
    from ...store.store import Store
    from ...trust.policy import TrustPolicy
    from ..referrer_plan import ReferrerPlan


@dataclasses.dataclass(frozen=True)
class _PulledVerdict:
    """The verdict about an image, and whether its registry was asked for signatures, because those that the store keeps were not enough."""

    verification: Verification
    at_registry: bool

    @property
    def is_signed_in_store(self) -> bool:
        """Return whether the image was accepted by a signature that the store keeps."""
        return not self.at_registry and self.verification is not None and self.verification["format"] is not None


@dataclasses.dataclass(frozen=True)
class StorePulling:
    """A store that images are pulled into, with the options of one run.

    `repository` opens a registry's repository if a request is needed. With `referrers` or `trust`, referrers are kept with their image.
    """

    store: Store
    repository: t.Callable[[Reference], Repository]
    selection: Selection
    host: Platform
    workers: Workers
    referrers: bool = False
    trust: TrustPolicy | None = None

    lacks_signatures = False

    @property
    def place(self) -> str:
        return f"the store {self.store.path}"

    def plan(self, references: t.Sequence[Reference], pull: t.Callable[[Reference], ImagePlan]) -> TransferPlan:
        """Plan several pulls at once. Raises StoreDamaged, so that a damaged store stops the run before the first request."""
        self.store.reload()
        return TransferPlan(self.workers.map(pull, references))

    def fail(self, requested: str, error: LongshoreError) -> ImagePlan:
        return ImagePlan(requested, error=error)

    def hint(self, unused_reference: Reference) -> str:
        return ""

    def find(self, reference: Reference, *, under_other_names: bool) -> Descriptor | None:
        if reference.digest is not None:
            return self._describe_stored(reference.digest)
        named = self.store.index.get_named(reference.name)
        return named.descriptor if named is not None else None

    def keep(self, reference: Reference, image: Descriptor, *, ask: bool, warning: str = "") -> ImagePlan | None:
        """Return the pull of a stored image, which may set its name. Without ASK it is verified by the signatures that the store keeps."""
        before = self.store.index.get_named(reference.name)
        graph = self._read_stored(image, before)
        if graph is None:
            return None
        verified = self._verify(reference, graph, self.repository if ask else None)
        asked = self.repository(reference) if ask and (self.referrers or verified.at_registry) else None
        return self._plan_image(reference, before, graph, None, verified, warning, referrers_at=asked)

    def fetch(self, reference: Reference) -> ImagePlan:
        before = self.store.index.get_named(reference.name)
        repository = self.repository(reference)
        root = self._resolve(reference, before, repository)
        graph = self._read_graph(reference, root, before, repository)
        verified = self._verify(reference, graph, self.repository)
        # Signatures that the store keeps are as good as those at the registry, so an unchanged image needs no request for them.
        is_kept = before is not None and before.digest == root.digest and not verified.at_registry
        asked = repository if self.referrers or not is_kept else None
        return self._plan_image(reference, before, graph, repository, verified, referrers_at=asked)

    def _verify(self, reference: Reference, graph: Graph, repository: t.Callable[[Reference], Repository] | None) -> _PulledVerdict:
        """Verify an image by the signatures that the store keeps, else by those at its registry, if REPOSITORY may open that.

        Raises what `check_trust` raises.
        """
        asked = False

        def list_places() -> t.Iterator[ReferrerPlace]:
            nonlocal asked

            yield self._stored_referrers.in_repository(reference.context)
            if repository is not None:
                from ...registry.referrers import RepositoryReferrers

                asked = True
                yield RepositoryReferrers(repository(reference))

        verification = check_trust(self.trust, reference, graph, list_places())
        return _PulledVerdict(verification, asked)

    @functools.cached_property
    def _stored_referrers(self) -> LayoutReferrers:
        """Return the referrers in the store, which is read once for all images of the run."""
        from ...store.referrers import referrers_in_store

        return referrers_in_store(self.store)

    # The image in the store.

    def _describe_stored(self, digest: Digest) -> Descriptor | None:
        """Return the descriptor of a stored manifest or index of which only the digest is known."""
        status = self.store.blob_status(digest)
        data = self.store.read_document(Descriptor("", digest, status.st_size)) if status is not None else None
        try:
            return describe_document(data, str(digest)) if data is not None else None
        except UnsupportedFormat as error:
            raise UnsupportedFormat(
                f"{digest} is not an image: the blob with this digest in {self.store.path} is neither a manifest nor an index"
            ) from error

    def _read_stored(self, root: Descriptor, before: Entry | None) -> Graph | None:
        """Return the requested platforms of the image if all of them are in the store, else None."""
        graph = read_graph(root, str(root.digest), self.store.read_document, self._choice(root, before))
        if graph is None or graph.absent or not all(self.store.has_blob(blob) for blob in graph.blobs):
            return None
        return graph

    def _choice(self, root: Descriptor, before: Entry | None) -> ChooseEntries:
        """Return a choice of all platforms that must be complete: those requested now, those recorded with the entry, and those with a stored manifest."""
        selection = self._selection_for(root, before)

        def choose(index: Index, what: str, where: IndexPosition) -> t.Sequence[Descriptor]:
            wanted = {entry.digest for entry in choose_platforms(selection)(index, what, where)}
            # A recorded "all" accepts an index without the platforms that are requested now, so these are checked too.
            wanted.update(entry.digest for entry in choose_platforms(self.selection)(index, what, where))
            return [entry for entry in index.manifests if entry.digest in wanted or self.store.blob_status(entry.digest) is not None]

        return choose

    def _selection_for(self, root: Descriptor, before: Entry | None) -> Selection:
        recorded = before.selection if before is not None and before.descriptor.digest == root.digest else None
        return recorded.union(self.selection) if recorded is not None else self.selection

    # The image at the registry.

    def _resolve(self, reference: Reference, before: Entry | None, repository: Repository) -> Descriptor:
        """Return what the reference points at: by one HEAD if there is a stored image to compare with, else by fetching the manifest at once."""
        if reference.digest is not None:
            return self._describe_stored(reference.digest) or repository.fetch_manifest(reference)
        if before is None:
            return repository.fetch_manifest(reference)
        found = repository.probe(reference)
        if found is None:
            raise ImageNotFound(f"{reference}: {repository.answered_by} doesn't have it", status=404)
        return found

    def _read_graph(self, reference: Reference, root: Descriptor, before: Entry | None, repository: Repository) -> Graph:
        def read(descriptor: Descriptor) -> bytes:
            return self.store.read_document(descriptor) or repository.read_document(descriptor)

        graph = read_graph(root, str(reference), read, self._choice(root, before))
        if graph is None:
            raise UnsupportedFormat(f"{reference} is empty")
        if not graph.images and not self.selection.everything:
            raise PlatformMissing(f"{reference} has no image for {', '.join(self.selection.texts())}, though its index lists one")
        return graph

    # The plan.

    def _plan_referrers(self, reference: Reference, graph: Graph, repository: Repository | None, keep: bool) -> ReferrerPlan | None:
        """Return the plan of the image's referrers: those at REPOSITORY, or without it those that the store has already. KEEP as in `plan_for_store`."""
        if not self.referrers and self.trust is None:
            return None
        from ..store.referrers import plan_for_store

        return plan_for_store(self.store, self._find_referrers(reference, graph, repository), (reference.name,), keep=keep)

    def _find_referrers(self, reference: Reference, graph: Graph, repository: Repository | None) -> FoundReferrers:
        from ...oci.referrers import find_referrers

        place: ReferrerPlace
        if repository is None:
            place = self._stored_referrers.in_repository(reference.context)
        else:
            from ...registry.referrers import RepositoryReferrers

            place = RepositoryReferrers(repository)
        return find_referrers(place, graph.document_digests)

    def _plan_image(
        self,
        reference: Reference,
        before: Entry | None,
        graph: Graph,
        repository: Repository | None,
        verified: _PulledVerdict,
        warning: str = "",
        *,
        referrers_at: Repository | None = None,
    ) -> ImagePlan:
        single_platform = None if graph.root.is_index or not graph.images else graph.images[0].platform
        warnings = [warning or None, check_single_platform(single_platform, self.selection, str(reference))]
        name = str(reference.name)
        was = ref_state(self.store, before)
        of_image = self.store.list_missing(graph.blobs)
        is_incomplete = of_image or any(self.store.read_document(document) is None for document in graph.documents)
        will_be = RefState(graph.root.digest, tuple(graph.platforms))
        asked = self.selection if self.selection.explicit else None
        changed = is_incomplete or was != will_be
        actions = [_action(name, was, will_be, of_image)] if changed else [*describe_record(name, before, graph, asked)]
        # The registry may have another signature under the same tag, and nobody verified that one.
        referrers = self._plan_referrers(reference, graph, referrers_at, keep=verified.is_signed_in_store)
        moves = of_image
        if referrers is not None and referrers.is_changed:
            added = self.store.list_missing(referrers.missing_blobs(graph.blobs))
            actions += referrers.actions("pull", name, added)
            moves = (*of_image, *added)
        source = repository or referrers_at
        if source is not None:
            for blob in moves:
                self.store.blob_origins.add(blob.digest, reference.context)
        return ImagePlan(
            requested=name,
            image=image_facts(name, graph, self.selection, self.host),
            changes=(RefChange(name, was, will_be), *(referrers.changes if referrers is not None else ())),
            actions=tuple(actions),
            transfer=Transfer(
                source or self.store,
                self.store,
                graph,
                (reference.name,),
                self._selection_for(graph.root, before) if graph.root.is_index else None,
                moves=moves,
                reused=(*graph.blobs_without(moves), *(referrers.blobs_without((*graph.blobs, *moves)) if referrers is not None else ())),
                pending=bool(actions),
                referrers=referrers.missing if referrers is not None else (),
            ),
            results={
                "previous_digest": str(was.digest) if was is not None else None,
                "endpoint": source.answered_by if source is not None else None,
                "referrers": list(referrers.rows) if referrers is not None else [],
                "verification": verified.verification,
            },
            warnings=(*(text for text in warnings if text is not None), *(referrers.warnings if referrers is not None else ())),
        )


def _action(name: str, was: RefState | None, will_be: RefState, moves: t.Sequence[Descriptor]) -> str:
    amount = describe_transfer(moves)
    if was is None:
        return f"pull {name} ({short_digest(will_be.digest)}): {amount}"
    if was.digest != will_be.digest:
        return f"move {name} from {short_digest(was.digest)} to {short_digest(will_be.digest)}: {amount}"
    added = [platform for platform in will_be.platforms or () if platform not in (was.platforms or ())]
    return f"complete {name} ({short_digest(will_be.digest)}){' with ' + ', '.join(added) if added else ''}: {amount}"
