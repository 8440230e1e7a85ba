# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives as pieces: Python's tarfile and our own strict reader read them, large blobs begin at a page, equal input makes equal bytes."""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
import tarfile
import time
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.longshore.images.plugins.module_utils.archive import format as writing
from ansible_collections.longshore.images.plugins.module_utils.archive.format import (
    ALIGN_FROM,
    DOCKER,
    OCI,
    PAGE,
    UNIVERSAL,
    ArchiveFile,
    Piece,
    SavedImage,
    build_archive_files,
    build_tar,
    count_bytes,
    read_pieces,
)
from ansible_collections.longshore.images.plugins.module_utils.archive.tar import checked_tar
from ansible_collections.longshore.images.plugins.module_utils.errors import UnsupportedFormat
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from tests.support.images import make_image, make_index

NAME, OTHER = Reference.parse("app:1"), Reference.parse("quay.io/app:2")


def blob_of(data: bytes, algorithm: str = "sha256") -> Descriptor:
    return Descriptor("x", Digest.of(data, algorithm), len(data))


def file_of(content: bytes | Descriptor, name: str = "") -> ArchiveFile:
    return ArchiveFile(name or f"blobs/{content.digest.algorithm}/{content.digest.hex}" if isinstance(content, Descriptor) else name, content)


def written(pieces: t.Sequence[Piece], blobs: t.Mapping[Digest, bytes]) -> bytes:
    data = b"".join(read_pieces(pieces, lambda blob: [blobs[blob.digest]]))
    assert len(data) == count_bytes(pieces)
    assert b"".join(checked_tar([data], "it")) == data
    return data


def offsets(pieces: t.Sequence[Piece]) -> dict[Descriptor, int]:
    """Where each blob begins."""
    found: dict[Descriptor, int] = {}
    offset = 0
    for piece in pieces:
        if isinstance(piece, Descriptor):
            found[piece] = offset
        offset += count_bytes([piece])
    return found


@given(st.lists(st.sampled_from([0, 1, 511, 512, 513, 4096, ALIGN_FROM - 1, ALIGN_FROM, ALIGN_FROM + 1, 100_000]), max_size=5))
def test_tarfile_reads_what_is_written_and_large_blobs_begin_at_a_page(sizes: list[int]) -> None:
    blobs = {Digest.of(data): data for data in (bytes([number]) * size for number, size in enumerate(sizes))}
    files = [file_of(b"{}", "index.json"), *(file_of(Descriptor("x", digest, len(data))) for digest, data in blobs.items())]
    pieces = build_tar(files)
    data = written(pieces, blobs)
    assert data.endswith(bytes(1024))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        infos = {info.name: info for info in tar}
        for file in files:
            expected = file.content if isinstance(file.content, bytes) else blobs[file.content.digest]
            assert t.cast(t.IO[bytes], tar.extractfile(infos[file.name])).read() == expected
            if file.size >= ALIGN_FROM:
                assert infos[file.name].offset_data % PAGE == 0
    assert {info.mtime for info in infos.values()} == {info.uid for info in infos.values()} == {0}
    assert {name for name, info in infos.items() if info.isdir()} == ({"blobs", "blobs/sha256"} if blobs else set())


@pytest.mark.parametrize("blocks", range(10))
def test_a_gap_of_any_length_before_a_page_is_filled(blocks: int) -> None:
    large = bytes(ALIGN_FROM)
    pieces = build_tar([file_of(bytes(512 * blocks), "small"), file_of(blob_of(large))])
    data = written(pieces, {Digest.of(large): large})
    assert offsets(pieces)[blob_of(large)] % PAGE == 0
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.getnames() == ["blobs", "blobs/sha256", "small", f"blobs/sha256/{Digest.of(large).hex}"]
    assert len(data) <= 512 * (blocks + 6) + 2 * PAGE + ALIGN_FROM + 1024


@pytest.mark.parametrize("size", [ALIGN_FROM, 8 << 30, 9 << 30])
@pytest.mark.parametrize("digest", [Digest("sha256", "0" * 64), Digest("sha512", "0" * 128)], ids=lambda digest: digest.algorithm)
def test_headers_of_several_blocks_leave_the_blob_at_its_page(size: int, digest: Digest) -> None:
    """Long names and sizes beyond octal take extended headers."""
    blob = Descriptor("x", digest, size)
    pieces = build_tar([file_of(b"x", "small"), file_of(blob)])
    assert offsets(pieces)[blob] % PAGE == 0


def test_a_long_name_is_read_back() -> None:
    data = bytes(ALIGN_FROM)
    blob = blob_of(data, "sha512")
    with tarfile.open(fileobj=io.BytesIO(written(build_tar([file_of(blob)]), {blob.digest: data}))) as tar:
        assert t.cast(t.IO[bytes], tar.extractfile(f"blobs/sha512/{blob.digest.hex}")).read() == data


# The files of an archive.


