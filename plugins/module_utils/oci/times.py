# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parse the times of images (RFC 3339), and ages in options."""

from __future__ import annotations

import datetime
import decimal
import re

from ..errors import InvalidOption

_FRACTION = re.compile(r"\.([0-9]{1,9})", re.ASCII)
_AGE = re.compile(r"([0-9]{1,9})([smhdw])", re.ASCII)
_DURATION_PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ns|us|ms|s|m|h)", re.ASCII)
_NANOSECONDS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_time(text: str) -> datetime.datetime:
    """Parse a time. Without a zone it is in UTC. Fractions of a second are dropped. Raises ValueError for any other text."""
    head, dot, fraction = text.partition(".")
    # Go writes nanoseconds and `Z`; Python before 3.11 can't parse them.
    plain = head + fraction.lstrip("0123456789") if dot else head
    moment = datetime.datetime.fromisoformat(plain[:-1] + "+00:00" if plain.endswith(("Z", "z")) else plain)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=datetime.timezone.utc)


def parse_fraction(text: str) -> str:
    """Return the fraction of a second in a time that `parse_time` accepts, with its dot and without zeros at its end. Empty if there is none."""
    digits = _FRACTION.search(text)
    return f".{digits[1]}".rstrip("0").rstrip(".") if digits is not None else ""


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


def parse_duration(text: str, option: str) -> int:
    """Return the nanoseconds of a duration as Docker writes it, such as `1m30s` or `1.5s`. OPTION names it in messages. Raises InvalidOption."""
    parts = _DURATION_PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise InvalidOption(f"{option}: {text!r:.100} is not a duration such as 30s, 1m30s or 500ms")
    nanoseconds = sum(int(decimal.Decimal(number) * _NANOSECONDS[unit]) for number, unit in parts)
    if 0 < nanoseconds < 1_000_000 or nanoseconds >= 1 << 63:
        raise InvalidOption(f"{option}: {text!r:.100} must be 0, or at least 1ms and less than 292 years")
    return nanoseconds
