# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Temporary names in an engine: when they are needed, and when the next run removes them."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.engine.interfaces import Details, EngineImage
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.places.engine import leftovers
from ansible_collections.longshore.images.plugins.module_utils.places.engine.leftovers import (
    is_leftover,
    is_temporary,
    make_temporary_name,
    remove_leftovers,
)
from ansible_collections.longshore.images.plugins.module_utils.places.engine.restore_names import keep_images
from ansible_collections.longshore.images.plugins.module_utils.transfer.plan import Plan
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from tests.support.memory_engine import MemoryEngine, engine_image

OLD, OTHER = Digest.of(b"old"), Digest.of(b"other")
A, B, C = (Reference.parse(name) for name in ("a:1", "b:1", "c:1"))


def changed(name: Reference, **parts: t.Any) -> Reference:
    """Return a temporary name with other parts: digest, host, pid, started, made."""
    values = dict(zip(("digest", "host", "pid", "started", "made"), str(name.tag).split("-")))
    return name.with_tag("-".join({**values, **{key: str(value) for key, value in parts.items()}}.values()))


def ended_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


def test_the_name_of_a_living_run_is_no_leftover() -> None:
    name = make_temporary_name(OLD)
    assert is_temporary(name)
    assert not is_leftover(name)
    # However old it is: the process is seen to live.
    assert not is_leftover(changed(name, made=0))
    assert is_leftover(changed(name, pid=ended_process()))
    assert is_leftover(changed(name, started=1))


def test_the_name_of_another_host_is_a_leftover_after_a_day() -> None:
    elsewhere = changed(make_temporary_name(OLD), host="0" * 12, pid=ended_process())
    now = int(time.time())
    assert not is_leftover(changed(elsewhere, made=now - 80_000))
    assert not is_leftover(changed(elsewhere, made=now + 80_000))
    assert is_leftover(changed(elsewhere, made=now - 90_000))


def test_without_proc_only_the_age_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    name = make_temporary_name(OLD)

    def refuse(*unused: object, **unused_too: object) -> t.NoReturn:
        raise FileNotFoundError

    monkeypatch.setattr(leftovers, "open", refuse, raising=False)
    made = make_temporary_name(OLD)
    assert not is_leftover(made)
    assert not is_leftover(name)
    assert is_leftover(changed(made, made=1))


@pytest.mark.parametrize(
    "text",
    [
        "longshore.invalid/temporary:1",
        f"longshore.invalid/temporary:{OLD.hex}",
        f"longshore.invalid/temporary:{OLD.hex}-{'0' * 12}-0-1-1",
        f"longshore.invalid/temporary:{OLD.hex}-{'0' * 12}-{'9' * 30}-1-1",
        f"longshore.invalid/temporary@{OLD}",
        f"longshore.invalid/other:{OLD.hex}-{'0' * 12}-1-1-1",
        f"quay.io/longshore.invalid/temporary:{OLD.hex}-{'0' * 12}-1-1-1",
    ],
)
def test_names_of_another_form_are_never_removed(text: str) -> None:
    assert not is_temporary(Reference.parse(text))
    assert not is_leftover(Reference.parse(text))


def test_leftovers_are_removed_last_and_reported() -> None:
    left = changed(make_temporary_name(OLD), pid=ended_process())
    living = make_temporary_name(OTHER)
    engine = MemoryEngine(images={name: engine_image([name], [OLD]) for name in (A, left, living)})
    plan = remove_leftovers(Plan([]), engine, [A, left, living])
    assert plan.actions() == [f"remove {left} from docker, the temporary name of a run that was killed"]
    with Workers(1) as workers:
        plan.apply(workers)
    assert set(engine.images) == {A, living}
    assert remove_leftovers(Plan([]), engine, engine.images) == Plan([])


@dataclasses.dataclass
class Naming:
    """An engine that records which names it sets and removes."""

    calls: list[str] = dataclasses.field(default_factory=list)

    def tag(self, image: EngineImage, name: Reference) -> None:
        self.calls.append(f"tag {image.digest.hex[:4]} {name.repository}")

    def remove(self, name: str) -> None:
        self.calls.append(f"remove {Reference.parse(name).repository}")

    untag = remove


def image_with(digest: Digest, *names: Reference) -> EngineImage:
    return EngineImage(digest, {name: str(name) for name in names}, Details)


@pytest.mark.parametrize(
    ("before", "temporary"),
    [
        ({A: image_with(OLD, A)}, 1),
        ({A: image_with(OLD, A, B)}, 0),
        ({A: image_with(OLD, A, B), B: image_with(OLD, A, B)}, 1),
        ({A: image_with(OLD, A), B: image_with(OTHER, B, C)}, 1),
        ({}, 0),
    ],
    ids=["only name", "one of two", "both of two", "two images", "none"],
)
def test_only_images_that_lose_all_names_get_a_temporary_one(before: dict[Reference, EngineImage], temporary: int) -> None:
    engine = Naming()
    with keep_images(t.cast(t.Any, engine), before, keeps_replaced=False) as kept:
        assert kept.keys() == before.keys()
        # An image can be tagged by a name that doesn't move.
        assert all(image.names and not image.names.keys() & before.keys() for image in kept.values())
        assert len(engine.calls) == temporary
    assert engine.calls[temporary:] == ["remove temporary"] * temporary
    assert all(call.startswith("tag") for call in engine.calls[:temporary])


def test_an_engine_that_keeps_replaced_images_gets_no_temporary_names() -> None:
    engine, before = Naming(), {A: image_with(OLD, A)}
    with keep_images(t.cast(t.Any, engine), before, keeps_replaced=True) as kept:
        assert kept == before
    assert engine.calls == []
