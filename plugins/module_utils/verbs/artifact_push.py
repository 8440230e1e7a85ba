# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan to publish files of the host at a registry, as an artifact with a name or attached to an image."""

from __future__ import annotations

import dataclasses
import typing as t

from ..archive.published_files import MeasuredFile
from ..errors import ImageNotFound, InvalidOption
from ..oci import media_types
from ..oci.digest import Digest
from ..oci.graph import Graph, NamedGraph
from ..oci.manifest import Descriptor
from ..oci.platform import Platform
from ..oci.reference import Reference
from ..oci.referrers import FoundReferrers, Referrer
from ..places.facts import describe_transfer, file_facts, image_facts, short_digest
from ..places.platforms import read_image
from ..places.referrer_plan import ReferrerPlan
from ..places.registry.blob_mounts import BlobMounts, BlobSplit
from ..places.registry.referrers import make_transfer, plan_for_registry
from ..transfer.interfaces import Chunks
from ..transfer.plan import ImagePlan, RefChange, RefState, TransferPlan
from ..transfer.workers import Workers
from .artifact_content import NewArtifact, read_content
from .made import SourcePlan

if t.TYPE_CHECKING:
    from ..registry.repository import Repository


@dataclasses.dataclass(frozen=True)
class _ArtifactSource:
    """The source of a new artifact: its documents are in memory, its files on the host."""

    documents: t.Mapping[Digest, bytes]
    files: t.Mapping[Digest, MeasuredFile]

    def read_blob(self, descriptor: Descriptor) -> Chunks:
        data = self.documents.get(descriptor.digest)
        return (data,) if data is not None else self.files[descriptor.digest].open()


def plan_artifact_push(new: NewArtifact, repository: t.Callable[[Reference], Repository], host: Platform, workers: Workers) -> TransferPlan:
    """Plan to push the artifact NEW. Its files are read here to compute their digests, and a second time if they must be uploaded.

    Raises InvalidOption, also if the name has another digest; ImageNotFound for the subject; and what reading the files raises.
    """
    place = new.repository
    content = read_content(new, workers)
    target = repository(place)
    subject = _find_subject(new.subject, target) if new.subject is not None else None
    manifest = content.to_manifest(subject)
    root = Descriptor.of(media_types.OCI_MANIFEST, manifest)
    if new.name is not None and new.name.digest not in (None, root.digest):
        raise InvalidOption(f"these files make an artifact with the digest {root.digest}, which can't be pushed to {new.name}")
    name = (new.name or place.with_digest(root.digest)).name
    documents = {root.digest: manifest, content.config.digest: content.config_data}
    graph = read_image(root, str(name), lambda descriptor: documents.get(descriptor.digest))
    source = _ArtifactSource(documents, {file.descriptor.digest: file for file in content.files})
    image = _plan_image(name, graph, source, subject, target, host, workers)
    moved = {blob.digest for blob in image.transfer.moves} if image.transfer is not None else set()
    image = dataclasses.replace(image, results={**image.results, "artifact_type": content.artifact_type or content.config.media_type})
    return SourcePlan(
        [image],
        results={
            "files": [file_facts(file.file.path, file.file.title, file.descriptor, changed=file.descriptor.digest in moved) for file in content.files]
        },
        paths={file.descriptor.digest: file.file.path for file in content.files},
    )


def _find_subject(subject: Reference, target: Repository) -> Descriptor:
    """Return the descriptor of the image to attach to, as it stands in a manifest. Raises ImageNotFound."""
    try:
        return dataclasses.replace(target.fetch_manifest(subject), platform=None, annotations={})
    except ImageNotFound as error:
        raise ImageNotFound(f"subject {subject}: {subject.registry} doesn't have it", status=404) from error


def _plan_image(
    name: Reference, graph: Graph, source: _ArtifactSource, subject: Descriptor | None, target: Repository, host: Platform, workers: Workers
) -> ImagePlan:
    digest = graph.root.digest
    current = target.probe(name)
    is_present = current is not None and current.digest == digest
    referrers = plan_for_registry(target, FoundReferrers([Referrer(graph, subject.digest)])) if subject is not None else ReferrerPlan()
    mounts = BlobMounts(lambda _reference: target, lambda _registry, _digest: ())
    split = BlobSplit() if is_present else mounts.split_image(graph, target, workers)
    is_only_attached = subject is not None and name.tag is None
    was = RefState(current.digest) if current is not None else None
    changes = [change for change in referrers.changes if change.name != str(name)]
    transfer = make_transfer(source, mounts, target, NamedGraph(graph, (name,), None), split, referrers, is_present=is_present or is_only_attached)
    return ImagePlan(
        requested=str(name),
        image=image_facts(str(name), graph, None, host),
        changes=(RefChange(str(name), was, RefState(digest)), *changes),
        actions=_actions(name, digest, was, subject, split, is_present, transfer.pending),
        transfer=transfer,
        results={
            "previous_digest": str(was.digest) if was is not None else None,
            "endpoint": target.endpoint.url,
            "subject": str(subject.digest) if subject is not None else None,
        },
    )


def _actions(
    name: Reference, digest: Digest, was: RefState | None, subject: Descriptor | None, split: BlobSplit, is_present: bool, pending: bool
) -> tuple[str, ...]:
    if is_present:
        return (f"complete the list of referrers of {subject.digest} in {name.context}",) if pending and subject is not None else ()
    attached = f", attached to {short_digest(subject.digest)}" if subject is not None else ""
    replaced = f" in place of {short_digest(was.digest)}" if was is not None else ""
    return (f"push {name} ({short_digest(digest)}){replaced}{attached}: {describe_transfer(split.moves)}",)
