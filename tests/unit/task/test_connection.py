# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a task's options to settings, and how options are put together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidOption, LongshoreError
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.registry.config.settings import ClientSettings, Credentials, HostSettings
from ansible_collections.longshore.images.plugins.module_utils.task.arguments import ENGINE, PLATFORM, REGISTRY, STORE, Arguments, select_given
from ansible_collections.longshore.images.plugins.module_utils.task.registry_options import client_settings

HOST: dict[str, Any] = {
    "username": None, "password": None, "identity_token": None, "plain_http": None,
    "ca_path": None, "client_cert": None, "client_key": None, "validate_certs": True,
}  # fmt: skip
TASK: dict[str, Any] = {
    **HOST,
    "auth_file": None,
    "host_config": True,
    "proxy": None,
    "timeout": 60.0,
    "retries": 5,
    "concurrency": 4,
    "registries": [],
}
LOGIN = {"username": "me", "password": "secret"}


def settings(*names: str, **options: Any) -> ClientSettings:
    entries = [{**HOST, **entry} for entry in options.pop("registries", [])]
    return client_settings({**TASK, **options, "registries": entries}, [Reference.parse(name) for name in names])


def test_without_options_all_is_by_default() -> None:
    assert settings("nginx", "quay.io/x") == ClientSettings(host_config=True)
    assert {name: option.get("default") for name, option in REGISTRY.options.items() if name != "registries"} == {
        **{name: value for name, value in TASK.items() if name != "registries"}
    }


def test_credentials_go_to_the_one_registry_that_is_named() -> None:
    assert settings("nginx", "docker.io/a/b", "index.docker.io/c", **LOGIN).default.credentials == Credentials("me", "secret")


@pytest.mark.parametrize("options", [LOGIN, {"client_cert": __file__}])
def test_credentials_for_several_registries_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(InvalidOption, match=r"docker\.io, quay\.io") as caught:
        settings("nginx", "quay.io/x", **options)
    assert "secret" not in str(caught.value)


def test_a_registry_with_settings_of_its_own_does_not_count() -> None:
    found = settings("nginx", "quay.io/x", registries=[{"name": "quay.io", "username": "you", "password": "other"}], **LOGIN)
    assert found.for_host("quay.io").credentials == Credentials("you", "other")
    assert found.for_host("docker.io").credentials == Credentials("me", "secret")


def test_the_one_registry_that_is_named_has_the_settings_of_the_task_where_it_has_none_of_its_own(tmp_path: Path) -> None:
    authority, own = tmp_path / "ca.pem", tmp_path / "own.pem"
    authority.touch()
    own.touch()
    task: dict[str, Any] = {
        **LOGIN,
        "plain_http": False,
        "validate_certs": False,
        "ca_path": str(authority),
        "client_cert": __file__,
        "client_key": str(authority),
    }
    listed: dict[str, Any] = {"name": "docker.io", "token_hosts": ["10.0.0.7:8443"], "validate_certs": None}
    found = settings("nginx", registries=[listed], **task).for_host("docker.io")
    assert found == HostSettings(
        False, False, str(authority), __file__, str(authority), Credentials("me", "secret"), token_hosts=frozenset(["10.0.0.7:8443"])
    )
    listed = {
        **listed,
        "username": "you",
        "password": "other",
        "plain_http": True,
        "validate_certs": True,
        "ca_path": str(own),
        "client_cert": str(own),
    }
    found = settings("nginx", registries=[listed], **task).for_host("docker.io")
    assert found == HostSettings(True, True, str(own), str(own), None, Credentials("you", "other"), token_hosts=frozenset(["10.0.0.7:8443"]))


def test_no_registry_of_several_has_the_settings_of_the_task_beside_its_own() -> None:
    found = settings("nginx", "quay.io/x", registries=[{"name": "quay.io", "token_hosts": ["10.0.0.7:8443"]}], **LOGIN)
    assert found.for_host("quay.io").credentials is None
    assert found.for_host("docker.io").credentials == Credentials("me", "secret")


def test_credentials_are_not_for_a_registry_that_only_the_store_names() -> None:
    task = {**TASK, **LOGIN, "client_cert": __file__}
    named, stored = Reference.parse("r.io/a"), Reference.parse("evil.test/a")
    for named_by_task in ([], [named]):
        with pytest.raises(InvalidOption, match=r"only the store names evil\.test|name evil\.test, r\.io"):
            client_settings(task, [*named_by_task, stored], named_by_task)
    assert client_settings(TASK, [stored], []).credentials_for is None
    # Nor where another writer adds the name to the store after this check.
    found = client_settings(task, [named], [named])
    assert found.for_host("r.io") == found.default
    assert found.for_host("evil.test") == HostSettings()
    listed = client_settings({**task, "registries": [{**HOST, "name": "evil.test", **LOGIN}]}, [named, stored], [named])
    assert listed.for_host("evil.test").credentials == Credentials("me", "secret")


def test_settings_of_a_registry_are_for_exactly_this_host_and_port() -> None:
    found = settings("r.io/x", registries=[{"name": "r.io", **LOGIN}])
    for other in ("r.io:5000", "a.r.io", "r.io.evil.com"):
        assert found.for_host(other) == HostSettings()


