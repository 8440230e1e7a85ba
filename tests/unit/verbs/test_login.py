# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Logging in and out changes one entry of an auth file, or the login in a credential helper, and nothing else."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.client_files import auth_file
from ansible_collections.longshore.images.plugins.module_utils.errors import Denied, InputOutputError, InvalidOption, LockTimeout, UnsupportedFormat
from ansible_collections.longshore.images.plugins.module_utils.files import wait_for_lock
from ansible_collections.longshore.images.plugins.module_utils.folders import open_path
from ansible_collections.longshore.images.plugins.module_utils.registry.auth.login_scope import LoginScope
from ansible_collections.longshore.images.plugins.module_utils.registry.config.settings import Credentials
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs.login import plan_login, plan_logout
from ansible_collections.longshore.images.plugins.module_utils.verbs.state_plan import StatePlan
from tests.support.faults import end_of, kill_at, record_events, start_child
from tests.support.logins import LOGIN, PASSWORD, LoginHost, entry, mode_of, read, write
from tests.support.privileges import needs_root
from tests.support.users import OTHER_USER

OTHER = {"other.io": entry("x"), "r.io/team": entry("y"), "r.io:5000": entry("z")}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoginHost:
    made = LoginHost(tmp_path)
    monkeypatch.setenv("PATH", f"{made.programs}:/usr/bin:/bin")
    return made


# Which file.


def test_a_first_login_makes_a_private_file_in_a_private_folder(host: LoginHost) -> None:
    plan = host.login()
    assert read(host.file) == {"auths": {"r.io": entry()}}
    assert (mode_of(host.file), mode_of(host.file.parent)) == (0o600, 0o700)
    assert plan.actions() == [f"add the login for r.io in {host.file}"]
    assert plan.diff() == {"before": {}, "after": {str(host.file): {"mode": "0600", "logins": {"r.io": "me"}}}}
    assert plan.facts() == {"registry": "r.io", "username": "me", "auth_file": str(host.file), "helper": None}


@pytest.mark.parametrize(
    "document", [{"auths": {"r.io": entry("old")}}, {"auths": {"https://r.io/v1/": entry("old")}}, {"credHelpers": {"r.io": "test"}}]
)
def test_a_file_that_would_hide_the_login_is_changed_instead(host: LoginHost, document: dict[str, t.Any]) -> None:
    host.add_helper("test")
    path = write(host.home.parent / "run/containers/auth.json", document)
    assert host.login("free.io").facts()["auth_file"] == str(host.file)
    assert host.login().facts()["auth_file"] == str(path)
    assert list(read(host.file)["auths"]) == ["free.io"]


def test_a_login_for_a_namespace_goes_where_the_one_for_its_registry_would_hide_it(host: LoginHost) -> None:
    path = write(host.home.parent / "run/containers/auth.json", {"auths": {"r.io": entry("old")}})
    host.login("r.io/team")
    assert read(path)["auths"] == {"r.io": entry("old"), "r.io/team": entry()}


def test_the_file_of_docker_is_changed_only_if_it_is_named(host: LoginHost) -> None:
    write(host.docker, {"auths": {"r.io": entry("old")}, "credsStore": "absent"})
    assert host.login().facts()["auth_file"] == str(host.file)
    assert read(host.docker)["auths"] == {"r.io": entry("old")}


def test_the_variable_of_podman_names_the_file(host: LoginHost) -> None:
    write(host.docker, {"auths": {"r.io": entry("old")}})
    host.environment["REGISTRY_AUTH_FILE"] = str(host.home / "named.json")
    host.login()
    assert read(host.home / "named.json") == {"auths": {"r.io": entry()}}


