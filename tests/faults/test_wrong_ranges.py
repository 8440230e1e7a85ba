# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pulls of a layer whose transfer breaks off, from registries that honour a Range, ignore it, refuse it or lie about it."""

from __future__ import annotations

import typing as t

import pytest

from tests.support.programmable import acts
from tests.support.programmable.cases import LAYER, WANTED, Case, check_each, check_pull
from tests.support.programmable.server import Act, Fault
from tests.support.programmable.world import World

SIZE = WANTED.layers[0].size
BROKEN = 50_000


def after_a_break(what: str, act: Act, error: str | None = None, times: int = 1_000_000, max_requests: int = 3) -> Case:
    """Return a case in which the first answer breaks off, ACT answers the following requests with a Range, and at most MAX_REQUESTS requests are sent."""
    ranged = Fault(LAYER, acts.on_range(act), times=times, first=2)
    first = Fault(LAYER, acts.cut(BROKEN), times=1)
    return Case(what, first.where, first.act, error, times=1, more=(ranged,), at_most={LAYER: max_requests}, options={"retries": 3})


def content_range(value: str | None) -> Act:
    return acts.header("Content-Range", value)


HONOURED = [
    after_a_break("the rest in one piece", acts.wire(), max_requests=2),
    after_a_break("the rest without a whole size", content_range(f"bytes {BROKEN}-{SIZE - 1}/*"), max_requests=2),
    after_a_break("the rest in chunks", acts.wire(framing="chunks"), max_requests=2),
    after_a_break("the rest up to the end of the connection", acts.wire(framing="end"), max_requests=2),
    after_a_break("the rest in two pieces", acts.cut(BROKEN), times=1, max_requests=3),
    after_a_break("the rest after a passing error", acts.instead(503), times=1, max_requests=3),
    after_a_break("the rest at another host", acts.redirect("{evil}{target}?signature=planted-signature"), max_requests=2),
    after_a_break("the rest shorter than announced, once", acts.body(lambda data: data[:-1000]), times=1, max_requests=3),
]

NOT_HONOURED = [
    after_a_break("everything from the start", acts.without_range(), max_requests=2),
    after_a_break("no ranges at all", acts.both(acts.without_range(), acts.header("Accept-Ranges", "none")), max_requests=2),
    after_a_break("status 416", acts.instead(416)),
    after_a_break("status 416, with the size", acts.instead(416, b"", ("Content-Range", f"bytes */{SIZE}"))),
    after_a_break("status 400", acts.instead(400)),
]

LIED_ABOUT = [
    after_a_break("another beginning", content_range(f"bytes {BROKEN + 1}-{SIZE - 1}/{SIZE}")),
    after_a_break("another end", content_range(f"bytes {BROKEN}-{SIZE - 2}/{SIZE}")),
    after_a_break("another size", content_range(f"bytes {BROKEN}-{SIZE - 1}/{SIZE + 1}")),
    after_a_break("no Content-Range", content_range(None)),
    after_a_break("a Content-Range of nothing", content_range(f"bytes */{SIZE}")),
    after_a_break("a Content-Range in other units", content_range(f"items {BROKEN}-{SIZE - 1}/{SIZE}")),
    after_a_break("a Content-Range in other digits", content_range(f"bytes \u00b2-{SIZE - 1}/{SIZE}")),
    after_a_break("a Content-Range with more digits than a number has", content_range(f"bytes {'9' * 5000}-{'9' * 5000}/{'9' * 5000}")),
    after_a_break("several ranges", acts.both(content_range(None), acts.header("Content-Type", "multipart/byteranges; boundary=x"))),
    after_a_break("everything, called a range", acts.both(acts.without_range(), acts.header("Content-Range", f"bytes 0-{SIZE - 1}/{SIZE}"))),
    Case("an unrequested range", LAYER, acts.instead(206, b"x", ("Content-Range", "bytes 0-0/1")), "registry_error", "206", at_most={LAYER: 1}),
]

SPOILT = [
    after_a_break("zeros for the rest", acts.body(lambda data: bytes(len(data))), "digest_mismatch", max_requests=4),
    after_a_break("a byte more", acts.body(lambda data: data + b"x"), "digest_mismatch", max_requests=4),
    after_a_break("a page for people for the rest, once", acts.body(lambda data: (b"<html>" * SIZE)[: len(data)]), "digest_mismatch", times=1),
    Case(
        "a beginning from another blob, once",
        LAYER,
        acts.both(acts.body(lambda data: bytes(len(data))), acts.cut(BROKEN)),
        "digest_mismatch",
        times=1,
        at_most={LAYER: 2},
        options={"retries": 3},
    ),
]


@pytest.mark.parametrize("case", [*HONOURED, *NOT_HONOURED, *LIED_ABOUT, *SPOILT], ids=str)
def test_a_layer_that_breaks_off_is_resumed_however_the_registry_treats_ranges(worlds: t.Sequence[World], case: Case) -> None:
    check_each(worlds, check_pull, case)
    for world in worlds:
        ranges = [request.headers["Range"] for request in world.registry.requests if "Range" in request.headers]
        assert not any(wanted.startswith("bytes=0-") for wanted in ranges)


@pytest.mark.parametrize("case", SPOILT, ids=str)
def test_a_wrongly_assembled_blob_is_not_kept_for_the_next_run(worlds: t.Sequence[World], case: Case) -> None:
    check_each(worlds, check_pull, case)
    for world in worlds:
        world.script()
        assert world.run("image_pull", name=[world.name()], platform=["linux/amd64"], **world.access()).results["changed"]
        assert world.points_at(world.name()) == str(WANTED.root.digest)
        world.check_store()
