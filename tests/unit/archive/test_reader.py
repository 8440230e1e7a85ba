# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives as images: which names they get, which side of a hybrid counts, and what is known of their content without reading it."""

from __future__ import annotations

import gzip
import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.archive.reader import Archive, StreamedArchive, open_archive
from ansible_collections.longshore.images.plugins.module_utils.errors import CorruptArchive, ImageNotFound, UnsupportedFormat
from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest, DigestMismatch
from ansible_collections.longshore.images.plugins.module_utils.oci.document import encode_canonical
from ansible_collections.longshore.images.plugins.module_utils.oci.layout import BASE_DIGESTS, CONTAINERD_NAME, INDEX_DIGEST, REF_NAME
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor, Manifest, read_manifest
from tests.support.archives import (
    Files,
    config_of,
    crane,
    docker,
    hybrid,
    index_entry,
    index_file,
    layers_of,
    layout,
    manifest_file,
    oci,
    pack,
)
from tests.support.images import make_image, make_index

IMAGE = make_image("one")
OTHER = make_image("two", 1)


def read(tmp_path: Path, files: Files, compressed: bool = False) -> Archive:
    path = tmp_path / "archive"
    path.write_bytes(gzip.compress(pack(files)) if compressed else pack(files))
    return open_archive(str(path))


def names(archive: Archive) -> list[str]:
    return [str(name) for image in archive.images for name in image.names]


# Names.


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({}, []),
        ({REF_NAME: ""}, []),
        ({REF_NAME: "latest"}, []),
        ({REF_NAME: "1.27-alpine_x"}, []),
        ({REF_NAME: "app:1"}, ["docker.io/library/app:1"]),
        ({REF_NAME: "team/app"}, ["docker.io/team/app:latest"]),
        ({REF_NAME: "quay.io/team/app:1"}, ["quay.io/team/app:1"]),
        ({CONTAINERD_NAME: "app"}, ["docker.io/library/app:latest"]),
        ({CONTAINERD_NAME: "docker.io/library/app:1", REF_NAME: "1"}, ["docker.io/library/app:1"]),
        ({CONTAINERD_NAME: "docker.io/library/app:1", REF_NAME: "quay.io/other:2"}, ["docker.io/library/app:1"]),
        ({CONTAINERD_NAME: f"app:1@{IMAGE.root.digest}"}, ["docker.io/library/app:1"]),
        ({CONTAINERD_NAME: f"app@{IMAGE.root.digest}"}, [f"docker.io/library/app@{IMAGE.root.digest}"]),
    ],
)
def test_containerds_name_comes_before_a_ref_name_that_is_no_tag(tmp_path: Path, annotations: dict[str, str], expected: list[str]) -> None:
    archive = read(tmp_path, layout(index_file(index_entry(IMAGE, annotations=annotations)), IMAGE))
    assert names(archive) == expected
    assert [image.root.digest for image in archive.images] == [IMAGE.root.digest]


def test_entries_of_one_image_are_one_image_with_all_its_names(tmp_path: Path) -> None:
    entries = [index_entry(IMAGE, name) for name in ("a:1", "a:2", "docker.io/library/a:1")]
    archive = read(tmp_path, layout(index_file(*entries, index_entry(OTHER)), IMAGE, OTHER))
    assert [len(image.names) for image in archive.images] == [2, 0]


def test_entries_of_types_that_nobody_knows_are_passed_over(tmp_path: Path) -> None:
    odd = {"mediaType": "application/x-odd", "digest": str(OTHER.root.digest), "size": 1, "annotations": {CONTAINERD_NAME: "odd:1"}}
    assert names(read(tmp_path, layout(index_file(odd, index_entry(IMAGE, "a:1")), IMAGE))) == ["docker.io/library/a:1"]


# Two sides.


def test_the_oci_side_counts_where_it_has_all_names(tmp_path: Path) -> None:
    archive = read(tmp_path, hybrid(IMAGE, "a:1", "b:1"))
    assert [image.root.digest for image in archive.images] == [IMAGE.root.digest]
    assert len(names(archive)) == 2


@pytest.mark.parametrize("listed", [[], ["a:1"], ["a:1", "c:1"], [None]], ids=str)
def test_names_of_the_docker_side_count_if_the_oci_side_has_none(tmp_path: Path, listed: list[str | None]) -> None:
    files = {**hybrid(IMAGE, "a:1", "b:1"), "index.json": index_file(*[index_entry(IMAGE, name) for name in listed])}
    archive = read(tmp_path, files)
    assert sorted(names(archive)) == ["docker.io/library/a:1", "docker.io/library/b:1"]
    assert len(archive.images) == 1


