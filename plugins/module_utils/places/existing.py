# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option `existing`: what happens to a name or a file of the place that has other content."""

from __future__ import annotations

import enum

from ..errors import NameTaken
from ..oci.reference import Reference


class Existing(enum.Enum):
    """Move the name to the new image or write the file again, leave them unchanged, or fail."""

    OVERWRITE = "overwrite"
    KEEP = "keep"
    FAIL = "fail"

    def keeps_name(self, name: Reference, place: str) -> bool:
        """Return whether NAME, which another image in PLACE has, stays there. Raises NameTaken for `fail`."""
        if self is Existing.FAIL:
            raise NameTaken(f"{name} is in {place} already, for another image; set existing to overwrite to move it, or to keep to leave it")
        return self is Existing.KEEP

    def keeps_file(self, path: str, label: str) -> bool:
        """Return whether the file PATH, which has other content than the one of LABEL, stays unchanged. Raises NameTaken for `fail`."""
        if self is Existing.FAIL:
            raise NameTaken(f"{path} has other content than {label}; remove it, or use another value for existing")
        return self is Existing.KEEP
