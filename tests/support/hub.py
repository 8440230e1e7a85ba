# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A replacement for docker.io: a server with its search, and a proxy that connects the host names of docker.io to servers of the tests.

The search answers `GET /v1/search?q=TERM&n=SIZE&page=NUMBER` as index.docker.io does: rows that contain the term, in pages with a total count. As on docker.io,
`/v2/` says that this is a registry, which some clients check first.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.server
import json
import select
import socket
import typing as t
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from .serving import add_tls, serving

PAGE_SIZE = 25
MAX_PAGE_SIZE = 100


def row(name: str, stars: int, official: bool = False, description: str | None = None) -> dict[str, t.Any]:
    """Return a repository as the search of docker.io lists it."""
    text = description if description is not None else f"The image {name}"
    return {"name": name, "description": text, "star_count": stars, "is_official": official, "is_automated": False, "is_trusted": False}


@dataclasses.dataclass
class Hub:
    """A search over ROWS. `asked` holds the requests; `answer` is a body to send instead of a correct one."""

    rows: list[dict[str, t.Any]]
    asked: list[str] = dataclasses.field(default_factory=list)
    authorizations: list[str | None] = dataclasses.field(default_factory=list)
    answer: bytes | None = None

    def page(self, query: t.Mapping[str, list[str]]) -> bytes:
        if self.answer is not None:
            return self.answer
        term = query["q"][0].removeprefix("library/")
        size = min(int(query.get("n", [str(PAGE_SIZE)])[0]), MAX_PAGE_SIZE)
        number = int(query.get("page", ["1"])[0])
        fitting = [found for found in self.rows if term in found["name"] or term in found["description"]]
        page = {
            "num_pages": -(-len(fitting) // size),
            "num_results": len(fitting),
            "results": fitting[(number - 1) * size : number * size],
            "page_size": size,
            "query": term,
            "page": number,
        }
        return json.dumps(page).encode()

    @contextlib.contextmanager
    def running(self, authority: Path) -> t.Iterator[int]:
        """Serve on a free port, with the certificate of an authority that `make_authority` made in a folder."""
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                hub.asked.append(self.path)
                hub.authorizations.append(self.headers.get("Authorization"))
                body = hub.page(parse_qs(parts.query)) if parts.path == "/v1/search" else b"{}"
                self.send_response(200 if parts.path in ("/v1/search", "/v2/") else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                """Print nothing: the requests are recorded."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        add_tls(server, authority)
        with serving(server) as port:
            yield port


@contextlib.contextmanager
def leading_proxy(ports: t.Mapping[str, int]) -> t.Iterator[str]:
    """Run an HTTP proxy on loopback that connects the hosts in PORTS to these ports and refuses all others. Yield its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_CONNECT(self) -> None:
            port = ports.get(self.path.rpartition(":")[0])
            if port is None:
                self.send_error(502)
                return
            with socket.create_connection(("127.0.0.1", port), 30) as upstream:
                self.send_response(200)
                self.end_headers()
                _exchange(self.connection, upstream)
            self.close_connection = True

        def log_message(self, *arguments: object) -> None:
            """Print nothing."""

    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        yield f"http://127.0.0.1:{port}"


def _exchange(left: socket.socket, right: socket.socket) -> None:
    """Copy bytes in both directions until one side closes."""
    others = {left: right, right: left}
    with contextlib.suppress(ConnectionError):
        while True:
            readable = select.select([left, right], [], [], 30)[0]
            if not readable:
                return
            for side in readable:
                data = side.recv(65536)
                if not data:
                    return
                others[side].sendall(data)
