# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials from the files of podman, skopeo and docker."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import InputOutputError, InvalidOption, UnsupportedFormat
from ansible_collections.longshore.images.plugins.module_utils.registry.auth.credentials import MAX_FILE, HostCredentials, default_auth_files
from ansible_collections.longshore.images.plugins.module_utils.registry.config.settings import Credentials, HostSettings


def auth(password: str, username: str = "me") -> dict[str, str]:
    return {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}


def write(path: Path, document: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(document if isinstance(document, bytes) else json.dumps(document).encode())
    return str(path)


def password_in(path: Path, document: Any, registry: str = "r.io", repository: str = "a/b") -> str | None:
    """Return the password that DOCUMENT has for a repository."""
    found = HostCredentials(write(path / "auth.json", document), {}).find(registry, repository)
    return found.password if found is not None else None


DEFAULT_PATHS = ["env.json", "run/containers/auth.json", "config/containers/auth.json", "docker/config.json", "home/.docker/config.json"]


def test_the_default_files_are_read_in_order(tmp_path: Path) -> None:
    environment = {
        "REGISTRY_AUTH_FILE": str(tmp_path / "env.json"),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "DOCKER_CONFIG": str(tmp_path / "docker"),
        "HOME": str(tmp_path / "home"),
    }
    assert HostCredentials(None, environment).find("r.io", "a") is None
    for path in reversed(DEFAULT_PATHS):
        write(tmp_path / path, {"auths": {"r.io": auth(path)}})
        assert HostCredentials(None, environment).find("r.io", "a") == Credentials("me", path)
    assert HostCredentials(write(tmp_path / "own.json", {"auths": {"r.io": auth("own")}}), environment).find("r.io", "a") == Credentials("me", "own")
    assert HostCredentials(write(tmp_path / "own.json", {}), environment).find("r.io", "a") is None


def test_without_a_session_folder_podmans_file_below_run_is_read() -> None:
    places = default_auth_files({"HOME": "/home/me"})
    assert places == [f"/run/containers/{os.geteuid()}/auth.json", "/home/me/.config/containers/auth.json", "/home/me/.docker/config.json"]


def test_a_file_without_the_registry_is_skipped(tmp_path: Path) -> None:
    write(tmp_path / ".config/containers/auth.json", {"auths": {"other.io": auth("x")}})
    write(tmp_path / ".docker/config.json", {"auths": {"r.io": auth("y")}})
    assert HostCredentials(None, {"HOME": str(tmp_path)}).find("r.io", "a") == Credentials("me", "y")


def test_an_empty_path_names_no_file(tmp_path: Path) -> None:
    assert HostCredentials("", {"HOME": str(tmp_path)}).find("r.io", "a") is None


def test_a_missing_auth_file_is_an_invalid_option(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path / "file" / "x"):
        (tmp_path / "file").touch()
        with pytest.raises(InvalidOption, match="doesn't exist"):
            HostCredentials(str(path), {}).find("r.io", "a")


def test_an_auth_file_that_is_a_folder_is_reported_with_the_systems_message(tmp_path: Path) -> None:
    with pytest.raises(InputOutputError, match="Is a directory"):
        HostCredentials(str(tmp_path), {}).find("r.io", "a")


@pytest.mark.parametrize(
    ("keys", "password"),
    [
        (["r.io/a/b", "r.io/a", "r.io", "https://r.io"], "r.io/a/b"),
        (["r.io/a", "r.io", "https://r.io"], "r.io/a"),
        (["r.io", "https://r.io", "https://r.io/v2/"], "r.io"),
        (["https://r.io"], "https://r.io"),
        (["https://r.io/"], "https://r.io/"),
        (["https://r.io/v1/"], "https://r.io/v1/"),
        (["http://r.io"], "http://r.io"),
        (["http://r.io/"], "http://r.io/"),
        (["http://r.io/v1/"], "http://r.io/v1/"),
        (["https://r.io/other/path"], "https://r.io/other/path"),
        (["https://r.io/other/path", "r.io"], "r.io"),
        (["https://r.io/v1/", "https://r.io/other/path"], "https://r.io/v1/"),
        # A prefix that ends within a path component doesn't match.
        (
            [
                "r.io/a/b/c",
                "r.io/ab",
                "r.i",
                "r.io.evil.com",
                "r.io:5000",
                "R.io",
                "https://r.io.evil.com",
                "r.io/",
                "a/b",
                "*",
                "",
                "https://r.io:443",
                "https://r.io:443/v1/",
                "https://r.io.evil.com/r.io/",
                "https://r.io@evil.com/",
                "https://me@r.io/",
                "https://r.io?x=/",
                "https://r.io#/",
                "HTTPS://r.io/",
                "ftp://r.io/",
                "https:/r.io/",
                "//r.io/",
                "https:///r.io/",
            ],
            None,
        ),
    ],
)
def test_the_most_specific_key_counts(tmp_path: Path, keys: list[str], password: str | None) -> None:
    assert password_in(tmp_path, {"auths": {key: auth(key) for key in reversed(keys)}}) == password


def test_a_port_belongs_to_the_registry(tmp_path: Path) -> None:
    assert password_in(tmp_path, {"auths": {"r.io": auth("without")}}, "r.io:5000") is None
    assert password_in(tmp_path, {"auths": {"r.io:5000": auth("with")}}, "r.io:5000") == "with"


@pytest.mark.parametrize(
    "key",
    [
        "https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io", "docker.io/library", "docker.io/library/nginx",
        "https://docker.io/v1/", "http://index.docker.io/", "https://registry-1.docker.io/v2/",
    ],
)  # fmt: skip
def test_docker_hub_has_several_names(tmp_path: Path, key: str) -> None:
    document = {"auths": {key: auth("hub")}}
    assert password_in(tmp_path, document, "docker.io", "library/nginx") == "hub"
    assert password_in(tmp_path, document) is None


def test_a_name_and_a_password_without_auth_count(tmp_path: Path) -> None:
    entry = {"username": "me", "password": "plain"}
    found = HostCredentials(write(tmp_path / "auth.json", {"auths": {"r.io": entry}}), {}).find("r.io", "a")
    assert found == Credentials("me", "plain")
    assert password_in(tmp_path, {"auths": {"r.io": {**entry, **auth("encoded")}}}) == "encoded"
    assert password_in(tmp_path, {"auths": {"r.io": {**entry, "auth": ""}}}) == "plain"


@pytest.mark.parametrize(
    "entry", [{"username": "me"}, {"password": "plain"}, {"username": "", "password": "plain"}, {"username": "me", "password": ""}]
)
def test_a_name_without_a_password_or_a_password_without_a_name_is_ignored(tmp_path: Path, entry: dict[str, str]) -> None:
    assert password_in(tmp_path, {"auths": {"r.io": entry}}) is None


def test_an_identity_token_comes_before_a_name_and_a_password(tmp_path: Path) -> None:
    entry = {"username": "me", "password": "plain", "identitytoken": "id"}
    found = HostCredentials(write(tmp_path / "auth.json", {"auths": {"r.io": entry}}), {}).find("r.io", "a")
    assert found is not None
    assert found.secret == "id"


@pytest.mark.parametrize("helpers", [{"credHelpers": {"r.io": ""}}, {"credsStore": ""}, {"credHelpers": {"r.io": ""}, "credsStore": "absent-helper"}])
def test_an_empty_helper_name_means_no_helper(tmp_path: Path, helpers: dict[str, Any]) -> None:
    assert password_in(tmp_path, {"auths": {"r.io": auth("file")}, **helpers}) == "file"
    assert password_in(tmp_path, {"auths": {"r.io": {}}, **helpers}) is None


@pytest.mark.parametrize("password", ["a:b", "", "é", "p\nq", "x" * 5000])
def test_the_password_may_contain_colons(tmp_path: Path, password: str) -> None:
    assert password_in(tmp_path, {"auths": {"r.io": auth(password)}}) == password


def test_trailing_zero_bytes_of_some_tools_are_removed(tmp_path: Path) -> None:
    assert password_in(tmp_path, {"auths": {"r.io": auth("x\0\0")}}) == "x"


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b" ",
        b" \n\t\r\n",
        {},
        {"auths": None},
        {"auths": {}},
        {"auths": {"r.io": None}},
        {"auths": {"r.io": {}}},
        {"auths": {"r.io": {"auth": ""}}},
        {"x": 1},
    ],
)
def test_a_file_without_credentials_is_valid(tmp_path: Path, document: Any) -> None:
    assert password_in(tmp_path, document) is None


