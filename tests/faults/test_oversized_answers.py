# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pulls from a registry that sends more than a client should accept."""

from __future__ import annotations

import json
import typing as t

import pytest

from tests.support.programmable import reactions
from tests.support.programmable.cases import CONFIG, GET_MANIFEST, LAYER, Case, check_each, check_pull
from tests.support.programmable.sandbox import Sandbox

MEGABYTE = 1_000_000
# The bytes in flight when the client closes the connection: the kernel's buffers at both ends.
UNDERWAY = 32 * MEGABYTE

HUGE = b"x" * MEGABYTE
ENDLESS = {"repeat": 10_000, "framing": "chunks"}
JSON = ("Content-Type", "application/json")


def words(count: int, message: str) -> bytes:
    return json.dumps({"errors": [{"code": "DENIED", "message": message}] * count}).encode()


CASES = [
    (
        Case(
            "a manifest without an end",
            GET_MANIFEST,
            reactions.instead(200, HUGE, **ENDLESS),
            "unsupported_format",
            "4194304",
            at_most={GET_MANIFEST: 1},
        ),
        5 * MEGABYTE,
    ),
    (
        Case("a manifest with a length of ten gigabytes", GET_MANIFEST, reactions.instead(200, HUGE, repeat=10_000), "unsupported_format"),
        5 * MEGABYTE,
    ),
    (Case("an error without an end", GET_MANIFEST, reactions.instead(403, HUGE, JSON, **ENDLESS), "denied"), MEGABYTE),
    (
        Case("a passing error without an end", LAYER, reactions.instead(503, HUGE, JSON, **ENDLESS), "registry_error", at_most={LAYER: 2}),
        2 * MEGABYTE,
    ),
    (Case("a layer without an end", LAYER, reactions.wire(**ENDLESS), "digest_mismatch", at_most={LAYER: 1}), 3 * MEGABYTE),
    (Case("a config without an end", CONFIG, reactions.instead(200, HUGE, **ENDLESS), "digest_mismatch", at_most={CONFIG: 1}), 3 * MEGABYTE),
    (Case("a redirect with a body without an end", LAYER, reactions.redirect("{evil}{target}", 307, HUGE, **ENDLESS)), MEGABYTE),
    (Case("a thousand errors in one answer", GET_MANIFEST, reactions.instead(403, words(1000, "no"), JSON), "denied"), MEGABYTE),
    (Case("an error of sixty thousand letters", GET_MANIFEST, reactions.instead(403, words(1, "no " * 20_000), JSON), "denied", "..."), MEGABYTE),
    (
        Case(
            "an error that commands a terminal", GET_MANIFEST, reactions.instead(403, words(1, "\x1b[2J\x1b]0;x\x07\u009b31m\r\n\0"), JSON), "denied"
        ),
        MEGABYTE,
    ),
    (Case("an error nested a hundred thousand times", GET_MANIFEST, reactions.instead(403, b"[" * 100_000, JSON), "denied"), MEGABYTE),
    (
        Case("an error that ends early", GET_MANIFEST, reactions.both(reactions.cut(5), reactions.instead(403, words(1, "no"), JSON)), "denied"),
        MEGABYTE,
    ),
    (Case("an error of another shape", GET_MANIFEST, reactions.instead(403, b'{"errors": {"message": ["no"]}}', JSON), "denied"), MEGABYTE),
    (Case("an error in Latin letters", GET_MANIFEST, reactions.instead(403, '{"errors": "\xe9"}'.encode("latin-1"), JSON), "denied"), MEGABYTE),
]


@pytest.mark.parametrize(("case", "size"), CASES, ids=lambda value: str(value) if isinstance(value, Case) else "")
def test_bytes_read_and_text_shown_are_limited(sandboxes: t.Sequence[Sandbox], case: Case, size: int) -> None:
    for sandbox, outcome in zip(sandboxes, check_each(sandboxes, check_pull, case)):
        assert sandbox.registry.sent < size + UNDERWAY
        errors = outcome.results.get("registry_errors", [])
        assert len(errors) <= 5
        assert all(len(text) <= 300 and text.isprintable() for text in errors)
