# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""umoci and oras, which work directly on OCI layouts."""

from __future__ import annotations

from pathlib import Path

from ..registry import needed
from .base import call


class Umoci:
    """umoci, which lists layouts and unpacks images as the root of a container."""

    def __init__(self) -> None:
        needed("umoci")

    def names(self, layout: Path) -> set[str]:
        return set(call("umoci", "list", "--layout", str(layout)).split())

    def unpack(self, layout: Path, name: str, bundle: Path) -> Path:
        """Unpack an image, and return the root folder that its container would have."""
        call("umoci", "unpack", "--image", f"{layout}:{name}", str(bundle))
        return bundle / "rootfs"

    def make(self, layout: Path, name: str, *files: tuple[Path, str]) -> None:
        """Create a layout with an image of FILES, which are pairs of source and destination."""
        call("umoci", "init", "--layout", str(layout))
        call("umoci", "new", "--image", f"{layout}:{name}")
        for source, destination in files:
            call("umoci", "insert", "--image", f"{layout}:{name}", str(source), destination)


class Oras:
    """oras, which reads and writes layouts and reads OCI archives. It finds images by digest or by a tag that is not a full name."""

    def __init__(self) -> None:
        needed("oras")

    def names(self, layout: Path) -> set[str]:
        return set(call("oras", "repo", "tags", "--oci-layout", str(layout)).split())

    def manifest(self, layout: Path, digest: str) -> str:
        return call("oras", "manifest", "fetch", "--oci-layout", f"{layout}@{digest}")

    def copy(self, source: Path, what: str, layout: Path, tag: str) -> None:
        """Copy WHAT (`@digest` or `:tag`) from a layout or an OCI archive to a layout."""
        call("oras", "copy", "--from-oci-layout", f"{source}{what}", "--to-oci-layout", f"{layout}:{tag}")
