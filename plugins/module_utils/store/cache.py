# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small files of the store in which runs note what spares the next ones work."""

from __future__ import annotations

import json
import os
import typing as t

from ..errors import InputOutputError, StoreDamaged
from ..files import open_below, read_bounded, read_open_bounded
from ..folders import Folder
from ..limits import MAX_RECORD
from ..oci.digest import Digest

_UNREADABLE = (FileNotFoundError, InputOutputError, StoreDamaged, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError)

_Value = t.TypeVar("_Value")


class Cache(t.Generic[_Value]):
    """A value for each of at most LIMIT digests, the youngest last. Nothing is decided by it: without the file a run only does more."""

    def __init__(self, path: str, limit: int, parse: t.Callable[[t.Any], _Value], open_folder: t.Callable[[], Folder | None] | None = None) -> None:
        """PARSE makes a value of what JSON has for it, and raises ValueError or TypeError for anything else.

        OPEN_FOLDER returns the open folder that holds the file, None if it is missing; without it the file is opened by its path.
        """
        self.path = path
        self.name = os.path.basename(path)
        self._open_folder = open_folder
        self._limit = limit
        self._parse = parse
        self._values: dict[str, _Value] | None = None
        self._news: dict[str, _Value] = {}

    @property
    def is_unsaved(self) -> bool:
        return bool(self._news)

    def value(self, digest: Digest) -> _Value | None:
        if self._values is None:
            self._values = self._read()
        key = str(digest)
        return self._news.get(key) or self._values.get(key)

    def note(self, digest: Digest, value: _Value) -> None:
        self._news[str(digest)] = value

    def to_bytes(self) -> bytes:
        """The record as it is on disk now, with our news as its youngest entries and the oldest left out above the bound."""
        values = self._read()
        for key, value in self._news.items():
            values.pop(key, None)
            values[key] = value
        return json.dumps(dict(list(values.items())[-self._limit :]), separators=(",", ":")).encode("ascii")

    def on_disk(self) -> bytes:
        """The file as it is. Raises FileNotFoundError, InputOutputError, StoreDamaged."""
        if self._open_folder is None:
            return read_bounded(self.path, MAX_RECORD)
        return read_open_bounded(open_below(self._open_folder(), self.name, self.path), self.path, MAX_RECORD)

    def _load(self) -> bytes:
        """Return the bytes to read values from. Errors as in on_disk."""
        return self.on_disk()

    def written(self) -> None:
        self._values = None
        self._news = {}

    def _read(self) -> dict[str, _Value]:
        """The values on disk; none where they can't be read, for whatever reason."""
        try:
            return {key: self._parse(value) for key, value in json.loads(self._load()).items()}
        except _UNREADABLE:
            return {}
