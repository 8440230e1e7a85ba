# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The deletions that a removal at a registry plans."""

from __future__ import annotations

import dataclasses
import json
import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import ImageNotFound, UnsupportedFormat
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.places.registry.removal import RemoteRemovalPlan
from ansible_collections.longshore.images.plugins.module_utils.registry.repository import Repository
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs.remove_remote import plan_remove_remote
from tests.support.images import Image, list_in_index, make_image, make_index

ONE = make_image("one", 1)
TWO = make_image("two", 1)
INDEX = make_index("index", layers=1)
PART = INDEX.graph.images[0].descriptor
OUTER = list_in_index(INDEX)
LIST = "r.test/team/app"


@dataclasses.dataclass
class FakeAnswer:
    content: bytes
    status: int = 200
    headers: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    url: str = "https://r.test"
    what: str = "the tags"

    def header_values(self, unused_name: str) -> list[str]:
        return []

    def body(self, unused_limit: int) -> bytes:
        return self.content


@dataclasses.dataclass
class FakeRepository:
    """A repository with tags and the manifests that they point at, None for a document of an unknown format. It has no referrers.

    It is also its own endpoint.
    """

    tags: dict[str, Descriptor | None]
    registry: str = "r.test"
    repository: str = "team/app"
    name: str = LIST
    url: str = "https://r.test"
    lacks_referrers_api: bool = True

    @property
    def read_endpoint(self) -> FakeRepository:
        return self

    def fetch_manifest(self, reference: Reference) -> Descriptor:
        raise ImageNotFound(f"{reference} is a list of referrers")

    @property
    def endpoint(self) -> FakeRepository:
        return self

    def send(self, unused_request: object, unused_repository: str) -> FakeAnswer:
        return FakeAnswer(json.dumps({"tags": list(self.tags)}).encode())

    def probe(self, reference: Reference) -> Descriptor | None:
        if reference.tag is None:
            return next((found for found in (*self.tags.values(), PART) if found is not None and found.digest == reference.digest), None)
        if reference.tag in self.tags and self.tags[reference.tag] is None:
            raise UnsupportedFormat("schema 1")
        return self.tags.get(reference.tag)

    def read_document(self, descriptor: Descriptor) -> bytes:
        return OUTER.content[descriptor.digest]


def root(image: Image) -> Descriptor:
    return dataclasses.replace(image.root, platform=None)


def plan(tags: dict[str, Descriptor | None], *names: str, force: bool = False) -> RemoteRemovalPlan:
    repository = t.cast(Repository, FakeRepository(tags))
    with Workers(1) as workers:
        return plan_remove_remote([Reference.parse(f"{LIST}{name}") for name in names], lambda reference: repository, force=force, workers=workers)


def deletions(planned: RemoteRemovalPlan) -> list[str]:
    """Each deletion in a word: the digest's beginning, or the tag that goes alone."""
    return [str(removal.tags[0].tag) if removal.alone else removal.found.digest.hex[:8] for removal in planned.removals]


ONE_HEX, INDEX_HEX, PART_HEX = (descriptor.digest.hex[:8] for descriptor in (ONE.root, INDEX.root, PART))

CASES: list[tuple[str, dict[str, Descriptor | None], list[str], list[str], list[str]]] = [
    # what is there, what is asked for, the deletions without force, and with it
    ("nothing", {}, [":a"], [], []),
    ("the only tag", {"a": root(ONE)}, [":a"], [ONE_HEX], [ONE_HEX]),
    ("another image beside it", {"a": root(ONE), "b": root(TWO)}, [":a"], [ONE_HEX], [ONE_HEX]),
    ("one of two tags", {"a": root(ONE), "b": root(ONE)}, [":a"], ["a"], [ONE_HEX]),
    ("two of two tags", {"a": root(ONE), "b": root(ONE)}, [":a", ":b"], [ONE_HEX], [ONE_HEX]),
    ("two of three tags", {"a": root(ONE), "b": root(ONE), "c": root(ONE)}, [":a", ":b"], ["a", "b"], [ONE_HEX]),
    ("one tag twice", {"a": root(ONE)}, [":a", ":a", f":a@{ONE.root.digest}"], [ONE_HEX], [ONE_HEX]),
    ("a tag of another digest", {"a": root(ONE)}, [f":a@{TWO.root.digest}"], [], []),
    ("a digest with a tag", {"a": root(ONE)}, [f"@{ONE.root.digest}"], [], [ONE_HEX]),
    ("a digest and its tag", {"a": root(ONE)}, [f"@{ONE.root.digest}", ":a"], [ONE_HEX], [ONE_HEX]),
    ("a digest without tags", {"b": root(TWO)}, [f"@{PART.digest}"], [PART_HEX], [PART_HEX]),
    ("an index with a tagged part", {"a": root(INDEX), "part": PART}, [":a"], [INDEX_HEX], [INDEX_HEX]),
    ("a part of an index", {"a": root(INDEX), "part": PART}, [":part"], ["part"], [PART_HEX]),
    ("an untagged part of an index", {"a": root(INDEX)}, [f"@{PART.digest}"], [], [PART_HEX]),
    ("a part with its index", {"a": root(INDEX), "part": PART}, [":part", ":a"], [PART_HEX, INDEX_HEX], [PART_HEX, INDEX_HEX]),
    (
        "a part with one of its index's tags",
        {"a": root(INDEX), "b": root(INDEX), "part": PART},
        [":part", ":a"],
        ["part", "a"],
        [PART_HEX, INDEX_HEX],
    ),
    (
        "a tag, and one that has its digest but was asked for with another",
        {"a": root(ONE), "b": root(ONE)},
        [":a", f":b@{PART.digest}"],
        ["a"],
        [ONE_HEX],
    ),
    ("a part of an index in an index", {"a": root(OUTER), "part": PART}, [":part"], ["part"], [PART_HEX]),
    ("beside what nobody understands", {"a": root(ONE), "old": None}, [":a"], ["a"], [ONE_HEX]),
    ("what nobody understands", {"a": root(ONE), "old": None}, [":old"], [], []),
]


@pytest.mark.parametrize(("there", "asked", "without", "forced"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_other_tags_may_need_stays_unless_it_is_forced(
    there: dict[str, Descriptor | None], asked: list[str], without: list[str], forced: list[str]
) -> None:
    assert deletions(plan(there, *asked)) == without
    assert deletions(plan(there, *asked, force=True)) == forced


def test_a_digest_that_tags_need_is_refused_and_they_are_named() -> None:
    planned = plan({f"t{number}": root(ONE) for number in range(8)}, f"@{ONE.root.digest}")
    (error,) = planned.errors
    assert error.cause == "in_use"
    assert f"{LIST}:t4 and 3 more" in error.message
    assert not planned.changed


def test_the_results_list_removed_images() -> None:
    tags: dict[str, Descriptor | None] = {"a": root(ONE), "b": root(ONE)}
    alone, forced = plan(tags, ":a"), plan(tags, ":a", force=True)
    assert alone.facts() == {"untagged": [f"{LIST}:a"], "deleted": [], "bytes_freed": 0}
    assert forced.facts() == {"untagged": [f"{LIST}:a", f"{LIST}:b"], "deleted": [str(ONE.root.digest)], "bytes_freed": 0}
    assert set(forced.diff()["before"]) == {f"{LIST}:a", f"{LIST}:b"}
    assert forced.diff()["after"] == {}
