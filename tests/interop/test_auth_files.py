# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Longshore reads and writes auth files like skopeo and docker: all choose the same user for a login."""

from __future__ import annotations

import base64
import json
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.registry.auth.credentials import HostCredentials
from ansible_collections.longshore.images.plugins.module_utils.registry.auth.login_scope import LoginScope
from ansible_collections.longshore.images.plugins.module_utils.registry.config.settings import Credentials
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs.login import plan_login
from tests.support.programmable.access import PasswordAccess
from tests.support.programmable.server import Answer, Request, Server
from tests.support.registry import needed

ENTRY = {"auth": base64.b64encode(b"me:secret").decode()}
LOGIN = ("me", "secret")


def skopeos_login(auth_file: Path, server: Server, seen: list[Request]) -> tuple[str, str] | None:
    """Return the user with whom skopeo logs in at a registry that refuses everybody."""
    needed("skopeo")
    words = ["skopeo", "inspect", "--tls-verify=false", "--authfile", str(auth_file), f"docker://{server.host}/team/app:1"]
    subprocess.run(words, check=False, capture_output=True, timeout=60)
    sent = [request.headers["Authorization"] for request in seen if "Authorization" in request.headers]
    username, _colon, password = base64.b64decode(sent[-1].partition(" ")[2]).decode().partition(":") if sent else ("", "", "")
    return (username, password) if username else None


def dockers_login(auth_file: Path, server: Server, seen: list[Request]) -> tuple[str, str] | None:
    """Return the user that docker's client sends to its daemon."""
    needed("docker")
    (auth_file.parent / "config.json").write_bytes(auth_file.read_bytes())
    words = ["docker", "--config", str(auth_file.parent), "-H", f"tcp://{server.host}", "pull", f"{server.host}/team/app:1"]
    subprocess.run(words, check=False, capture_output=True, timeout=60)
    sent = [request.headers["X-Registry-Auth"] for request in seen if "X-Registry-Auth" in request.headers]
    login = json.loads(base64.urlsafe_b64decode(sent[-1])) if sent else {}
    return (login["username"], login["password"]) if login.get("password") else None


@pytest.fixture
def seen() -> list[Request]:
    return []


@pytest.fixture
def server(seen: list[Request]) -> t.Iterator[Server]:
    """Run a server that is a registry that refuses everybody, and a daemon without images."""
    access = PasswordAccess({})

    def answer(request: Request) -> Answer:
        seen.append(request)
        if request.path.endswith("/_ping"):
            return Answer(200, (("Api-Version", "1.41"),))
        return (access.refuse(request, None) if request.path.startswith("/v2/") else None) or Answer(404, (), b"{}")

    with Server(answer) as running:
        yield running


CASES: list[tuple[str, tuple[str, str] | None]] = [
    ("HOST", LOGIN),
    ("https://HOST", LOGIN),
    ("https://HOST/v1/", LOGIN),
    ("http://HOST/", LOGIN),
    ("http://HOST/some/path", LOGIN),
    ("https://HOST?x=1", None),
    ("https://me@HOST/", None),
    ("HTTPS://HOST/", None),
    ("ftp://HOST/", None),
    ("https://HOST.example.com/", None),
]


@pytest.mark.parametrize(("key", "login"), CASES)
@pytest.mark.parametrize("client", [skopeos_login, dockers_login])
def test_a_key_selects_the_same_registry(
    tmp_path: Path, server: Server, seen: list[Request], key: str, login: tuple[str, str] | None, client: t.Callable[..., tuple[str, str] | None]
) -> None:
    path = tmp_path / "auth.json"
    path.write_text(json.dumps({"auths": {key.replace("HOST", server.host): ENTRY}}))
    found = HostCredentials(str(path), {}).find(server.host, "team/app")
    assert ((found.username, found.password) if found is not None else None) == login
    assert client(path, server, seen) == login


@pytest.mark.parametrize(
    ("text", "login"),
    [
        ('{"auths": {"HOST": {"username": "me", "password": "secret"}}}', LOGIN),
        ('{"auths": {"HOST": {"username": "other", "password": "other", "auth": "AUTH"}}}', LOGIN),
        ('{"auths": {"HOST": {"auth": "AUTH"}}, "credHelpers": {"HOST": ""}, "credsStore": "absent-helper"}', LOGIN),
        ('{"auths": {"HOST": {"auth": "AUTH"}}, "credsStore": ""}', LOGIN),
        (" \n\t\n", None),
        ("", None),
    ],
)
def test_keys_that_only_docker_reads_mean_the_same(
    tmp_path: Path, server: Server, seen: list[Request], text: str, login: tuple[str, str] | None
) -> None:
    path = tmp_path / "auth.json"
    path.write_text(text.replace("HOST", server.host).replace("AUTH", ENTRY["auth"]))
    found = HostCredentials(str(path), {}).find(server.host, "team/app")
    assert ((found.username, found.password) if found is not None else None) == login
    assert dockers_login(path, server, seen) == login


@pytest.mark.parametrize("client", [skopeos_login, dockers_login])
def test_a_login_that_we_wrote_is_used(tmp_path: Path, server: Server, seen: list[Request], client: t.Callable[..., tuple[str, str] | None]) -> None:
    path = tmp_path / "config.json"
    with Workers(1) as workers:
        plan_login(LoginScope(server.host), Credentials("me", "sec:ret é"), str(path), {}).apply(workers)
    assert client(path, server, seen) == ("me", "sec:ret é")
