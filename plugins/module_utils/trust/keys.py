# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Public and private keys: ECDSA on P-256, P-384 and P-521, RSA from 2048 bits, and Ed25519. Needs the library `cryptography` (36 or newer)."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
import typing as t

from ..errors import InvalidOption, InvalidTrust, missing_library
from ..limits import MAX_KEY_FILE
from .cosign_key import COSIGN_LABELS, decrypt_cosign_key

MIN_RSA_BITS = 2048
MAX_RSA_BITS = 16384  # a larger one takes seconds to verify

_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_PUBLIC_LABELS = frozenset((b"PUBLIC KEY", b"RSA PUBLIC KEY"))
_HASH_OF_CURVE = {"secp256r1": "SHA256", "secp384r1": "SHA384", "secp521r1": "SHA512"}


@dataclasses.dataclass(frozen=True)
class PublicKey:
    """A public key. `fingerprint` is the SHA-256 of its DER form (SubjectPublicKeyInfo) in hex; `curve_hash` the hash that fits its curve."""

    der: bytes
    curve_hash: str | None
    _key: t.Any = dataclasses.field(compare=False, repr=False)

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.der).hexdigest()

    def accepts(self, signature: bytes, data: bytes, *, curve_hash: bool) -> bool:
        """Return whether SIGNATURE is this key's signature of DATA. ECDSA uses SHA-256, with CURVE_HASH also the curve's own hash."""
        from cryptography.exceptions import InvalidSignature

        for arguments in self._verify_arguments(curve_hash):
            try:
                self._key.verify(signature, data, *arguments)
            except InvalidSignature:
                continue
            return True
        return False

    def _verify_arguments(self, curve_hash: bool) -> list[tuple[t.Any, ...]]:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding

        if isinstance(self._key, ed25519.Ed25519PublicKey):
            return [()]
        if self.curve_hash is None:
            return [(padding.PKCS1v15(), hashes.SHA256())]
        names = dict.fromkeys(("SHA256", self.curve_hash) if curve_hash else ("SHA256",))
        return [(ec.ECDSA(getattr(hashes, name)()),) for name in names]


@dataclasses.dataclass(frozen=True)
class PrivateKey:
    """A private key. The text form of this object doesn't contain the secret."""

    public: PublicKey
    _key: t.Any = dataclasses.field(compare=False, repr=False)

    def sign(self, data: bytes, *, curve_hash: bool) -> bytes:
        """Return a signature of DATA. ECDSA uses SHA-256, with CURVE_HASH the curve's own hash."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding

        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            return bytes(self._key.sign(data))
        if self.public.curve_hash is None:
            return bytes(self._key.sign(data, padding.PKCS1v15(), hashes.SHA256()))
        algorithm = getattr(hashes, self.public.curve_hash if curve_hash else "SHA256")()
        return bytes(self._key.sign(data, _deterministic_ecdsa(ec, algorithm)))


def _deterministic_ecdsa(ec: t.Any, algorithm: t.Any) -> t.Any:
    """Return ECDSA whose nonce comes from the message (RFC 6979) where the library has it: a bad random generator then can't reveal the key."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return ec.ECDSA(algorithm, deterministic_signing=True)
    except (TypeError, UnsupportedAlgorithm):  # cryptography before 43, OpenSSL before 3.2
        return ec.ECDSA(algorithm)


def read_pem(data: bytes) -> bytes | None:
    """Return the DER form of a public key in PEM form with nothing around it, None for anything else."""
    block = _PEM.fullmatch(data.strip())
    if block is None or block[1] != b"PUBLIC KEY":
        return None
    lines = block[0].split(b"\n")[1:-1]
    try:
        return base64.b64decode(b"".join(line.strip() for line in lines), validate=True)
    except ValueError:
        return None


