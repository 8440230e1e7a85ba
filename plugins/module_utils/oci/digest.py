# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Digests, which identify all content, and the verification of bytes against them."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import typing as t

from ..errors import InvalidReference, LongshoreError
from .text import sanitise

_ENCODED = {"sha256": re.compile(r"[0-9a-f]{64}"), "sha512": re.compile(r"[0-9a-f]{128}")}
ALGORITHMS = tuple(_ENCODED)


@dataclasses.dataclass(frozen=True, order=True)
class Digest:
    """`ALGORITHM:HEX` (OCI image specification, descriptor.md, Digests). Only sha256 and sha512 are supported.

    Every instance is safe to use in a path or a URL, because creating one checks its characters.
    """

    algorithm: str
    hex: str

    def __post_init__(self) -> None:
        pattern = _ENCODED.get(self.algorithm)
        if pattern is None or not pattern.fullmatch(self.hex):
            raise InvalidReference(f"{sanitise(str(self), 200)!r} is not a digest: sha256: and 64 lower-case hex digits, or sha512: and 128")

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Parse a full digest. Raises InvalidReference for any other text."""
        algorithm, _colon, encoded = text.partition(":")
        return cls(algorithm, encoded)

    @classmethod
    def of(cls, data: bytes, algorithm: str = "sha256") -> Digest:
        return cls(algorithm, hashlib.new(algorithm, data).hexdigest())

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"

    def check(self, data: bytes, what: str) -> bytes:
        """Return DATA if it has this digest. Raises DigestMismatch otherwise; WHAT names the source of the bytes in the message."""
        found = Digest.of(data, self.algorithm)
        if found != self:
            raise DigestMismatch(f"{what} should have the digest {self}, but its bytes have {found}", digest=self)
        return data


class DigestMismatch(LongshoreError):
    """Bytes whose digest or size differs from their descriptor. `digest` is the expected one."""

    cause = "digest_mismatch"

    def __init__(self, message: str, status: int | None = None, registry_errors: t.Sequence[str] = (), *, digest: Digest) -> None:
        super().__init__(message, status, registry_errors)
        self.digest = digest


class Verifier:
    """Hashes and counts a stream, to verify both its digest and its size. `seen` is the number of bytes so far."""

    def __init__(self, digest: Digest, size: int, what: str) -> None:
        self._digest = digest
        self._size = size
        self._what = what
        self._hash = hashlib.new(digest.algorithm)
        self.seen = 0

    def update(self, chunk: bytes | bytearray | memoryview) -> None:
        """Add the next bytes. Raises DigestMismatch at the first byte beyond the size, so that an endless body can't fill the disk."""
        self.seen += len(chunk)
        if self.seen > self._size:
            raise DigestMismatch(f"{self._what} is longer than the {self._size} bytes that its descriptor promises", digest=self._digest)
        self._hash.update(chunk)

    def finish(self) -> None:
        """Check the end of the stream. Raises DigestMismatch unless size and digest are right."""
        if self.seen != self._size:
            raise DigestMismatch(f"{self._what} ended after {self.seen} of {self._size} bytes", digest=self._digest)
        found = self._hash.hexdigest()
        if found != self._digest.hex:
            raise DigestMismatch(
                f"{self._what} should have the digest {self._digest}, but its bytes have {self._digest.algorithm}:{found}", digest=self._digest
            )


def hash_stream(chunks: t.Iterable[bytes | bytearray | memoryview], algorithm: str = "sha256") -> tuple[Digest, int]:
    """Return the digest and the length in bytes of a stream, without keeping it."""
    hasher = hashlib.new(algorithm)
    size = 0
    for chunk in chunks:
        hasher.update(chunk)
        size += len(chunk)
    return Digest(algorithm, hasher.hexdigest()), size
