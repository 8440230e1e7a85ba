# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A blob is downloaded completely however its registry serves ranges, and however often the connection breaks if there is progress."""

from __future__ import annotations

import re
import time
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.longshore.images.plugins.module_utils.errors import Unreachable
from ansible_collections.longshore.images.plugins.module_utils.registry import download as download_module
from ansible_collections.longshore.images.plugins.module_utils.registry.download import Download, RetryBudget
from ansible_collections.longshore.images.plugins.module_utils.registry.http.messages import Interrupted, Response

BLOB = bytes(range(256)) * 4


class FakeResponse:
    """A response whose body breaks off after `breaks` bytes."""

    def __init__(self, status: int, body: bytes = b"", headers: t.Mapping[str, str] | None = None, breaks: int | None = None) -> None:
        self.status = status
        self.headers = headers or {}
        self._body = body
        self._breaks = breaks
        self.closed = False

    def chunks(self) -> t.Iterator[bytes]:
        body = self._body if self._breaks is None else self._body[: self._breaks]
        yield from (body[start : start + 100] for start in range(0, len(body), 100))
        if self._breaks is not None and self._breaks < len(self._body):
            raise Interrupted("reset")

    def close(self) -> None:
        self.closed = True


class Server:
    """Serves BLOB. `breaks` has for each response the bytes after which it breaks off; `kind` is how the server treats ranges."""

    def __init__(self, kind: str = "honours", breaks: t.Sequence[int] = (), blob: bytes = BLOB) -> None:
        self.kind = kind
        self.breaks = list(breaks)
        self.blob = blob
        self.ranges: list[str | None] = []
        self.answers: list[FakeResponse] = []

    def ask(self, headers: t.Mapping[str, str], accepted: tuple[int, ...], deadline: float | None) -> Response:
        wanted = headers.get("Range")
        self.ranges.append(wanted)
        answer = self._answer(wanted, self.breaks.pop(0) if self.breaks else None)
        self.answers.append(answer)
        assert answer.status in accepted
        return t.cast(Response, answer)

    def _answer(self, wanted: str | None, breaks: int | None) -> FakeResponse:
        match = re.fullmatch("bytes=([0-9]+)-([0-9]+)", wanted or "")
        if match is None or self.kind == "ignores":
            return FakeResponse(200, self.blob, breaks=breaks)
        start, last = int(match[1]), int(match[2])
        if self.kind.isdigit():
            return FakeResponse(int(self.kind))
        content_range = {
            "another range": f"bytes {start + 1}-{last}/{len(BLOB)}",
            "another size": f"bytes {start}-{last}/{len(BLOB) + 1}",
            "no range": "",
            "several": f"multipart/byteranges {start}-{last}",
            "unknown size": f"bytes {start}-{last}/*",
        }.get(self.kind, f"bytes {start}-{last}/{len(BLOB)}")
        return FakeResponse(206, self.blob[start : last + 1], {"Content-Range": content_range}, breaks)


HONEST = ("honours", "unknown size")
KINDS = (*HONEST, "ignores", "another range", "another size", "no range", "several", "400", "416")


def download(server: Server, retries: int = 5) -> Download:
    return Download(server.ask, len(BLOB), "blob", "r.test", retries)


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download_module, "wait_before_retry", lambda *unused: None)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("offset", [0, 1, 500, len(BLOB) - 1])
@pytest.mark.parametrize("breaks", [(), (0,), (1, 99, 100, 333), (0, 0, 0, 7)])
def test_every_byte_arrives_once_however_the_registry_treats_ranges(kind: str, offset: int, breaks: t.Sequence[int]) -> None:
    server = Server(kind, breaks)
    assert b"".join(download(server).read_from(offset)) == BLOB[offset:]
    assert all(answer.closed for answer in server.answers)


def test_a_range_is_requested_only_to_resume() -> None:
    server = Server(breaks=(300,))
    assert b"".join(download(server).read_from(0)) == BLOB
    assert server.ranges == [None, f"bytes=300-{len(BLOB) - 1}"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("start", "stop"), [(0, 100), (100, 900), (900, len(BLOB))])
@pytest.mark.parametrize("breaks", [(), (50,), (0, 20)])
def test_reading_a_range_returns_the_range_or_says_that_it_is_the_whole_blob(kind: str, start: int, stop: int, breaks: t.Sequence[int]) -> None:
    server = Server(kind, breaks)
    whole, chunks = download(server).read_range(start, stop)
    assert whole == (kind not in HONEST)
    assert b"".join(chunks) == (BLOB if whole else BLOB[start:stop])
    assert all(answer.closed for answer in server.answers)


@pytest.mark.parametrize("kind", ["honours", "ignores"])
def test_closing_a_range_closes_its_response(kind: str) -> None:
    server = Server(kind)
    download(server).read_range(0, 500)[1].close()
    assert [answer.closed for answer in server.answers] == [True]


def test_a_blob_that_is_too_long_is_read_one_byte_too_far_only() -> None:
    server = Server(blob=BLOB + bytes(1000))
    assert b"".join(download(server).read_from(0)) == BLOB + b"\0"


@pytest.mark.parametrize("breaks", [(0,) * 5, (500, *(0,) * 4)])
def test_a_permanent_error_is_raised_after_all_tries(breaks: t.Sequence[int]) -> None:
    server = Server(breaks=breaks)
    with pytest.raises(Unreachable, match=r"blob: r\.test broke off: reset"):
        b"".join(download(server).read_from(0))
    assert len(server.ranges) == len(breaks)


def test_a_download_with_progress_survives_many_errors() -> None:
    server = Server(breaks=[10] * 100)
    assert b"".join(download(server).read_from(0)) == BLOB
    assert len(server.ranges) == 101


def test_a_slow_trickle_between_errors_is_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    budget = RetryBudget(3, 0)
    for position, seconds in ((100_000, 60.0), (100_500, 60.0), (200_000, 60.0), (200_001, 1.0)):
        clock[0] += seconds
        budget.wait_or_raise(position, Unreachable("x"))
    clock[0] += 1.0
    with pytest.raises(Unreachable):
        budget.wait_or_raise(200_002, Unreachable("x"))


def test_a_few_bytes_between_quick_errors_are_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(download_module, "wait_before_retry", lambda *_unused: clock.__setitem__(0, clock[0] + 0.25))
    budget = RetryBudget(3, 0)
    budget.wait_or_raise(10, Unreachable("x"))
    budget.wait_or_raise(20, Unreachable("x"))
    with pytest.raises(Unreachable):
        budget.wait_or_raise(30, Unreachable("x"))


@given(st.sampled_from(KINDS), st.integers(0, len(BLOB) - 1), st.lists(st.integers(0, len(BLOB)), max_size=4))
def test_no_error_and_no_registry_duplicates_or_loses_bytes(kind: str, offset: int, breaks: list[int]) -> None:
    assert b"".join(download(Server(kind, breaks)).read_from(offset)) == BLOB[offset:]
