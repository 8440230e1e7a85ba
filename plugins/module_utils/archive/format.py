# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compute the exact bytes of an archive as a sequence of pieces: bytes of our own, and blobs. The same images always give the same bytes."""

from __future__ import annotations

import dataclasses
import tarfile
import typing as t

from ..errors import UnsupportedFormat
from ..limits import MAX_DOCUMENT, MAX_ENTRIES
from ..oci import media_types
from ..oci.digest import Digest
from ..oci.document import encode_canonical
from ..oci.graph import Graph, ImageNode
from ..oci.layout import (
    CONTAINERD_NAME,
    DOCKER_ATTESTATION,
    DOCKER_REFERENCE_TYPE,
    INDEX_DIGEST,
    INDEX_FILE,
    LAYOUT_FILE,
    LAYOUT_VERSION,
    REF_NAME,
    REFERRER_NAME,
)
from ..oci.manifest import Descriptor
from ..oci.reference import Reference
from .tar import BLOCK

UNIVERSAL, DOCKER, OCI, FOLDER = "universal", "docker-archive", "oci-archive", "oci-dir"
PAGE = 4096
# Smaller blobs are copied: sharing their pages would take longer.
ALIGN_FROM = 64 * 1024


Piece = t.Union[bytes, Descriptor]
Notes = t.Mapping[str, t.Collection[Digest]]


@dataclasses.dataclass(frozen=True)
class SavedImage:
    """An image to be saved.

    `listed` is the descriptor for the archive's index. `index` is the digest of an image index that the archive contains but doesn't list.
    `runnable` is the image that docker's `manifest.json` describes. A referrer of an image is listed after all images, so that engines ignore it.
    """

    graph: Graph
    listed: Descriptor
    names: tuple[Reference, ...]
    runnable: ImageNode | None
    index: Digest | None = None
    is_referrer: bool = False


@dataclasses.dataclass(frozen=True)
class ArchiveFile:
    """A file of an archive: bytes of our own, or a blob of the store."""

    name: str
    content: bytes | Descriptor

    @property
    def size(self) -> int:
        return len(self.content) if isinstance(self.content, bytes) else self.content.size


def build_archive_files(images: t.Sequence[SavedImage], form: str, left_out: t.Collection[Digest], notes: Notes) -> list[ArchiveFile]:
    """Return the files of an archive in order: documents first, for readers of streams, then blobs by digest.

    Neither the order nor repetitions of IMAGES matter. NOTES are annotations of the archive's index, each a list of digests.
    Raises UnsupportedFormat if the archive would exceed the limits of readers.
    """
    images = _in_order(images)
    content = _docker_content(images) if form == DOCKER else _whole_content(images)
    files: list[ArchiveFile] = []
    if form != DOCKER:
        files.append(ArchiveFile(LAYOUT_FILE, encode_canonical({"imageLayoutVersion": LAYOUT_VERSION})))
        files.append(ArchiveFile(INDEX_FILE, _index(images, form, notes)))
    docker = _docker_manifest(images) if form in (UNIVERSAL, DOCKER) else None
    if docker is not None:
        files.append(ArchiveFile("manifest.json", docker))
    _check_bounds(images, files)
    return files + [ArchiveFile(f"blobs/{digest.algorithm}/{digest.hex}", content[digest]) for digest in sorted(content) if digest not in left_out]


def _in_order(images: t.Sequence[SavedImage]) -> list[SavedImage]:
    unique: dict[tuple[tuple[str, ...], str], SavedImage] = {}
    for image in sorted(images, key=lambda image: image.is_referrer):
        unique.setdefault((tuple(map(str, image.names)), str(image.graph.root.digest)), image)
    return [unique[key] for key in sorted(unique, key=lambda key: (unique[key].is_referrer, key))]


def _check_bounds(images: t.Sequence[SavedImage], documents: t.Sequence[ArchiveFile]) -> None:
    """Raise UnsupportedFormat for an archive that readers, ours included, would refuse."""
    names = sum(max(1, len(image.names)) for image in images)
    if names > MAX_ENTRIES or any(document.size > MAX_DOCUMENT for document in documents):
        raise UnsupportedFormat(
            f"an archive can list at most {MAX_ENTRIES} image names in at most {MAX_DOCUMENT} bytes; save the images to several archives"
        )


def _whole_content(images: t.Sequence[SavedImage]) -> dict[Digest, Piece]:
    content: dict[Digest, Piece] = {}
    for image in images:
        for descriptor in image.graph.content:
            content[descriptor.digest] = image.graph.documents.get(descriptor, descriptor)
    return content


def _docker_content(images: t.Sequence[SavedImage]) -> dict[Digest, Piece]:
    """Return the blobs that a docker-archive needs: configs and layers of one platform of each image, no manifests."""
    return {blob.digest: blob for image in images if image.runnable is not None for blob in image.runnable.manifest.blobs}


