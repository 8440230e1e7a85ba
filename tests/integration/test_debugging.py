# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a failing module adds at -vvv for a bug report, and that nothing of it is shown otherwise."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.registry.http import request_log
from tests.support import modules
from tests.support.registry import Registry

PASSWORD = "a-password-that-nobody-sees"


def pull(store: Path, registry: str, verbosity: int, **options: t.Any) -> modules.Results:
    arguments = {"store": str(store), "name": f"{registry}/nobody/nothing:1", "retries": 1, **options}
    output, _errors = modules.start_module("image_pull", {**arguments, "_ansible_verbosity": verbosity}).communicate(timeout=120)
    results: modules.Results = json.loads(output)
    assert results["failed"] is True
    return results


def test_a_failure_at_vvv_carries_a_traceback_and_the_requests(anonymous: Registry, tmp_path: Path) -> None:
    failed = pull(tmp_path / "store", anonymous.host, 3)
    debug = failed["debug"]
    assert any("ImageNotFound" in line for line in debug["traceback"])
    last = debug["requests"][-1]
    assert (last["method"], last["status"]) == ("GET", 404)
    assert last["url"].endswith("/v2/nobody/nothing/manifests/1")
    assert last["bytes"] > 0
    assert last["milliseconds"] >= 0


@pytest.mark.parametrize("verbosity", [0, 1, 2])
def test_a_failure_with_less_verbosity_carries_neither(anonymous: Registry, tmp_path: Path, verbosity: int) -> None:
    failed = pull(tmp_path / "store", anonymous.host, verbosity)
    assert failed["error"] == "not_found"
    assert "debug" not in failed


def test_a_request_without_an_answer_is_logged_with_its_fault(tmp_path: Path) -> None:
    failed = pull(tmp_path / "store", "127.0.0.1:9", 3, plain_http=True)
    assert failed["error"] == "unreachable"
    (row,) = failed["debug"]["requests"]
    assert (row["method"], row["status"], row["bytes"], row["fault"]) == ("GET", None, 0, "NewConnectionError")


def test_no_secret_is_in_what_is_added(anonymous: Registry, tmp_path: Path) -> None:
    proxy = f"http://somebody:{PASSWORD}@127.0.0.1:9"
    for options in ({"username": "me", "password": PASSWORD}, {"proxy": proxy}):
        failed = pull(tmp_path / "store", anonymous.host, 3, **options)
        assert failed["debug"]["traceback"]
        assert PASSWORD not in str(failed)


def test_the_log_keeps_the_last_requests_alone() -> None:
    class Session:
        def send_checked(self, method: str, url: str) -> tuple[t.Any, None]:
            raise ConnectionError(method, url)

    log = request_log.RequestLog()
    session = log.watch(Session())
    for number in range(request_log.MAX_REQUESTS + 5):
        with pytest.raises(ConnectionError):
            session.send_checked("GET", f"https://me:secret@r.test/v2/{number}?token=secret")
    rows = log.rows()
    assert len(rows) == request_log.MAX_REQUESTS
    assert rows[0]["url"] == "https://r.test/v2/5"
