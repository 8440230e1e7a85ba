# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pruning a registry: what is refused, kept and reported, and the order of deletions. The registry is a model in memory."""

from __future__ import annotations

import collections
import itertools
import json
import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidOption, LongshoreError, TooManyRemovals, UnsupportedFormat
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Platform
from ansible_collections.longshore.images.plugins.module_utils.places.filters import Filters
from ansible_collections.longshore.images.plugins.module_utils.places.protection import Protection
from ansible_collections.longshore.images.plugins.module_utils.places.registry import tag_guard
from ansible_collections.longshore.images.plugins.module_utils.places.registry.pruning import RegistryPrunePlan
from ansible_collections.longshore.images.plugins.module_utils.places.retention import RetentionPolicy
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs.prune_registry import plan_prune_registry
from ansible_collections.longshore.images.plugins.module_utils.verbs.registry_policy import RegistryPolicy, RemovalLimit, read_locks
from tests.support.registry_model import HOST, Answer, ModelRegistry
from tests.support.tag_graphs import EMPTY, INDEX, MANIFEST, NOW, TagGraph

SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"


def aged(*days: int | None, text: str = "app") -> TagGraph:
    """Return a repository with one image for each of DAYS, tagged `1`, `2` and so on."""
    graph = TagGraph()
    for number, age in enumerate(days, 1):
        graph.tags[str(number)] = graph.add_image(f"{text} {number}", age)["digest"]
    return graph


@pytest.fixture
def registry() -> ModelRegistry:
    """Return a registry with the repositories `team/one` and `two`, whose images 1 and 2 are older than image 3."""
    registry = ModelRegistry()
    registry.put("team/one", aged(30, 20, 10, text="one"))
    registry.put("two", aged(30, 20, 10, text="two"))
    return registry


def plan(registry: ModelRegistry, *repositories: str, **options: t.Any) -> RegistryPrunePlan:
    """Plan by the options of the module. `keep` defaults to 1."""
    policy = RetentionPolicy.parse(True, options.pop("keep", 1), options.pop("older_than", None))
    filters = Filters(**options.pop("filters", {}))
    params = {**dict.fromkeys(("tag_pattern", "protect_digests", "protect_locks", "at_most")), **options}
    rules = RegistryPolicy.parse(params, policy, filters, Protection.parse(params.pop("protect", ())))
    with Workers(1) as workers:
        return plan_prune_registry(
            registry.open(), HOST, repositories or ("two",), rules, host=Platform.parse("linux/amd64"), now=NOW, workers=workers
        )


def apply(planned: RegistryPrunePlan) -> RegistryPrunePlan:
    with Workers(1) as workers:
        return planned.apply(workers)


def left(registry: ModelRegistry, name: str = "two") -> list[str]:
    return sorted(registry.repositories[name].tags)


def deletions(registry: ModelRegistry) -> list[str]:
    return [request for request in registry.requests if request.startswith("DELETE")]


# Selected repositories and tags.


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["two"], ["two"]),
        (["*"], ["two"]),
        (["*/*"], ["team/one"]),
        (["team/*", "two", "t*"], ["team/one", "two"]),
        (["t[!e]o", "team/on?"], ["team/one", "two"]),
    ],
)
def test_names_and_globs_choose_repositories(registry: ModelRegistry, texts: list[str], expected: list[str]) -> None:
    assert [row["name"] for row in plan(registry, *texts).facts()["repositories"]] == [f"{HOST}/{name}" for name in expected]


def test_a_glob_that_matches_nothing_gets_a_warning(registry: ModelRegistry) -> None:
    planned = plan(registry, "teem/*", "two")
    assert planned.warnings() == [f"repositories: teem/* matches no repository of {HOST}"]
    assert len(planned.facts()["untagged"]) == 2


def test_an_unknown_repository_is_named_and_the_others_are_pruned(registry: ModelRegistry) -> None:
    applied = apply(plan(registry, "absent", "two"))
    assert [error.message for error in applied.errors] == [f"{HOST} doesn't have the repository absent"]
    assert applied.errors[0].cause == "not_found"
    assert left(registry) == ["3"]


def test_no_repository_at_all_is_refused(registry: ModelRegistry) -> None:
    with pytest.raises(InvalidOption, match="repositories is empty"):
        plan(registry, "")


