# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role registry on this machine: its check mode on a fresh host, and the values that it refuses before anything changes."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from tests.support.fleets import Fleet
from tests.support.modules import ROOT
from tests.support.plays import run_playbook
from tests.support.registry import free_port, make_authority, needed


def fleet(folder: Path, hosts: t.Mapping[str, t.Mapping[str, t.Any]]) -> Fleet:
    """Create hosts, each with a folder for its registry, and a playbook that runs the role."""
    needed("docker-registry", "htpasswd")
    (folder / "site.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "roles": ["longshore.images.registry"]}]))
    return Fleet(folder, "registry_folder", hosts)


def test_the_first_example_works_on_an_empty_host_and_leaves_no_registry(tmp_path: Path) -> None:
    needed("ansible-playbook", "docker-registry")
    port = free_port()
    example = (ROOT / "roles" / "registry" / "README.md").read_text().split("```yaml\n")[1].split("```")[0]
    # The example works in the store of its user.
    private = f"  module_defaults:\n    group/longshore.images.images:\n      store: {tmp_path}/store\n  tasks:\n"
    (tmp_path / "site.yml").write_text(example.replace("5055", str(port)).replace("  tasks:\n", private, 1))
    done = run_playbook(f"{tmp_path}/site.yml", tmp_path, ANSIBLE_COLLECTIONS_PATH=str(ROOT / ".collections"))
    assert done.status == 0, done.output
    assert done.went("Push it") == ["changed"]
    assert not (tmp_path / ".cache/longshore/registry").exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port)).close()


def test_check_mode_on_a_fresh_machine_predicts_a_registry_with_tls_and_users(tmp_path: Path) -> None:
    make_authority(tmp_path)
    variables = {
        "registry_port": free_port(),
        "registry_tls_certificate": f"{tmp_path}/server.pem",
        "registry_tls_key": f"{tmp_path}/server.key",
        "registry_users": [{"name": "one", "password": "a secret"}],
    }
    machine = fleet(tmp_path, {"fresh": variables})
    predicted = machine.run(tmp_path / "site.yml", "--check", "--diff")
    assert predicted.status == 0, predicted.output
    assert not machine.store("fresh").exists()
    try:
        done = machine.run(tmp_path / "site.yml")
        assert done.status == 0, done.output
        assert predicted.count("changed", "fresh") == done.count("changed", "fresh")
        again = machine.run(tmp_path / "site.yml")
        assert (again.status, again.count("changed", "fresh")) == (0, 0), again.output
    finally:
        ended = machine.run(tmp_path / "site.yml", registry_state="absent", registry_purge=True)
    assert ended.status == 0, ended.output


HASH = "$2y$08$jBCbSonT9B7cmkFpPMUPheb.M1GwIIbNI4lMuiBWqECWtlCQUfm.S"
OTHER = {"name": "other", "password_hash": HASH}


def users(*given: dict[str, str]) -> dict[str, t.Any]:
    return {"registry_users": list(given)}


