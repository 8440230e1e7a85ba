# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small files of the store in which a run records facts that save later runs work."""

from __future__ import annotations

import json
import os
import stat
import typing as t

from ..errors import InputOutputError, StoreDamaged
from ..files import naming_path_in_errors, open_below, open_regular, read_bounded, read_open_bounded
from ..folders import Folder
from ..limits import MAX_RECORD
from ..oci.digest import Digest

_UNREADABLE = (FileNotFoundError, InputOutputError, StoreDamaged, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError)

_Value = t.TypeVar("_Value")


class Cache(t.Generic[_Value]):
    """A file that maps at most LIMIT digests, or other keys, to values that are lists in JSON, most recent last.

    It only saves work: without the file a run does more work and returns the same results.
    """

    max_bytes = MAX_RECORD
    # So many values are searched for in the text before the file is parsed: parsing thousands costs as much as searching a few dozen times.
    searches = 32

    def __init__(self, path: str, limit: int, parse: t.Callable[[t.Any], _Value], open_folder: t.Callable[[], Folder | None] | None = None) -> None:
        """PARSE converts a JSON value into a value of the cache and raises ValueError or TypeError if it can't.

        OPEN_FOLDER returns the open folder that holds the file, None if it is missing. Without OPEN_FOLDER the file is opened by its path.
        """
        self.path = path
        self.name = os.path.basename(path)
        self._open_folder = open_folder
        self._limit = limit
        self._parse = parse
        self._text: str | None = None
        self._found: dict[str, t.Any] = {}
        self._saved: dict[str, t.Any] | None = None  # as JSON values, of which a run needs few
        self._unsaved: dict[str, _Value] = {}

    @property
    def is_unsaved(self) -> bool:
        return bool(self._unsaved)

    def get(self, key: Digest | str) -> _Value | None:
        text = str(key)
        return self._unsaved.get(text) or self._parse_value(self._find_saved(text))

    def set(self, key: Digest | str, value: _Value) -> None:
        self._unsaved[str(key)] = value

    def to_bytes(self) -> bytes:
        """Return the new content of the file: the values on disk now, then the unsaved ones. Above the limit, the oldest values are dropped."""
        values = {key: value for key, saved in _parse_values(self._read_text()).items() if (value := self._parse_value(saved)) is not None}
        for key, value in self._unsaved.items():
            values.pop(key, None)
            values[key] = value
        kept = list(values.items())[-self._limit :]
        data = _encode(kept)
        while len(data) > self.max_bytes:
            kept = kept[len(kept) // 2 + 1 :]
            data = _encode(kept)
        return data

    def read_file(self) -> bytes:
        """Return the content of the file. Raises FileNotFoundError, InputOutputError, StoreDamaged."""
        if self._open_folder is None:
            return read_bounded(self.path, self.max_bytes)
        return read_open_bounded(open_below(self._open_folder(), self.name, self.path), self.path, self.max_bytes)

    def _load(self) -> bytes:
        """Return the bytes to parse values from. Raises the errors of read_file."""
        return self.read_file()

    def mark_saved(self) -> None:
        """Forget the unsaved values, after a caller has written them to the file."""
        self._text = self._saved = None
        self._found = {}
        self._unsaved = {}

    def _find_saved(self, key: str) -> t.Any:
        """Return the JSON value of KEY on disk, None if there is none."""
        if self._saved is None and len(self._found) < self.searches:
            if key not in self._found:
                self._found[key] = self._search(key)
            return self._found[key]
        return self._parse_saved().get(key)

    def _search(self, key: str) -> t.Any:
        """Return the JSON value of KEY without parsing others."""
        if self._text is None:
            self._text = self._read_text()
        start = self._text.find(f'"{key}":')
        end = self._text.find("]", start)
        try:
            return json.loads(self._text[start + len(key) + 3 : end + 1]) if start >= 0 else None
        except _UNREADABLE:
            return None

    def _parse_saved(self) -> dict[str, t.Any]:
        """Return all JSON values on disk."""
        if self._saved is None:
            self._saved = _parse_values(self._read_text() if self._text is None else self._text)
        return self._saved

    def _read_text(self) -> str:
        """Return the content of the file as text, empty if it can't be read."""
        try:
            return self._load().decode("ascii")
        except _UNREADABLE:
            return ""

    def _parse_value(self, saved: t.Any) -> _Value | None:
        """Return a value on disk, None if it is missing or invalid."""
        try:
            return self._parse(saved) if saved is not None else None
        except _UNREADABLE:
            return None


class OwnedCache(Cache[_Value]):
    """A cache whose owner matters: another user who can write to it could make a run believe something wrong."""

    def __init__(self, path: str, limit: int, parse: t.Callable[[t.Any], _Value], open_folder: t.Callable[[], Folder | None] | None = None) -> None:
        super().__init__(path, limit, parse, open_folder)
        self.is_ours = False

    def _load(self) -> bytes:
        folder_status: os.stat_result | None
        if self._open_folder is None:
            descriptor, folder_status = open_regular(self.path), os.stat(os.path.dirname(self.path))
        else:
            folder = self._open_folder()
            descriptor = open_below(folder, self.name, self.path)
            folder_status = folder.own_status() if folder is not None else None
        with os.fdopen(descriptor, "rb") as file, naming_path_in_errors(self.path):
            status = os.fstat(descriptor)
            # The folder counts too: a user who can write to it can move another file of ours here, such as a download whose content he chose.
            self.is_ours = folder_status is not None and is_only_ours(folder_status) and is_only_ours(status) and status.st_nlink == 1
            return file.read(self.max_bytes + 1)


def is_only_ours(status: os.stat_result) -> bool:
    """Return whether only root and the running user can write to a file or folder."""
    return status.st_uid in (0, os.getuid()) and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _encode(values: t.Iterable[tuple[str, t.Any]]) -> bytes:
    return json.dumps(dict(values), separators=(",", ":")).encode("ascii")


def _parse_values(text: str) -> dict[str, t.Any]:
    """Return the JSON values of a cache file; none if it can't be parsed."""
    try:
        values = json.loads(text)
    except _UNREADABLE:
        return {}
    return values if isinstance(values, dict) else {}
