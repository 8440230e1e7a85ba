# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure how much of a new layer a patch from the old one has to carry, for real packages and encoders, and write docs/byte_deltas.md."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import statistics
import sys
import tempfile
import time
from pathlib import Path

import zstandard

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.deltas.encoders import list_encoders  # noqa: E402 - found by the line above
from benchmarks.deltas.pairs import PAIRS, Pair, make_layers  # noqa: E402
from benchmarks.deltas.patch import Layer, TarPatch, apply_patch, make_patch, patch_tar  # noqa: E402
from benchmarks.page import LICENSE  # noqa: E402

PAGE = ROOT / "docs" / "byte_deltas.md"
CACHE = ROOT / ".cache" / "deltas"


@dataclasses.dataclass(frozen=True)
class Measured:
    """A layer by one encoder. `parts` are the bytes of its patch, empty if the layer has to travel whole. Times are seconds of processor time."""

    pair: Pair
    encoder: str
    size: int
    parts: dict[str, int]
    encoding: float = 0.0
    decoding: float = 0.0

    @property
    def share(self) -> float:
        """The part of the layer that travels."""
        return min(1.0, sum(self.parts.values()) / self.size) if self.parts else 1.0


def measure(pair: Pair, encoder: str, old_file: bytes, new_file: bytes, tar: TarPatch, tar_seconds: float) -> Measured:
    """Raises ValueError if the rebuilt layer isn't the new one to the byte. TAR_SECONDS is the time in which TAR was made."""
    begin = time.process_time()
    old = Layer.read(old_file)
    read = time.process_time()
    patch = make_patch(old, Layer.read(new_file), tar)
    encoded = time.process_time()
    rebuilt = apply_patch(old, patch)
    decoded = time.process_time()
    if hashlib.sha256(rebuilt).digest() != hashlib.sha256(new_file).digest():
        raise ValueError(f"{pair.name}, {encoder}: the rebuilt layer differs")
    return Measured(pair, encoder, len(new_file), patch.parts, encoded - begin + tar_seconds, read - begin + decoded - encoded)


def measure_zstd(pair: Pair, file: bytes, data: bytes, tar: TarPatch, tar_seconds: float) -> Measured:
    """A zstd layer can be rebuilt only if the library makes the same bytes from the tar."""
    begin = time.process_time()
    size = zstandard.frame_header_size(file)
    for level in range(1, 20):
        encoder = zstandard.ZstdCompressor(level=level).compressobj()
        begun = encoder.compress(data[: 4 << 20]) + encoder.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        if begun[zstandard.frame_header_size(begun) :][:4096] == file[size : size + 4096]:
            return Measured(pair, "zstd", len(file), {"tar": tar.size}, time.process_time() - begin + tar_seconds)
    return Measured(pair, "zstd", len(file), {})


def make_page(rows: list[Measured]) -> str:
    encoders = list(dict.fromkeys(row.encoder for row in rows))
    found = {(row.pair.name, row.encoder): row for row in rows}
    pairs = [pair for pair in PAIRS if (pair.name, encoders[0]) in found]
    lines = [LICENSE, _ABOUT]
    lines += ["", f"| package | content | layer | {' | '.join(encoders)} |", "|---|---|---:|" + "---:|" * len(encoders)]
    for pair in pairs:
        cells = [found[pair.name, encoder] for encoder in encoders]
        shares = ["whole" if cell.share == 1 else f"{cell.share:.1%}" for cell in cells]
        lines.append(f"| {pair.name} | {pair.content} | {cells[0].size / 1e6:.1f} MB | {' | '.join(shares)} |")
    medians = [statistics.median(found[pair.name, encoder].share for pair in pairs) for encoder in encoders]
    lines.append(f"| **median** | | | {' | '.join(f'**{median:.1%}**' for median in medians)} |")
    lines += ["", "What a patch of the layer by Go's encoder is made of, and the processor time of a megabyte of the layer:", ""]
    lines += ["| package | changes of the tar | changes of the tokens | blocks | encoding | decoding |", "|---|---:|---:|---:|---:|---:|"]
    for pair in pairs:
        cell = found[pair.name, "Go"]
        shares = [f"{cell.parts[part] / cell.size:.1%}" for part in ("tar", "tokens", "blocks")]
        lines.append(f"| {pair.name} | {' | '.join(shares)} | {cell.encoding / cell.size * 1e6:.2f} s | {cell.size / 1e6 / cell.decoding:.0f} MB/s |")
    return "\n".join([*lines, "", _CONCLUSION])


_ABOUT = """# Byte deltas: a study

A rebuilt layer travels whole over an air gap, although most of its bytes are on the other side. Could a patch carry only what changed, so that the
layer there has exactly the digest that the registry has, and every signature stays valid? `./dev deltas` measured this page and wrote it.

Each package stands for a layer in two releases. Both are compressed by the encoders that layers come from: zlib (Python, level 6), Go's `compress/gzip`
(Docker, containerd), pgzip (Podman, Buildah, skopeo), and the zstd of these. A patch holds how the tar changed, and how the *tokens* of the deflate
stream changed: which literals and matches the encoder chose, where its blocks end and which Huffman codes they have. Both sides know the old layer, so
both read the tokens of its stream. The tar and the tokens determine every bit of the new stream, for any encoder. Each patch was applied, and
the result compared with the new layer by SHA-256.

The cells say how much of the new layer travels. `whole` means that a patch isn't smaller, or that the stream can't be rebuilt."""

_CONCLUSION = """## What follows

- Patches pay: in the median a gzip layer travels by less than a third of its bytes, with each of the three encoders. Text, archives and libraries that changed
  little save nearly everything. A Rust program (ruff) saves little, because most of its code moved. Files that are compressed inside the layer (kernel
  modules) save almost nothing.
- All layers by zlib, Go and pgzip were rebuilt to the byte. Files of several members, and headers with names, would need a little more in the patch.
- zstd layers travel whole. Podman's and Buildah's come from an implementation in Go, and the library in C makes other bytes at all of its levels.
- Each window of 32 MiB is compressed with the 64 MiB of the old tar around the place of the same file, which finds far more than the same position does.
  The tables of the encoder need 192 MiB: with smaller ones, zstd misses most of what a dictionary has.
- Most of the time of decoding goes into the tokens of the old stream, which both sides have to read. The code for it is compiled by numba, which takes a few
  seconds in each process that finds no cache.
- This study holds whole layers in memory. A module has to read the tokens in the same windows as the tar.
- An imitation of how zlib and Go search for matches would predict nearly all of their tokens, so that only the changes of the tar would travel.
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev deltas", description=__doc__)
    parser.add_argument(
        "pairs", nargs="*", metavar="PACKAGE", choices=[[], *(pair.name for pair in PAIRS)], help="the packages to measure; all without any"
    )
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        encoders = list_encoders(Path(folder))
        for pair in PAIRS:
            if arguments.pairs and pair.name not in arguments.pairs:
                continue
            old, new = make_layers(pair, CACHE)
            begin = time.process_time()
            tar = patch_tar(old, new)
            seconds = time.process_time() - begin
            for name, encode in encoders.items():
                if name == "zstd":
                    rows.append(measure_zstd(pair, encode(new), new, tar, seconds))
                else:
                    rows.append(measure(pair, name, encode(old), encode(new), tar, seconds))
                print(
                    f"{pair.name} {name}: {rows[-1].share:.1%}, encoded in {rows[-1].encoding:.1f} s, decoded in {rows[-1].decoding:.1f} s",
                    flush=True,
                )
    if not arguments.pairs:
        PAGE.write_text(make_page(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