@pytest.mark.parametrize(
    "document",
    [
        b"[]", b"{", b"\xff", b'{"auths":{},"auths":{}}', b" " * (MAX_FILE + 1), {"auths": []}, {"auths": {"r.io": "secret"}},
        {"auths": {"r.io": {"auth": 1}}},
        {"auths": {"r.io": {"auth": "secret!"}}}, {"auths": {"r.io": {"auth": "secre"}}}, {"auths": {"r.io": {"auth": "/w=="}}},
        {"auths": {"r.io": {"auth": "c2VjcmV0"}}},
        {"auths": {"r.io": {"auth": "sécret"}}}, {"credHelpers": []}, {"credHelpers": {"r.io": 1}},
    ],
)  # fmt: skip
def test_a_malformed_file_is_refused_by_name_without_showing_a_secret(tmp_path: Path, document: Any) -> None:
    with pytest.raises(UnsupportedFormat, match=r"auth\.json") as caught:
        password_in(tmp_path, document)
    assert "cret" not in str(caught.value)
    assert "c2Vj" not in str(caught.value)


@pytest.mark.parametrize("entry", [{"identitytoken": "id"}, {"identitytoken": "id", **auth("")}, {"identitytoken": "id", "auth": ""}])
def test_an_identity_token_comes_before_a_password(tmp_path: Path, entry: Any) -> None:
    found = HostCredentials(write(tmp_path / "auth.json", {"auths": {"r.io": entry}}), {}).find("r.io", "a")
    assert found is not None
    assert found.identity_token == found.secret == "id"
    assert "id" not in repr(found).replace("identity", "")


def test_a_file_that_is_not_needed_is_not_read(tmp_path: Path) -> None:
    write(tmp_path / ".config/containers/auth.json", {"auths": {"r.io": auth("x")}})
    write(tmp_path / ".docker/config.json", b"{")
    assert HostCredentials(None, {"HOME": str(tmp_path)}).find("r.io", "a") == Credentials("me", "x")


def test_another_host_gets_no_client_certificate_and_no_header() -> None:
    """Settings for hosts that a registry redirects to. The key of a TLS connection authenticates it as a password would."""
    own = HostSettings(ca_path="/ca", client_cert="/cert", client_key="/key", headers=(("X-Key", "secret"),))
    assert own.for_other_hosts == HostSettings(ca_path="/ca")
