# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Strict and bounded parsing of JSON documents from untrusted places. All checks of JSON syntax and size are in this file."""

from __future__ import annotations

import json
import math
import re
import typing as t

from ..errors import UnsupportedFormat
from ..limits import BYTES_PER_VALUE, MAX_DIGITS, MAX_DOCUMENT, MAX_ENTRIES, MAX_NESTING

_AS_PARENTHESES = bytes.maketrans(b"[]{}", b"()()")
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")

_T = t.TypeVar("_T")


class Document:
    """A JSON object, and a label for messages. Its methods return values of one type. They raise UnsupportedFormat for a value of another type."""

    def __init__(self, members: dict[str, t.Any], what: str) -> None:
        self.members = members
        self.what = what

    @classmethod
    def parse(cls, data: bytes, what: str, limit: int = MAX_DOCUMENT, values: int | None = None) -> Document:
        """Parse one JSON object of at most LIMIT bytes and VALUES values. WHAT names it in messages.

        The default of VALUES is one for every 8 bytes of LIMIT: 4 MiB of `[],[],` would need 200 MB of memory.
        Raises UnsupportedFormat for anything else, and for duplicate keys (parsers differ in which one they use), NaN, infinities, deep nesting and
        text that isn't UTF-8.
        """
        if len(data) > limit:
            raise UnsupportedFormat(f"{what} is longer than the {limit} bytes that are allowed")
        values = values if values is not None else limit // BYTES_PER_VALUE
        if count_values(data) > values:
            raise UnsupportedFormat(f"{what} holds more than the {values} values that are allowed")
        try:
            text = data.decode("utf-8")
            _check_nesting(data)
            members = json.loads(
                text, object_pairs_hook=_build_object, parse_int=_parse_integer, parse_float=_parse_float, parse_constant=_reject_constant
            )
        except (ValueError, RecursionError) as error:
            raise UnsupportedFormat(f"{what} is not a valid JSON document: {error}") from error
        if not isinstance(members, dict):
            raise UnsupportedFormat(f"{what} is not a JSON object")
        return cls(members, what)

    @classmethod
    def parse_list(cls, data: bytes, what: str, limit: int = MAX_DOCUMENT, entries: int | None = MAX_ENTRIES) -> list[Document]:
        """Parse a JSON list of at most ENTRIES objects. Raises UnsupportedFormat like `parse`."""
        document = cls.parse(b'{"list":' + data + b"}", what, limit + len('{"list":}'))
        if len(document.members) != 1:
            raise UnsupportedFormat(f"{what} is not a JSON list")
        return document.children("list", entries)

    def has(self, key: str) -> bool:
        """Return True if KEY has a value. Like the Go clients, treat null as absent."""
        return self.members.get(key) is not None

    def _get_optional(self, key: str, kind: type[_T], name: str) -> _T | None:
        value = self.members.get(key)
        if value is None:
            return None
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise UnsupportedFormat(f"{self.what}: {key} is not {name}")
        return value

    def text(self, key: str) -> str | None:
        return self._get_optional(key, str, "a string")

    def number(self, key: str) -> int | None:
        return self._get_optional(key, int, "a whole number")

    def boolean(self, key: str) -> bool | None:
        return self._get_optional(key, bool, "true or false")

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
        members: dict[str, t.Any] | None = self._get_optional(key, dict, "an object")
        return None if members is None else Document(members, f"{self.what}, {key}")

    def required_child(self, key: str) -> Document:
        child = self.child(key)
        if child is None:
            raise UnsupportedFormat(f"{self.what} has no {key}")
        return child

    def children(self, key: str, limit: int | None = MAX_ENTRIES) -> list[Document]:
        """Return the objects of a list. An absent list is empty."""
        documents = []
        for position, members in enumerate(self._get_list(key, limit)):
            if not isinstance(members, dict):
                raise UnsupportedFormat(f"{self.what}: entry {position} of {key} is not an object")
            documents.append(Document(members, f"{self.what}, {key}[{position}]"))
        return documents

    def texts(self, key: str, limit: int | None = MAX_ENTRIES) -> list[str]:
        """Return the strings of a list. An absent list is empty."""
        values = self._get_list(key, limit)
        if not all(isinstance(value, str) for value in values):
            raise UnsupportedFormat(f"{self.what}: {key} holds something that is not a string")
        return values

    def text_map(self, key: str) -> dict[str, str]:
        """Return an object whose values are strings. An absent object is empty."""
        members: dict[str, t.Any] = self._get_optional(key, dict, "an object") or {}
        if not all(isinstance(value, str) for value in members.values()):
            raise UnsupportedFormat(f"{self.what}: {key} holds a value that is not a string")
        return members

    def _get_list(self, key: str, limit: int | None) -> list[t.Any]:
        values: list[t.Any] = self._get_optional(key, list, "a list") or []
        if limit is not None and len(values) > limit:
            raise UnsupportedFormat(f"{self.what}: {key} has more than {limit} entries")
        return values


def count_values(data: bytes) -> int:
    """Estimate the number of values of a JSON document by its commas and opening brackets, without parsing. The estimate is at most one too low."""
    return data.count(b",") + data.count(b"[") + data.count(b"{")


def encode_canonical(members: t.Mapping[str, t.Any]) -> bytes:
    """Encode a document that we write. The same content always gives the same bytes, without unneeded spaces."""
    return encode_text(encode_value(members))


def encode_value(value: t.Any) -> str:
    """Return a part of such a document as text, which `encode_text` encodes."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def encode_text(text: str) -> bytes:
    # A lone surrogate can't be encoded in UTF-8. backslashreplace writes it as the JSON escape that it was read from.
    return text.encode("utf-8", "backslashreplace")


def encode_readable(members: t.Mapping[str, t.Any], before: bytes | None = None) -> bytes:
    """Encode a configuration file for people to read, indented like the file BEFORE that it replaces."""
    indent = re.search(rb'\{\r?\n([ \t]+)"', before or b"")
    return (json.dumps(members, indent=indent[1].decode() if indent else 2, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


def _build_object(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key occurs twice in one object")
    return members


def _parse_integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number has more than {MAX_DIGITS} digits")
    return int(digits)


def _parse_float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _reject_constant(name: str) -> t.NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _check_nesting(data: bytes) -> None:
    """Raise ValueError for brackets that nest too deep. Python's JSON parser is recursive, and its own limit depends on the Python version."""
    if data.count(b"[") + data.count(b"{") <= MAX_NESTING:
        return
    without_escapes = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = b"".join(without_escapes.split(b'"')[::2]).translate(_AS_PARENTHESES, _NO_BRACKETS)
    # Each pass removes the innermost pairs. Of an invalid document some brackets remain open, and these nest as well.
    for _level in range(MAX_NESTING):
        outer = brackets.replace(b"()", b"")
        if outer == brackets:
            break
        brackets = outer
    if brackets.count(b"(") > (0 if b"()" in brackets else MAX_NESTING):
        raise ValueError(f"it is nested more than {MAX_NESTING} levels deep")