def test_a_logout_changes_all_files_or_the_one_that_is_named(host: LoginHost) -> None:
    for path in (host.file, host.docker):
        write(path, {"auths": {"r.io": entry(), **OTHER}})
    assert host.logout(path=host.docker).actions() == [f"remove the login for r.io from {host.docker}"]
    assert "r.io" in read(host.file)["auths"]
    write(host.docker, {"auths": {"https://r.io/v1/": entry()}})
    assert len(host.logout().actions()) == 2
    assert (read(host.file), read(host.docker)) == ({"auths": OTHER}, {"auths": {}})


def test_a_logout_without_a_login_or_without_a_file_changes_nothing(host: LoginHost) -> None:
    assert not host.logout().changed
    assert not host.logout(path=host.home / "none" / "auth.json").changed
    path = write(host.file, {"auths": OTHER}, 0o644)
    assert not host.logout().changed
    assert mode_of(path) == 0o644


# What changes in a file.


def test_other_logins_and_settings_and_their_order_and_the_indentation_are_kept(host: LoginHost) -> None:
    document = {
        "HttpHeaders": {"é": 1.50},
        "auths": {"other.io": {**entry("x"), "x": None}, "r.io": entry("old", email="me@r.io")},
        "detachKeys": "a",
    }
    write(host.docker, json.dumps(document, indent="\t"))
    plan = host.login(path=host.docker)
    document["auths"]["r.io"] = {"email": "me@r.io", **entry()}  # type: ignore[index]
    assert host.docker.read_text() == json.dumps(document, indent="\t", ensure_ascii=False) + "\n"
    assert plan.diff()["before"] == {str(host.docker): {"mode": "0600", "logins": {"r.io": "me, with another secret"}}}


@pytest.mark.parametrize("key", ["https://r.io", "https://r.io/v1/", "http://r.io/any/path"])
def test_the_same_registry_under_another_spelling_is_replaced(host: LoginHost, key: str) -> None:
    write(host.file, {"auths": {key: entry("old"), **OTHER}})
    assert host.login().actions() == [f"change the login for r.io in {host.file}"]
    assert read(host.file)["auths"] == {**OTHER, "r.io": entry()}
    write(host.file, {"auths": {key: entry("old"), **OTHER}})
    assert host.logout().changed
    assert read(host.file)["auths"] == OTHER


@pytest.mark.parametrize("written", [{"username": "me", "password": PASSWORD}, entry(email="x"), entry(f"{PASSWORD}\0\0")])
def test_a_login_that_is_spelled_differently_is_the_same(host: LoginHost, written: dict[str, str]) -> None:
    write(host.file, {"auths": {"r.io": written}})
    assert not host.login().changed


@pytest.mark.parametrize(("name", "key"), [("auth.json", "docker.io"), ("config.json", "https://index.docker.io/v1/"), ("other.json", "docker.io")])
def test_docker_hub_has_the_key_that_docker_or_podman_reads(host: LoginHost, name: str, key: str) -> None:
    spellings = ("index.docker.io", "docker.io", "registry-1.docker.io", "https://index.docker.io/v1/")
    path = write(host.home / name, {"auths": {spelling: entry("old") for spelling in spellings}})
    host.login("index.docker.io", path=path)
    assert read(path)["auths"] == {key: entry()}
    host.login("docker.io/team", path=path)
    host.logout("docker.io", path=path)
    assert read(path)["auths"] == {"docker.io/team": entry()}


def test_an_identity_token_is_written_as_docker_does(host: LoginHost) -> None:
    token = Credentials("", "", PASSWORD)
    plan = host.login(login=token)
    assert read(host.file)["auths"]["r.io"]["identitytoken"] == PASSWORD
    assert plan.diff()["after"][str(host.file)]["logins"] == {"r.io": "an identity token"}
    assert plan.facts()["username"] is None


@pytest.mark.parametrize(("before", "after"), [(0o644, 0o600), (0o640, 0o600), (0o400, 0o400), (0o600, 0o600)])
def test_others_can_not_read_the_file_after_a_login(host: LoginHost, before: int, after: int) -> None:
    write(host.file, {"auths": {"r.io": entry()}}, before)
    plan = host.login()
    assert plan.actions() == ([f"set the mode of {host.file} to {after:04o}"] if before != after else [])
    assert mode_of(host.file) == after


