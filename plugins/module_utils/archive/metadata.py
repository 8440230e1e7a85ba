# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modes, owners and times of tar members (POSIX.1-2017, ustar and pax)."""

from __future__ import annotations

import dataclasses
import re

from ..errors import InvalidOption
from .tar import TarMember

MAX_ID = 2**32 - 2  # 2**32 - 1 is "no user" for the system
_OCTAL = re.compile(rb" *([0-7]+)[ \0]*")
_DECIMAL = re.compile(rb"[0-9]{1,18}")
_FRACTION = re.compile(rb"([0-9]{1,12})\.[0-9]{1,18}")
_XATTR = b"SCHILY.xattr."


@dataclasses.dataclass(frozen=True)
class Metadata:
    """Permissions, owner, group and modification time of a member.

    `extended` are values for its extended header: extended attributes, and a time with a fraction of a second.
    """

    mode: int
    owner: int = 0
    group: int = 0
    modified: int = 0
    extended: tuple[tuple[str, str], ...] = ()

    @property
    def text_size(self) -> int:
        return sum(len(key) + len(value) for key, value in self.extended)


def read_metadata(member: TarMember) -> Metadata:
    """Return the metadata of a member that TarReader has read. A field that is not a number counts as 0."""
    header, extended = member.header, member.extended
    kept = [(key, value) for key, value in extended.items() if key.startswith(_XATTR)]
    fraction = _FRACTION.fullmatch(extended.get(b"mtime", b""))
    if fraction is not None:
        kept.append((b"mtime", fraction.group()))
    return Metadata(
        mode=_read_octal(header[100:108]) & 0o7777,
        owner=_read_id(header[108:116], extended.get(b"uid")),
        group=_read_id(header[116:124], extended.get(b"gid")),
        modified=int(fraction[1]) if fraction is not None else _read_number(header[136:148], extended.get(b"mtime")),
        extended=tuple(sorted((_decode(key), _decode(value)) for key, value in kept)),
    )


def _read_id(field: bytes, extended: bytes | None) -> int:
    number = _read_number(field, extended)
    return number if number <= MAX_ID else 0


def _read_number(field: bytes, extended: bytes | None) -> int:
    if extended is not None and _DECIMAL.fullmatch(extended):
        return int(extended)
    return int.from_bytes(field[1:], "big") if field[:1] == b"\x80" else _read_octal(field)


def _read_octal(field: bytes) -> int:
    match = _OCTAL.fullmatch(field)
    return int(match[1], 8) if match is not None else 0


def _decode(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def check_id(number: int, option: str) -> int:
    """Return a user or group ID from an option. Raises InvalidOption if no system can have it."""
    if not 0 <= number <= MAX_ID:
        raise InvalidOption(f"{option} {number} is not a user or group ID, which are 0 to {MAX_ID}")
    return number
