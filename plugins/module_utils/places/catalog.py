# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The images of a place, each under one of its names. The store and every engine are catalogs, so one planner serves them all.

A planner chooses images by the methods that read, and hands its choice to a `plan_` method. Effects differ: a store has leases and garbage, an engine has
containers and loses an image with its last name. Every method only reads; what it returns is applied later, and applying it twice changes nothing.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import LongshoreError
from ..oci.digest import Digest
from ..oci.glob import is_glob
from ..oci.reference import Reference
from ..oci.removal_matching import RemovalSelector, is_short_id
from ..transfer.plan import ImagePlan, Plan, RefChange, RefState, Results
from .facts import format_count, short_digest
from .image_source import PlacedImage

if t.TYPE_CHECKING:
    from ..store.store import Store
    from .filters import Filters
    from .image_source import ImageSource
    from .protection import Protection
    from .retention import RetentionCandidate, RetentionPolicy


_Image = t.TypeVar("_Image", bound=PlacedImage)
_Shown_contra = t.TypeVar("_Shown_contra", bound=PlacedImage, contravariant=True)


class RowFacts(t.Protocol[_Shown_contra]):
    """What the rows of a place show of an image."""

    def state(self, image: _Shown_contra) -> RefState:
        """Return what the name of IMAGE points at, as a diff shows it."""

    def facts(self, image: _Shown_contra, name: Reference | None) -> Results:
        """Return the row of IMAGE under NAME in the results."""

    @property
    def common_facts(self) -> Results:
        """The keys that every row of this place has, absent images too."""

    def locate(self, text: str, preposition: str) -> str:
        """Return TEXT with the place after it, as in `app:1 in docker`. The store is the usual place, so nothing is added for it."""


class Catalog(RowFacts[_Image], t.Protocol):
    """The images that a place holds. It is read once for a task."""

    @property
    def place(self) -> str:
        """The place in messages, such as `the store /srv/images`."""

    @property
    def entries(self) -> t.Sequence[_Image]:
        """Every image once for each of its names, and once if it has none, in a fixed order."""

    def select(self, selector: Reference | Digest) -> t.Sequence[_Image]:
        """Return the images that SELECTOR (a name, `repository@digest`, a digest or an ID) means, one for each of their names, in the order of `entries`."""

    def get(self, selector: Reference | Digest) -> _Image:
        """Return the first image that SELECTOR means. Raises ImageNotFound."""

    def get_named(self, name: Reference) -> _Image | None:
        """Return the image with the name NAME."""

    def select_for_removal(self, selector: RemovalSelector, *, force: bool) -> list[_Image]:
        """Return the images that SELECTOR selects, one for each of their names. Raises InUse for several names of an image, unless FORCE."""


class ImageCatalog(Catalog[_Image], t.Protocol):
    """A place whose images can be read, named and removed: a store or an engine."""

    @property
    def store(self) -> Store | None:
        """The store, None for an engine."""

    def find(self, selector: Reference | Digest) -> ImageSource:
        """Return an image as a source. Raises ImageNotFound. Several threads may call this."""

    def get_complete(self, selector: Reference | Digest) -> _Image:
        """Return the image that SELECTOR means and that can get more names. Raises ImageNotFound, StoreDamaged."""

    def plan_names(self, source: _Image, moved: t.Mapping[Reference, _Image | None], rows: t.Sequence[ImagePlan], *, keep: bool) -> Plan:
        """Plan to point each name of MOVED, which maps to the image that has it now, at SOURCE: all of them or none.

        ROWS are those of all names that were asked for. With KEEP, a name stays that another run sets after this plan was made.
        """

    def plan_removal(self, chosen: t.Sequence[_Image | ImagePlan], *, prune: bool, force: bool) -> Plan:
        """Plan to remove the images of CHOSEN; the rows among them are of absent images. With PRUNE, content that nothing else needs is deleted.

        With FORCE, an image loses its name although it is used.
        """

    def list_candidates(self, policy: RetentionPolicy, filters: Filters, protection: Protection) -> list[RetentionCandidate]:
        """Return what the retention policy POLICY must know about each image, in the order of `entries`."""

    def plan_pruning(self, leaving: t.Sequence[_Image], policy: RetentionPolicy) -> Plan:
        """Plan to remove the images LEAVING, and what POLICY deletes besides."""


def choose_for_removal(catalog: Catalog[_Image], selectors: t.Sequence[RemovalSelector], *, force: bool) -> list[_Image | ImagePlan]:
    """Return the images that SELECTORS select, each once, and a row for each selector without one, in the order of SELECTORS.

    Raises InUse as `select_for_removal` does.
    """
    seen: set[_Image] = set()
    chosen: list[_Image | ImagePlan] = []
    for selector in selectors:
        found = catalog.select_for_removal(selector, force=force)
        chosen += [image for image in found if image not in seen]
        seen.update(found)
        if not found and not (isinstance(selector, str) and is_glob(selector)):
            chosen.append(_absent_row(catalog, selector))
    return chosen


def removal_row(place: RowFacts[_Image], image: _Image, note: str = "", state: RefState | None = None) -> ImagePlan:
    """Return the row of an image that is removed. NOTE is the end of its action. STATE replaces what PLACE says that its name points at."""
    state = state or place.state(image)
    what = f"{image.name} ({short_digest(state.digest)})" if image.name is not None else f"the unnamed image {image.label}"
    return ImagePlan(
        requested=image.label,
        changes=(RefChange(place.locate(image.label, "in"), state, None),),
        actions=(place.locate(f"remove {what}", "from") + note,),
        results={**place.facts(image, image.name), **place.common_facts},
    )


def refused_row(row: ImagePlan, error: LongshoreError) -> ImagePlan:
    """Return ROW for an image that stays because of ERROR."""
    return dataclasses.replace(row, changes=(), actions=(), error=error)


def with_removed_referrers(place: RowFacts[_Image], row: ImagePlan, facts: t.Sequence[Results], changes: t.Iterable[RefChange]) -> ImagePlan:
    """Return ROW with the referrers that are removed with its image. FACTS describe them, CHANGES are those of their names."""
    action = place.locate(f"remove {format_count(len(facts), 'referrer')} of {row.requested}", "from")
    return dataclasses.replace(
        row,
        results={**row.results, "referrers": list(facts)},
        changes=(*row.changes, *changes),
        actions=(*row.actions, action) if facts else row.actions,
    )


def named_by(selector: RemovalSelector) -> dict[str, str | None]:
    """Return the keys that identify an absent image in its row: a digest or an ID is no name."""
    return {"name": None, "digest": str(selector)} if isinstance(selector, Digest) else {}


def _absent_row(catalog: Catalog[_Image], selector: RemovalSelector) -> ImagePlan:
    """Return the row of an image that isn't there. A short ID, as other tools print it, is read as a name: that gets a warning."""
    warnings = (f"{selector} is read as a name; write an ID in full, as sha256: and 64 digits",) if is_short_id(selector) else ()
    return ImagePlan(str(selector), results={**named_by(selector), **catalog.common_facts}, warnings=warnings)
