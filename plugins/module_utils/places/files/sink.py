# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write an artifact's files. They are fetched into a private folder beside them, verified, and renamed together at the end."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import typing as t

from ...errors import InputOutputError
from ...files import find_nearest_ancestor, naming_path_in_errors, require_writable, try_lock, wait_for_lock
from ...folders import Folder, make_path
from ...oci.digest import Digest
from ...oci.graph import Graph, NamedGraph
from ...oci.manifest import Descriptor
from ...store import partials
from ...transfer.interfaces import Content, PartialBlob
from ..existing import Existing
from .folder import STAGING, TargetFile

_FOLDER_MODE = 0o755
_WAIT_SECONDS = 300.0

if t.TYPE_CHECKING:
    from .staged_trees import StagedTree

Fill = t.Callable[[PartialBlob], None]


class FilesSink:
    """The files of one artifact as the target of a transfer. MODE returns the mode of a new file at a path.

    With AS_ONE, a folder that doesn't exist yet appears with all its files by one rename. EXISTING says what happens to files in place of those of a tar.
    """

    def __init__(
        self,
        folder: str,
        files: t.Sequence[TargetFile],
        mode: t.Callable[[str], int],
        *,
        as_one: bool = False,
        existing: Existing = Existing.OVERWRITE,
    ) -> None:
        self.folder = folder
        self.existing = existing
        self.as_one = as_one
        self.files = files
        self.mode = mode

    @property
    def path(self) -> str:
        """Return the folder of the files."""
        return self.folder

    def open_writer(self, unused_needed: t.Iterable[Digest]) -> FilesWriter:
        """Return a writer for the files. Raises InputOutputError, DiskFull, LockTimeout."""
        return FilesWriter(self)

    def check_writable(self) -> None:
        """Raise InputOutputError if the folder can't be written."""
        require_writable(find_nearest_ancestor(self.folder), f"the files can't be written to {self.folder}")


class FilesWriter:
    """A staging folder that this run has locked. Its files are named after digests, so that a later run resumes those that a failed one left."""

    publishes_together = True

    def __init__(self, sink: FilesSink) -> None:
        self._sink = sink
        self._published = self._is_useless = False
        self._staged: set[Digest] = set()
        self._is_new = not os.path.lexists(sink.folder)
        with contextlib.ExitStack() as stack:
            self._new = stack.enter_context(_NewFolder(sink.folder)) if sink.as_one and self._is_new else None
            self._folder = self._new.folder if self._new is not None else stack.enter_context(make_path(sink.folder, _FOLDER_MODE))
            self._staging = stack.enter_context(_open_staging(self._folder))
            if self._new is not None:
                self._new.clear()
            self._stack = stack.pop_all()

    def __enter__(self) -> FilesWriter:
        return self

    def __exit__(self, *unused: object) -> None:
        """Delete the staging folder, unless it has partial files that a later run can resume."""
        with contextlib.suppress(OSError):
            if self._published or self._is_useless:
                for name in self._staging.list_names():
                    self._staging.remove_tree(name)
            os.rmdir(STAGING, dir_fd=self._folder.descriptor)
            if self._new is not None:
                self._new.remove()
            elif self._is_new and not self._published:
                os.rmdir(self._sink.folder)
        self._stack.close()

    def find_missing_blobs(self, unused_graph: Graph, planned: t.Sequence[Descriptor]) -> t.Sequence[Descriptor]:
        """Return the planned blobs, which are those of files that change, without those that this run has staged."""
        return [blob for blob in planned if blob.digest not in self._staged]

    def put_blob(self, descriptor: Descriptor, content: Content) -> None:
        """Stage one blob. Raises DigestMismatch if the bytes don't match DESCRIPTOR, DiskFull if they don't fit."""

        def fill(partial: PartialBlob) -> None:
            if partial.front < descriptor.size or not descriptor.size:
                t.cast(partials.Partial, partial).restart()
                partial.start_appending()
                for chunk in content(descriptor):
                    partial.append(chunk)

        self.put_blob_resumably(descriptor, fill, content)

    def put_blob_resumably(self, descriptor: Descriptor, fill: Fill, unused_content: Content) -> None:
        """Stage one blob. FILL writes the missing bytes of its partial file, once more from the start if an earlier run left wrong bytes."""
        partial = partials.open_partial(self._staging, descriptor, lambda: False)
        if partial is None:
            raise InputOutputError(
                f"{self._staging.path} has a file that belongs to another user, or that another run is writing; delete that folder"
            )
        with partial:
            partial.complete(fill)
        self._staged.add(descriptor.digest)

    def discard(self) -> None:
        """Do nothing: staged files stay for the next run, and no name has changed."""

    def publish_images(self, unused_images: t.Sequence[NamedGraph]) -> None:
        """Give all files their names. Each is complete and durable before the first gets its name, so each path has its old content or its new one."""
        trees = self._unpack()
        ready = self._prepare()
        changed: dict[str, Folder] = {}
        with contextlib.ExitStack() as stack:
            for file, staged in ready:
                with naming_path_in_errors(file.path):
                    parent, name = self._make_parent(file.name, stack, changed)
                    self._staging.rename(staged, parent, name)
            for folder in changed.values():
                with naming_path_in_errors(folder.path):
                    folder.sync()
        for tree in trees:
            tree.publish(self._folder)
        if self._new is not None:
            # The staging folder is in it, because its lock keeps other runs away until the folder has its name.
            with naming_path_in_errors(self._sink.folder):
                self._new.publish()
        self._published = True

    def _unpack(self) -> t.Sequence[StagedTree]:
        """Unpack the files that are tars into the staging folder, durably. Raises UnsupportedFormat if two files of the artifact have one path."""
        packed = [file for file in self._sink.files if file.unpacked is not None]
        if not packed:
            return ()
        from .staged_trees import stage_trees

        self._is_useless = True
        return stage_trees(
            self._folder, self._staging, packed, [file.name for file in self._sink.files if file.unpacked is None], self._sink.existing
        )

    def _prepare(self) -> list[tuple[TargetFile, str]]:
        """Return the files with the names of their content in the staging folder, which is durable. Two files with one digest need two of them."""
        ready: list[tuple[TargetFile, str]] = []
        taken: set[Digest] = set()
        for number, file in enumerate(self._sink.files):
            if file.unpacked is not None:
                continue
            digest = file.content.digest
            staged = partials.file_name(digest)
            if digest in taken:
                staged = self._copy(staged, f"copy-{number}", file.path)
            taken.add(digest)
            with naming_path_in_errors(file.path):
                descriptor = self._staging.open_file(staged, os.O_RDWR)
                try:
                    os.fchmod(descriptor, self._sink.mode(file.path))
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
            ready.append((file, staged))
        return ready

    def _copy(self, staged: str, name: str, path: str) -> str:
        from ...archive.copying import copy_content

        with naming_path_in_errors(path):
            self._staging.unlink(name)
            source = self._staging.open_file(staged)
            try:
                target = self._staging.create_file(name)
                try:
                    copy_content(source, target, os.fstat(source).st_size, 0)
                finally:
                    os.close(target)
            finally:
                os.close(source)
        return name

    def _make_parent(self, name: str, stack: contextlib.ExitStack, changed: dict[str, Folder]) -> tuple[Folder, str]:
        """Open, or create, the folder of a file. No link on the way is followed."""
        *parts, entry = name.split("/")
        folder, path = self._folder, ""
        for part in parts:
            changed.setdefault(path, folder)
            path = f"{path}/{part}"
            known = changed.get(path)
            folder = known if known is not None else stack.enter_context(folder.make_folder(part, _FOLDER_MODE))
        changed.setdefault(path, folder)
        return folder, entry