BAD_VARIABLES: dict[str, tuple[dict[str, t.Any], str]] = {
    "relative": ({"registry_binary": "bin/registry"}, "registry_binary (bin/registry) has to be an absolute path."),
    "root": ({"registry_folder": "/x/.."}, "registry_folder can't be the root of the file system."),
    "port": ({"registry_port": 65536}, "registry_port is 65536, which is not a port. Give a number from 1 to 65535."),
    "keyless": ({"registry_tls_certificate": "/etc/hostname"}, "registry_tls_certificate and registry_tls_key belong together. Give both or none."),
    "secret": ({"registry_proxy_url": "https://me:it@example.com"}, "registry_proxy_url has to be an http or https URL without credentials."),
    "upstreamless": (
        {"registry_proxy_username": "me", "registry_proxy_password": "it"},
        "registry_proxy_username needs a registry_proxy_url.",
    ),
    "plain": (
        {"registry_proxy_url": "http://example.com", "registry_proxy_ca_path": "/ca.pem"},
        "registry_proxy_ca_path needs a registry_proxy_url with https.",
    ),
    "garbage": (
        {"registry_proxy_url": "http://example.com", "registry_garbage_collect": True},
        "A pull-through cache removes old content itself: don't set registry_garbage_collect together with registry_proxy_url.",
    ),
    "cacheless": ({"registry_proxy_images": ["app"]}, "registry_proxy_images needs a registry_proxy_url, one without a path."),
    "misnamed": (
        {"registry_proxy_url": "http://example.com", "registry_proxy_images": ["app", "host:5000/app"]},
        "registry_proxy_images (host:5000/app) has to name images as the upstream knows them, without its address, for example library/nginx:1.27.",
    ),
    "nginx-alone": (
        {"registry_nginx": "registry", "registry_folder": "/srv/registry"},
        "registry_nginx: registry needs a registry_proxy_url, one without a path.",
    ),
    "nginx-size": ({"registry_nginx_max_size": "20 GB"}, "registry_nginx_max_size (20 GB) has to be a number and k, m or g, for example 20g."),
    "nginx-time": (
        {"registry_nginx_tag_time": "1;"},
        "registry_nginx_inactive and registry_nginx_tag_time have to be a number and s, m, h or d, for example 60s.",
    ),
    "nginx-unread": (
        {
            "registry_proxy_url": "http://example.com",
            "registry_nginx": "upstream",
            "registry_folder": "/srv/registry",
            "registry_proxy_images": ["app"],
        },
        "registry_proxy_images puts images into the storage of the registry, which registry_nginx: upstream doesn't read. Remove one of them.",
    ),
    "nginx-auth": (
        {
            "registry_proxy_url": "http://example.com",
            "registry_nginx": "registry",
            "registry_folder": "/srv/a",
            "registry_config": {"auth": {"token": {}}},
        },
        "registry_config may not hold auth and http together with registry_nginx: nginx knows registry_users and registry_tls_certificate alone.",
    ),
    "nginx-folder": (
        {"registry_proxy_url": "http://example.com", "registry_nginx": "registry", "registry_folder": "/srv/a;b"},
        "With registry_nginx, registry_folder may have letters, digits and the characters / . _ + - only, and at most 87 of them.",
    ),
    "said-twice": (
        {"registry_config": {"http": {"addr": ":5000"}}},
        "registry_config may not hold http.addr: set registry_address and registry_port instead.",
    ),
    "two-mistakes": (
        {"registry_port": 0, "registry_folder": "here"},
        "registry_folder (here) has to be an absolute path. registry_port is 0, which is not a port. Give a number from 1 to 65535.",
    ),
    "twin": (users({"name": "one", "password": "x"}, {"name": "one", "password": "y"}, OTHER), "registry_users: one is listed more than once."),
    "colon": (
        users({"name": "a:b", "password": "x"}, OTHER),
        'registry_users: "a:b" is not a valid name: a name has 1 to 255 characters, no blanks and no colons, and doesn\'t begin with a dash.',
    ),
    "both": (users({"name": "one", "password": "x", "password_hash": HASH}), "registry_users: one may have password or password_hash, not both."),
    "none": (users({"name": "one"}, OTHER), "registry_users: one needs password or password_hash."),
    "lines": (users({"name": "one", "password": "x\n"}, OTHER), "registry_users: The password of one has to be one line."),
    "long": (
        users({"name": "one", "password": "\u00e9" * 37}, OTHER, {"name": "just", "password": "x" * 72}),
        "registry_users: The password of one is longer than 72 bytes, the limit of bcrypt.",
    ),
    "unlike": (
        users({"name": "one", "password_hash": "x"}),
        "registry_users: The password_hash of one is not a bcrypt hash. Create one with htpasswd -nB.",
    ),
    "nocertificate": (
        {"registry_tls_certificate": "/nonexistent.pem", "registry_tls_key": "/etc/hostname"},
        "registry_tls_certificate /nonexistent.pem is not a file on this host.",
    ),
    "nokey": ({"registry_tls_certificate": "/etc/hostname", "registry_tls_key": "/etc"}, "registry_tls_key /etc is not a file on this host."),
}


def test_only_invalid_variables_are_named_and_nothing_is_written(tmp_path: Path) -> None:
    machines = fleet(tmp_path, {host: {"registry_port": free_port(), **variables} for host, (variables, _text) in BAD_VARIABLES.items()})
    outcome = machines.run(tmp_path / "site.yml")
    for host, (_variables, text) in BAD_VARIABLES.items():
        assert f'"msg": "{text}"' in outcome.failure(host)
        assert outcome.count("changed", host) == 0
        assert not machines.store(host).exists()


def test_a_server_that_starts_slowly_is_waited_for_and_one_that_ends_is_not(tmp_path: Path) -> None:
    """Right after a start nothing in /proc shows yet what the process is: it may not be taken for dead."""
    (port, log), program = (free_port(), tmp_path / "registry.log"), tmp_path / "server"
    config = tmp_path / "config.yml"
    config.write_text(json.dumps({"version": "0.1", "storage": {"inmemory": {}}, "http": {"addr": f"127.0.0.1:{port}"}}))
    options = {
        "check": False,
        "command": [str(program), "serve", str(config)],
        "environment": {},
        "folder": str(tmp_path),
        "log": str(log),
        "pid_file": str(tmp_path / "registry.pid"),
        "read_at_start": [],
        "restart": True,
        "service": "",
        "socket": "",
        "start_timeout": 60,
        "stop_timeout": 30,
        "url": f"http://127.0.0.1:{port}/v2/",
    }

    def act(action: str) -> t.Any:
        command = [sys.executable, str(ROOT / "roles" / "registry" / "files" / "registry.py"), action]
        done = subprocess.run(command, input=json.dumps(options), capture_output=True, text=True, check=True, timeout=120)
        return json.loads(done.stdout)

    needed("docker-registry")
    # For a second its command line is that of another program.
    program.write_text("#!/bin/sh\nCONFIG=$2 exec sh -c 'sleep 1; exec docker-registry serve \"$CONFIG\"'\n")
    program.chmod(0o755)
    try:
        assert act("run") == {"changed": True, "problem": ""}
    finally:
        assert act("end") == {"changed": True}
    program.write_text("#!/bin/sh\necho no room left\nexit 1\n")
    assert act("run")["problem"] == "The registry exited right after its start. The last lines of its log:\nno room left"
