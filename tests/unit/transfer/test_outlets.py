# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is sent to which repository, and what is taken over from another one of the same registry."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.longshore.images.plugins.module_utils.errors import Denied
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.registry.repository import Repository
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs.blob_mounts import MAX_CANDIDATES, BlobMounts

BLOBS = [Descriptor("layer", Digest("sha256", f"{number:064x}"), number) for number in range(4)]
REPOSITORIES = ["a.test/one", "a.test/two", "a.test/three", "b.test/one"]


class FakeRepository:
    """A repository that has some blobs, and notes what it is asked for."""

    def __init__(self, name: str, held: t.Collection[Descriptor] = (), denied: bool = False) -> None:
        self.name = name
        self.registry, _slash, self.repository = name.partition("/")
        self.held = held
        self.denied = denied
        self.asked: list[Descriptor] = []

    def has_blob(self, blob: Descriptor) -> bool:
        self.asked.append(blob)
        if self.denied:
            raise Denied("not you")
        return blob in self.held


class Registries:
    def __init__(self, *repositories: FakeRepository, hints: t.Mapping[Digest, t.Sequence[str]] | None = None) -> None:
        self.repositories = {repository.name: repository for repository in repositories}
        self.mounts = BlobMounts(self._open, lambda registry, digest: (hints or {}).get(digest, ()))

    def _open(self, reference: Reference) -> Repository:
        return t.cast(Repository, self.repositories.setdefault(reference.context, FakeRepository(reference.context)))

    def divide(self, name: str, *blobs: Descriptor) -> tuple[list[Descriptor], dict[Descriptor, str]]:
        """What is moved to a repository, and what is linked from where."""
        repository = self._open(Reference.parse(name))
        with Workers(1) as workers:
            division = self.mounts.split(blobs, repository, workers)
        mounts = self.mounts.sink(repository).mounts
        return list(division.moves), {blob: mounts[blob.digest] for blob in division.linked}


def test_what_a_repository_lacks_is_sent_and_what_it_has_is_left() -> None:
    registries = Registries(FakeRepository("a.test/one", BLOBS[:1]))
    assert registries.divide("a.test/one", *BLOBS[:3]) == (BLOBS[1:3], {})


def test_what_one_repository_has_or_gets_the_next_takes_over() -> None:
    registries = Registries(FakeRepository("a.test/one", BLOBS[:1]))
    registries.divide("a.test/one", *BLOBS[:2])
    assert registries.divide("a.test/two", *BLOBS[:3]) == ([BLOBS[2]], {BLOBS[0]: "one", BLOBS[1]: "one"})


def test_nothing_is_taken_over_from_another_registry() -> None:
    registries = Registries(FakeRepository("a.test/one", BLOBS), hints={BLOBS[0].digest: ["a.test/one"]})
    registries.divide("a.test/one", *BLOBS)
    assert registries.divide("b.test/one", *BLOBS) == (BLOBS, {})


def test_two_images_for_one_repository_send_a_blob_on_one_decision() -> None:
    registries = Registries(FakeRepository("a.test/held", BLOBS[:1]), hints={BLOBS[0].digest: ["a.test/held"]})
    for _image in range(2):
        assert registries.divide("a.test/one", *BLOBS[:2]) == ([BLOBS[1]], {BLOBS[0]: "held"})
    assert len(registries.repositories["a.test/held"].asked) == 1


@pytest.mark.parametrize("held", [FakeRepository("a.test/held"), FakeRepository("a.test/held", BLOBS, denied=True)], ids=["gone", "denied"])
def test_a_hint_is_asked_and_not_believed(held: FakeRepository) -> None:
    registries = Registries(held, hints={BLOBS[0].digest: ["a.test/held", "no reference"]})
    assert registries.divide("a.test/one", BLOBS[0]) == ([BLOBS[0]], {})
    assert held.asked == [BLOBS[0]]


def test_only_a_few_hints_are_asked() -> None:
    registries = Registries(hints={BLOBS[0].digest: [f"a.test/{number}" for number in range(10)]})
    registries.divide("a.test/one", BLOBS[0])
    assert sum(len(repository.asked) for repository in registries.repositories.values()) == 1 + MAX_CANDIDATES


def test_the_repository_itself_is_no_hint() -> None:
    registries = Registries(hints={BLOBS[0].digest: ["a.test/one"]})
    assert registries.divide("a.test/one", BLOBS[0]) == ([BLOBS[0]], {})
    assert len(registries.repositories["a.test/one"].asked) == 1


@given(
    held=st.dictionaries(st.sampled_from(REPOSITORIES), st.sets(st.sampled_from(BLOBS))),
    images=st.lists(st.tuples(st.sampled_from(REPOSITORIES), st.lists(st.sampled_from(BLOBS), unique=True)), max_size=8),
)
def test_a_registry_is_sent_a_blob_once_and_links_only_what_came_before(
    held: dict[str, set[Descriptor]], images: list[tuple[str, list[Descriptor]]]
) -> None:
    registries = Registries(*(FakeRepository(name, blobs) for name, blobs in held.items()))
    there = {(name, blob) for name, blobs in held.items() for blob in blobs}
    sent: dict[tuple[str, Descriptor], str] = {}
    for name, blobs in images:
        moves, linked = registries.divide(name, *blobs)
        registry = name.partition("/")[0]
        assert set(moves).isdisjoint(linked)
        assert {*moves, *linked} == {blob for blob in blobs if blob not in held.get(name, ())}
        for blob, origin in linked.items():
            assert (f"{registry}/{origin}", blob) in there
            assert f"{registry}/{origin}" != name
        for blob in moves:
            assert sent.setdefault((registry, blob), name) == name
        there |= {(name, blob) for blob in blobs}
