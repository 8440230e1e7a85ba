# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files and layouts written to folders in which another user may write: nothing is written elsewhere or given away, and nothing hangs."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.archive.format import ArchiveFile, build_tar
from ansible_collections.longshore.images.plugins.module_utils.archive.output import FileOutput, FolderOutput
from ansible_collections.longshore.images.plugins.module_utils.atomic_files import existing_mode, replace_file
from ansible_collections.longshore.images.plugins.module_utils.errors import InputOutputError, LongshoreError, UnsupportedFormat
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from ansible_collections.longshore.images.plugins.module_utils.verbs.lock import read_lock_file
from tests.support import modules
from tests.support.faults import in_child
from tests.support.images import make_image
from tests.support.privileges import needs_root
from tests.support.users import OTHER_USER, attempts, become, exchanging, fingerprint, give, run_module_as

NAME = "r.test/app:1"
SECRET = b"only root may read this"
BLOB = b"a blob"
FILES = [ArchiveFile("index.json", b"{}"), ArchiveFile("oci-layout", b"{}")]
FILES.append(ArchiveFile(f"blobs/sha256/{Digest.of(BLOB).hex}", Descriptor("x", Digest.of(BLOB), len(BLOB))))


def open_blob(unused: Descriptor) -> int:
    descriptor = os.memfd_create("blob")
    os.write(descriptor, BLOB)
    return descriptor


def refusal(write: t.Callable[[], object]) -> str | None:
    """Return the error message if a target is refused, or None if it is written."""
    try:
        write()
    except (InputOutputError, UnsupportedFormat) as error:
        return error.message
    return None


@pytest.fixture
def outside(open_path: Path) -> Path:
    """Return a folder of root with files that only root may read or change, named like those of a layout."""
    needs_root()
    outside = open_path / "outside"
    (outside / "sha256").mkdir(parents=True)
    for path in (outside / "file", outside / "sha256" / "file", outside / "index.json"):
        path.write_bytes(SECRET)
        path.chmod(0o600)
    outside.chmod(0o700)
    return outside


def make_sticky(path: Path) -> Path:
    path.mkdir()
    path.chmod(0o1777)
    return path


def make_writable(path: Path) -> Path:
    path.mkdir()
    path.chmod(0o777)
    return path


def make_foreign(path: Path) -> Path:
    path.mkdir()
    return give(path)


FOLDERS = {"sticky": make_sticky, "writable for all": make_writable, "of another user": make_foreign}


@pytest.fixture(params=list(FOLDERS.values()), ids=list(FOLDERS))
def shared(request: pytest.FixtureRequest, open_path: Path) -> Path:
    """Return a folder in which another user may create files."""
    needs_root()
    return t.cast(Path, request.param(open_path / "shared"))


# The entries that another user plants before root writes to `target`.

Plant = t.Callable[[Path, Path], None]


def a_link_to_a_file(target: Path, outside: Path) -> None:
    give(_link(target, outside / "file"))


def a_link_to_nothing(target: Path, outside: Path) -> None:
    give(_link(target, outside / "new"))


def a_link_to_a_folder(target: Path, outside: Path) -> None:
    give(_link(target, outside))


def a_file(target: Path, outside: Path) -> None:
    target.write_bytes(b"planted")
    give(target)
    target.chmod(0o666)


def a_fifo(target: Path, outside: Path) -> None:
    os.mkfifo(target)
    give(target)


def a_folder(target: Path, outside: Path) -> None:
    target.mkdir()
    give(target)


def a_fifo_under_the_temporary_name(target: Path, outside: Path) -> None:
    a_fifo(target.parent / f".{target.name}.longshore-0123456789abcdef", outside)


def a_link_under_the_temporary_name(target: Path, outside: Path) -> None:
    a_link_to_a_file(target.parent / f".{target.name}.longshore-0123456789abcdef", outside)


def a_folder_under_the_temporary_name(target: Path, outside: Path) -> None:
    a_folder(target.parent / f".{target.name}.longshore-0123456789abcdef", outside)


def a_layout_with_a_link_for_blobs(target: Path, outside: Path) -> None:
    a_folder(target, outside)
    give(_link(target / "blobs", outside))


