# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HTTP API that Docker has, and Podman too: a small client on the standard library."""

from __future__ import annotations

import http.client
import socket
from urllib.parse import quote

from ..errors import EngineError, EngineRefused, UnsupportedFormat
from ..oci.document import Document
from ..oci.text import clean
from .address import Address, reporting
from .engine import Chunks
from .rows import MAX_LIST, understood

_MAX_ANSWER = 4 * 1024 * 1024


class _Connection(http.client.HTTPConnection):
    """HTTP over a socket that is open already."""

    def __init__(self, opened: socket.socket) -> None:
        super().__init__("engine")
        self.sock = opened


class Api:
    """One engine's API. Every request has a connection of its own; `timeout` is how many seconds may go by without a byte."""

    def __init__(self, address: Address, title: str, timeout: float) -> None:
        self.address = address
        self.title = title
        self.timeout = timeout

    @property
    def place(self) -> str:
        return self.address.text

    def header(self, path: str, name: str) -> str | None:
        """A header of the answer to a question without a body."""
        return self._ask("GET", path, _MAX_ANSWER)[1].get(name)

    def get(self, path: str) -> Document | None:
        """An object; None for what isn't there."""
        data, _headers = self._ask("GET", path, _MAX_ANSWER)
        return None if data is None else understood(self._what(path), lambda: Document.parse(data, self._what(path)))

    def get_list(self, path: str) -> list[Document]:
        """A list of objects, however many there are."""
        data, _headers = self._ask("GET", path, MAX_LIST)
        return understood(self._what(path), lambda: Document.parse_list(data or b"[]", self._what(path), MAX_LIST, None))

    def send(self, path: str, archive: Chunks, size: int) -> None:
        """Sends an archive. Raises EngineError for a refusal, in the status or in the answer, and for an engine that breaks off."""
        data, _headers = self._ask("POST", path, _MAX_ANSWER, archive, size)
        for line in (data or b"").splitlines():
            refusal = _refusal(line)
            if refusal is not None:
                raise EngineRefused(f"{self.title} at {self.place} refuses it: {refusal}")

    def remove_image(self, word: str) -> None:
        """Takes a name away, and an image with its last; it may be gone already. Raises EngineRefused."""
        self._ask("DELETE", f"/images/{quote(word, safe='/:@')}", MAX_LIST)

    def _what(self, path: str) -> str:
        return f"the answer of {self.title} at {self.place} to {path.partition('?')[0]}"

    def _ask(self, method: str, path: str, limit: int, body: Chunks = (), size: int = 0) -> tuple[bytes | None, http.client.HTTPMessage]:
        """The body of an answer, None for "not found", and its headers."""
        connection = _Connection(self.address.connect(self.title, self.timeout))
        try:
            with reporting(self.title, self.place):
                answer = self._answer(connection, method, path, body, size)
                data = answer.read(limit + 1)
        except http.client.HTTPException as error:
            raise EngineError(
                f"{self.title} at {self.place} broke off or speaks no HTTP ({clean(str(error) or type(error).__name__, 200)})"
            ) from error
        finally:
            connection.close()
        if len(data) > limit:
            raise EngineError(f"{self._what(path)} is longer than the {limit} bytes that are allowed")
        if answer.status == http.client.NOT_FOUND and method != "POST":
            return None, answer.headers
        if answer.status >= http.client.BAD_REQUEST:
            raise EngineRefused(f"{self.title} at {self.place} refuses it: {_refusal(data) or clean(answer.reason, 200)} (status {answer.status})")
        return data, answer.headers

    @staticmethod
    def _answer(connection: _Connection, method: str, path: str, body: Chunks, size: int) -> http.client.HTTPResponse:
        connection.putrequest(method, path, skip_accept_encoding=True)
        if method == "POST":
            connection.putheader("Content-Type", "application/x-tar")
            connection.putheader("Content-Length", str(size))
        connection.endheaders()
        try:
            for chunk in body:
                connection.send(chunk)
        except (BrokenPipeError, ConnectionResetError) as error:
            # It may have said why before it stopped listening.
            try:
                return connection.getresponse()
            except (OSError, http.client.HTTPException):
                raise error from None
        return connection.getresponse()


def _refusal(data: bytes) -> str | None:
    """What an answer says of an error, for people."""
    try:
        document = Document.parse(data, "an answer")
        told = document.text("error") or document.text("message")
    except UnsupportedFormat:
        return None
    return clean(told) if told else None