@pytest.mark.parametrize("text", ["", " \n", "{}", '{"auths": null}'])
def test_an_empty_file_is_a_file_without_logins(host: LoginHost, text: str) -> None:
    write(host.file, text)
    host.login()
    assert read(host.file) == {"auths": {"r.io": entry()}}


# Files that can't be used.


@pytest.mark.parametrize("text", ["{", "[]", '{"auths": []}', '{"auths": {}, "auths": {}}', '{"credHelpers": []}', '{"auths": {"r.io": 1}}'])
@pytest.mark.parametrize("verb", ["login", "logout"])
def test_a_malformed_file_is_named_and_stays(host: LoginHost, verb: str, text: str) -> None:
    write(host.file, text)
    with pytest.raises(UnsupportedFormat, match=str(host.file)):
        getattr(host, verb)(path=host.file)
    assert host.file.read_text() == text


def test_a_link_is_followed_and_stays(host: LoginHost) -> None:
    target = write(host.home / "dotfiles.json", {"auths": OTHER})
    host.file.parent.mkdir(parents=True)
    host.file.symlink_to(target)
    host.login()
    assert host.file.is_symlink()
    assert read(target)["auths"] == {**OTHER, "r.io": entry()}


def test_a_link_or_a_file_that_another_user_planted_is_refused(host: LoginHost, open_path: Path) -> None:
    needs_root()
    open_path.chmod(0o1777)
    for name in ("file.json", "link.json"):
        path = open_path / name
        path.symlink_to(write(host.home / "mine.json", "{}")) if name == "link.json" else path.write_text("{}")
        os.lchown(path, OTHER_USER, OTHER_USER)
        with pytest.raises(InputOutputError, match=rf"{name}.*{OTHER_USER}"):
            host.login(path=path)
    assert read(host.home / "mine.json") == {}


def test_root_keeps_the_owner_of_a_file_in_a_users_folder(host: LoginHost, open_path: Path) -> None:
    needs_root()
    path = write(open_path / "auth.json", "{}")
    for place in (open_path, path):
        os.chown(place, OTHER_USER, OTHER_USER)
    host.login(path=path)
    assert (path.stat().st_uid, mode_of(path)) == (OTHER_USER, 0o600)


@pytest.mark.parametrize("place", ["folder", "file/auth.json", "file/deeper/auth.json"])
def test_a_path_that_can_not_be_a_file_is_an_error_of_the_plan(host: LoginHost, place: str) -> None:
    (host.home / "folder").mkdir()
    (host.home / "file").touch()
    with pytest.raises(InputOutputError, match=place.partition("/")[0]):
        plan_login_at(host, host.home / place)


def plan_login_at(host: LoginHost, path: Path) -> StatePlan:
    return plan_login(LoginScope("r.io"), LOGIN, str(path), host.environment)


@pytest.mark.parametrize(
    ("login", "message"),
    [
        (Credentials("", "x"), "username"),
        (Credentials("a:b", "x"), "colon"),
        (Credentials("me", ""), "empty"),
        (Credentials("me", "x\0"), "zero byte"),
        (Credentials("", "", ""), "empty"),
        (Credentials("me", "\ud800"), "UTF-8"),
    ],
)
def test_a_login_that_an_auth_file_can_not_express_is_refused(host: LoginHost, login: Credentials, message: str) -> None:
    with pytest.raises(InvalidOption, match=message):
        host.login(login=login)
    assert not host.file.exists()


# Other writers, and interruptions.


def test_what_others_wrote_since_the_plan_was_made_is_kept(host: LoginHost) -> None:
    write(host.file, {"auths": {"r.io": entry("old")}})
    plan = plan_login_at(host, host.file)
    write(host.file, {"auths": {"new.io": entry("new")}, "x": 1})
    with Workers(1) as workers:
        plan.apply(workers)
    assert read(host.file) == {"auths": {"new.io": entry("new"), "r.io": entry()}, "x": 1}


