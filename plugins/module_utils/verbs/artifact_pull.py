# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan to write the files of an artifact into a folder, from a registry, a store, a layout or an archive."""

from __future__ import annotations

import dataclasses
import typing as t

from ..atomic_files import existing_mode
from ..errors import InvalidOption, LongshoreError, NotLocked, UnsupportedFormat
from ..oci.artifact_files import ArtifactFile, choose_files, list_files
from ..oci.graph import Graph
from ..oci.location import Location
from ..oci.manifest import Descriptor
from ..oci.matching import check_single_platform
from ..oci.platform import Selection
from ..oci.reference import Reference
from ..places.copy_job import verify_at_source
from ..places.existing import Existing
from ..places.facts import describe_transfer, file_facts, image_facts, short_digest
from ..places.files.folder import TargetFile, locate_files
from ..places.files.sink import FilesSink
from ..places.image_source import ImageSource
from ..places.platforms import select_platforms
from ..transfer.plan import ImagePlan, RefChange, RefState, TransferPlan
from ..transfer.transfer import Transfer

if t.TYPE_CHECKING:
    from ..oci.lockfile import LockFile
    from ..oci.platform import Platform
    from ..places.document_cache import DocumentCache
    from ..trust.policy import TrustPolicy


MARKED, ALL, NONE = "auto", "true", "false"


@dataclasses.dataclass(frozen=True)
class FileOptions:
    """Which files of an artifact are written, and where. `mode` returns the mode of a new file at a path.

    `unpack` is which tars are unpacked: those that are marked as packed, all, or none. With `keeps_modes` a file of these has another content if its mode
    differs.
    """

    dest: str
    titles: t.Sequence[str] | None = None
    media_types: t.Sequence[str] | None = None
    unpack: str = MARKED
    existing: Existing = Existing.OVERWRITE
    mode: t.Callable[[str], int] = existing_mode
    keeps_modes: bool = True

    def unpacks(self, file: ArtifactFile) -> bool:
        return file.is_packed if self.unpack == MARKED else file.is_tar and self.unpack == ALL


class ArtifactPlan(TransferPlan):
    """The plan of an artifact's files. A file of a run that fails is not changed."""

    def facts(self) -> dict[str, t.Any]:
        facts = super().facts()
        if self.errors:
            facts["files"] = [{**file, "changed": False} for file in facts["files"]]
        return facts


def join_location(src: str | None, name: str | None, lock: LockFile | None) -> Location:
    """Return the location of the artifact that the options `src` and `name` mean together. The lock file decides the digest of a name at a registry.

    Raises InvalidOption if both have a name, InvalidReference, NotLocked.
    """
    if src is None:
        return _pin(Location.parse(f"docker://{name}"), lock)
    location = Location.parse(src)
    if name is None:
        return _pin(location, lock)
    if location.reference is not None or location.image is not None or location.name is not None:
        raise InvalidOption(
            f"src {src!r:.300} has the name of an artifact already; give name only beside a src without one, such as store: or oci:PATH"
        )
    return dataclasses.replace(location, name=name)


def _pin(location: Location, lock: LockFile | None) -> Location:
    if lock is None or location.reference is None:
        return location
    return dataclasses.replace(location, reference=lock.pin(location.reference))


def plan_artifact_pull(
    find_source: t.Callable[[], ImageSource],
    label: str,
    options: FileOptions,
    *,
    selection: Selection,
    host: Platform,
    lock: LockFile | None = None,
    trust: TrustPolicy | None = None,
    documents: DocumentCache | None = None,
) -> TransferPlan:
    """Plan to write the files of the artifact that FIND_SOURCE opens. LABEL is its name in messages and results. DOCUMENTS saves requests for manifests.

    An index is resolved to its artifact for SELECTION. An artifact that can't be pulled has its error in its row: ImageNotFound, PlatformMissing,
    UnsupportedFormat for an image and for unsafe titles, NotLocked, NameTaken for a file with other content if `existing` is `fail`, InputOutputError, and
    the errors of FIND_SOURCE and of `verify_at_source`.
    """
    try:
        return _plan(find_source(), label, options, selection, host, lock, trust, documents)
    except LongshoreError as error:
        return ArtifactPlan([ImagePlan(label, error=error)], results={"files": []}, files=())


