# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HTTP API that Docker has, and Podman too: a small client on the standard library."""

from __future__ import annotations

import http.client
from urllib.parse import quote

from ..errors import EngineError, EngineRefused, UnsupportedFormat
from ..oci.document import Document
from ..oci.text import sanitise
from .address import Address, reporting
from .answers import MAX_LIST, parse_answer
from .exchange import AnswerTooLong, Exchange
from .interfaces import Chunks

_MAX_ANSWER = 4 * 1024 * 1024


class Api:
    """One engine's API. Every request has a connection of its own.

    An answer must be complete `timeout` seconds after its request; an archive must be taken at 64 KiB a second on average, and never stall so long.
    """

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
        return None if data is None else parse_answer(self._what(path), lambda: Document.parse(data, self._what(path)))

    def get_list(self, path: str) -> list[Document]:
        """A list of objects, however many there are."""
        data, _headers = self._ask("GET", path, MAX_LIST)
        return parse_answer(self._what(path), lambda: Document.parse_list(data or b"[]", self._what(path), MAX_LIST, None))

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
        """Return the body of an answer, None for "not found", and its headers. Raises EngineError, and EngineRefused for a refusal.

        Redirects are refused: no engine answers with one, and another server would get the archive.
        """
        opened = self.address.connect(self.title, self.timeout)
        try:
            with reporting(self.title, self.place):
                answer = Exchange(opened, self.timeout, size).ask(method, path, limit, body, size)
        except AnswerTooLong as error:
            raise EngineError(f"{self._what(path)} is longer than the {limit} bytes that are allowed") from error
        except (http.client.HTTPException, ValueError) as error:
            raise EngineError(
                f"{self.title} at {self.place} broke off or speaks no HTTP ({sanitise(str(error) or type(error).__name__, 200)})"
            ) from error
        finally:
            opened.close()
        if answer.status == http.client.NOT_FOUND and method != "POST":
            return None, answer.headers
        if answer.status >= http.client.BAD_REQUEST:
            raise EngineRefused(
                f"{self.title} at {self.place} refuses it: {_refusal(answer.body) or sanitise(answer.reason, 200)} (status {answer.status})"
            )
        if answer.status >= http.client.MULTIPLE_CHOICES:
            raise EngineError(
                f"{self.title} at {self.place} answers with a redirect (status {answer.status}), which no engine does and which is not followed: "
                "give the address of the engine itself"
            )
        if answer.status < http.client.OK:
            raise EngineError(f"{self.title} at {self.place} answers with status {answer.status}, which no engine does")
        return answer.body, answer.headers


def _refusal(data: bytes) -> str | None:
    """What an answer says of an error, for people."""
    try:
        document = Document.parse(data, "an answer")
        told = document.text("error") or document.text("message")
    except UnsupportedFormat:
        return None
    return sanitise(told) if told else None
