# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan copies from any registry, layout or archive to any other, without a store: one planner for each kind of target.

This package may import what `verbs` may, and the helpers of `verbs`. Start with `copy.py`; `job.py` and `sources.py` describe one image to copy.
"""
