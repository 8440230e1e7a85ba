# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The records of what documents say: they save reading, and never change which referrers are found and what is removed."""

from __future__ import annotations

import json
import os
import shutil
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.limits import MAX_CONTENTS
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Platform
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.oci.removal_matching import parse_removal_selector
from ansible_collections.longshore.images.plugins.module_utils.places.filters import Filters
from ansible_collections.longshore.images.plugins.module_utils.places.store.catalog import StoreCatalog
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs.info import InfoOptions
from ansible_collections.longshore.images.plugins.module_utils.verbs.remove import plan_remove
from tests.support.images import Image, make_artifact, make_image, make_index, make_layer
from tests.support.privileges import needs_root

HOST = Platform.parse("linux/amd64")
RECORDS = ("subjects.json", "contents.json")
SHARED = make_layer("a layer of two images")
APP, OTHER, SPARSE = make_image("app", shared=[SHARED]), make_image("other", shared=[SHARED]), make_index("sparse")
GONE, STAYS, HALF = (Reference.parse(f"r.test/{name}:1") for name in ("gone", "stays", "half"))
SBOM = make_artifact("sbom", APP.root, layers=[b"{}"])


@pytest.fixture
def path(open_path: Path) -> Path:
    """A store with three images, one of which has a referrer and another only one of its platforms. Its records are complete."""
    path = open_path / "store"
    store = Store(str(path))
    APP.put(store, str(GONE))
    OTHER.put(store, str(STAYS))
    SPARSE.sparse("linux/amd64").put(store, str(HALF), platforms=["linux/amd64"])
    add_by_another_tool(path, SBOM)
    remove_nothing(path)
    assert all((path / ".longshore" / name).exists() for name in RECORDS)
    return path


def add_by_another_tool(path: Path, image: Image) -> None:
    """Add an image to the store without a name, with other spaces in the index, as a tool that knows no records."""
    for digest, data in image.content.items():
        (path / "blobs" / digest.algorithm / digest.hex).write_bytes(data)
    index = json.loads((path / "index.json").read_text())
    index["manifests"].append({"mediaType": image.root.media_type, "digest": str(image.root.digest), "size": image.root.size})
    (path / "index.json").write_text(json.dumps(index, indent=2))


def remove_nothing(path: Path) -> None:
    """Remove an image that is added for that, so that the run reads and records all others."""
    make_image("temporary").put(Store(str(path)), "r.test/temporary:1")
    remove(path, "r.test/temporary:1")


def remove(path: Path, name: str) -> dict[str, t.Any]:
    store = Store(str(path))
    plan = plan_remove(StoreCatalog(store, HOST), [parse_removal_selector(name)])
    with Workers(2) as workers:
        done = plan.apply(workers)
    return {**done.facts(), "rows": done.rows(), "warnings": done.warnings(), "blobs": sorted(map(str, store.stored()))}


def referrers(path: Path) -> list[str]:
    inspector = InfoOptions(HOST, referrers=True, selectors=[GONE]).inspect_store(Store(str(path)))
    (row,) = inspector.find_rows([GONE], Filters())
    return [referrer["digest"] for referrer in row["referrers"]]


def pull_the_other_platform(path: Path) -> None:
    SPARSE.put(Store(str(path)), str(HALF), platforms=["linux/amd64", "linux/arm64"])


def store_the_other_platform(path: Path) -> None:
    add_by_another_tool(path, Image(SPARSE.graph.images[1].descriptor, SPARSE.content))


def add_a_referrer(path: Path) -> None:
    add_by_another_tool(path, make_artifact("late", APP.root, layers=[b"late"]))


def add_an_image_with_the_same_layer(path: Path) -> None:
    add_by_another_tool(path, make_image("late", layers=0, shared=[APP.content[APP.layers[1].digest]]))


def blob(path: Path, digest: Digest) -> Path:
    return path / "blobs" / digest.algorithm / digest.hex


def lose_a_manifest(path: Path) -> None:
    blob(path, OTHER.root.digest).unlink()


def alter_a_manifest(path: Path) -> None:
    file = blob(path, OTHER.root.digest)
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[::-1])


def lose_a_platform(path: Path) -> None:
    blob(path, SPARSE.graph.images[0].descriptor.digest).unlink()


def replace_a_manifest_by_a_link(path: Path) -> None:
    file = blob(path, OTHER.root.digest)
    shutil.copy(file, path.parent / "elsewhere")
    file.unlink()
    file.symlink_to(path.parent / "elsewhere")


