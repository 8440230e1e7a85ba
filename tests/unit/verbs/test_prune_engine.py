# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of an engine goes under a policy, and what it does to the engine: nothing but the removal of names, one after the other."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.engine.interfaces import (
    Chunks,
    Details,
    EngineImage,
    EngineLayers,
    LayersByDigest,
    LayersOf,
)
from ansible_collections.longshore.images.plugins.module_utils.errors import EngineError, EngineRefused
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Platform
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.places.engine.catalog import EngineCatalog
from ansible_collections.longshore.images.plugins.module_utils.places.engine.removal import EnginePrunePlan
from ansible_collections.longshore.images.plugins.module_utils.places.filters import Filters
from ansible_collections.longshore.images.plugins.module_utils.places.protection import Protection
from ansible_collections.longshore.images.plugins.module_utils.places.retention import RetentionPolicy
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs.prune import plan_prune

NOW = datetime.datetime(2026, 6, 30, tzinfo=datetime.timezone.utc)
HOST = Platform.parse("linux/amd64")


@dataclasses.dataclass
class Memory:
    """An engine of the test's own. `trouble` is what it does instead of removing a word."""

    held: list[EngineImage]
    trouble: dict[str, EngineError] = dataclasses.field(default_factory=dict)
    removed: list[str] = dataclasses.field(default_factory=list)
    title = "docker"
    place = "memory"
    loads_oci = True
    holds_several_platforms = False
    platform: Platform | None = None

    def read_layers(self, listed: t.Sequence[EngineImage], layers_of: LayersOf) -> EngineLayers:
        return LayersByDigest(layers_of(self.held[0].digest))

    def load(self, archive: Chunks, size: int, platform: Platform | None, *, every_platform: bool = False) -> None:
        raise EngineRefused("docker at memory refused the request: it is full")

    def list_images(self, host: Platform) -> list[EngineImage]:
        return self.held

    def remove(self, word: str) -> None:
        if word in self.trouble:
            raise self.trouble[word]
        self.removed.append(word)

    def untag(self, word: str) -> None:
        raise AssertionError(f"{word} is only untagged for a container that stays")


def digest(number: int) -> Digest:
    return Digest("sha256", f"{number:064x}")


def image(number: int, *names: str, days: float | None = 100, **facts: t.Any) -> EngineImage:
    """The image NUMBER, made DAYS ago, of as many bytes as its number."""
    details = Details(NOW - datetime.timedelta(days) if days is not None else None, {"number": str(number)}, number)
    facts.setdefault("other_names", () if names else (str(digest(number)),))
    return EngineImage(digest(number), {Reference.parse(name): name for name in names}, lambda: details, **facts)


def planned(engine: Memory, *protect: str, filters: Filters | None = None, **rules: t.Any) -> EnginePrunePlan:
    policy = RetentionPolicy.parse(rules.get("dangling", True), rules.get("keep"), rules.get("older_than"))
    return t.cast(
        EnginePrunePlan, plan_prune(EngineCatalog(t.cast("t.Any", engine), HOST), policy, filters or Filters(), Protection.parse(protect), NOW)
    )


def applied(engine: Memory, *protect: str, **rules: t.Any) -> EnginePrunePlan:
    plan = planned(engine, *protect, **rules)
    with Workers(1) as workers:
        return plan.apply(workers)


def test_names_are_removed_in_the_engines_own_words_and_further_ones_with_the_last() -> None:
    engine = Memory([image(1, "app:1", "quay.io/app:1", other_names=("other@x",)), image(2, "app:2", days=1), image(3)])
    facts = applied(engine, older_than="2d", keep=0).facts()
    assert engine.removed == ["app:1", "quay.io/app:1", "other@x", str(digest(3))]
    assert facts["untagged"] == ["docker.io/library/app:1", "quay.io/app:1"]
    assert facts["deleted"] == [str(digest(1)), str(digest(3))]
    assert facts["bytes_freed"] == 4


def test_an_image_that_keeps_a_name_is_not_deleted_and_loses_no_further_words() -> None:
    engine = Memory([image(1, "app:1", "quay.io/other:1", other_names=("sha256:id",)), image(2, "app:2", days=1)])
    facts = applied(engine, keep=1).facts()
    assert engine.removed == ["app:1"]
    assert (facts["deleted"], facts["bytes_freed"]) == ([], 0)


def test_images_that_the_engine_only_reads_are_found_and_never_removed() -> None:
    engine = Memory([image(1, "app:1", read_only=True), image(2, "app:2"), image(3, read_only=True), image(4)])
    catalog = EngineCatalog(t.cast("t.Any", engine), HOST)
    assert [entry.digest for entry in catalog.entries] == [digest(number) for number in (2, 4, 1, 3)]
    assert planned(engine, keep=0).facts()["deleted"] == [str(digest(2)), str(digest(4))]
    assert [entry.digest for entry in catalog.select_for_removal("docker.io/library/*:*", force=True)] == [digest(2)]


