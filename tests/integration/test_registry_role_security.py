# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role registry promises on a host that it shares with other users."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import requests

from ansible_collections.longshore.images.tests.support.fleets import Fleet
from ansible_collections.longshore.images.tests.support.images import make_image
from ansible_collections.longshore.images.tests.support.modules import ROOT, environment
from ansible_collections.longshore.images.tests.support.registry import Registry, free_port, needed

FILES = ROOT / "roles" / "registry" / "files"


def fleet(folder: Path, **variables: t.Any) -> Fleet:
    """One host whose registry is in FOLDER/host/store, and the playbook site.yml that runs the role there."""
    needed("docker-registry", "htpasswd")
    (folder / "site.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "roles": ["longshore.images.registry"]}]))
    return Fleet(folder, "registry_folder", {"host": {"registry_port": free_port(), **variables}})


@contextlib.contextmanager
def running_role(machine: Fleet) -> t.Iterator[Path]:
    """Run the role, and end its registry afterwards. Yields the registry's folder."""
    done = machine.run(machine.folder / "site.yml")
    try:
        assert done.status == 0, done.output
        yield machine.store("host")
    finally:
        ended = machine.run(machine.folder / "site.yml", registry_state="absent")
    assert ended.status == 0, ended.output


@contextlib.contextmanager
def running_filler(data: Path) -> t.Iterator[dict[str, t.Any]]:
    """The one-time registry that the role fills a cache with, and what it printed."""
    needed("docker-registry", "htpasswd")
    data.mkdir()
    config = {"version": "0.1", "storage": {"filesystem": {"rootdirectory": str(data)}}, "http": {"addr": "127.0.0.1:0"}}
    command = [sys.executable, str(FILES / "plain.py"), "docker-registry", str(data), "30"]
    result = subprocess.run(command, input=json.dumps(config), capture_output=True, text=True, check=True, env=environment(), timeout=60)
    printed = json.loads(result.stdout)
    try:
        yield printed
    finally:
        os.kill(printed["pid"], signal.SIGTERM)


def test_the_registry_that_fills_a_cache_takes_nothing_without_its_one_time_password(tmp_path: Path) -> None:
    passwords = set()
    for name in ("first", "second"):
        with running_filler(tmp_path / name) as filler:
            base = f"http://127.0.0.1:{filler['port']}/v2/"
            for credentials in (None, (filler["username"], ""), (filler["username"], "guessed")):
                assert requests.get(base, auth=credentials, timeout=10).status_code == 401
                assert requests.post(f"{base}team/app/blobs/uploads/", auth=credentials, timeout=10).status_code == 401
            own = (filler["username"], filler["password"])
            assert requests.post(f"{base}team/app/blobs/uploads/", auth=own, timeout=10).status_code == 202
            passwords.add(filler["password"])
            folder = Path(filler["folder"])
            assert folder.stat().st_mode & 0o077 == 0
            assert not [path for path in folder.iterdir() if filler["password"] in path.read_text()]
            commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
            assert not [command for command in commands if filler["password"].encode() in command]
    assert len(passwords) == 2
    assert all(len(password) >= 32 for password in passwords)


def test_a_cache_is_filled_with_the_one_time_password(tmp_path: Path, anonymous: Registry) -> None:
    image = make_image("filled", 1)
    anonymous.put(image, "filled/app", "1")
    machine = fleet(tmp_path, registry_proxy_url=anonymous.url, registry_proxy_images=["filled/app:1"])
    with running_role(machine) as folder:
        blobs = {path.parent.name for path in (folder / "data").rglob("blobs/**/data")}
        assert {str(digest).partition(":")[2] for digest in image.content} <= blobs
        again = machine.run(machine.folder / "site.yml")
        assert (again.status, again.count("changed", "host")) == (0, 0), again.output
