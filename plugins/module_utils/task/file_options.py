# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible's own options for the mode and the owner of a file, checked before the file is written."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import re
import typing as t

from ..errors import InputOutputError, InvalidOption
from ..files import folder_mode, kept_mode
from .modes import refuse_decimal

_SYMBOLIC = re.compile(r"[ugoa]*(?:[-+=](?:[rwxXst]*|[ugo]))+(?:,[ugoa]*(?:[-+=](?:[rwxXst]*|[ugo]))+)*")
_OCTAL = re.compile(r"(?:0o)?[0-7]{1,5}")

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def check_file_options(params: t.Mapping[str, t.Any]) -> None:
    """Raises InvalidOption for a mode that is none, and for an owner or a group that this host doesn't know."""
    mode = params.get("mode")
    if isinstance(mode, int):
        refuse_decimal(mode, "mode")
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
    mode = _number(wanted)
    return mode if mode is not None else kept_mode(path)


def _number(wanted: object) -> int | None:
    """The mode that is asked for by a number, which YAML may have read as one already."""
    if isinstance(wanted, int):
        return wanted
    return int(wanted, 8) if isinstance(wanted, str) and _OCTAL.fullmatch(wanted) else None


def set_file_options(module: AnsibleModule, path: str) -> bool:
    """Sets owner, group and mode of the file PATH, or of a folder and all that is in it, as the task asks; whether there was anything to set.

    Files of a folder get no permission to be run by a number, and folders can be entered by all who may read the files. Raises InputOutputError.
    """
    mode = _number(module.params["mode"])
    changed = False
    with _raising(module, path):
        for place, is_folder in _tree(path):
            wanted = module.load_file_common_arguments(module.params, path=place)
            if mode is not None and os.path.isdir(path):
                wanted["mode"] = folder_mode(mode) if is_folder else mode & 0o666
            changed = module.set_fs_attributes_if_different(wanted, changed)
    return changed


def _tree(path: str) -> t.Iterator[tuple[str, bool]]:
    yield path, os.path.isdir(path)
    for folder, folders, files in os.walk(path):
        yield from ((os.path.join(folder, name), True) for name in folders)
        yield from ((os.path.join(folder, name), False) for name in files)


@contextlib.contextmanager
def _raising(module: t.Any, path: str) -> t.Iterator[None]:
    """Ansible's own functions end the module where a mode or an owner can't be set; here that is an error like others."""

    def fail_json(msg: str, **rest: t.Any) -> t.NoReturn:
        raise InputOutputError(f"{rest.get('path', path)}: {msg}" + (f" ({rest['details']})" if rest.get("details") else ""))

    own, module.fail_json = module.fail_json, fail_json
    try:
        yield
    finally:
        module.fail_json = own
