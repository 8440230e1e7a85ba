# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which proxy is used for a URL."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidOption
from ansible_collections.longshore.images.plugins.module_utils.registry.http.proxy import describe_proxy, is_loopback, proxy_for
from ansible_collections.longshore.images.plugins.module_utils.task.registry_options import _proxy as checked_proxy

PROXY = "http://proxy:3128"


def goes_through_proxy(url: str, no_proxy: str) -> bool:
    return proxy_for(url, None, {"https_proxy": PROXY, "http_proxy": PROXY, "no_proxy": no_proxy}) == PROXY


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({}, "https://r.io/", None),
        ({"https_proxy": "a"}, "https://r.io/", "a"),
        ({"HTTPS_PROXY": "A"}, "https://r.io/", "A"),
        ({"https_proxy": "a", "HTTPS_PROXY": "A"}, "https://r.io/", "a"),
        ({"https_proxy": "", "HTTPS_PROXY": "A"}, "https://r.io/", "A"),
        ({"http_proxy": "a"}, "https://r.io/", None),
        ({"http_proxy": "a"}, "http://r.io/", "a"),
        ({"HTTP_PROXY": "A"}, "http://r.io/", "A"),
        ({"HTTP_PROXY": "A", "REQUEST_METHOD": "GET"}, "http://r.io/", None),
        ({"http_proxy": "a", "REQUEST_METHOD": "GET"}, "http://r.io/", "a"),
        ({"HTTPS_PROXY": "A", "REQUEST_METHOD": "GET"}, "https://r.io/", "A"),
        ({"all_proxy": "a"}, "https://r.io/", "a"),
        ({"ALL_PROXY": "A"}, "http://r.io/", "A"),
        ({"all_proxy": "a", "https_proxy": "b"}, "https://r.io/", "b"),
        ({"all_proxy": "a", "NO_PROXY": "r.io"}, "https://r.io/", None),
        ({"all_proxy": "a", "no_proxy": "x.io", "NO_PROXY": "r.io"}, "https://r.io/", "a"),
    ],
)
def test_the_environment_names_a_proxy_by_scheme(environment: dict[str, str], url: str, proxy: str | None) -> None:
    assert proxy_for(url, None, environment) == proxy


@pytest.mark.parametrize("url", ["https://r.io/", "http://localhost:5000/", "https://127.0.0.1/"])
def test_a_proxy_of_the_task_is_always_used(url: str) -> None:
    assert proxy_for(url, "http://own", {"no_proxy": "*", "https_proxy": PROXY}) == "http://own"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:5000", "localhost.", "127.0.0.1", "127.1.2.3:80", "[::1]", "[::1]:5000", "[0:0::1]"])
def test_the_environments_proxy_is_never_used_for_this_machine(host: str) -> None:
    assert not goes_through_proxy(f"https://{host}/v2/", "")


@pytest.mark.parametrize("host", ["localhost.example.com", "128.0.0.1", "127.0.0.1.nip.io", "[::2]", "notlocalhost", "[::ffff:8.8.8.8]"])
def test_names_that_resemble_localhost_use_the_proxy(host: str) -> None:
    assert goes_through_proxy(f"https://{host}/v2/", "")


@pytest.mark.parametrize(
    ("host", "no_proxy"),
    [
        ("r.io", "r.io"), ("R.IO", "r.io"), ("r.io", "R.io"), ("r.io.", "r.io"), ("r.io:5000", "r.io"), ("a.r.io", "r.io"), ("a.b.r.io", ".r.io"),
        ("a.r.io", "*.r.io"),
        ("r.io", "x.io, r.io ,y.io"), ("r.io", ",,r.io"), ("r.io", "*"), ("r.io", "x, *"), ("r.io:5000", "r.io:5000"), ("r.io", "r.io:443"),
        ("10.1.2.3", "10.1.2.3"), ("10.1.2.3:80", "10.1.2.3"), ("10.1.2.3", "10.0.0.0/8"), ("10.1.2.3", "10.9.9.9/8"), ("10.1.2.3:80", "10.1.2.3:80"),
        ("[fd00::1]", "fd00::1"), ("[fd00::1]", "[fd00::1]"), ("[fd00::1]:80", "[fd00::1]:80"), ("[fd00:0::1]", "fd00::1"), ("[fd00::1]", "fd00::/8"),
    ],
)  # fmt: skip
def test_hosts_in_no_proxy_use_no_proxy(host: str, no_proxy: str) -> None:
    assert not goes_through_proxy(f"https://{host}/v2/", no_proxy)


