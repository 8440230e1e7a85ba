# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packages in the files of an image: the databases of package managers, and documents that list the packages.

Pure functions over open files and values. This package knows no image, no layer format and no place.
"""
