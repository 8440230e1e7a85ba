# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses that registries give: where they lead, and where they mustn't."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from ..errors import RegistryError


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port: credentials are given to exactly these. Raises ValueError for a URL that is none."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def led_to(url: str, location: str, what: str) -> str:
    """The address that LOCATION means in an answer from URL. WHAT, for the message, says who does what: "... redirects".

    Raises RegistryError for one that is none, holds a user's name or password (they would be sent in place of ours), or leads from https to http.
    """
    target = _joined(url, location)
    if target is None:
        raise RegistryError(f"{what} to an address that is none")
    if urlsplit(url).scheme == "https" and urlsplit(target).scheme == "http":
        raise RegistryError(f"{what} from https to http, which is refused")
    return target


def _joined(url: str, location: str) -> str | None:
    try:
        asked = urlsplit(location)
        # Without a host it would be taken for an address of the same one.
        is_sound = "@" not in asked.netloc and (asked.netloc or not (asked.scheme or location.startswith("//")))
        target = urljoin(url, location)
        scheme, host, _port = origin(target)
    except ValueError:
        return None
    return target if is_sound and scheme in ("http", "https") and host else None
