# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files by which engines of a host reach registries: what they must contain, for one list of registries. Pure: no files are read or written.
May import the rest of package registry, `oci` and the small helpers below all packages.
Start with entries.py (the list) and containerd.py (one engine).
"""
