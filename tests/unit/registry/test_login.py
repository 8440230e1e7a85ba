# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The scopes that are requested for a token if a registry's challenge names an unusual scope or none, and checks of logins, which need none."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import Denied
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.registry.config.settings import ClientSettings, Credentials, HostSettings
from ansible_collections.longshore.images.plugins.module_utils.registry.registries import Registries
from ansible_collections.longshore.images.plugins.module_utils.registry.tags import list_repositories
from tests.support.images import make_image
from tests.support.programmable.access import IDENTITY, PASSWORD, USER, AnonymousAccess, TokenAccess, Tokens
from tests.support.programmable.distribution import Distribution
from tests.support.programmable.server import Answer, Request, Server


class OneScope(TokenAccess):
    """Names the same SCOPE in every challenge, or none. Any token allows everything."""

    scope: str | None = None

    def challenge(self, scope: str | None, error: str | None = None) -> str:
        return super().challenge(self.scope, error)

    def refuse(self, asked: Request, scope: str | None) -> Answer | None:
        return super().refuse(asked, None)


class TokenRegistry(t.NamedTuple):
    """A registry that requires tokens, and the scopes that were requested from its token server."""

    registries: Registries
    host: str
    access: OneScope
    scopes: list[list[str]]


@pytest.fixture
def token_registry() -> t.Iterator[TokenRegistry]:
    tokens, scopes = Tokens({USER: PASSWORD}), []

    def answer(asked: Request) -> Answer:
        scopes.append(asked.values("scope"))
        return tokens(asked)

    with Server(answer) as token_server:
        access = OneScope(tokens, f"{token_server.url}/token")
        distribution = Distribution(access)
        distribution.put(make_image(), "team/app", "1")
        with Server(distribution) as server:
            settings = HostSettings(plain_http=True, credentials=Credentials(USER, PASSWORD), token_hosts=frozenset([token_server.host]))
            registries = Registries(ClientSettings(settings, retries=1))
            yield TokenRegistry(registries, server.host, access, scopes)
            registries.client.close()


def test_the_catalog_scope_is_requested_if_the_challenge_names_none(token_registry: TokenRegistry) -> None:
    names = [reference.repository for reference in list_repositories(token_registry.registries.endpoint(token_registry.host))]
    assert names == ["team/app"]
    assert token_registry.scopes == [["registry:catalog:*"]]


def test_the_repositorys_scope_is_requested_if_the_challenge_names_none(token_registry: TokenRegistry) -> None:
    assert token_registry.registries.repository(Reference.parse(f"{token_registry.host}/team/app:1")).fetch_manifest(
        Reference.parse(f"{token_registry.host}/team/app:1")
    )
    assert token_registry.scopes == [["repository:team/app:pull"]]


@pytest.mark.parametrize(
    ("scope", "requested"),
    [
        ("everything", ["everything"]),
        ("everything repository:team/app:pull", ["everything", "repository:team/app:pull"]),
        ("aws repository:team/app:pull,push", ["aws", "repository:team/app:pull,push"]),
    ],
)
def test_a_scope_without_a_colon_is_requested_unchanged(token_registry: TokenRegistry, scope: str, requested: list[str]) -> None:
    token_registry.access.scope = scope
    reference = Reference.parse(f"{token_registry.host}/team/app:1")
    assert token_registry.registries.repository(reference).fetch_manifest(reference)
    assert token_registry.scopes == [requested]


@pytest.mark.parametrize("credentials", [Credentials(USER, PASSWORD), Credentials("", "", IDENTITY)])
def test_checking_a_login_requests_a_token_without_permissions(token_registry: TokenRegistry, credentials: Credentials) -> None:
    assert token_registry.registries.accepts_login(token_registry.host, credentials)
    assert token_registry.scopes == [[]]


@pytest.mark.parametrize("credentials", [Credentials(USER, "wrong"), Credentials("", "", "wrong")])
def test_a_login_that_the_token_server_refuses_is_denied(token_registry: TokenRegistry, credentials: Credentials) -> None:
    with pytest.raises(Denied, match=f"the login at {token_registry.host}"):
        token_registry.registries.accepts_login(token_registry.host, credentials)


def test_a_registry_without_logins_can_not_check_one() -> None:
    with Server(Distribution(AnonymousAccess())) as server:
        registries = Registries(ClientSettings(HostSettings(plain_http=True)))
        assert not registries.accepts_login(server.host, Credentials(USER, PASSWORD))
        registries.client.close()
