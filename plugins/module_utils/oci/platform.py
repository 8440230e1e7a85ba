# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Platforms, and the choice of the image in an index that a host can run."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..errors import InvalidOption, PlatformMissing
from .text import sanitise

_PART = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_ARCHITECTURES = {
    "x86_64": ("amd64", None),
    "x86-64": ("amd64", None),
    "i386": ("386", None),
    "i486": ("386", None),
    "i586": ("386", None),
    "i686": ("386", None),
    "aarch64": ("arm64", None),
    "aarch64_be": ("arm64be", None),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "armv8l": ("arm", "v8"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "armv5tel": ("arm", "v5"),
    "armv5tejl": ("arm", "v5"),
    "mips": ("mips", None),
    "mips64": ("mips64", None),
}
_DEFAULT_VARIANT = {"arm64": "v8", "arm": "v7", "amd64": "v1"}
_OLDEST_VARIANT = {"amd64": 1, "arm": 5}
_ARM64_VARIANT = re.compile(r"v([89])(?:\.([0-9]))?", re.ASCII)


@dataclasses.dataclass(frozen=True, order=True)
class Platform:
    """`os/architecture[/variant]`, normalised as containerd does: `linux/aarch64`, `linux/arm64` and `linux/arm64/v8` are one platform."""

    os: str
    architecture: str
    variant: str | None = None

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Parse `os/architecture[/variant]`. Raises InvalidOption for any other text."""
        parts = text.split("/")
        if len(parts) not in (2, 3) or not all(_PART.fullmatch(part) for part in parts):
            raise InvalidOption(f"{text[:200]!r} is not a platform: write os/architecture or os/architecture/variant, for example linux/arm64")
        return cls.normalised(*parts)

    @classmethod
    def normalised(cls, os: str, architecture: str, variant: str | None = None) -> Platform:
        """Return the normal form of a platform, so that all its spellings are equal. It has no default variant, except for 32-bit ARM."""
        os = {"macos": "darwin"}.get(os.lower(), os.lower())
        architecture = architecture.lower()
        architecture, implied = _ARCHITECTURES.get(architecture, (architecture, None))
        variant = (variant or implied or "").lower() or None
        if variant is not None and re.fullmatch(r"[0-9]+(\.[0-9]+)?", variant, re.ASCII):
            variant = f"v{variant}"
        if architecture == "arm64" and variant in ("v8.0", "v9.0"):
            variant = variant[:2]
        if architecture == "arm":
            variant = variant or _DEFAULT_VARIANT["arm"]
        elif variant == _DEFAULT_VARIANT.get(architecture):
            variant = None
        return cls(os, architecture, variant)

    @classmethod
    def of_machine(cls, system: str, machine: str) -> Platform:
        """Return the platform of a host from the fields of `os.uname()`. On a Mac it is Linux, because engines run in a Linux VM there."""
        return cls.normalised("linux" if system == "Darwin" else system, machine)

    @property
    def is_runnable(self) -> bool:
        """Return False for `unknown/unknown`, which marks attestations in an index."""
        return "unknown" not in (self.os, self.architecture)

    def fallbacks(self) -> list[Platform]:
        """Return this platform and the older variants of its architecture whose images it also runs, best first."""
        variant = self.variant or _DEFAULT_VARIANT.get(self.architecture, "")
        if self.architecture == "arm64" and _ARM64_VARIANT.fullmatch(variant):
            return [Platform.normalised(self.os, "arm64", older) for older in _older_arm64_variants(variant)]
        oldest = _OLDEST_VARIANT.get(self.architecture)
        if oldest is None or not re.fullmatch(r"v[0-9]", variant):
            return [self]
        return [Platform.normalised(self.os, self.architecture, f"v{version}") for version in range(int(variant[1:]), oldest - 1, -1)] or [self]

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


def _older_arm64_variants(variant: str) -> list[str]:
    """Return VARIANT and the ones it includes, newest first: v9.N includes v8.(N+5), up to v8.9, which is the last of its line (Arm ARM, A2)."""
    match = _ARM64_VARIANT.fullmatch(variant)
    major, minor = (int(match[1]), int(match[2] or 0)) if match is not None else (8, 0)
    newer = [f"v9.{number}" for number in range(minor, -1, -1)] if major == 9 else []
    last = min(minor + 5, 9) if major == 9 else minor
    return [*newer, *(f"v8.{number}" for number in range(last, -1, -1))]


_Entry = t.TypeVar("_Entry")


def choose_platform(wanted: Platform, entries: t.Sequence[tuple[Platform | None, _Entry]], what: str) -> _Entry:
    """Return the first entry for the best platform that WANTED can run. Only if there is none, return the first entry without a platform.

    Attestations are never returned. Raises PlatformMissing, with a list of the platforms that WHAT has.
    """
    for platform in wanted.fallbacks():
        for offered, entry in entries:
            if offered == platform and offered.is_runnable:
                return entry
    for offered, entry in entries:
        if offered is None:
            return entry
    offered_names = sorted({str(offered) for offered, _entry in entries if offered is not None and offered.is_runnable})
    raise PlatformMissing(f"{what} has no image for {wanted}; it has {sanitise(', '.join(offered_names)) or 'none for any platform'}")


@dataclasses.dataclass(frozen=True)
class Selection:
    """The selected platforms of an index: a list, or all including attestations. `explicit` is false for a default that no user wrote."""

    platforms: tuple[Platform, ...] = ()
    everything: bool = False
    explicit: bool = True

    @classmethod
    def parse(cls, texts: t.Sequence[str]) -> Selection:
        """Parse the option `platform`. Raises InvalidOption for an invalid platform, and for `all` together with others."""
        if "all" in texts:
            if len(set(texts)) > 1:
                raise InvalidOption("platform: 'all' already means every platform; remove the others")
            return ALL
        return cls(tuple(dict.fromkeys(Platform.parse(text) for text in texts)))

    def union(self, other: Selection) -> Selection:
        """Return the selection of all platforms of both."""
        if self.everything or other.everything:
            return ALL
        return Selection(tuple(dict.fromkeys(self.platforms + other.platforms)), explicit=self.explicit or other.explicit)

    def texts(self) -> list[str]:
        """Return the value of the option `platform` for this selection."""
        return ["all"] if self.everything else [str(platform) for platform in self.platforms]


ALL = Selection(everything=True)
