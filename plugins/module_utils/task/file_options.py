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
import stat
import typing as t

from ..atomic_files import existing_mode, folder_mode, is_private_folder
from ..errors import InputOutputError, InvalidOption
from ..files import naming_path_in_errors
from ..folders import Folder, open_parent
from .file_modes import refuse_decimal

_SYMBOLIC = re.compile(r"[ugoa]*(?:[-+=](?:[rwxXst]*|[ugo]))+(?:,[ugoa]*(?:[-+=](?:[rwxXst]*|[ugo]))+)*")
_OCTAL = re.compile(r"(?:0o)?[0-7]{1,5}")

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def check_file_options(params: t.Mapping[str, t.Any]) -> None:
    """Raise InvalidOption for an invalid mode, and for an owner or a group that this host doesn't know."""
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


def initial_mode(path: str, wanted: object) -> int:
    """Return the mode with which a file is created: the requested one if it is a number, else that of the file it replaces, else readable for all."""
    mode = _number(wanted)
    return mode if mode is not None else existing_mode(path)


def _number(wanted: object) -> int | None:
    """Return a mode that is given in digits, as text or as the number that YAML made of it; None for a symbolic one."""
    if isinstance(wanted, int):
        return wanted
    return int(wanted, 8) if isinstance(wanted, str) and _OCTAL.fullmatch(wanted) else None


def set_file_options(module: AnsibleModule, path: str) -> bool:
    """Set owner, group and mode of the file PATH, or of a folder and all that is in it, as the task asks. Return whether there was anything to set.

    Files of a folder get no permission to be run by a number, and folders can be entered by all who may read the files. No link is followed: in a shared
    folder another user could exchange the file for one. Raises InputOutputError.
    """
    changed = False
    with _raising(module, path), naming_path_in_errors(path):
        try:
            folder, name = open_parent(path)
        except FileNotFoundError:  # check mode, in which a file's folder is not created
            return False
        with folder:
            status = folder.status(name) if name else None
            if status is None:  # check mode
                return False
            top_is_folder = stat.S_ISDIR(status.st_mode)
            for parent, entry, found in _tree(folder, name, status):
                changed = _set_entry_options(module, parent, entry, found, top_is_folder) or changed
    return changed


def _tree(folder: Folder, name: str, status: os.stat_result) -> t.Iterator[tuple[Folder, str, os.stat_result]]:
    """Yield an entry, and the files and folders below it."""
    yield folder, name, status
    if stat.S_ISDIR(status.st_mode):
        with folder.open_folder(name) as inner:
            yield from (entry for entry in inner.walk() if stat.S_ISDIR(entry[2].st_mode) or stat.S_ISREG(entry[2].st_mode))


def _set_entry_options(module: t.Any, folder: Folder, name: str, status: os.stat_result, top_is_folder: bool) -> bool:
    """Set the options of one file or folder. Ansible's own functions take paths, so they do only what can't be done to an open file."""
    wanted = module.load_file_common_arguments(module.params, path=folder.path_of(name))
    user, group = _id_of(wanted["owner"], pwd.getpwnam, 2), _id_of(wanted["group"], grp.getgrnam, 2)
    mode = _mode_of(module, wanted["mode"], status, top_is_folder)
    changed = bool((user, group, mode) != (-1, -1, None) and _differs(status, user, group, mode))
    if changed and not module.check_mode:
        _set_open_file(folder, name, status, user, group, mode)
    changed = module.set_context_if_different(wanted["path"], wanted["secontext"], changed)
    return bool(module.set_attributes_if_different(wanted["path"], wanted["attributes"], changed))


def _id_of(name: object, look_up: t.Callable[[str], t.Sequence[t.Any]], field: int) -> int:
    """Return the numeric ID of a user or a group; -1, which leaves it as it is, if none is asked for. `check_file_options` has seen that the name exists."""
    if name is None:
        return -1
    return int(str(name)) if str(name).isdigit() else int(look_up(str(name))[field])


def _mode_of(module: t.Any, wanted: object, status: os.stat_result, top_is_folder: bool) -> int | None:
    if wanted is None:
        return None
    number = _number(wanted)
    if number is None:
        return int(module._symbolic_mode_to_octal(status, str(wanted)))
    if not top_is_folder:
        return number
    return folder_mode(number) if stat.S_ISDIR(status.st_mode) else number & 0o666


def _differs(status: os.stat_result, user: int, group: int, mode: int | None) -> bool:
    return user not in (-1, status.st_uid) or group not in (-1, status.st_gid) or (mode is not None and mode != stat.S_IMODE(status.st_mode))


def _set_open_file(folder: Folder, name: str, status: os.stat_result, user: int, group: int, mode: int | None) -> None:
    """Change the very file or folder that STATUS is of. Raises InputOutputError if it has been exchanged, or if it has another name elsewhere."""
    path = folder.path_of(name)
    with naming_path_in_errors(path), contextlib.ExitStack() as stack:
        if stat.S_ISDIR(status.st_mode):
            descriptor = stack.enter_context(folder.open_folder(name)).descriptor
        else:
            descriptor = folder.open_file(name)
            stack.callback(os.close, descriptor)
        own = os.fstat(descriptor)
        if not os.path.samestat(own, status) or (own.st_nlink > 1 and stat.S_ISREG(own.st_mode) and not is_private_folder(folder.own_status())):
            raise InputOutputError(f"{path}: its mode and owner are not set, since another user exchanged the file or linked it to another one")
        kept = stat.S_IMODE(own.st_mode) if mode is None else mode
        if (user, group) != (-1, -1):
            os.fchown(descriptor, user, group)
        os.fchmod(descriptor, kept)  # a change of owner clears the special bits


@contextlib.contextmanager
def _raising(module: t.Any, path: str) -> t.Iterator[None]:
    """Raise InputOutputError if Ansible's own functions can't set a mode or an owner. By themselves they would end the module."""

    def fail_json(msg: str, **rest: t.Any) -> t.NoReturn:
        raise InputOutputError(f"{rest.get('path', path)}: {msg}" + (f" ({rest['details']})" if rest.get("details") else ""))

    own, module.fail_json = module.fail_json, fail_json
    try:
        yield
    finally:
        module.fail_json = own
