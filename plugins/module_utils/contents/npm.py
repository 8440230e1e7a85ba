# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the `package.json` of a package below `node_modules`."""

from __future__ import annotations

import typing as t

from ..limits import MAX_DOCUMENT
from ..oci.document import Document
from .package import NPM, Package


def read_npm(file: t.IO[bytes], what: str) -> t.Iterator[Package]:
    """Yield the package; none for a file without name and version, such as a test's. Raises UnsupportedFormat. WHAT names the file in messages."""
    data = file.read(MAX_DOCUMENT + 1).removeprefix(b"\xef\xbb\xbf")
    document = Document.parse(data, what)
    if not document.has("name") or not document.has("version"):
        return
    license_of = document.members.get("license")
    if isinstance(license_of, dict):  # an old form: {"type": "MIT", "url": ...}
        license_of = license_of.get("type")
    values = {"name": document.text("name"), "version": document.text("version"), "license": license_of if isinstance(license_of, str) else None}
    yield Package.read(NPM, values, what)
