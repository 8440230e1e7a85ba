# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The description of a layer that is made from files of the host."""

from __future__ import annotations

import dataclasses
import functools

from ..errors import InvalidOption
from ..oci.glob import compile_glob
from .image_tree import WHITEOUT, Parts, split_path
from .metadata import check_id

_compile = functools.lru_cache(maxsize=1000)(compile_glob)


@dataclasses.dataclass(frozen=True)
class OwnerRule:
    """Owner, group and permissions of the new files and folders whose path in the image matches a glob. None keeps the value of the layer."""

    path: str
    owner: int | None = None
    group: int | None = None
    mode: int | None = None

    def __post_init__(self) -> None:
        """Raise InvalidOption for an ID that no system can have, and for a glob that matches no path."""
        for option, number in (("owner", self.owner), ("group", self.group)):
            if number is not None:
                check_id(number, f"rules: {option}")
        if not self.path.startswith("/"):
            raise InvalidOption(f"rules: path {self.path!r:.100} must begin with a slash: it is a glob of paths in the image")

    def match(self, path: str) -> bool:
        return _compile(self.path).match(path) is not None


@dataclasses.dataclass(frozen=True)
class LayerSource:
    """The source of a layer: a file or a folder of the host, placed at `destination`; or, without one, a tar that becomes the layer unchanged.

    `mode` holds permission bits for all files of the layer; None keeps theirs, except for setuid and setgid bits of a file that gets another owner.
    `modified` is the time of all new files, in seconds since 1970. `compression` is None, gzip or zstd. `remove` are the paths in the image that the
    layer deletes first; then `path` may be None. `rules` set owners and modes by path, `exclude` are patterns of files to leave out.
    """

    path: str | None
    destination: str | None
    mode: int | None
    owner: int
    group: int
    compression: str | None
    modified: int = 0
    exclude: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    rules: tuple[OwnerRule, ...] = ()

    def __post_init__(self) -> None:
        """Raise InvalidOption for options that no layer can have."""
        check_id(self.owner, "owner")
        check_id(self.group, "group")
        if self.path is None and not self.remove:
            raise InvalidOption("a layer needs src, the files to add, or remove, the paths to delete")
        for path in self.remove:
            _check_inside("remove", path)
            if not split_path(path):
                raise InvalidOption(f"remove {path!r}: an image can't lose its root folder")
        _check_inside("dest", self.destination or "")

    @property
    def destination_parts(self) -> Parts:
        return split_path(self.destination or "")

    @property
    def removed_parts(self) -> list[Parts]:
        """Return the paths to delete, each once."""
        return list(dict.fromkeys(split_path(path) for path in self.remove))

    def find_rule(self, path: str) -> OwnerRule | None:
        """Return the last rule that matches a path in the image."""
        return next((rule for rule in reversed(self.rules) if rule.match(path)), None)

    def require_no_changes(self, path: str) -> None:
        """Raise InvalidOption if an option would change a tar that becomes the layer unchanged."""
        if self.mode is not None or self.owner or self.group or self.rules or self.exclude or self.remove:
            raise InvalidOption(
                f"{path} is a tar that becomes the layer unchanged, so mode, owner, group, rules, exclude and remove don't apply to it;"
                " give dest to put it into the image as a file"
            )


def _check_inside(option: str, path: str) -> None:
    """Raise InvalidOption for a path that leads out of the image, and for names that delete files."""
    parts = split_path(path)
    if ".." in parts or "\0" in path:
        raise InvalidOption(f"{option} {path!r:.200} leads out of the image")
    if any(part.startswith(WHITEOUT) for part in parts):
        raise InvalidOption(f"{option} {path}: in a layer names that begin with {WHITEOUT} mean that a file is deleted")