def _index(images: t.Sequence[SavedImage], form: str, notes: Notes) -> bytes:
    entries = [entry for image in images for entry in (_referrer_entries(image, form) if image.is_referrer else _index_entries(image))]
    members: dict[str, t.Any] = {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": entries}
    annotations = {key: ",".join(sorted(map(str, digests))) for key, digests in notes.items() if digests}
    if annotations:
        members["annotations"] = annotations
    return encode_canonical(members)


def _index_entries(image: SavedImage) -> list[dict[str, t.Any]]:
    """Return one index entry per name. containerd and the other readers look for the name in different annotations, so both are set."""
    own = {INDEX_DIGEST: str(image.index)} if image.index is not None else {}
    named = [{CONTAINERD_NAME: str(name), REF_NAME: str(name)} for name in image.names] or [{}]
    return [_entry(image, {**names, **own}) for names in named]


def _referrer_entries(image: SavedImage, form: str) -> list[dict[str, t.Any]]:
    """Return one index entry per name of a referrer.

    Docker with the containerd store unpacks every entry, and fails for signatures unless they are marked as attestations. containerd unpacks entries with
    a name, and fails too: in an archive for engines our own annotation has the name.
    """
    key = REFERRER_NAME if form == UNIVERSAL else REF_NAME
    mark = {DOCKER_REFERENCE_TYPE: DOCKER_ATTESTATION}
    return [_entry(image, {**mark, **names}) for names in [{key: str(name)} for name in image.names] or [{}]]


def _entry(image: SavedImage, annotations: dict[str, str]) -> dict[str, t.Any]:
    return dataclasses.replace(image.listed, annotations=annotations, platform=None).to_dict()


def _docker_manifest(images: t.Sequence[SavedImage]) -> bytes | None:
    """Return docker's `manifest.json`, with one entry per image, or None if no image has a platform that docker could run."""
    tags: dict[tuple[str, ...], list[str]] = {}
    for image in images:
        if image.runnable is not None:
            files = tuple(_blob_name(blob) for blob in image.runnable.manifest.blobs)
            tags.setdefault(files, []).extend(str(name) for name in image.names if name.tag is not None)
    entries = [{"Config": config, "RepoTags": names or None, "Layers": layers} for (config, *layers), names in tags.items()]
    # Docker expects a list, and encode_canonical writes objects only.
    return b"[" + b",".join(encode_canonical(entry) for entry in entries) + b"]" if entries else None


def _blob_name(descriptor: Descriptor) -> str:
    return f"blobs/{descriptor.digest.algorithm}/{descriptor.digest.hex}"


# A tar of these files.


def build_tar(files: t.Sequence[ArchiveFile]) -> list[Piece]:
    """Return the bytes of a tar as pieces. Large blobs begin at a multiple of PAGE, so that a file system can share their pages."""
    pieces: list[Piece] = []
    offset = 0

    def add(piece: Piece) -> None:
        nonlocal offset
        pieces.append(piece)
        offset += len(piece) if isinstance(piece, bytes) else piece.size

    for folder in _folders(files):
        add(_header(folder + "/", 0, tarfile.DIRTYPE))
    for file in files:
        header = _header(file.name, file.size, tarfile.REGTYPE)
        if file.size >= ALIGN_FROM:
            add(_filler(-(offset + len(header)) % PAGE))
        add(header)
        add(file.content)
        add(bytes(-file.size % BLOCK))
    add(bytes(2 * BLOCK))
    return _joined(pieces)


def _folders(files: t.Sequence[ArchiveFile]) -> list[str]:
    parents = {file.name.rpartition("/")[0] for file in files}
    return sorted({"/".join(parent.split("/")[: depth + 1]) for parent in parents if parent for depth in range(parent.count("/") + 1)})


def _header(name: str, size: int, kind: bytes) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


def _filler(size: int) -> bytes:
    """Return about SIZE bytes of padding, equal modulo PAGE: an extended header with a comment, which takes at least two blocks."""
    if not size:
        return b""
    if size < 2 * BLOCK:
        size += PAGE
    room = size - BLOCK
    length = len(str(room))
    comment = f"{room} comment=".encode() + b" " * (room - length - len(" comment=") - 1) + b"\n"
    info = tarfile.TarInfo("filler")
    info.type, info.size, info.mode = tarfile.XHDTYPE, room, 0o644
    return info.tobuf(tarfile.USTAR_FORMAT) + comment


def _joined(pieces: t.Iterable[Piece]) -> list[Piece]:
    """Join neighbouring bytes into one piece and drop empty ones. One join per piece avoids quadratic copying."""
    joined: list[Piece] = []
    waiting: list[bytes] = []
    for piece in pieces:
        if isinstance(piece, bytes):
            waiting.append(piece)
            continue
        if any(waiting):
            joined.append(b"".join(waiting))
        waiting.clear()
        joined.append(piece)
    return [*joined, b"".join(waiting)] if any(waiting) else joined


def count_bytes(pieces: t.Iterable[Piece]) -> int:
    return sum(len(piece) if isinstance(piece, bytes) else piece.size for piece in pieces)


def read_pieces(pieces: t.Iterable[Piece], read: t.Callable[[Descriptor], t.Iterable[bytes | memoryview]]) -> t.Iterator[bytes | memoryview]:
    """Yield the bytes of PIECES, and call READ for the content of each blob."""
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece
        else:
            yield from read(piece)