def read_public_key(pem: bytes, what: str) -> PublicKey:
    """Read one public key in PEM form. WHAT names it in messages.

    Raises InvalidTrust for anything else, and for a weak key; MissingLibrary without `cryptography`.
    """
    label, block = _find_pem(pem, what, InvalidTrust)
    if label not in _PUBLIC_LABELS:
        raise InvalidTrust(f"{what} is not a public key: its PEM block is {label.decode()}")
    serialization = load_serialization()
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        key = serialization.load_pem_public_key(block)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidTrust(f"{what} is not a valid public key: {_first_words(error)}") from error
    return _check_public_key(key, what, InvalidTrust)


def read_private_key(pem: bytes, passphrase: bytes | None, what: str) -> PrivateKey:
    """Read one private key in PEM form: PKCS#8, SEC1 or PKCS#1, encrypted or not, or encrypted by cosign. WHAT names it in messages.

    Raises InvalidOption for anything else, for a wrong passphrase, and for a weak key; MissingLibrary without `cryptography`, or without `nacl` for
    a key that cosign encrypted.
    """
    label, block = _find_pem(pem, what, InvalidOption, b"EC PARAMETERS")
    if not label.endswith(b"PRIVATE KEY"):
        raise InvalidOption(f"{what} is not a private key: its PEM block is {label.decode()}")
    serialization = load_serialization()
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        if label in COSIGN_LABELS:
            key = serialization.load_der_private_key(decrypt_cosign_key(block, passphrase or b"", what), None)
        else:
            key = serialization.load_pem_private_key(block, passphrase)
    except TypeError as error:  # the library raises this if a passphrase is missing or not needed
        problem = "is encrypted, and no passphrase was given" if passphrase is None else "is not encrypted; leave the passphrase out"
        raise InvalidOption(f"{what} {problem}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        problem = "its passphrase is wrong, or it is damaged" if passphrase is not None else _first_words(error)
        raise InvalidOption(f"{what} can't be read as a private key: {problem}") from error
    return PrivateKey(_check_public_key(key.public_key(), what, InvalidOption), key)


def load_serialization() -> t.Any:
    """Return the serialization functions of `cryptography`. Raises MissingLibrary without it."""
    try:
        from cryptography.hazmat.primitives import serialization
    except ImportError as error:
        raise missing_library("cryptography (36 or newer)", "python3-cryptography", error) from error
    return serialization


def _find_pem(pem: bytes, what: str, error: type[InvalidTrust | InvalidOption], skipped: bytes = b"") -> tuple[bytes, bytes]:
    """Return the label and the bytes of the only PEM block. A second block is refused, because a key in it would be ignored silently."""
    if len(pem) > MAX_KEY_FILE:
        raise error(f"{what} is longer than the {MAX_KEY_FILE} bytes that a key may have")
    blocks = [(match.group(1), match.group(0) + b"\n") for match in _PEM.finditer(pem) if match.group(1) != skipped]
    if not blocks:
        raise error(f"{what} is {'empty' if not pem.strip() else 'not a key in PEM form'}")
    if len(blocks) > 1:
        raise error(f"{what} holds {len(blocks)} PEM blocks; give one key")
    return blocks[0]


def _check_public_key(key: t.Any, what: str, error: type[InvalidTrust | InvalidOption]) -> PublicKey:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    curve_hash = None
    if isinstance(key, ec.EllipticCurvePublicKey):
        curve_hash = _HASH_OF_CURVE.get(key.curve.name)
        if curve_hash is None:
            raise error(f"{what} is on the curve {key.curve.name}, which is not supported; use P-256, P-384 or P-521")
    elif isinstance(key, rsa.RSAPublicKey):
        if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
            raise error(f"{what} is an RSA key of {key.key_size} bits; it needs {MIN_RSA_BITS} to {MAX_RSA_BITS}")
        if key.public_numbers().e < 3 or key.public_numbers().e % 2 == 0:
            raise error(f"{what} is an RSA key with the exponent {key.public_numbers().e}, with which anybody can sign")
    elif not isinstance(key, ed25519.Ed25519PublicKey):
        raise error(f"{what} is of a type that is not supported; use ECDSA, RSA or Ed25519")
    serialization = load_serialization()
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(der, curve_hash, key)


def _first_words(error: Exception) -> str:
    return str(error).partition("\n")[0][:100] or type(error).__name__
