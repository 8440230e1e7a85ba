# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The documents of an image, however they are nested and repeated, cost seconds of CPU at most, and are refused beyond their bounds."""

from __future__ import annotations

import json
import time
import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils import limits
from ansible_collections.longshore.images.plugins.module_utils.errors import LongshoreError, PlatformMissing, UnsupportedFormat
from ansible_collections.longshore.images.plugins.module_utils.oci import document_reader, media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.document import Document
from ansible_collections.longshore.images.plugins.module_utils.oci.document_reader import DocumentReader, bound_reads
from ansible_collections.longshore.images.plugins.module_utils.oci.graph import choose_all, choose_platforms, read_graph
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Platform, Selection
from ansible_collections.longshore.images.plugins.module_utils.places.platforms import select_platforms

HOST = Selection((Platform.parse("linux/amd64"),))
MANY = 300
SECONDS = 10


class Documents:
    """Documents by their digests. `reads` counts how often one was read."""

    def __init__(self) -> None:
        self.data: dict[Digest, bytes] = {}
        self.reads = 0

    def put(self, members: dict[str, t.Any], media_type: str) -> Descriptor:
        data = json.dumps(members).encode()
        descriptor = Descriptor(media_type, Digest.of(data), len(data))
        self.data[descriptor.digest] = data
        return descriptor

    def read(self, descriptor: Descriptor) -> bytes | None:
        self.reads += 1
        return self.data.get(descriptor.digest)

    def config(self) -> Descriptor:
        return self.put({"os": "linux", "architecture": "amd64"}, media_types.OCI_CONFIG)

    def manifest(self, layers: t.Sequence[Descriptor] = (), **annotations: str) -> Descriptor:
        members = {"schemaVersion": 2, "config": self.config().to_dict(), "layers": [layer.to_dict() for layer in layers], "annotations": annotations}
        return self.put(members, media_types.OCI_MANIFEST)

    def index(self, *children: Descriptor) -> Descriptor:
        return self.put({"schemaVersion": 2, "manifests": [child.to_dict() for child in children]}, media_types.OCI_INDEX)


@pytest.fixture
def documents() -> Documents:
    return Documents()


@pytest.fixture(autouse=True)
def within_seconds() -> t.Iterator[None]:
    began = time.process_time()
    yield
    assert time.process_time() - began < SECONDS


def nested(documents: Documents, levels: int) -> Descriptor:
    """Indexes in indexes, each of which lists the next one many times."""
    child = documents.manifest()
    for _level in range(levels):
        child = documents.index(*[child] * MANY)
    return child


@pytest.mark.parametrize("choice", [choose_platforms(HOST), choose_all], ids=["one platform", "all"])
def test_an_index_that_lists_one_child_many_times_is_read_once(documents: Documents, choice: t.Any) -> None:
    root = nested(documents, 3)
    graph = read_graph(root, "it", documents.read, choice)
    assert graph is not None
    assert len(graph.images) == 1
    assert documents.reads == 5


def test_a_part_of_such_an_image_costs_no_more(documents: Documents) -> None:
    assert select_platforms(nested(documents, 3), "it", documents.read, HOST).images
    assert documents.reads <= 7


def test_a_platform_that_no_nested_index_has_is_missed_as_fast(documents: Documents) -> None:
    root = nested(documents, 4)
    with pytest.raises((PlatformMissing, UnsupportedFormat)):
        read_graph(root, "it", documents.read, choose_platforms(Selection((Platform.parse("linux/s390x"),))))
    assert documents.reads <= 5


def test_indexes_that_nest_deeper_than_python_recurses_are_refused(documents: Documents) -> None:
    child = documents.manifest()
    for _level in range(3000):
        child = documents.index(child)
    for read in (read_graph, lambda root, what, read: select_platforms(root, what, read, HOST)):
        with pytest.raises(UnsupportedFormat, match="levels"):
            read(child, "it", documents.read)


def test_layers_of_indexes_that_all_list_each_other_cost_seconds(documents: Documents) -> None:
    lowest = [documents.index(*[documents.manifest(number=str(number))] * 2) for number in range(100)]
    middle = [documents.index(*lowest, *[lowest[number]] * 10) for number in range(100)]
    assert read_graph(documents.index(*middle * 9), "it", documents.read, choose_platforms(HOST)) is not None


def test_an_image_of_too_many_documents_is_refused(documents: Documents, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_reader, "MAX_IMAGE_READS", 10)
    with pytest.raises(UnsupportedFormat, match="more than 10 documents"):
        read_graph(documents.index(*(documents.manifest(number=str(number)) for number in range(10))), "it", documents.read)