def _plan(
    source: ImageSource,
    label: str,
    options: FileOptions,
    selection: Selection,
    host: Platform,
    lock: LockFile | None,
    trust: TrustPolicy | None,
    documents: DocumentCache | None,
) -> TransferPlan:
    root = source.root()
    read = documents.reader_of(source) if documents is not None else source.read_document
    check_lock(lock, source.name, root, label)
    # An artifact mostly has no platform, so only an index needs the selection.
    graph = select_platforms(root, label, read, selection if root.is_index else None)
    if len(graph.images) != 1:
        raise UnsupportedFormat(
            f"{label} holds {len(graph.images)} artifacts for {', '.join(graph.platforms) or 'no platform'}; choose one with platform"
        )
    verification = verify_at_source(trust, source, label, source.judged_names, graph)
    source.check_blobs(graph)
    manifest = graph.images[0].manifest
    chosen = choose_files(list_files(manifest, read, label), options.titles, options.media_types, label)
    files = locate_files(options.dest, chosen, options.unpacks, keep=options.existing is Existing.KEEP, with_mode=options.keeps_modes)
    warning = check_single_platform(graph.images[0].platform, selection, label)
    return _plan_files(source, label, graph, files, options, selection, host, verification, warning)


def check_lock(lock: LockFile | None, name: Reference | None, root: Descriptor, label: str) -> None:
    """Raise NotLocked unless the artifact is the locked one."""
    if lock is None:
        return
    if name is None:
        raise NotLocked(f"{label} has no name to find in the lock file; give its name")
    pinned = lock.pin(name)
    if pinned.digest != root.digest:
        raise NotLocked(f"{label} is {root.digest}, and the lock file has {pinned.digest}; update one of them")


def _plan_files(
    source: ImageSource,
    label: str,
    graph: Graph,
    files: t.Sequence[TargetFile],
    options: FileOptions,
    selection: Selection,
    host: Platform,
    verification: t.Mapping[str, t.Any] | None,
    warning: str | None,
) -> TransferPlan:
    written = [file for file in files if not file.is_unchanged and not (file.exists and options.existing.keeps_file(file.path, label))]
    moves = {file.content.digest: file.content for file in written}
    reused = {file.content.digest: file.content for file in files if file.is_unchanged and file.content.digest not in moves}
    sink = FilesSink(files[0].folder, written, options.mode, as_one=True, existing=options.existing)
    transfer = Transfer(
        source.source,
        sink,
        graph,
        (source.name,) if source.name is not None else (),
        selection=None,
        moves=tuple(moves.values()),
        reused=tuple(reused.values()),
        pending=bool(written),
    )
    endpoint = getattr(source.source, "answered_by", None)
    name = str(source.name) if source.name is not None else None
    root = source.root()  # an index, if the files are those of one of its artifacts
    image = dataclasses.replace(image_facts(name, graph, selection, host), digest=root.digest, media_type=root.media_type)
    row = ImagePlan(
        requested=label,
        image=image,
        changes=tuple(_change(file, file in written) for file in files),
        actions=tuple(f"write {file.path} ({short_digest(file.content.digest)}): {describe_transfer([file.content])}" for file in written),
        transfer=transfer,
        results={"endpoint": endpoint, "verification": verification},
        warnings=(warning,) if warning is not None else (),
    )
    rows = [file_facts(file.path, file.file.title, file.content, changed=file in written) for file in files]
    return ArtifactPlan([row], results={"files": rows}, files=tuple(file.path for file in files if file.unpacked != ()))


def _change(file: TargetFile, is_written: bool) -> RefChange:
    before = RefState(file.current) if file.current is not None else None
    return RefChange(file.path, before, RefState(file.content.digest) if is_written else before)
