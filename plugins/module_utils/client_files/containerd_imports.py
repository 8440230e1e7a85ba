# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files that containerd's config.toml imports, such as those in /etc/containerd/conf.d."""

from __future__ import annotations

import fnmatch
import posixpath
import typing as t

from ..errors import InvalidOption
from ..registry.config.toml_values import Table, read_paths

# More files than any host has; a chain of imports must end.
_MAX_IMPORTS = 200


class ImportedFile(t.NamedTuple):
    """An imported file, by its path on this host, and its content."""

    path: str
    document: Table


def read_imports(
    document: Table, path: str, list_names: t.Callable[[str], t.Sequence[str]], read: t.Callable[[str], ImportedFile | None]
) -> list[ImportedFile]:
    """Return the files that config.toml imports, and those that these import, in the order in which containerd reads them.

    LIST_NAMES returns the names in a folder, READ a file, None if it doesn't exist. Raises InvalidOption for too many files, and the errors of READ.
    """
    found: dict[str, ImportedFile] = {}
    pending = _find_imports(document, path, path, list_names)
    while pending:
        name = pending.pop(0)
        file = read(name) if name not in found and name != path else None
        if file is None:
            continue
        if len(found) == _MAX_IMPORTS:
            raise InvalidOption(f"{path} imports more than {_MAX_IMPORTS} files")
        found[name] = file
        pending += _find_imports(file.document, name, file.path, list_names)
    return list(found.values())


def _find_imports(document: Table, path: str, shown: str, list_names: t.Callable[[str], t.Sequence[str]]) -> list[str]:
    """Return the paths of the imports of one file. A relative path starts at the folder of that file."""
    patterns = [posixpath.normpath(posixpath.join(posixpath.dirname(path), entry)) for entry in read_paths(document, "imports", shown)]
    return [found for pattern in patterns for found in _expand(pattern, list_names)]


def _expand(pattern: str, list_names: t.Callable[[str], t.Sequence[str]]) -> list[str]:
    """Return the paths that match a pattern as in a shell, sorted; a path without wildcards as it is."""
    paths = [""]
    for part in pattern.strip("/").split("/"):
        if any(sign in part for sign in "*?["):
            paths = [f"{folder}/{name}" for folder in paths for name in sorted(list_names(folder or "/")) if fnmatch.fnmatchcase(name, part)]
        else:
            paths = [f"{folder}/{part}" for folder in paths]
    return paths
