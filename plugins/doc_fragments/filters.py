# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The conditions by which modules choose among the images of a place."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  filters:
    description: Conditions that images must fulfil to be considered, all of them.
    type: dict
    default: {}
    suboptions:
      reference:
        description: Globs on the normalised name, of which one must match. C(*) and C(?) don't match a slash.
        type: list
        elements: str
        default: []
      label:
        description: Labels that the image must have, as C(key) or C(key=value).
        type: list
        elements: str
        default: []
      dangling:
        description: V(true) takes unnamed images only, V(false) named ones only.
        type: bool
      before:
        description: An image of the same place. Only images that were created before it are taken.
        type: str
      since:
        description: An image of the same place. Only images that were created after it are taken.
        type: str
"""
