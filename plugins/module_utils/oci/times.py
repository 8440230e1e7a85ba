# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Times as images have them (RFC 3339)."""

from __future__ import annotations

import datetime


def parse_time(text: str) -> datetime.datetime:
    """A moment with its zone; without one UTC is meant. Fractions of a second are left out. Raises ValueError for what is no time."""
    head, dot, fraction = text.partition(".")
    # Go writes nanoseconds and `Z`; Python before 3.11 reads neither.
    plain = head + fraction.lstrip("0123456789") if dot else head
    moment = datetime.datetime.fromisoformat(plain[:-1] + "+00:00" if plain.endswith(("Z", "z")) else plain)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=datetime.timezone.utc)
