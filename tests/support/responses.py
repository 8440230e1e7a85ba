# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A response of a registry for tests without a server."""

from __future__ import annotations

import dataclasses
import typing as t


@dataclasses.dataclass
class FakeResponse:
    """A response to a request for a list, with LINKS as its `Link` headers."""

    content: bytes
    links: t.Sequence[str] = ()
    headers: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    status: int = 200
    url: str = ""
    what: str = "the list"

    def header_values(self, name: str) -> list[str]:
        return list(self.links) if name == "Link" else []

    def body(self, limit: int) -> bytes:
        return self.content[: limit + 1]

    def close(self) -> None:
        """Nothing to close."""
