# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make untrusted text (from registries, images and archives) safe for messages."""

from __future__ import annotations

import re

from ..limits import MAX_MESSAGE

# The end of a shortened text.
CUT = "..."

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def split_userinfo(address: str) -> tuple[str, str, str]:
    """Split an address, such as that of a proxy, into its scheme with `://`, its user name and password, and the rest.

    User name and password are all text before the last @, because users often write reserved characters without quoting them.
    """
    scheme = _SCHEME.match(address)
    start = scheme.end() if scheme is not None else 0
    userinfo, _at, rest = address[start:].rpartition("@")
    return address[:start], userinfo, rest


def without_userinfo(address: str) -> str:
    """Return an address without the user name and password in it, for a message."""
    scheme, _userinfo, rest = split_userinfo(address)
    return scheme + rest


def without_secrets(address: str) -> str:
    """Return an address that a user wrote, without user name, password, query and fragment, for a message."""
    scheme, userinfo, rest = split_userinfo(address)
    if "/" in userinfo.partition("?")[0] and "?" in userinfo:
        return f"{scheme}{CUT}"
    return sanitise(scheme + re.split("[?#]", rest)[0], 200)


def split_lines(text: str) -> list[str]:
    """Return the lines of a file or of a program's output, which end at line feeds only. `str.splitlines` also splits at characters such as U+2028."""
    return text.removesuffix("\n").split("\n") if text else []


def sanitise(text: str, limit: int = 1000) -> str:
    """Return TEXT for a message: at most LIMIT characters (CUT marks shortened text), without characters that control a terminal or mislead a reader."""
    if len(text) <= limit and text.isprintable():
        return text.strip()
    plain = _CONTROLS.sub(" ", text[: limit + 1])
    shown = "".join(character if character.isprintable() else " " for character in plain).strip()
    return shown if max(len(shown), len(text) - 1) <= limit else shown[: limit - len(CUT)] + CUT


def sanitise_message(text: str) -> str:
    """Return a sentence that leaves a module (a message, a warning or an action): as safe as untrusted text, and with a bounded length."""
    return sanitise(text, MAX_MESSAGE)


def replace_surrogates(text: str) -> str:
    """Return the name of a file that isn't UTF-8 in a form that JSON can carry."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def format_size(size: int) -> str:
    """Return a number of bytes for people, in decimal units as disks and registries use."""
    if size < 1000:
        return f"{size} B"
    value = float(size)
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if value < 999.95:
            return f"{value:.1f} {unit}"
    return f"{value / 1000:.1f} TB"
