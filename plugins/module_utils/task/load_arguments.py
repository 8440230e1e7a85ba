# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of image_load. The controller refuses bad ones before it reads an archive on the controller, which can be large."""

from __future__ import annotations

import typing as t

from ..oci.digest import Digest
from ..oci.reference import Reference, parse_selector
from .arguments import ENGINE, PLATFORM, PROGRESS, REGISTRY, STORE, text_map
from .trust_arguments import TRUST

LOAD = (
    (STORE + ENGINE + PLATFORM + PROGRESS + TRUST)
    .extended(
        path={"type": "path", "required": True},
        path_on={"type": "str", "choices": ["host", "controller"], "default": "host"},
        name={"type": "list", "elements": "str"},
        rename={"type": "dict", "default": {}},
        existing={"type": "str", "choices": ["overwrite", "keep", "fail"], "default": "overwrite"},
        referrers={"type": "bool", "default": True},
    )
    .accepting(REGISTRY)
)


def read_renames(params: t.Mapping[str, t.Any]) -> list[tuple[Reference | Digest, Reference]]:
    """Return the old and new names of the option `rename`. Raises InvalidReference."""
    return [(parse_selector(old), Reference.parse(new).require_no_digest()) for old, new in text_map(params["rename"]).items()]
