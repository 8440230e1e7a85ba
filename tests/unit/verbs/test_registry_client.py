# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every engine: what it can't express, files of others, removal, runs that are stopped, and secrets."""

from __future__ import annotations

import json
import re
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.atomic_files import replace_file
from ansible_collections.longshore.images.plugins.module_utils.client_files import engine_files, host_files
from ansible_collections.longshore.images.plugins.module_utils.client_files.entries import ENGINES, MARK
from ansible_collections.longshore.images.plugins.module_utils.errors import (
    InputOutputError,
    InvalidOption,
    LongshoreError,
    MissingLibrary,
    UnsupportedFormat,
)
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs import registry_client
from tests.support.client_host import CERTIFICATE, CERTS_D, CONFIG_2, CONFIG_PATH, LOGIN, MIRROR, PASSWORD, Entry, Host, hub

REFUSED: list[tuple[str, Entry, str]] = [
    ("docker", {"name": "quay.io", "mirrors": [{"url": MIRROR}]}, "Docker uses mirrors of Docker Hub only, not of quay.io.*image_deliver"),
    ("docker", hub(MIRROR + "/hub"), "no mirror with a path"),
    ("docker", hub(resolve_tags=False), "asks its mirrors for tags too"),
    ("docker", hub(headers={"X-Token": "12345678"}), "no headers of your own"),
    ("docker", hub(username="me", password="secret"), "doesn't log in to the mirror mirror.example:5000"),
    ("docker", {**hub(), "upstream": "deny"}, "asks docker.io whenever its mirrors"),
    ("docker", {**hub(), "mirror_only": True}, "asks docker.io whenever its mirrors"),
    ("docker", {"name": "quay.io", "blocked": True}, "can't block quay.io"),
    ("docker", {"name": "127.0.0.1:5000", "plain_http": False}, "falls back to plain HTTP"),
    ("k3s", {**hub(), "upstream": "deny"}, "disable-default-registry-endpoint"),
    ("rke2", {"name": "quay.io", "blocked": True}, "rke2 can't block quay.io"),
    ("k3s", {"name": "docker.io", "mirrors": [{"url": MIRROR + "/a"}, {"url": "https://b.example"}]}, "one rewrite for all mirrors"),
    ("rke2", hub(resolve_tags=False), "rke2 asks its mirrors for tags"),
    ("k3s", hub(headers={"X-Token": "12345678"}), "no headers"),
    ("k3s", {"name": "quay.io", "identity_token": "12345678"}, "identity token"),
    ("containerd", {"name": "quay.io", "identity_token": "12345678"}, "identity token"),
    ("containerd", {"name": "127.0.0.1:5000", "username": "me", "password": "secret"}, "set plain_http"),
    ("podman", hub(headers={"X-Token": "12345678"}), "podman sends no headers"),
    ("podman", {**hub(resolve_tags=False), "upstream": "deny"}, "asks the last mirror of docker.io for tags"),
    ("containerd", {"name": "quay.io", "upstream": "deny"}, "quay.io has no mirrors"),
    ("podman", {**hub(), "blocked": True}, "is blocked, and has mirrors"),
    ("podman", {**hub(), "mirror_only": True, "upstream": "allow"}, "contradict"),
    ("podman", {"name": "quay.io/team"}, "not a registry's host"),
    ("podman", hub(MIRROR + "?x=1"), "must be http"),
    ("podman", hub("https://.."), "is not the name of a host"),
]


@pytest.mark.parametrize(("engine", "entry", "reason"), REFUSED, ids=[f"{case[0]}-{case[2][:30]}" for case in REFUSED])
def test_what_an_engine_cannot_express_is_refused_before_anything_is_written(host: Host, engine: str, entry: Entry, reason: str) -> None:
    with pytest.raises(InvalidOption, match=reason):
        host.plan(f"containerd {engine}" if engine != "containerd" else engine, {"name": "fine.example", "plain_http": True}, entry)


def test_one_registry_may_be_listed_only_once(host: Host) -> None:
    with pytest.raises(InvalidOption, match=r"docker\.io is there twice"):
        host.plan("podman", hub(), {"name": "index.docker.io"})


@pytest.mark.parametrize(
    ("other", "what"),
    [({"username": "me", "password": "other"}, "login"), ({"ca_path": "other-ca.pem"}, "ca"), ({"plain_http": True}, "plain_http")],
)
def test_one_host_cannot_be_reached_in_two_ways(host: Host, other: Entry, what: str) -> None:
    (host.folder / "other-ca.pem").write_text(f"{CERTIFICATE}another\n")
    settings = {key: str(host.folder / value) if key == "ca_path" else value for key, value in other.items()}
    mirror = hub(username="me", password="secret", ca_path=str(host.folder / "ca.pem"))
    with pytest.raises(InvalidOption, match=f"mirror.example:5000 is named twice, with another {what}"):
        host.plan("podman", mirror, {"name": "mirror.example:5000", **settings})


