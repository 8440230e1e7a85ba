# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Functions that create the reactions of faults. A reaction returns an answer, with or without a call of the honest application."""

from __future__ import annotations

import dataclasses
import gzip
import typing as t

from .server import Answer, App, Placeholders, Reaction, Request


def instead(status: int, body: bytes = b"", *headers: tuple[str, str], **on_wire: t.Any) -> Reaction:
    """Return this answer without a call of the honest application. `{name}` in the value of a header stands for the value of a placeholder."""

    def reaction(request: Request, app: App, placeholders: Placeholders) -> Answer:
        filled = tuple((key, _filled(value, placeholders)) for key, value in headers)
        return Answer(status, filled, body).on_wire(**on_wire)

    return reaction


def redirect(to: str, status: int = 307, body: bytes = b"", **on_wire: t.Any) -> Reaction:
    """Redirect to another address, in which `{target}` stands for the requested path and query."""

    def reaction(request: Request, app: App, placeholders: Placeholders) -> Answer:
        return Answer(status, (("Location", _filled(to, {**placeholders, "target": request.target})),), body).on_wire(**on_wire)

    return reaction


def raw(data: bytes = b"") -> Reaction:
    """Send these bytes instead of an answer, and close the connection. By default nothing is sent."""
    return instead(200, raw=data)


def header(name: str, value: str | None) -> Reaction:
    """Return the honest answer with one header replaced, added, or (None) removed."""

    def reaction(request: Request, app: App, placeholders: Placeholders) -> Answer:
        return app(request).with_header(name, _filled(value, placeholders) if value is not None else None)

    return reaction


def changed(name: str, change: t.Callable[[str], str]) -> Reaction:
    """Return the honest answer with the value of one header changed."""

    def reaction(request: Request, app: App, placeholders: Placeholders) -> Answer:
        answer = app(request)
        return answer.with_header(name, _filled(change(answer.header(name) or ""), placeholders))

    return reaction


def body(change: t.Callable[[bytes], bytes], fits: bool = True) -> Reaction:
    """Return the honest answer with another body. Content-Length is that of the honest body unless FITS is set."""

    def reaction(request: Request, app: App, placeholders: Placeholders) -> Answer:
        answer = app(request)
        length = None if fits else str(len(answer.body))
        return dataclasses.replace(answer, body=change(answer.body)).with_header("Content-Length", length)

    return reaction


def wire(**changes: t.Any) -> Reaction:
    """Send the honest answer in another way."""

    def reaction(request: Request, app: App, placeholders: Placeholders) -> Answer:
        return app(request).on_wire(**changes)

    return reaction


def cut(length: int, announce_length: bool = True) -> Reaction:
    """Send the honest answer with a body that ends early. Content-Length is the full length if ANNOUNCE_LENGTH is set, and missing otherwise."""
    return wire(cut=length, framing="length" if announce_length else "end")


def without_range() -> Reaction:
    """Return the whole body, as if the request had no Range."""

    def reaction(request: Request, app: App, placeholders: Placeholders) -> Answer:
        return app(request.without("Range"))

    return reaction


def on_range(reaction: Reaction) -> Reaction:
    """Apply REACTION to requests with a Range, and answer others honestly."""

    def chosen(request: Request, app: App, placeholders: Placeholders) -> Answer:
        return reaction(request, app, placeholders) if request.headers.get("Range") else app(request)

    return chosen


def without_credentials(reaction: Reaction) -> Reaction:
    """Apply REACTION to requests without valid credentials, and answer others honestly."""

    def chosen(request: Request, app: App, placeholders: Placeholders) -> Answer:
        return app(request) if request.authorized else reaction(request, app, placeholders)

    return chosen


def gzipped() -> Reaction:
    """Compress the honest body with gzip, although the request refused that Content-Encoding."""
    return both(body(lambda data: gzip.compress(data, mtime=0)), header("Content-Encoding", "gzip"))


def both(*reactions: Reaction) -> Reaction:
    """Apply several reactions in order. The first one calls the honest application."""

    def reaction(request: Request, app: App, placeholders: Placeholders) -> Answer:
        for inner in reactions:
            app = _applied(inner, app, placeholders)
        return app(request)

    return reaction


def _applied(reaction: Reaction, app: App, placeholders: Placeholders) -> App:
    return lambda request: reaction(request, app, placeholders)


def _filled(text: str, placeholders: Placeholders) -> str:
    for name, value in placeholders.items():
        text = text.replace(f"{{{name}}}", value)
    return text
