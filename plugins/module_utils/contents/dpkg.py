# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the database of dpkg: `status`, and the files in `status.d` of distroless images."""

from __future__ import annotations

import typing as t

from .package import DEB, Package
from .paragraphs import read_paragraphs

_FIELDS = {b"Package": "name", b"Version": "version", b"Architecture": "architecture", b"Source": "source", b"Status": "status"}


def read_dpkg(file: t.IO[bytes], what: str) -> t.Iterator[Package]:
    """Yield the installed packages of a `status` file. Raises UnsupportedFormat. WHAT names the file in messages.

    A removed package whose configuration files are left is not installed. The files of `status.d` have no `Status`, and what they list is installed.
    """
    for number, values in enumerate(read_paragraphs(file, _FIELDS, b":", what), 1):
        status = values.pop("status", "installed").split()
        if status[-1:] != ["installed"]:
            continue
        # `Source: glibc (2.36-9)` names the version of the source too if it differs.
        values["source"] = values.get("source", values.get("name", "")).partition(" ")[0]
        yield Package.read(DEB, values, f"{what}, paragraph {number},")
