# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pulls of a layer whose transfer breaks off, from registries that honour a Range, ignore it, refuse it or lie about it."""

from __future__ import annotations

import typing as t

import pytest

from tests.support.programmable import reactions
from tests.support.programmable.cases import IMAGE, LAYER, Case, check_each, check_pull
from tests.support.programmable.sandbox import Sandbox
from tests.support.programmable.server import Fault, Reaction

SIZE = IMAGE.layers[0].size
BROKEN = 50_000


def after_a_break(what: str, reaction: Reaction, error: str | None = None, times: int = 1_000_000, max_requests: int = 3) -> Case:
    """Return a case in which the first answer breaks off, REACTION answers the following requests with a Range, and at most MAX_REQUESTS requests are sent."""
    ranged = Fault(LAYER, reactions.on_range(reaction), times=times, first=2)
    first = Fault(LAYER, reactions.cut(BROKEN), times=1)
    return Case(what, first.where, first.reaction, error, times=1, more=(ranged,), at_most={LAYER: max_requests}, options={"retries": 3})


def content_range(value: str | None) -> Reaction:
    return reactions.header("Content-Range", value)


HONOURED = [
    after_a_break("the rest in one piece", reactions.wire(), max_requests=2),
    after_a_break("the rest without a whole size", content_range(f"bytes {BROKEN}-{SIZE - 1}/*"), max_requests=2),
    after_a_break("the rest in chunks", reactions.wire(framing="chunks"), max_requests=2),
    after_a_break("the rest up to the end of the connection", reactions.wire(framing="end"), max_requests=2),
    after_a_break("the rest in two pieces", reactions.cut(BROKEN), times=1, max_requests=3),
    after_a_break("the rest after a passing error", reactions.instead(503), times=1, max_requests=3),
    after_a_break("the rest at another host", reactions.redirect("{evil}{target}?signature=planted-signature"), max_requests=2),
    after_a_break("the rest shorter than announced, once", reactions.body(lambda data: data[:-1000]), times=1, max_requests=3),
]

NOT_HONOURED = [
    after_a_break("everything from the start", reactions.without_range(), max_requests=2),
    after_a_break("no ranges at all", reactions.both(reactions.without_range(), reactions.header("Accept-Ranges", "none")), max_requests=2),
    after_a_break("status 416", reactions.instead(416)),
    after_a_break("status 416, with the size", reactions.instead(416, b"", ("Content-Range", f"bytes */{SIZE}"))),
    after_a_break("status 400", reactions.instead(400)),
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
    after_a_break("several ranges", reactions.both(content_range(None), reactions.header("Content-Type", "multipart/byteranges; boundary=x"))),
    after_a_break(
        "everything, called a range", reactions.both(reactions.without_range(), reactions.header("Content-Range", f"bytes 0-{SIZE - 1}/{SIZE}"))
    ),
    Case("an unrequested range", LAYER, reactions.instead(206, b"x", ("Content-Range", "bytes 0-0/1")), "registry_error", "206", at_most={LAYER: 1}),
]

SPOILT = [
    after_a_break("zeros for the rest", reactions.body(lambda data: bytes(len(data))), "digest_mismatch", max_requests=4),
    after_a_break("a byte more", reactions.body(lambda data: data + b"x"), "digest_mismatch", max_requests=4),
    after_a_break("a page for people for the rest, once", reactions.body(lambda data: (b"<html>" * SIZE)[: len(data)]), "digest_mismatch", times=1),
    Case(
        "a beginning from another blob, once",
        LAYER,
        reactions.both(reactions.body(lambda data: bytes(len(data))), reactions.cut(BROKEN)),
        "digest_mismatch",
        times=1,
        at_most={LAYER: 2},
        options={"retries": 3},
    ),
]


@pytest.mark.parametrize("case", [*HONOURED, *NOT_HONOURED, *LIED_ABOUT, *SPOILT], ids=str)
def test_a_layer_that_breaks_off_is_resumed_however_the_registry_treats_ranges(sandboxes: t.Sequence[Sandbox], case: Case) -> None:
    check_each(sandboxes, check_pull, case)
    for sandbox in sandboxes:
        ranges = [request.headers["Range"] for request in sandbox.registry.requests if "Range" in request.headers]
        assert not any(wanted.startswith("bytes=0-") for wanted in ranges)


@pytest.mark.parametrize("case", SPOILT, ids=str)
def test_a_wrongly_assembled_blob_is_not_kept_for_the_next_run(sandboxes: t.Sequence[Sandbox], case: Case) -> None:
    check_each(sandboxes, check_pull, case)
    for sandbox in sandboxes:
        sandbox.script()
        assert sandbox.run("image_pull", name=[sandbox.name()], platform=["linux/amd64"], **sandbox.access()).results["changed"]
        assert sandbox.points_at(sandbox.name()) == str(IMAGE.root.digest)
        sandbox.check_store()
