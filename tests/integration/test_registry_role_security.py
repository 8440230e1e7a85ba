# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The security promises of the role registry on a host with other users."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import requests
import yaml

from tests.support.fleets import Fleet
from tests.support.images import make_image
from tests.support.modules import ROOT, environment
from tests.support.privileges import needs_root
from tests.support.registry import Registry, free_port, needed, running_registry

FILES = ROOT / "roles" / "registry" / "files"


def fleet(folder: Path, **variables: t.Any) -> Fleet:
    """Create one host whose registry is in FOLDER/host/store, and the playbook site.yml that runs the role."""
    needed("docker-registry", "htpasswd")
    (folder / "site.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "roles": ["longshore.images.registry"]}]))
    return Fleet(folder, "registry_folder", {"host": {"registry_port": free_port(), **variables}})


@contextlib.contextmanager
def running_role(machine: Fleet) -> t.Iterator[Path]:
    """Run the role, yield the folder of the registry, and stop the registry afterwards."""
    done = machine.run(machine.folder / "site.yml")
    try:
        assert done.status == 0, done.output
        yield machine.store("host")
    finally:
        ended = machine.run(machine.folder / "site.yml", registry_state="absent")
    assert ended.status == 0, ended.output


@contextlib.contextmanager
def running_filler(data: Path) -> t.Iterator[dict[str, t.Any]]:
    """Run the temporary registry with which the role fills a cache, and yield it and its output."""
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


def test_the_registry_that_fills_a_cache_requires_its_one_time_password(tmp_path: Path) -> None:
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


def write_unit(folder: Path, **variables: t.Any) -> Path:
    """Write the systemd unit of the role to FOLDER, without installing it."""
    unit = folder / "longshore-registry.service"
    role = ROOT / "roles" / "registry"
    template = {"src": str(role / "templates" / "registry.service.j2"), "dest": str(unit), "mode": "0644"}
    files = [str(role / kind / "main.yml") for kind in ("defaults", "vars")]
    known = {"ansible_facts": {"os_family": "Debian"}, "ansible_python_interpreter": sys.executable, "registry_user": "nobody", **variables}
    tasks = [{"name": "Write the unit", "ansible.builtin.template": template}]
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "vars_files": files, "tasks": tasks}
    (folder / "unit.yml").write_text(json.dumps([play]))
    needed("ansible-playbook")
    command = ["ansible-playbook", "-i", "localhost,", "-e", json.dumps(known), str(folder / "unit.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment(HOME=str(folder), LC_ALL="C.UTF-8"), timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return unit


NGINX = {"registry_port": 443, "registry_nginx": "registry", "registry__server": "{{ registry__nginx }}"}


@pytest.mark.parametrize(
    "variables", [{}, {"registry_port": 443}, {"registry_folder": "/home/registry"}, NGINX], ids=["default", "low-port", "home", "nginx"]
)
def test_the_unit_is_rated_below_2_5_by_systemd(variables: dict[str, t.Any], tmp_path: Path) -> None:
    needed("systemd-analyze")
    unit = write_unit(tmp_path, **variables)
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=24", "--no-pager", str(unit)], capture_output=True, text=True, check=False
    )
    assert "Overall exposure level" in rated.stdout, rated.stderr
    assert rated.returncode == 0, rated.stdout


def allowed_calls(unit: Path) -> set[str]:
    """Return the system calls that the filter of a unit allows."""

    def members(group: str) -> set[str]:
        if not group.startswith("@"):
            return {group}
        listed = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", group], capture_output=True, text=True, check=True)
        words = [line.strip() for line in listed.stdout.splitlines()[1:] if not line.strip().startswith("#")]
        return {name for word in words if word for name in members(word)}

    allowed: set[str] = set()
    for value in re.findall(r"^SystemCallFilter=(.*)$", unit.read_text(), re.MULTILINE):
        listed = {name for word in value.lstrip("~").split() for name in members(word)}
        allowed = allowed - listed if value.startswith("~") else allowed | listed
    return allowed


# The runtime of Go uses these constantly: tracing them would take a minute.
FREQUENT = ("epoll_pwait", "futex", "nanosleep")


def trace_server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every docker-registry that is started from now on write its system calls to a file of FOLDER."""
    program = shutil.which("docker-registry")
    wrapper = folder / "bin" / "docker-registry"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nexec strace -D -f -qq --seccomp-bpf -e "trace=!{",".join(FREQUENT)}" -o "{folder}/calls.$$" {program} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")


def test_the_server_needs_no_more_than_the_unit_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needed("systemd-analyze", "strace", "docker-registry")
    unit = write_unit(tmp_path)
    trace_server(tmp_path, monkeypatch)
    image = make_image("traced", 1)
    for name in ("upstream", "cache", "protected"):
        (tmp_path / name).mkdir()
    with running_registry(tmp_path / "upstream") as upstream:
        upstream.put(image, "team/app", "1")
        by_name = upstream.url.replace("127.0.0.1", "localhost")
        with running_registry(tmp_path / "cache", proxy={"remoteurl": by_name}) as cache:
            for blob in image.blobs:
                cache.request("GET", f"team/app/blobs/{blob.digest}")
    with running_registry(tmp_path / "protected", protected=True) as protected:
        protected.put(image, "team/app", "1")
        protected.request("DELETE", f"team/app/manifests/{image.root.digest}")
    calls = "".join(path.read_text() for path in tmp_path.glob("calls.*"))
    # systemd itself calls execve after it has loaded the filter.
    needed_calls = set(re.findall(r"^\d+ +(\w+)\(", calls, re.MULTILINE)) - {"execve"} | set(FREQUENT)
    assert {"openat", "accept4", "renameat"} <= needed_calls
    assert needed_calls <= allowed_calls(unit)
    families = re.search(r"^RestrictAddressFamilies=(.*)$", unit.read_text(), re.MULTILINE)
    assert families
    assert set(re.findall(r"\bsocket\((AF_\w+)", calls)) <= set(families[1].split())
    assert not re.search(r"PROT_WRITE\|PROT_EXEC", calls)


def run_action(action: str, options: dict[str, t.Any]) -> subprocess.CompletedProcess[str]:
    """Run one action of the role on this host, without a play."""
    command = [sys.executable, str(FILES / "registry.py"), action]
    return subprocess.run(command, input=json.dumps(options), capture_output=True, text=True, check=False, env=environment(), timeout=60)


OLD, NEW, THIRD = 12345, 12346, 12347


def folder_options(folder: Path, owner: int) -> dict[str, t.Any]:
    return {"check": False, "folder": str(folder), "owned": [str(folder / "data")], "owner": str(owner), "unwanted": []}


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Create a folder and a file of root outside of the registry's folder."""
    needs_root()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("root's")
    return tmp_path / "outside"


def owned_data(folder: Path) -> Path:
    """Create a data folder of the old account with the files of an image."""
    data = folder / "data"
    (data / "docker" / "blobs").mkdir(parents=True)
    (data / "docker" / "blobs" / "data").write_text("image")
    for path in (data, *data.rglob("*")):
        os.chown(path, OLD, -1)
    return data


def test_a_new_account_gets_the_images_and_no_targets_of_planted_links(tmp_path: Path, outside: Path) -> None:
    machine = fleet(tmp_path)
    data = owned_data(machine.store("host"))
    (data / "docker" / "folder").symlink_to(outside)
    (data / "docker" / "file").symlink_to(outside / "file")
    for link in ("folder", "file"):
        os.chown(data / "docker" / link, OLD, -1, follow_symlinks=False)
    for path in (outside, outside / "file"):
        os.chown(path, THIRD, -1)
    with running_role(machine):
        assert {path.stat().st_uid for path in (data, data / "docker", data / "docker" / "blobs" / "data")} == {os.getuid()}
        assert {path.stat().st_uid for path in (outside, outside / "file")} == {THIRD}


def test_a_hard_link_to_a_file_of_another_user_is_refused(tmp_path: Path, outside: Path) -> None:
    data = owned_data(tmp_path / "registry")
    os.link(outside / "file", data / "docker" / "planted")
    refused = run_action("folders", folder_options(tmp_path / "registry", NEW))
    assert refused.returncode == 1
    assert f"{data}/docker/planted is a hard link to a file that belongs to another user (number 0): remove it." in refused.stderr
    assert (outside / "file").stat().st_uid == 0
    # The folder itself gets the new owner last, so that the next run resumes.
    assert data.stat().st_uid == OLD
    (data / "docker" / "planted").unlink()
    done = run_action("folders", folder_options(tmp_path / "registry", NEW))
    assert json.loads(done.stdout)["changed"], done.stderr
    assert {path.stat().st_uid for path in (data, *data.rglob("*"))} == {NEW}


def test_a_data_folder_that_another_user_has_replaced_by_a_link_is_refused(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "registry").mkdir()
    data = tmp_path / "registry" / "data"
    data.symlink_to(outside)
    os.chown(data, OLD, -1, follow_symlinks=False)
    refused = run_action("folders", folder_options(tmp_path / "registry", NEW))
    assert refused.returncode == 1
    assert f"{data} is a link that belongs to another user: remove it." in refused.stderr
    assert {path.stat().st_uid for path in (outside, outside / "file")} == {0}


def test_a_link_of_root_to_another_disk_still_works(tmp_path: Path) -> None:
    needs_root()
    disk = owned_data(tmp_path / "disk")
    (tmp_path / "registry").mkdir()
    (tmp_path / "registry" / "data").symlink_to("../disk/data")
    done = run_action("folders", folder_options(tmp_path / "registry", NEW))
    assert done.returncode == 0, done.stderr
    assert {path.stat().st_uid for path in (disk, *disk.rglob("*"))} == {NEW}


# The old account runs this while root changes the owner: it replaces folders and files by links as fast as it can.
SWAPPER = """
import os, sys
folder, outside = sys.argv[1:]
os.chdir(folder)
os.symlink(outside, "link")
os.symlink(outside + "/file", "file-link")
while True:
    for real, link in (("victim", "link"), ("victim-file", "file-link")):
        os.rename(real, "kept")
        os.rename(link, real)
        os.rename(real, link)
        os.rename("kept", real)
"""


def test_links_planted_during_the_change_expose_nothing(tmp_path: Path, outside: Path) -> None:
    data = owned_data(tmp_path / "registry")
    swapped = data / "docker"
    (swapped / "victim").mkdir()
    for number in range(20):
        (swapped / "victim" / f"{number}").touch()
    (swapped / "victim-file").touch()
    with subprocess.Popen([sys.executable, "-c", SWAPPER, str(swapped), str(outside)]) as swapper:
        try:
            for turn in range(40):
                done = run_action("folders", folder_options(tmp_path / "registry", (NEW, OLD)[turn % 2]))
                assert done.returncode == 0, done.stderr
                assert {path.stat().st_uid for path in (outside, outside / "file")} == {0}
            assert swapper.poll() is None
        finally:
            swapper.kill()


def test_passwords_are_hashed_at_cost_12_and_weaker_hashes_made_before_are_replaced(tmp_path: Path) -> None:
    needed("htpasswd")
    path = tmp_path / "htpasswd"
    weak = subprocess.run(["htpasswd", "-nbBC", "8", "one", "a secret"], capture_output=True, text=True, check=True).stdout.strip()
    path.write_text(f"{weak}\n")
    defaults = yaml.safe_load((ROOT / "roles" / "registry" / "vars" / "main.yml").read_text())
    users = [{"name": "one", "password": "a secret"}, {"name": "two", "password_hash": "$2y$08$" + "x" * 53}]
    cost = defaults["registry__cost"]
    options = {"check": False, "folder": str(tmp_path), "path": str(path), "owner": str(os.getuid()), "cost": cost, "users": users}
    first = run_action("users", options)
    assert json.loads(first.stdout) == {"changed": True}, first.stderr
    line, given = path.read_text().splitlines()
    assert line.startswith("one:$2y$12$")
    assert given == f"two:{users[1]['password_hash']}"
    assert path.stat().st_mode & 0o777 == 0o400
    assert subprocess.run(["htpasswd", "-vb", str(path), "one", "a secret"], capture_output=True, check=False).returncode == 0
    assert json.loads(run_action("users", options).stdout) == {"changed": False}
    assert path.read_text().splitlines()[0] == line
    users[0]["password"] = "another"
    assert json.loads(run_action("users", {**options, "check": True}).stdout) == {"changed": True}
    assert path.read_text().splitlines()[0] == line
