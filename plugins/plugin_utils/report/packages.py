# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The packages of images in a report: the results of `image_packages_info` for the images in stores, as rows."""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from ...module_utils.errors import HostError
from ...module_utils.oci.text import sanitise
from ...module_utils.places.facts import format_count
from ..host_answers import HostAnswer
from .answers import Answer, Identity, describe_problem, loop_item
from .places import Place, PlaceName, format_places
from .tables import Named

# A host decides how many packages it reports, and how long their names are. These limits bound the page.
MOST_OF_AN_IMAGE = 1_000
MOST_OF_ALL_IMAGES = 20_000
MOST_CHARACTERS = 100


@dataclasses.dataclass(frozen=True)
class Package:
    """A package: its name, version and type, each as text for the page."""

    name: str
    version: str
    type: str

    @classmethod
    def read(cls, row: HostAnswer) -> Package:
        return cls(*(sanitise(row.optional_text(member) or "", MOST_CHARACTERS) for member in ("name", "version", "type")))


@dataclasses.dataclass(frozen=True)
class Contents:
    """The packages of an image for one platform, or the problem if they couldn't be listed. `unreadable` counts files that should describe packages."""

    packages: tuple[Package, ...] = ()
    count: int = 0
    platform: str = ""
    unreadable: int = 0
    problem: str = ""

    @classmethod
    def read(cls, answer: Answer) -> Contents:
        """Read the answer of a host about one image. A malformed one is a problem of this image, so that the page still shows all others."""
        try:
            row = HostAnswer(answer)
            if answer.get("unreachable") or answer.get("failed") or "packages" not in row:
                return cls(problem=describe_problem(answer) or "The host was not asked.")
            found = row.items("packages")
            packages = tuple(Package.read(HostAnswer(package, "packages")) for package in found[:MOST_OF_AN_IMAGE])
            return cls(packages, len(found), sanitise(row.optional_text("platform") or "", 80), len(row.items("unreadable")))
        except HostError as error:
            return cls(problem=error.message)


@dataclasses.dataclass(frozen=True)
class PackagesRow:
    """An image whose packages are the same in all of `hosts`. `listed` are the packages within the limits of the page."""

    name: str
    digest: Named | None
    contents: Contents
    listed: tuple[Package, ...]
    hosts: tuple[str, ...]

    @property
    def summary(self) -> str:
        if self.contents.problem:
            return "could not be read"
        return ", ".join(filter(None, [format_count(self.contents.count, "package"), self.contents.platform]))

    @property
    def omitted(self) -> int:
        return self.contents.count - len(self.listed)


def packages_rows(places: t.Iterable[Place], answers: t.Mapping[str, t.Sequence[Answer]]) -> list[PackagesRow]:
    """Return the images in stores whose packages the hosts were asked for. The ANSWERS of each host are the results of a loop."""
    read = {sanitise(host, 255): _contents_by_digest(results) for host, results in answers.items()}
    names: dict[Identity, set[str]] = collections.defaultdict(set)
    on: dict[tuple[Identity, Contents], dict[PlaceName, None]] = collections.defaultdict(dict)
    for place in places:
        for image in place.images:
            contents = None if place.is_engine or image.name is None else read.get(place.name.host, {}).get(str(image.digest))
            if image.name is not None and contents is not None:
                names[image.identity].add(image.name)
                on[image.identity, contents][place.name] = None
    rows, room = [], MOST_OF_ALL_IMAGES
    # The sort is stable: the order of the hosts decides between different answers about the same image.
    for (identity, contents), found_on in sorted(on.items(), key=lambda item: (sorted(names[item[0][0]]), item[0][0])):
        listed = contents.packages[:room]
        room -= len(listed)
        rows.append(PackagesRow(", ".join(sorted(names[identity])), Named.of(identity), contents, listed, format_places(found_on)))
    return rows


def _contents_by_digest(results: object) -> dict[str, Contents]:
    """Return the contents of each image by its digest, which the item of the loop has."""
    found = [(loop_item(answer).get("digest"), answer) for answer in (results if isinstance(results, (list, tuple)) else ())]
    return {digest: Contents.read(answer) for digest, answer in found if isinstance(digest, str)}
