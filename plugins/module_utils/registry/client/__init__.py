# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files by which engines of a host reach registries: their content for one list of registries. This code reads and writes no files.
May import the rest of package registry, `oci` and the helper files beside the packages.
Start with entries.py (the list) and containerd.py (one engine).
"""
