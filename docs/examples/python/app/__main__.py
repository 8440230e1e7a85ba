# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small application with one dependency."""

from __future__ import annotations

import sys

from packaging.version import Version


def main() -> None:
    """Print the newest of the versions in the arguments."""
    sys.stdout.write(max(sys.argv[1:], key=Version) + "\n")


if __name__ == "__main__":
    main()
