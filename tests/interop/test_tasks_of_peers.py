# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the modules of community.docker and containers.podman are tested for, done by ours in the same engine: the tables of `tests/support/peers.py`."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import engines
from tests.support.forked import run_forked
from tests.support.modules import ROOT
from tests.support.peers import CHANGED, DOCKER, FOUR, ONE, PODMAN, THREE, TWO, UNCHANGED, WITHOUT_COUNTERPART, Case
from tests.support.registry import PASSWORD, USER, Registry, running_registry
from tests.support.targets import Target


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Registry]:
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        for image, repository, tag in ((ONE, "one", "1"), (THREE, "three", "3"), (FOUR, "three", "4"), (FOUR, "library/alpine", "latest")):
            running.put(image, repository, tag)
        yield running


@pytest.fixture(scope="module")
def protected(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Registry]:
    with running_registry(tmp_path_factory.mktemp("protected"), protected=True) as running:
        for tag in ("2", "3"):
            running.put(TWO, "two", tag)
        yield running


@pytest.mark.parametrize(
    ("target", "cases"), [("docker", DOCKER), ("podman_service", PODMAN)], indirect=["target"], ids=["community.docker", "containers.podman"]
)
def test_each_task_has_a_counterpart(
    target: Target, cases: list[Case], docker: engines.Docker, registry: Registry, protected: Registry, tmp_path: Path
) -> None:
    store = str(tmp_path / "store")
    TWO.put(Store(store), "docker.io/library/two:2")
    target.deliver(store, "two:2")
    (tmp_path / "invalid.tar").write_text("this is no archive")
    (tmp_path / "auth.json").write_text("{}")
    assert protected.ca is not None
    (tmp_path / "ca.pem").write_bytes(protected.ca.read_bytes())
    words = {"HOST": registry.host, "PROTECTED": protected.host, "FOLDER": str(tmp_path), "USER": USER, "PASSWORD": PASSWORD}
    words["DOCKER"] = f"unix://{docker.folder}/docker.sock"

    def localise(value: t.Any) -> t.Any:
        if isinstance(value, list):
            return [localise(one) for one in value]
        if isinstance(value, dict):
            return {key: localise(one) for key, one in value.items()}
        for word, meaning in words.items():
            value = value.replace(word, meaning) if isinstance(value, str) else value
        return value

    for case in cases:
        options = {**target.options, **localise(case.options)}
        predicted = run_forked(case.module, options, check=True, env=target.env) if case.outcome == CHANGED else None
        results = run_forked(case.module, options, env=target.env)
        outcome = results.get("error") or (CHANGED if results["changed"] else UNCHANGED)
        assert (case.task, outcome) == (case.task, case.outcome), results
        if predicted is not None and options.get("compression") is None:  # the size of a compressed file isn't known before
            assert (case.task, predicted) == (case.task, results)
        if case.then is not None:
            names = {str(Reference.parse(localise(name))) for name in case.then.split()}
            # An image that was pulled by its digest has a tag of ours for that.
            named = {name for name in target.engine.names() if ":longshore-sha256-" not in name}
            assert (case.task, named) == (case.task, names)


@pytest.mark.parametrize("task", WITHOUT_COUNTERPART)
def test_a_task_without_a_counterpart_is_named_in_the_guide(task: str) -> None:
    assert WITHOUT_COUNTERPART[task] in (ROOT / "docs" / "migrating.md").read_text()
