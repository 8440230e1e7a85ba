# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""containerd by its program `ctr`, in one namespace."""

from __future__ import annotations

import re

from ..errors import EngineError, EngineRefused
from ..oci.digest import Digest
from ..oci.platform import Platform
from .address import Address
from .engine import BlobHoldings, Chunks, HeldImage, Holdings, LayersOf
from .program import Finished, run_program
from .rows import names_of, understood

_HEADER = re.compile(rb"REF\s+TYPE\s+DIGEST\s+STATUS\s+SIZE\s+UNPACKED\s*")
_TRUE = "true"


class Containerd:
    """Images by the digests of their indexes or manifests, blobs as they came."""

    title = "containerd"
    takes_oci = True
    platform: Platform | None = None

    def __init__(self, program: str, socket: str, namespace: str, timeout: float) -> None:
        """Raises EngineError where nobody answers at SOCKET, or where this user may not ask: what `ctr` says of that is long."""
        self.place = f"{socket}, namespace {namespace}"
        Address.unix(socket).connect(self.title, timeout).close()
        self._words = [program, "--address", socket, "--namespace", namespace]
        self._timeout = timeout

    def images(self) -> list[HeldImage]:
        """What isn't unpacked is listed too, after an import that failed, and can't run; so is what is there for other platforms alone."""
        done = self._run("images", "check")
        header, _newline, rows = done.output.partition(b"\n")
        # It fails when it can't say of a single image whether that is unpacked, and prints the others nevertheless.
        if not done.output and done.status == 0:
            return []
        if not _HEADER.fullmatch(header):
            raise EngineError(f"{self.title} at {self.place} can't be asked for its images: {done.told}")
        return [_image_of(line) for line in rows.decode("utf-8", "replace").splitlines() if line.strip()]

    def holdings(self, unused_layers_of: LayersOf) -> Holdings:
        done = self._checked("content", "ls", "--quiet")
        return understood(
            f"what ctr lists of {self.place}", lambda: BlobHoldings(Digest.parse(text) for text in done.output.decode("ascii", "replace").split())
        )

    def load(self, archive: Chunks, unused_size: int, platform: Platform | None) -> None:
        """Without being told the platform it would look for older ones too that the host could run, and an index whose blobs are not all sent would fail."""
        told = ["--platform", str(platform)] if platform is not None else []
        self._checked("images", "import", *told, "-", given=archive)

    def _checked(self, *words: str, given: Chunks = ()) -> Finished:
        done = self._run(*words, given=given)
        if done.status != 0:
            raise EngineRefused(f"{self.title} at {self.place} refuses it: {done.told}")
        return done

    def _run(self, *words: str, given: Chunks = ()) -> Finished:
        return run_program([*self._words, *words], f"{self.title} at {self.place}", self._timeout, given)


def _image_of(line: str) -> HeldImage:
    """One line of `ctr images check`: name, type, digest, and at last whether it is unpacked."""
    words = line.split()
    if len(words) < 4:
        raise EngineError(f"containerd lists an image in a way that isn't understood: {line[:200]!r}")
    digest = understood("what ctr lists of images", lambda: Digest.parse(words[2]))
    return HeldImage(names_of(words[:1]), (digest,), None, words[-1] == _TRUE)
