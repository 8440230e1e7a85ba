# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records of what the documents of a store say, so that a run doesn't read thousands of them again.

Both records follow from the bytes of documents, which their digests fix, so they don't get old. A user who could write to them could hide signatures, or
content that an image needs, from a run that removes images. So a record counts only if nobody but root and the running user can have written it.
"""

from __future__ import annotations

import typing as t

from ..folders import Folder
from ..limits import MAX_CONTENTS, MAX_RECORDED_IMAGES
from .cache import OwnedCache

OpenFolder = t.Callable[[], t.Optional[Folder]]

_Value = t.TypeVar("_Value")


class TrustedCache(OwnedCache[_Value]):
    """A cache that counts as empty if another user can write to it; then it isn't written either. A run needs either most of its values or none."""

    searches = 0
    _is_foreign = False

    @property
    def is_unsaved(self) -> bool:
        return bool(self._unsaved) and not self._is_foreign

    def _load(self) -> bytes:
        data = super()._load()
        self._is_foreign = not self.is_ours
        return data if self.is_ours else b""


class Subjects(TrustedCache["tuple[str]"]):
    """The `subject` of manifests and indexes by their digest, empty for one that has none."""

    def __init__(self, path: str, open_folder: OpenFolder) -> None:
        super().__init__(path, MAX_RECORDED_IMAGES, _parse_subject, open_folder)

    def find_unrecorded(self, digests: t.Iterable[str]) -> list[str]:
        """Return those of DIGESTS whose subject isn't recorded."""
        saved = self._parse_saved()
        return [digest for digest in digests if digest not in saved and digest not in self._unsaved]

    def list_without_subject(self) -> set[str]:
        """Return the recorded digests of documents that certainly have no subject."""
        return {digest for digest, value in self._parse_saved().items() if value == [""]}


class Contents(t.NamedTuple):
    """All digests that an image mentions, as texts with spaces: its documents in the store, those that the store doesn't have, and all others.

    `marks` are the size, the time and the inode of each document.
    """

    documents: str
    marks: str
    absent: str
    others: str

    @property
    def mentioned(self) -> list[str]:
        return [*self.documents.split(), *self.absent.split(), *self.others.split()]


class RecordedContents(TrustedCache[Contents]):
    """The contents of complete images by their digest and selected platforms."""

    max_bytes = MAX_CONTENTS

    def __init__(self, path: str, open_folder: OpenFolder) -> None:
        super().__init__(path, MAX_RECORDED_IMAGES, _parse_contents, open_folder)


def _parse_subject(value: t.Any) -> tuple[str]:
    (subject,) = value
    return (str(subject),)


def _parse_contents(value: t.Any) -> Contents:
    return Contents._make(map(str, value))
