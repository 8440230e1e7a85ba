# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The forms in which a secret may stand in a text."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus, unquote

from ..oci.text import sanitise

HIDDEN = "********"


def secret_forms(secret: str, username: str | None = None) -> set[str]:
    """Return SECRET unchanged, and as it looks in URLs, paths, JSON, an `Authorization` header, and when its bytes are read as Latin-1."""
    encoded = _encoded(secret)
    forms = {secret, quote(encoded, safe=""), quote(encoded), quote_plus(encoded), encoded.decode("latin-1")}
    forms.add(sanitise(secret, len(secret)))  # as it looks in a message
    forms |= {json.dumps(secret, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}
    for text in (secret, f"{username}:{secret}") if username is not None else (secret,):
        forms |= {_base64(text), _base64(text).rstrip("=")}
    return {form for form in forms if form}


def secret_forms_in_url(address: str) -> set[str]:
    """Return the forms of a password in an address, such as that of a proxy: as it is written there, and unquoted."""
    userinfo = address.rpartition("://")[2].partition("/")[0].rpartition("@")[0]
    username, _colon, password = userinfo.partition(":")
    return secret_forms(password, username) | secret_forms(unquote(password), unquote(username)) if password else set()


def _base64(text: str) -> str:
    return base64.b64encode(_encoded(text)).decode("ascii")


def _encoded(text: str) -> bytes:
    """Encode TEXT without ever failing: the code that keeps secrets out of errors must not raise one."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
