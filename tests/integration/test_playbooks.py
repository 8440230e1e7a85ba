# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks, run by their names from the built and installed collection."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

from tests.support.images import Image, make_index
from tests.support.modules import ROOT
from tests.support.plays import Play, run_playbook
from tests.support.registry import Registry, running_registry

PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))
IMAGE: Image = make_index("playbooks", layers=1)
VERSION = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the collection, install it into an empty folder, and return the folder."""
    folder = tmp_path_factory.mktemp("installed")
    galaxy = {**os.environ, "HOME": str(folder), "ANSIBLE_COLLECTIONS_PATH": str(folder), "LC_ALL": "C.UTF-8"}
    for words in (["build", str(ROOT), "--output-path", str(folder)], ["install", f"{folder}/longshore-images-{VERSION}.tar.gz", "-p", str(folder)]):
        subprocess.run(["ansible-galaxy", "collection", *words], check=True, capture_output=True, cwd=folder, env=galaxy)
    return folder


def play(installed: Path, *words: str, **variables: t.Any) -> Play:
    given = ["-e", json.dumps(variables)]
    done = run_playbook(words[0], installed, *words[1:], *given, ANSIBLE_COLLECTIONS_PATH=str(installed), PYTHONPATH="")
    assert done.status == 0, done.output
    return done


def test_every_playbook_is_found_and_sound(installed: Path) -> None:
    shown = play(installed, "--syntax-check", *(f"longshore.images.{name}" for name in PLAYBOOKS))
    for name in PLAYBOOKS:
        assert f"playbook: longshore.images.{name}" in shown.output or f"/playbooks/{name}.yml" in shown.output


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_every_playbook_is_listed_and_documents_how_to_run_it(name: str) -> None:
    assert f"| [`{name}`](../playbooks/{name}.yml) |" in (ROOT / "docs" / "plays.md").read_text()
    assert f"ansible-playbook longshore.images.{name}" in (ROOT / "playbooks" / f"{name}.yml").read_text()


MISSPELT = {
    "build": "build_host (build_hosts?)",
    "mirror": "mirror_host (mirror_hosts?)",
    "airgap_export": "bundle_host (bundle_hosts?)",
    "airgap_import": "airgap_destinaton (airgap_destination?)",
    "preload_fleet": "preload_seral (preload_serial?)",
    "report": "report_host (report_hosts?)",
    "retention": "retention_host (retention_hosts?)",
    "quickstart": "quickstart_regisry (quickstart_registry?)",
}
# The variables that each playbook requires.
REQUIRED: dict[str, dict[str, t.Any]] = {
    "build": {"build_images": [{"name": "app", "base": "scratch"}]},
    "mirror": {"mirror_images": [{"name": "app"}], "mirror_destination": "127.0.0.1:1/"},
    "airgap_export": {"bundle_path": "/b.tar"},
}


@pytest.mark.parametrize("name", MISSPELT)
def test_a_misspelt_variable_is_refused_before_the_playbook_runs_on_the_wrong_hosts(installed: Path, name: str) -> None:
    outcome = MISSPELT[name]
    given = json.dumps(
        {outcome.split()[0]: "nowhere", **REQUIRED.get(name, {}), "ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    )
    done = run_playbook(
        f"longshore.images.{name}", installed, "-i", "localhost,", "-e", given, ANSIBLE_COLLECTIONS_PATH=str(installed), PYTHONPATH=""
    )
    assert f"There is no variable {outcome}" in done.output
    assert done.recap["changed"] == 0
    assert done.status != 0


def test_a_user_variable_that_looks_misspelt_is_accepted_if_it_is_listed(installed: Path, tmp_path: Path) -> None:
    variables = {"retention_host": "nas", "retention_engine": "docker", "retention_store": str(tmp_path)}
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}

    def prune(own: t.Any) -> Play:
        given = json.dumps({**variables, **local, "longshore_own_variables": own})
        words = ("-i", "localhost,", "--check", "-e", given)
        return run_playbook("longshore.images.retention", installed, *words, ANSIBLE_COLLECTIONS_PATH=str(installed), PYTHONPATH="")

    refused = prune(["retention_host"])
    assert "There is no variable retention_engine (retention_engines?). If it is one of your own, name it in the list" in refused.output
    assert prune(["retention_host", "retention_engine"]).status == 0, refused.output


@pytest.mark.core
def test_the_first_playbook_of_the_readme_pulls_its_image(installed: Path, anonymous: Registry, tmp_path: Path) -> None:
    """Only the registry differs: a mirror here stands for docker.io."""
    anonymous.put(IMAGE, "library/nginx", "1.27")
    first = re.search(r"^```yaml\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert first
    (example,) = yaml.safe_load(first[1])
    mirrored = {"name": "docker.io", "mirror_only": True, "mirrors": [{"url": anonymous.url}]}
    example["module_defaults"] = {"group/longshore.images.images": {"store": f"{tmp_path}/store", "registries": [mirrored]}}
    (tmp_path / "first.yml").write_text(yaml.safe_dump([example]))
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    assert play(installed, str(tmp_path / "first.yml"), "-i", "localhost,", **local).recap["changed"] == 1
    assert play(installed, str(tmp_path / "first.yml"), "-i", "localhost,", **local).recap["changed"] == 0


@pytest.mark.core
def test_an_image_goes_from_playbook_to_playbook(installed: Path, anonymous: Registry, tmp_path: Path) -> None:
    name = anonymous.put(IMAGE, "playbooks/app", "1")
    lock, bundle = f"{tmp_path}/images.lock", f"{tmp_path}/out/images.tar"
    with running_registry(tmp_path) as private:
        play(installed, "longshore.images.mirror", mirror_images=[{"name": name}], mirror_destination=f"{private.host}/near/", mirror_lock_file=lock)
        near = {"bundle_lock_file": lock, "bundle_path": bundle, "bundle_platforms": ["all"], "bundle_store": f"{tmp_path}/near"}
        play(installed, "longshore.images.airgap_export", **near)
        far = {"airgap_bundle": bundle, "airgap_destination": f"{private.host}/far/", "airgap_store": f"{tmp_path}/far"}
        play(installed, "longshore.images.airgap_import", **far)
        for repository in ("near/playbooks/app", "far/playbooks/app"):
            assert private.digest(repository, "1") == str(IMAGE.root.digest)