def test_runs_at_the_same_time_lose_no_login(host: LoginHost) -> None:
    registries = [f"r{number}.io" for number in range(8)]
    children = [start_child(lambda name=name: host.login(name)) for name in registries]  # type: ignore[misc]
    assert [end_of(child) for child in children] == [0] * len(children)
    assert read(host.file)["auths"] == dict.fromkeys(registries, entry())


def test_a_run_waits_for_another_one_that_changes_the_file(host: LoginHost, monkeypatch: pytest.MonkeyPatch) -> None:
    write(host.file, {})
    plan = plan_login_at(host, host.file)
    monkeypatch.setattr(auth_file, "_LOCK_SECONDS", 0.05)
    with open_path(str(host.file.parent)) as folder, folder.reopen_for_listing() as locked, Workers(1) as workers:
        wait_for_lock(locked.descriptor, "", 1)
        with pytest.raises(LockTimeout, match="wait for that run to end"):
            plan.apply(workers)
    assert read(host.file) == {}


def test_a_file_system_without_locks_for_folders_works(host: LoginHost, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: t.Any, **_options: t.Any) -> None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))  # as NFS does

    monkeypatch.setattr(auth_file, "wait_for_lock", refuse)
    host.login()
    assert read(host.file)["auths"] == {"r.io": entry()}


def test_a_run_that_is_killed_at_any_step_leaves_the_old_or_the_new_file(host: LoginHost) -> None:
    old, new = {"auths": {**OTHER, "r.io": entry("old")}}, {"auths": {**OTHER, "r.io": entry()}}
    write(host.file, old)
    events = record_events(host.home, host.login)
    assert {"fsync", "rename"} <= {event.call for event in events}
    for event in events:
        write(host.file, old)
        assert kill_at(event.number, host.home, host.login)
        assert read(host.file) in (old, new), event
        host.login()
        assert read(host.file) == new
        assert os.listdir(host.file.parent) == ["auth.json"], event


def test_a_full_disk_leaves_the_old_file(host: LoginHost, monkeypatch: pytest.MonkeyPatch) -> None:
    write(host.file, {"auths": OTHER})

    def fail(*_arguments: t.Any) -> t.NoReturn:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch, contextlib.suppress(InputOutputError):
        patch.setattr(os, "fsync", fail)
        host.login()
        pytest.fail("the error was ignored")
    assert read(host.file) == {"auths": OTHER}
    assert os.listdir(host.file.parent) == ["auth.json"]


# Credential helpers.


@pytest.mark.parametrize("settings", [{"credsStore": "test"}, {"credHelpers": {"r.io": "test"}}])
def test_a_helper_gets_the_login_on_its_standard_input_and_the_file_has_no_secret(host: LoginHost, settings: dict[str, t.Any]) -> None:
    folder = host.add_helper("test")
    path = write(host.docker, {"auths": {"https://r.io/v1/": entry("old", email="x")}, **settings})
    plan = host.login(path=path)
    assert read(folder / "r.io") == {"ServerURL": "r.io", "Username": "me", "Secret": PASSWORD}
    assert set((folder / "argv").read_text().split()) == {"get", "store"}
    assert read(path) == {"auths": {"r.io": {"email": "x"}}, **settings}
    assert plan.facts()["helper"] == "test"
    assert plan.actions() == [
        "add the login for r.io in docker-credential-test",
        f"remove the login for r.io from {path}, because its credential helper has it",
    ]
    assert host.login(login=Credentials("you", "x"), path=path).actions() == ["change the login for r.io in docker-credential-test"]
    assert host.logout(path=path).actions() == [
        f"remove the login for r.io from {path}",
        "remove the login for r.io from docker-credential-test",
    ]
    assert not (folder / "r.io").exists()
    assert read(path) == {"auths": {}, **settings}


