# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Registries: repositories, tags, referrers, search and deletion over the API of the distribution specification.
May import `oci` and the small helpers below all packages, no other place.
Start with registries.py, which opens repositories; then repository.py (reading) and upload.py (writing).
"""
