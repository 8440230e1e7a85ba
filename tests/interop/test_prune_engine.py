# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_prune of real engines: the deleted images, the kept ones, and the prediction of check mode."""

from __future__ import annotations

import datetime
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import engines, modules
from tests.support.engines import HOST, OTHER, runnable_index
from tests.support.folders import short_folder
from tests.support.images import Image, make_image
from tests.support.relay import Relay
from tests.support.targets import TARGETS, Target, config_of

APP = "quay.io/team/app"
OTHERS = "docker.io/library/other:1"
INDEX = "docker.io/library/index:1"

on_all = pytest.mark.parametrize("target", TARGETS, indirect=True)


def aged(text: str, days: float | None) -> Image:
    created = None if days is None else (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days)).isoformat()
    return make_image(text, 1, HOST, created=created)


def give(target: Target, store: str, images: t.Mapping[str, Image]) -> None:
    for name, image in images.items():
        image.put(Store(store), name)
    target.deliver(store, *images)


def key(target: Target, image: Image) -> str:
    """Return the ID or digest by which the engine identifies an image."""
    knows_ids = target.name == "docker" or isinstance(target.engine, engines.Podman)
    return config_of(image) if knows_ids else str(image.root.digest)


def prune(target: Target, **options: t.Any) -> modules.Results:
    """Run check mode, then a run that must return the same, then one without changes. Return the result."""
    names = target.engine.names()
    predicted = target.prune(check=True, **options)
    assert target.engine.names() == names
    done = target.prune(**options)
    assert done == predicted
    again = target.prune(**options)
    assert (again["changed"], again["actions"], again["images"], again["bytes_freed"]) == (False, [], [], 0)
    return done


AGED = {f"{APP}:1": aged("app-1", 30), f"{APP}:2": aged("app-2", 20), f"{APP}:3": aged("app-3", 10), OTHERS: aged("other", None)}
POLICIES: list[tuple[dict[str, t.Any], list[str]]] = [
    ({}, []),
    ({"keep": 1}, [f"{APP}:1", f"{APP}:2"]),
    ({"keep": 0}, [OTHERS, f"{APP}:1", f"{APP}:2", f"{APP}:3"]),
    ({"older_than": "15d"}, [f"{APP}:1", f"{APP}:2"]),
    ({"older_than": "15d", "keep": 2}, [f"{APP}:1"]),
    ({"older_than": "15d", "protect": [f"{APP}:1"]}, [f"{APP}:2"]),
    ({"keep": 0, "protect": ["quay.io/team/*:*"]}, [OTHERS]),
    ({"keep": 0, "filters": {"label": ["text=app-2"]}}, [f"{APP}:2"]),
    ({"keep": 0, "filters": {"reference": ["docker.io/library/*:*"]}}, [OTHERS]),
    ({"keep": 0, "filters": {"dangling": True}}, []),
    ({"keep": 0, "filters": {"before": f"{APP}:3", "since": f"{APP}:1"}}, [f"{APP}:2"]),
]


