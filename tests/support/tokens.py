# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A token server for a real registry. It signs JSON Web Tokens that CNCF Distribution accepts (distribution, Token Authentication Specification)."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import subprocess
import time
import typing as t
import uuid
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlsplit

from .registry import needed
from .serving import add_tls, serving

ISSUER = "test tokens"
SERVICE = "test registry"


class TokenServer:
    """Issue tokens to `user`, by password or identity token, and to everybody for pulling from `public/*`. `requests` holds all requests."""

    def __init__(self, folder: Path, user: str, password: str, identity_token: str) -> None:
        """Read the files of the authority in FOLDER. Nothing is written there."""
        self.user, self.password, self.identity_token = user, password, identity_token
        self.requests: list[tuple[str, list[tuple[str, str]]]] = []
        self.tokens: list[str] = []
        self.life = 300
        self.has_post = True
        self._folder = folder
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        add_tls(self._server, folder)
        self.host = f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def config(self) -> dict[str, t.Any]:
        """Return the configuration of the registry for this token server."""
        realm = f"https://{self.host}/token"
        return {"token": {"realm": realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": str(self._folder / "server.pem")}}

    @contextlib.contextmanager
    def running(self) -> t.Iterator[TokenServer]:
        needed("openssl")
        with serving(self._server):
            yield self

    def answer(self, fields: t.Mapping[str, t.Sequence[str]], authorization: str | None) -> tuple[int, dict[str, t.Any]]:
        if "refresh_token" in fields:
            is_user, name = fields["refresh_token"] == [self.identity_token], "access_token"
        else:
            expected = "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            is_user, name = authorization == expected, "token"
        if not is_user and (authorization is not None or "refresh_token" in fields):
            return 401, {"errors": [{"code": "UNAUTHORIZED", "message": "who are you?"}]}
        scopes = [scope for text in fields.get("scope", []) for scope in text.split()]
        token = self._signed([self._access(scope, is_user) for scope in scopes])
        self.tokens.append(token)
        return 200, {name: token, "expires_in": 300}

    def _access(self, scope: str, is_user: bool) -> dict[str, t.Any]:
        kind, _colon, rest = scope.partition(":")
        name, _colon, actions = rest.rpartition(":")
        allowed = actions.split(",") if is_user else ["pull"] if name.startswith("public/") else []
        return {"type": kind, "name": name, "actions": allowed}

    def _signed(self, access: list[dict[str, t.Any]]) -> str:
        now = int(time.time())
        certificate = (self._folder / "server.pem").read_text()
        der = "".join(certificate.split("-----")[2].split())
        header = {"typ": "JWT", "alg": "RS256", "x5c": [der]}
        times = {"exp": now + self.life, "nbf": now - 10, "iat": now}
        claims = {"iss": ISSUER, "sub": self.user, "aud": SERVICE, **times, "jti": uuid.uuid4().hex, "access": access}
        signed = b".".join(_encoded(json.dumps(part).encode()) for part in (header, claims))
        command = ["openssl", "dgst", "-sha256", "-sign", str(self._folder / "server.key")]
        signature = subprocess.run(command, input=signed, check=True, capture_output=True).stdout
        return (signed + b"." + _encoded(signature)).decode("ascii")


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _handler(server: TokenServer) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(urlsplit(self.path).query)

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode("ascii"))

        def _answer(self, query: str) -> None:
            server.requests.append((self.command, parse_qsl(query)))
            status, document = (
                (404, {}) if self.command == "POST" and not server.has_post else server.answer(parse_qs(query), self.headers["Authorization"])
            )
            data = json.dumps(document).encode()
            self.send_response_only(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments: object) -> None:
            """Print nothing: the requests are recorded."""

    return Handler