@pytest.mark.parametrize(
    ("name", "registry"),
    [
        ("docker.io", "docker.io"), ("index.docker.io", "docker.io"), ("r.io:5000", "r.io:5000"), ("[::1]:5000", "[::1]:5000"),
        ("localhost", "localhost"), ("HOST", "HOST"),
    ],
)  # fmt: skip
def test_a_registry_is_named_as_references_name_it(name: str, registry: str) -> None:
    assert list(settings(registries=[{"name": name}]).hosts) == [registry]


@pytest.mark.parametrize(
    "name", ["quay", "", "a b", "https://r.io", "r.io/x", "r.io:port", "user@r.io", "r.io\n", "r.io:5000:1", "docker", "library", "r_o.io", "@", ":"]
)
def test_an_invalid_registry_is_refused_and_not_read_as_docker_hub(name: str) -> None:
    with pytest.raises(LongshoreError):
        settings(registries=[{"name": name, **LOGIN}])


@pytest.mark.parametrize("option", ["ca_path", "client_cert", "client_key"])
def test_a_missing_file_is_named_with_its_option(option: str, tmp_path: Path) -> None:
    path = str(tmp_path / "none.pem")
    with pytest.raises(InvalidOption, match=rf"{option} .*none\.pem of the task doesn't exist"):
        settings("nginx", **{option: path})
    with pytest.raises(InvalidOption, match=rf"{option} .*none\.pem of registries: r\.io"):
        settings("nginx", registries=[{"name": "r.io", option: path}])


def test_a_key_without_its_certificate_is_refused() -> None:
    with pytest.raises(InvalidOption, match="no client_cert"):
        settings("nginx", client_key=__file__)


@pytest.mark.parametrize(("proxy", "kept"), [(None, None), ("", None), ("http://p:1", "http://p:1"), ("https://p", "https://p")])
def test_a_proxy_is_an_address(proxy: str | None, kept: str | None) -> None:
    assert settings("nginx", proxy=proxy).proxy == kept


@pytest.mark.parametrize("proxy", ["p:3128", "socks5://p", "//p", "me:secret@p", "file:///x", "http://", "http:///x"])
def test_another_proxy_is_refused_without_being_shown(proxy: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        settings("nginx", proxy=proxy)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("option", ["timeout", "engine_timeout", "lock_timeout", "retries", "concurrency"])
@pytest.mark.parametrize("value", [-1, 10**10, float("nan"), float("inf"), float("-inf")])
def test_a_number_that_cannot_be_is_refused_by_name(option: str, value: float) -> None:
    given, faults = select_given((REGISTRY + ENGINE + STORE).options, {option: value})
    assert (given, len(faults)) == ({}, 1)
    assert faults[0].startswith(f"{option} is {value:g}; it has to be a number from ")


@pytest.mark.parametrize("retries", [0, 1])
def test_one_is_enough(retries: int) -> None:
    found = settings("nginx", timeout=1.0, retries=retries, concurrency=1)
    assert (found.timeout, found.retries, found.concurrency) == (1, 1, 1)


@pytest.mark.parametrize(
    ("host", "verify", "cert"),
    [
        (HostSettings(), True, None),
        (HostSettings(ca_path="/ca"), "/ca", None),
        (HostSettings(ca_path="/ca", validate_certs=False), False, None),
        (HostSettings(client_cert="/c"), True, "/c"),
        (HostSettings(client_cert="/c", client_key="/k"), True, ("/c", "/k")),
    ],
)
def test_tls_settings_are_passed_to_requests(host: HostSettings, verify: bool | str, cert: str | tuple[str, str] | None) -> None:
    assert (host.verify, host.cert) == (verify, cert)


def test_options_add_up_and_leave_their_parts_as_they_were() -> None:
    one = Arguments({"a": {"type": "str"}, "b": {"type": "str"}}, {"required_together": [("a", "b")]})
    other = Arguments({"b": {"type": "int"}, "c": {}}, {"required_together": [("b", "c")], "mutually_exclusive": [("a", "c")]})
    together = one + other
    assert together.options == {"a": {"type": "str"}, "b": {"type": "int"}, "c": {}}
    assert together.rules == {"required_together": [("a", "b"), ("b", "c")], "mutually_exclusive": [("a", "c")]}
    assert one.options["b"] == {"type": "str"}
    assert one.extended(d={}).options.keys() == {"a", "b", "d"}


def test_kwargs_are_copies_that_ansible_may_change() -> None:
    kwargs = (STORE + REGISTRY + PLATFORM).as_kwargs()
    assert kwargs["supports_check_mode"] is True
    assert kwargs["required_together"] == [("username", "password")]
    kwargs["argument_spec"]["store"]["type"] = "changed"
    assert STORE.options["store"]["type"] == "path"


def test_every_password_is_hidden_by_ansible() -> None:
    assert REGISTRY.options["password"]["no_log"] is True
    assert REGISTRY.options["registries"]["options"]["password"]["no_log"] is True
