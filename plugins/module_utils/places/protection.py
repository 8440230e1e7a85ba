# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names and images that a retention policy never removes: the option `protect`, digests, and lock files."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..errors import InvalidOption
from ..oci.digest import Digest
from ..oci.glob import compile_glob, is_glob
from ..oci.matching import Digests, NamedImage, find_matching, own_digest
from ..oci.reference import Reference, parse_selector

if t.TYPE_CHECKING:
    from ..oci.lockfile import LockFile

_COULD_BE_REGISTRY = re.compile(r".*[.:A-Z*?\[].*|localhost")
_Image = t.TypeVar("_Image", bound=NamedImage)


@dataclasses.dataclass(frozen=True)
class Protection:
    """Globs and selectors of images that must stay. An image stays too if it has one of `digests`: as its digest or ID, or those of a part of it.

    `named_digests` are those that were given one by one, `locked` the locked digests of each repository.
    """

    patterns: tuple[re.Pattern[str], ...] = ()
    selectors: tuple[Reference | Digest, ...] = ()
    digests: frozenset[Digest] = frozenset()
    named_digests: frozenset[Digest] = frozenset()
    locked: t.Mapping[str, frozenset[Digest]] = dataclasses.field(default_factory=dict)

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

    def covers(self, image: _Image, image_ids: Digests[_Image], digests: Digests[_Image] = own_digest) -> bool:
        """Return whether this image is protected. IMAGE_IDS and DIGESTS are those of `find_matching`."""
        if image.name is not None and any(pattern.match(str(image.name)) for pattern in self.patterns):
            return True
        if self.digests and not (self.digests.isdisjoint(digests(image)) and self.digests.isdisjoint(image_ids(image))):
            return True
        return any(find_matching([image], selector, image_ids, digests) for selector in self.selectors)

    def digests_in(self, context: Reference) -> set[Digest]:
        """Return the protected digests that the repository CONTEXT may have without a tag."""
        selected = {selector for selector in self.selectors if isinstance(selector, Digest)}
        here = {one.digest for one in self.selectors if isinstance(one, Reference) and one.digest is not None and one.context == context.context}
        return selected | here | self.named_digests | self.locked.get(context.context, frozenset())

    def with_digests(self, texts: t.Sequence[str], locks: t.Sequence[LockFile]) -> Protection:
        """Return this protection with digests and image IDs, and with all images of lock files. Raises InvalidReference for text that is no digest."""
        given = frozenset(map(Digest.parse, texts))
        digests = set(given)
        locked: dict[str, set[Digest]] = {}
        for image in (image for lock in locks for image in lock.images):
            locked.setdefault(image.name.context, set()).add(image.digest)
            digests.add(image.digest)
            for platform in image.platforms:
                digests.update({platform.digest, *([platform.image_id] if platform.image_id is not None else [])})
        by_repository = {context: frozenset(found) for context, found in locked.items()}
        return dataclasses.replace(self, digests=frozenset(digests), named_digests=given, locked=by_repository)
