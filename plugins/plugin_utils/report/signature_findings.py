# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the report says about the signatures of each image: the verdict of the policy, and the rows of the tables."""

from __future__ import annotations

import dataclasses
import typing as t

from .answers import Image
from .places import Place, PlaceName
from .signatures import Verdict, Verification

_NO_POLICY = Verification(Verdict.UNCHECKED, "the report has no policy for this host")
_IN_ENGINE = Verification(Verdict.UNCHECKED, "an engine holds no signatures, and the store of this host doesn't have this image with an accepted one")
_NOT_FETCHED = Verification(
    Verdict.NOT_FETCHED,
    "the store has no signature of this image: none was fetched, or there is none. preload_referrers, or referrers of image_pull, fetches them",
)


@dataclasses.dataclass(frozen=True)
class SignatureFinding:
    """The verdict about an image under a name in a place."""

    place: PlaceName
    name: str
    image: Image
    verification: Verification


def signature_findings(places: t.Iterable[Place]) -> list[SignatureFinding]:
    """Return the verdict about each name in each place. Images without a name are left out, because rules apply to names.

    An engine holds no signatures. If the store of its host has the same image under the same name with an accepted signature, that verdict counts. Stores of
    other hosts don't count, so that a host can't answer for another one. An image without any referrer in its store was mostly pulled without them, so that
    it says nothing about the signatures at the registry.
    """
    asked = [place for place in places if place.was_asked]
    stores = {place.name.host: place.by_name for place in asked if not place.is_engine}

    def judge(place: Place, name: str, image: Image) -> Verification:
        if image.verification is None:
            return _NO_POLICY
        if place.is_engine and image.verification.verdict is Verdict.UNSIGNED:
            return _accepted_in_store(image, stores.get(place.name.host, {}).get(name)) or _IN_ENGINE
        if image.verification.verdict is Verdict.UNSIGNED and not image.attached:
            return _NOT_FETCHED
        return image.verification

    return [SignatureFinding(place.name, name, image, judge(place, name, image)) for place in asked for name, image in place.by_name.items()]


def _accepted_in_store(image: Image, stored: Image | None) -> Verification | None:
    """Return the verdict about STORED if it is IMAGE, which an engine has, and has an accepted signature."""
    if stored is None or stored.verification is None or stored.verification.verdict is not Verdict.SIGNED:
        return None
    return stored.verification if {*image.identifiers} & {*stored.identifiers, *stored.manifests} else None
