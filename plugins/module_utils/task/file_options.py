# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible's own options for the mode and the owner of a file, checked before the file is written."""

from __future__ import annotations

import grp
import pwd
import re
import typing as t

from ..errors import InvalidOption
from ..files import kept_mode

_SYMBOLIC = re.compile(r"[ugoa]*(?:[-+=](?:[rwxXst]*|[ugo]))+(?:,[ugoa]*(?:[-+=](?:[rwxXst]*|[ugo]))+)*")
_OCTAL = re.compile(r"[0-7]{1,5}")


def check_file_options(params: t.Mapping[str, t.Any]) -> None:
    """Raises InvalidOption for a mode that is none, and for an owner or a group that this host doesn't know."""
    mode = params.get("mode")
    if mode is not None and not isinstance(mode, int) and not _OCTAL.fullmatch(str(mode)) and not _SYMBOLIC.fullmatch(str(mode)):
        raise InvalidOption(f"mode {mode!r} is neither octal like '0644' nor symbolic like 'u=rw,g=r'")
    for option, look_up in (("owner", pwd.getpwnam), ("group", grp.getgrnam)):
        name = params.get(option)
        if name is None or str(name).isdigit():
            continue
        try:
            look_up(str(name))
        except KeyError as error:
            raise InvalidOption(f"{option} {name!r} does not exist on this host") from error


def first_mode(path: str, wanted: object) -> int:
    """The mode with which the file begins: the one asked for where it is a number, else that of the file it replaces, else readable for all."""
    text = str(wanted or "")
    if text.isdigit() and set(text) <= set("01234567"):
        return int(text, 8)
    return kept_mode(path)