@pytest.mark.parametrize(
    ("host", "no_proxy"),
    [
        ("r.io", ""), ("r.io", "io.r"), ("xr.io", "r.io"), ("xr.io", ".r.io"), ("xr.io", "*.r.io"), ("r.io.evil.com", "r.io"), ("r.io", "a.r.io"),
        ("r.io:5000", "r.io:5001"),
        ("r.io", "r.io:80"), ("r.io", "."), ("r.io", "*."), ("r.io", ":443"), ("r.io", "10.0.0.0/8"), ("r.io", "r.io/8"), ("10.1.2.3", "1.2.3"),
        ("11.1.2.3", "10.0.0.0/8"),
        ("10.1.2.3", "fd00::/8"), ("[fd00::1]", "10.0.0.0/8"), ("[fd00::1]", "fd00::2"), ("[fd00::1]:80", "[fd00::1]:81"),
        ("10.1.2.3", "10.0.0.0/99"), ("10.1.2.3", "/8"),
        ("r.io", "r.io:²"), ("r.io", "r.io:" + "1" * 5000),
    ],
)  # fmt: skip
def test_hosts_that_no_proxy_does_not_list_use_the_proxy(host: str, no_proxy: str) -> None:
    assert goes_through_proxy(f"https://{host}/v2/", no_proxy)


@given(st.text(max_size=30) | st.text(alphabet="*.,:/[]²0129abr io", max_size=30))
def test_no_value_of_no_proxy_causes_an_error(no_proxy: str) -> None:
    for host in ("r.io:5000", "10.1.2.3", "[fd00::1]:80"):
        assert goes_through_proxy(f"https://{host}/", no_proxy) in (True, False)


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("localhost", True), ("Localhost", True), ("127.0.0.1", True), ("::1", True), ("[::1]", True), ("r.io", False), ("", False),
        ("registry.localhost", True), ("A.B.LOCALHOST", True), ("localhost.", True), ("a.localhost.", True), ("localhost.r.io", False),
        ("mylocalhost", False), (".localhost", False), ("a.localhost.r.io", False), ("127.0.0.1.localhost", True),
    ],
)  # fmt: skip
def test_a_loopback_host_is_recognised_by_name_or_address(host: str, answer: bool) -> None:
    assert is_loopback(host) is answer


@pytest.mark.parametrize(
    ("proxy", "shown"),
    [
        ("http://proxy:3128", "http://proxy:3128"),
        ("proxy:3128", "http://proxy:3128"),
        ("https://me:secret@proxy/path?secret", "https://proxy"),
        ("http://me:secret/with#marks@proxy:3128", "http://proxy:3128"),
        ("me:secret@proxy:3128", "http://proxy:3128"),
        ("http://[::1", "http://[::1"),
    ],
)
def test_a_proxy_is_shown_without_userinfo(proxy: str, shown: str) -> None:
    assert describe_proxy(proxy) == shown


@pytest.mark.parametrize("character", ["/", "#", "?", "\\", " "])
def test_a_proxy_with_unquoted_userinfo_is_refused(character: str) -> None:
    with pytest.raises(InvalidOption, match="quoted") as caught:
        checked_proxy(f"http://me:secret{character}word@proxy:3128")
    assert "secret" not in caught.value.message
