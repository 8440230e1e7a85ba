# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bearer tokens from the token server that a registry names (distribution, Token Authentication Specification and OAuth2 Token Authentication)."""

from __future__ import annotations

import dataclasses
import functools
import re
import time
import typing as t
from urllib.parse import urlencode, urlsplit

from ...errors import Denied, ImageNotFound, LongshoreError, RegistryError, UnsupportedFormat
from ...limits import MAX_TOKEN_ANSWER
from ...oci.document import Document
from ..config.settings import Credentials, HostSettings
from ..http.client import HttpClient
from ..http.errors import redact_url
from ..http.messages import Body, Request, Response
from ..http.urls import LOCAL_NAT64, ForbiddenAddress, embedded_addresses, has_plain_host, is_local_name, parse_address, url_origin
from .challenge import Challenge, basic_authorization

# All clients of this protocol assume at least this lifetime: smaller values of servers are mistakes.
MIN_LIFETIME = 60
# Go's clients refuse a larger number too. One of hundreds of digits doesn't even fit into a float.
_MAX_LIFETIME = 2**63 - 1

_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_CLIENT_ID = "longshore"


@dataclasses.dataclass(frozen=True)
class Token:
    """A token for SCOPES; `expires_at` is a time of the monotonic clock."""

    value: str = dataclasses.field(repr=False)
    scopes: tuple[str, ...]
    expires_at: float


@dataclasses.dataclass(frozen=True)
class TokenServer:
    """The server that issues a registry's tokens. REALM and SERVICE come from the challenge, the settings are the registry's own.

    `local_peers` are the kinds of local addresses that the server may have, None for all. `check_redirect` raises RegistryError for an address that it must not
    redirect to.
    """

    realm: str
    service: str | None
    client: HttpClient
    settings: HostSettings
    local_peers: frozenset[str] | None
    check_redirect: t.Callable[[str], None]

    def fetch(self, scopes: tuple[str, ...], credentials: Credentials | None, what: str) -> Token:
        """Fetch a token for SCOPES, an anonymous one without CREDENTIALS. Raises Denied, RegistryError, RateLimited, Unreachable."""
        requested_at = time.monotonic()
        if credentials is not None and credentials.identity_token is not None:
            response = self._request_with_identity_token(scopes, credentials.identity_token, what)
            if response.status != 404:
                return self._read_token(response, scopes, requested_at, what)
            response.close()
        return self._read_token(self._request_with_password(scopes, credentials, what), scopes, requested_at, what)

    def _request_with_password(self, scopes: tuple[str, ...], credentials: Credentials | None, what: str) -> Response:
        query = self._query([("scope", scope) for scope in scopes])
        url = f"{self.realm}{'&' if urlsplit(self.realm).query else '?'}{query}" if query else self.realm
        return self._send(
            Request("GET", url, what, authorization=basic_authorization(credentials) if credentials is not None else None, limit=MAX_TOKEN_ANSWER)
        )

    def _request_with_identity_token(self, scopes: tuple[str, ...], identity_token: str, what: str) -> Response:
        form = [("grant_type", "refresh_token"), ("refresh_token", identity_token), ("client_id", _CLIENT_ID)]
        form += [("scope", " ".join(scopes))] if scopes else []
        data = self._query(form).encode("ascii")
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        body = functools.partial(Body, len(data), (data,))
        return self._send(
            Request("POST", self.realm, what, headers=headers, body=body, accepted=(200, 404), same_host_only=True, limit=MAX_TOKEN_ANSWER)
        )

    def _query(self, fields: list[tuple[str, str]]) -> str:
        return urlencode([("service", self.service), *fields] if self.service is not None else fields)

    def _send(self, request: Request) -> Response:
        checked = dataclasses.replace(request, local_peers=self.local_peers, check_redirect=self.check_redirect)
        try:
            return self.client.send(checked, self.settings)
        except ForbiddenAddress as error:
            raise Denied(f"{error.message}, or the token server is listed in token_hosts of the registry", status=401) from error
        except ImageNotFound as error:
            raise RegistryError(f"{request.what}: there are no tokens at {redact_url(self.realm)}", status=404) from error

    def _read_token(self, response: Response, scopes: tuple[str, ...], requested_at: float, what: str) -> Token:
        address = redact_url(self.realm)
        try:
            document = Document.parse(response.body(MAX_TOKEN_ANSWER), "the answer", MAX_TOKEN_ANSWER)
            value = document.text("token") or document.text("access_token")
            lifetime = document.number("expires_in") or 0
            if lifetime > _MAX_LIFETIME:
                raise UnsupportedFormat("its expires_in is no number of seconds")
        except UnsupportedFormat as error:
            raise RegistryError(f"{what}: {address} returned no token: {error}") from error
        if value is None or not _PRINTABLE.fullmatch(value):
            raise RegistryError(f"{what}: {address} returned {'no token' if not value else 'a token that is not printable ASCII'}")
        self.client.found_tokens.append(value)
        return Token(value, scopes, requested_at + max(lifetime, MIN_LIFETIME))


