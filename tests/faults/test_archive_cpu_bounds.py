# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Archives of few bytes that would cost much CPU time: each ends within ten seconds of it."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import subprocess
import sys
import tarfile
import typing as t
from pathlib import Path

import pytest
import zstandard

from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.document import encode_canonical
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from tests.support import modules
from tests.support.archive_samples import (
    APP,
    COMPRESSIONS,
    IMAGE,
)
from tests.support.archives import (
    Files,
    Link,
    blob,
    header,
    hex_of,
    index_file,
    layout,
    manifest_file,
    pack,
)

# Loads an archive and prints the CPU seconds and the outcome.

CPU = """
import resource, sys
from pathlib import Path
from ansible_collections.longshore.images.plugins.module_utils.archive.summary import summarise_archive
from ansible_collections.longshore.images.plugins.module_utils.errors import LongshoreError
from tests.support import archives
try:
    if sys.argv[2] == "controller":
        summarise_archive(archives.archive_at(Path(sys.argv[1])))
    else:
        archives.load(Path(sys.argv[1]), Path(sys.argv[2]))
    outcome = "loaded"
except LongshoreError as error:
    outcome = f"{error.cause}: {error.message}"
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, outcome)
"""


def measure_cpu(path: Path, place: str) -> tuple[float, str]:
    """Return the CPU seconds of loading, or with "controller" of the summary that the action plugin makes before it, and the outcome."""
    done = subprocess.run(
        [sys.executable, "-c", CPU, str(path), place], env=modules.environment(), capture_output=True, text=True, timeout=120, check=True
    )
    seconds, _space, outcome = done.stdout.strip().partition(" ")
    return float(seconds), outcome


