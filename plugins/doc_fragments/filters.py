# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Conditions that select images of a store, an engine, an archive or a registry."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  filters:
    description: Conditions that select images. An image must meet all of them.
    type: dict
    default: {}
    suboptions:
      reference:
        description: Globs on the normalised name. The name must match at least one. C(*) and C(?) don't match a slash.
        type: list
        elements: str
        default: []
      label:
        description: Labels that the image must have, as C(key) or C(key=value).
        type: list
        elements: str
        default: []
      dangling:
        description: V(true) selects unnamed images only, V(false) named images only.
        type: bool
      before:
        description: An image in the same place. Only images that were created before it are selected.
        type: str
      since:
        description: An image in the same place. Only images that were created after it are selected.
        type: str
"""
