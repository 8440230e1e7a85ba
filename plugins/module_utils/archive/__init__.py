# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read and write archives of images: docker-archive, oci-archive, and image layouts in a folder.
Imports only `oci` and the helper files next to the packages; it does not import the store, the registry or the engines.
Start with reader.py (reading), format.py (which files an archive has) and output.py (writing).
"""
