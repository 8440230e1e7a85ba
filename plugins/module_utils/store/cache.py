# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small files of the store in which a run records facts that save later runs work."""

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
    """A file that maps at most LIMIT digests to values, most recent last.

    It only saves work: without the file a run does more work and returns the same results.
    """

    def __init__(self, path: str, limit: int, parse: t.Callable[[t.Any], _Value], open_folder: t.Callable[[], Folder | None] | None = None) -> None:
        """PARSE converts a JSON value into a value of the cache and raises ValueError or TypeError if it can't.

        OPEN_FOLDER returns the open folder that holds the file, None if it is missing. Without OPEN_FOLDER the file is opened by its path.
        """
        self.path = path
        self.name = os.path.basename(path)
        self._open_folder = open_folder
        self._limit = limit
        self._parse = parse
        self._values: dict[str, _Value] | None = None
        self._unsaved: dict[str, _Value] = {}

    @property
    def is_unsaved(self) -> bool:
        return bool(self._unsaved)

    def get(self, digest: Digest) -> _Value | None:
        if self._values is None:
            self._values = self._read_values()
        key = str(digest)
        return self._unsaved.get(key) or self._values.get(key)

    def set(self, digest: Digest, value: _Value) -> None:
        self._unsaved[str(digest)] = value

    def to_bytes(self) -> bytes:
        """Return the new content of the file: the values on disk now, then the unsaved ones. Above the limit, the oldest values are dropped."""
        values = self._read_values()
        for key, value in self._unsaved.items():
            values.pop(key, None)
            values[key] = value
        return json.dumps(dict(list(values.items())[-self._limit :]), separators=(",", ":")).encode("ascii")

    def read_file(self) -> bytes:
        """Return the content of the file. Raises FileNotFoundError, InputOutputError, StoreDamaged."""
        if self._open_folder is None:
            return read_bounded(self.path, MAX_RECORD)
        return read_open_bounded(open_below(self._open_folder(), self.name, self.path), self.path, MAX_RECORD)

    def _load(self) -> bytes:
        """Return the bytes to parse values from. Raises the errors of read_file."""
        return self.read_file()

    def mark_saved(self) -> None:
        """Forget the unsaved values, after a caller has written them to the file."""
        self._values = None
        self._unsaved = {}

    def _read_values(self) -> dict[str, _Value]:
        """Return the values on disk; no values if the file can't be read or parsed."""
        try:
            return {key: self._parse(value) for key, value in json.loads(self._load()).items()}
        except _UNREADABLE:
            return {}
