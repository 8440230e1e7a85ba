# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of artifact_pull. The controller reads them too if it writes the files."""

from __future__ import annotations

from .arguments import ENGINE, PLATFORM, PROGRESS, REGISTRY, STORE, Arguments
from .trust_arguments import TRUST

ARTIFACT_PULL = (
    REGISTRY
    + STORE
    + PLATFORM
    + PROGRESS
    + TRUST
    + Arguments(
        {
            "name": {"type": "str"},
            "src": {"type": "str"},
            "dest": {"type": "path", "required": True},
            "path_on": {"type": "str", "choices": ["host", "controller"], "default": "host"},
            "titles": {"type": "list", "elements": "str"},
            "media_types": {"type": "list", "elements": "str"},
            "unpack": {"type": "str", "choices": ["auto", "true", "false"], "default": "auto"},
            "existing": {"type": "str", "choices": ["overwrite", "keep", "fail"], "default": "overwrite"},
            "lock_file": {"type": "path"},
            "lock": {"type": "raw"},
        },
        {"required_one_of": [("name", "src")], "mutually_exclusive": [("lock_file", "lock")]},
        file_options=True,
    )
).accepting(ENGINE)
