# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compare the settings of two images: environment, commands, labels and all else that their configs and annotations say."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

from ..oci.config import ImageConfig
from .layers import ADDED, CHANGED, REMOVED

# Settings that are objects or lists of names. Each of their keys is compared on its own.
_BY_KEY = ("env", "labels", "exposed_ports", "volumes")
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

# A setting and the key in it, None for a setting as a whole.
Name = tuple[str, t.Optional[str]]


@dataclasses.dataclass(frozen=True)
class SettingChange:
    """A setting, or one key of it, that is not the same in both images."""

    change: str
    setting: str
    key: str | None
    before: t.Any
    after: t.Any

    def row(self) -> dict[str, t.Any]:
        return dataclasses.asdict(self)


def read_settings(config: ImageConfig, annotations: t.Mapping[str, str]) -> dict[Name, t.Any]:
    """Return all settings of an image by name and key. Names are those of the option `config` of image_append where it has them.

    Values are those of the image, unchanged: an image can have any value in any setting. Empty ones mean the same as missing ones.
    """
    settings: dict[Name, t.Any] = {("annotations", key): value for key, value in annotations.items()}
    for name in ("os", "os.version", "architecture", "variant", "author", "created"):
        settings[name, None] = config.document.members.get(name)
    for name, value in config.settings.items():
        setting = _WORDS.sub("_", name).lower()
        keyed = _split_by_key(value) if setting in _BY_KEY else None
        settings.update({(setting, None): value} if keyed is None else {(setting, key): part for key, part in keyed.items()})
    return {name: value for name, value in settings.items() if name[1] is not None or value not in (None, "", [], {})}


def _split_by_key(value: object) -> dict[str, t.Any] | None:
    """Return the parts of a setting, None if it is of no type that engines write."""
    if isinstance(value, dict):
        return {str(key): part for key, part in value.items()}
    if isinstance(value, list) and all(isinstance(text, str) for text in value):
        return {key: text for key, _equals, text in (item.partition("=") for item in value)}
    return None


def compare_settings(before: t.Mapping[Name, t.Any], after: t.Mapping[Name, t.Any]) -> list[SettingChange]:
    """Return the settings that are not the same in both images, sorted by name and key."""
    changes = []
    for name in sorted({*before, *after}, key=lambda name: (name[0], name[1] is not None, name[1] or "")):
        old, new = before.get(name), after.get(name)
        # In JSON true is not 1, but in Python they are equal.
        if name in before and name in after and json.dumps(old, sort_keys=True) == json.dumps(new, sort_keys=True):
            continue
        change = ADDED if name not in before else REMOVED if name not in after else CHANGED
        changes.append(SettingChange(change, *name, old, new))
    return changes
