# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Private keys that a user gave in the wrong option: they are secrets, whichever option holds them. Only a run that has one imports this file."""

from __future__ import annotations

import base64
import binascii
import re
import typing as t

from ..errors import InvalidOption
from .arguments import Option
from .secret_forms import HIDDEN, secret_forms

# A key that was cut has no last line.
_BLOCK = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(.*?)(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\Z)", re.DOTALL)
# A PEM block in base64, as variables of CI systems hold it.
_ENCODED = re.compile(r"LS0tLS1CRUdJT[A-Za-z0-9+/=\s]+")
# A line of a key, also where YAML folded the lines, or the line breaks are written as \n.
_LINE = re.compile(r"[A-Za-z0-9+/=]{8,}")
_WRITTEN_BREAK = re.compile(r"\\+[nr]")


def find_private_keys(options: t.Any) -> set[str]:
    """Return the forms of all private keys in OPTIONS, of any type: of the whole key, and of each of its lines, because a message may show only some."""
    return {form for text in _texts(options) for found in _find_in_text(text) for form in found}


def _find_in_text(text: str) -> t.Iterator[set[str]]:
    """Yield the forms of each key in TEXT."""
    for block in _BLOCK.finditer(text):
        yield _forms(block[0], block[1])
    for encoded in _ENCODED.finditer(text):
        if _is_encoded_key(encoded):
            yield _forms(encoded[0].strip(), encoded[0])


def _forms(whole: str, body: str) -> set[str]:
    lines = _LINE.findall(_WRITTEN_BREAK.sub("\n", body))
    return secret_forms(whole) | {form for line in lines for form in secret_forms(line)}


def _is_encoded_key(found: re.Match[str]) -> bool:
    try:
        return b"PRIVATE KEY" in base64.b64decode("".join(found[0].split())[:100])
    except binascii.Error:
        return False


def _hide_encoded(found: re.Match[str]) -> str:
    return HIDDEN if _is_encoded_key(found) else found[0]


def _texts(options: t.Any) -> t.Iterator[str]:
    if isinstance(options, str):
        yield options
    elif isinstance(options, dict):
        for name, value in options.items():
            yield from _texts(name)
            yield from _texts(value)
    elif isinstance(options, (list, tuple)):
        for value in options:
            yield from _texts(value)


def without_private_keys(options: t.Any) -> t.Any:
    """Return OPTIONS with every private key replaced, for the invocation that Ansible shows."""
    if isinstance(options, str):
        return _ENCODED.sub(_hide_encoded, _BLOCK.sub(HIDDEN, options))
    if isinstance(options, dict):
        return {without_private_keys(name): without_private_keys(value) for name, value in options.items()}
    return [without_private_keys(value) for value in options] if isinstance(options, (list, tuple)) else options


def refuse_as_path(options: t.Mapping[str, Option], params: t.Mapping[str, t.Any]) -> None:
    """Raise InvalidOption for a private key in place of a path. OPTIONS is the specification of PARAMS."""
    for name, option in options.items():
        value = params.get(name)
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, dict):
                refuse_as_path(option.get("options") or {}, part)
            elif "path" in (option.get("type"), option.get("elements")) and isinstance(part, str) and _BLOCK.search(part):
                raise InvalidOption(f"{name} holds a private key, and not the path of a file; write the key to a file, and give its path")
