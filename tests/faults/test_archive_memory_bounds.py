# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Archives that expand to much more than their size, or list very much: memory has a bound."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import subprocess
import sys
import tarfile
import typing as t
import zlib
from pathlib import Path

import pytest
import zstandard

from ansible_collections.longshore.images.plugins.module_utils.errors import UnsupportedFormat
from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.document import encode_canonical
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from tests.support import archives, modules
from tests.support.archive_checks import check_loaded
from tests.support.archive_samples import (
    APP,
    COMPRESSIONS,
    IMAGE,
)
from tests.support.archives import (
    blob,
    docker,
    header,
    index_file,
    layout,
    manifest_file,
    pack,
)


def zeros(size: int) -> t.Iterator[bytes]:
    yield from [bytes(1 << 20)] * (size >> 20)


def bomb_gzip(beginning: bytes, size: int, end: bytes) -> bytes:
    """Return gzip data with SIZE zeros in the middle, whose compressed form is one block repeated."""
    piece = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = piece.compress(bytes(1 << 20)) + piece.flush(zlib.Z_FULL_FLUSH)
    outer = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = outer.compress(beginning) + outer.flush(zlib.Z_FULL_FLUSH)
    last = outer.compress(end) + outer.flush()
    crc = zlib.crc32(beginning)
    for chunk in zeros(size):
        crc = zlib.crc32(chunk, crc)
    crc = zlib.crc32(end, crc)
    total = len(beginning) + size + len(end)
    return b"\x1f\x8b\x08" + bytes(7) + first + block * (size >> 20) + last + crc.to_bytes(4, "little") + (total & 0xFFFFFFFF).to_bytes(4, "little")


def bomb_from(compressor: t.Any, beginning: bytes, size: int, end: bytes) -> bytes:
    return b"".join([compressor.compress(beginning), *map(compressor.compress, zeros(size)), compressor.compress(end), compressor.flush()])


MEASURE = """
import resource, sys
from pathlib import Path
from ansible_collections.longshore.images.plugins.module_utils.errors import LongshoreError, UnsupportedFormat
from tests.support import archives
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    archives.load(Path(sys.argv[1]), Path(sys.argv[2]))
    outcome = "loaded"
except LongshoreError as error:
    outcome = error.message
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, outcome)
"""


def measure_memory(path: Path, store: Path) -> tuple[int, str]:
    """Return the KiB of memory that loading added to those of Python, and the outcome."""
    words = [sys.executable, "-c", MEASURE, str(path), str(store)]
    done = subprocess.run(words, env=modules.environment(), capture_output=True, text=True, timeout=60, check=True)
    memory, _space, outcome = done.stdout.strip().partition(" ")
    return int(memory), outcome


BOMBS: dict[str, t.Callable[[bytes, int, bytes], bytes]] = {
    "gzip": bomb_gzip,
    "bzip2": lambda beginning, size, end: bomb_from(bz2.BZ2Compressor(1), beginning, size >> 1, end),
    "xz": lambda beginning, size, end: bomb_from(lzma.LZMACompressor(preset=0), beginning, size, end),
    "zstd": lambda beginning, size, end: bomb_from(zstandard.ZstdCompressor().compressobj(), beginning, size, end),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_small_file_that_expands_enormously_needs_little_memory(tmp_path: Path, store: Path, kind: str) -> None:
    """The zeros are a member that no manifest names, so it is skipped."""
    size = 256 << 20
    path = tmp_path / "archive"
    path.write_bytes(BOMBS[kind](header(b"%o" % (size >> (kind == "bzip2"))), size, pack(docker(IMAGE, APP))))
    assert path.stat().st_size < size // 500
    memory, outcome = measure_memory(path, store)
    assert outcome == "loaded"
    assert memory < 70 << 10
    check_loaded(store, IMAGE, APP)


def test_a_layer_that_expands_enormously_needs_little_memory(tmp_path: Path, store: Path) -> None:
    def bomb(data: bytes) -> bytes:
        return bomb_from(zstandard.ZstdCompressor().compressobj(), b"", 256 << 20, data)

    path = tmp_path / "archive"
    path.write_bytes(pack(archives.compressed_layers(IMAGE, [APP], bomb)))
    memory, outcome = measure_memory(path, store)
    assert "should contain the layer" in outcome
    assert memory < 70 << 10


def test_one_compressed_layer_of_many_images_is_read_once(tmp_path: Path, store: Path) -> None:
    files = archives.crane(IMAGE, APP)
    entry = json.loads(t.cast(bytes, files["manifest.json"]))[0]
    many = [{**entry, "RepoTags": [f"many:{number}"]} for number in range(900)]
    for compression in ("plain", "gzip"):
        (tmp_path / "archive").write_bytes(COMPRESSIONS[compression](pack({**files, "manifest.json": manifest_file(*many)})))
        loaded = archives.archive_at(tmp_path / "archive")
        assert len(loaded.images) == 900


def test_too_many_members_are_refused_early(tmp_path: Path, store: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(gzip.compress(header(b"0", tarfile.DIRTYPE) * 101_000, 1))
    memory, outcome = measure_memory(path, store)
    assert "exceeds the limits of an archive" in outcome
    assert memory < 80 << 10


def test_the_size_of_all_manifests_together_is_limited(tmp_path: Path, store: Path) -> None:
    """Many indexes that list the same large manifest must not hold it in memory many times."""
    manifest = {**json.loads(IMAGE.content[IMAGE.root.digest]), "annotations": {"x": "x" * 1_000_000}}
    large = encode_canonical(manifest)
    child = Descriptor(media_types.OCI_MANIFEST, Digest.of(large), len(large)).to_dict()
    files = layout(b"", IMAGE)
    files[blob(Digest.of(large))] = large
    entries = []
    for number in range(70):
        index = index_file(child, annotations={"number": str(number)})
        files[blob(Digest.of(index))] = index
        root = Descriptor(media_types.OCI_INDEX, Digest.of(index), len(index))
        entries.append({**root.to_dict(), "annotations": {"io.containerd.image.name": f"many:{number}"}})
    path, before = tmp_path / "archive", modules.snapshot(store)
    for count in (60, 70):
        path.write_bytes(pack({**files, "index.json": index_file(*entries[:count])}))
        if count == 60:
            archives.load(path, tmp_path / "other")
            continue
        with pytest.raises(UnsupportedFormat, match=r"archive has more than 67108864 bytes of manifests"):
            archives.load(path, store)
        assert modules.fail("image_info", {"archive": str(path)})["error"] == "unsupported_format"
    assert modules.snapshot(store) == before
