# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Recognising loopback and link-local hosts, and URLs whose host all libraries parse in the same way."""

from __future__ import annotations

import contextlib

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import RegistryError
from ansible_collections.longshore.images.plugins.module_utils.registry.auth.tokens import is_internal
from ansible_collections.longshore.images.plugins.module_utils.registry.http.urls import (
    ForbiddenAddress,
    has_plain_host,
    local_address_kind,
    refuse_local_address,
    resolve_redirect,
)


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LOCALHOST", "localhost.", "a.localhost", "localhost.localdomain", "localhost4", "localhost4.localdomain4", "localhost6",
        "localhost6.localdomain6", "ip6-localhost", "ip6-loopback", "127.0.0.1", "127.0.0.1.", "127.255.255.254", "127.1", "2130706433", "0x7f.1",
        "0177.0.0.1", "0.0.0.0", "0", "::1", "[::1]", "::", "::ffff:127.0.0.1", "::ffff:0.0.0.0", "::ffff:0:127.0.0.1", "::127.0.0.1",
        "64:ff9b::127.0.0.1", "64:ff9b:1::127.0.0.1", "64:ff9b:1:ffff::7f00:1", "2002:7f00:1::",
    ],
)  # fmt: skip
def test_a_host_is_loopback_in_every_spelling(host: str) -> None:
    assert local_address_kind(host) == "loopback"
    assert is_internal(host)


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254", "169.254.0.1", "169.254.43518", "2852039166", "fe80::1", "fe80::1%eth0", "febf::1", "::ffff:169.254.169.254",
        "::169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::1", "fd00:ec2::254", "100.100.100.200",
    ],
)  # fmt: skip
def test_a_host_is_link_local_in_every_spelling(host: str) -> None:
    assert local_address_kind(host) == "link-local"
    assert is_internal(host)


@pytest.mark.parametrize(
    "host",
    ["10.0.0.1", "172.16.0.1", "192.168.1.1", "fd00::1", "100.64.0.1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "64:ff9b:1::808:808"],
)
def test_private_addresses_are_internal_but_neither_loopback_nor_link_local(host: str) -> None:
    assert local_address_kind(host) is None
    assert is_internal(host)


@pytest.mark.parametrize(
    "host", ["", "r.io", "localhost.r.io", "localhost5", "8.8.8.8", "1.2.3.4.5", "2606:4700::1111", "64:ff9b::808:808", "64:ff9b:2::1"]
)
def test_other_hosts_are_neither_loopback_nor_link_local(host: str) -> None:
    assert local_address_kind(host) is None
    assert not is_internal(host)


@pytest.mark.parametrize(
    "host", ["r.io", "R.io:5000", "r_o.io", "10.0.0.1", "[fd00::1]", "[fd00::1]:5000", "xn--bcher-kva.example", "localhost", "a..b"]
)
def test_a_plain_host_is_the_one_that_is_connected_to(host: str) -> None:
    assert has_plain_host(f"https://{host}/token?x=%6c")


@pytest.mark.parametrize(
    "host",
    [
        "%6cocalhost", "127.0.0.%31", "r.io%2f.evil.test", "[fe80::1%25eth0]", "¹27.0.0.1", "\uff1127.0.0.1", "lºcalhost", "bücher.example",
        "127.0.0.1\\.evil.test",
        "evil.test\\@127.0.0.1", "r.io ", " r.io", "r .io", "u:p@r.io", "*", "*.r.io", "[::1", "r.io:x", "r.io:99999", "", "[r.io]",
    ],
)  # fmt: skip
def test_a_host_that_libraries_parse_differently_is_not_plain(host: str) -> None:
    assert not has_plain_host(f"https://{host}/token")


@pytest.mark.parametrize("location", ["http://%6cocalhost/", "http://¹27.0.0.1/", "//127.0.0.%31/x", "http://127.0.0.1\\.evil.test/", "http://[::1"])
def test_no_redirect_leads_to_a_host_that_is_not_plain(location: str) -> None:
    with pytest.raises(RegistryError, match=r"% or letters that are not ASCII|invalid address"):
        resolve_redirect("http://r.io/v2/", location, "r.io redirects")


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/\\evil.test/x", "http://r.io/\\evil.test/x"), ("x?y=%6c", "http://r.io/v2/x?y=%6c"), ("//s.io/%6c?é", "http://s.io/%6c?é"),
        ("http://10.0.0.1:9000/a b", "http://10.0.0.1:9000/a b"), ("?_state=x", "http://r.io/v2/?_state=x"),
    ],
)  # fmt: skip
def test_paths_and_queries_are_kept_unchanged(location: str, target: str) -> None:
    assert resolve_redirect("http://r.io/v2/", location, "r.io redirects") == target


@pytest.mark.parametrize(
    ("kind", "allowed", "refused"),
    [
        ("loopback", frozenset(), True), ("link-local", frozenset(), True), ("loopback", frozenset(["link-local"]), True), (None, frozenset(), False),
        ("link-local", frozenset(["loopback"]), True), ("loopback", frozenset(["loopback"]), False), ("link-local", None, False),
    ],
)  # fmt: skip
def test_a_local_address_is_refused_unless_the_response_came_from_the_same_kind(
    kind: str | None, allowed: frozenset[str] | None, refused: bool
) -> None:
    with pytest.raises(ForbiddenAddress, match=f"http://there:1, a {kind} address") if refused else contextlib.nullcontext():
        refuse_local_address("http://there:1/x?query", kind, allowed, "image")


def test_a_refusal_shows_neither_userinfo_nor_query() -> None:
    with pytest.raises(ForbiddenAddress) as caught:
        refuse_local_address("http://me:secret@there:1/x?secret", "loopback", frozenset(), "image")
    assert "secret" not in caught.value.message