def test_images_in_use_keep_all_their_names_and_are_reported() -> None:
    engine = Memory(
        [
            image(1, "app:1", "app:old", read_use=lambda: True),
            image(2, read_use=lambda: True),
            image(3, "young:1", days=1, read_use=lambda: True),
            image(4, "app:4"),
        ]
    )
    facts = applied(engine, older_than="2d").facts()
    assert facts["in_use"] == ["docker.io/library/app:1", "docker.io/library/app:old", str(digest(2))]
    assert set(map(str, map(digest, (1, 2, 3)))) <= set(facts["kept_digests"])
    assert str(digest(4)) not in facts["kept_digests"]
    assert engine.removed == ["app:4"]


def test_what_has_a_name_of_somebodys_own_stays() -> None:
    engine = Memory([image(1, has_unknown_name=True), image(2, "app:2", has_unknown_name=True)])
    assert not planned(engine, keep=0).changed


@pytest.mark.parametrize("protect", ["docker.io/library/*:1", "app:1", str(digest(1)), f"app@{digest(1)}"])
def test_a_protected_image_stays(protect: str) -> None:
    engine = Memory([image(1, "app:1", "app:old", digests=(digest(1),)), image(2, "app:2", digests=(digest(2),))])
    assert planned(engine, protect, keep=0).facts()["untagged"] == ["docker.io/library/app:2"]


def test_an_id_protects_too() -> None:
    engine = Memory([image(1, "app:1", image_id=digest(7))])
    assert not planned(engine, str(digest(7)), keep=0).changed


def test_filters_choose_by_label_and_by_the_age_of_another_image() -> None:
    engine = Memory([image(number, f"app:{number}", days=100 - number) for number in range(1, 5)])
    assert planned(engine, filters=Filters(label=["number=2"]), keep=0).facts()["untagged"] == ["docker.io/library/app:2"]
    between = Filters(before=Reference.parse("app:4"), since=Reference.parse("app:1"))
    assert planned(engine, filters=between, keep=0).facts()["untagged"] == ["docker.io/library/app:2", "docker.io/library/app:3"]


class TestImagesBuiltOnOthers:
    @staticmethod
    def pile(**facts: t.Any) -> Memory:
        """A base with a name, an unnamed layer on it, and what was built on that."""
        return Memory([image(1, "base:1"), image(2, parent=digest(1)), image(3, "built:1", parent=digest(2), **facts)])

    def test_an_unnamed_one_below_others_is_left_to_them(self) -> None:
        assert not planned(self.pile()).changed

    def test_a_named_one_only_loses_its_name_while_another_stays_on_it(self) -> None:
        facts = planned(self.pile(), "built:1", keep=0).facts()
        assert (facts["untagged"], facts["deleted"], facts["bytes_freed"]) == (["docker.io/library/base:1"], [], 0)

    def test_all_go_together(self) -> None:
        assert planned(self.pile(), keep=0).facts()["deleted"] == [str(digest(1)), str(digest(3))]

    def test_one_in_use_keeps_those_below(self) -> None:
        assert planned(self.pile(read_use=lambda: True), keep=0).facts()["deleted"] == []


def test_an_image_that_the_engine_refuses_to_remove_is_reported_and_the_others_are_removed() -> None:
    engine = Memory([image(1, "app:1"), image(2, "app:2")], {"app:1": EngineRefused("docker at memory refused the request: in use")})
    plan = applied(engine, keep=0)
    assert [error.message for error in plan.errors] == ["docker.io/library/app:1 could not be removed: docker at memory refused the request: in use"]
    assert plan.facts()["untagged"] == ["docker.io/library/app:2"]
    assert plan.diff()["after"] == {"docker.io/library/app:1 in docker": {"digest": str(digest(1))}}


def test_an_engine_that_breaks_off_is_not_asked_again() -> None:
    engine = Memory([image(number, f"app:{number}") for number in (1, 2, 3)], {"app:2": EngineError("docker at memory broke the connection off")})
    plan = applied(engine, keep=0)
    assert engine.removed == ["app:1"]
    assert [error.message for error in plan.errors] == ["docker at memory broke the connection off"]
    assert plan.facts()["untagged"] == ["docker.io/library/app:1"]


def test_ages_are_not_asked_for_where_only_unnamed_images_go() -> None:
    def costly() -> Details:
        raise AssertionError("an image was read for nothing")

    assert not planned(Memory([EngineImage(digest(1), {Reference.parse("app:1"): "app:1"}, costly)])).changed
