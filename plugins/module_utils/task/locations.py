# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The places that a user named as texts."""

from __future__ import annotations

import dataclasses
import os

from ..oci.location import Location


def read_locations(src: str, dest: str) -> tuple[Location, Location]:
    """Return two places that a user named, to read from and to write to, with absolute paths."""
    return on_host(Location.parse(src)), on_host(Location.parse_destination(dest))


def on_host(location: Location) -> Location:
    """Return LOCATION with an absolute path; `~` and variables in it are the managed host's."""
    path = location.path
    return dataclasses.replace(location, path=os.path.abspath(os.path.expanduser(os.path.expandvars(path)))) if path else location