def test_an_image_of_too_many_bytes_of_documents_is_refused(documents: Documents) -> None:
    root = documents.index(*(documents.manifest(number=str(number), filler="x" * 4_000_000) for number in range(9)))
    with pytest.raises(UnsupportedFormat, match="bytes of manifests and configs"):
        read_graph(root, "it", documents.read)


def test_an_image_of_too_many_values_is_refused(documents: Documents) -> None:
    values = ["x" * 5] * 400_000
    configs = [
        documents.put({"os": "linux", "architecture": "amd64", "values": values, "number": number}, media_types.OCI_CONFIG) for number in range(3)
    ]
    manifests = [documents.put({"schemaVersion": 2, "config": config.to_dict(), "layers": []}, media_types.OCI_MANIFEST) for config in configs]
    with pytest.raises(UnsupportedFormat, match="JSON values"):
        read_graph(documents.index(*manifests), "it", documents.read)


def test_an_image_of_too_many_layers_is_refused(documents: Documents) -> None:
    layers = [Descriptor(media_types.OCI_LAYER, Digest("sha256", f"{number:064x}"), 1) for number in range(1000)]
    root = documents.index(*(documents.manifest(layers, number=str(number)) for number in range(101)))
    with pytest.raises(UnsupportedFormat, match="layers that are allowed in all its images"):
        read_graph(root, "it", documents.read)


def test_the_largest_image_that_is_allowed_costs_seconds(documents: Documents) -> None:
    layers = [Descriptor(media_types.OCI_LAYER, Digest("sha256", f"{number:064x}"), 1) for number in range(100)]
    graph = read_graph(documents.index(*(documents.manifest(layers, number=str(number)) for number in range(999))), "it", documents.read)
    assert graph is not None
    assert len(graph.images) == 999
    assert graph.blobs_without(graph.blobs) == ()


def test_the_same_digest_of_another_size_or_type_is_another_question(documents: Documents) -> None:
    manifest = documents.manifest()
    reader = DocumentReader(lambda asked: documents.read(asked) if asked.size == manifest.size else None, "it")
    assert reader(Descriptor(manifest.media_type, manifest.digest, 1)) is None
    assert reader(manifest) == reader(manifest) == documents.data[manifest.digest]
    assert documents.reads == 1


def test_documents_of_one_archive_that_are_read_again_and_again_count_again(documents: Documents, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_reader, "MAX_ARCHIVE_READS", 10)
    read, manifest = bound_reads(documents.read, "it"), documents.manifest()
    with pytest.raises(UnsupportedFormat, match="10 documents"):
        all(read(manifest) for _time in range(11))


@pytest.mark.parametrize("value", [b"[]", b"{}", b'{"a":1}', b"1", b"[" * 60 + b"]" * 60, b'""'], ids=str)
def test_a_document_that_is_full_of_values_is_refused_before_it_is_parsed(value: bytes) -> None:
    data = b'{"a":[' + b",".join([value] * (limits.MAX_DOCUMENT // (len(value) + 1) - 8)) + b"]}"
    began = time.process_time()
    with pytest.raises(UnsupportedFormat, match="values"):
        Document.parse(data, "it")
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":' + b"[" * 65 + b'"' + b'\\"' * 2_000_000,
        b'{"a":' + b"[" * 65 + b'"' * 4_000_000,
        b'{"a":' + b"[" * 10 + b"]" * 4_000_000,
        b'{"a":[' + b"[]," * 100 + b'"' + b"\\u0041" * 600_000,
    ],
    ids=["escaped quotes", "quotes", "closing brackets", "escapes"],
)
def test_what_is_hard_to_read_is_refused_in_linear_time(data: bytes) -> None:
    began = time.process_time()
    with pytest.raises(LongshoreError):
        Document.parse(data, "it")
    assert time.process_time() - began < 2


def test_an_index_within_an_index_may_not_list_any_number_of_platforms(documents: Documents) -> None:
    def for_platform(number: int) -> dict[str, t.Any]:
        return {**documents.manifest().to_dict(), "platform": {"os": "linux", "architecture": f"a{number}"}}

    for count, words in ((limits.MAX_NESTED_PLATFORMS, "no image for linux/amd64"), (limits.MAX_NESTED_PLATFORMS + 1, "platforms that are allowed")):
        inner = documents.put({"schemaVersion": 2, "manifests": [for_platform(number) for number in range(count)]}, media_types.OCI_INDEX)
        with pytest.raises(LongshoreError, match=words):
            read_graph(documents.index(inner), "it", documents.read, choose_platforms(HOST))
