# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option `protect`: names and images that a retention policy never removes."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..errors import InvalidOption
from ..oci.digest import Digest
from ..oci.glob import compile_glob, is_glob
from ..oci.matching import NamedImage, find_matching
from ..oci.reference import Reference, parse_selector

_COULD_BE_REGISTRY = re.compile(r".*[.:A-Z*?\[].*|localhost")
_Image = t.TypeVar("_Image", bound=NamedImage)


@dataclasses.dataclass(frozen=True)
class Protection:
    """Globs and selectors of images that must stay."""

    patterns: tuple[re.Pattern[str], ...] = ()
    selectors: tuple[Reference | Digest, ...] = ()

    @classmethod
    def parse(cls, texts: t.Sequence[str]) -> Protection:
        """Parse globs on the normalised name, names, digests and IDs. Raises InvalidOption for a glob that can match no name: it would protect nothing."""
        globs = [text for text in texts if is_glob(text)]
        for text in globs:
            registry, slash, _rest = text.partition("/")
            if not slash or not _COULD_BE_REGISTRY.fullmatch(registry):
                raise InvalidOption(
                    f"protect: {text} can't match any name, since a name in full begins with its registry, as in docker.io/library/nginx"
                )
        selectors = tuple(parse_selector(text) for text in texts if not is_glob(text))
        return cls(tuple(compile_glob(text) for text in globs), selectors)

    def covers(self, image: _Image, image_ids: t.Callable[[_Image], t.Collection[Digest]]) -> bool:
        if image.name is not None and any(pattern.match(str(image.name)) for pattern in self.patterns):
            return True
        return any(find_matching([image], selector, image_ids) for selector in self.selectors)
