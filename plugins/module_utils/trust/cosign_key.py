# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Private keys that `cosign generate-key-pair` encrypted: scrypt for the passphrase, NaCl's secretbox for the key. Needs the library `nacl`."""

from __future__ import annotations

import base64
import hashlib

from ..errors import UnsupportedFormat, missing_library
from ..oci.document import Document

COSIGN_LABELS = frozenset((b"ENCRYPTED SIGSTORE PRIVATE KEY", b"ENCRYPTED COSIGN PRIVATE KEY"))

_MAX_SCRYPT_MEMORY = 256 * 1024 * 1024


def decrypt_cosign_key(pem: bytes, passphrase: bytes, what: str) -> bytes:
    """Return the key as DER (PKCS#8). Raises ValueError for a wrong passphrase or a damaged key, MissingLibrary without `nacl`."""
    try:
        from nacl.exceptions import CryptoError
        from nacl.secret import SecretBox
    except ImportError as error:
        raise missing_library("PyNaCl (for private keys that cosign encrypted)", "python3-nacl", error) from error
    try:
        document = Document.parse(base64.b64decode(b"".join(pem.splitlines()[1:-1]), validate=True), what)
        kdf, cipher = document.required_child("kdf"), document.required_child("cipher")
        params = kdf.required_child("params")
        if (kdf.text("name"), cipher.text("name")) != ("scrypt", "nacl/secretbox"):
            raise ValueError("unknown encryption")
        secret = hashlib.scrypt(
            passphrase,
            salt=base64.b64decode(kdf.required_text("salt"), validate=True),
            n=params.required_number("N"),
            r=params.required_number("r"),
            p=params.required_number("p"),
            maxmem=_MAX_SCRYPT_MEMORY,
            dklen=32,
        )
        nonce = base64.b64decode(cipher.required_text("nonce"), validate=True)
        return bytes(SecretBox(secret).decrypt(base64.b64decode(document.required_text("ciphertext"), validate=True), nonce))
    except (CryptoError, UnsupportedFormat) as error:
        raise ValueError("the key can't be decrypted") from error
