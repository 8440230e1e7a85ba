# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Attributes that all modules share."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode). Writes nothing, and returns the same results as the real run that follows.
  diff_mode:
    support: full
    description: Returns the names that change, with their digests and platforms before and after.
  idempotent:
    support: full
    description: When run twice in a row outside check mode with the same arguments, the second run changes nothing.
  platform:
    support: full
    platforms: posix
    description: The systems that managed hosts may run. They need Python 3.9 or newer.
"""

    INFO_MODULE = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode). The module never writes anything.
  diff_mode:
    support: full
    description: The module never changes anything, so the diff is always empty.
  idempotent:
    support: full
    description: The module never changes anything, however often it runs.
  platform:
    support: full
    platforms: posix
    description: The systems that managed hosts may run. They need Python 3.9 or newer.
"""

    ACTIONGROUP = r"""
options: {}
notes:
  - Other options of the store, of registries, of engines and of progress are accepted without any effect, so that C(module_defaults) can set them for
    the action group.
attributes:
  action_group:
    description: Use C(group/longshore.images.images) in C(module_defaults) to set shared options once.
    support: full
    membership:
      - longshore.images.images
"""
