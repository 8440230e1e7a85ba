# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which keys can be used, and what they accept."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448

from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidOption, InvalidTrust
from ansible_collections.longshore.images.plugins.module_utils.limits import MAX_KEY_FILE
from ansible_collections.longshore.images.plugins.module_utils.trust.keys import read_private_key, read_public_key
from tests.support.trust import KINDS, Key, make_key

DATA = b"signed bytes"
CURVES: dict[str, hashes.HashAlgorithm] = {"P-384": hashes.SHA384(), "P-521": hashes.SHA512()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_accepts_its_own_signatures_only(kind: str) -> None:
    key, other = make_key(kind), make_key(kind, 1)
    signature = key.sign(DATA)
    assert key.public.accepts(signature, DATA, curve_hash=False)
    assert not other.public.accepts(signature, DATA, curve_hash=True)
    assert not key.public.accepts(signature, DATA + b".", curve_hash=True)
    assert not key.public.accepts(signature[:-1] + bytes((signature[-1] ^ 1,)), DATA, curve_hash=True)
    assert not key.public.accepts(b"", DATA, curve_hash=True)


@pytest.mark.parametrize("kind", CURVES)
def test_the_hash_of_a_curve_counts_in_bundles_only(kind: str) -> None:
    key = make_key(kind)
    signature = key.sign(DATA, CURVES[kind])
    assert key.public.accepts(signature, DATA, curve_hash=True)
    assert not key.public.accepts(signature, DATA, curve_hash=False)


def test_the_fingerprint_is_the_hash_of_the_der_form(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(make_key().pem)
    der = subprocess.run(["openssl", "pkey", "-pubin", "-in", tmp_path / "key.pem", "-outform", "DER"], check=True, capture_output=True).stdout
    digest = subprocess.run(["openssl", "dgst", "-sha256", "-r"], input=der, check=True, capture_output=True).stdout.decode().split()[0]
    assert make_key().public.fingerprint == digest


def make_unusable_keys() -> dict[str, tuple[bytes, str]]:
    """Return PEM texts that can't be used, and the reason in the message."""
    good = make_key().pem
    curve = Key(ec.generate_private_key(ec.SECP256K1()))
    unknown = Key(ed448.Ed448PrivateKey.generate())
    return {
        "empty": (b"", "is empty"),
        "only spaces": (b" \n", "is empty"),
        "no PEM": (b"ssh-ed25519 AAAA", "not a key in PEM form"),
        "broken base64": (b"-----BEGIN PUBLIC KEY-----\n!!!!\n-----END PUBLIC KEY-----\n", "not a valid public key"),
        "truncated": (b"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZI\n-----END PUBLIC KEY-----\n", "not a valid public key"),
        "without end": (good.replace(b"-----END", b"-----KEY"), "not a key in PEM form"),
        "two keys": (good + make_key(number=1).pem, "2 PEM blocks"),
        "a private key": (make_key().private_pem(), "not a public key: its PEM block is PRIVATE KEY"),
        "a certificate": (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "its PEM block is CERTIFICATE"),
        "RSA of 1024 bits": (make_key("RSA-1024").pem, "an RSA key of 1024 bits"),
        "an unknown curve": (curve.pem, "secp256k1"),
        "Ed448": (unknown.pem, "a type that is not supported"),
        "too long": (b"-----BEGIN PUBLIC KEY-----" + b"A" * MAX_KEY_FILE, "longer than"),
    }


UNUSABLE_KEYS = make_unusable_keys()


@pytest.mark.parametrize("case", UNUSABLE_KEYS)
def test_keys_that_cannot_be_used_are_refused(case: str) -> None:
    pem, reason = UNUSABLE_KEYS[case]
    with pytest.raises(InvalidTrust, match=reason) as error:
        read_public_key(pem, "the key")
    assert error.value.cause == "invalid_trust"
    assert error.value.message.startswith("the key ")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("passphrase", [None, "p4ss phrase"])
@pytest.mark.parametrize("form", [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL])
def test_private_keys_of_all_forms_sign(kind: str, passphrase: str | None, form: serialization.PrivateFormat) -> None:
    if kind == "Ed25519":
        form = serialization.PrivateFormat.PKCS8  # it has no other
    made = make_key(kind)
    key = read_private_key(made.private_pem(passphrase, form), passphrase.encode() if passphrase else None, "the key")
    assert key.public == made.public
    assert made.public.accepts(key.sign(DATA, curve_hash=False), DATA, curve_hash=False)
    assert made.public.accepts(key.sign(DATA, curve_hash=True), DATA, curve_hash=True)


def test_a_private_key_with_its_parameters_is_read(tmp_path: Path) -> None:
    pem = subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey"], check=True, capture_output=True).stdout
    assert b"EC PARAMETERS" in pem
    assert read_private_key(pem, None, "the key").public.curve_hash == "SHA256"


PRIVATE_KEYS = {
    "a wrong passphrase": (make_key().private_pem("right"), b"wrong", "its passphrase is wrong"),
    "no passphrase": (make_key().private_pem("right"), None, "is encrypted, and no passphrase was given"),
    "a passphrase without need": (make_key().private_pem(), b"right", "leave the passphrase out"),
    "a public key": (make_key().pem, None, "not a private key"),
    "a weak key": (make_key("RSA-1024").private_pem(), None, "1024 bits"),
    "no key": (b"secret words", None, "not a key in PEM form"),
    "a broken key": (b"-----BEGIN PRIVATE KEY-----\nsecret+words\n-----END PRIVATE KEY-----\n", None, "can't be read as a private key"),
}


@pytest.mark.parametrize("case", PRIVATE_KEYS)
def test_private_keys_that_cannot_be_used_are_refused_without_their_content(case: str) -> None:
    pem, passphrase, reason = PRIVATE_KEYS[case]
    with pytest.raises(InvalidOption, match=reason) as error:
        read_private_key(pem, passphrase, "the key")
    assert "secret" not in error.value.message
    assert "right" not in error.value.message


def test_no_text_form_of_a_private_key_shows_it() -> None:
    key = read_private_key(make_key().private_pem(), None, "the key")
    secret = str(make_key().private.private_numbers().private_value)
    assert secret not in repr(key)
    assert "object at" not in repr(key)
