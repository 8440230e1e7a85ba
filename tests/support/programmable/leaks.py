# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Search everything that a run leaves for planted secrets, in every encoding."""

from __future__ import annotations

import base64
import json
import typing as t
from pathlib import Path
from urllib.parse import quote, quote_plus

from .access import IDENTITY, PASSWORD, USER

# Every token and every signature of the tests begins with one of these.
MARKS = ("planted-token", "planted-signature", "planted-cookie")


def forms(secret: str, user: str | None = USER) -> set[bytes]:
    """Return a secret raw, in base64 alone and after the user name, and quoted as in URLs and JSON."""
    raw = secret.encode()
    pair = f"{user}:{secret}".encode()
    quoted = {quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    encoded = {encode(data).rstrip(b"=") for encode in (base64.b64encode, base64.urlsafe_b64encode) for data in (raw, pair)}
    return {raw, *encoded, *(form.encode() for form in quoted)}


def planted_forms() -> set[bytes]:
    """Return the password and the identity token in every form, and the common beginning of all tokens, raw and in base64."""
    marks = {mark.encode() for mark in MARKS} | {base64.b64encode(mark.encode()[:12]) for mark in MARKS}
    return forms(PASSWORD) | forms(IDENTITY, "") | marks


def leaks(texts: t.Mapping[str, bytes], folders: t.Iterable[Path] = (), allowed: str | None = None) -> list[str]:
    """Return the places of planted secrets: in TEXTS, in files below FOLDERS, or in names of files. One mark may be ALLOWED."""
    wanted = {form for form in planted_forms() if allowed is None or form != allowed.encode()}
    everywhere = dict(texts)
    for folder in folders:
        for path in folder.rglob("*"):
            everywhere[str(path)] = str(path).encode() + (path.read_bytes() if path.is_file() and not path.is_symlink() else b"")
    return [f"{place}: {form.decode()}" for place, data in everywhere.items() for form in sorted(wanted) if form in data]