def a_layout_with_a_link_for_an_algorithm(target: Path, outside: Path) -> None:
    a_folder(target, outside)
    a_folder(target / "blobs", outside)
    give(_link(target / "blobs" / "sha256", outside / "sha256"))


def a_layout_with_links_for_files(target: Path, outside: Path) -> None:
    a_folder(target, outside)
    a_folder(target / "blobs", outside)
    give(_link(target / "blobs" / "evil", outside))
    give(_link(target / "blobs" / "evil-file", outside / "file"))
    give(_link(target / "index.json", outside / "index.json"))


def a_layout_with_fifos(target: Path, outside: Path) -> None:
    a_folder(target, outside)
    a_folder(target / "blobs", outside)
    a_folder(target / "blobs" / "sha256", outside)
    a_fifo(target / "index.json", outside)
    a_fifo(target / ".index.json.longshore-0123456789abcdef", outside)
    a_fifo(target / "blobs" / "sha256" / "fifo", outside)


PLANTS: list[Plant] = [
    a_link_to_a_file,
    a_link_to_nothing,
    a_link_to_a_folder,
    a_file,
    a_fifo,
    a_folder,
    a_fifo_under_the_temporary_name,
    a_link_under_the_temporary_name,
    a_folder_under_the_temporary_name,
    a_layout_with_a_link_for_blobs,
    a_layout_with_a_link_for_an_algorithm,
    a_layout_with_links_for_files,
    a_layout_with_fifos,
]


def _link(path: Path, target: Path) -> Path:
    path.symlink_to(target)
    return path