def test_without_rules_nothing_is_removed_and_the_sizes_are_reported(registry: ModelRegistry) -> None:
    planned = plan(registry, keep=None)
    assert not planned.changed
    (row,) = planned.facts()["repositories"]
    assert (row["tags"], row["images"], row["size_shared"], row["removed_tags"]) == (3, 3, 0, [])
    assert row["size"] == planned.facts()["registry_size"] == sum(map(len, registry.blobs.values())) // 2


def test_the_pattern_has_to_match_the_whole_tag_and_only_such_images_count() -> None:
    registry = ModelRegistry()
    graph = aged(1, 2)
    graph.tags |= {"build-1": graph.add_image("b1", 40)["digest"], "build-2": graph.add_image("b2", 30)["digest"], "rebuild-1": graph.tags["1"]}
    registry.put("two", graph)
    assert plan(registry, tag_pattern="build-.*").facts()["untagged"] == [f"{HOST}/two:build-1"]


def test_an_image_stays_with_all_its_tags_if_one_does_not_fit() -> None:
    registry = ModelRegistry()
    graph = aged(1)
    graph.tags |= {"build-1": graph.add_image("b1", 40)["digest"]}
    graph.tags |= {"stable": graph.tags["build-1"]}
    registry.put("two", graph)
    assert not plan(registry, keep=0, tag_pattern="build-.*").changed
    assert plan(registry, keep=0, tag_pattern="build-.*|stable").facts()["untagged"] == [f"{HOST}/two:build-1", f"{HOST}/two:stable"]


def test_filters_choose_by_label_and_name(registry: ModelRegistry) -> None:
    assert plan(registry, keep=0, filters={"reference": [f"{HOST}/two:[12]"]}).facts()["untagged"] == [f"{HOST}/two:1", f"{HOST}/two:2"]
    graph = TagGraph()
    graph.tags |= {"test": graph.add_image("test", 30, stage="test")["digest"], "production": graph.add_image("production", 30)["digest"]}
    registry.put("two", graph)
    assert plan(registry, keep=0, filters={"label": ["stage=test"]}).facts()["untagged"] == [f"{HOST}/two:test"]


# Protection.


def test_a_protected_name_keeps_the_image_in_every_repository(registry: ModelRegistry) -> None:
    registry.put("copy", aged(30, 20, 10, text="two"))
    planned = plan(registry, "two", "copy", keep=0, protect=[f"{HOST}/two:1"])
    assert sorted(planned.facts()["untagged"]) == [f"{HOST}/{name}:{tag}" for name in ("copy", "two") for tag in "23"]


@pytest.fixture
def indexed() -> tuple[ModelRegistry, TagGraph]:
    """Return a repository with the index `old`, whose first member is also in an index without a tag."""
    registry, graph = ModelRegistry(), aged(1)
    first, second = graph.add_image("first", 40), graph.add_image("second", 40)
    graph.tags["old"] = graph.add_index([first, second])["digest"]
    graph.add_index([first])
    registry.put("two", graph)
    return registry, graph


def part_of(graph: TagGraph) -> str:
    return graph.members(graph.tags["old"])[0]


def test_a_protected_digest_keeps_all_images_that_contain_it(indexed: tuple[ModelRegistry, TagGraph]) -> None:
    registry, graph = indexed
    manifest = json.loads(graph.manifests[part_of(graph)][0])
    for digest in (graph.tags["old"], part_of(graph), manifest["config"]["digest"]):
        assert not plan(registry, protect_digests=[digest]).changed


def test_a_protected_index_without_a_tag_keeps_its_members(indexed: tuple[ModelRegistry, TagGraph]) -> None:
    registry, graph = indexed
    untagged = list(graph.manifests)[-1]
    assert plan(registry).facts()["deleted"] == [graph.tags["old"], *sorted(graph.members(graph.tags["old"]))]
    for options in ({"protect_digests": [untagged]}, {"protect": [f"{HOST}/two@{untagged}"]}, {"protect_locks": [lock(untagged)]}):
        deleted = plan(registry, **options).facts()["deleted"]
        assert graph.tags["old"] in deleted
        assert part_of(graph) not in deleted


def lock(digest: str, name: str = f"{HOST}/two:old", part: str | None = None) -> dict[str, t.Any]:
    platform = {"linux/amd64": {"digest": part, "size": 1}} if part is not None else {}
    image = {"digest": digest, "media_type": INDEX, "size": 1, "platforms": platform}
    return {"version": 1, "platform": ["all"], "images": {name: image}}


