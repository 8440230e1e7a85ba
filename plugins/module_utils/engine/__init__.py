# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Container engines (Docker, Podman, containerd): list their images, load archives into them, and remove images from them.

May import `oci` and the small helpers beside the packages (errors, programs, limits), never another place, `transfer` or `verbs`.
Start with `interfaces.py` (how the rest of the code sees an engine) and `discovery.py` (which engine is used and where it listens).
"""
