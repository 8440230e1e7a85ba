# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Only registries that must be on this machine may be used without TLS if the task doesn't say so."""

from __future__ import annotations

import socket
import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.registry.config.settings import ClientSettings, HostSettings
from ansible_collections.longshore.images.plugins.module_utils.registry.registries import Registries
from tests.support.images import make_image
from tests.support.programmable.access import AnonymousAccess
from tests.support.programmable.distribution import Distribution
from tests.support.programmable.server import Server

IMAGE = make_image()


@pytest.fixture
def server() -> t.Iterator[Server]:
    distribution = Distribution(AnonymousAccess())
    distribution.put(IMAGE, "app", "1")
    with Server(distribution) as server:
        yield server


@pytest.fixture
def _names_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolve every name below `.localhost` and `.test` to this machine."""
    look_up = socket.getaddrinfo

    def here(host: t.Any, *arguments: t.Any, **options: t.Any) -> t.Any:
        is_ours = isinstance(host, str) and host.rstrip(".").lower().endswith((".localhost", ".test"))
        return look_up("127.0.0.1" if is_ours else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", here)


def scheme(host: str, plain_http: bool | None = None) -> str:
    registries = Registries(ClientSettings(HostSettings(plain_http=plain_http), retries=1))
    return registries.endpoint(host).url.partition(":")[0]


@pytest.mark.usefixtures("_names_of_this_machine")
@pytest.mark.parametrize("name", ["registry.localhost", "a.b.localhost", "Registry.Localhost"])
def test_a_name_below_localhost_may_speak_plain_http(server: Server, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for variable in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:1")
    reference = Reference.parse(f"{name}:{server.host.rpartition(':')[2]}/app:1")
    registries = Registries(ClientSettings(retries=1))
    assert registries.repository(reference).fetch_manifest(reference).digest == IMAGE.root.digest
    registries.client.close()


@pytest.mark.usefixtures("_names_of_this_machine")
@pytest.mark.parametrize("name", ["registry.test", "localhost.test", "xlocalhost.test"])
def test_any_other_name_always_needs_tls(server: Server, name: str) -> None:
    assert scheme(f"{name}:{server.host.rpartition(':')[2]}") == "https"


@pytest.mark.usefixtures("_names_of_this_machine")
def test_tls_is_used_if_the_task_asks_for_it(server: Server) -> None:
    assert scheme(f"registry.localhost:{server.host.rpartition(':')[2]}", plain_http=False) == "https"


def test_a_name_below_localhost_that_resolves_to_another_machine_needs_tls(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    class Elsewhere(socket.socket):
        def getpeername(self) -> tuple[str, int]:
            return "192.0.2.1", 80

    def connected(address: t.Any, timeout: float) -> socket.socket:
        return Elsewhere(fileno=real(("127.0.0.1", address[1]), timeout).detach())

    real = socket.create_connection
    monkeypatch.setattr(socket, "create_connection", connected)
    assert scheme(f"registry.localhost:{server.host.rpartition(':')[2]}") == "https"
