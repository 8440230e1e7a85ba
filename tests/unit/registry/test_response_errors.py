# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors, rate limits and URLs made from responses."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.longshore.images.plugins.module_utils.errors import Denied, ImageNotFound, LongshoreError, RateLimited, RegistryError
from ansible_collections.longshore.images.plugins.module_utils.registry.http.errors import (
    RateLimit,
    error_from_response,
    lower_rate_limit,
    read_rate_limit,
    redact_url,
)


@dataclasses.dataclass
class FakeAnswer:
    status: int
    url: str = "https://user:secret@r.io/v2/?token=secret"
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    content: bytes = b""

    def body(self, limit: int) -> bytes:
        return self.content[: limit + 1]


def error_of(content: Any, method: str = "GET", limit: int = 65536) -> LongshoreError:
    return error_from_response(
        FakeAnswer(400, content=content if isinstance(content, bytes) else json.dumps(content).encode()), method, "image", limit
    )


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, Denied),
        (403, Denied),
        (404, ImageNotFound),
        (429, RateLimited),
        (400, RegistryError),
        (418, RegistryError),
        (500, RegistryError),
        (302, RegistryError),
    ],
)
def test_each_status_has_an_error_class(status: int, kind: type[LongshoreError]) -> None:
    error = error_from_response(FakeAnswer(status), "GET", "image", 100)
    assert error.__class__ is kind
    assert error.status == status
    assert str(error).startswith("image: r.io ")
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    ("authorization", "message"),
    [("Basic c2VjcmV0", "refuses this user name and password"), ("Bearer secret", "refuses the token"), (None, "refuses the credentials")],
)
def test_the_error_names_the_kind_of_the_refused_credentials(authorization: str | None, message: str) -> None:
    error = error_from_response(FakeAnswer(401), "GET", "image", 100, authorization)
    assert f"image: r.io {message}" in str(error)
    assert "ecret" not in str(error)


def test_the_message_contains_the_registrys_errors() -> None:
    error = error_of({"errors": [{"code": "DENIED", "message": "no"}, {"code": "X"}, {"message": "why"}, {"detail": {}}]})
    assert error.registry_errors == ("DENIED: no", "X", "why", "")
    assert "DENIED: no; X; why" in str(error)


def test_messages_of_registries_are_few_short_and_without_control_characters() -> None:
    error = error_of({"errors": [{"code": "\x1b[31m", "message": "m\r\n" * 400}] * 20})
    assert len(error.registry_errors) == 5
    assert all(len(message) <= 300 and message.isprintable() for message in error.registry_errors)
    assert len(str(error)) <= 1000
    assert str(error).isprintable()


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"[]", b"\xff", {}, {"errors": None}, {"errors": "x"}, {"errors": [1]}, {"errors": [{"code": 1}]}, {"error": "x"}]
)
def test_a_body_of_another_shape_is_ignored(content: Any) -> None:
    assert error_of(content).registry_errors == ()


def test_a_body_over_the_limit_or_of_a_head_is_ignored() -> None:
    content = {"errors": [{"code": "X"}]}
    assert error_of(content, limit=5).registry_errors == ()
    assert error_of(content, method="HEAD").registry_errors == ()


@given(st.binary(max_size=60))
def test_no_body_causes_an_error(content: bytes) -> None:
    assert isinstance(error_of(content), RegistryError)


@pytest.mark.parametrize(
    ("limit", "remaining", "expected"),
    [
        ("100;w=21600", "76;w=21600", (100, 76)), ("100", "0", (100, 0)), (" 100 ", None, (100, None)), (None, "5;w=1", (None, 5)),
        (None, None, None), ("", "x", None),
        ("-1", "1e5", None), ("1.5", None, (1, None)), ("٣", None, None), ("9" * 13, "9" * 12, (None, 10**12 - 1)), ("w=1;100", None, None),
    ],
)  # fmt: skip
def test_the_rate_limit_is_read_from_docker_hubs_headers(limit: str | None, remaining: str | None, expected: Any) -> None:
    headers = {name: value for name, value in {"RateLimit-Limit": limit, "RateLimit-Remaining": remaining}.items() if value is not None}
    assert read_rate_limit(headers) == expected


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://r.io/v2/a?x=secret#secret", "https://r.io/v2/a"),
        ("https://me:secret@r.io:5000/v2/", "https://r.io:5000/v2/"),
        ("https://me:se@secret@r.io/", "https://r.io/"),
        ("https://secret@[::1]:5000/x", "https://[::1]:5000/x"),
        ("https://[secret/", "the given address"),
        ("https://r.io/\x1b[31m", "https://r.io/ [31m"),
    ],
)
def test_a_url_is_shown_without_possible_secrets(url: str, shown: str) -> None:
    assert redact_url(url) == shown


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (None, None, None),
        (None, (100, 5), (100, 5)),
        ((100, 5), None, (100, 5)),
        ((100, 5), (200, 4), (200, 4)),
        ((100, 5), (200, 6), (100, 5)),
        ((100, 5), (200, 5), (100, 5)),
        ((100, 0), (200, None), (100, 0)),
        ((100, None), (200, 9), (200, 9)),
        ((100, None), None, (100, None)),
    ],
)
def test_the_rate_limit_with_fewer_remaining_pulls_counts(one: RateLimit, other: RateLimit, expected: RateLimit) -> None:
    assert lower_rate_limit(one, other) == expected