class _NewFolder:
    """A folder that doesn't exist yet. It is made under a hidden name beside its place, and renamed at the end.

    The staging folder in it is locked by one run at a time. A run that waited for the lock may find that the folder has been published.
    """

    def __init__(self, path: str) -> None:
        parent, name = os.path.split(path)
        self._name = name
        self._hidden = f"{STAGING}-{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}"
        with contextlib.ExitStack() as stack:
            self._parent = stack.enter_context(make_path(parent, _FOLDER_MODE))
            with naming_path_in_errors(self._parent.path_of(self._hidden)):
                self.folder = stack.enter_context(self._parent.make_folder(self._hidden, _FOLDER_MODE))
            _require_private(self.folder)
            self._stack = stack.pop_all()

    def __enter__(self) -> _NewFolder:
        return self

    def __exit__(self, *unused: object) -> None:
        self._stack.close()

    @property
    def _is_hidden(self) -> bool:
        status = self._parent.status(self._hidden)
        return status is not None and os.path.samestat(status, self.folder.own_status())

    def clear(self) -> None:
        """Delete the files of a run that was killed while it published them: the artifact may have others by now."""
        with naming_path_in_errors(self.folder.path):
            if self._is_hidden:
                for name in self.folder.list_names():
                    if name != STAGING:
                        self.folder.remove_tree(name)

    def publish(self) -> None:
        """Give the folder its name, unless another run has done that. Raises InputOutputError if something else has the name by now, OSError."""
        if not self._is_hidden:
            return
        try:
            self._parent.rename(self._hidden, self._parent, self._name)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            self._parent.remove_tree(self._hidden)
            raise InputOutputError(
                f"{self._parent.path_of(self._name)} was made by another program while this one ran; run the task again"
            ) from error
        self._parent.sync()

    def remove(self) -> None:
        """Delete the hidden folder if it is empty. Raises OSError otherwise."""
        if self._is_hidden:
            os.rmdir(self._hidden, dir_fd=self._parent.descriptor)


def _require_private(folder: Folder) -> None:
    status = folder.own_status()
    if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o022:
        raise InputOutputError(f"{folder.path} is not a private folder of the user who runs the task; delete it")


def _open_staging(folder: Folder) -> Folder:
    """Create and lock the staging folder. Raises InputOutputError if it isn't a private folder of this user."""
    path = folder.path_of(STAGING)
    while True:
        with contextlib.ExitStack() as stack, naming_path_in_errors(path):
            staging = stack.enter_context(folder.make_folder(STAGING, 0o700))
            _require_private(staging)
            status = staging.own_status()
            if not try_lock(staging.descriptor, path):
                wait_for_lock(staging.descriptor, path, _WAIT_SECONDS, advice="wait for that run to end")
            # The run that held the lock deletes the folder at its end.
            current = folder.status(STAGING)
            if current is not None and os.path.samestat(current, status):
                stack.pop_all()
                return staging
