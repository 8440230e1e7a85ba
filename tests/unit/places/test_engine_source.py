# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images of engines as sources: an engine in memory that gives archives, and one that gives blobs."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.archive.format import (
    DOCKER,
    OCI,
    SavedImage,
    build_archive_files,
    build_tar,
    read_pieces,
)
from ansible_collections.longshore.images.plugins.module_utils.engine.interfaces import Details, EngineImage
from ansible_collections.longshore.images.plugins.module_utils.errors import CorruptArchive, EngineError, EngineRefused, ImageNotFound
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest, DigestMismatch
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Platform
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.places.engine.catalog import EngineCatalog
from ansible_collections.longshore.images.plugins.module_utils.places.engine.load_step import BlobFeed
from ansible_collections.longshore.images.plugins.module_utils.places.same_image import find_same_image
from tests.support.images import Image, make_image, make_index

HOST = Platform.parse("linux/amd64")
ONE, TWO = make_image("one", 2), make_image("two", 2)
INDEX = make_index("index", ("linux/amd64", "linux/arm64"), 1)
NAMES = {"one:1": ONE, "two:2": TWO, "index:1": INDEX}


def id_of(image: Image) -> Digest:
    return image.graph.images[0].manifest.config.digest


@dataclasses.dataclass
class Listing:
    """An engine in memory. With `has_ids` it identifies images by ID and exports other manifests than those it loaded, as Docker's classic image store does."""

    has_ids: bool = False
    title = "docker"
    place = "memory"

    def list_images(self, unused_host: Platform) -> list[EngineImage]:
        return [
            EngineImage(
                digest=id_of(image) if self.has_ids else image.root.digest,
                names={Reference.parse(name): name},
                read_details=Details,
                image_id=id_of(image) if self.has_ids else None,
                digests=() if self.has_ids else (image.root.digest,),
            )
            for name, image in NAMES.items()
        ]


@dataclasses.dataclass
class Exporting(Listing):
    exports: list[list[str]] = dataclasses.field(default_factory=list)
    refused: set[str] = dataclasses.field(default_factory=set)
    change: t.Callable[[bytes], bytes] = lambda data: data

    def export(self, names: t.Sequence[str]) -> t.Iterator[bytes]:
        self.exports.append(list(names))
        if not self.refused.isdisjoint(names):
            raise EngineRefused("content digest not found")
        saved = [SavedImage(NAMES[name].graph, NAMES[name].root, (Reference.parse(name),), NAMES[name].graph.images[0]) for name in names]
        pieces = build_tar(build_archive_files(saved, DOCKER if self.has_ids else OCI, (), {}))
        blobs = {blob.digest: image for image in NAMES.values() for blob in image.graph.blobs}
        data = b"".join(bytes(chunk) for chunk in read_pieces(pieces, lambda blob: blobs[blob.digest].open(blob)))
        yield from (self.change(data)[start : start + 3000] for start in range(0, len(data), 3000))


@dataclasses.dataclass
class Keeping(Listing):
    """An engine that gives every blob by its digest, except those in `absent`."""

    absent: set[Digest] = dataclasses.field(default_factory=set)

    def list_blobs(self) -> set[Digest]:
        return {digest for image in NAMES.values() for digest in image.digests} - self.absent

    def read_document(self, digest: Digest) -> bytes | None:
        return next((data for image in NAMES.values() if (data := image.read(Descriptor("", digest, 0))) is not None), None)

    def read_blob(self, descriptor: Descriptor) -> t.Iterator[bytes]:
        return next(image for image in NAMES.values() if descriptor.digest in image.digests).open(descriptor)


def reader(engine: Listing) -> EngineCatalog:
    return EngineCatalog(t.cast(t.Any, engine), HOST)


def test_images_that_an_engine_exports_have_their_digests_and_are_exported_together() -> None:
    engine = Exporting()
    images = reader(engine)
    sources = [images.find(Reference.parse(name)) for name in NAMES]
    assert engine.exports == []
    for source, image in zip(sources, NAMES.values()):
        assert source.digest() == image.root.digest
        assert source.root().digest == image.root.digest
        assert source.image_id is None
    assert engine.exports == [list(NAMES)]
    moved = [(blob.digest, b"".join(map(bytes, chunks))) for blob, chunks in t.cast(t.Any, sources[0].source).read_in_order(ONE.graph.blobs)]
    assert {digest for digest, _data in moved} == {blob.digest for blob in ONE.graph.blobs}
    assert all(Digest.of(data) == digest for digest, data in moved)
    assert len(engine.exports) == 2


def test_an_image_that_cant_be_exported_doesnt_stop_the_others() -> None:
    engine = Exporting(refused={"two:2"})
    images = reader(engine)
    one, two = (images.find(Reference.parse(name)) for name in ("one:1", "two:2"))
    assert one.root().digest == ONE.root.digest
    with pytest.raises(EngineRefused, match="not found"):
        two.root()


