# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that locate the store."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  store:
    description:
      - The folder of the store, which is an OCI image layout.
      - The default for root is C(/var/lib/longshore/images).
      - The default for other users is C($XDG_DATA_HOME/longshore/images), or C(~/.local/share/longshore/images) if C($XDG_DATA_HOME) isn't set.
      - A missing or empty folder counts as an empty store. A folder with other content is refused.
      - When root writes to a store in another user's folder, the new files belong to the owner of that folder.
    type: path
  store_mode:
    description:
      - The permissions of the store's folder when the module creates it, in octal. The umask does not affect them.
      - An existing store keeps its permissions, and later files get matching ones.
      - A mode that lets everybody write is refused.
    type: raw
    default: "0700"
  lock_timeout:
    description: How many seconds to wait while another run changes the store. After that the task fails with the error C(lock_timeout).
    type: float
    default: 300
"""
