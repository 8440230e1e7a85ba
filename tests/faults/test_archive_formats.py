# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load archives of every format and compression that tools write, and legal archives that are unusual."""

from __future__ import annotations

import tarfile
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import archives
from tests.support.archive_checks import check_loaded
from tests.support.archive_samples import (
    APP,
    COMPRESSIONS,
    FORMATS,
    IMAGE,
)
from tests.support.archives import (
    BLOCK,
    END,
    Files,
    Link,
    docker,
    extended,
    hybrid,
    index_entry,
    index_file,
    layout,
    member,
    members,
    oci,
    pack,
    record,
)
from tests.support.verbs import names


@pytest.mark.parametrize("compression", ["plain", "gzip"])
@pytest.mark.parametrize("tags", [(), (APP,), (APP, "localhost/other:2")], ids=len)
@pytest.mark.parametrize("dialect", FORMATS)
def test_every_dialect_is_loaded_with_its_names_and_id(tmp_path: Path, store: Path, dialect: str, tags: tuple[str, ...], compression: str) -> None:
    path = tmp_path / "archive"
    path.write_bytes(COMPRESSIONS[compression](pack(FORMATS[dialect](IMAGE, *tags))))
    assert archives.load(path, store).changed
    check_loaded(store, IMAGE, *tags)
    assert not archives.load(path, store).changed
    if dialect in ("oci", "hybrid"):
        assert Store(str(store)).index.find_by_digest(IMAGE.root.digest)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_every_compression_is_loaded(tmp_path: Path, store: Path, compression: str) -> None:
    (tmp_path / "archive").write_bytes(COMPRESSIONS[compression](pack(docker(IMAGE, APP))))
    archives.load(tmp_path / "archive", store)
    check_loaded(store, IMAGE, APP)


def test_dialects_of_the_same_layers_give_the_same_digest(tmp_path: Path, store: Path) -> None:
    for number, dialect in enumerate(
        ("docker", "docker, manifest.json first", "packed from a folder", "podman", "podman, by its links", "hard links")
    ):
        (tmp_path / "archive").write_bytes(pack(FORMATS[dialect](IMAGE, f"r.test/{number}:1")))
        archives.load(tmp_path / "archive", store)
    found = names(store)
    assert len({found[f"r.test/{number}:1"] for number in range(6)}) == 1


@pytest.mark.parametrize("dialect", ["docker", "podman", "crane", "oci", "hybrid"])
def test_unpacked_archives_are_loaded(tmp_path: Path, store: Path, dialect: str) -> None:
    files: Files = {name: content for name, content in FORMATS[dialect](IMAGE, APP).items() if not isinstance(content, Link)}
    archives.load(archives.unpack(files, tmp_path / "archive"), store)
    check_loaded(store, IMAGE, APP)


def files_with_content(files: Files) -> list[tuple[str, bytes]]:
    return [(name, content) for name, content in files.items() if isinstance(content, bytes)]


UNUSUAL: dict[str, t.Callable[[], bytes]] = {
    "no end blocks": lambda: b"".join(members(docker(IMAGE, APP))),
    "one end block": lambda: b"".join(members(docker(IMAGE, APP))) + bytes(BLOCK),
    "a record of 10 KiB": lambda: pack(docker(IMAGE, APP)).ljust(40_960, b"\0"),
    "members that nobody names": lambda: member("README") + member("old/", kind=tarfile.DIRTYPE) + member("x", b"x" * 999) + pack(docker(IMAGE, APP)),
    "a name twice": lambda: pack(docker(IMAGE, "app:1", APP, "docker.io/app:1")),
    "long names": lambda: pack({f"{'long/' * 60}{name}": content for name, content in docker(IMAGE).items()} | docker(IMAGE, APP)),
    "GNU long names": lambda: member("long/" * 60 + "x", b"x", form=tarfile.GNU_FORMAT) + pack(docker(IMAGE, APP)),
    "comments": lambda: extended(record(b"comment", b"x" * 5000), b"g") + extended(record(b"comment", b"x")) + pack(docker(IMAGE, APP)),
    "sizes in pax headers": lambda: (
        b"".join(extended(record(b"size", b"%d" % len(data))) + member(n, data) for n, data in files_with_content(docker(IMAGE, APP))) + END
    ),
    "unknown annotations": lambda: pack(layout(index_file(index_entry(IMAGE, APP), annotations={"x": "y"}, other=[1]), IMAGE)),
    "another minor version": lambda: pack(layout(index_file(index_entry(IMAGE, APP)), IMAGE, version="1.9.9")),
    "blobs of nobody": lambda: pack({**oci(IMAGE, APP), f"blobs/sha256/{'0' * 64}": b"not it", "blobs/md5/x": b"", "blobs/sha256/zz": b""}),
    "oci side without names": lambda: pack({**hybrid(IMAGE, APP), "index.json": index_file(index_entry(IMAGE))}),
}


@pytest.mark.parametrize("unusual", UNUSUAL)
def test_unusual_but_legal_archives_are_loaded(tmp_path: Path, store: Path, unusual: str) -> None:
    (tmp_path / "archive").write_bytes(UNUSUAL[unusual]())
    archives.load(tmp_path / "archive", store)
    check_loaded(store, IMAGE, APP)
