# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options `trust` and `trust_file`."""

from __future__ import annotations

import typing as t

from .arguments import Arguments

if t.TYPE_CHECKING:
    from ..trust.policy import TrustPolicy

_IDENTITY = {
    "issuer": {"type": "str", "required": True},
    "subject": {"type": "str"},
    "subject_regex": {"type": "str"},
}

_RULE = {
    "scope": {"type": "str", "default": ""},
    "accept": {"type": "str", "choices": ["signed", "anything", "nothing"], "default": "signed"},
    # Public keys are not secret, but Ansible assumes that options with such names are.
    "keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "identities": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": _IDENTITY,
        "mutually_exclusive": [("subject", "subject_regex")],
        "required_one_of": [("subject", "subject_regex")],
    },
    "trusted_root": {"type": "raw"},
    "annotations": {"type": "dict", "default": {}},
    "repository": {"type": "str", "default": "same"},
    "attestations": {"type": "list", "elements": "raw", "default": []},
}

TRUST = Arguments(
    {"trust": {"type": "list", "elements": "dict", "options": _RULE}, "trust_file": {"type": "path"}},
    {"mutually_exclusive": [("trust", "trust_file")]},
    may_be_empty=frozenset({"trust"}),
)


def read_trust(params: t.Mapping[str, t.Any]) -> TrustPolicy | None:
    """Return the policy that images have to meet; None if a task has neither `trust` nor `trust_file`. Raises InvalidTrust, MissingLibrary."""
    if params["trust"] is None and params["trust_file"] is None:
        return None
    from .trust import read_policy

    return read_policy(params)
