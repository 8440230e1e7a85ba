# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a plan may write new blobs."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from ..store.staging import Staging
    from .task import Task


def open_staging(task: Task) -> Staging | None:
    """Return where a plan may write new blobs of the store that the run surely needs; None in check mode, which writes nothing."""
    if task.check_mode:
        return None
    from ..store.staging import Staging

    staging = Staging(task.store)
    task.close_later(staging.close)
    return staging