def test_lock_files_keep_what_is_locked_under_any_name(indexed: tuple[ModelRegistry, TagGraph]) -> None:
    registry, graph = indexed
    assert not plan(registry, protect_locks=[lock(graph.tags["old"], "docker.io/library/app:1")]).changed
    assert not plan(registry, protect_locks=[json.dumps(lock("sha256:" + "0" * 64, "docker.io/library/app:1", part_of(graph)))]).changed


def test_a_lock_file_can_be_a_path(tmp_path: t.Any) -> None:
    path = tmp_path / "images.lock"
    path.write_text(json.dumps(lock("sha256:" + "0" * 64)))
    assert len(read_locks([str(path)])[0].images) == 1


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        ("/nonexistent/images.lock", InvalidOption, "/nonexistent/images.lock doesn't exist"),
        ('{"version": 1', UnsupportedFormat, r"protect_locks\[0\] is not a valid JSON document"),
        ({"version": 2}, UnsupportedFormat, "version 2"),
        (7, InvalidOption, r"protect_locks\[0\] is neither"),
        ("", InvalidOption, r"protect_locks\[0\] is neither"),
    ],
)
def test_a_broken_lock_file_is_named(value: object, error: type[LongshoreError], text: str) -> None:
    with pytest.raises(error, match=text):
        read_locks([value])


# The limit.


@pytest.mark.parametrize(
    ("at_most", "refused"), [("4", False), ("3", True), ("67%", False), ("66.6%", True), ("66.67%", False), ("0", True), ("100%", False)]
)
def test_more_than_at_most_is_refused_entirely(registry: ModelRegistry, at_most: str, refused: bool) -> None:
    if not refused:
        assert len(plan(registry, "two", "team/one", at_most=at_most).facts()["deleted"]) == 4
        return
    with pytest.raises(TooManyRemovals, match=f"would remove 4 of the 6 tagged digests .* at_most allows {at_most}; nothing is removed"):
        plan(registry, "two", "team/one", at_most=at_most)


def test_tags_of_one_digest_count_once_and_referrers_do_not_count() -> None:
    registry, graph = ModelRegistry(), aged(30, 20)
    graph.tags |= {"also": graph.tags["1"], f"sha256-{graph.tags['1'][7:]}.sig": graph.add_referrer(None, "signature")["digest"]}
    registry.put("two", graph)
    assert len(plan(registry, at_most="50%").facts()["untagged"]) == 3


@pytest.mark.parametrize("text", ["", "-1", "half", "101%", "1.5", "5 %", "%"])
def test_a_limit_that_is_no_number_and_no_share_is_refused(text: str) -> None:
    with pytest.raises(InvalidOption, match="at_most"):
        RemovalLimit.parse(text)


@pytest.mark.parametrize(
    ("options", "text"), [({"tag_pattern": "("}, "tag_pattern '\\(' is not a regular"), ({"filters": {"dangling": True}}, "only reference")]
)
def test_options_that_make_no_sense_at_a_registry_are_refused(registry: ModelRegistry, options: dict[str, t.Any], text: str) -> None:
    with pytest.raises(InvalidOption, match=text):
        plan(registry, **options)
    assert registry.requests == []


# Unreadable content.


def test_a_tag_that_can_not_be_read_freezes_its_repository_and_the_rest_is_done(registry: ModelRegistry) -> None:
    registry.put_manifest("two", "schema1", b'{"schemaVersion": 1}', SCHEMA1)
    applied = apply(plan(registry, "two", "team/one"))
    assert [error.cause for error in applied.errors] == ["unsupported_format"]
    assert f"{HOST}/two:schema1" in applied.errors[0].message
    assert [(row["name"], row["frozen"]) for row in applied.facts()["repositories"]] == [(f"{HOST}/team/one", False), (f"{HOST}/two", True)]
    assert (left(registry), left(registry, "team/one")) == (["1", "2", "3", "schema1"], ["3"])