def repeat_to_size(data: bytes, size: int) -> bytes:
    """Return a stream of members of 16 MiB each, which expands to SIZE bytes."""
    return data * (size // (16 << 20))


SMALL_BOMBS = {
    "gzip": lambda: gzip.compress(bytes(16 << 20)),
    "bzip2": lambda: bz2.compress(bytes(16 << 20)),
    "xz": lambda: lzma.compress(bytes(16 << 20)),
    "zstd": lambda: zstandard.ZstdCompressor().compress(bytes(16 << 20)),
}


@pytest.mark.parametrize("kind", SMALL_BOMBS)
def test_a_small_file_may_not_expand_endlessly(tmp_path: Path, store: Path, kind: str) -> None:
    path = tmp_path / "archive"
    bomb = SMALL_BOMBS[kind]()
    start = COMPRESSIONS[kind](header(b"%o" % (1 << 35)))
    path.write_bytes(start + repeat_to_size(bomb, 8 << 30))
    for place in ("controller", str(store)):
        seconds, outcome = measure_cpu(path, place)
        assert "corrupt_archive" in outcome
        assert "expands to more than" in outcome
        assert seconds < 10


@pytest.mark.parametrize("compression", ["plain", "gzip"])
def test_layers_of_an_archive_may_not_expand_endlessly(tmp_path: Path, store: Path, compression: str) -> None:
    """A compressed archive of compressed layers: a few kilobytes would expand to a hundred gigabytes."""
    bomb = repeat_to_size(SMALL_BOMBS["gzip"](), 16 << 30 if compression == "gzip" else 2 << 30)
    layers = [f"layer{number}" for number in range(3)]
    diff_ids = [f"sha256:{number:064x}" for number in range(3)]
    files: Files = dict.fromkeys(layers, bomb)
    files["c.json"] = encode_canonical({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": diff_ids}})
    files["manifest.json"] = manifest_file({"Config": "c.json", "RepoTags": [APP], "Layers": layers})
    path = tmp_path / "archive"
    path.write_bytes(COMPRESSIONS[compression](pack(files)))
    for place in ("controller", str(store)):
        seconds, outcome = measure_cpu(path, place)
        assert "corrupt_archive" in outcome
        assert "expands to more than" in outcome
        assert seconds < 10


def test_a_compressed_layer_with_many_names_is_expanded_once(tmp_path: Path, store: Path) -> None:
    content = header(b"0", tarfile.DIRTYPE) + bytes(100 << 20)
    diff_id = str(Digest.of(content))
    files: Files = {"layer": gzip.compress(content)}
    names = [f"link{number}" for number in range(900)]
    files.update({name: Link("layer") for name in names})
    files["c.json"] = encode_canonical({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [diff_id] * len(names)}})
    files["manifest.json"] = manifest_file({"Config": "c.json", "RepoTags": [APP], "Layers": names})
    for compression in ("plain", "zstd"):
        path = tmp_path / compression
        path.write_bytes(COMPRESSIONS[compression](pack(files)))
        seconds, outcome = measure_cpu(path, str(store))
        assert outcome == "loaded"
        assert seconds < 10


def entries_of_one_index(count: int, children: int, layers: int) -> Files:
    """Return a layout that lists one index COUNT times under different names. The index has CHILDREN manifests of LAYERS layers."""
    files = layout(b"", IMAGE)
    listed = []
    described = [{"mediaType": media_types.OCI_LAYER, "digest": str(IMAGE.layers[0].digest), "size": IMAGE.layers[0].size}] * layers
    for number in range(children):
        manifest = encode_canonical({**json.loads(IMAGE.content[IMAGE.root.digest]), "layers": described, "annotations": {"number": str(number)}})
        files[blob(Digest.of(manifest))] = manifest
        listed.append(Descriptor(media_types.OCI_MANIFEST, Digest.of(manifest), len(manifest)).to_dict())
    index = index_file(*listed)
    files[blob(Digest.of(index))] = index
    root = Descriptor(media_types.OCI_INDEX, Digest.of(index), len(index)).to_dict()
    files["index.json"] = index_file(*({**root, "annotations": {"io.containerd.image.name": f"many:{number}"}} for number in range(count)))
    return files


def large_config(count: int) -> Files:
    """Return COUNT images that share one config of almost 4 MiB."""
    config = encode_canonical({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": []}, "x": ["y"] * 500_000})
    entries = [{"Config": "c.json", "RepoTags": [f"many:{number}"], "Layers": []} for number in range(count)]
    return {"c.json": config, "manifest.json": manifest_file(*entries)}


def docker_entries(images: int, layers: int, tags: int = 0) -> Files:
    config = encode_canonical({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [hex_of(b"x")] * layers}})
    entry = {"Config": "c", "RepoTags": [f"t:{number}" for number in range(tags)], "Layers": ["l"] * layers}
    return {"c": config, "l": b"x", "manifest.json": manifest_file(*[entry] * images)}


EXPENSIVE: dict[str, tuple[t.Callable[[], Files], str]] = {
    "one index under a thousand names": (lambda: entries_of_one_index(1000, 999, 1), "layers in total"),
    "one index of many layers under many names": (lambda: entries_of_one_index(100, 30, 30), "loaded"),
    "a thousand images with one large config": (lambda: large_config(1000), "loaded"),
    "a thousand images of a thousand layers": (lambda: docker_entries(1000, 1000), "unsupported_format"),
    "more layers than there may be": (lambda: docker_entries(900, 120), "layers in total"),
    "more names than there may be": (lambda: docker_entries(20, 1, 600), "names in total"),
}


@pytest.mark.parametrize("case", EXPENSIVE)
def test_entries_that_are_listed_many_times_cost_seconds(tmp_path: Path, store: Path, case: str) -> None:
    make, words = EXPENSIVE[case]
    path = tmp_path / "archive"
    path.write_bytes(pack(make()))
    for place in ("controller", str(store)):
        seconds, outcome = measure_cpu(path, place)
        assert words in outcome or (place == "controller" and outcome == "loaded")
        assert seconds < 10
