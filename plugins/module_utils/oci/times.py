# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parse the times of images (RFC 3339), and ages in options."""

from __future__ import annotations

import datetime
import re

from ..errors import InvalidOption

_AGE = re.compile(r"([0-9]{1,9})([smhdw])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_time(text: str) -> datetime.datetime:
    """Parse a time. Without a zone it is in UTC. Fractions of a second are dropped. Raises ValueError for any other text."""
    head, dot, fraction = text.partition(".")
    # Go writes nanoseconds and `Z`; Python before 3.11 can't parse them.
    plain = head + fraction.lstrip("0123456789") if dot else head
    moment = datetime.datetime.fromisoformat(plain[:-1] + "+00:00" if plain.endswith(("Z", "z")) else plain)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=datetime.timezone.utc)


def parse_age(text: str) -> datetime.timedelta:
    """Return the duration of an age such as `30d`, `12h` or `2w`. Raises InvalidOption for any other text."""
    match = _AGE.fullmatch(text)
    if match is None:
        raise InvalidOption(f"{text!r:.100} is not an age: write a number and s, m, h, d or w (seconds, minutes, hours, days, weeks), such as 30d")
    try:
        return datetime.timedelta(**{_UNITS[match[2]]: int(match[1])})
    except OverflowError as error:
        raise InvalidOption(f"{text} is too long for an age") from error


def current_time() -> str:
    """Return the current time in UTC, to the second."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
