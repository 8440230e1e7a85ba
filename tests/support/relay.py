# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A proxy of an engine's socket that records requests, can break connections, and can listen on a TCP port with TLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import typing as t
from pathlib import Path

_PIECE = 64 * 1024


class Relay:
    """Pass bytes on to the socket UPSTREAM. `lines` are the first lines of all connections, which for HTTP are the requests.

    With a LIMIT, a connection that received more bytes is closed on both sides, as if the engine died. With AT_LIMIT, that
    function is called instead, and the connection stays open. BEFORE is called with each first line, before the engine
    receives it.
    """

    def __init__(
        self,
        upstream: Path,
        limit: int | None = None,
        before: t.Callable[[str], None] | None = None,
        at_limit: t.Callable[[], None] | None = None,
    ) -> None:
        self.lines: list[str] = []
        self._upstream = upstream
        self._limit = limit
        self._before = before
        self._at_limit = at_limit
        self._closing = threading.Event()

    @contextlib.contextmanager
    def on_socket(self, path: Path) -> t.Iterator[Relay]:
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
            listener.bind(str(path))
            with self._serving(listener):
                yield self

    @contextlib.contextmanager
    def on_port(self, context: ssl.SSLContext | None = None) -> t.Iterator[str]:
        """Listen on a TCP port, and yield the address `host:port`."""
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener, self._serving(listener, context):
            yield f"127.0.0.1:{listener.getsockname()[1]}"

    @contextlib.contextmanager
    def _serving(self, listener: socket.socket, context: ssl.SSLContext | None = None) -> t.Iterator[None]:
        listener.listen()
        listener.settimeout(0.05)
        thread = threading.Thread(target=self._accept, args=(listener, context), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._closing.set()
            thread.join(5)

    def _accept(self, listener: socket.socket, context: ssl.SSLContext | None) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                client, _address = listener.accept()
                threading.Thread(target=self._pass_on, args=(client, context), daemon=True).start()

    def _pass_on(self, client: socket.socket, context: ssl.SSLContext | None) -> None:
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            stack.callback(client.close)
            client.settimeout(60)
            if context is not None:
                client = stack.enter_context(context.wrap_socket(client, server_side=True))
            upstream = stack.enter_context(socket.socket(socket.AF_UNIX))
            upstream.connect(str(self._upstream))
            back = threading.Thread(target=_pump, args=(upstream, client), daemon=True)
            back.start()
            self._take(client, upstream)
            back.join(60)

    def _take(self, client: socket.socket, upstream: socket.socket) -> None:
        seen = 0
        while data := client.recv(_PIECE):
            if not seen:
                self.lines.append(data.partition(b"\r\n")[0].decode("latin-1"))
                if self._before is not None:
                    self._before(self.lines[-1])
            seen += len(data)
            is_at_limit = self._limit is not None and seen - len(data) <= self._limit < seen
            if is_at_limit and self._at_limit is not None:
                self._at_limit()
            elif is_at_limit:
                for side in (client, upstream):
                    side.shutdown(socket.SHUT_RDWR)
                return
            upstream.sendall(data)
        upstream.shutdown(socket.SHUT_WR)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_PIECE):
            target.sendall(data)
        target.shutdown(socket.SHUT_RDWR)