def test_dockers_side_counts_where_it_has_more_images(tmp_path: Path) -> None:
    files = hybrid(IMAGE)
    entries = [json.loads(t.cast(bytes, hybrid(image)["manifest.json"]))[0] for image in (IMAGE, OTHER)]
    archive = read(tmp_path, {**hybrid(OTHER), **files, "manifest.json": manifest_file(*entries)})
    assert len(archive.images) == 2


def test_an_entry_for_each_name_of_one_image_is_one_image(tmp_path: Path) -> None:
    (entry,) = json.loads(t.cast(bytes, hybrid(IMAGE)["manifest.json"]))
    entries = [{**entry, "RepoTags": [name]} for name in ("a:1", "b:1")]
    archive = read(tmp_path, {**hybrid(IMAGE, "a:1", "b:1"), "manifest.json": manifest_file(*entries)})
    assert [image.root.digest for image in archive.images] == [IMAGE.root.digest]


# Manifests of our own.


def test_a_docker_archive_gets_a_manifest_over_its_bytes_as_they_are(tmp_path: Path) -> None:
    archive = read(tmp_path, docker(IMAGE, "a:1"))
    root = archive.images[0].root
    data = archive.read_document(root)
    assert data is not None
    assert Digest.of(data) == root.digest
    manifest = json.loads(data)
    assert manifest["mediaType"] == root.media_type == media_types.OCI_MANIFEST
    assert manifest["config"]["digest"] == str(Digest.of(config_of(IMAGE)))
    assert [layer["digest"] for layer in manifest["layers"]] == [str(Digest.of(layer)) for layer in layers_of(IMAGE)]
    assert {layer["mediaType"] for layer in manifest["layers"]} == {media_types.OCI_LAYER}


def test_compressed_layers_keep_their_bytes_and_so_the_digest_of_the_registry(tmp_path: Path) -> None:
    """`make_image` writes manifests as we do: the same config and layers are the same image."""
    for compressed in (False, True):
        archive = read(tmp_path, crane(IMAGE, "a:1"), compressed)
        assert [image.root.digest for image in archive.images] == [IMAGE.root.digest]
        for layer in IMAGE.layers:
            assert archive.has_blob(layer.digest)
            assert b"".join(archive.read_blob(layer)) == IMAGE.content[layer.digest]


# Other facts about archives.


def test_an_index_that_travels_along_is_the_root(tmp_path: Path) -> None:
    index = make_index("both")
    child = index.graph.images[0].descriptor
    entry = {"mediaType": child.media_type, "digest": str(child.digest), "size": child.size}
    files = layout(index_file({**entry, "annotations": {INDEX_DIGEST: str(index.root.digest)}}), index)
    archive = read(tmp_path, files)
    assert archive.images[0].root.digest == child.digest
    assert archive.saved_root(archive.images[0]).digest == index.root.digest
    name = f"blobs/sha256/{index.root.digest.hex}"
    altered = read(tmp_path, {**files, name: b"{}"})
    with pytest.raises(DigestMismatch, match=rf"{name} \(at byte \d+\) should have the digest {index.root.digest}"):
        altered.saved_root(altered.images[0])
    del files[name]
    archive = read(tmp_path, files)
    assert archive.saved_root(archive.images[0]).digest == child.digest


def test_base_digests_are_read(tmp_path: Path) -> None:
    digests = [layer.digest for layer in IMAGE.layers]
    files = layout(index_file(index_entry(IMAGE), annotations={BASE_DIGESTS: ",".join(map(str, digests))}), IMAGE)
    assert read(tmp_path, files).base_digests == set(digests)
    assert read(tmp_path, oci(IMAGE)).base_digests == set()


@pytest.mark.parametrize("compressed", [False, True])
def test_a_blob_of_another_size_is_known_without_reading_it(tmp_path: Path, compressed: bool) -> None:
    layer = IMAGE.layers[0]
    archive = read(tmp_path, oci(IMAGE), compressed)
    archive.check_blob(layer)
    archive.check_blob(Descriptor("x", Digest.of(b"absent"), 7))
    with pytest.raises(DigestMismatch, match=rf"blobs/sha256/{layer.digest.hex} \(at byte \d+\) has {layer.size} bytes, but its descriptor says 7"):
        archive.check_blob(Descriptor("x", layer.digest, 7))


