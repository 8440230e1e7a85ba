# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The places that a report shows: the store of each host, and its engines."""

from __future__ import annotations

import dataclasses
import typing as t

from ...module_utils.errors import HostError
from ...module_utils.oci.text import sanitise
from ..host_answers import HostAnswer
from .answers import Answer, Identity, Image, describe_problem, loop_item

# The settings that distinguish engines of one kind on a host.
_ADDRESSES = ("docker_host", "podman_host", "containerd_address")


@dataclasses.dataclass(frozen=True, order=True)
class PlaceName:
    """The name of a place: its host, and the label of the engine, which is empty for the store."""

    host: str
    engine: str = ""

    def __str__(self) -> str:
        return f"{self.host} {self.engine}".strip()


@dataclasses.dataclass(frozen=True)
class Place:
    """A store or an engine, and its images or the problem why it gave no answer."""

    name: PlaceName
    store: str = ""
    images: tuple[Image, ...] = ()
    problem: str = ""

    @classmethod
    def read(cls, host: str, answer: Answer, engine: str = "") -> Place:
        """Read the answer of a host. A malformed one is a problem of this place, so that the page still shows all others."""
        name = PlaceName(sanitise(host, 255), engine)
        try:
            row = HostAnswer(answer)
            if answer.get("unreachable") or answer.get("failed") or "images" not in row:
                return cls(name, problem=describe_problem(answer) or "It wasn't asked: an earlier task failed on it.")
            store = sanitise(row.text("store")) if "store" in row else ""
            return cls(name, store, tuple(map(Image.read, row.items("images"))))
        except HostError as error:
            return cls(name, problem=error.message)

    @property
    def is_engine(self) -> bool:
        return bool(self.name.engine)

    @property
    def was_asked(self) -> bool:
        return not self.problem

    @property
    def by_name(self) -> dict[str, Image]:
        return {image.name: image for image in self.images if image.name is not None}

    @property
    def by_identity(self) -> dict[Identity, Image]:
        """Return each image once, even if it has several names."""
        return {image.identity: image for image in reversed(self.images)}

    def only_describes(self, image: Image) -> bool:
        """Return whether this is an engine that doesn't report the content of IMAGE, as Docker and Podman."""
        return self.is_engine and not image.content


def read_places(answers: t.Mapping[str, Answer], engines: t.Mapping[str, t.Sequence[Answer]]) -> list[Place]:
    """Return the store and the engines of each host. The store is left out if its task was skipped."""
    places = []
    for host in dict.fromkeys([*answers, *engines]):
        if host in answers and not (isinstance(answers[host], dict) and answers[host].get("skipped")):
            places.append(Place.read(host, answers[host]))
        found = engines.get(host, [])
        asked = found if isinstance(found, (list, tuple)) else [t.cast("Answer", found)]
        places += [Place.read(host, answer, label) for answer, label in zip(asked, _engine_labels(asked))]
    return unify(places)


def format_places(names: t.Iterable[PlaceName]) -> tuple[str, ...]:
    """Return one text for each host of NAMES, in their order. It lists the engines that are among them."""
    hosts: dict[str, list[str]] = {}
    for name in names:
        hosts.setdefault(name.host, []).append(name.engine)
    return tuple(host if engines == [""] else f"{host} ({', '.join(engine or 'store' for engine in engines)})" for host, engines in hosts.items())


def _engine_labels(answers: t.Sequence[Answer]) -> list[str]:
    """Return a label for each engine of one host: its kind, its namespace, and its address if it would be ambiguous without."""
    settings = [loop_item(answer) for answer in answers]
    labels = [f"{one.get('engine') or 'engine'} {one.get('containerd_namespace') or ''}".strip() for one in settings]
    addresses = [next((str(one[key]) for key in _ADDRESSES if one.get(key)), "") for one in settings]
    return [sanitise(f"{label} {address}" if labels.count(label) > 1 and address else label, 255) for label, address in zip(labels, addresses)]


def unify(places: t.Sequence[Place]) -> list[Place]:
    """Return PLACES in which the same image has the same identity everywhere.

    An engine that only describes an image may know only its ID, or the digest of the one manifest of an index that it uses. It gets the digest that a
    store or another engine has for it. Images whose content is known keep their digests, even if they have an ID in common.
    """
    known: dict[str, Identity] = {}
    stored = {image.identity: image for place in places for image in place.images if not place.only_describes(image)}
    for identity, image in sorted(stored.items()):
        for word in (*image.identifiers, *image.manifests):
            known.setdefault(word, identity)
    described = {image.identifiers: image for place in places for image in place.images if place.only_describes(image)}
    # An image of which digest and ID are known connects those of which only one is known.
    for identifiers, image in sorted(described.items(), key=lambda item: (-len(item[0]), item[0])):
        identity = next((known[word] for word in identifiers if word in known), image.identity)
        for word in identifiers:
            known.setdefault(word, identity)
    return [
        dataclasses.replace(
            place,
            images=tuple(
                dataclasses.replace(image, identity=known[image.identifiers[0]]) if place.only_describes(image) else image for image in place.images
            ),
        )
        for place in places
    ]