class TestThePolicy:
    @on_all
    def test_check_mode_predicts_the_deletions_of_every_rule(self, target: Target, store: str) -> None:
        give(target, store, AGED)
        for options, expected in POLICIES:
            outcome = target.prune(check=True, **options)
            assert sorted(outcome["untagged"]) == expected, options
            assert sorted(outcome["deleted"]) == sorted(key(target, AGED[name]) for name in expected), options
        assert target.engine.names() == set(AGED)

    @on_all
    def test_images_that_no_rule_keeps_are_deleted_and_all_others_stay(self, target: Target, store: str) -> None:
        give(target, store, AGED)
        done = prune(target, older_than="15d", keep=1, protect=[key(target, AGED[f"{APP}:2"])])
        assert target.engine.names() == {f"{APP}:2", f"{APP}:3", OTHERS}
        assert done["untagged"] == [f"{APP}:1"]
        assert done["deleted"] == [key(target, AGED[f"{APP}:1"])]
        assert done["engine"] == target.title
        assert "store" not in done
        (row,) = done["images"]
        assert (row["name"], row["changed"], row["engine"], row["digest"]) == (f"{APP}:1", True, target.title, done["deleted"][0])
        assert done["bytes_freed"] == row["size"] > 0
        assert done["actions"] == [f"remove {APP}:1 ({row['digest'][:19]}) from {target.title}"]
        word = "image_id" if row["digest"] == row["image_id"] else "digest"
        assert done["diff"] == {"before": {f"{APP}:1 in {target.title}": {word: row["digest"]}}, "after": {}}

    @on_all
    def test_an_image_with_several_names_loses_those_of_one_repository_and_stays_by_the_other(self, target: Target, store: str) -> None:
        give(target, store, {f"{APP}:1": AGED[f"{APP}:1"], f"{APP}:3": AGED[f"{APP}:3"]})
        target.engine.tag(f"{APP}:1", f"{APP}:old")
        target.engine.tag(f"{APP}:1", OTHERS)
        done = prune(target, keep=1)
        assert target.engine.names() == {f"{APP}:3", OTHERS}
        assert done["untagged"] == [f"{APP}:1", f"{APP}:old"]
        assert (done["deleted"], done["bytes_freed"]) == ([], 0)

    @on_all
    def test_an_image_for_several_platforms_has_the_age_and_the_labels_of_the_hosts_platform(self, target: Target, store: str) -> None:
        index = runnable_index("index", OTHER)
        give(target, store, {INDEX: index})
        for options in ({"filters": {"label": [f"text=index-{OTHER.replace('/', '-')}"]}, "keep": 0}, {"older_than": "500w"}):
            assert target.prune(check=True, **options)["untagged"] == []
        assert prune(target, older_than="1d", filters={"label": [f"text=index-{HOST.replace('/', '-')}"]})["untagged"] == [INDEX]
        assert target.engine.names() == set()


class TestUnnamedImages:
    @pytest.mark.parametrize("target", TARGETS[:4], indirect=True)
    def test_an_image_whose_name_moved_is_deleted_unless_it_is_young_or_in_use(self, target: Target, store: str) -> None:
        old, used, new = (make_image(text, 1, HOST, shared=[engines.program_layer()]) for text in ("old", "used", "new"))
        give(target, store, {f"{APP}:1": old, f"{APP}:2": used, f"{APP}:3": new})
        target.engine.create_container(f"{APP}:2")
        for name in (f"{APP}:1", f"{APP}:2"):
            target.engine.tag(f"{APP}:3", name)
        assert not target.prune(dangling=False)["changed"]
        assert not target.prune(older_than="500w")["changed"]
        done = prune(target)
        assert (done["untagged"], done["deleted"]) == ([], [key(target, old)])
        assert done["in_use"] == [key(target, used)]
        (row,) = done["images"]
        assert (row["name"], row["digest"], row["changed"]) == (None, key(target, old), True)
        assert target.engine.names() == {f"{APP}:{number}" for number in (1, 2, 3)}

    def test_an_id_of_kubernetes_is_not_a_name_and_is_deleted_with_the_image(self, containerd: engines.Containerd, store: str) -> None:
        target = Target("containerd", containerd, {"engine": "containerd", "containerd_address": f"{containerd.folder}/c.sock"})
        one, two, three = AGED[f"{APP}:1"], AGED[f"{APP}:2"], AGED[f"{APP}:3"]
        give(target, store, {f"{APP}:1": one, f"{APP}:2": two, f"{APP}:3": three})
        for name, image in ((f"{APP}:1", one), (f"{APP}:2", two)):
            containerd.tag(name, config_of(image))
            containerd.tag(name, f"{APP}@{image.root.digest}")
        for name in (f"{APP}:1", f"{APP}@{one.root.digest}"):
            containerd.remove(name)
        containerd.tag(f"{APP}:3", "somebodys-own")
        unnamed = prune(target)
        assert (unnamed["untagged"], unnamed["deleted"]) == ([], [str(one.root.digest)])
        named = prune(target, keep=0)
        assert named["untagged"] == [f"{APP}:2", f"{APP}@{two.root.digest}"]
        assert containerd.names() == {f"{APP}:3", "somebodys-own"}


