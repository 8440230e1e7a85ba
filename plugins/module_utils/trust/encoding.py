# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Strict base64 for signatures and payloads: only one encoding of the same bytes is accepted."""

from __future__ import annotations

import base64
import binascii

from .verdict import FailedCheck, Rejected


def decode_base64(text: str, what: str) -> bytes:
    """Decode standard base64 with padding and without line ends. Raises Rejected for any other spelling, and for empty text."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise Rejected(FailedCheck.UNREADABLE, f"{what} is not base64") from error
    if not data or encode_base64(data) != text:
        raise Rejected(FailedCheck.UNREADABLE, f"{what} is {'empty' if not data else 'not base64 in its standard form'}")
    return data


def encode_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
