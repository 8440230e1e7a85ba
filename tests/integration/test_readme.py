# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""README.md and the guides for beginners are correct: their commands run, their playbooks are valid, their tables are complete, and all links work."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.longshore.images.plugins.module_utils import errors
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support.checkouts import copy_checkout
from tests.support.error_classes import error_classes
from tests.support.images import make_image
from tests.support.modules import ROOT, environment
from tests.support.plays import run_playbook
from tests.support.registry import Registry, needed
from tests.unit.test_documentation import MODULES, arguments, own_roles, own_tasks, role_options, validator

TEXT = (ROOT / "README.md").read_text()
# Their commands run one after the other: README.md and install.md build the tarball and install it.
PAGES = {name: (ROOT / name).read_text() for name in ("README.md", "docs/install.md", "docs/store.md")}
PLAYS = (ROOT / "docs" / "plays.md").read_text()
PLAYBOOK = yaml.safe_load((ROOT / "playbooks" / "quickstart.yml").read_text())[0]
# The folder that the quickstart leaves, which the commands of other tools read.
PULLED = f"127.0.0.1:{PLAYBOOK['vars']['registry_port']}/quickstart/busybox:1"


@dataclasses.dataclass(frozen=True)
class Fence:
    """A block of code: its language, the line of text before it, and its content."""

    language: str
    before: str
    content: str


