# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The values of loads into an engine: what is requested, and what a plan decides about it."""

from __future__ import annotations

import dataclasses
import typing as t

from ...engine.interfaces import EngineImage
from ...errors import LongshoreError
from ...oci.digest import Digest
from ...oci.document_reader import Read
from ...oci.graph import Graph
from ...oci.manifest import Descriptor
from ...oci.reference import Reference
from ...transfer.interfaces import Source
from ...transfer.plan import Results
from ..existing import Existing
from ..verification import Verification
from .outgoing_image import OutgoingImage
from .platforms import contains_images

# Returns a document of another image, or None. Of its descriptor, only the digest may be known. The second argument: the names of that image in the engine.
FindDocument = t.Callable[[Descriptor, t.Collection[Reference]], t.Optional[bytes]]


class LoadableImage(t.Protocol):
    """An image at its source. The sources of copies have this type."""

    @property
    def source(self) -> Source: ...

    def digest(self) -> Digest: ...

    def root(self) -> Descriptor: ...

    def read_document(self, descriptor: Descriptor) -> bytes | None: ...

    def check_blobs(self, graph: Graph) -> None:
        """Raise an error if a blob of GRAPH is known to be missing or damaged."""


@dataclasses.dataclass(frozen=True)
class LoadRequest:
    """An image to load, and its name in the engine.

    `label` is its name in messages, and `action` starts the line in `actions`, such as `pull app:1`. `find_document` returns documents of other images of
    the source, which show the layers that the engine has already. With `skip_if_digest_present`, an image that the engine has by digest is not read,
    because every document costs a request. `existing` decides about a name that another image has. `verify` verifies the part of the image that is
    loaded, and raises an error to refuse it; without it everything is accepted.
    """

    requested: str
    name: Reference
    label: str
    action: str
    image: LoadableImage
    find_document: FindDocument
    results: Results = dataclasses.field(default_factory=dict)
    skip_if_digest_present: bool = False
    existing: Existing = Existing.OVERWRITE
    verify: t.Callable[[Graph], Verification] | None = None


@dataclasses.dataclass(frozen=True)
class Load:
    """One image to load. `current` is the engine's image with its name, and `layers` are sent.

    `complete_part` is the part of an index with several platforms that the engine has completely. If the load `is_kept`, another image keeps the name.
    """

    request: LoadRequest
    outgoing: OutgoingImage
    current: EngineImage | None
    complete_part: Graph | None = None
    layers: tuple[Descriptor, ...] = ()
    is_kept: bool = False

    @property
    def requested(self) -> str:
        return self.request.requested

    @property
    def is_pending(self) -> bool:
        return not self.is_kept and not self._is_present

    @property
    def _is_present(self) -> bool:
        return self.outgoing.is_in(self.current) and (not self.outgoing.several or contains_images(self.complete_part, self.outgoing))

    @property
    def is_taken(self) -> bool:
        """Return whether another image has the name. Only its digest or ID counts: an image that isn't unpacked has its name, too."""
        return self.current is not None and not self.outgoing.has_identity_of(self.current)

    @property
    def sent(self) -> tuple[Descriptor, ...]:
        return (*self.outgoing.configs, *self.layers) if self.is_pending else ()

    @property
    def reused(self) -> tuple[Descriptor, ...]:
        return () if self.is_kept else self.outgoing.graph.blobs_without(self.sent)


@dataclasses.dataclass(frozen=True)
class KeptImage:
    """An image that the engine keeps without reading it at its source: it was compared by its `digest`, or, without a `request`, not at all.

    `note` is a warning, and `verification` the verdict about it.
    """

    requested: str
    name: Reference
    current: EngineImage
    request: LoadRequest | None = None
    digest: Digest | None = None
    note: str = ""
    verification: Verification = None


@dataclasses.dataclass(frozen=True)
class FailedLoad:
    """An image that can't be loaded. Without `request`, that was known before it was requested, and `results` are the keys of its row."""

    requested: str
    error: LongshoreError
    request: LoadRequest | None = None
    results: Results = dataclasses.field(default_factory=dict)


PlannedLoad = t.Union[Load, KeptImage, FailedLoad]


def document_finder(read: Read) -> FindDocument:
    """Return a function that finds documents with READ, for a source that is read without requests."""
    return lambda descriptor, unused_names: read(descriptor)
