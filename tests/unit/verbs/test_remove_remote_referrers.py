# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which referrers leave a registry with their image: a model of a registry, with and without the referrers API."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.places.registry.removal import RemoteRemovalPlan
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs.remove_remote import plan_remove_remote
from tests.support.registry_model import HOST, Answer, ModelRegistry
from tests.support.tag_graphs import INDEX, TagGraph

Members = dict[str, t.Any]


class Scene:
    """One repository. With `has_api` its registry lists referrers, otherwise a tag does."""

    def __init__(self, has_api: bool) -> None:
        self.registry = ModelRegistry()
        self.graph = TagGraph()
        self.listed: dict[str, list[Members]] = {}
        self.has_api = has_api

    def image(self, text: str, *tags: str) -> Members:
        return self.tag(self.graph.add_image(text, 1), *tags)

    def index(self, members: t.Sequence[Members], *tags: str) -> Members:
        return self.tag(self.graph.add_index(members), *tags)

    def tag(self, image: Members, *tags: str) -> Members:
        for tag in tags:
            self.graph.tags[tag] = image["digest"]
        return image

    def attach(self, subject: Members, text: str) -> Members:
        """Add a referrer by subject."""
        referrer = self.graph.add_referrer(subject, text)
        self.listed.setdefault(subject["digest"], []).append(referrer)
        return referrer

    def sign(self, subject: Members, suffix: str = ".sig") -> Members:
        """Add an image under cosign's tag."""
        return self.tag(self.graph.add_referrer(None, f"{suffix} of {subject['digest']}"), f"{tag_of(subject)}{suffix}")

    def put(self) -> None:
        if not self.has_api:
            for subject, referrers in self.listed.items():
                self.graph.tags[tag_of({"digest": subject})] = self.graph.add_manifest({"mediaType": INDEX, "manifests": referrers})["digest"]
        self.registry.put("team/app", self.graph)
        self.registry.intercept = self._answer

    def _answer(self, request: str) -> Answer | None:
        if not self.has_api or "/referrers/" not in request:
            return None
        found = self.listed.get(request.rpartition("/")[2], [])
        return Answer(200, json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": found}).encode())

    @property
    def tags(self) -> set[str]:
        return set(self.registry.repositories["team/app"].tags)

    @property
    def manifests(self) -> set[str]:
        return set(self.registry.repositories["team/app"].manifests)

    def plan(self, *names: str, force: bool = False) -> RemoteRemovalPlan:
        registries = self.registry.open()
        references = [Reference.parse(f"{HOST}/team/app{name}") for name in names]
        with Workers(1) as workers:
            return plan_remove_remote(references, lambda reference: registries.repository(reference, direct=True), force=force, workers=workers)

    def remove(self, *names: str, force: bool = False) -> RemoteRemovalPlan:
        """Remove images, and check that the plan names the same as the run and that a second run has nothing to do."""
        planned, before = self.plan(*names, force=force), (self.tags, self.manifests)
        done = apply(planned)
        assert (done.errors, done.facts(), done.diff(), done.rows()) == ([], planned.facts(), planned.diff(), planned.rows())
        facts = done.facts()
        assert set(facts["untagged"]) == {f"{HOST}/team/app:{tag}" for tag in before[0] - self.tags}
        assert set(facts["deleted"]) == before[1] - self.manifests
        assert not self.plan(*names, force=force).changed
        return done


def apply(plan: RemoteRemovalPlan) -> RemoteRemovalPlan:
    with Workers(1) as workers:
        return plan.apply(workers)


def tag_of(subject: Members) -> str:
    return str(subject["digest"]).replace(":", "-")


@pytest.fixture(params=[True, False], ids=["api", "tags"])
def scene(request: pytest.FixtureRequest) -> Scene:
    return Scene(request.param)


def test_all_referrers_leave_with_their_image(scene: Scene) -> None:
    image, other = scene.image("one", "1"), scene.image("two", "2")
    for subject in (image, other):
        for suffix in (".sig", ".att", ".sbom", ".other"):
            scene.sign(subject, suffix)
        sbom = scene.attach(subject, f"SBOM of {subject['digest']}")
        scene.sign(sbom)
        scene.attach(sbom, f"statement about the SBOM of {subject['digest']}")
    scene.put()
    done = scene.remove(":1")
    # Nothing of the other image is gone.
    assert not {tag for tag in scene.tags if tag.startswith(tag_of(image))}
    assert {"2", *(f"{tag_of(other)}{suffix}" for suffix in (".sig", ".att", ".sbom", ".other"))} <= scene.tags
    assert 2 * len(scene.manifests) == len(scene.graph.manifests)
    # The image is named first, and deleted last.
    assert done.facts()["deleted"][0] == image["digest"]
    assert [request for request in scene.registry.requests if request.startswith("DELETE")][-1].endswith(image["digest"])
    assert done.actions()[1] == f"remove 7 referrers of {HOST}/team/app:1 from its registry"
    (row,) = done.rows()
    assert [referrer["changed"] for referrer in row["referrers"]] == [True] * 7
    assert {referrer["subject"] for referrer in row["referrers"]} >= {image["digest"]}


def test_while_another_tag_keeps_the_digest_its_referrers_stay(scene: Scene) -> None:
    image = scene.image("one", "1", "2")
    scene.sign(image)
    signature = scene.attach(image, "signature")
    scene.put()
    assert scene.plan(":1").facts() == {"untagged": [f"{HOST}/team/app:1"], "deleted": [], "bytes_freed": 0}
    scene.remove(":1", ":2")
    assert signature["digest"] not in scene.manifests
    assert scene.tags == set()


def test_with_force_the_referrers_leave_with_all_tags(scene: Scene) -> None:
    image = scene.image("one", "1", "2")
    scene.sign(image)
    scene.attach(image, "signature")
    scene.put()
    scene.remove(":1", force=True)
    assert (scene.tags, scene.manifests) == (set(), set())


def test_referrers_of_members_leave_with_their_index_unless_a_tag_needs_the_member(scene: Scene) -> None:
    own, tagged, shared = scene.image("own"), scene.image("tagged", "member"), scene.image("shared")
    index = scene.index([own, tagged, scene.index([shared])], "1")
    scene.index([shared, tagged], "other")
    referrers = {}
    for image in (own, tagged, shared, index):
        scene.sign(image)
        referrers[image["digest"]] = scene.attach(image, f"about {image['digest']}")
    scene.put()
    scene.remove(":1")
    assert {digest for digest, referrer in referrers.items() if referrer["digest"] in scene.manifests} == {tagged["digest"], shared["digest"]}
    assert f"{tag_of(own)}.sig" not in scene.tags
    assert {f"{tag_of(tagged)}.sig", f"{tag_of(shared)}.sig"} <= scene.tags


def test_an_index_and_its_member_can_be_removed_together(scene: Scene) -> None:
    member = scene.image("member", "member")
    index = scene.index([member], "1")
    for image in (index, member):
        scene.sign(image)
        scene.attach(image, f"about {image['digest']}")
    scene.put()
    scene.remove(":1", ":member")
    assert (scene.tags, scene.manifests) == (set(), set())


def test_a_referrer_that_is_an_image_too_stays_with_its_own_referrers(scene: Scene) -> None:
    image = scene.image("one", "1")
    sbom = scene.tag(scene.attach(image, "SBOM"), "sbom-1")
    signature = scene.sign(sbom)
    in_index = scene.attach(image, "listed elsewhere")
    scene.graph.created[in_index["digest"]] = 1
    scene.index([in_index], "others")
    scene.put()
    scene.remove(":1")
    assert {sbom["digest"], signature["digest"], in_index["digest"]} <= scene.manifests
    assert image["digest"] not in scene.manifests


def test_a_signature_that_is_asked_for_too_is_removed_once(scene: Scene) -> None:
    image = scene.image("one", "1")
    signature = scene.sign(image)
    scene.put()
    done = scene.remove(":1", f":{tag_of(image)}.sig")
    assert [row["name"] for row in done.rows()] == [f"{HOST}/team/app:1", f"{HOST}/team/app:{tag_of(image)}.sig"]
    assert signature["digest"] not in scene.manifests


def test_tags_that_sign_each_other_in_a_circle_leave_together(scene: Scene) -> None:
    image = scene.image("one", "1")
    signature = scene.sign(image)
    scene.tag(image, f"{tag_of(signature)}.sig")
    scene.put()
    apply(scene.plan(":1", force=True))
    assert (scene.tags, scene.manifests) == (set(), set())


def test_beside_a_tag_of_an_unknown_format_the_referrers_stay(scene: Scene) -> None:
    image = scene.image("one", "1")
    signature = scene.sign(image)
    scene.put()
    scene.registry.put_manifest("team/app", "old", b'{"schemaVersion": 1}', "application/vnd.docker.distribution.manifest.v1+json")
    planned = scene.plan(":1", force=True)
    assert planned.facts()["deleted"] == [image["digest"]]
    assert "the referrers" in planned.warnings()[0]
    apply(planned)
    assert signature["digest"] in scene.manifests


@pytest.mark.parametrize("what", ["referrers", "delete"])
def test_an_image_stays_if_its_referrers_cant_be_read_or_deleted(scene: Scene, what: str) -> None:
    image, other = scene.image("one", "1"), scene.image("two", "2")
    signature = scene.sign(image)
    scene.put()
    answer = scene.registry.intercept

    def intercept(request: str) -> Answer | None:
        broken = f"/referrers/{image['digest']}" in request or request.endswith(f"/manifests/{tag_of(image)}")
        if broken if what == "referrers" else request.startswith("DELETE") and signature["digest"] in request:
            return Answer(500)
        return answer(request)

    scene.registry.intercept = intercept
    done = apply(scene.plan(":1", ":2"))
    assert {row["name"].rpartition(":")[2]: row.get("error") for row in done.rows()}["1"] == "registry_error"
    assert done.facts()["deleted"] == [other["digest"]]
    assert {image["digest"], signature["digest"]} <= scene.manifests
