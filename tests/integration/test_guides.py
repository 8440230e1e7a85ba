# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks of the guides: all are sound, and that of the CI guide builds, publishes, promotes and deploys an image."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.support import answers
from tests.support.images import make_image
from tests.support.modules import ROOT, run
from tests.support.plays import Play, run_playbook
from tests.support.registry import Registry
from tests.support.rootfs import dpkg_layer
from tests.support.trust import make_key

GUIDES = sorted((ROOT / "docs").glob("*.md"))


def examples(guide: Path, language: str = "yaml") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", guide.read_text(), re.MULTILINE | re.DOTALL)


def play(path: Path, *words: str, **environment: str) -> Play:
    collections = {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections")}
    return run_playbook(str(path), path.parent, *words, **collections, **environment)


def test_every_playbook_of_the_guides_passes_the_syntax_check(tmp_path: Path) -> None:
    paths = []
    for guide in GUIDES:
        for number, example in enumerate(examples(guide)):
            if "hosts" in yaml.safe_load(example)[0]:
                paths.append(tmp_path / f"{guide.stem}-{number}.yml")
                paths[-1].write_text(example)
    assert len(paths) > 10
    done = play(paths[0], *map(str, paths[1:]), "--syntax-check", "-i", "localhost,")
    assert done.status == 0, done.output


@pytest.mark.parametrize("guide", [guide for guide in GUIDES if examples(guide, "yml")], ids=lambda guide: guide.stem)
def test_the_configuration_of_other_tools_is_yaml(guide: Path) -> None:
    for example in examples(guide, "yml"):
        assert yaml.safe_load(example)


def test_renovate_finds_every_tag_of_a_lock_file_and_nothing_else() -> None:
    (configuration,) = [json.loads(text) for text in examples(ROOT / "docs" / "locking.md", "json") if "customManagers" in text]
    (manager,) = configuration["customManagers"]
    (pattern,) = manager["matchStrings"]
    tags = ["docker.io/library/nginx:1.27", "registry.example.com:5000/team/app:3"]
    text = answers.lock(*tags).to_bytes().decode()
    pinned = text.replace("nginx:1.27", f"nginx@{answers.digest(tags[0])}")
    found = re.findall(pattern.replace("(?<", "(?P<"), text)
    assert re.findall(pattern.replace("(?<", "(?P<"), pinned) == found[1:]
    assert found == [(*name.rsplit(":", 1), answers.digest(name)) for name in tags]
    assert re.search(manager["managerFilePatterns"][0].strip("/"), "roles/app/files/images.lock")


# For plays that work in the store of root.
PRIVATE_STORE = "module_defaults: {group/longshore.images.images: {store: %s/deployed}}"


def test_the_playbooks_of_the_ci_guide_build_publish_promote_and_deploy_one_digest(anonymous: Registry, tmp_path: Path) -> None:
    base = anonymous.put(make_image("guide-base"), "base/python", "3.13")
    run("image_lock", {"name": base, "path": str(tmp_path / "base.lock")})
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "run").write_text("#!/bin/sh\necho works\n")
    playbooks = []
    for number, example in enumerate(example for example in examples(ROOT / "docs" / "ci.md") if "hosts:" in example):
        text = example.replace("registry.example.com", anonymous.host).replace("hosts: web", f"hosts: localhost\n  {PRIVATE_STORE % tmp_path}")
        text = re.sub(r"^ +(username|password): .*\n", "", text, flags=re.MULTILINE)  # this registry has no users
        playbooks.append(tmp_path / f"{number}.yml")
        playbooks[-1].write_text(text)
    done = play(playbooks[0], *map(str, playbooks[1:]), IMAGE_TAG="3", COMMIT="0a1b2c3", XDG_DATA_HOME=str(tmp_path / "data"))
    assert done.status == 0, done.output
    assert done.recap["changed"] == 6
    digest = anonymous.digest("team/app", "3")
    assert digest is not None
    assert anonymous.digest("production/app", "3") == digest
    again = play(playbooks[0], IMAGE_TAG="3", COMMIT="0a1b2c3")
    assert again.recap["changed"] == 0, again.output