def rich_entries(host: Host) -> list[Entry]:
    """Return entries that every engine can express, with all kinds of files."""
    paths = {
        option: str(host.folder / name) for option, name in (("ca_path", "ca.pem"), ("client_cert", "client.pem"), ("client_key", "client-key.pem"))
    }
    return [
        hub(ca_path=str(host.folder / "ca.pem")),
        {"name": "r.example:5000", "username": "me", "password": PASSWORD, **paths},
        {"name": "plain.example", "plain_http": True},
    ]


def foreign_files(host: Host) -> None:
    """Write files of somebody else for all engines."""
    host.write("etc/containerd/config.toml", CONFIG_2)
    host.write(f"{CERTS_D}/other.example/hosts.toml", 'server = "https://other.example"\n')
    host.write("etc/containers/registries.conf.d/shortnames.conf", '[aliases]\n"a" = "b.example/a"\n')
    host.write("etc/containers/certs.d/other.example/ca.crt", CERTIFICATE)
    host.write("root/.config/containers/auth.json", '{\n  "auths": {\n    "other.example": {\n      "auth": "YTpi"\n    }\n  }\n}\n', 0o600)
    host.write("etc/docker/daemon.json", '{\n  "insecure-registries": [\n    "other.example"\n  ]\n}\n')
    host.write("etc/rancher/k3s/config.yaml", "a: b\n")


def test_a_removed_entry_takes_its_own_files_with_it_and_nothing_else(host: Host) -> None:
    foreign_files(host)
    hub_entry, *rest = rich_entries(host)
    host.run(" ".join(ENGINES), *rest)
    without = host.tree()
    host.run(" ".join(ENGINES), hub_entry, *rest)
    assert host.tree() != without
    host.run(" ".join(ENGINES), *rest)
    assert host.tree() == without


@pytest.mark.parametrize("has_foreign_files", [True, False])
def test_an_empty_list_removes_all_of_ours(host: Host, has_foreign_files: bool) -> None:
    if has_foreign_files:
        foreign_files(host)
    (host.root / "etc/containerd").mkdir(parents=True, exist_ok=True)
    before = host.tree()
    host.run(" ".join(ENGINES), *rich_entries(host))
    host.run(" ".join(ENGINES))

    after = host.tree()
    if has_foreign_files:
        assert after.pop("etc/containerd/config.toml") == f"{before.pop('etc/containerd/config.toml')}{CONFIG_PATH}"
    assert after == before
    assert list((host.root / "var/lib/longshore").iterdir()) == []


def test_engines_that_are_not_listed_are_left_alone(host: Host) -> None:
    host.run("podman docker", *rich_entries(host))
    before = host.tree()
    host.run("containerd")
    assert host.tree() == before


@pytest.mark.parametrize(
    ("engine", "path"),
    [
        ("containerd", f"{CERTS_D}/docker.io/hosts.toml"),
        ("podman", "etc/containers/certs.d/mirror.example:5000/ca.crt"),
        ("docker", "etc/docker/certs.d/r.example:5000/client.key"),
        ("k3s", "etc/rancher/k3s/registries.yaml"),
    ],
)
def test_files_of_somebody_else_are_named_and_never_overwritten(host: Host, engine: str, path: str) -> None:
    host.write(path, "theirs")
    before = host.tree()
    with pytest.raises(InvalidOption, match=f"{re.escape(path)} was written by somebody else"):
        host.plan(engine, *rich_entries(host))
    assert host.tree() == before


def test_a_file_of_somebody_else_that_says_the_same_is_used_and_stays(host: Host) -> None:
    host.write("etc/docker/certs.d/mirror.example:5000/ca.crt", CERTIFICATE)
    host.run("docker", rich_entries(host)[0])
    host.run("docker")
    assert host.read("etc/docker/certs.d/mirror.example:5000/ca.crt") == CERTIFICATE


def test_a_changed_mode_is_corrected(host: Host) -> None:
    host.run("k3s", *rich_entries(host))
    (host.root / "etc/rancher/k3s/registries.yaml").chmod(0o644)
    assert len(host.run("k3s", *rich_entries(host)).actions()) == 1
    assert host.mode("etc/rancher/k3s/registries.yaml") == 0o600