class TestImagesThatAreNeeded:
    @on_all
    def test_an_image_of_a_container_that_does_not_run_stays_with_all_of_its_names(self, target: Target, store: str) -> None:
        give(target, store, AGED)
        target.engine.tag(f"{APP}:1", f"{APP}:old")
        target.engine.create_container(f"{APP}:1")
        done = prune(target, keep=1)
        assert done["untagged"] == [f"{APP}:2"]
        assert done["in_use"] == [f"{APP}:1", f"{APP}:old"]
        assert target.engine.names() == set(AGED) - {f"{APP}:2"} | {f"{APP}:old"}

    @pytest.mark.parametrize("target", ["docker"], indirect=True)
    def test_an_image_that_another_was_built_on_only_loses_its_name(self, target: Target, store: str, tmp_path: Path) -> None:
        assert isinstance(target.engine, engines.Docker)
        give(target, store, {f"{APP}:1": AGED[f"{APP}:1"]})
        (tmp_path / "Dockerfile").write_text(f"FROM {APP}:1\nLABEL a=b\nLABEL c=d\n")
        target.engine.build(tmp_path, OTHERS)
        done = prune(target, keep=0, protect=[OTHERS])
        assert (done["untagged"], done["deleted"], done["bytes_freed"]) == ([f"{APP}:1"], [], 0)
        last = prune(target, keep=0)
        assert last["untagged"] == [OTHERS]
        assert len(last["deleted"]) == 1
        assert target.engine.names() == set()


class TestEnginesThatFail:
    @pytest.mark.parametrize("target", ["docker", "docker_on_containerd", "podman_service"], indirect=True)
    def test_an_image_that_a_container_starts_to_use_during_the_run_stays_and_the_others_are_deleted(self, target: Target, store: str) -> None:
        give(target, store, AGED)

        def use_one(line: str) -> None:
            if line.startswith(f"DELETE /images/{APP}:2 "):
                target.engine.create_container(f"{APP}:2")

        with short_folder() as folder, Relay(target.socket, before=use_one).on_socket(folder / "r.sock"):
            failed = modules.fail("image_prune", {**target.options_at(folder / "r.sock"), "keep": 1}, env=target.env)
        assert failed["error"] == "engine_error"
        assert failed["msg"].startswith(f"{APP}:2 could not be removed: {target.title} at ")
        assert failed["untagged"] == [f"{APP}:1"]
        assert target.engine.names() == set(AGED) - {f"{APP}:1"}
        assert not target.prune(keep=1)["changed"]

    @pytest.mark.parametrize("target", ["docker", "podman_service"], indirect=True)
    def test_an_engine_that_disconnects_during_the_run_is_an_error_and_the_next_run_converges(self, target: Target, store: str) -> None:
        give(target, store, AGED)

        def break_off(line: str) -> None:
            if line.startswith(f"DELETE /images/{APP}:2 "):
                raise OSError

        with short_folder() as folder, Relay(target.socket, before=break_off).on_socket(folder / "r.sock"):
            failed = modules.fail("image_prune", {**target.options_at(folder / "r.sock"), "keep": 1}, env=target.env)
        assert failed["error"] == "engine_error"
        assert target.title in failed["msg"]
        assert failed["untagged"] == [f"{APP}:1"]
        assert target.prune(keep=1)["untagged"] == [f"{APP}:2"]

    @pytest.mark.parametrize(("engine", "option"), [("docker", "docker_host"), ("podman", "podman_host"), ("containerd", "containerd_address")])
    def test_an_absent_engine_is_named(self, engine: str, option: str, tmp_path: Path) -> None:
        address = f"unix://{tmp_path}/absent"
        failed = modules.fail("image_prune", {"engine": engine, option: address})
        assert failed["error"] == "engine_error"
        assert engine in failed["msg"]
        assert str(tmp_path / "absent") in failed["msg"]
