# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a fault may do to an answer. Each of these makes an act: a function that asks the honest application, or doesn't, and answers."""

from __future__ import annotations

import dataclasses
import gzip
import typing as t

from .server import Act, Answer, App, Asked, Places


def instead(status: int, body: bytes = b"", *headers: tuple[str, str], **on_wire: t.Any) -> Act:
    """This answer instead of the honest one, which nobody is asked for. `{name}` in a header's value stands for a place."""

    def act(asked: Asked, app: App, places: Places) -> Answer:
        filled = tuple((key, _filled(value, places)) for key, value in headers)
        return Answer(status, filled, body).on_wire(**on_wire)

    return act


def redirect(to: str, status: int = 307, body: bytes = b"", **on_wire: t.Any) -> Act:
    """To another address, in which `{target}` stands for the path and query that were asked for."""

    def act(asked: Asked, app: App, places: Places) -> Answer:
        return Answer(status, (("Location", _filled(to, {**places, "target": asked.target})),), body).on_wire(**on_wire)

    return act


def raw(data: bytes = b"") -> Act:
    """These bytes in place of an answer, and then the end of the connection. By default it ends without a word."""
    return instead(200, raw=data)


def header(name: str, value: str | None) -> Act:
    """The honest answer with one header replaced, added, or (None) left out."""

    def act(asked: Asked, app: App, places: Places) -> Answer:
        return app(asked).with_header(name, _filled(value, places) if value is not None else None)

    return act


def changed(name: str, change: t.Callable[[str], str]) -> Act:
    """The honest answer with another value of a header that it has."""

    def act(asked: Asked, app: App, places: Places) -> Answer:
        answer = app(asked)
        return answer.with_header(name, _filled(change(answer.header(name) or ""), places))

    return act


def body(change: t.Callable[[bytes], bytes], fits: bool = True) -> Act:
    """The honest answer with another body. Unless the length FITS, the honest body's is told."""

    def act(asked: Asked, app: App, places: Places) -> Answer:
        answer = app(asked)
        length = None if fits else str(len(answer.body))
        return dataclasses.replace(answer, body=change(answer.body)).with_header("Content-Length", length)

    return act


def wire(**changes: t.Any) -> Act:
    """The honest answer, put on the wire in another way."""

    def act(asked: Asked, app: App, places: Places) -> Answer:
        return app(asked).on_wire(**changes)

    return act


def cut(length: int, told: bool = True) -> Act:
    """The honest answer, whose body ends early. Its full length is TOLD, or none at all."""
    return wire(cut=length, framing="length" if told else "end")


def without_range() -> Act:
    """Everything from the start, as if no Range had been asked for."""

    def act(asked: Asked, app: App, places: Places) -> Answer:
        return app(asked.without("Range"))

    return act


def on_range(act: Act) -> Act:
    """ACT for requests with a Range, the honest answer for others."""

    def chosen(asked: Asked, app: App, places: Places) -> Answer:
        return act(asked, app, places) if asked.headers.get("Range") else app(asked)

    return chosen


def unadmitted(act: Act) -> Act:
    """ACT for requests that lack what it takes to come in, the honest answer for others."""

    def chosen(asked: Asked, app: App, places: Places) -> Answer:
        return app(asked) if asked.admitted else act(asked, app, places)

    return chosen


def gzipped() -> Act:
    """The honest body in the Content-Encoding that was refused."""
    return both(body(lambda data: gzip.compress(data, mtime=0)), header("Content-Encoding", "gzip"))


def both(*acts: Act) -> Act:
    """One act after the other, the first of them next to the honest application."""

    def act(asked: Asked, app: App, places: Places) -> Answer:
        for inner in acts:
            app = _applied(inner, app, places)
        return app(asked)

    return act


def _applied(act: Act, app: App, places: Places) -> App:
    return lambda asked: act(asked, app, places)


def _filled(text: str, places: Places) -> str:
    for name, value in places.items():
        text = text.replace(f"{{{name}}}", value)
    return text
