# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The event source tag_moved, run by its path as ansible-rulebook does, against a real registry."""

from __future__ import annotations

import asyncio
import json
import logging
import runpy
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import LongshoreError
from ansible_collections.longshore.images.plugins.plugin_utils.tag_watch import TagWatch
from tests.support import modules
from tests.support.images import make_image
from tests.support.recorder import Recorder
from tests.support.registry import PASSWORD, Registry

SOURCE = modules.ROOT / ".collections/ansible_collections/longshore/images/extensions/eda/plugins/event_source/tag_moved.py"
FIRST, SECOND = make_image("first"), make_image("second")


def test_a_moved_and_a_deleted_tag_are_events_and_each_poll_costs_one_head(recording: Recorder, anonymous: Registry, repository: str) -> None:
    anonymous.put(FIRST, repository, "1")
    name = f"{recording.host}/{repository}:1"
    watch = TagWatch({"name": [name], "plain_http": True})
    assert watch.poll() == ([], [])
    assert watch.poll() == ([], [])
    assert recording.lines == [f"HEAD /v2/{repository}/manifests/1"] * 2
    anonymous.put(SECOND, repository, "1")
    first, second = str(FIRST.root.digest), str(SECOND.root.digest)
    assert watch.poll() == ([{"name": name, "digest": second, "previous_digest": first, "pinned": f"{name}@{second}"}], [])
    assert watch.poll() == ([], [])
    anonymous.request("DELETE", f"{repository}/manifests/{second}")
    assert watch.poll() == ([{"name": name, "digest": None, "previous_digest": second, "pinned": None}], [])
    assert watch.poll() == ([], [])


def test_a_move_before_the_start_is_noticed_with_a_lock_file(anonymous: Registry, repository: str, tmp_path: Path) -> None:
    name = anonymous.put(FIRST, repository, "1")
    modules.run("image_lock", {"name": name, "path": str(tmp_path / "images.lock")})
    anonymous.put(SECOND, repository, "1")
    events, problems = TagWatch({"lock_file": str(tmp_path / "images.lock")}).poll()
    assert [event["previous_digest"] for event in events] == [str(FIRST.root.digest)]
    assert problems == []


def test_a_registry_that_refuses_is_a_problem_without_secrets_and_no_event(protected: Registry, repository: str) -> None:
    protected.put(FIRST, repository, "1")
    options = {"username": "wrong", "password": PASSWORD, "ca_path": str(protected.ca)}
    events, problems = TagWatch({"name": f"{protected.host}/{repository}:1", **options}).poll()
    assert events == []
    assert f"{protected.host}/{repository}:1" in problems[0]
    assert PASSWORD not in problems[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "name or lock_file is required"),
        ({"name": ["No Name"]}, "No Name"),
        ({"name": [f"app:1@{FIRST.root.digest}"]}, "which never moves"),
        ({"name": ["app:1"], "interval": 0}, "interval is 0"),
        ({"name": ["app:1"], "interval": "soon"}, "interval is soon"),
        ({"name": ["app:1"], "intervall": 5}, "intervall: the event source tag_moved has no such option"),
        ({"name": {"app": 1}}, "name has to be a list"),
        ({"name": ["app:1"], "retries": "many"}, "retries"),
        ({"name": ["app:1"], "retries": -1}, "retries is -1"),
        ({"lock_file": "/nonexistent.lock"}, "/nonexistent.lock"),
    ],
)
def test_invalid_options_are_one_sentence(options: dict[str, t.Any], words: str) -> None:
    with pytest.raises(LongshoreError, match=words):
        TagWatch(options)


def test_the_file_runs_as_ansible_rulebook_runs_it(anonymous: Registry, repository: str, caplog: pytest.LogCaptureFixture) -> None:
    name = anonymous.put(FIRST, repository, "1")
    main = runpy.run_path(str(SOURCE))["main"]

    async def wait_for_event() -> dict[str, t.Any]:
        queue: asyncio.Queue[dict[str, t.Any]] = asyncio.Queue()
        source = asyncio.create_task(main(queue, {"name": [name, "127.0.0.1:1/absent:1"], "interval": 1, "retries": 1}))
        await asyncio.sleep(1.5)
        anonymous.put(SECOND, repository, "1")
        event = await asyncio.wait_for(queue.get(), 60)
        source.cancel()
        return event

    with caplog.at_level(logging.WARNING):
        assert asyncio.run(wait_for_event())["digest"] == str(SECOND.root.digest)
    assert "127.0.0.1:1/absent:1" in caplog.text


def test_the_file_finds_its_collection_in_a_process_that_does_not_know_it() -> None:
    """An invalid option shows that the code of the collection was imported: only that knows which options there are."""
    code = f"import asyncio, runpy; asyncio.run(runpy.run_path({json.dumps(str(SOURCE))})['main'](asyncio.Queue(), {{'nmae': 'x'}}))"
    environment = modules.environment()
    del environment["PYTHONPATH"]
    result = subprocess.run([sys.executable, "-c", code], cwd="/", env=environment, capture_output=True, text=True, check=False)
    assert "nmae: the event source tag_moved has no such option" in result.stderr
