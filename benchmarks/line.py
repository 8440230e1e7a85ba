# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Simulate a line to a server, with a bandwidth and a round trip. A relay does it, because many kernels don't have `netem`."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import typing as t

# How many seconds of bytes may wait in front of the line before a sender has to wait.
_QUEUE = 0.02
# The bytes of the packet that ends a connection. Without any, it would arrive at the same time as the last bytes, and maybe before them.
_END = 40


class Line:
    """Pass bytes on to the server at UPSTREAM (host:port) and back. All connections share RATE bytes per second in each direction.

    Each direction delays by ROUND_TRIP / 2 seconds, and a new connection costs one round trip, as its handshake does. There is no packet loss and no
    slow start: a connection has the whole rate from its first byte.
    """

    def __init__(self, upstream: str, rate: float, round_trip: float) -> None:
        self.upstream = upstream
        self.rate = rate
        self.round_trip = round_trip
        self.host = ""

    @contextlib.contextmanager
    def running(self) -> t.Iterator[Line]:
        """Listen on a free port of loopback, which `host` names."""
        loop = asyncio.new_event_loop()
        up, down = _Direction(self, loop), _Direction(self, loop)
        listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{listener.getsockname()[1]}"
        loop.run_until_complete(loop.create_server(lambda: _Client(up, down), sock=listener))
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()
            listener.close()


class _Direction:
    """One direction of a line, which its connections share."""

    def __init__(self, line: Line, loop: asyncio.AbstractEventLoop) -> None:
        self.line = line
        self.loop = loop
        # When the last byte that was sent so far has left.
        self._free = 0.0

    def send(self, size: int, opened: float, arrive: t.Callable[..., object], *arguments: t.Any) -> float:
        """Call ARRIVE when SIZE bytes have arrived at the other end. None leaves before OPENED. Return when the sender may send more."""
        self._free = max(self.loop.time(), opened, self._free) + size / self.line.rate
        self.loop.call_at(self._free + self.line.round_trip / 2, arrive, *arguments)
        return self._free - _QUEUE


class _Side(asyncio.Protocol):
    """One end of a connection. It sends the bytes that it receives to the other end."""

    transport: asyncio.Transport
    other: asyncio.Transport

    def __init__(self, direction: _Direction, opened: float) -> None:
        self.direction = direction
        self.opened = opened

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = t.cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        resume = self.direction.send(len(data), self.opened, self._arrive, data)
        if resume > self.direction.loop.time():
            self.transport.pause_reading()
            self.direction.loop.call_at(resume, self.transport.resume_reading)

    def _arrive(self, data: bytes) -> None:
        # The receiver may have closed its end while the bytes were on their way.
        if not self.other.is_closing():
            self.other.write(data)

    def connection_lost(self, unused_error: Exception | None) -> None:
        self.direction.send(_END, self.opened, self.other.close)


class _Client(_Side):
    """The client's end, which opens the other one."""

    def __init__(self, up: _Direction, down: _Direction) -> None:
        super().__init__(up, up.loop.time() + up.line.round_trip)
        self.down = down

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.pause_reading()
        self.connecting = self.direction.loop.create_task(self._connect())

    async def _connect(self) -> None:
        host, _colon, port = self.direction.line.upstream.rpartition(":")
        server = _Side(self.down, self.opened)
        server.other = self.transport
        self.other, _protocol = await self.direction.loop.create_connection(lambda: server, host, int(port))
        self.transport.resume_reading()
