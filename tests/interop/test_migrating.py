# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/migrating.md is correct: a command of skopeo and the task below it have the same effect, and the ten tasks and the logins work one after the other."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml

from tests.support import engines, modules
from tests.support.engines import runnable_index
from tests.support.modules import ROOT
from tests.support.registry import Registry, needed, running_registry
from tests.unit.test_documentation import own_tasks

GUIDE = (ROOT / "docs" / "migrating.md").read_text()
IMAGE = runnable_index("migrating")
PAIRS = re.findall(r"^```sh\n(.*?)^```\n\n```yaml\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
APP = "team/app"
PASSWORD = "{{ registry_password }}"  # not a template here: the guide's text as it is


@dataclasses.dataclass(frozen=True)
class User:
    """A registry that has the image, and a folder that stands for /srv."""

    registry: Registry
    folder: Path

    @property
    def home(self) -> dict[str, str]:
        """Return the variables that make this folder the home of a user."""
        return {"HOME": str(self.folder), "XDG_RUNTIME_DIR": str(self.folder / "run")}

    def localise(self, text: str) -> str:
        """Return text of the guide, with the addresses and paths of this registry and folder."""
        text = text.replace("registry.example.com", self.registry.host).replace("mirror.example.com", f"{self.registry.host}/mirror")
        return text.replace("/srv", str(self.folder))

    def effect(self) -> dict[str, t.Any]:
        """Return what the registry, the archives, the layouts and the auth file contain."""
        found: dict[str, t.Any] = {name: self.registry.digest(name, "3") for name in (APP, f"mirror/{APP}")}
        for path in (self.folder / "images", self.folder / "transfer" / "app.tar"):
            if path.exists():
                rows = modules.run("image_info", {"archive": str(path)})["images"]
                found[path.name] = [(row["name"].partition("/")[2], row["image_id"], sorted(row["platforms"])) for row in rows]
        auth_file = self.folder / "auth.json"
        found["logins"] = json.loads(auth_file.read_text().replace(self.registry.host, "HOST")) if auth_file.exists() else None
        return found


@pytest.fixture
def users(tmp_path: Path) -> t.Iterator[tuple[User, User]]:
    folders = tmp_path / "old", tmp_path / "new"
    for folder in folders:
        (folder / "transfer").mkdir(parents=True)
    with running_registry(folders[0]) as one, running_registry(folders[1]) as two:
        for registry in (one, two):
            registry.put(IMAGE, APP, "3")
        yield User(one, folders[0]), User(two, folders[1])


def run_command(command: str, user: User) -> str:
    needed("skopeo")
    settings = user.folder / ".config/containers/registries.conf"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(f'[[registry]]\nlocation = "{user.registry.host}"\ninsecure = true\n')
    environment = modules.environment(**user.home)
    words = shlex.split(user.localise(command))
    done = subprocess.run(words, env=environment, input=PASSWORD, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def run_tasks(example: str, user: User) -> list[modules.Results]:
    tasks = own_tasks(yaml.safe_load(user.localise(example)))
    return [modules.run(module, values, env=user.home) for module, values in tasks]


def test_a_command_and_its_task_have_the_same_effect(users: tuple[User, User]) -> None:
    assert len(PAIRS) == GUIDE.count("```sh\n")
    old, new = users
    for command, example in PAIRS:
        printed = run_command(command, old)
        (results,) = run_tasks(example, new)
        assert old.effect() == new.effect(), command
        if "inspect" in command:
            assert results["images"][0]["digest"] == printed
        elif "list-tags" in command:
            assert results["results"][0]["tags"] == json.loads(printed)["Tags"]
        else:
            assert results["changed"], command


def test_the_ten_tasks_work_one_after_the_other(users: tuple[User, User], docker: engines.Docker, podman: engines.Podman) -> None:
    _old, user = users
    sections = re.findall(r"^### \d+\. (.*?)\n(.*?)(?=^##)", GUIDE, re.MULTILINE | re.DOTALL)
    assert len(sections) == 10
    name = f"{user.registry.host}/{APP}:3"
    changed = {}
    with podman.service() as socket:
        for title, text in sections:
            (example,) = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
            example = re.sub(r"^ +(username|password): .*\n", "", example, flags=re.MULTILINE)  # this registry has no users
            tasks = list(own_tasks(yaml.safe_load(user.localise(example))))
            assert tasks, title
            sockets = {"docker_host": f"unix://{docker.folder}/docker.sock", "podman_host": f"unix://{socket}"}
            for module, values in tasks:
                changed[title] = modules.run(module, {**values, **sockets})["changed"]
    unchanged = ["Pull only what is missing", "Load an archive", "Check whether an image is present", "Clean up"]
    assert changed == {title: title not in unchanged for title, _text in sections}
    assert docker.names() == {name, f"{name.rpartition(':')[0]}:stable"}
    assert podman.names() == set()
    assert user.registry.digest(f"mirror/{APP}", "3")


def test_skopeo_finds_the_logins_of_the_guide(users: tuple[User, User]) -> None:
    needed("skopeo")
    _old, user = users
    (section,) = re.findall(r"^## Logins\n(.*?)(?=^## )", GUIDE, re.MULTILINE | re.DOTALL)
    logins = []
    for example in re.findall(r"^```yaml\n(.*?)^```$", section, re.MULTILINE | re.DOTALL):
        assert [results["changed"] for results in run_tasks(example, user)] == [True]
        environment = modules.environment(**user.home)
        command = ["skopeo", "login", "--get-login", user.registry.host]
        logins.append(subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60).stdout.strip())
    assert logins == ["reader", "", "reader", ""]
