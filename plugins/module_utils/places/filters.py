# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters that select images of a place, independent of how the place stores them."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import typing as t

from ..errors import ImageNotFound, InvalidOption
from ..oci.digest import Digest
from ..oci.glob import compile_glob
from ..oci.matching import Digests, NamedImage, find_matching, own_digest
from ..oci.reference import Reference, parse_selector

_Image = t.TypeVar("_Image", bound=NamedImage)


@dataclasses.dataclass(frozen=True)
class Filters:
    """The conditions of the option `filters`. An image must meet all that are set; of several globs one must match."""

    reference: t.Sequence[str] = ()
    label: t.Sequence[str] = ()
    dangling: bool | None = None
    before: Reference | Digest | None = None
    since: Reference | Digest | None = None

    @classmethod
    def parse(cls, given: t.Mapping[str, t.Any]) -> Filters:
        """Return the filters of a task's option `filters`. Raises InvalidReference."""
        points = {key: parse_selector(given[key]) for key in ("before", "since") if given[key]}
        return cls(given["reference"], given["label"], given["dangling"], **points)

    @property
    def compared(self) -> list[Reference | Digest]:
        """The images whose times are compared with those of others."""
        return [selector for selector in (self.before, self.since) if selector is not None]

    def check_for_registry(self) -> None:
        """Raise InvalidOption for filters that registries don't support."""
        if self.dangling is not None or self.before is not None or self.since is not None:
            raise InvalidOption("filters: dangling, before and since compare images of the store; at a registry only reference and label work")


@dataclasses.dataclass(frozen=True)
class ImageFilter(t.Generic[_Image]):
    """Filter the images of one place. `place` is its name in messages; the functions return facts of one image.

    `digests` and `image_ids` are those of `find_matching`.
    """

    images: t.Sequence[_Image]
    place: str
    created: t.Callable[[_Image], datetime.datetime | None]
    labels: t.Callable[[_Image], t.Mapping[str, str]]
    image_ids: Digests[_Image]
    digests: Digests[_Image] = own_digest

    def tests(self, filters: Filters) -> list[t.Callable[[_Image], bool]]:
        """Return the tests that an image must pass.

        Raises ImageNotFound for an image to compare with that doesn't exist, InvalidOption for one without a creation time.
        """
        tests: list[t.Callable[[_Image], bool]] = []
        if filters.reference:
            patterns = [compile_glob(pattern) for pattern in filters.reference]
            tests.append(lambda image: image.name is not None and any(pattern.match(str(image.name)) for pattern in patterns))
        tests.extend(functools.partial(self._has_label, label) for label in filters.label)
        if filters.dangling is not None:
            tests.append(lambda image: (image.name is None) == filters.dangling)
        if filters.before is not None:
            before = self._time_of(filters.before)
            tests.append(lambda image: (time := self.created(image)) is not None and time < before)
        if filters.since is not None:
            since = self._time_of(filters.since)
            tests.append(lambda image: (time := self.created(image)) is not None and time > since)
        return tests

    def find(self, selector: Reference | Digest) -> _Image | None:
        return next(iter(find_matching(self.images, selector, self.image_ids, self.digests)), None)

    def resolve(self, selector: Reference | Digest) -> _Image:
        """Return the image that SELECTOR means. Raises ImageNotFound."""
        image = self.find(selector)
        if image is None:
            raise ImageNotFound(f"{selector} is not in {self.place}")
        return image

    def _has_label(self, wanted: str, image: _Image) -> bool:
        key, equals, value = wanted.partition("=")
        labels = self.labels(image)
        return key in labels and (not equals or labels[key] == value)

    def _time_of(self, selector: Reference | Digest) -> datetime.datetime:
        time = self.created(self.resolve(selector))
        if time is None:
            raise InvalidOption(f"filters: {selector} doesn't say when it was created")
        return time