def fences(text: str) -> list[Fence]:
    found = re.findall(r"^([^\n]*)\n\n```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Fence(language, before, content) for before, language, content in found]


FENCES = fences(TEXT)
SHELL = [fence for page in PAGES.values() for fence in fences(page) if fence.language == "sh"]
YAML = [yaml.safe_load(fence.content) for fence in FENCES if fence.language == "yaml"]


def section(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def first_column(text: str) -> list[str]:
    """Return the code words in the first cell of each row of a table, with or without a link."""
    rows = re.findall(r"^\| (\[?`.*?) \|", text, re.MULTILINE)
    return [word for row in rows for word in re.findall(r"`([^`]+)`", row)]


def test_every_fence_is_found() -> None:
    assert len(FENCES) == TEXT.count("\n```") / 2
    assert {fence.language for fence in FENCES} == {"sh", "yaml"}


def test_the_readme_is_one_page() -> None:
    assert len(TEXT.splitlines()) <= 160


def test_the_commands_of_dev_exist() -> None:
    known = re.findall(r"^  (\w+)\)$", (ROOT / "dev").read_text(), re.MULTILINE)
    commands = re.findall(r"\./dev (\w+)", TEXT + (ROOT / "CONTRIBUTING.md").read_text())
    assert set(commands) == set(known)
    assert SHELL[0].content == "./dev quickstart\n./dev test\n"


def test_the_commands_run(tmp_path: Path) -> None:
    """Run the commands in order and unchanged, in a copy of the checkout where the pages say so, and otherwise in an empty folder.

    The commands of ./dev are not run: they run tests and the quickstart. Playbooks are only parsed. HOME is a folder of the test, and so is
    the storage of podman and buildah.
    """
    needed("ansible-galaxy", "ansible-playbook", "buildah", "git", "oras", "podman", "skopeo", "umoci")
    home, checkout, received, elsewhere = (tmp_path / name for name in ("home", "checkout", "received", "elsewhere"))
    for folder in (home, checkout, received, elsewhere):
        folder.mkdir()
    copy_checkout(checkout)
    make_image("readme").put(Store(str(home / ".local/share/longshore/quickstart/pulled")), PULLED)
    (home / "storage.conf").write_text(f'[storage]\ndriver = "vfs"\ngraphroot = "{home}/containers"\nrunroot = "{home}/run"\n')
    env = environment(HOME=str(home), LC_ALL="C.UTF-8", CONTAINERS_STORAGE_CONF=str(home / "storage.conf"))
    env = {name: value for name, value in env.items() if not name.startswith("ANSIBLE_") and name != "PYTHONPATH"}
    folders = {"In the checkout:": checkout, "In the folder of the tarball:": received}
    for fence in SHELL[1:]:
        for tarball in checkout.glob("*.tar.gz"):
            shutil.copy(tarball, received)
        commands = re.sub(r"^(ansible-playbook .*)$", r"\1 --syntax-check", fence.content, flags=re.MULTILINE)
        result = subprocess.run(
            ["sh", "-eux", "-c", commands],
            cwd=folders.get(fence.before, elsewhere),
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert result.returncode == 0, result.stdout
    assert not list(elsewhere.iterdir())
    installed = home / ".ansible/collections/ansible_collections/longshore/images"
    assert (installed / "MANIFEST.json").is_file()
    assert not [path for path in installed.rglob("*") if path.is_symlink()]


@pytest.mark.parametrize("document", YAML, ids=range(len(YAML)))
def test_the_playbooks_are_valid(document: t.Any) -> None:
    tasks, roles = list(own_tasks(document)), list(own_roles(document))
    assert tasks or roles
    for module, values in tasks:
        assert not validator(arguments(module)).validate(values).error_messages, module
    for role, variables in roles:
        assert set(variables) <= role_options(role)


def test_the_playbook_for_check_mode_works_on_a_fresh_host_and_checks_every_task_afterwards(anonymous: Registry, tmp_path: Path) -> None:
    needed("ansible-playbook")
    (tmp_path / "site").mkdir()
    (tmp_path / "site/app.conf").write_text("site = yes\n")
    base = anonymous.put(make_image("readme-check"), "readme-check/app", "3")
    fence = next(fence for fence in fences(PLAYS) if "ansible_check_mode" in fence.content)
    example = fence.content.replace("registry.example.com/team/app:3", base).replace("/srv/build/site/", f"{tmp_path}/site/")
    (play,) = yaml.safe_load(example)
    play["module_defaults"] = {"group/longshore.images.images": {"store": f"{tmp_path}/store"}}
    (tmp_path / "site.yml").write_text(yaml.safe_dump([play]))

    def run(*options: str) -> dict[str, list[str]]:
        local = ("-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}")
        done = run_playbook(f"{tmp_path}/site.yml", tmp_path, *local, *options, ANSIBLE_COLLECTIONS_PATH=str(ROOT / ".collections"))
        assert done.status == 0, done.output
        return {task["name"]: done.went(task["name"]) for task in play["tasks"]}

    pull, build, push = (task["name"] for task in play["tasks"])
    assert run("--check") == {pull: ["changed"], build: ["skipping"], push: ["skipping"]}
    assert not (tmp_path / "store").exists()
    assert run() == {pull: ["changed"], build: ["changed"], push: ["changed"]}
    assert run("--check") == {pull: ["ok"], build: ["ok"], push: ["ok"]}


def test_every_module_is_listed_and_no_other() -> None:
    assert sorted(first_column(section("Modules"))) == MODULES


def test_every_cause_of_a_failure_is_listed_and_no_other() -> None:
    causes = {kind.cause for kind in error_classes()}
    assert set(first_column((ROOT / "docs" / "errors.md").read_text())[1:]) == causes - {errors.LongshoreError.cause} | {
        "internal_error",
        "unsupported_python",
    }


def test_the_variables_of_the_quickstart_are_those_of_its_comments() -> None:
    comments = re.findall(r"^#   (\w+_\w+)  ", (ROOT / "playbooks" / "quickstart.yml").read_text(), re.MULTILINE)
    page = (ROOT / "docs" / "quickstart.md").read_text()
    assert sorted(first_column(page)) == sorted(comments)
    assert PLAYBOOK["tasks"][0]["vars"]["misspelt__known"] == [name for name in comments if name.startswith("quickstart_")]
    assert f"port ({PLAYBOOK['vars']['registry_port']})" in page
    assert f"IMAGE={PULLED}\n" in PAGES["docs/store.md"]


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.stem)
def test_the_links_work(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        name, _hash, heading = target.partition("#")
        path = page.parent / name if name else page
        assert target.startswith("https://") or (path.exists() and (not heading or heading in headings(path))), target


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.stem)
def test_no_page_installs_a_collection_that_is_not_published(page: Path) -> None:
    commands = [line for fence in re.findall(r"^```\w*\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL) for line in fence.splitlines()]
    assert not [line for line in commands if re.search(r"collection (install|download) \S*longshore\.images|- name: longshore\.images$", line)]


def headings(page: Path) -> set[str]:
    """Return the anchors of the headings of a page."""
    lines = page.read_text().splitlines()
    return {re.sub(r"[^a-z0-9_ -]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in lines if line.startswith("#")}