def test_the_manifest_made_for_an_image_without_digest_is_reproducible() -> None:
    roots = [reader(Exporting(has_ids=True)).find(id_of(ONE)).root() for _time in range(2)]
    assert roots[0] == roots[1]
    source = reader(Exporting(has_ids=True)).find(Reference.parse("one:1"))
    assert (source.image_id, source.digest()) == (id_of(ONE), roots[0].digest)
    assert source.read_document(Descriptor("", id_of(ONE), 0)) == ONE.read(Descriptor("", id_of(ONE), 0))


@pytest.mark.parametrize("name", ["absent:1", "one:2", "quay.io/library/one:1", f"one@sha256:{'a' * 64}"])
def test_an_absent_image_is_not_found(name: str) -> None:
    with pytest.raises(ImageNotFound, match="is not in docker at memory"):
        reader(Exporting()).find(Reference.parse(name))


@pytest.mark.parametrize("cut", [700, 5000])
def test_an_export_that_breaks_off_is_corrupt(cut: int) -> None:
    source = reader(Exporting(change=lambda data: data[:cut])).find(Reference.parse("one:1"))
    with pytest.raises(CorruptArchive):
        source.root()


def test_an_export_of_another_image_is_refused() -> None:
    engine = Exporting()
    original = engine.export
    engine.export = lambda names: original(["two:2"])  # type: ignore[method-assign]
    with pytest.raises(EngineError, match=r"exported .* without the image"):
        reader(engine).find(Reference.parse("one:1")).root()


def test_platforms_that_an_engine_has_only_in_part_dont_count() -> None:
    _host, other = INDEX.graph.images
    source = reader(Keeping(absent={other.manifest.layers[0].digest})).find(Reference.parse("index:1"))
    assert source.root().digest == INDEX.root.digest
    assert source.read_document(other.descriptor) is None
    assert source.read_document(INDEX.graph.images[0].descriptor) is not None


def test_a_layer_that_an_engine_lost_is_an_engine_error() -> None:
    lost = ONE.layers[0].digest
    source = reader(Keeping(absent={lost})).find(Reference.parse("one:1"))
    with pytest.raises(EngineError, match=f"{lost} is missing"):
        source.check_blobs(ONE.graph)
    source = reader(Keeping(absent={ONE.root.digest})).find(Reference.parse("one:1"))
    with pytest.raises(EngineError, match="doesn't have its content"):
        source.root()


def test_an_image_is_recognised_by_its_id_alone() -> None:
    by_id = reader(Exporting(has_ids=True)).find(Reference.parse("index:1"))
    by_digest = reader(Keeping()).find(Reference.parse("index:1"))
    assert find_same_image(by_id, INDEX.root, "r.test/index:1", INDEX.read, HOST) is not None
    assert find_same_image(by_id, INDEX.root, "r.test/index:1", INDEX.read, Platform.parse("linux/arm64")) is None
    assert find_same_image(by_id, ONE.root, "r.test/one:1", ONE.read, HOST) is None
    assert find_same_image(by_id, None, "r.test/one:1", ONE.read, HOST) is None
    assert find_same_image(by_digest, INDEX.root, "r.test/index:1", INDEX.read, HOST) is None


@dataclasses.dataclass
class Wrong:
    """A source whose blob has other bytes than it should."""

    data: bytes

    def read_blob(self, unused: Descriptor) -> t.Iterator[bytes]:
        yield self.data[:10]
        yield self.data[10:]


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"x", lambda data: b"x" + data[1:]])
def test_wrong_bytes_never_complete_a_blob_on_its_way_to_an_engine(change: t.Callable[[bytes], bytes]) -> None:
    blob = ONE.layers[0]
    data = b"".join(ONE.open(blob))
    arrived: list[bytes | memoryview] = []
    with pytest.raises(DigestMismatch):
        arrived.extend(BlobFeed(Wrong(change(data)), verifies=True).read(blob))
    assert b"".join(map(bytes, arrived)) != data
    assert b"".join(map(bytes, BlobFeed(Wrong(data), verifies=True).read(blob))) == data


@pytest.mark.parametrize("engine", [Exporting(has_ids=True), Exporting(), Keeping()], ids=["reports-ids", "exports", "gives-blobs"])
def test_an_image_is_found_by_the_id_of_any_of_its_platforms(engine: Listing) -> None:
    images = INDEX.graph.images if not engine.has_ids else INDEX.graph.images[:1]
    for node in images:
        assert [entry.label for entry in reader(engine).select(node.manifest.config.digest)] == ["docker.io/library/index:1"]


def test_content_is_not_read_for_a_digest_that_the_engine_lists() -> None:
    engine = Exporting()
    assert [entry.label for entry in reader(engine).select(INDEX.root.digest)] == ["docker.io/library/index:1"]
    assert engine.exports == []


@pytest.mark.parametrize("engine", [Exporting(refused={"two:2"}), Keeping(absent={TWO.root.digest})], ids=["exports", "gives-blobs"])
def test_an_image_that_cant_be_read_is_never_taken_for_absent(engine: Listing) -> None:
    images = reader(engine)
    assert images.select(id_of(ONE))
    for find in (images.select, images.find, lambda selector: images.select_for_removal(selector, force=True)):
        with pytest.raises(EngineError, match=rf"unknown whether {id_of(TWO)} is in docker at memory"):
            find(id_of(TWO))
    assert images.select(Reference.parse("absent:1")) == []
