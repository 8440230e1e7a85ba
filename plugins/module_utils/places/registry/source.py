# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An image at a registry as a source."""

from __future__ import annotations

import functools
import typing as t

from ...errors import ImageNotFound
from ...oci.digest import Digest
from ...oci.graph import Graph
from ...oci.manifest import Descriptor
from ...oci.reference import Reference

if t.TYPE_CHECKING:
    from ...oci.referrers import ReferrerPlace
    from ...registry.referrers import DigestTags
    from ...registry.repository import Repository


class RegistrySource:
    """An image at a registry, by tag or digest."""

    costs_requests = True

    def __init__(self, reference: Reference, repository: Repository, tags: t.Callable[[Repository], DigestTags]) -> None:
        """TAGS returns the tags of a repository, which all images of a run share."""
        self.name: Reference | None = reference.name
        self.judged_names: t.Sequence[Reference | None] = (self.name,)
        self.source = repository
        self._reference = reference
        self._tags = tags

    def digest(self) -> Digest:
        return self._reference.digest or self.root().digest

    def root(self) -> Descriptor:
        return self._root

    @functools.cached_property
    def _root(self) -> Descriptor:
        found = self.source.probe(self._reference)
        if found is None:
            raise ImageNotFound(f"{self._reference}: {self._reference.registry} doesn't have it", status=404)
        return found

    def read_document(self, descriptor: Descriptor) -> bytes:
        return self.source.read_document(descriptor)

    def check_blobs(self, unused_graph: Graph) -> None:
        """Check nothing: a registry accepts a manifest only if it has its blobs."""

    def referrer_place(self, unused_name: Reference | None) -> ReferrerPlace:
        from ...registry.referrers import RepositoryReferrers

        return RepositoryReferrers(self.source, self._tags(self.source))


def find_at_registry(repository: Repository, descriptor: Descriptor, names: t.Collection[Reference]) -> bytes | None:
    """Return a document of another image of REPOSITORY, None if none of NAMES, the names of that image, is in this repository."""
    here = Reference(repository.registry, repository.repository)
    if not any(name.context == here.context for name in names):
        return None
    return repository.read_document(descriptor if descriptor.media_type else repository.fetch_manifest(here.with_digest(descriptor.digest)))