def test_a_tag_name_that_no_client_can_request_freezes_its_repository_and_the_rest_is_done(registry: ModelRegistry) -> None:
    place = registry.repositories["two"]
    place.tags["no tag"] = place.tags["1"]
    applied = apply(plan(registry, "two", "team/one"))
    assert [error.cause for error in applied.errors] == ["unsupported_format"]
    assert "registry.test/two lists the tag 'no tag', which no client can request" in applied.errors[0].message
    assert [(row["name"], row["frozen"], row["tags"]) for row in applied.facts()["repositories"]] == [
        (f"{HOST}/team/one", False, 3),
        (f"{HOST}/two", True, 3),
    ]
    assert (left(registry), left(registry, "team/one")) == (["1", "2", "3", "no tag"], ["3"])


def test_an_index_with_an_entry_of_an_unknown_type_freezes_its_repository(registry: ModelRegistry) -> None:
    graph = TagGraph()
    graph.tags["odd"] = graph.add_manifest({"mediaType": INDEX, "manifests": [graph.add_blob(b"{}", "application/vnd.odd")]})["digest"]
    registry.put("two", graph)
    (error,) = plan(registry).errors
    assert "of the unknown type application/vnd.odd, which may need any manifest" in error.message


def test_the_cache_of_a_build_is_an_index_of_blobs_and_freezes_nothing(registry: ModelRegistry) -> None:
    graph = TagGraph()
    kinds = ("application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.buildkit.cacheconfig.v0")
    entries = [graph.add_blob(kind.encode(), kind) for kind in kinds]
    graph.tags["cache"] = graph.add_manifest({"mediaType": INDEX, "manifests": entries})["digest"]
    registry.put("two", graph)
    assert apply(plan(registry)).errors == []
    assert left(registry) == ["3"]


@pytest.mark.parametrize("kind", ["manifests", "blobs"])
def test_a_document_that_the_registry_can_not_send_freezes_its_repository(registry: ModelRegistry, kind: str) -> None:
    digest = registry.repositories["two"].tags["3"]
    lost = digest if kind == "manifests" else json.loads(registry.blobs[digest])["config"]["digest"]
    path = "/v2/two/manifests/3" if kind == "manifests" else f"/v2/two/blobs/{lost}"
    registry.intercept = lambda request: Answer(500) if request.endswith(path) else None
    assert [error.cause for error in apply(plan(registry)).errors] == ["registry_error"]
    assert left(registry) == ["1", "2", "3"]


def test_a_lost_config_freezes_its_repository(registry: ModelRegistry) -> None:
    del registry.blobs[json.loads(registry.blobs[registry.repositories["two"].tags["3"]])["config"]["digest"]]
    assert [error.cause for error in apply(plan(registry)).errors] == ["not_found"]
    assert left(registry) == ["1", "2", "3"]


def test_a_tag_that_is_listed_without_an_image_is_no_image(registry: ModelRegistry) -> None:
    registry.repositories["two"].tags["gone"] = "sha256:" + "0" * 64
    assert apply(plan(registry)).errors == []
    assert left(registry) == ["3", "gone"]


def test_an_index_without_one_of_its_members_is_removed_like_any_other() -> None:
    registry, graph = ModelRegistry(), aged(1)
    graph.tags["old"] = graph.add_index([graph.add_image("kept", 40), graph.add_image("lost", 40)])["digest"]
    registry.put("two", graph)
    del registry.repositories["two"].manifests[graph.members(graph.tags["old"])[1]]
    assert apply(plan(registry)).errors == []
    assert left(registry) == ["1"]


# Applying.


def test_everything_is_deleted_before_what_it_lists_or_refers_to() -> None:
    registry, graph = ModelRegistry(), aged(1)
    member = graph.add_image("member", 40)
    inner = graph.add_index([member])
    outer = graph.add_index([inner, graph.add_image("other", 40)])
    attestation = graph.add_referrer(member, "attestation")
    prefix = member["digest"].replace(":", "-")
    graph.tags |= {"old": outer["digest"], prefix: graph.add_manifest({"mediaType": INDEX, "manifests": [attestation]})["digest"]}
    graph.tags[f"{attestation['digest'].replace(':', '-')}.sig"] = graph.add_referrer(None, "signature of the attestation")["digest"]
    registry.put("two", graph)
    applied = apply(plan(registry))
    order = applied.facts()["deleted"]
    assert deletions(registry) == [f"DELETE /v2/two/manifests/{digest}" for digest in order]
    assert len(order) == 7
    signature = graph.tags[f"{attestation['digest'].replace(':', '-')}.sig"]
    for first, later in [
        (outer["digest"], inner["digest"]),
        (inner["digest"], member["digest"]),
        (graph.tags[prefix], attestation["digest"]),
        (signature, attestation["digest"]),
        (attestation["digest"], member["digest"]),
    ]:
        assert order.index(first) < order.index(later)