def test_of_a_compressed_file_every_digest_is_known(tmp_path: Path) -> None:
    layer = IMAGE.layers[0]
    name = f"blobs/sha256/{layer.digest.hex}"
    files = {**oci(IMAGE), name: bytes(layer.size)}
    read(tmp_path, files).check_blob(layer)
    with pytest.raises(DigestMismatch, match=rf"{name} \(at byte \d+\) should have the digest {layer.digest}, but its bytes have"):
        read(tmp_path, files, compressed=True).check_blob(layer)


def test_the_requested_content_of_a_compressed_file_is_read_in_the_order_of_the_file(tmp_path: Path) -> None:
    for files in (docker(IMAGE), oci(IMAGE), crane(IMAGE)):
        archive = read(tmp_path, files, compressed=True)
        assert isinstance(archive, StreamedArchive)
        root = archive.images[0].root
        manifest = json.loads(archive.read_document(root) or b"")
        wanted = [Descriptor("x", Digest.parse(entry["digest"]), entry["size"]) for entry in (*manifest["layers"], manifest["config"])]
        found = {descriptor: Digest.of(b"".join(chunks)) for descriptor, chunks in archive.read_in_order([*wanted, root])}
        assert found == {descriptor: descriptor.digest for descriptor in (*wanted, root)}


ANY_NAMES = ["a.json", "0" * 63 + ".json", f"{'0' * 64}/config.json", f"x{'0' * 64}.json", f"{'0' * 64}.json.old"]
NAMES_OF_OTHERS = [f"{'0' * 64}.json", "0" * 64, f"sha256:{'0' * 64}", f"blobs/sha256/{'0' * 64}"]


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("name", [*ANY_NAMES, *NAMES_OF_OTHERS])
def test_a_config_may_be_called_anything_even_after_another_digest(tmp_path: Path, name: str, compressed: bool) -> None:
    files = docker(IMAGE, "a:1")
    entry = {**json.loads(t.cast(bytes, files["manifest.json"]))[0], "Config": name}
    archive = read(tmp_path, {**files, name: config_of(IMAGE), "manifest.json": manifest_file(entry)}, compressed)
    config = describe_config(archive)
    assert config.digest == Digest.of(config_of(IMAGE))
    assert archive.read_document(config) == config_of(IMAGE)
    assert archive.images[0].root == read(tmp_path, docker(IMAGE, "a:1")).images[0].root


def describe_config(archive: Archive) -> Descriptor:
    data = archive.read_document(archive.images[0].root)
    assert data is not None
    manifest = read_manifest(data, None, "manifest")
    assert isinstance(manifest, Manifest)
    return manifest.config


def test_layers_of_all_images_have_a_bound_together(tmp_path: Path) -> None:
    layer, diff_id = layers_of(OTHER)[0], str(Digest.of(layers_of(OTHER)[0]))
    config = encode_canonical({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [diff_id] * 1000}})
    entry = {"Config": "c.json", "RepoTags": None, "Layers": ["l"] * 1000}
    assert len(read(tmp_path, {"c.json": config, "l": layer, "manifest.json": manifest_file(*[entry] * 100)}).images) == 100
    with pytest.raises(UnsupportedFormat, match=r"manifest\.json lists more than 100000 layers"):
        read(tmp_path, {"c.json": config, "l": layer, "manifest.json": manifest_file(*[entry] * 101)})


@pytest.mark.parametrize("compressed", [False, True])
def test_missing_content_of_the_base_of_a_delta_is_reported(tmp_path: Path, compressed: bool) -> None:
    layer, other = IMAGE.layers
    base = index_file(index_entry(IMAGE, "a:1"), annotations={BASE_DIGESTS: str(layer.digest)})
    files = {name: data for name, data in layout(base, IMAGE).items() if layer.digest.hex not in name and other.digest.hex not in name}
    archive = read(tmp_path, files, compressed)
    for descriptor, error in ((layer, ImageNotFound), (other, CorruptArchive)):
        with pytest.raises(error, match=str(descriptor.digest)):
            archive.read_blob(descriptor)
        if isinstance(archive, StreamedArchive):
            with pytest.raises(error, match=str(descriptor.digest)):
                list(archive.read_in_order([descriptor]))
