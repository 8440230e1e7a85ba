# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lying record of verified blobs: marks that another user can have written are not trusted before a blob leaves the store."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import StoreDamaged
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import hash_stream
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Platform
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.places.store.catalog import StoreCatalog
from ansible_collections.longshore.images.plugins.module_utils.store import reader
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from ansible_collections.longshore.images.plugins.module_utils.store.verified import _mark_of_good_file
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs.deliver import plan_deliver
from ansible_collections.longshore.images.plugins.module_utils.verbs.push import plan_push
from tests.support import modules
from tests.support.faults import in_child
from tests.support.images import FakeRepository, make_image
from tests.support.privileges import needs_root

USER, GROUP, OTHER = 4321, 8765, 5432
NAME = Reference.parse("r.test/app:1")
IMAGE = make_image("app")
LAYER = IMAGE.layers[0]


def become(user: int) -> None:
    os.setgroups([])
    os.setgid(GROUP)
    os.setuid(user)


def as_user(user: int, action: t.Callable[[], object]) -> None:
    def act() -> None:
        become(user)
        action()

    assert in_child(act) == 0


@pytest.fixture
def path(open_path: Path) -> Path:
    """A store of root with one image."""
    needs_root()
    path = open_path / "store"
    IMAGE.put(Store(str(path)), str(NAME))
    return path


def record_of(path: Path) -> Path:
    return path / ".longshore" / "verified.json"


def give_away(path: Path, user: int) -> None:
    for found in (path, *path.rglob("*")):
        os.chown(found, user, GROUP)


def make_readable(path: Path) -> None:
    for found in (path, *path.rglob("*")):
        found.chmod(0o755 if found.is_dir() else 0o644)


def alter(path: Path) -> None:
    """Change the bytes of a layer and mark them as good in the record."""
    blob = Path(Store(str(path)).blob_path(LAYER.digest))
    blob.chmod(0o644)
    blob.write_bytes(b"x" * LAYER.size)
    blob.chmod(0o444)
    record = json.loads(record_of(path).read_text())
    record[str(LAYER.digest)] = _mark_of_good_file(blob.stat())
    record_of(path).write_text(json.dumps(record))


def is_refused(path: Path) -> bool:
    try:
        Store(str(path)).get_complete_entry(NAME)
    except StoreDamaged:
        return True
    return False


def count_hashed(path: Path) -> int:
    """Return how many blobs are hashed before the image leaves the store."""
    with pytest.MonkeyPatch.context() as patch:
        counted: list[object] = []

        def counting(*arguments: t.Any) -> t.Any:
            counted.append(arguments)
            return hash_stream(*arguments)

        patch.setattr(reader, "hash_stream", counting)
        Store(str(path)).get_complete_entry(NAME)
        return len(counted)


BLOBS = len(IMAGE.blobs)  # its manifest is hashed whenever it is read


def test_our_own_record_avoids_hashing(path: Path) -> None:
    assert count_hashed(path) == 0


def test_root_does_not_trust_the_record_of_a_user(path: Path) -> None:
    give_away(path, USER)
    assert count_hashed(path) == BLOBS
    as_user(USER, lambda: alter(path))
    assert is_refused(path)


def test_a_user_trusts_his_own_record_and_the_record_of_root(path: Path) -> None:
    make_readable(path)

    def check() -> None:
        assert count_hashed(path) == 0

    as_user(USER, check)
    give_away(path, USER)
    as_user(USER, check)


def test_a_user_does_not_trust_the_record_of_another(path: Path) -> None:
    give_away(path, USER)
    make_readable(path)
    as_user(USER, lambda: alter(path))
    as_user(OTHER, lambda: is_refused(path) or pytest.fail("it was trusted"))


def open_record_to_group(path: Path) -> None:
    record_of(path).chmod(0o660)


def open_record_to_all(path: Path) -> None:
    record_of(path).chmod(0o602)


def give_record_away(path: Path) -> None:
    os.chown(record_of(path), USER, 0)


def open_folder_to_group(path: Path) -> None:
    record_of(path).parent.chmod(0o770)


def give_folder_away(path: Path) -> None:
    os.chown(record_of(path).parent, USER, 0)


def link_record(path: Path) -> None:
    os.link(record_of(path), path.parent / "linked")


def give_blob_away(path: Path) -> None:
    os.chown(Store(str(path)).blob_path(LAYER.digest), USER, 0)


def open_blob_to_group(path: Path) -> None:
    os.chmod(Store(str(path)).blob_path(LAYER.digest), 0o464)


