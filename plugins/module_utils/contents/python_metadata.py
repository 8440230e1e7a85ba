# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the metadata of an installed Python distribution: `dist-info/METADATA`, `egg-info/PKG-INFO`, or an `egg-info` file."""

from __future__ import annotations

import typing as t

from .package import PYTHON, Package
from .paragraphs import read_paragraphs

_FIELDS = {b"Name": "name", b"Version": "version", b"License": "license", b"License-Expression": "expression"}


def read_python_metadata(file: t.IO[bytes], what: str) -> t.Iterator[Package]:
    """Yield the distribution. Its description, after the first empty line, isn't read. Raises UnsupportedFormat. WHAT names the file in messages."""
    values = next(read_paragraphs(file, _FIELDS, b":", what), {})
    license_text = values.pop("expression", None) or values.pop("license", "")
    # Old distributions have the text of a whole licence there.
    values["license"] = license_text if len(license_text) <= 100 and license_text != "UNKNOWN" else ""
    yield Package.read(PYTHON, values, what)