def saved(text: str = "app", *names: Reference) -> SavedImage:
    image = make_image(text)
    return SavedImage(image.graph, image.root, names, image.graph.images[0])


def content(files: t.Sequence[ArchiveFile], name: str) -> t.Any:
    return json.loads(t.cast(bytes, next(file.content for file in files if file.name == name)))


def test_documents_come_first_and_blobs_in_the_order_of_their_digests() -> None:
    files = build_archive_files([saved("a", NAME), saved("b")], UNIVERSAL, (), {})
    found = [file.name for file in files]
    assert found[:3] == ["oci-layout", "index.json", "manifest.json"]
    assert found[3:] == sorted(found[3:])
    assert len(found) == len(set(found)) == 3 + 8


@pytest.mark.parametrize("form", [UNIVERSAL, DOCKER, OCI])
def test_neither_the_order_of_images_nor_how_often_they_are_given_makes_another_archive(form: str) -> None:
    images = [saved("a", NAME), saved("a", OTHER), saved("b"), saved("c", Reference.parse(f"c@{make_image('c').root.digest}"))]
    files = build_archive_files(images, form, (), {})
    assert all(build_archive_files(list(order), form, (), {}) == files for order in itertools.permutations(images))
    assert build_archive_files([*images, *images], form, (), {}) == files


def test_all_names_of_an_image_are_one_entry_of_dockers_side() -> None:
    files = build_archive_files([saved("a", OTHER), saved("b"), saved("a", NAME)], UNIVERSAL, (), {})
    assert len(content(files, "index.json")["manifests"]) == 3
    entries = content(files, "manifest.json")
    assert sorted(entry["RepoTags"] or [] for entry in entries) == [[], [str(NAME), str(OTHER)]]


def test_every_reader_finds_the_same_full_name() -> None:
    files = build_archive_files([saved("a", NAME)], UNIVERSAL, (), {})
    entry = content(files, "index.json")["manifests"][0]
    assert set(entry["annotations"].values()) == {"docker.io/library/app:1"}
    assert content(files, "manifest.json")[0]["RepoTags"] == ["docker.io/library/app:1"]
    assert "platform" not in entry


def test_each_side_alone_has_only_its_own_files() -> None:
    assert "manifest.json" not in [file.name for file in build_archive_files([saved("a", NAME)], OCI, (), {})]
    docker = build_archive_files([saved("a", NAME)], DOCKER, (), {})
    assert next(file.name for file in docker) == "manifest.json"
    assert f"blobs/sha256/{make_image('a').root.digest.hex}" not in [file.name for file in docker]
    assert content(build_archive_files([saved("a")], DOCKER, (), {}), "manifest.json")[0]["RepoTags"] is None


def test_an_image_of_several_platforms_is_one_entry_here_and_one_platform_there() -> None:
    image = make_index()
    files = build_archive_files([SavedImage(image.graph, image.root, (NAME,), image.graph.images[1])], UNIVERSAL, (), {})
    assert [entry["digest"] for entry in content(files, "index.json")["manifests"]] == [str(image.root.digest)]
    assert content(files, "manifest.json")[0]["Config"].endswith(image.graph.images[1].manifest.config.digest.hex)
    assert {file.name.rpartition("/")[2] for file in files[3:]} == {digest.hex for digest in image.digests}


@pytest.mark.parametrize("form", [UNIVERSAL, DOCKER, OCI])
def test_an_archive_that_readers_would_refuse_is_not_made(form: str) -> None:
    one = saved("a")
    many = [dataclasses.replace(one, names=(Reference.parse(f"app:{number}"),)) for number in range(1001)]
    assert build_archive_files(many[:1000], form, (), {})
    with pytest.raises(UnsupportedFormat, match="at most 1000 image names"):
        build_archive_files(many, form, (), {})
    if form != DOCKER:
        with pytest.raises(UnsupportedFormat, match="at most 4194304 bytes"):
            build_archive_files([one], form, (), {"images.longshore.base": [Digest.of(str(number).encode()) for number in range(60_000)]})


def test_notes_list_the_content_that_is_left_out() -> None:
    layer, other = make_image("a").layers[0].digest, Digest.of(b"of another image")
    files = build_archive_files(
        [saved("a", NAME)], UNIVERSAL, {layer, other}, {"images.longshore.base": {other, layer}, "images.longshore.none": set()}
    )
    assert content(files, "index.json")["annotations"] == {"images.longshore.base": ",".join(sorted([str(layer), str(other)]))}
    assert f"blobs/sha256/{layer.hex}" not in [file.name for file in files]
    assert "annotations" not in content(build_archive_files([saved("a", NAME)], UNIVERSAL, (), {}), "index.json")


def test_very_many_small_pieces_are_joined_in_linear_time() -> None:
    began = time.process_time()
    assert [len(piece) for piece in writing._joined([b"x" * 5000, b"", b"y" * 500] * 6000) if isinstance(piece, bytes)] == [33_000_000]
    assert time.process_time() - began < 2