class Stopped(Exception):
    pass


def test_a_run_that_is_stopped_at_any_step_is_completed_by_the_next_one(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign_files(host)
    engines = " ".join(ENGINES)
    before = {path: content for path, content in host.tree().items() if path != "etc/containerd/config.toml"}
    write = replace_file

    def stop_after(steps: int) -> None:
        left = [steps]

        def write_or_stop(path: str, data: bytes, mode: int) -> None:
            if not left[0]:
                raise Stopped
            left[0] -= 1
            write(path, data, mode)

        monkeypatch.setattr(host_files, "replace_file", write_or_stop)

    for steps in range(40):
        stop_after(steps)
        try:
            with Workers(1) as workers:
                host.plan(engines, *rich_entries(host)).apply(workers)
            break
        except Stopped:
            stop_after(1000)
            host.run(engines, *rich_entries(host))
            host.run(engines)
            after = {path: content for path, content in host.tree().items() if path != "etc/containerd/config.toml"}
            assert after == before, steps
    assert steps > 15


def test_no_secret_is_in_what_the_module_returns(host: Host) -> None:
    entries = [hub(username="me", password=PASSWORD, headers={"X-Token": "header-secret"}), *rich_entries(host)[1:]]
    plan = host.run("containerd", *entries)
    returned = json.dumps([plan.diff(), plan.actions(), plan.facts()], ensure_ascii=False)
    plan = host.run("podman docker k3s", *rich_entries(host)[1:])
    returned += json.dumps([plan.diff(), plan.actions(), plan.facts()], ensure_ascii=False)
    for secret in (PASSWORD, LOGIN, "header-secret", "BBBB"):
        written = "".join(filter(None, host.tree().values()))
        assert secret in written or json.dumps(secret)[1:-1] in written
        assert secret not in returned


def test_a_link_below_another_root_is_refused(host: Host) -> None:
    (host.root / "etc").mkdir()
    (host.root / "etc/docker").symlink_to("/etc/docker")
    with pytest.raises(InputOutputError, match="etc/docker is a link"):
        host.plan("docker", hub())


def test_an_ordinary_user_configures_podman_in_the_home_folder(tmp_path: Path) -> None:
    options: dict[str, t.Any] = {"contents": {}, "home": str(tmp_path), "as_root": False}
    with pytest.raises(InvalidOption, match="only root may configure docker; use become"):
        registry_client.plan_registry_client([], ["podman", "docker"], None, **options)
    plan = registry_client.plan_registry_client([], ["podman"], [], **options)
    assert [path for path in plan.facts()["paths"] if not path.startswith(str(tmp_path))] == []
    assert plan.facts()["paths"] == [f"{tmp_path}/.config/containers/policy.json"]


def test_without_a_library_for_toml_only_files_of_others_are_a_problem(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_files, "find_toml_parser", lambda: None)
    host.run("podman", hub())
    host.run("containerd", hub())
    host.write("etc/containers/registries.conf", '[[registry]]\nlocation = "other.example"\n')
    host.write("etc/containerd/config.toml", CONFIG_2)
    monkeypatch.setattr(engine_files, "find_toml_parser", lambda: None)
    for engine in ("containerd", "podman"):
        with pytest.raises(MissingLibrary, match="tomli"):
            host.plan(engine, hub())


@pytest.mark.parametrize("text", ["", '{"version": 2}', "{", '{"version": 1, "scopes": 3}'])
def test_a_damaged_record_stops_the_run(host: Host, text: str) -> None:
    host.write("var/lib/longshore/registry_client.json", text)
    with pytest.raises(UnsupportedFormat, match=r"registry_client\.json"):
        host.plan("podman", hub())


@pytest.mark.parametrize("content", ["no certificate", None])
def test_a_certificate_that_cannot_be_used_is_named(host: Host, content: str | None) -> None:
    path = host.folder / "other.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(LongshoreError, match=r"other\.pem"):
        host.plan("podman", hub(ca_path=str(path)))


def test_a_folder_of_certificates_counts_as_all_of_them(host: Host) -> None:
    folder = host.folder / "authorities"
    folder.mkdir()
    (folder / "a.pem").write_text(CERTIFICATE.rstrip())
    (folder / "b.pem").write_text(CERTIFICATE)
    (folder / "README").write_text("text")
    (folder / "0123.0").symlink_to("a.pem")
    host.run("docker", hub(ca_path=str(folder)))
    assert host.read("etc/docker/certs.d/mirror.example:5000/ca.crt") == f"{MARK}\n{CERTIFICATE}{CERTIFICATE}"
