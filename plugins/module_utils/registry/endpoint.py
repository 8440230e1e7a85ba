# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One registry as it is really reached: with or without TLS, under which address, and with which authorization."""

from __future__ import annotations

import dataclasses
import os
import socket
import ssl
import threading

from ..errors import Denied
from ..oci.reference import DOCKER_HUB
from .auth import authorization_for, parse_challenges
from .credentials import find_credentials
from .http import CONNECT_TIMEOUT, HttpClient, Request, Response, origin
from .proxy import is_loopback
from .settings import HostSettings

_HUB_HOST = "registry-1.docker.io"
# What OpenSSL calls an answer that isn't TLS at all; which of them comes depends on its version and on the answer's first bytes.
_NOT_TLS = (
    "WRONG_VERSION_NUMBER",
    "HTTP_REQUEST",
    "HTTPS_PROXY_REQUEST",
    "UNKNOWN_PROTOCOL",
    "PACKET_LENGTH_TOO_LONG",
    "RECORD_LAYER_FAILURE",
)


class Endpoint:
    """Where a registry's requests go. Shared by all repositories of a run; the authorization is found once for each."""

    def __init__(self, registry: str, client: HttpClient, settings: HostSettings) -> None:
        self.registry = registry
        self.client = client
        self.settings = settings
        self._lock = threading.Lock()
        self._url: str | None = None
        self._authorizations: dict[str, str] = {}

    @property
    def url(self) -> str:
        """Scheme, host and port. For a loopback host this may ask once whether it speaks TLS."""
        with self._lock:
            if self._url is None:
                host = _HUB_HOST if self.registry == DOCKER_HUB else self.registry
                self._url = f"{self._scheme(host)}://{host}"
            return self._url

    def _scheme(self, host: str) -> str:
        if self.settings.plain_http is not None:
            return "http" if self.settings.plain_http else "https"
        name, port = _split_host(host)
        return "http" if is_loopback(name) and not _speaks_tls(name, port or 443, self.client.settings.timeout) else "https"

    def send(self, request: Request, repository: str) -> Response:
        """Sends REQUEST and answers a demand for credentials once. Its URL begins with a slash; one that the registry gave may lead elsewhere, without them."""
        if request.url.startswith("/"):
            request = dataclasses.replace(request, url=self.url + request.url)
        if origin(request.url) != origin(self.url):
            return self.client.send(request, dataclasses.replace(self.settings, client_cert=None, client_key=None))
        known = self._authorizations.get(repository)
        asked = dataclasses.replace(request, authorization=known, accepted=request.accepted if known else (*request.accepted, 401))
        response = self.client.send(asked, self.settings)
        if response.status != 401:
            return response
        response.close()
        if origin(response.url) != origin(self.url):
            raise Denied(f"{request.what}: another host than {self.registry} asks for credentials, which are not given to it", status=401)
        authorization = self._authorize(response, repository, request.what)
        answer = self.client.send(dataclasses.replace(request, authorization=authorization), self.settings)
        self._authorizations[repository] = authorization
        return answer

    def _authorize(self, response: Response, repository: str, what: str) -> str:
        credentials = self.settings.credentials
        if credentials is None:
            credentials = find_credentials(self.registry, repository, self.client.settings.auth_file, os.environ)
            if credentials is not None:
                self.client.found_credentials.append(credentials)
        return authorization_for(parse_challenges(response.header_values("WWW-Authenticate")), credentials, what, self.registry)


def _split_host(host: str) -> tuple[str, int | None]:
    name, colon, port = host.rpartition(":")
    if colon and port.isdigit():
        return name.strip("[]"), int(port)
    return host.strip("[]"), None


def _speaks_tls(host: str, port: int, timeout: float) -> bool:
    """Whether HOST answers a TLS greeting with TLS. Only an answer that isn't TLS says no: silence and refused certificates are for the real request."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        connection = socket.create_connection((host, port), timeout=min(CONNECT_TIMEOUT, timeout))
        with connection, context.wrap_socket(connection, server_hostname=host):
            return True
    except ssl.SSLError as error:
        return (error.reason or "") not in _NOT_TLS
    except OSError:
        return True
