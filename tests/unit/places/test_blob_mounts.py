# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which blobs are uploaded to a repository, and which are mounted from another repository of the same registry."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.longshore.images.plugins.module_utils.errors import Denied
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.places.registry.blob_mounts import MAX_CANDIDATES, BlobMounts
from ansible_collections.longshore.images.plugins.module_utils.registry.repository import Repository
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers

BLOBS = [Descriptor("layer", Digest("sha256", f"{number:064x}"), number) for number in range(4)]
REPOSITORIES = ["a.test/one", "a.test/two", "a.test/three", "b.test/one"]


class FakeRepository:
    """A repository that has some blobs, and records the requests for blobs."""

    def __init__(self, name: str, blobs: t.Collection[Descriptor] = (), denied: bool = False) -> None:
        self.name = name
        self.registry, _slash, self.repository = name.partition("/")
        self.blobs = blobs
        self.denied = denied
        self.requests: list[Descriptor] = []

    def has_blob(self, blob: Descriptor) -> bool:
        self.requests.append(blob)
        if self.denied:
            raise Denied("not you")
        return blob in self.blobs


class Registries:
    def __init__(self, *repositories: FakeRepository, candidates: t.Mapping[Digest, t.Sequence[str]] | None = None) -> None:
        self.repositories = {repository.name: repository for repository in repositories}
        self.mounts = BlobMounts(self._open, lambda registry, digest: (candidates or {}).get(digest, ()))

    def _open(self, reference: Reference) -> Repository:
        return t.cast(Repository, self.repositories.setdefault(reference.context, FakeRepository(reference.context)))

    def split(self, name: str, *blobs: Descriptor) -> tuple[list[Descriptor], dict[Descriptor, str]]:
        """Return the blobs that are uploaded to a repository, and those that are mounted with the repository they come from."""
        repository = self._open(Reference.parse(name))
        with Workers(1) as workers:
            split = self.mounts.split(blobs, repository, workers)
        mounts = self.mounts.sink(repository).mounts
        return list(split.moves), {blob: mounts[blob.digest] for blob in split.linked}


def test_missing_blobs_are_uploaded_and_present_ones_are_not() -> None:
    registries = Registries(FakeRepository("a.test/one", BLOBS[:1]))
    assert registries.split("a.test/one", *BLOBS[:3]) == (BLOBS[1:3], {})


def test_blobs_that_one_repository_has_or_gets_are_mounted_in_the_next() -> None:
    registries = Registries(FakeRepository("a.test/one", BLOBS[:1]))
    registries.split("a.test/one", *BLOBS[:2])
    assert registries.split("a.test/two", *BLOBS[:3]) == ([BLOBS[2]], {BLOBS[0]: "one", BLOBS[1]: "one"})


def test_nothing_is_mounted_from_another_registry() -> None:
    registries = Registries(FakeRepository("a.test/one", BLOBS), candidates={BLOBS[0].digest: ["a.test/one"]})
    registries.split("a.test/one", *BLOBS)
    assert registries.split("b.test/one", *BLOBS) == (BLOBS, {})


def test_two_images_for_one_repository_share_the_decision_on_a_blob() -> None:
    registries = Registries(FakeRepository("a.test/held", BLOBS[:1]), candidates={BLOBS[0].digest: ["a.test/held"]})
    for _image in range(2):
        assert registries.split("a.test/one", *BLOBS[:2]) == ([BLOBS[1]], {BLOBS[0]: "held"})
    assert len(registries.repositories["a.test/held"].requests) == 1


@pytest.mark.parametrize("candidate", [FakeRepository("a.test/held"), FakeRepository("a.test/held", BLOBS, denied=True)], ids=["gone", "denied"])
def test_a_candidate_is_checked_before_a_mount_is_planned(candidate: FakeRepository) -> None:
    registries = Registries(candidate, candidates={BLOBS[0].digest: ["a.test/held", "no reference"]})
    assert registries.split("a.test/one", BLOBS[0]) == ([BLOBS[0]], {})
    assert candidate.requests == [BLOBS[0]]


def test_only_a_few_candidates_are_checked() -> None:
    registries = Registries(candidates={BLOBS[0].digest: [f"a.test/{number}" for number in range(10)]})
    registries.split("a.test/one", BLOBS[0])
    assert sum(len(repository.requests) for repository in registries.repositories.values()) == 1 + MAX_CANDIDATES


def test_the_repository_itself_is_no_candidate() -> None:
    registries = Registries(candidates={BLOBS[0].digest: ["a.test/one"]})
    assert registries.split("a.test/one", BLOBS[0]) == ([BLOBS[0]], {})
    assert len(registries.repositories["a.test/one"].requests) == 1


@given(
    held=st.dictionaries(st.sampled_from(REPOSITORIES), st.sets(st.sampled_from(BLOBS))),
    images=st.lists(st.tuples(st.sampled_from(REPOSITORIES), st.lists(st.sampled_from(BLOBS), unique=True)), max_size=8),
)
def test_a_blob_is_uploaded_to_a_registry_once_and_mounts_come_after_the_upload(
    held: dict[str, set[Descriptor]], images: list[tuple[str, list[Descriptor]]]
) -> None:
    registries = Registries(*(FakeRepository(name, blobs) for name, blobs in held.items()))
    present = {(name, blob) for name, blobs in held.items() for blob in blobs}
    sent: dict[tuple[str, Descriptor], str] = {}
    for name, blobs in images:
        moves, linked = registries.split(name, *blobs)
        registry = name.partition("/")[0]
        assert set(moves).isdisjoint(linked)
        assert {*moves, *linked} == {blob for blob in blobs if blob not in held.get(name, ())}
        for blob, source in linked.items():
            assert (f"{registry}/{source}", blob) in present
            assert f"{registry}/{source}" != name
        for blob in moves:
            assert sent.setdefault((registry, blob), name) == name
        present |= {(name, blob) for blob in blobs}
