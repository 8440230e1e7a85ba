# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A folder, or one path in it, as the target of an artifact's files: where each file goes, and what is there now."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import stat
import typing as t

from ...errors import InputOutputError, UnsupportedFormat
from ...files import naming_path_in_errors, read_open_chunks
from ...folders import Folder, open_path
from ...oci.artifact_files import ArtifactFile
from ...oci.digest import Digest, hash_stream
from ...oci.manifest import Descriptor
from .extract_record import PREFIX, find_unchanged, record_name

# The folder of unfinished files, beside the files that they will replace.
STAGING = ".longshore-files"


@dataclasses.dataclass(frozen=True)
class TargetFile:
    """One file to write. `name` is its path below the folder, `current` the digest of the regular file there now; None if there is none."""

    folder: str
    name: str
    file: ArtifactFile
    current: Digest | None
    exists: bool
    # For a tar that is unpacked: the path below the folder that all its members have. `current` then is the digest of the tar whose files are there now.
    unpacked: t.Optional[tuple[str, ...]] = None  # noqa: UP045 - the annotations of dataclasses are evaluated on Python 3.9

    @property
    def path(self) -> str:
        return os.path.join(self.folder, *self.unpacked) if self.unpacked is not None else os.path.join(self.folder, self.name)

    @property
    def record(self) -> str:
        """The name of the record of the files that a tar had."""
        return record_name({"artifact": self.file.title})

    @property
    def content(self) -> Descriptor:
        return self.file.content

    @property
    def is_unchanged(self) -> bool:
        return self.current == self.content.digest


def locate_files(
    dest: str,
    files: t.Sequence[ArtifactFile],
    unpacks: t.Callable[[ArtifactFile], bool] = lambda _file: False,
    *,
    keep: bool = False,
    with_mode: bool = True,
) -> list[TargetFile]:
    """Return where FILES go below DEST, and what is there now. Every existing file is hashed: times and sizes prove nothing.

    DEST is the path of the file if there is only one, unless it ends with a slash or is a folder. UNPACKS says which files are unpacked; they always go below
    DEST, with WITH_MODE their modes count as content, and with KEEP any content that is there counts. Raises InputOutputError for a link on the way to a file,
    UnsupportedFormat for a folder in place of a file.
    """
    is_folder = len(files) != 1 or unpacks(files[0]) or dest.endswith("/") or os.path.isdir(dest)
    path = os.path.abspath(dest)
    folder, names = (path, [file.title for file in files]) if is_folder else (os.path.dirname(path), [os.path.basename(path)])
    for name in names:
        if any(part == STAGING or part.startswith(PREFIX) for part in name.split("/")):
            raise UnsupportedFormat(f"{os.path.join(folder, name)} has a name that Longshore uses for its own files; give the file another title")
    with contextlib.ExitStack() as stack:
        opened = _open_or_none(folder)
        if opened is not None:
            stack.enter_context(opened)
        elif not is_folder:
            raise InputOutputError(f"{path} can't be written: the folder {folder} doesn't exist")
        return [
            _look_at_tree(opened, folder, file, keep, with_mode) if unpacks(file) else _look(opened, folder, name, file)
            for name, file in zip(names, files)
        ]


def _open_or_none(path: str) -> Folder | None:
    with naming_path_in_errors(path):
        try:
            return open_path(path)
        except FileNotFoundError:
            return None


def _look_at_tree(folder: Folder | None, path: str, file: ArtifactFile, keep: bool, with_mode: bool) -> TargetFile:
    """Return what is there now of a tar that is unpacked. Its files are known from the record that the run wrote that unpacked them."""
    # A tar that isn't made for a title has any names.
    root = tuple(file.title.split("/")) if file.is_packed else ()
    found = TargetFile(path, file.title, file, None, exists=False, unpacked=root)
    if folder is None:
        return found
    with naming_path_in_errors(found.path):
        try:
            with folder.parent_of("/".join(root)) as (parent, entry):
                exists = bool(root) and parent.status(entry) is not None
        except FileNotFoundError:
            exists = False
    entries = find_unchanged(folder, found.record, str(file.content.digest), keep=keep, with_mode=with_mode)
    return dataclasses.replace(found, current=file.content.digest if entries is not None else None, exists=exists)


def _look(folder: Folder | None, path: str, name: str, file: ArtifactFile) -> TargetFile:
    full = os.path.join(path, name)
    missing = TargetFile(path, name, file, None, exists=False)
    if folder is None:
        return missing
    try:
        with folder.parent_of(name) as (parent, entry):
            status = parent.status(entry)
            if status is None:
                return missing
            if stat.S_ISDIR(status.st_mode):
                raise UnsupportedFormat(f"{full} is a folder, and can't be replaced by a file")
            # The rename replaces a link or a device, and never writes to what it leads to.
            if not stat.S_ISREG(status.st_mode):
                return TargetFile(path, name, file, None, exists=True)
            digest, _size = hash_stream(read_open_chunks(parent.open_file(entry), full), file.content.digest.algorithm)
            return TargetFile(path, name, file, digest, exists=True)
    except FileNotFoundError:
        return missing
    except NotADirectoryError as error:
        raise InputOutputError(f"{full} can't be written: {error.filename or path} is a file or a link, and is not followed") from error
    except OSError as error:
        with naming_path_in_errors(full):
            raise error
        raise
