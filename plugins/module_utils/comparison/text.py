# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Show the differences of two images as two texts, whose unified diff people read."""

from __future__ import annotations

import json
import typing as t

from ..oci.text import format_size, sanitise
from .files import FileChange, FileValue
from .layers import ADDED, REMOVED, LayerChange
from .packages import PackageChange
from .settings import SettingChange

_MAX_VALUE = 300  # characters of one value


class Lines:
    """The lines of both texts. `add` puts one line into each, or into one of them."""

    def __init__(self) -> None:
        self._before: list[str] = []
        self._after: list[str] = []

    def add(self, before: str | None, after: str | None) -> None:
        """Add a line for each image that has one. Text of images is made safe to print."""
        for lines, line in ((self._before, before), (self._after, after)):
            if line is not None:
                lines.append(line)

    @property
    def texts(self) -> tuple[str, str]:
        """Return the text of the first image and that of the second."""
        before, after = ("".join(f"{line}\n" for line in lines) for lines in (self._before, self._after))
        return before, after


def add_layers(lines: Lines, changes: t.Iterable[LayerChange]) -> None:
    """Add a line for each layer, also for those that both images have."""
    for change in changes:
        new = _describe_layer(change) if change.change != REMOVED else None
        old = _describe_layer(change, is_previous=True) if change.change != ADDED else None
        lines.add(old, new)


def _describe_layer(change: LayerChange, is_previous: bool = False) -> str:
    layer = change.previous if is_previous and change.previous is not None else change.layer
    return f"  layer {layer.digest} {format_size(layer.size)}"


def add_settings(lines: Lines, changes: t.Iterable[SettingChange]) -> None:
    """Add a line for each setting that is not the same."""
    for change in changes:
        name = f"  {change.setting} {sanitise(change.key, _MAX_VALUE)}=" if change.key is not None else f"  {change.setting} "
        old, new = (name + _format_value(value) for value in (change.before, change.after))
        lines.add(old if change.change != ADDED else None, new if change.change != REMOVED else None)


def _format_value(value: object) -> str:
    return sanitise(value if isinstance(value, str) else json.dumps(value, sort_keys=True), _MAX_VALUE)


def add_packages(lines: Lines, changes: t.Iterable[PackageChange]) -> None:
    """Add a line for each package that is not the same. Names and versions are safe to print already."""
    for change in changes:
        name = f"  package {change.type} {change.name}"
        lines.add(*(f"{name} {version}" if version is not None else None for version in (change.before, change.after)))


def add_files(lines: Lines, changes: t.Iterable[FileChange]) -> None:
    """Add a line for each path at which the images have not the same."""
    for change in changes:
        path = sanitise("/" + "/".join(change.path), _MAX_VALUE)
        lines.add(*(f"  {_describe_file(path, value)}" if value is not None else None for value in (change.before, change.after)))


def _describe_file(path: str, value: FileValue) -> str:
    target = f" -> {sanitise(value.target, _MAX_VALUE)}" if value.target is not None else ""
    content = f" {format_size(value.size)} {value.digest}" if value.digest is not None else ""
    attributes = f" with {sanitise(', '.join(key for key, _value in value.attributes), _MAX_VALUE)}" if value.attributes else ""
    return f"{value.kind} {path}{target} {value.mode:04o} {value.owner}:{value.group}{content}{attributes}"