def find_token_server(
    challenge: Challenge, registry_url: str, client: HttpClient, settings: HostSettings, what: str, local_peers: frozenset[str] = frozenset()
) -> TokenServer:
    """Return the server of a Bearer challenge. LOCAL_PEERS are the kinds of local addresses that the challenge may lead to.

    Raises RegistryError if the realm is not a URL, and Denied if the registry must not send us to it: the response, which is sent to the registry as a token,
    could come from a service within this network.
    """
    realm = challenge.parameters.get("realm", "")
    try:
        scheme, host, port = url_origin(realm)
    except ValueError:
        scheme, host, port = "", None, None
    if scheme not in ("http", "https") or not host or "@" in urlsplit(realm).netloc or urlsplit(realm).fragment:
        raise RegistryError(f"{what}: the registry asks for a token without saying where to get one", status=401)
    check = functools.partial(_check_realm, registry_url=registry_url, token_hosts=settings.token_hosts, what=what)
    check(realm)
    is_registry_host = url_origin(registry_url)[1:] == (host, port)
    return TokenServer(
        realm=realm,
        service=challenge.parameters.get("service"),
        client=client,
        settings=settings if is_registry_host else dataclasses.replace(settings, headers=()),
        local_peers=None if _is_listed(host, port, scheme, settings.token_hosts) else local_peers,
        check_redirect=functools.partial(check, error_class=RegistryError),
    )


def _check_realm(realm: str, registry_url: str, token_hosts: t.Collection[str], what: str, error_class: type[LongshoreError] = Denied) -> None:
    """Raise ERROR_CLASS if tokens must not be requested at the URL REALM, which is the realm or the address that its server redirects to."""
    address = redact_url(realm)
    scheme, host, port = url_origin(realm)
    if not has_plain_host(realm):
        raise error_class(
            f"{what}: the registry sends us to {address} for a token, whose host contains % or letters that are not ASCII, or can't be parsed",
            status=401,
        )
    if scheme == "http" and urlsplit(registry_url).scheme == "https":
        raise error_class(f"{what}: the registry sends us from https to {address} for a token, which is refused", status=401)
    is_registry_host = url_origin(registry_url)[1:] == (host, port)
    if host is not None and not is_registry_host and is_internal(host) and not _is_listed(host, port, scheme, token_hosts):
        raise error_class(
            f"{what}: the registry sends us to {address} for a token, an address of this machine or of a private network; "
            f"list {host}:{port} in token_hosts of this registry if that is right",
            status=401,
        )


def is_internal(host: str) -> bool:
    """Return True if HOST is a name of this host, or an address that is not of the public internet, in any spelling that systems accept.

    No name is looked up.
    """
    if is_local_name(host.strip("[]")):
        return True
    address = parse_address(host)
    if address is None:
        return False
    # The administrator chooses the IPv4 network behind a NAT64 gateway with a local prefix (RFC 8215), so it may be a private one.
    if address.version == 6 and address in LOCAL_NAT64:
        return True
    return any(not one.is_global or one.is_multicast for one in embedded_addresses(address))


def _is_listed(host: str, port: int | None, scheme: str, token_hosts: t.Collection[str]) -> bool:
    for entry in token_hosts:
        try:
            _scheme, trusted, trusted_port = url_origin(f"{scheme}://{entry}")
        except ValueError:
            continue
        if (trusted, trusted_port) == (host, port):
            return True
    return False


def merge_scopes(scopes: t.Iterable[str]) -> tuple[str, ...]:
    """Return SCOPES (`TYPE:NAME:ACTION,ACTION`) with one scope for each resource that has all its actions, in a fixed order.

    A scope of another form is kept unchanged: some token servers define other scopes, and other clients pass them on too.
    """
    actions: dict[str, set[str]] = {}
    unchanged: set[str] = set()
    for scope in scopes:
        resource, colon, wanted = scope.rpartition(":")
        if colon:
            actions.setdefault(resource, set()).update(wanted.split(","))
        else:
            unchanged.add(scope)
    return (*sorted(unchanged), *(f"{resource}:{','.join(sorted(wanted))}" for resource, wanted in sorted(actions.items())))
