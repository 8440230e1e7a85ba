# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small answers of a registry that could cost minutes of CPU time: each task needs less than ten seconds."""

from __future__ import annotations

import json
import resource
import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from tests.support.images import make_image
from tests.support.programmable import reactions
from tests.support.programmable.sandbox import ModuleRun, Sandbox
from tests.support.programmable.server import Fault

SECONDS = 10
IMAGE = make_image("app", 1)
MANY = 100


@pytest.fixture(scope="session")
def libraries(libraries: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """Let every run start a new interpreter, which a setting of the interpreter requires: the time of a run of the server isn't that of our children."""
    return {name: {**env, "PYTHONHASHSEED": "random"} for name, env in libraries.items()}


def run_and_measure(sandbox: Sandbox, module: str, **options: t.Any) -> tuple[ModuleRun, float]:
    """Run a module, and return its result and the CPU seconds of its process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    outcome = sandbox.run(module, **options)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert seconds > 0
    return outcome, seconds


def serve_nested_index(sandbox: Sandbox) -> str:
    """Let the registry serve three levels of indexes, each of which lists the next one a hundred times. Return the digest of the outermost."""
    entry: dict[str, t.Any] = {"mediaType": media_types.OCI_MANIFEST, "digest": str(IMAGE.root.digest), "size": IMAGE.root.size}
    faults = []
    for level in range(3):
        data = json.dumps({"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": [entry] * MANY}).encode()
        digest = str(Digest.of(data))
        entry = {"mediaType": media_types.OCI_INDEX, "digest": digest, "size": len(data)}
        target = "1" if level == 2 else digest
        faults.append(
            Fault(f"* */manifests/{target}", reactions.instead(200, data, ("Content-Type", media_types.OCI_INDEX), ("Docker-Content-Digest", digest)))
        )
    sandbox.script(*faults)
    return digest


@pytest.mark.parametrize("platform", [["linux/amd64"], ["all"]], ids=str)
def test_nested_indexes_that_list_one_child_many_times_cost_seconds(sandboxes: t.Sequence[Sandbox], platform: list[str]) -> None:
    for sandbox in sandboxes:
        sandbox.put_image(IMAGE)
        digest = serve_nested_index(sandbox)
        pulled, seconds = run_and_measure(sandbox, "image_pull", name=[sandbox.name()], platform=platform, **sandbox.access())
        assert not pulled.failed, pulled.results["msg"]
        assert pulled.results["images"][0]["digest"] == digest
        assert seconds < SECONDS
        assert sandbox.registry.count("* */manifests/*") <= 4
        others: dict[str, dict[str, t.Any]] = {
            "image_info": {"name": [sandbox.name()], "platform": platform},
            "image_save": {"name": [sandbox.name()], "path": str(sandbox.store.parent / "saved"), "platform": platform},
            "image_verify": {},
        }
        for module, options in others.items():
            _ran, seconds = run_and_measure(sandbox, module, **options)
            assert seconds < SECONDS
        sandbox.check_store()


def test_an_image_of_very_many_layers_costs_seconds(sandboxes: t.Sequence[Sandbox]) -> None:
    """With platform `all` every manifest counts. Planning takes linear time, and the number of all layers together is limited."""
    layers = [{"mediaType": media_types.OCI_LAYER, "digest": f"sha256:{number:064x}", "size": 1} for number in range(1000)]
    config = json.loads(IMAGE.content[IMAGE.root.digest])["config"]
    entries, faults = [], []
    for number in range(101):
        data = json.dumps(
            {"schemaVersion": 2, "mediaType": media_types.OCI_MANIFEST, "config": config, "layers": layers, "annotations": {"n": str(number)}}
        )
        digest = str(Digest.of(data.encode()))
        entries.append({"mediaType": media_types.OCI_MANIFEST, "digest": digest, "size": len(data)})
        faults.append(Fault(f"GET */manifests/{digest}", reactions.instead(200, data.encode(), ("Content-Type", media_types.OCI_MANIFEST))))
    index = json.dumps({"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": entries}).encode()
    for sandbox in sandboxes:
        sandbox.put_image(IMAGE)
        sandbox.script(*faults, Fault("GET */manifests/1", reactions.instead(200, index, ("Content-Type", media_types.OCI_INDEX))))
        outcome, seconds = run_and_measure(sandbox, "image_pull", name=[sandbox.name()], platform=["all"], **sandbox.access())
        assert outcome.failed
        assert outcome.results["error"] == "unsupported_format"
        assert "100000 layers" in outcome.results["msg"]
        assert seconds < SECONDS


def test_documents_that_are_full_of_values_cost_seconds(sandboxes: t.Sequence[Sandbox]) -> None:
    data = b'{"schemaVersion": 2, "layers": [' + b"[]," * 1_390_000 + b"[]]}"
    for sandbox in sandboxes:
        sandbox.put_image(IMAGE)
        sandbox.script(Fault("GET */manifests/1", reactions.instead(200, data, ("Content-Type", media_types.OCI_MANIFEST))))
        outcome, seconds = run_and_measure(sandbox, "image_pull", name=[sandbox.name()], **sandbox.access())
        assert outcome.results["error"] == "unsupported_format"
        assert seconds < SECONDS
