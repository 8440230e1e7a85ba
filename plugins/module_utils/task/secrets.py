# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keeping secrets out of everything that a task prints, in every form that they take on their way to a registry."""

from __future__ import annotations

import base64
import json
import typing as t
from urllib.parse import quote, quote_plus

_MIN_LENGTH = 4


def forms_of(secret: str, username: str | None = None) -> set[str]:
    """SECRET as it is, and as it looks in URLs, JSON and an `Authorization` header."""
    encoded = _encoded(secret)
    forms = {secret, quote(encoded, safe=""), quote_plus(encoded), _base64(secret)}
    forms |= {json.dumps(secret, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}
    if username is not None:
        forms.add(_base64(f"{username}:{secret}"))
    return {form for form in forms if form}


def without(text: str, secrets: t.Iterable[str]) -> str:
    """TEXT with every secret replaced: for messages of strangers, in which a secret may have been put on purpose."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _MIN_LENGTH:
            text = text.replace(secret, "********")
    return text


def _base64(text: str) -> str:
    return base64.b64encode(_encoded(text)).decode("ascii")


def _encoded(text: str) -> bytes:
    """Never fails: what keeps secrets out of errors must not be one."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
