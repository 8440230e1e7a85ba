# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the modules of community.docker and containers.podman are tested for, done by ours in the same engine.

Each case is a task that their integration tests contain, in the order of a play. `differs` says how and why our outcome is another one.
"""

from __future__ import annotations

import dataclasses
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support.engines import HOST, OTHER, runnable_image, runnable_index
from tests.support.forked import run_forked
from tests.support.registry import Registry, running_registry
from tests.support.targets import Target, config_of

CHANGED, UNCHANGED = "changed", "unchanged"
ONE, TWO = runnable_index("one", OTHER), runnable_image("two")
ONE_ID, TWO_ID = config_of(ONE), config_of(TWO)


@dataclasses.dataclass(frozen=True)
class Case:
    """A task of a peer, and ours. `outcome` is changed, unchanged, or the word of an error. `then` are names in the engine afterwards."""

    task: str
    module: str
    options: dict[str, t.Any]
    outcome: str
    then: str | None = None
    differs: str = ""


DOCKER = [
    Case("docker_image_pull: pull an image", "image_pull", {"name": "HOST/one:1", "platform": [HOST]}, CHANGED, "HOST/one:1 two:2"),
    Case("docker_image_pull: again", "image_pull", {"name": "HOST/one:1", "platform": [HOST]}, UNCHANGED),
    Case("docker_image_pull: for another platform", "image_pull", {"name": "HOST/one:1", "platform": [OTHER]}, CHANGED),
    Case(
        "docker_image_pull: not_present, same platform",
        "image_pull",
        {"name": "HOST/one:1", "platform": [OTHER], "pull_policy": "missing"},
        UNCHANGED,
    ),
    Case("docker_image_pull: not_present, another one", "image_pull", {"name": "HOST/one:1", "platform": [HOST], "pull_policy": "missing"}, CHANGED),
    Case("docker_image_pull: by ID", "image_pull", {"name": ONE_ID}, "invalid_reference"),
    Case("docker_image_pull: invalid tag", "image_pull", {"name": "HOST/one:foo/bar"}, "invalid_reference"),
    Case(
        "docker_image_tag: two names",
        "image_tag",
        {"name": "HOST/one:1", "targets": ["a:latest", "a:foo"]},
        CHANGED,
        "HOST/one:1 a:latest a:foo two:2",
    ),
    Case("docker_image_tag: again", "image_tag", {"name": "HOST/one:1", "targets": ["a:latest", "a:foo"]}, UNCHANGED),
    Case("docker_image_tag: one more", "image_tag", {"name": "HOST/one:1", "targets": ["a", "a:foo", "b:baz"]}, CHANGED),
    Case("docker_image_tag: keep", "image_tag", {"name": "two:2", "targets": ["a", "a:foo", "a:bar"], "existing": "keep"}, CHANGED),
    Case("docker_image_tag: overwrite", "image_tag", {"name": "two:2", "targets": ["a", "a:foo", "a:bar"]}, CHANGED),
    Case("docker_image_tag: source by ID", "image_tag", {"name": ONE_ID, "targets": ["a:foo"]}, CHANGED),
    Case("docker_image_tag: to a digest", "image_tag", {"name": "two:2", "targets": [f"a@{ONE.root.digest}"]}, "invalid_reference"),
    Case("docker_image_tag: to an ID", "image_tag", {"name": "two:2", "targets": [ONE_ID]}, "invalid_reference"),
    Case("docker_image_export: name and ID of one image", "image_save", {"name": [ONE_ID, "a:foo"], "path": "FOLDER/a.tar"}, CHANGED),
    Case("docker_image_export: again", "image_save", {"name": [ONE_ID, "a:foo"], "path": "FOLDER/a.tar"}, UNCHANGED, None, "not written again"),
    Case("docker_image_push: a missing image", "image_push", {"name": "gone:1", "destination": "HOST/gone:1"}, "not_found"),
    Case("docker_image_push: by ID", "image_push", {"name": TWO_ID, "destination": "HOST/two:9"}, CHANGED, None, "the destination has a name"),
    Case("docker_image_remove: absent", "image_rm", {"name": ["gone:1"]}, UNCHANGED),
    Case("docker_image_remove: one of several names", "image_rm", {"name": ["a:latest"]}, CHANGED, "HOST/one:1 a:foo a:bar b:baz two:2"),
    Case("docker_image_remove: by ID", "image_rm", {"name": [ONE_ID]}, "in_use", None, "several names need force"),
    Case("docker_image_remove: by ID with force", "image_rm", {"name": [ONE_ID], "force": True}, CHANGED, "a:bar two:2"),
    Case("docker_image_load: all", "image_load", {"path": "FOLDER/a.tar"}, CHANGED, "HOST/one:1 a:foo b:baz a:bar two:2"),
    Case("docker_image_load: again", "image_load", {"path": "FOLDER/a.tar"}, UNCHANGED, None, "nothing changes the second time"),
    Case("docker_image_load: an image without a name", "image_load", {"path": "FOLDER/id.tar"}, "invalid_option", None, "an engine needs a name"),
    Case("docker_image_info: one of two is absent", "image_info", {"name": ["gone:1", "two:2"]}, UNCHANGED, None, "a row with present: false"),
]

PODMAN = [
    Case("podman_image: pull", "image_pull", {"name": "HOST/one:1"}, CHANGED, "HOST/one:1 two:2"),
    Case("podman_image: again", "image_pull", {"name": "HOST/one:1"}, UNCHANGED),
    Case(
        "podman_tag: two names",
        "image_tag",
        {"name": "HOST/one:1", "targets": ["jdk", "localhost/jdk"]},
        CHANGED,
        "HOST/one:1 jdk localhost/jdk two:2",
    ),
    Case("podman_tag: a missing image", "image_tag", {"name": "gone:1", "targets": ["jdk"]}, "not_found"),
    Case("podman_save: a file", "image_save", {"name": "jdk", "path": "FOLDER/p.tar"}, CHANGED),
    Case("podman_save: over it", "image_save", {"name": "jdk", "path": "FOLDER/p.tar"}, UNCHANGED, None, "compared by content, without force"),
    Case("podman_save: oci-dir", "image_save", {"name": ["jdk", "two:2"], "path": "FOLDER/p", "format": "oci-dir"}, CHANGED),
    Case("podman_image: push", "image_push", {"name": "jdk", "destination": "HOST/jdk:1"}, CHANGED),
    Case("podman_image: push again", "image_push", {"name": "jdk", "destination": "HOST/jdk:1"}, UNCHANGED),
    Case("podman_image: remove", "image_rm", {"name": ["jdk", "two:2"]}, CHANGED, "HOST/one:1 localhost/jdk"),
    Case("podman_image: remove an absent one", "image_rm", {"name": ["jdk"]}, UNCHANGED),
    Case(
        "podman_load: an oci-dir",
        "image_load",
        {"path": "FOLDER/p"},
        CHANGED,
        "HOST/one:1 localhost/jdk jdk two:2",
        "names are kept, not localhost/tmp/p",
    ),
    Case("podman_image_info: two images", "image_info", {"name": ["jdk", "two:2"]}, UNCHANGED),
]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Registry]:
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        running.put(ONE, "one", "1")
        yield running


@pytest.mark.parametrize(
    ("target", "cases"), [("docker", DOCKER), ("podman_service", PODMAN)], indirect=["target"], ids=["community.docker", "containers.podman"]
)
def test_each_task_has_a_counterpart(target: Target, cases: list[Case], registry: Registry, tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    for image in (TWO, ONE):  # so the first one has no name any more
        image.put(Store(store), "docker.io/library/moved:1")
    run_forked("image_save", {"store": store, "name": [str(TWO.root.digest)], "path": str(tmp_path / "id.tar")})
    TWO.put(Store(store), "docker.io/library/two:2")
    target.deliver(store, "two:2")

    def localise(value: t.Any) -> t.Any:
        if isinstance(value, list):
            return [localise(one) for one in value]
        return value.replace("HOST", registry.host).replace("FOLDER", str(tmp_path)) if isinstance(value, str) else value

    for case in cases:
        options = {key: localise(value) for key, value in case.options.items()}
        results = run_forked(case.module, {**target.options, **options}, env=target.env)
        outcome = results.get("error") or (CHANGED if results["changed"] else UNCHANGED)
        assert (case.task, outcome) == (case.task, case.outcome), results
        if case.then is not None:
            names = {str(Reference.parse(localise(name))) for name in case.then.split()}
            assert (case.task, target.engine.names()) == (case.task, names)
