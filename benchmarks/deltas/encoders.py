# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The encoders that layers of real registries come from."""

from __future__ import annotations

import functools
import gzip
import hashlib
import json
import subprocess
import typing as t
from pathlib import Path

_GO_PROGRAM = """package main

import (
    "compress/gzip"
    "io"
    "os"
)

func main() {
    writer := gzip.NewWriter(os.Stdout)
    if _, err := io.Copy(writer, os.Stdin); err != nil {
        panic(err)
    }
    if err := writer.Close(); err != nil {
        panic(err)
    }
}
"""
_CONFIG = "application/vnd.oci.image.config.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def list_encoders(folder: Path) -> dict[str, t.Callable[[bytes], bytes]]:
    """Return each encoder by name. FOLDER keeps the program of Go's encoder, and files while skopeo copies."""
    return {
        "zlib": lambda tar: gzip.compress(tar, 6, mtime=0),
        "Go": functools.partial(_compress_by_go, folder),
        "pgzip": functools.partial(_compress_by_skopeo, folder, "gzip"),
        "zstd": functools.partial(_compress_by_skopeo, folder, "zstd"),
    }


def _compress_by_go(folder: Path, tar: bytes) -> bytes:
    """Go's compress/gzip is what Docker and containerd use."""
    program = folder / "gzip-of-go"
    if not program.exists():
        source = folder / "main.go"
        source.write_text(_GO_PROGRAM)
        subprocess.run(["go", "build", "-o", str(program), str(source)], check=True)
    return subprocess.run([str(program)], input=tar, check=True, capture_output=True).stdout


def _compress_by_skopeo(folder: Path, form: str, tar: bytes) -> bytes:
    """Podman, Buildah and skopeo share their encoders: pgzip, and a zstd of Go's own."""
    layout, copy = folder / "layout", folder / "copy"
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)

    def put(data: bytes, media_type: str) -> dict[str, t.Any]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    layer = put(tar, "application/vnd.oci.image.layer.v1.tar")
    config = put(json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}}).encode(), _CONFIG)
    manifest = put(json.dumps({"schemaVersion": 2, "mediaType": _MANIFEST, "config": config, "layers": [layer]}).encode(), _MANIFEST)
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
    command = ["skopeo", "copy", "--quiet", "--insecure-policy", "--dest-compress", "--dest-compress-format", form, f"oci:{layout}", f"dir:{copy}"]
    try:
        subprocess.run(command, check=True)
        digest: str = json.loads((copy / "manifest.json").read_bytes())["layers"][0]["digest"]
        return (copy / digest.removeprefix("sha256:")).read_bytes()
    finally:
        for file in [*blobs.iterdir(), *copy.glob("*")]:
            file.unlink()
