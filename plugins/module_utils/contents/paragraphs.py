# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the text databases of dpkg and apk: paragraphs of `KEY:VALUE` lines between empty lines."""

from __future__ import annotations

import typing as t

from ..errors import UnsupportedFormat
from ..limits import MAX_DATABASE_LINE


def read_paragraphs(file: t.IO[bytes], fields: t.Mapping[bytes, str], separator: bytes, what: str) -> t.Iterator[dict[str, str]]:
    """Yield the values of FIELDS in each paragraph, under the names that FIELDS gives them. Lines that continue a value are left out.

    Raises UnsupportedFormat for a line that is too long, for a repeated field and for bytes that are not UTF-8 text.
    """
    values: dict[str, str] = {}
    is_empty = True
    while True:
        line = file.readline(MAX_DATABASE_LINE + 1)
        if len(line) > MAX_DATABASE_LINE:
            raise UnsupportedFormat(f"{what} has a line of more than {MAX_DATABASE_LINE} bytes")
        text = line.rstrip(b"\r\n")
        if not text:
            if not is_empty:
                yield values
            values, is_empty = {}, True
            if not line:
                return
            continue
        is_empty = False
        key, found, value = text.partition(separator)
        name = fields.get(key) if found else None
        if name is None:
            continue
        if name in values:
            raise UnsupportedFormat(f"{what} has the field {key.decode()} twice in one paragraph")
        try:
            values[name] = value.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            raise UnsupportedFormat(f"{what} has a value that is not UTF-8 text") from error
