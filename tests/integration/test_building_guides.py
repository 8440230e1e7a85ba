# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guides about building and promoting: their files build images that contain working programs, and the pages show these files."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import typing as t
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from tests.support import modules
from tests.support.engines import Umoci
from tests.support.images import make_image
from tests.support.plays import Play, run_playbook
from tests.support.registry import Registry, needed

ROOT = modules.ROOT
EXAMPLES = ROOT / "docs" / "examples"
HOST = "linux/amd64" if os.uname().machine == "x86_64" else "linux/arm64"


class Example:
    """The files of one example in a separate folder, and a registry for its image."""

    def __init__(self, name: str, folder: Path, registry: Registry, repository: str) -> None:
        self.folder = folder / name
        shutil.copytree(EXAMPLES / name, self.folder)
        self.registry = registry
        self.repository = repository
        self.image = f"{registry.host}/{repository}:1"
        self.store = folder / "store"

    def run(self, *words: str, **variables: t.Any) -> Play:
        """Run the example's playbook. Go uses a cache of the checkout: compiling its standard library twice takes longer than all other steps."""
        (playbook,) = self.folder.glob("*.yml")
        given = {"build_store": str(self.store), "ansible_connection": "local", "ansible_python_interpreter": sys.executable, **variables}
        words = ("-i", "localhost,", "-e", json.dumps(given), *words)
        played = run_playbook(str(playbook), self.folder, *words, ANSIBLE_COLLECTIONS_PATH=str(ROOT / ".collections"), **self.environment)
        assert played.status == 0, played.output
        return played

    @property
    def environment(self) -> dict[str, str]:
        return {"GOCACHE": str(ROOT / ".cache" / "go"), "GOFLAGS": "-p=2", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.folder / "wheels")}

    def build_twice(self, **variables: t.Any) -> Path:
        """Build and push the image, check that a second run changes nothing, and return the root file system of the pushed image."""
        self.run(image=self.image, **variables)
        digest = self.registry.digest(self.repository, "1")
        again = self.run("--check", image=self.image, **variables)
        assert again.recap["changed"] == 0
        assert self.registry.digest(self.repository, "1") == digest
        layout = self.folder / "layout"
        modules.run("image_copy", {"images": [{"src": self.image, "dest": f"oci:{layout}:localhost/made:1"}], "platform": HOST})
        return Umoci().unpack(layout, "localhost/made:1", self.folder / "bundle")

    @property
    def config(self) -> dict[str, t.Any]:
        config: dict[str, t.Any] = modules.run("image_info", {"name": self.image, "remote": True})["images"][0]["config"]
        return config


@pytest.fixture
def example(request: pytest.FixtureRequest, anonymous: Registry, repository: str, tmp_path: Path) -> Example:
    needed("umoci", "go")
    return Example(request.param, tmp_path, anonymous, repository)


def put_base(example: Example) -> str:
    return example.registry.put(make_image("base", platform=HOST), f"{example.repository}/base", "1")


def write_wheel(name: str, folder: Path) -> None:
    """Write an installed distribution as a wheel, so that pip needs no network."""
    folder.mkdir()
    distribution = metadata.distribution(name)
    files = [file for file in distribution.files or () if "__pycache__" not in file.parts and ".." not in file.parts]
    with zipfile.ZipFile(folder / f"{name}-{distribution.version}-py3-none-any.whl", "w") as wheel:
        record = next(file for file in files if file.name == "RECORD")
        for file in files:
            if file.name not in ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json"):
                wheel.write(str(file.locate()), str(file))
        wheel.writestr(str(record), "".join(",".join((str(file), "", "")) + "\n" for file in files))


@pytest.mark.parametrize("example", ["python"], indirect=True)
def test_the_python_application_runs_from_its_image(example: Example) -> None:
    write_wheel("packaging", example.folder / "wheels")
    root = example.build_twice(base=put_base(example))
    assert example.config["Entrypoint"] == ["python", "-m", "app"]
    environment = {**os.environ, "PYTHONPATH": str(root / "opt/app/lib"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-S", "-m", "app", "1.9", "1.10", "1.2"]
    ran = subprocess.run(command, cwd=root / "opt/app/src", env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout == "1.10\n"
    assert not list(root.rglob("__pycache__"))


@pytest.mark.parametrize("example", ["go"], indirect=True)
def test_the_go_program_runs_from_its_image(example: Example) -> None:
    root = example.build_twice()
    assert subprocess.run([root / "hello"], capture_output=True, text=True, check=True).stdout == "hello from Go\n"
    info = modules.run("image_info", {"name": example.image, "remote": True})["images"][0]
    assert sorted(row["platform"] for row in info["manifests"]) == ["linux/amd64", "linux/arm64"]


@pytest.mark.parametrize("example", ["site"], indirect=True)
def test_the_site_is_where_the_web_server_looks_for_it(example: Example) -> None:
    root = example.build_twice(base=put_base(example))
    assert (root / "usr/share/nginx/html/index.html").read_text() == (EXAMPLES / "site/public/index.html").read_text()
    assert example.config["Healthcheck"]["Test"] == ["CMD-SHELL", "curl --fail --silent http://localhost/"]
    assert example.registry.digest(example.repository, "latest") == example.registry.digest(example.repository, "1")


@pytest.mark.parametrize("example", ["promote"], indirect=True)
def test_the_same_digest_reaches_production(example: Example) -> None:
    tested, later = make_image("tested"), make_image("later")
    names = {stage: f"{example.registry.host}/{example.repository}/{stage}:3" for stage in ("dev", "staging", "production")}
    example.registry.put(tested, f"{example.repository}/dev", "3")
    example.run(source=names["dev"], target=names["staging"])
    example.registry.put(later, f"{example.repository}/dev", "3")
    shown = example.run("--check", source=names["staging"], target=names["production"])
    assert shown.recap["changed"] == 1
    example.run(source=names["staging"], target=names["production"])
    again = example.run(source=names["staging"], target=names["production"])
    assert again.recap["changed"] == 0
    assert example.registry.digest(f"{example.repository}/production", "3") == str(tested.root.digest)


@pytest.mark.parametrize("page", ["building", "promoting"])
def test_a_guide_shows_the_files_that_the_tests_run(page: str) -> None:
    text = (ROOT / "docs" / f"{page}.md").read_text()
    shown = [fence for fence in re.findall(r"^```ya?ml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL) if "hosts:" in fence]
    files = [path.read_text() for path in sorted(EXAMPLES.glob("*/*.yml"))]
    assert shown
    for fence in shown:
        assert any(file.endswith(f"\n{fence}") for file in files)
