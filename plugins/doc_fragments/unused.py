# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What modules say of shared options that have no effect on them, and that they take nevertheless."""

from __future__ import annotations


class ModuleDocFragment:
    REGISTRY = r"""
options: {}
notes:
  - This module asks no registry. The options for registries have no effect on it; they are taken so that C(module_defaults) may set them for the whole group.
"""

    STORE = r"""
options: {}
notes:
  - This module uses no store. The options for the store have no effect on it; they are taken so that C(module_defaults) may set them for the whole group.
"""
