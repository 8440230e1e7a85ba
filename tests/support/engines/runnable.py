# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images with a static busybox that engines can run."""

from __future__ import annotations

import functools
import gzip
import io
import shutil
import tarfile
from pathlib import Path

from ..images import Image, make_image, make_index
from ..registry import needed
from .base import HOST


@functools.lru_cache(maxsize=1)
def program_layer(kind: str = "") -> bytes:
    """Return a layer with a static busybox. Each KIND gives a different layer."""
    needed("busybox")
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        folder = tarfile.TarInfo("bin")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(folder)
        program = Path(shutil.which("busybox") or "").read_bytes()
        info = tarfile.TarInfo("bin/busybox")
        info.size, info.mode = len(program), 0o755
        tar.addfile(info, io.BytesIO(program))
        for name in ("cat", "sh", "true"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        tar.addfile(tarfile.TarInfo(f"kind-{kind}"))
    return gzip.compress(file.getvalue(), compresslevel=1, mtime=0)


def runnable_image(text: str, kind: str = "") -> Image:
    """Return an image for the host that runs and contains a file with TEXT, for `Engine.runs_with`. Images of one KIND share a layer."""
    return make_image(text, 1, HOST, shared=[program_layer(kind)])


def runnable_index(text: str, *others: str) -> Image:
    """Return an index of a runnable image and of one image for each platform in OTHERS."""
    return make_index(text, (HOST, *others), 1, shared=[program_layer()])