@pytest.mark.parametrize("change", ["new", "moved", "gone"])
def test_an_outdated_plan_is_not_applied(registry: ModelRegistry, change: str) -> None:
    planned = plan(registry, "two", "team/one")
    place = registry.repositories["two"]
    if change == "gone":
        del place.tags["3"]
    else:
        place.tags["new" if change == "new" else "3"] = place.tags["1"]
    before = dict(place.tags)
    applied = apply(planned)
    assert [error.cause for error in applied.errors] == ["plan_outdated"]
    assert "changed after the plan was made; nothing is removed from registry.test/two" in applied.errors[0].message
    assert place.tags == before
    assert left(registry, "team/one") == ["3"]
    assert applied.facts()["untagged"] == [f"{HOST}/team/one:1", f"{HOST}/team/one:2"]


def at_first_deletion(registry: ModelRegistry, change: t.Callable[[dict[str, str]], object]) -> None:
    """Let another client CHANGE the tags of `two` while the first manifest is deleted there."""

    pending = [change]

    def intercept(request: str) -> None:
        if request.startswith("DELETE /v2/two/") and pending:
            pending.pop()(registry.repositories["two"].tags)

    registry.intercept = intercept


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("new", lambda tags: tags.update(new=tags["2"])),
        ("no tag", lambda tags: tags.update({"no tag": tags["2"]})),
        ("2", lambda tags: tags.update({"2": tags["3"]})),
        ("3", lambda tags: tags.pop("3")),
        ("again", lambda tags: tags.update(again=tags["3"])),
    ],
    ids=["a new tag on a digest", "a name that no client can request", "a tag that moves away", "a deleted tag", "a new tag elsewhere"],
)
def test_a_tag_that_changes_between_two_deletions_ends_them(registry: ModelRegistry, name: str, change: t.Callable[[dict[str, str]], object]) -> None:
    at_first_deletion(registry, change)
    applied = apply(plan(registry, "two", "team/one"))
    assert [error.cause for error in applied.errors] == ["plan_outdated"]
    assert applied.errors[0].message == (f"{HOST}/two:{name} changed after the plan was made; nothing more is removed from {HOST}/two: run again")
    assert len([request for request in deletions(registry) if "/two/" in request]) == 1
    assert left(registry, "team/one") == ["3"]
    assert applied.facts()["untagged"] == [f"{HOST}/team/one:1", f"{HOST}/team/one:2", f"{HOST}/two:1"]


