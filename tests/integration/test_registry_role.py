# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role registry on this machine: what it foresees on a fresh one, and what it refuses before anything changes."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

from ansible_collections.longshore.images.tests.support.fleets import Fleet
from ansible_collections.longshore.images.tests.support.registry import free_port, make_authority, needed


def fleet(folder: Path, hosts: t.Mapping[str, t.Mapping[str, t.Any]]) -> Fleet:
    """Hosts whose registry is in a folder of their own, and beside it a playbook that runs the role."""
    needed("docker-registry", "htpasswd")
    (folder / "site.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "roles": ["longshore.images.registry"]}]))
    return Fleet(folder, "registry_folder", hosts)


def test_check_mode_on_a_fresh_machine_foresees_what_a_registry_with_tls_and_users_changes(tmp_path: Path) -> None:
    make_authority(tmp_path)
    variables = {
        "registry_port": free_port(),
        "registry_tls_certificate": f"{tmp_path}/server.pem",
        "registry_tls_key": f"{tmp_path}/server.key",
        "registry_users": [{"name": "one", "password": "a secret"}],
    }
    machine = fleet(tmp_path, {"fresh": variables})
    foreseen = machine.run(tmp_path / "site.yml", "--check", "--diff")
    assert foreseen.status == 0, foreseen.output
    assert not machine.store("fresh").exists()
    try:
        done = machine.run(tmp_path / "site.yml")
        assert done.status == 0, done.output
        assert foreseen.count("changed", "fresh") == done.count("changed", "fresh")
        again = machine.run(tmp_path / "site.yml")
        assert (again.status, again.count("changed", "fresh")) == (0, 0), again.output
    finally:
        ended = machine.run(tmp_path / "site.yml", registry_state="absent", registry_purge=True)
    assert ended.status == 0, ended.output


BAD_VARIABLES: dict[str, tuple[dict[str, t.Any], str]] = {
    "nocertificate": (
        {"registry_tls_certificate": "/nonexistent.pem", "registry_tls_key": "/etc/hostname"},
        "registry_tls_certificate /nonexistent.pem is no file on this host.",
    ),
    "nokey": ({"registry_tls_certificate": "/etc/hostname", "registry_tls_key": "/etc"}, "registry_tls_key /etc is no file on this host."),
}


def test_variables_that_make_no_sense_are_named_alone_and_nothing_is_written(tmp_path: Path) -> None:
    machines = fleet(tmp_path, {host: {"registry_port": free_port(), **variables} for host, (variables, _text) in BAD_VARIABLES.items()})
    told = machines.run(tmp_path / "site.yml")
    for host, (_variables, text) in BAD_VARIABLES.items():
        assert f'"msg": "{text}"' in told.failure(host)
        assert told.count("changed", host) == 0
        assert not machines.store(host).exists()
