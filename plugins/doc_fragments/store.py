# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options by which modules find the store."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  store:
    description:
      - The folder of the store, an OCI image layout.
      - By default C(/var/lib/longshore/images) for root, and C($XDG_DATA_HOME/longshore/images) or C(~/.local/share/longshore/images) for other users.
      - A missing or empty folder is an empty store. A folder that holds anything else is refused.
      - What root writes to another user's store belongs to the owner of the store's folder.
    type: path
  store_mode:
    description:
      - The permissions of the store's folder when it is made, in octal. The umask has no say in it.
      - A store that is there keeps those that it has, and so does all that comes to it later.
      - A mode that lets everybody write is refused.
    type: raw
    default: "0700"
  lock_timeout:
    description: How many seconds to wait for another run that is just changing the store.
    type: float
    default: 300
"""
