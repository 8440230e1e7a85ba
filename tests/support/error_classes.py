# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All causes of failures, wherever their classes are defined."""

from __future__ import annotations

import typing as t

from ansible_collections.longshore.images.plugins.module_utils import errors
from ansible_collections.longshore.images.plugins.module_utils.oci import digest as _digest  # noqa: F401 - it defines a class


def error_classes(root: type[errors.LongshoreError] = errors.LongshoreError) -> t.Iterator[type[errors.LongshoreError]]:
    yield root
    for kind in root.__subclasses__():
        yield from error_classes(kind)
