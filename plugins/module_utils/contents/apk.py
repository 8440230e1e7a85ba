# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the database of apk, Alpine's package manager."""

from __future__ import annotations

import typing as t

from .package import APK, Package
from .paragraphs import read_paragraphs

_FIELDS = {b"P": "name", b"V": "version", b"A": "architecture", b"o": "source", b"L": "license"}


def read_apk(file: t.IO[bytes], what: str) -> t.Iterator[Package]:
    """Yield the packages of `lib/apk/db/installed`. Raises UnsupportedFormat. WHAT names the file in messages."""
    for number, values in enumerate(read_paragraphs(file, _FIELDS, b":", what), 1):
        yield Package.read(APK, values, f"{what}, paragraph {number},")
