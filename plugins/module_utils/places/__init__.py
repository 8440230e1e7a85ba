# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The places as verbs use them: the images of a place, an image to read, and the plan that writes one. One folder for each place.

This package may import transfer, the packages of the places (store, registry, archive, engine), trust and oci, but neither verbs nor task.
"""
