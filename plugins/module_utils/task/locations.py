# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The places that a user named as texts."""

from __future__ import annotations

import dataclasses
import os

from ..errors import InvalidOption
from ..oci.location import STORE, Location


def read_locations(src: str, dest: str) -> tuple[Location, Location]:
    """Return two places that a user named, to read from and to write to, with absolute paths."""
    return to_read_on_host(Location.parse(src)), on_host(Location.parse_destination(dest))


def on_host(location: Location) -> Location:
    """Return LOCATION with an absolute path; `~` and variables in it are the managed host's."""
    path = location.path
    return dataclasses.replace(location, path=os.path.abspath(os.path.expanduser(os.path.expandvars(path)))) if path else location


def to_read_on_host(location: Location) -> Location:
    """Return LOCATION like `on_host`. Raises InvalidOption if it is `store:` with the name of an image in place of a folder."""
    found = on_host(location)
    is_folder = location.path.startswith(("/", ".", "~", "$")) or os.path.isdir(found.path)
    if location.scheme == STORE and location.path and not is_folder:
        raise InvalidOption(
            f"{location} is a store in the folder {location.path}, which doesn't exist; for an image of the default store write two colons: "
            f"{STORE}::{str(location).removeprefix(f'{STORE}:')}"
        )
    return found
