# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The job of copying one image, which the planners for all kinds of targets share."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ..errors import ImageNotFound, LongshoreError
from ..oci.graph import Graph
from ..oci.location import Location
from ..oci.platform import Selection
from ..oci.reference import Reference
from ..transfer.plan import ImagePlan
from ..transfer.workers import Workers
from .image_source import ImageSource
from .platforms import select_platforms
from .verification import Verification, check_names

if t.TYPE_CHECKING:
    from ..oci.referrers import FoundReferrers, ReferrerPlace
    from ..trust.policy import TrustPolicy

_Inspected = t.TypeVar("_Inspected")


@dataclasses.dataclass(frozen=True)
class CopyJob:
    """One image to copy, from `source` to `target`. `find_source` opens the image, when a property or method needs it.

    `source` is the image's name in messages and results, as the user wrote it; `verb` is the word for the copy in messages.
    """

    source: str
    target: Location
    selection: Selection | None
    find_source: t.Callable[[], ImageSource] = dataclasses.field(repr=False, compare=False)
    trust: TrustPolicy | None = dataclasses.field(default=None, repr=False, compare=False)
    verb: str = "copy"

    @functools.cached_property
    def image_source(self) -> ImageSource:
        """Return the image at its source. Raises ImageNotFound, InvalidOption, and the errors of opening an archive."""
        return self.find_source()

    @property
    def name(self) -> Reference | None:
        """Return the name at the target: the one that the target gives, else the name at the source."""
        if self.target.reference is not None:
            return self.target.reference.name
        return self.target.full_name or self.image_source.name

    @property
    def takes_all(self) -> bool:
        return self.selection is None or self.selection.everything

    @property
    def facts(self) -> dict[str, t.Any]:
        return {**self.labels, "verification": self.verification}

    @property
    def labels(self) -> dict[str, str]:
        return {"source": self.source, "destination": str(self.target)}

    @functools.cached_property
    def verification(self) -> Verification:
        """Verify the image at its source, once, and return the verdict. Raises what `check_trust` raises."""
        return self.verify(self.graph()) if self.trust is not None else None

    def verify(self, selected: Graph) -> Verification:
        """Verify SELECTED, a part of the image at its source, by each of its judged names and its new one. Raises what `check_trust` raises."""
        source = self.image_source
        return verify_at_source(self.trust, source, self.source, source.judged_names, selected, self.name)

    def graph(self) -> Graph:
        """Return the selected platforms of the image. Raises PlatformMissing if one of them is missing."""
        return select_platforms(self.image_source.root(), self.source, self.image_source.read_document, self.selection)

    def find_referrers(self, graph: Graph) -> FoundReferrers:
        """Return the referrers of GRAPH, the selected part of the image, at its source. Raises an error if a part of one is known to be missing."""
        from ..oci.referrers import FoundReferrers, find_referrers

        place = self.image_source.referrer_place(self.image_source.name)
        found = find_referrers(place, graph.document_digests) if place is not None else FoundReferrers()
        for referrer in found.referrers:
            self.image_source.check_blobs(referrer.graph)
        return found

    def fail(self, error: LongshoreError) -> ImagePlan:
        """Return the row of this job with ERROR."""
        return ImagePlan(str(self.target), error=error, results=self.labels)


def verify_at_source(
    trust: TrustPolicy | None,
    source: ImageSource,
    label: str,
    names: t.Sequence[Reference | None],
    selected: Graph,
    new_name: Reference | None = None,
) -> Verification:
    """Verify SELECTED, a part of the image SOURCE, by each of NAMES and NEW_NAME, with the signatures that its place has. LABEL is its name in messages.

    Return the verdict and raise errors as `check_names`.
    """
    if trust is None:
        return None
    from .image_trust import cover_selection

    data = source.read_document(source.root())
    if data is None:
        raise ImageNotFound(f"{label} can't be read")

    def list_places(name: Reference | None) -> list[ReferrerPlace]:
        place = source.referrer_place(name)
        return [place] if place is not None else []

    return check_names(trust, names, new_name, cover_selection(source.root(), data, selected), list_places)


def inspect_jobs(inspect: t.Callable[[CopyJob], _Inspected], jobs: t.Sequence[CopyJob], workers: Workers) -> list[_Inspected | LongshoreError]:
    """Return the result of INSPECT for each job, or its error. Several jobs are inspected at once."""

    def attempt(job: CopyJob) -> _Inspected | LongshoreError:
        try:
            # An image that is refused is not looked at any further.
            _verified = job.verification
            return inspect(job)
        except LongshoreError as error:
            return error

    return workers.map(attempt, jobs)
