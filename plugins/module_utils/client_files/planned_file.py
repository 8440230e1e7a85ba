# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A file as it must be on a host: its content, its mode, and its content without secrets for a diff."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import typing as t

from ..oci.text import split_lines
from .entries import MARK

HIDDEN = "********"
_HEADER_TABLE = re.compile(r"\s*\[host\..*\.header\]|\s*\[header\]")
_SECRET_LINE = re.compile(r'^(\s*"?(?:password|identity_token|Authorization)"?\s*[:=]\s*).*$')

Show = t.Callable[[bytes], t.Any]


def show_text(data: bytes) -> list[str]:
    """Return the lines of a file that this collection wrote, without request headers and passwords."""
    lines, in_headers = [], False
    for line in split_lines(data.decode("utf-8", "replace")):
        if line.lstrip().startswith("["):
            in_headers = _HEADER_TABLE.match(line) is not None
        name, equals, _value = line.partition(" = ")
        lines.append(f"{name} = {HIDDEN}" if in_headers and equals else _SECRET_LINE.sub(rf"\g<1>{HIDDEN}", line))
    return lines


def show_certificates(data: bytes) -> str:
    """Return a digest in place of certificates, and an empty result for a private key."""
    return HIDDEN if b"PRIVATE KEY" in data else f"sha256:{hashlib.sha256(data).hexdigest()}"


def show_logins(registries: t.Collection[str]) -> Show:
    """Return a function that shows for which of REGISTRIES an auth file has a login."""

    def show(data: bytes) -> dict[str, str]:
        auths = _load(data).get("auths")
        return {key: HIDDEN for key in auths if key in registries} if isinstance(auths, dict) else {}

    return show


def show_keys(*keys: str) -> Show:
    """Return a function that shows these keys of a JSON file that users and other tools write to, too."""

    def show(data: bytes) -> dict[str, t.Any]:
        document = _load(data)
        return {key: document[key] for key in keys if key in document}

    return show


def show_lines(word: str) -> Show:
    """Return a function that shows the lines with WORD of a file that users and other tools write to, too."""

    def show(data: bytes) -> list[str]:
        return [line.strip() for line in split_lines(data.decode("utf-8", "replace")) if word in line]

    return show


def _load(data: bytes) -> dict[str, t.Any]:
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


@dataclasses.dataclass(frozen=True)
class PlannedFile:
    """A file at PATH, below the root that is configured. `content` is None for a file that must not exist.

    `mode` is None if an existing file keeps its mode. A `private` file is readable by its owner alone. A `shared` file also holds settings of users
    and other tools. This collection writes all other files completely; an existing one without its mark was written by somebody else.
    """

    path: str
    content: bytes | None
    mode: int | None = 0o644
    shared: bool = False
    show: Show = show_text

    @property
    def is_private(self) -> bool:
        return self.mode == 0o600


def own_file(path: str, lines: t.Iterable[str], private: bool = False) -> PlannedFile:
    """Return a file that this collection writes completely: the mark, then LINES."""
    text = "\n".join([MARK, *lines, ""])
    return PlannedFile(path, text.encode(), 0o600 if private else 0o644)


def has_mark(content: bytes) -> bool:
    """Return True if a file has the mark of this collection, so that it may be replaced or deleted."""
    return content.startswith(MARK.encode())


def certificate_file(path: str, content: bytes) -> PlannedFile:
    """Return a file with certificates, or with a key, which nobody else may read."""
    return PlannedFile(path, MARK.encode() + b"\n" + content, 0o600 if b"PRIVATE KEY" in content else 0o644, show=show_certificates)
