# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Strict, bounded reading of the JSON documents that come from outside. Whatever is odd is refused here and nowhere else."""

from __future__ import annotations

import json
import math
import re
import typing as t

from ..errors import UnsupportedFormat
from ..limits import BYTES_PER_VALUE, MAX_DIGITS, MAX_DOCUMENT, MAX_ENTRIES, MAX_NESTING

_BRACKET = re.compile(r"[\[\]{}]")

_T = t.TypeVar("_T")


class Document:
    """A JSON object and where it came from. Its accessors return a value of the type asked for, or say what is wrong with the document."""

    def __init__(self, members: dict[str, t.Any], what: str) -> None:
        self.members = members
        self.what = what

    @classmethod
    def parse(cls, data: bytes, what: str, limit: int = MAX_DOCUMENT, values: int | None = None) -> Document:
        """Raises UnsupportedFormat for what isn't one JSON object of at most LIMIT bytes: WHAT names it in the message.

        It may hold at most VALUES values, by default one for 8 bytes of LIMIT: 4 MiB of `[],[],` would cost 200 MB of memory.
        Refused as well: duplicate keys (two readers would see two documents), NaN and infinities, deep nesting, and text that isn't UTF-8.
        """
        if len(data) > limit:
            raise UnsupportedFormat(f"{what} is longer than the {limit} bytes that are allowed")
        values = values if values is not None else limit // BYTES_PER_VALUE
        if count_values(data) > values:
            raise UnsupportedFormat(f"{what} holds more than the {values} values that are allowed")
        try:
            text = data.decode("utf-8")
            _check_nesting(text)
            members = json.loads(text, object_pairs_hook=_unique, parse_int=_whole, parse_float=_finite, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise UnsupportedFormat(f"{what} is not a valid JSON document: {error}") from error
        if not isinstance(members, dict):
            raise UnsupportedFormat(f"{what} is not a JSON object")
        return cls(members, what)

    @classmethod
    def parse_list(cls, data: bytes, what: str, limit: int = MAX_DOCUMENT, entries: int | None = MAX_ENTRIES) -> list[Document]:
        """The objects of a document that is a list of at most ENTRIES. Raises UnsupportedFormat as `parse` does."""
        document = cls.parse(b'{"list":' + data + b"}", what, limit + len('{"list":}'))
        if len(document.members) != 1:
            raise UnsupportedFormat(f"{what} is not a JSON list")
        return document.children("list", entries)

    def has(self, key: str) -> bool:
        """Whether KEY is there with a value: null counts as absent, as in the Go clients."""
        return self.members.get(key) is not None

    def _optional(self, key: str, kind: type[_T], name: str) -> _T | None:
        value = self.members.get(key)
        if value is None:
            return None
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise UnsupportedFormat(f"{self.what}: {key} is not {name}")
        return value

    def text(self, key: str) -> str | None:
        return self._optional(key, str, "a string")

    def number(self, key: str) -> int | None:
        return self._optional(key, int, "a whole number")

    def boolean(self, key: str) -> bool | None:
        return self._optional(key, bool, "true or false")

    def required_text(self, key: str) -> str:
        value = self.text(key)
        if value is None:
            raise UnsupportedFormat(f"{self.what} has no {key}")
        return value

    def required_number(self, key: str) -> int:
        value = self.number(key)
        if value is None:
            raise UnsupportedFormat(f"{self.what} has no {key}")
        return value

    def child(self, key: str) -> Document | None:
        members: dict[str, t.Any] | None = self._optional(key, dict, "an object")
        return None if members is None else Document(members, f"{self.what}, {key}")

    def required_child(self, key: str) -> Document:
        child = self.child(key)
        if child is None:
            raise UnsupportedFormat(f"{self.what} has no {key}")
        return child

    def children(self, key: str, limit: int | None = MAX_ENTRIES) -> list[Document]:
        """The objects of a list; an absent list is an empty one."""
        documents = []
        for position, members in enumerate(self._list(key, limit)):
            if not isinstance(members, dict):
                raise UnsupportedFormat(f"{self.what}: entry {position} of {key} is not an object")
            documents.append(Document(members, f"{self.what}, {key}[{position}]"))
        return documents

    def texts(self, key: str, limit: int | None = MAX_ENTRIES) -> list[str]:
        """The strings of a list; an absent list is an empty one."""
        values = self._list(key, limit)
        if not all(isinstance(value, str) for value in values):
            raise UnsupportedFormat(f"{self.what}: {key} holds something that is not a string")
        return values

    def text_map(self, key: str) -> dict[str, str]:
        """An object whose values are strings; an absent one is empty."""
        members: dict[str, t.Any] = self._optional(key, dict, "an object") or {}
        if not all(isinstance(value, str) for value in members.values()):
            raise UnsupportedFormat(f"{self.what}: {key} holds a value that is not a string")
        return members

    def _list(self, key: str, limit: int | None) -> list[t.Any]:
        values: list[t.Any] = self._optional(key, list, "a list") or []
        if limit is not None and len(values) > limit:
            raise UnsupportedFormat(f"{self.what}: {key} has more than {limit} entries")
        return values


def count_values(data: bytes) -> int:
    """Return at least how many values a JSON document holds, by its commas and brackets, without parsing it."""
    return data.count(b",") + data.count(b"[") + data.count(b"{")


def encode_canonical(members: t.Mapping[str, t.Any]) -> bytes:
    """The bytes of a document that we write: always the same for the same content, and as small as JSON gets."""
    # Half a surrogate pair has no UTF-8; backslashreplace writes it as JSON does, and as it was read.
    return json.dumps(members, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode("utf-8", "backslashreplace")


def _unique(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key occurs twice in one object")
    return members


def _whole(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number has more than {MAX_DIGITS} digits")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _no_constant(name: str) -> t.NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _check_nesting(text: str) -> None:
    """Counts brackets outside strings: the JSON reader itself recurses, and how deep it can differs from one Python to the next."""
    if text.count("[") + text.count("{") <= MAX_NESTING:
        return
    depth = 0
    without_escapes = text.replace("\\\\", "").replace('\\"', "")
    outside_strings = "".join(without_escapes.split('"')[::2])
    for bracket in _BRACKET.findall(outside_strings):
        if bracket in "[{":
            depth += 1
            if depth > MAX_NESTING:
                raise ValueError(f"it is nested more than {MAX_NESTING} levels deep")
        else:
            depth -= 1