def test_a_tag_that_moves_onto_a_digest_before_its_deletion_keeps_it(registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    times = itertools.count(0, tag_guard.RECHECK_SECONDS)
    monkeypatch.setattr(tag_guard, "monotonic", lambda: next(times))
    at_first_deletion(registry, lambda tags: tags.update({"3": tags["2"]}))
    applied = apply(plan(registry))
    assert [error.message for error in applied.errors] == [
        "registry.test/two:3 changed after the plan was made; nothing more is removed from registry.test/two: run again"
    ]
    assert left(registry) == ["2", "3"]


def test_the_digests_of_all_tags_are_read_again_only_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = ModelRegistry()
    registry.put("two", aged(*range(20, 0, -1)))
    monkeypatch.setattr(tag_guard, "monotonic", lambda: 0.0)
    planned = plan(registry)
    registry.requests.clear()
    assert apply(planned).errors == []
    counted = collections.Counter(request.split()[0] for request in registry.requests)
    # All 20 tags once, then one for each further deletion.
    assert counted == {"GET": 19, "HEAD": 20 + 18, "DELETE": 19}


def test_a_deleted_tag_that_is_still_listed_is_no_change_unless_it_was_pushed_again(registry: ModelRegistry) -> None:
    late = json.dumps({"name": "two", "tags": ["1", "2", "3"]}).encode()
    registry.intercept = lambda request: Answer(200, late, {"Content-Type": "application/json"}) if request == "GET /v2/two/tags/list" else None
    assert apply(plan(registry)).errors == []
    assert left(registry) == ["3"]


def test_a_tag_that_is_pushed_again_after_its_deletion_ends_the_deletions(registry: ModelRegistry) -> None:
    digest = registry.repositories["two"].tags["3"]

    def push_again(request: str) -> None:
        if request == "GET /v2/two/tags/list" and len(deletions(registry)) == 1:
            registry.repositories["two"].tags["1"] = digest

    registry.intercept = push_again
    assert [error.cause for error in apply(plan(registry)).errors] == ["plan_outdated"]
    assert left(registry) == ["1", "2", "3"]


def test_a_registry_that_forbids_deletion_says_so_once_and_is_asked_once(registry: ModelRegistry) -> None:
    registry.can_delete = False
    applied = apply(plan(registry, "two", "team/one"))
    assert [error.cause for error in applied.errors] == ["denied"]
    assert "doesn't allow deletion" in applied.errors[0].message
    assert len(deletions(registry)) == 1
    assert applied.facts()["untagged"] == applied.facts()["deleted"] == applied.actions() == []


def test_a_registry_that_fails_in_the_middle_is_done_at_the_second_run(registry: ModelRegistry) -> None:
    wanted = plan(registry, "two", "team/one").facts()["untagged"]
    registry.intercept = lambda request: Answer(500) if request.startswith("DELETE") and len(deletions(registry)) > 1 else None
    applied = apply(plan(registry, "two", "team/one"))
    assert [error.cause for error in applied.errors] == ["registry_error", "registry_error"]
    assert len(applied.facts()["untagged"]) == len(applied.actions()) == 1
    registry.intercept = lambda request: None
    again = apply(plan(registry, "two", "team/one"))
    assert again.errors == []
    assert sorted((*applied.facts()["untagged"], *again.facts()["untagged"])) == sorted(wanted)
    assert (left(registry), left(registry, "team/one")) == (["3"], ["3"])


# Referrers.


def test_a_tag_made_of_a_truncated_digest_stays_because_its_subject_is_unknown(registry: ModelRegistry) -> None:
    graph = TagGraph()
    graph.tags[f"sha512-{'0' * 64}.sig"] = graph.add_image("signature", 40)["digest"]
    registry.put("two", graph)
    apply(plan(registry, keep=0))
    assert left(registry) == list(graph.tags)


def test_an_ordinary_tag_makes_a_referrer_an_image_of_its_own() -> None:
    registry, graph = ModelRegistry(), TagGraph()
    older = graph.add_image("older", 30)
    graph.tags = {"ci-1": older["digest"], "ci-2": graph.add_image("newer", 10)["digest"]}
    graph.tags["release-sbom"] = graph.add_referrer(older, "sbom")["digest"]
    registry.put("two", graph)
    assert plan(registry, tag_pattern="ci-.*").facts()["untagged"] == [f"{HOST}/two:ci-1"]
    assert plan(registry, keep=0, tag_pattern="release-.*").facts()["untagged"] == [f"{HOST}/two:release-sbom"]


def test_a_tag_made_of_a_truncated_digest_is_no_ordinary_tag() -> None:
    registry, graph = ModelRegistry(), aged(30, 10)
    subject = {"mediaType": MANIFEST, "digest": graph.tags["1"], "size": 1}
    graph.tags[f"sha512-{'0' * 64}.sig"] = graph.add_referrer(subject, "signature")["digest"]
    registry.put("two", graph)
    assert len(plan(registry).facts()["untagged"]) == 2


def test_referrers_that_the_registry_lists_are_removed_with_their_image(registry: ModelRegistry) -> None:
    graph = aged(30, 20, 10, text="two")
    about = {graph.tags[tag]: graph.add_referrer({"mediaType": MANIFEST, "digest": graph.tags[tag], "size": 1}, tag)["digest"] for tag in ("1", "3")}
    again = graph.add_referrer({"mediaType": MANIFEST, "digest": about[graph.tags["1"]], "size": 1}, "about the referrer")["digest"]
    about[about[graph.tags["1"]]] = again
    registry.put("two", graph)

    def answer(request: str) -> Answer | None:
        if "/referrers/" not in request:
            return None
        found = about.get(request.rpartition("/")[2])
        entry = {"mediaType": MANIFEST, "digest": found, "size": 1, "artifactType": EMPTY}
        return Answer(200, json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry] if found else []}).encode())

    registry.intercept = answer
    deleted = apply(plan(registry)).facts()["deleted"]
    assert deleted == [again, about[graph.tags["1"]], graph.tags["1"], graph.tags["2"]]
    assert about[graph.tags["3"]] in registry.repositories["two"].manifests
