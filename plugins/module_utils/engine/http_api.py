# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small client, on the standard library, for the HTTP API of Docker, which Podman also has."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import typing as t
from urllib.parse import quote

from ..errors import EngineError, EngineRefused, UnsupportedFormat
from ..oci.document import Document
from ..oci.text import sanitise
from .address import Address, report_connection_errors
from .answers import MAX_LIST, parse_answer
from .exchange import Answer, AnswerTooLong, Exchange
from .interfaces import Chunks, EngineLogin

_MAX_ANSWER = 4 * 1024 * 1024


class Api:
    """The API of one engine. Every request uses a new connection.

    An answer must be complete `timeout` seconds after its request. An engine must accept an archive at 64 KiB per second on average, and must never
    stall for `timeout` seconds.
    """

    def __init__(self, address: Address, title: str, timeout: float) -> None:
        self.address = address
        self.title = title
        self.timeout = timeout

    @property
    def place(self) -> str:
        return self.address.text

    def get_header(self, path: str, name: str) -> str | None:
        """Return a header of the answer to a GET request, None if it is missing."""
        return self._request("GET", path, _MAX_ANSWER)[1].get(name)

    def get(self, path: str) -> Document | None:
        """Return a JSON object, None for status 404."""
        data, _headers = self._request("GET", path, _MAX_ANSWER)
        return None if data is None else parse_answer(self._describe(path), lambda: Document.parse(data, self._describe(path)))

    def has(self, path: str) -> bool:
        """Return False if the engine answers a GET request with status 404."""
        return self._request("GET", path, MAX_LIST)[0] is not None

    def get_list(self, path: str) -> list[Document]:
        """Return a JSON list of objects, of any length up to MAX_LIST bytes."""
        data, _headers = self._request("GET", path, MAX_LIST)
        return parse_answer(self._describe(path), lambda: Document.parse_list(data or b"[]", self._describe(path), MAX_LIST, None))

    def send(self, path: str, archive: Chunks = (), size: int = 0, headers: t.Mapping[str, str] | None = None) -> None:
        """Send a POST request, with an archive if the request has one. Status 404 is an error here.

        Raises EngineRefused if the status or the answer reports an error; EngineError if the connection fails.
        """
        data, _headers = self._request("POST", path, _MAX_ANSWER, archive, size, headers)
        for line in (data or b"").splitlines():
            message = _parse_error(line) or _parse_unpack_error(line)
            if message is not None:
                raise EngineRefused(f"{self.title} at {self.place} refused the request: {message}")

    def pull(self, repository: str, tag: str, login: EngineLogin | None) -> None:
        """Let the engine pull an image. LOGIN is sent only where nobody can listen: over a socket of this host, or with TLS. Raises as `send`."""
        headers = {}
        if login is not None and (self.address.path or self.address.tls is not None):
            secrets = {"identitytoken": login.identity_token} if login.identity_token else {"username": login.username, "password": login.password}
            headers["X-Registry-Auth"] = base64.urlsafe_b64encode(json.dumps({**secrets, "serveraddress": login.registry}).encode()).decode()
        self.send(f"/images/create?fromImage={quote(repository, safe='')}&tag={quote(tag, safe='')}", headers=headers)

    def stream(self, path: str) -> t.Iterator[bytes]:
        """Yield the body of the answer to a GET request, of any length. Raises EngineRefused for an error status, EngineError if the connection fails."""
        opened = self.address.connect(self.title, self.timeout)
        try:
            with self._reporting_errors():
                pieces = Exchange(opened, self.timeout, 0, is_streamed=True).stream_answer(path)
                for piece in pieces:
                    if isinstance(piece, Answer):
                        self._check_status(piece)
                    else:
                        yield piece
        finally:
            opened.close()

    def export(self, images: t.Sequence[str]) -> t.Iterator[bytes]:
        """Yield the bytes of an archive with images, by names or IDs. Raises as `stream`."""
        return self.stream("/images/get?" + "&".join(f"names={quote(image, safe='')}" for image in images))

    def remove_image(self, name: str, *, force: bool = False) -> None:
        """Remove a name, and the image with its last name. A missing name is no error. Raises EngineRefused.

        With FORCE, the last name is removed even if a container uses the image. Docker's classic image store then deletes the image of a stopped container.
        """
        self._request("DELETE", f"/images/{quote(name, safe='/:@')}{'?force=1' if force else ''}", MAX_LIST)

    def tag_image(self, image: str, repository: str, tag: str) -> None:
        """Give an image, by ID or name, one more name. Raises EngineRefused."""
        self.send(f"/images/{quote(image, safe='/:@')}/tag?repo={quote(repository, safe='')}&tag={quote(tag, safe='')}")

    def _describe(self, path: str) -> str:
        return f"the answer of {self.title} at {self.place} to {path.partition('?')[0]}"

    def _request(
        self, method: str, path: str, limit: int, body: Chunks = (), size: int = 0, headers: t.Mapping[str, str] | None = None
    ) -> tuple[bytes | None, http.client.HTTPMessage]:
        """Return the body of an answer, None for status 404, and its headers. Raises EngineError; EngineRefused for an error status."""
        opened = self.address.connect(self.title, self.timeout)
        try:
            with self._reporting_errors():
                answer = Exchange(opened, self.timeout, size).send_request(method, path, limit, body, size, headers)
        except AnswerTooLong as error:
            raise EngineError(f"{self._describe(path)} is longer than the {limit} bytes that are allowed") from error
        finally:
            opened.close()
        if answer.status == http.client.NOT_FOUND and method != "POST":
            return None, answer.headers
        self._check_status(answer)
        return answer.body, answer.headers

    @contextlib.contextmanager
    def _reporting_errors(self) -> t.Iterator[None]:
        try:
            with report_connection_errors(self.title, self.place):
                yield
        except (http.client.HTTPException, ValueError) as error:
            raise EngineError(
                f"{self.title} at {self.place} broke off or doesn't speak HTTP ({sanitise(str(error) or type(error).__name__, 200)})"
            ) from error

    def _check_status(self, answer: Answer) -> None:
        """Raise EngineRefused for an error status, EngineError for one that no engine sends.

        Redirects are refused: no engine sends one, and the archive would go to another server.
        """
        if answer.status >= http.client.BAD_REQUEST:
            raise EngineRefused(
                f"{self.title} at {self.place} refused the request: {_parse_error(answer.body) or sanitise(answer.reason, 200)} (status {answer.status})"
            )
        if answer.status >= http.client.MULTIPLE_CHOICES:
            raise EngineError(
                f"{self.title} at {self.place} answers with a redirect (status {answer.status}), which no engine does and which is not followed: "
                "give the address of the engine itself"
            )
        if answer.status < http.client.OK:
            raise EngineError(f"{self.title} at {self.place} answers with status {answer.status}, which no engine does")


def _parse_unpack_error(line: bytes) -> str | None:
    """Return the message about an image that Docker loaded but could not unpack, None for another line. Docker 29 reports that as progress."""
    try:
        message = Document.parse(line, "an answer").text("stream") or ""
    except UnsupportedFormat:
        return None
    return sanitise(message.strip()) if message.startswith("Error unpacking image") else None


def _parse_error(data: bytes) -> str | None:
    """Return the error message of an answer, made safe for a terminal; None if it has none."""
    try:
        document = Document.parse(data, "an answer")
        message = document.text("error") or document.text("message")
    except UnsupportedFormat:
        return None
    return sanitise(message) if message else None
