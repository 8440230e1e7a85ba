# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one image or artifact whose files a task takes from a place."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import InvalidOption, NotLocked, UnsupportedFormat
from ..oci.graph import Graph
from ..oci.location import Location
from ..oci.manifest import Descriptor, Manifest
from ..oci.matching import check_single_platform
from ..oci.platform import Platform, Selection
from ..oci.reference import Reference
from ..places.copy_job import verify_at_source
from ..places.facts import image_facts
from ..places.image_source import ImageSource
from ..places.platforms import select_platforms
from ..transfer.plan import ImageFacts, ImagePlan, RefChange
from ..transfer.transfer import Transfer

if t.TYPE_CHECKING:
    from ..oci.lockfile import LockFile
    from ..places.document_cache import DocumentCache
    from ..trust.policy import TrustPolicy


@dataclasses.dataclass(frozen=True)
class SingleImage:
    """An image that was read and verified.

    `read` reads a document of it, `facts` has the digest of its index if it has one, and `warning` says what is unusual about its platform.
    """

    source: ImageSource
    label: str
    read: t.Callable[[Descriptor], bytes | None]
    graph: Graph
    facts: ImageFacts
    verification: t.Mapping[str, t.Any] | None
    warning: str | None

    @property
    def manifest(self) -> Manifest:
        return self.graph.images[0].manifest

    @property
    def names(self) -> tuple[Reference, ...]:
        return (self.source.name,) if self.source.name is not None else ()

    def plan(self, changes: t.Sequence[RefChange], actions: t.Sequence[str], transfer: Transfer | None = None) -> ImagePlan:
        """Return the row of the image, with what happens to the files."""
        return ImagePlan(
            requested=self.label,
            image=self.facts,
            changes=tuple(changes),
            actions=tuple(actions),
            transfer=transfer,
            results={"endpoint": getattr(self.source.source, "answered_by", None), "verification": self.verification},
            warnings=(self.warning,) if self.warning is not None else (),
        )


@dataclasses.dataclass(frozen=True)
class SingleImageOptions:
    """How the image is chosen and checked. `documents` saves requests for manifests."""

    selection: Selection
    host: Platform
    lock: LockFile | None = None
    trust: TrustPolicy | None = None
    documents: DocumentCache | None = None

    def read(self, source: ImageSource, label: str, kind: str) -> SingleImage:
        """Read and verify the image of SOURCE, which is called LABEL in messages. KIND is what is expected there, such as `artifacts`.

        An index is resolved to its image for the platform. Raises ImageNotFound, PlatformMissing, UnsupportedFormat for several images, NotLocked, and the
        errors of `verify_at_source`.
        """
        root = source.root()
        read = self.documents.reader_of(source) if self.documents is not None else source.read_document
        self._check_lock(source.name, root, label)
        # An artifact mostly has no platform, so only an index needs the selection.
        graph = select_platforms(root, label, read, self.selection if root.is_index else None)
        if len(graph.images) != 1:
            raise UnsupportedFormat(
                f"{label} holds {len(graph.images)} {kind} for {', '.join(graph.platforms) or 'no platform'}; choose one with platform"
            )
        verification = verify_at_source(self.trust, source, label, source.judged_names, graph)
        source.check_blobs(graph)
        name = str(source.name) if source.name is not None else None
        facts = dataclasses.replace(image_facts(name, graph, self.selection, self.host), digest=root.digest, media_type=root.media_type)
        return SingleImage(source, label, read, graph, facts, verification, check_single_platform(graph.images[0].platform, self.selection, label))

    def _check_lock(self, name: Reference | None, root: Descriptor, label: str) -> None:
        """Raise NotLocked unless the image is the locked one."""
        if self.lock is None:
            return
        if name is None:
            raise NotLocked(f"{label} has no name to find in the lock file; give its name")
        pinned = self.lock.pin(name)
        if pinned.digest != root.digest:
            raise NotLocked(f"{label} is {root.digest}, and the lock file has {pinned.digest}; update one of them")


def join_location(src: str | None, name: str | None, lock: LockFile | None) -> Location:
    """Return the location of the image that the options `src` and `name` mean together. The lock file decides the digest of a name at a registry.

    Raises InvalidOption if both have a name, InvalidReference, NotLocked.
    """
    if src is None:
        return _pin(Location.parse(f"docker://{name}"), lock)
    location = Location.parse(src)
    if name is None:
        return _pin(location, lock)
    if location.reference is not None or location.image is not None or location.name is not None:
        raise InvalidOption(f"src {src!r:.300} has a name already; give name only beside a src without one, such as store: or oci:PATH")
    return dataclasses.replace(location, name=name)


def _pin(location: Location, lock: LockFile | None) -> Location:
    if lock is None or location.reference is None:
        return location
    return dataclasses.replace(location, reference=lock.pin(location.reference))


_SCHEMES = {"docker": "docker-daemon", "podman": "podman", "containerd": "containerd"}


def locate_image(src: str | None, name: str | None, engine: str | None, lock: LockFile | None) -> Location:
    """Return the location of the image that the options mean together: `src` as `join_location`, or `name` in an engine. Raises InvalidOption as well."""
    if engine is None:
        return join_location(src, name, lock)
    if src is not None or name is None:
        raise InvalidOption(f"engine {engine} needs the name of an image and no src; write it as src: {_SCHEMES[engine]}:NAME, or leave out src")
    return join_location(f"{_SCHEMES[engine]}:{name}", None, lock)
