# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a server in a thread for the duration of a test."""

from __future__ import annotations

import contextlib
import http.server
import socket
import ssl
import threading
import time
import typing as t
from pathlib import Path


def add_tls(server: http.server.HTTPServer, folder: Path, name: str = "server") -> None:
    """Let a server use TLS with the certificate NAME.pem and the key NAME.key in FOLDER.

    The handshake runs in the thread of its connection. A client that sends nothing must not stop the server.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)


@contextlib.contextmanager
def serving(server: http.server.ThreadingHTTPServer) -> t.Iterator[int]:
    """Run a server, and yield its port."""
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@contextlib.contextmanager
def serving_parts(parts: t.Iterable[bytes], every: float = 0) -> t.Iterator[int]:
    """Run a server that answers one connection with PARTS, one every EVERY seconds, and yield its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _address = server.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(65536)
                for part in parts:
                    connection.sendall(part)
                    time.sleep(every)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield int(server.getsockname()[1])
        thread.join(10)
