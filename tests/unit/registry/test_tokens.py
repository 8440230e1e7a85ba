# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which token servers are accepted, and which scopes are requested."""

from __future__ import annotations

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import Denied, LongshoreError, RegistryError
from ansible_collections.longshore.images.plugins.module_utils.registry.auth.challenge import Challenge
from ansible_collections.longshore.images.plugins.module_utils.registry.auth.tokens import find_token_server, is_internal, merge_scopes
from ansible_collections.longshore.images.plugins.module_utils.registry.config.settings import ClientSettings, HostSettings
from ansible_collections.longshore.images.plugins.module_utils.registry.http.client import HttpClient

CLIENT = HttpClient(ClientSettings())


def accepted(realm: str, registry: str, *token_hosts: str) -> type[LongshoreError] | None:
    """Return None if the realm is accepted, else the class of the error."""
    try:
        find_token_server(Challenge("bearer", {"realm": realm}), registry, CLIENT, HostSettings(token_hosts=frozenset(token_hosts)), "image")
    except LongshoreError as error:
        return type(error)
    return None


@pytest.mark.parametrize(
    ("realm", "registry", "refusal"),
    [
        ("https://auth.docker.io/token", "https://registry-1.docker.io", None),
        ("https://8.8.8.8/token", "https://r.io", None),
        ("http://auth.r.io/token", "http://r.io", None),
        ("https://auth.r.io/token", "http://r.io", None),
        ("http://auth.r.io/token", "https://r.io", Denied),
        ("http://r.io/token", "https://r.io", Denied),
        ("https://127.0.0.1/token", "https://r.io", Denied),
        ("https://localhost/token", "https://r.io", Denied),
        ("https://localhost./token", "https://r.io", Denied),
        ("https://a.localhost/token", "https://r.io", Denied),
        ("http://169.254.169.254/latest", "http://r.io", Denied),
        ("https://10.1.2.3/token", "https://r.io", Denied),
        ("https://[::1]/token", "https://r.io", Denied),
        ("https://[::ffff:10.0.0.1]/token", "https://r.io", Denied),
        ("https://[fe80::1%25eth0]/token", "https://r.io", Denied),
        # Systems read all of these as 127.0.0.1.
        ("https://127.1/token", "https://r.io", Denied),
        ("https://2130706433/token", "https://r.io", Denied),
        ("https://0x7f.0.0.1/token", "https://r.io", Denied),
        ("https://0.0.0.0/token", "https://r.io", Denied),
        # Names of this host, and spellings that libraries decode.
        ("https://localhost.localdomain/token", "https://r.io", Denied),
        ("https://localhost4/token", "https://r.io", Denied),
        ("https://ip6-localhost/token", "https://r.io", Denied),
        ("https://ip6-loopback/token", "https://r.io", Denied),
        ("https://%6cocalhost/token", "https://r.io", Denied),
        ("https://127.0.0.%31/token", "https://r.io", Denied),
        ("https://¹27.0.0.1/token", "https://r.io", Denied),
        ("https://r%2eio/token", "https://r.io", Denied),
        ("https://127.0.0.1\\.r.io/token", "https://r.io", Denied),
        ("https://bücher.example/token", "https://r.io", Denied),
        ("https://auth.r.io/%6cocalhost?x=é", "https://r.io", None),
        # Shared addresses of providers, where some clouds serve secrets; link-local ones; and IPv4 addresses embedded in IPv6 ones.
        ("https://100.100.100.200/token", "https://r.io", Denied),
        ("https://[fd00:ec2::254]/token", "https://r.io", Denied),
        ("https://224.0.0.1/token", "https://r.io", Denied),
        ("https://[::127.0.0.1]/token", "https://r.io", Denied),
        ("https://[64:ff9b::a9fe:a9fe]/token", "https://r.io", Denied),
        ("https://[2002:a00:1::1]/token", "https://r.io", Denied),
        ("https://[64:ff9b:1::808:808]/token", "https://r.io", Denied),
        ("https://[64:ff9b::808:808]/token", "https://r.io", None),
        ("https://[::ffff:8.8.8.8]/token", "https://r.io", None),
        ("https://[2606:4700::1111]/token", "https://r.io", None),
        # The registry's own host and port may be at any address; another port may not.
        ("https://10.1.2.3:5000/token", "https://10.1.2.3:5000", None),
        ("http://127.0.0.1:5000/token", "http://127.0.0.1:5000", None),
        ("http://127.0.0.1:5001/token", "http://127.0.0.1:5000", Denied),
        ("https://10.1.2.3/token", "https://10.1.2.3:443", None),
        ("", "https://r.io", RegistryError),
        ("/token", "https://r.io", RegistryError),
        ("ftp://auth.r.io/", "https://r.io", RegistryError),
        ("https://", "https://r.io", RegistryError),
        ("https://r.io:x/token", "https://r.io", RegistryError),
        ("https://user:secret@auth.r.io/token", "https://r.io", RegistryError),
        ("https://auth.r.io/token#part", "https://r.io", RegistryError),
    ],
)
def test_a_registry_can_not_send_us_to_a_token_server_in_this_network(realm: str, registry: str, refusal: type[LongshoreError] | None) -> None:
    assert accepted(realm, registry) is refusal


@pytest.mark.parametrize(
    ("listed", "is_accepted"),
    [
        ("10.1.2.3:443", True), ("10.1.2.3", True), ("10.1.2.3:8443", False), ("10.1.2.30:443", False), ("10.1.2", False), ("", False), ("10.1.2.3:x", False),
    ],
)  # fmt: skip
def test_token_hosts_are_trusted_by_host_and_port(listed: str, is_accepted: bool) -> None:
    assert (accepted("https://10.1.2.3/token", "https://r.io", listed) is None) == is_accepted


def test_token_hosts_do_not_allow_http_after_https() -> None:
    assert accepted("http://10.1.2.3:443/token", "https://r.io", "10.1.2.3:443") is Denied


@pytest.mark.parametrize("host", ["r.io", "8.8.8.8", "10.r.io", "localhost.r.io", "1.2.3.4.5", "2001:4860:4860::8888", "é", ""])
def test_public_addresses_and_names_are_not_internal(host: str) -> None:
    assert not is_internal(host)


@pytest.mark.parametrize(
    ("scopes", "one"),
    [
        ([], ()),
        (["repository:a:pull"], ("repository:a:pull",)),
        (["repository:a:pull", "repository:a:push,pull"], ("repository:a:pull,push",)),
        (["repository:b:pull", "repository:a/c:push"], ("repository:a/c:push", "repository:b:pull")),
        (["repository:r.io:5000/a:pull"], ("repository:r.io:5000/a:pull",)),
        (["registry:catalog:*", "nonsense"], ("nonsense", "registry:catalog:*")),
        (["everything", "repository:a:push", "everything", "repository:a:pull"], ("everything", "repository:a:pull,push")),
    ],
)
def test_scopes_of_one_resource_are_merged(scopes: list[str], one: tuple[str, ...]) -> None:
    assert merge_scopes(scopes) == one
    assert merge_scopes([*one, *scopes]) == one
