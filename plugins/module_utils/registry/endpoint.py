# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The connection to one host of a registry: with or without TLS, and with the authorization for each repository."""

from __future__ import annotations

import dataclasses
import socket
import ssl
import threading
import typing as t

from ..errors import Denied, LongshoreError
from ..limits import CONNECT_TIMEOUT, MAX_ERROR_BODY
from .config.mirrors import Route
from .config.settings import Credentials
from .http.client import HttpClient
from .http.connections import NOT_TLS_REASONS
from .http.errors import error_from_response
from .http.messages import VERSION_CHECK, Request, Response
from .http.proxy import is_loopback
from .http.urls import url_origin

if t.TYPE_CHECKING:
    from .auth.login import Login

# One for a request without an authorization or with an expired one, and one if the new authorization covers too few scopes.
_MAX_AUTHORIZATIONS = 2


class Endpoint:
    """One host that serves a registry's images. All repositories of a run share it; each has one login. `is_down` is set if the host didn't respond.

    `lacks_referrers_api` is set if the host has no API that lists referrers, so that it is asked for only once.
    """

    def __init__(self, route: Route, client: HttpClient) -> None:
        self.route = route
        self.registry = route.registry
        self.client = client
        self.settings = route.settings
        self.is_down = False
        self.lacks_referrers_api = False
        self._lock = threading.Lock()
        self._url: str | None = None
        self._logins: dict[str, Login] = {}

    @property
    def url(self) -> str:
        """Scheme, host and port. For a loopback host the first use may open a connection to find out whether it speaks TLS."""
        with self._lock:
            if self._url is None:
                self._url = f"{self._scheme()}://{self.route.host}"
            return self._url

    def _scheme(self) -> str:
        if self.settings.plain_http is not None:
            return "http" if self.settings.plain_http else "https"
        host_name, port = _split_host(self.route.host)
        any_host = self.settings.detect_plain_http
        if not any_host and not is_loopback(host_name):
            return "https"
        return "https" if _speaks_tls(host_name, port or 443, self.client.settings.timeout, any_host) else "http"

    def credentials(self, repository: str) -> Credentials | None:
        """Return the credentials of the task, else those of the host."""
        return self.settings.credentials or self.client.host_credentials(self.registry, self.route.remote_name(repository))

    def check_login(self, what: str) -> bool:
        """Return True if the host accepts the credentials of its settings, False if it answers without a login. Raises Denied if it refuses them."""
        self.send(Request("GET", VERSION_CHECK, what, limit=MAX_ERROR_BODY), "").close()
        return bool(self._logins)

    def send(self, request: Request, repository: str) -> Response:
        """Send REQUEST and authenticate if the registry asks for it.

        A URL that begins with a slash is a path at this endpoint. One that the registry sent may lead to another host; no credentials are sent there.
        """
        if request.url.startswith("/"):
            request = dataclasses.replace(request, url=self.url + self.route.translate_path(request.url, repository))
        if url_origin(request.url) != url_origin(self.url):
            return self.client.send(request, self.settings.for_other_hosts)
        login = self._logins.get(repository)
        authorization = login.get_authorization(request) if login is not None else None
        for attempt in range(_MAX_AUTHORIZATIONS + 1):
            header = authorization.header if authorization is not None else None
            response = self.client.send(dataclasses.replace(request, authorization=header, accepted=(*request.accepted, 401)), self.settings)
            if response.status != 401:
                return response
            if url_origin(response.url) != url_origin(self.url):
                response.close()
                raise Denied(f"{request.what}: another host than {self.registry} asks for credentials, which are not sent to it", status=401)
            refusal = error_from_response(response, request.method, request.what, MAX_ERROR_BODY, header)
            response.close()
            renewed = self._login(repository).renew(authorization, response, request) if attempt < _MAX_AUTHORIZATIONS else authorization
            if renewed is None or (authorization is not None and renewed.header == authorization.header):
                raise self._explain_refusal(refusal, repository)
            authorization = renewed
        raise AssertionError("unreachable: the last refusal is raised")

    def _login(self, repository: str) -> Login:
        """Return the login for a repository. The module is imported at the first challenge, so that a run without any doesn't load it."""
        from .auth.login import Login

        with self._lock:
            return self._logins.setdefault(repository, Login(self, repository))

    def _explain_refusal(self, refusal: LongshoreError, repository: str) -> LongshoreError:
        """Add advice: registries give the same response for a repository that doesn't exist and for one that the user may not see."""
        if self.credentials(repository) is None:
            refusal.message += "; it may not exist, or require a login: give username and password, or log in to an auth_file"
        return refusal


def _split_host(host: str) -> tuple[str, int | None]:
    host_name, colon, port = host.rpartition(":")
    if colon and port.isdigit():
        return host_name.strip("[]"), int(port)
    return host.strip("[]"), None


def _speaks_tls(host: str, port: int, timeout: float, any_host: bool) -> bool:
    """Return True if HOST answers a TLS handshake with TLS. Only a response that isn't TLS means False; other errors are left to the real request.

    Unless ANY_HOST is set, another machine must use TLS: a name server may resolve a name below `localhost` to it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        connection = socket.create_connection((host, port), timeout=min(CONNECT_TIMEOUT, timeout))
        with connection:
            if not any_host and not is_loopback(str(connection.getpeername()[0])):
                return True
            with context.wrap_socket(connection, server_hostname=host):
                return True
    except ssl.SSLError as error:
        return (error.reason or "") not in NOT_TLS_REASONS
    except (OSError, UnicodeError):  # UnicodeError: a label of the name is longer than names of hosts allow
        return True
