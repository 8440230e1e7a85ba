# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One way to a registry as it is really gone: with or without TLS, and with which authorization."""

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
from .http.errors import error_from_response
from .http.messages import Request, Response
from .http.proxy import is_loopback
from .http.urls import url_origin

if t.TYPE_CHECKING:
    from .auth.login import Login

# One for a request that brought none or one that ended, and one where what was got turns out to be too little.
_MAX_AUTHORIZATIONS = 2
# What OpenSSL calls an answer that isn't TLS at all; which of them comes depends on its version and on the answer's first bytes.
NOT_TLS = (
    "WRONG_VERSION_NUMBER",
    "HTTP_REQUEST",
    "HTTPS_PROXY_REQUEST",
    "UNKNOWN_PROTOCOL",
    "PACKET_LENGTH_TOO_LONG",
    "RECORD_LAYER_FAILURE",
)


class Endpoint:
    """One way to a registry. Shared by all repositories of a run; the authorization is found once for each. One that `is_down` gave no answer."""

    def __init__(self, route: Route, client: HttpClient) -> None:
        self.route = route
        self.registry = route.keeper
        self.client = client
        self.settings = route.settings
        self.is_down = False
        self._lock = threading.Lock()
        self._url: str | None = None
        self._logins: dict[str, Login] = {}

    @property
    def url(self) -> str:
        """Scheme, host and port. For a loopback host this may ask once whether it speaks TLS."""
        with self._lock:
            if self._url is None:
                self._url = f"{self._scheme()}://{self.route.host}"
            return self._url

    def _scheme(self) -> str:
        if self.settings.plain_http is not None:
            return "http" if self.settings.plain_http else "https"
        name, port = _split_host(self.route.host)
        anywhere = self.settings.may_be_plain
        if not anywhere and not is_loopback(name):
            return "https"
        return "https" if _speaks_tls(name, port or 443, self.client.settings.timeout, anywhere) else "http"

    def credentials(self, repository: str) -> Credentials | None:
        """Those of the task, else the host's own."""
        return self.settings.credentials or self.client.host_credentials(self.registry, self.route.renamed(repository))

    def send(self, request: Request, repository: str) -> Response:
        """Sends REQUEST and answers demands for credentials. Its URL begins with a slash; one that the registry gave may lead elsewhere, without them."""
        if request.url.startswith("/"):
            request = dataclasses.replace(request, url=self.url + self.route.path(request.url, repository))
        if url_origin(request.url) != url_origin(self.url):
            return self.client.send(request, self.settings.for_strangers)
        login = self._logins.get(repository)
        authorization = login.current(request) if login is not None else None
        for attempt in range(_MAX_AUTHORIZATIONS + 1):
            header = authorization.header if authorization is not None else None
            response = self.client.send(dataclasses.replace(request, authorization=header, accepted=(*request.accepted, 401)), self.settings)
            if response.status != 401:
                return response
            if url_origin(response.url) != url_origin(self.url):
                response.close()
                raise Denied(f"{request.what}: another host than {self.registry} asks for credentials, which are not given to it", status=401)
            refusal = error_from_response(response, request.method, request.what, MAX_ERROR_BODY, header)
            response.close()
            renewed = self._login(repository).renewed(authorization, response, request) if attempt < _MAX_AUTHORIZATIONS else authorization
            if renewed is None or (authorization is not None and renewed.header == authorization.header):
                raise self._refused(refusal, repository)
            authorization = renewed
        raise AssertionError("the last refusal was raised")

    def _login(self, repository: str) -> Login:
        """What answers the registry's demands for a repository; a run that meets none doesn't load it."""
        from .auth.login import Login

        with self._lock:
            return self._logins.setdefault(repository, Login(self, repository))

    def _refused(self, refusal: LongshoreError, repository: str) -> LongshoreError:
        """Registries say the same to those who may not see a repository and for one that doesn't exist."""
        if self.credentials(repository) is None:
            refusal.message += "; it may not exist there, or want a login: give username and password, or log in to an auth_file"
        return refusal


def _split_host(host: str) -> tuple[str, int | None]:
    name, colon, port = host.rpartition(":")
    if colon and port.isdigit():
        return name.strip("[]"), int(port)
    return host.strip("[]"), None


def _speaks_tls(host: str, port: int, timeout: float, anywhere: bool) -> bool:
    """Whether HOST answers a TLS greeting with TLS. Only an answer that isn't TLS says no: silence and refused certificates are for the real request.

    Unless it may be ANYWHERE, a host that turns out to be another machine has to: a name server may send a name below `localhost` to it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        connection = socket.create_connection((host, port), timeout=min(CONNECT_TIMEOUT, timeout))
        with connection:
            if not anywhere and not is_loopback(str(connection.getpeername()[0])):
                return True
            with context.wrap_socket(connection, server_hostname=host):
                return True
    except ssl.SSLError as error:
        return (error.reason or "") not in NOT_TLS
    except OSError:
        return True
