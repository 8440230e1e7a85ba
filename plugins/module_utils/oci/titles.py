# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The titles of an artifact's files: which of them can safely be paths below a folder."""

from __future__ import annotations

import typing as t
import unicodedata

from .text import sanitise

MAX_TITLE = 1024
_MAX_NAME = 255  # bytes of one file name, on all usual file systems
_MAX_FOLDERS = 32


def find_title_problem(titles: t.Sequence[str]) -> str | None:
    """Return why the files TITLES can't all be written below one folder, as a sentence without its subject; None if they can.

    Refused are titles that lead out of the folder or that people can't read, equal titles, and a file that another one needs as a folder. Titles that differ
    only in case or in Unicode's composition count as equal, because some file systems can't keep both.
    """
    seen: dict[str, str] = {}
    for title in titles:
        problem = _find_problem(title)
        if problem is not None:
            return problem
        first = seen.get(fold_title(title))
        if first is not None:
            return f"the titles {_quote(first)} and {_quote(title)} would be one file"
        seen[fold_title(title)] = title
    for title in titles:
        parts = fold_title(title).split("/")
        for length in range(1, len(parts)):
            above = seen.get("/".join(parts[:length]))
            if above is not None:
                return f"the title {_quote(above)} is a file, and {_quote(title)} would lie below it"
    return None


def _find_problem(title: str) -> str | None:
    if not title:
        return "a title is empty"
    parts = title.split("/")
    if len(title) > MAX_TITLE or len(parts) > _MAX_FOLDERS or any(len(part.encode("utf-8", "replace")) > _MAX_NAME for part in parts):
        return f"the title {_quote(title)} is too long"
    if any(part in ("", ".", "..") for part in parts):
        return f"the title {_quote(title)} is not a path below a folder, since it is absolute or has an empty part, . or .."
    if "\\" in title or title != sanitise(title, MAX_TITLE):
        return f"the title {_quote(title)} has a backslash or a character that can't be printed"
    return None


def fold_title(title: str) -> str:
    """Return what two titles have in common that would be one file on some file system."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", title).casefold())


def _quote(title: str) -> str:
    return repr(sanitise(title, 200))