ATTACKS = [
    open_record_to_group,
    open_record_to_all,
    give_record_away,
    open_folder_to_group,
    give_folder_away,
    link_record,
    give_blob_away,
    open_blob_to_group,
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_record_or_blob_that_others_can_write_to_is_not_trusted(path: Path, attack: t.Callable[[Path], None]) -> None:
    alter(path)
    assert not is_refused(path)
    attack(path)
    assert is_refused(path)


def test_a_mark_that_calls_a_good_blob_wrong_is_not_trusted_either(path: Path) -> None:
    store = Store(str(path))
    status = store.blob_status(LAYER.digest)
    assert status is not None
    store.verified.mark_wrong(LAYER.digest, status)
    record_of(path).write_bytes(store.verified.to_bytes())
    give_record_away(path)
    assert not is_refused(path)


def test_a_member_of_a_group_does_not_trust_another_about_a_shared_store(open_path: Path) -> None:
    needs_root()
    path = open_path / "store"
    IMAGE.put(Store(str(path), 0o770), str(NAME))
    give_away(path, USER)
    as_user(OTHER, lambda: make_image("more").put(Store(str(path)), "r.test/more:1"))

    def replace_blob() -> None:
        blob = Path(Store(str(path)).blob_path(LAYER.digest))
        blob.unlink()
        blob.write_bytes(b"x" * LAYER.size)
        record = json.loads(record_of(path).read_text())
        record[str(LAYER.digest)] = _mark_of_good_file(blob.stat())
        record_of(path).write_text(json.dumps(record))

    as_user(USER, lambda: is_refused(path) and pytest.fail("the image was refused before the attack"))
    as_user(OTHER, replace_blob)
    as_user(USER, lambda: is_refused(path) or pytest.fail("it was trusted"))
    assert is_refused(path)


def test_a_run_hashes_a_blob_only_once(path: Path) -> None:
    give_away(path, USER)
    with pytest.MonkeyPatch.context() as patch:
        store = Store(str(path))
        store.get_complete_entry(NAME)
        patch.setattr(reader, "hash_stream", lambda *unused: pytest.fail("hashed twice"))
        store.get_complete_entry(NAME)


def test_an_unchanged_pull_and_a_new_name_need_no_hashing(path: Path) -> None:
    give_away(path, USER)
    store = Store(str(path))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "hash_stream", lambda *unused: pytest.fail("hashed"))
        assert store.find_missing_blobs(store.get_entry(NAME)) == []
        store.get_complete_entry(NAME, trust_others=True)


@pytest.fixture
def altered(path: Path) -> Path:
    """A store of a user who altered a layer and marked it as good."""
    give_away(path, USER)
    as_user(USER, lambda: alter(path))
    return path


@pytest.mark.parametrize("form", ["universal", "oci-dir"])
def test_root_does_not_save_what_a_user_altered(altered: Path, tmp_path: Path, form: str) -> None:
    options = {"store": str(altered), "name": [str(NAME)], "path": str(tmp_path / "saved"), "format": form}
    assert modules.fail("image_save", options)["error"] == "store_damaged"
    assert not (tmp_path / "saved").exists()


def test_root_does_not_copy_what_a_user_altered(altered: Path, tmp_path: Path) -> None:
    options = {"images": [{"src": f"oci:{altered}:{NAME}", "dest": f"oci:{tmp_path}/copied:{NAME}"}]}
    assert modules.fail("image_copy", options)["error"] == "store_damaged"
    assert not (tmp_path / "copied").exists()


def test_root_does_not_push_what_a_user_altered(altered: Path) -> None:
    catalog = StoreCatalog(Store(str(altered)), Platform.parse("linux/amd64"))
    empty = t.cast(t.Any, FakeRepository({}))
    with Workers(1) as workers:
        plan = plan_push(catalog, [(NAME, NAME)], repository=lambda unused: empty, selection=None, host=catalog.host, workers=workers)
    [row] = plan.images
    assert isinstance(row.error, StoreDamaged)


def test_root_does_not_build_on_what_a_user_altered(altered: Path) -> None:
    options = {"store": str(altered), "base": str(NAME), "name": "r.test/new:1", "config": {"labels": {"a": "b"}}}
    assert modules.fail("image_append", options)["error"] == "store_damaged"


def test_root_does_not_deliver_what_a_user_altered(altered: Path) -> None:
    class EmptyEngine:
        title, place, loads_oci, platform = "docker", "nowhere", True, None

        def list_images(self, unused_host: object) -> list[t.Any]:
            return []

        def read_layers(self, unused_listed: object, unused_layers_of: object) -> t.Any:
            return pytest.fail("the layers of the engine were read")

    host = Platform.parse("linux/amd64")
    [row] = plan_deliver(Store(str(altered)), t.cast(t.Any, EmptyEngine()), [NAME], platform=None, host=host).images
    assert isinstance(row.error, StoreDamaged)
