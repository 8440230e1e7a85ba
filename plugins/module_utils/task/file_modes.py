# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read permission bits from a task: octal text, or the number that YAML made of it."""

from __future__ import annotations

import re

from ..errors import InvalidOption

_LOOKS_OCTAL = re.compile(r"[0-7]{3,4}")


def octal_mode(value: object, option: str) -> int:
    """Return permission bits from octal text, or from the number that YAML made of it. Raises InvalidOption."""
    if isinstance(value, int) and not isinstance(value, bool):
        refuse_decimal(value, option)
        mode = value
    else:
        try:
            mode = int(str(value), 8)
        except ValueError as error:
            raise InvalidOption(f"{option} {value!r} is not an octal mode like '0755'") from error
    if not 0 <= mode <= 0o7777:
        raise InvalidOption(f"{option} {value!r} is not a mode: it is more than 7777")
    return mode


def refuse_decimal(number: int, option: str) -> None:
    """Raise InvalidOption for a number whose decimal digits look like a mode, as `755` without quotes: its permission bits are different ones.

    YAML reads `0644` as octal and returns 420. Such a number is taken as a mode, since its decimal digits would give others more than the owner has.
    511 may mean either, and is refused as well.
    """
    digits = str(number)
    if not _LOOKS_OCTAL.fullmatch(digits):
        return
    owner, group, others = (int(digit) for digit in digits[-3:])
    if owner & 0o4 and owner | group == owner and group | others == group:
        raise InvalidOption(
            f"{option} {number} is a number to YAML, which as permissions means {number:04o};"
            f" put the mode that is meant in quotes, as '0{number}' or '{number:04o}'"
        )