def test_docker_lists_registries_of_its_helper_in_the_file_and_so_do_we(host: LoginHost) -> None:
    host.add_helper("test")
    path = write(host.docker, {"credsStore": "test"})
    assert host.login("docker.io", path=path).actions() == [
        "add the login for docker.io in docker-credential-test",
        f"list docker.io in {path}, because its credential helper has it",
    ]
    assert read(path) == {"credsStore": "test", "auths": {"https://index.docker.io/v1/": {}}}


def test_a_helper_that_has_a_login_decides_which_file_is_changed(host: LoginHost) -> None:
    folder = host.add_helper("test")
    path = write(host.home.parent / "run/containers/auth.json", {"credsStore": "test"})
    assert host.login("free.io").facts()["auth_file"] == str(host.file)
    write(folder / "r.io", {"Username": "me", "Secret": "old"})
    assert host.login().facts() == {"registry": "r.io", "username": "me", "auth_file": str(path), "helper": "test"}


def test_an_identity_token_has_its_own_user_name_in_a_helper(host: LoginHost) -> None:
    folder = host.add_helper("test")
    host.login(login=Credentials("", "", "token"), path=write(host.docker, {"credsStore": "test"}))
    assert read(folder / "r.io")["Username"] == "<token>"


def test_an_empty_helper_name_leaves_the_login_to_the_file(host: LoginHost) -> None:
    path = write(host.docker, {"credsStore": "absent", "credHelpers": {"r.io": ""}})
    assert host.login(path=path).facts()["helper"] is None
    assert read(path)["auths"] == {"r.io": entry()}


def test_a_helper_keeps_no_login_for_a_namespace(host: LoginHost) -> None:
    host.add_helper("test")
    path = write(host.docker, {"credsStore": "test", "auths": {"r.io/team": entry()}})
    with pytest.raises(InvalidOption, match=r"log in to r\.io, or give another auth_file"):
        host.login("r.io/team", path=path)
    assert host.logout("r.io/team", path=path).actions() == [f"remove the login for r.io/team from {path}"]


@pytest.mark.parametrize("script", ["echo locked; exit 1", "cat; exit 1", None])
def test_a_failing_helper_is_an_error_and_the_file_stays(host: LoginHost, script: str | None) -> None:
    path = write(host.docker, {"credsStore": "test", "auths": {"r.io": entry("old")}})
    if script is not None:
        host.add_helper("test")
        (host.programs / "docker-credential-test").write_text(f"#!/bin/sh\n{script}\n")
    before = path.read_text()
    for verb in (host.login, host.logout):
        with pytest.raises(Denied, match="docker-credential-test"):
            verb(path=path)
    assert path.read_text() == before


def test_a_run_that_ends_between_helper_and_file_lists_no_login_that_is_missing(host: LoginHost) -> None:
    folder = host.add_helper("test")
    path = write(host.docker, {"credsStore": "test"})

    def apply_first_step(plan: StatePlan) -> None:
        with Workers(1) as workers:
            plan.steps[0].apply(workers)
        assert "r.io" not in read(path).get("auths", {})
        assert (folder / "r.io").exists()

    apply_first_step(plan_login_at(host, path))
    host.login(path=path)
    apply_first_step(plan_logout(LoginScope("r.io"), str(path), {}))
    host.logout(path=path)


def test_a_helper_that_can_not_store_is_an_error_and_the_file_stays(host: LoginHost) -> None:
    host.add_helper("test")
    path = write(host.docker, {"credsStore": "test", "auths": {"r.io": entry("old")}})
    program = host.programs / "docker-credential-test"
    program.write_text(program.read_text().replace("store) ", "store) echo read-only; exit 1; "))
    before = path.read_text()
    with pytest.raises(Denied, match="failed to store: read-only"):
        host.login(path=path)
    assert path.read_text() == before
