# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan what happens to the referrers of images, such as signatures: they are stored, published and removed with their image.

This package may import what `verbs` may, and the helpers of `verbs`. `plan.py` has the result of all planners; `to_store.py` and `to_registry.py` are the
planners for the two kinds of targets; `stored.py` finds the images that stored referrers belong to. How referrers are found is in `oci/referrers.py`.
"""