def named(values: t.Sequence[Plant]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("plant", values, ids=[value.__name__ for value in values])


# Files.


@named(PLANTS)
def test_a_file_is_written_with_our_owner_or_refused(shared: Path, outside: Path, plant: Plant) -> None:
    target = shared / "file"
    plant(target, outside)
    before, planted = fingerprint(outside), target.lstat() if os.path.lexists(target) else None

    def write() -> None:
        archive = FileOutput(str(target), build_tar(FILES), None, existing_mode(str(target)))
        assert archive.difference() is not None
        archive.write(open_blob)
        assert archive.difference() is None

    message = refusal(write)
    assert fingerprint(outside) == before
    if message is not None:
        assert str(target) in message
        assert planted is not None
        assert os.path.samestat(target.lstat(), planted)
        return
    status = target.lstat()
    assert stat.S_ISREG(status.st_mode)
    assert target.read_bytes().startswith(b"blobs/")
    is_the_folders_own = planted is not None and shared.stat().st_uid == OTHER_USER  # that user could replace the file at any time
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == ((OTHER_USER, 0o666) if is_the_folders_own else (0, 0o644))


def test_a_file_that_another_user_could_change_is_replaced_even_if_its_content_is_right(open_path: Path) -> None:
    needs_root()
    target = make_sticky(open_path / "shared") / "file"
    archive = FileOutput(str(target), build_tar(FILES), None, 0o644)
    archive.write(open_blob)
    give(target)
    assert archive.difference() == f"the file belongs to another user (uid {OTHER_USER}), who could change it"
    archive.write(open_blob)
    assert target.stat().st_uid == 0
    assert archive.difference() is None


def test_members_of_a_group_that_share_a_folder_trust_each_others_files(open_path: Path) -> None:
    needs_root()
    (open_path / "shared").mkdir()
    (open_path / "shared").chmod(0o2775)
    target = open_path / "shared" / "file"
    archive = FileOutput(str(target), build_tar(FILES), None, 0o644)
    archive.write(open_blob)
    give(target)
    assert archive.difference() is None


@pytest.mark.parametrize(
    ("folder", "file", "folder_mode", "is_kept"),
    [
        (0, OTHER_USER, 0o755, True),
        (OTHER_USER, OTHER_USER, 0o755, True),
        (OTHER_USER, OTHER_USER, 0o1777, True),
        (0, OTHER_USER, 0o775, False),
        (0, OTHER_USER, 0o1777, False),
        (OTHER_USER, OTHER_USER + 1, 0o755, False),
    ],
)
def test_owner_and_mode_are_kept_only_if_no_other_user_can_have_planted_the_file(
    open_path: Path, folder: int, file: int, folder_mode: int, is_kept: bool
) -> None:
    needs_root()
    (open_path / "folder").mkdir()
    target = open_path / "folder" / "file"
    target.write_bytes(b"old")
    target.chmod(0o660)
    give(target, file)
    give(open_path / "folder", folder)
    (open_path / "folder").chmod(folder_mode)
    replace_file(str(target), b"new", existing_mode(str(target)))
    status = target.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == ((file, file, 0o660) if is_kept else (0, 0, 0o644))


def test_nothing_is_written_outside_when_a_folder_is_replaced_by_a_link(open_path: Path, outside: Path) -> None:
    shared = make_foreign(open_path / "shared")
    target = make_foreign(shared / "inner") / "file"
    give(_link(shared / "evil", outside))
    before = fingerprint(outside)
    written: list[int] = []
    with exchanging(shared / "inner", shared / "evil"):
        for attempt in attempts(written):
            with contextlib.suppress(LongshoreError):
                replace_file(str(target), str(attempt).encode(), 0o644)
                written.append(attempt)
    assert written
    assert fingerprint(outside) == before


def test_nothing_is_written_outside_when_a_file_is_replaced_by_a_link(open_path: Path, outside: Path) -> None:
    shared = make_foreign(open_path / "shared")
    (shared / "file").write_bytes(b"")
    give(shared / "file")
    give(_link(shared / "evil", outside / "file"))
    before = fingerprint(outside)
    with exchanging(shared / "file", shared / "evil"):
        for _attempt in attempts():
            with contextlib.suppress(LongshoreError):
                archive = FileOutput(str(shared / "file"), build_tar(FILES), None, 0o644)
                archive.difference()
                archive.write(open_blob)
                assert archive.checksum(True, lambda _blob: [BLOB]) != Digest.of(SECRET).hex
    assert fingerprint(outside) == before


# Layouts.


@named(PLANTS)
def test_a_layout_is_written_inside_its_folder_or_refused(shared: Path, outside: Path, plant: Plant) -> None:
    target = shared / "layout"
    plant(target, outside)
    before = fingerprint(outside)
    layout = FolderOutput(str(target), FILES, 0o644, lock_timeout=5)

    def write() -> None:
        layout.difference()
        layout.write(open_blob)

    message = refusal(write)
    assert fingerprint(outside) == before
    if message is not None:
        assert str(target) in message
        return
    found = {str(path.relative_to(target)) for path in target.rglob("*") if not path.is_dir() or path.is_symlink()}
    assert found == {file.name for file in FILES}
    assert all(stat.S_ISREG(target.joinpath(name).lstat().st_mode) for name in found)
    assert layout.difference() is None


@pytest.mark.parametrize("entry", ["", "blobs", "blobs/sha256"])
def test_nothing_is_written_outside_when_a_folder_of_a_layout_is_replaced_by_a_link(open_path: Path, outside: Path, entry: str) -> None:
    shared = make_foreign(open_path / "shared")
    layout = FolderOutput(str(shared / "layout"), FILES, 0o644, lock_timeout=5)
    layout.write(open_blob)
    for path in (shared / "layout", shared / "layout" / "blobs", shared / "layout" / "blobs" / "sha256"):
        give(path)
    folder = shared / "layout" / entry
    evil = give(_link(folder.parent / "evil", outside))
    before = fingerprint(outside)
    with exchanging(folder, evil):
        for _attempt in attempts():
            with contextlib.suppress(LongshoreError):
                layout.difference()
                layout.write(open_blob)
    assert fingerprint(outside) == before


def test_a_layout_with_folders_nested_too_deep_is_one_clear_error(tmp_path: Path) -> None:
    layout = FolderOutput(str(tmp_path / "layout"), FILES, 0o644)
    layout.write(open_blob)
    (tmp_path / "layout" / "blobs" / "/".join(["d"] * 300)).mkdir(parents=True)
    with pytest.raises(InputOutputError, match="folders above it"):
        layout.difference()


# Lock files.


def test_a_lock_file_that_another_user_may_have_planted_is_not_trusted(open_path: Path) -> None:
    needs_root()
    path = make_sticky(open_path / "shared") / "images.lock"
    path.write_text("{}")
    give(path)
    with pytest.raises(InputOutputError, match=f"images.lock belongs to another user .uid {OTHER_USER}.*is not trusted"):
        read_lock_file(str(path))


# Modules.


@pytest.fixture(scope="module")
def store() -> t.Iterator[str]:
    """Return a store that every user can read."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        store = Store(f"{folder}/store", 0o755)
        make_image("app").put(store, NAME)
        yield store.path


FORMS: dict[str, t.Callable[[str, Path], tuple[str, dict[str, t.Any]]]] = {
    "save": lambda store, path: ("image_save", {"name": [NAME], "path": str(path), "store": store}),
    "save with a mode": lambda store, path: ("image_save", {"name": [NAME], "path": str(path), "store": store, "mode": "u=rw,g=r,o=", "owner": "0"}),
    "save layout": lambda store, path: ("image_save", {"name": [NAME], "path": str(path), "store": store, "format": "oci-dir"}),
    "copy": lambda store, path: ("image_copy", {"images": [{"src": f"oci:{store}:{NAME}", "dest": f"oci-archive:{path}:{NAME}"}]}),
    "copy to docker": lambda store, path: ("image_copy", {"images": [{"src": f"oci:{store}:{NAME}", "dest": f"docker-archive:{path}:{NAME}"}]}),
}


@pytest.mark.parametrize("form", FORMS)
@named([a_link_to_a_file, a_file, a_fifo, a_fifo_under_the_temporary_name, a_layout_with_a_link_for_blobs])
def test_modules_write_files_of_their_own_or_fail(store: str, open_path: Path, outside: Path, plant: Plant, form: str) -> None:
    target = make_sticky(open_path / "shared") / "target"
    plant(target, outside)
    before = fingerprint(outside)
    name, options = FORMS[form](store, target)
    predicted, done = (modules.attempt(name, options, check) for check in (True, False))
    assert fingerprint(outside) == before
    assert bool(predicted.get("failed")) == bool(done.get("failed"))
    if done.get("failed"):
        assert done["error"] in ("io_error", "unsupported_format")
    else:
        wanted = 0o640 if "mode" in options else 0o755 if target.is_dir() else 0o644
        assert (target.lstat().st_uid, stat.S_IMODE(target.lstat().st_mode)) == (0, wanted)
        assert not modules.run(name, options)["changed"]


@pytest.mark.parametrize("form", [form for form in FORMS if form != "save with a mode"])
def test_another_user_cannot_replace_a_file_of_root_in_a_sticky_folder_and_gets_an_error(store: str, open_path: Path, form: str) -> None:
    needs_root()
    target = make_sticky(open_path / "shared") / "target"
    name, options = FORMS[form](store, target)
    if form == "save layout":
        target.mkdir()
    else:
        target.write_bytes(b"root's")
    before = fingerprint(open_path)
    results = run_module_as(OTHER_USER, name, options)
    assert results["error"] == "io_error"
    assert fingerprint(open_path) == before
    own = FORMS[form](store, target.with_name("own"))
    assert run_module_as(OTHER_USER, *own)["changed"]
    assert target.with_name("own").stat().st_uid == OTHER_USER
    assert not run_module_as(OTHER_USER, *own)["changed"]


def test_mode_and_owner_are_never_set_through_a_replaced_file(store: str, open_path: Path, outside: Path) -> None:
    shared = make_foreign(open_path / "shared")
    name, options = FORMS["save"](store, shared / "target")
    modules.run(name, options)
    give(_link(shared / "evil", outside / "file"))
    before = fingerprint(outside)
    with exchanging(shared / "target", shared / "evil"):
        for mode in ("0640", "0644", "0640", "0644"):
            results = modules.attempt(name, {**options, "mode": mode, "owner": str(OTHER_USER)})
            assert not results.get("failed") or results["error"] in ("io_error", "unsupported_format"), results
    assert fingerprint(outside) == before


def test_a_user_writes_to_a_folder_behind_a_link_of_root(store: str, open_path: Path) -> None:
    needs_root()
    make_foreign(open_path / "real")
    _link(open_path / "link", open_path / "real")

    def write() -> None:
        become()
        replace_file(str(open_path / "link" / "file"), b"new", 0o644)

    assert in_child(write) == 0
    assert (open_path / "real" / "file").read_bytes() == b"new"
