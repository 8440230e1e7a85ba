# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role retention for registries, and the collection of garbage afterwards, on hosts that are all this machine."""

from __future__ import annotations

import json
import shutil
import socket
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support.fleets import Fleet
from tests.support.images import Image, make_image
from tests.support.registry import Registry, free_port, needed


def image(number: int) -> Image:
    return make_image(f"app-{number}", 1, created=f"2026-01-0{number}T00:00:00Z")


@pytest.fixture
def fleet(anonymous: Registry, repository: str, tmp_path: Path) -> Fleet:
    """Return two hosts and a registry with four images. The host `first` has the oldest in its store, and an unnamed one that is pruned."""
    for number in range(1, 5):
        anonymous.put(image(number), repository, str(number))
    entry = {"registry": anonymous.host, "repositories": [repository], "keep": 1, "at_most": "50%", "username": "nobody", "password": "a secret"}
    fleet = Fleet(tmp_path, "retention_store", {host: {"retention_registries": [entry]} for host in ("first", "second")})
    for host in fleet.hosts:
        make_image("other", 1).put(Store(str(fleet.store(host))), "docker.io/library/other:1")
    store = Store(str(fleet.store("first")))
    image(1).put(store, "docker.io/library/mine:1")
    image(2).put(store, "docker.io/library/mine:2")
    image(3).put(store, "docker.io/library/mine:2")
    return fleet


def tags(registry: Registry, repository: str) -> list[str]:
    return sorted(registry.request("GET", f"{repository}/tags/list").json()["tags"] or ())


def test_registries_keep_what_hosts_keep_and_check_mode_predicts_it(fleet: Fleet, anonymous: Registry, repository: str) -> None:
    """Image 2 is pruned from the first host, so it isn't protected at the registry, in check mode either."""
    for words, changed, left in ((["--check"], 2, "1234"), ([], 2, "134"), ([], 0, "134")):
        played = fleet.run("retention", "-vv", *words)
        assert played.status == 0, played.output
        assert (played.count("changed", "first"), played.count("changed", "second")) == (changed, 0), played.output
        assert tags(anonymous, repository) == list(left)
        assert "a secret" not in played.output


def test_a_host_that_can_not_be_asked_keeps_the_registries_as_they_are(fleet: Fleet, anonymous: Registry, repository: str) -> None:
    (fleet.store("second") / "index.json").write_text("{")
    played = fleet.run("retention")
    assert "The registries are not pruned, because second could not be asked" in played.failure("first")
    assert tags(anonymous, repository) == ["1", "2", "3", "4"]


def test_garbage_is_collected_while_the_registry_is_read_only(tmp_path: Path) -> None:
    """The program is a script that tries to push and to pull before it deletes blobs."""
    needed("docker-registry")
    port = free_port()
    url = f"http://127.0.0.1:{port}/v2/app"
    program = tmp_path / "registry"
    program.write_text(
        f"""#!{sys.executable}
import os, sys, urllib.error, urllib.request
def ask(method, path):
    try:
        return urllib.request.urlopen(urllib.request.Request("{url}" + path, method=method)).status
    except urllib.error.HTTPError as error:
        return error.code
if "garbage-collect" in sys.argv and "--dry-run" not in sys.argv:
    with open("{tmp_path}/meanwhile", "a") as file:
        print(*sys.argv[1:], ask("POST", "/blobs/uploads/"), ask("GET", "/tags/list"), file=file)
os.execv("{shutil.which("docker-registry")}", ["docker-registry", *sys.argv[1:]])
"""
    )
    program.chmod(0o700)
    registry = Registry(tmp_path, port)
    _write_plays(tmp_path)
    fleet = Fleet(
        tmp_path,
        "retention_store",
        {
            "one": {
                "registry_port": port,
                "registry_folder": f"{tmp_path}/data",
                "registry_binary": str(program),
                "retention_dangling": False,
                "retention_registries": [{"registry": registry.host, "repositories": ["*"], "keep": 1}],
            }
        },
    )
    try:
        assert fleet.run(tmp_path / "start.yml").status == 0
        for number in (1, 2):
            registry.put(image(number), "app", str(number))
        for changed in (4, 0):
            played = fleet.run(tmp_path / "clean.yml")
            assert played.status == 0, played.output
            assert played.count("changed", "one") == changed, played.output
        assert (tmp_path / "meanwhile").read_text() == f"garbage-collect {tmp_path}/data/config.yml 405 200\n"
        blobs = {path.parent.name for path in tmp_path.rglob("data/docker/registry/v2/blobs/*/*/*/data")}
        assert blobs == {digest.hex for digest in image(2).digests}
        registry.put(image(3), "app", "3")
    finally:
        fleet.run(tmp_path / "start.yml", registry_state="absent", registry_purge=True)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port)).close()


def _write_plays(folder: Path) -> None:
    """Write a playbook that starts the registry, and one that prunes it and collects its garbage."""
    collect: dict[str, t.Any] = {"name": "longshore.images.registry", "tasks_from": "collect_garbage"}
    (folder / "start.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "roles": ["longshore.images.registry"]}]))
    tasks = [{"ansible.builtin.include_role": {"name": "longshore.images.retention"}}, {"ansible.builtin.include_role": collect}]
    (folder / "clean.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