CHANGES: list[t.Callable[[Path], None]] = [
    pull_the_other_platform,
    store_the_other_platform,
    add_a_referrer,
    add_an_image_with_the_same_layer,
    lose_a_manifest,
    alter_a_manifest,
    lose_a_platform,
    replace_a_manifest_by_a_link,
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_removal_with_records_equals_one_without(path: Path, change: t.Callable[[Path], None]) -> None:
    change(path)
    without = path.parent / "without"
    shutil.copytree(path, without, symlinks=True)
    for name in RECORDS:
        (without / ".longshore" / name).unlink()
    found = referrers(path)
    assert found == referrers(without)
    expected = {**remove(without, str(GONE)), "store": str(path)}
    assert json.dumps({**remove(path, str(GONE)), "store": str(path)}) == json.dumps(expected).replace(str(without), str(path))


def test_only_new_documents_are_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Digest] = []
    read_document = Store.read_document

    def recorded_read(store: Store, descriptor: Descriptor) -> bytes | None:
        read.append(descriptor.digest)
        return read_document(store, descriptor)

    late = make_artifact("late", APP.root)
    add_by_another_tool(path, late)
    monkeypatch.setattr(Store, "read_document", recorded_read)
    assert set(referrers(path)) == {str(SBOM.root.digest), str(late.root.digest)}
    remove(path, str(GONE))
    assert late.root.digest in read
    assert read.count(OTHER.root.digest) == read.count(SPARSE.root.digest) == 0


def lie(path: Path) -> None:
    """Record that nothing is a referrer, and that no image needs a blob."""
    for name in RECORDS:
        record = path / ".longshore" / name
        values = json.loads(record.read_text())
        lies = {key: [""] if name == RECORDS[0] else [value[0], value[1], "", ""] for key, value in values.items()}
        record.write_text(json.dumps(lies))


def give_record_away(path: Path) -> None:
    for name in RECORDS:
        os.chown(path / ".longshore" / name, 4321, 4321)


def open_record_to_group(path: Path) -> None:
    for name in RECORDS:
        (path / ".longshore" / name).chmod(0o660)


def open_folder_to_group(path: Path) -> None:
    (path / ".longshore").chmod(0o770)


def link_record(path: Path) -> None:
    for name in RECORDS:
        os.link(path / ".longshore" / name, path.parent / name)


@pytest.mark.parametrize("attack", [give_record_away, open_record_to_group, open_folder_to_group, link_record])
def test_records_that_others_can_write_to_are_neither_trusted_nor_written(path: Path, attack: t.Callable[[Path], None]) -> None:
    needs_root()
    lie(path)
    attack(path)
    lies = [(path / ".longshore" / name).read_bytes() for name in RECORDS]
    assert referrers(path) == [str(SBOM.root.digest)]
    assert str(SBOM.root.digest) in remove(path, str(GONE))["deleted"]
    assert all(Store(str(path)).has_blob(blob) for blob in OTHER.blobs)
    assert [(path / ".longshore" / name).read_bytes() for name in RECORDS] == lies


GARBLED = ("", "{", "[]", "null", '{"KEY": 5}', '{"KEY": [1, 2, 3]}', '{"KEY": [[], {}, null, 1]}', '{"KEY": [null]}')


@pytest.mark.parametrize("content", GARBLED)
def test_garbled_records_are_ignored_and_replaced(path: Path, content: str) -> None:
    key = f"{OTHER.root.digest} "
    for name in RECORDS:
        (path / ".longshore" / name).write_text(content.replace("KEY", key if name == "contents.json" else key.strip()))
    assert referrers(path) == [str(SBOM.root.digest)]
    remove(path, str(GONE))
    assert all(Store(str(path)).has_blob(blob) for blob in OTHER.blobs)
    assert json.loads((path / ".longshore" / "contents.json").read_text())[key][0] == str(OTHER.root.digest)


def test_a_record_never_gets_longer_than_a_run_reads(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(str(path))
    monkeypatch.setattr(type(store.contents), "max_bytes", 1000)
    for number in range(50):
        store.contents.set(f"sha256:{number:064x} ", store.contents._parse([f"{number}", "", "", ""]))
    assert MAX_CONTENTS > 1000
    kept = json.loads(store.contents.to_bytes())
    assert list(kept)[-1] == f"sha256:{49:064x} "
    assert 0 < len(store.contents.to_bytes()) <= 1000
