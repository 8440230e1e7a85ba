# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan what each verb changes: one planner per verb, in a file named like its module. Planners only read.

This package may import places, transfer, the packages of the places (store, registry, archive, engine) and oci, but not task.
Start with `tag.py`, the shortest planner.
"""
