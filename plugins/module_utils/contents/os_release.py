# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the name and version of a distribution (os-release(5))."""

from __future__ import annotations

import re
import typing as t

from .package import Distribution

# The paths, the first one that the image has counts.
PATHS = ("etc/os-release", "usr/lib/os-release")
MAX_OS_RELEASE = 64 * 1024

_LINE = re.compile(r"""\s*(ID|VERSION_ID)=(["']?)([A-Za-z0-9._~+-]*)\2\s*""")


def read_os_release(file: t.IO[bytes]) -> Distribution:
    """Return the distribution. Lines that can't be read count as missing, because the file only adds to the URLs of packages."""
    text = file.read(MAX_OS_RELEASE).decode("utf-8", "replace")
    values = {match[1]: match[3] for match in map(_LINE.fullmatch, text.split("\n")) if match is not None}
    return Distribution(values.get("ID", "").lower(), values.get("VERSION_ID", ""))
