# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The example for Automation Platform: its credential type gives the playbook what it needs, and the workflow starts it."""

from __future__ import annotations

import json
import re
import shutil
import sys
import typing as t
from pathlib import Path

import jinja2
import yaml

from tests.support import modules
from tests.support.images import make_image
from tests.support.plays import Play, run_playbook
from tests.support.registry import Registry
from tests.support.trust import make_key

FOLDER = modules.ROOT / "docs" / "examples" / "automation_platform"
PLAYBOOK = FOLDER / "promote_environment.yml"


def read(name: str) -> t.Any:
    return yaml.safe_load((FOLDER / name).read_text())


def inject(inputs: dict[str, str], folder: Path) -> dict[str, str]:
    """Return the variables of a job with a credential of the type: the controller writes its files, and renders both as templates."""
    injectors = read("credential_type.yml")["injectors"]
    known = {field["id"]: "" for field in read("credential_type.yml")["inputs"]["fields"]} | inputs
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701 - not HTML
    paths = {}
    for name, template in injectors["file"].items():
        path = folder / name
        path.write_text(environment.from_string(template).render(known))
        path.chmod(0o600)
        paths[name.removeprefix("template.")] = str(path)
    tower = {"filename": paths}
    return {name: environment.from_string(template).render(known, tower=tower) for name, template in injectors["extra_vars"].items()}


def promote(folder: Path, variables: dict[str, str], *words: str) -> Play:
    shutil.copy(PLAYBOOK, folder)
    given = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, **variables}
    done = run_playbook(
        str(folder / PLAYBOOK.name),
        folder,
        "-i",
        "localhost,",
        "-e",
        json.dumps(given),
        *words,
        ANSIBLE_COLLECTIONS_PATH=str(modules.ROOT / ".collections"),
    )
    assert done.status == 0, done.output
    return done


def test_a_job_with_the_credential_promotes_and_signs_the_tested_digest_once(anonymous: Registry, repository: str, tmp_path: Path) -> None:
    key = make_key()
    image = make_image("environment")
    source = anonymous.put(image, f"{repository}/dev", "1")
    target = f"{anonymous.host}/{repository}/released:1"
    credential = inject(
        {"registry": anonymous.host, "username": "robot", "password": "secret-of-the-robot", "key": key.private_pem().decode()}, tmp_path
    )
    variables = {**credential, "source": source, "target": target}

    done = promote(tmp_path, variables)

    assert "secret-of-the-robot" not in done.output
    assert done.recap["changed"] == 2
    (found,) = modules.run("image_info", {"name": target, "remote": True, "trust": [{"scope": "", "keys": [key.pem.decode()]}]})["images"]
    assert (found["digest"], found["verification"]["accepted"]) == (str(image.root.digest), True)
    assert promote(tmp_path, variables).recap["changed"] == 0


def test_the_credential_gives_exactly_the_variables_that_the_playbook_reads(tmp_path: Path) -> None:
    given = inject({"registry": "registry.example.com", "key": "PEM"}, tmp_path)
    assert set(given) == set(re.findall(r"longshore_\w+", PLAYBOOK.read_text()))
    fields = read("credential_type.yml")["inputs"]["fields"]
    assert {field["id"] for field in fields if field.get("secret")} == {"password", "key", "key_passphrase"}


def test_the_workflow_asks_for_what_the_playbook_needs_and_every_node_is_reached() -> None:
    workflow = read("workflow.yml")
    (play,) = yaml.safe_load(PLAYBOOK.read_text())
    assert [question["variable"] for question in workflow["survey_spec"]["spec"]] == list(play["vars"])
    nodes = {node["identifier"]: node for node in workflow["workflow_nodes"]}
    after = {following["identifier"] for node in nodes.values() for following in node["related"].get("success_nodes", [])}
    assert after == set(nodes) - {workflow["workflow_nodes"][0]["identifier"]}
    page = (modules.ROOT / "docs" / "automation_platform.md").read_text()
    (job,) = [node["unified_job_template"]["name"] for node in nodes.values() if node["unified_job_template"]["type"] == "job_template"]
    assert f'"{job}"' in page
