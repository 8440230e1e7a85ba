# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a private key, and the key of a task that signs."""

from __future__ import annotations

import typing as t

from ..errors import InvalidOption
from ..limits import MAX_KEY_FILE
from ..trusted_files import read_option_file
from .arguments import Arguments

if t.TYPE_CHECKING:
    from ..trust.keys import PrivateKey

PRIVATE_KEY = Arguments(
    {
        "privatekey_path": {"type": "path"},
        "privatekey_content": {"type": "str", "no_log": True},
        "privatekey_passphrase": {"type": "str", "no_log": True},
    },
    {"mutually_exclusive": [("privatekey_path", "privatekey_content")], "required_one_of": [("privatekey_path", "privatekey_content")]},
)


def read_private_key(params: t.Mapping[str, t.Any]) -> PrivateKey:
    """Return the private key of a task. Raises InvalidOption, MissingLibrary. No message contains any part of the key or of its passphrase."""
    from ..trust import keys

    content, path, passphrase = params["privatekey_content"], params["privatekey_path"], params["privatekey_passphrase"]
    if content is not None:
        pem, what = content.encode("utf-8", "surrogateescape"), "privatekey_content"
    else:
        pem, what = read_option_file(path, MAX_KEY_FILE, InvalidOption), f"the private key {path}"
    return keys.read_private_key(pem, passphrase.encode("utf-8", "surrogateescape") if passphrase is not None else None, what)