def test_the_play_of_the_locking_guide_pins_a_compose_file(anonymous: Registry, tmp_path: Path) -> None:
    name = anonymous.put(make_image("guide-compose"), "team/web", "3")
    compose = f"services:\n  web:\n    image: {anonymous.host}/team/web:${{TAG}}  # the release\n  built: {{build: .}}\n"
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "compose.yaml").write_text(compose)
    (example,) = [example for example in examples(ROOT / "docs" / "locking.md") if "with_locked_images" in example]
    playbook = tmp_path / "lock.yml"
    playbook.write_text(example)
    first, second = play(playbook), play(playbook)
    assert (first.recap["changed"], second.recap["changed"]) == (2, 0), first.output + second.output
    pinned = compose.replace(f"{anonymous.host}/team/web:${{TAG}}", f"{name}@{anonymous.digest('team/web', '3')}")
    assert (tmp_path / "compose.locked.yaml").read_text() == pinned.rstrip()  # the lookup file removes the last line break


def test_the_contents_guide_shows_what_changed_and_finds_a_base_that_was_replaced(anonymous: Registry, tmp_path: Path) -> None:
    old, new = dpkg_layer(openssl="3.0.15"), dpkg_layer(openssl="3.0.16")
    base = anonymous.put(make_image("base", 0, shared=[old]), "base/debian", "12")
    store, app = str(tmp_path / "store"), f"{anonymous.host}/team/app"
    run("image_pull", {"name": [base], "store": store})
    run("image_append", {"name": f"{app}:3", "base": base, "config": {"labels": {"text": "app"}}, "store": store})
    run("image_push", {"name": [f"{app}:3"], "store": store})
    run("image_lock", {"name": [base], "path": str(tmp_path / "images.lock")})
    anonymous.put(make_image("base", 0, shared=[old, new]), "base/debian", "12")
    anonymous.put(make_image("app", 1, shared=[old, new]), "team/app", "4")

    sections = [text for text in examples(ROOT / "docs" / "contents.md") if re.search("difference|locked|checked", text)]
    tasks = [task for text in sections for task in yaml.safe_load(text.replace("registry.example.com", anonymous.host))]
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    done = play(tmp_path / "play.yml", "--diff", XDG_DATA_HOME=str(tmp_path))

    assert done.status == 0, done.output
    assert (done.recap["changed"], done.recap["skipped"]) == (3, 0), done.output
    assert done.output.count("-  package deb openssl 3.0.15\n") == done.output.count("+  package deb openssl 3.0.16\n") == 2
    assert f"{base}: openssl 3.0.15 -> 3.0.16" in done.output


def test_the_contents_guide_lists_packages_and_attaches_an_sbom(anonymous: Registry, tmp_path: Path) -> None:
    name = anonymous.put(make_image("app", 1, shared=[dpkg_layer(openssl="3.0.16", curl="8.14")]), "approve/app", "3")
    (tmp_path / "key.pem").write_bytes(make_key().private_pem())
    section = (ROOT / "docs" / "contents.md").read_text().partition("## Approve before the gap")[2].partition("\n## ")[0]
    (tmp_path / "guide.md").write_text(
        section.replace("registry.example.com/team/app:3", name).replace("/etc/ssl/private/release.pem", str(tmp_path / "key.pem"))
    )
    tasks = [task for text in examples(tmp_path / "guide.md") for task in yaml.safe_load(text)]
    assert len(tasks) == 4
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": [*tasks, tasks[-1]]}]))

    done = play(tmp_path / "play.yml", XDG_DATA_HOME=str(tmp_path))

    assert done.status == 0, done.output
    assert done.recap["changed"] == 2, done.output  # the list, and the SBOM once
    digest = anonymous.digest("approve/app", "3")
    assert (tmp_path / "app-3.txt").read_text() == f"{name} {digest}\ndeb curl 8.14\ndeb openssl 3.0.16\n"
