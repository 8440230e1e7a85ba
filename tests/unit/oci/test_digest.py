# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests and what is checked against them."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidReference
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest, DigestMismatch, Verifier, hash_stream

DATA = b"longshore"
HEX = hashlib.sha256(DATA).hexdigest()


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_digest_of_bytes_is_printed_and_read_back(algorithm: str) -> None:
    digest = Digest.of(DATA, algorithm)
    assert str(digest) == f"{algorithm}:{hashlib.new(algorithm, DATA).hexdigest()}"
    assert Digest.parse(str(digest)) == digest


@pytest.mark.parametrize(
    "text",
    [
        "", ":", "sha256", "sha256:", HEX, f":{HEX}", f"sha256:{HEX[:-1]}", f"sha256:{HEX}0", f"sha256:{HEX}\n", f"\nsha256:{HEX}", f"sha256:{HEX.upper()}",
        f"SHA256:{HEX}", f"sha256: {HEX}", f"sha256::{HEX}", f"sha512:{HEX}", f"sha256:{HEX}{HEX}", f"sha1:{HEX[:40]}", f"md5:{HEX[:32]}",
        f"sha384:{HEX}{HEX[:32]}",
        f"sha256:{HEX[:-1]}g", f"sha256:{HEX[:-1]}/", f"sha256:../{HEX[3:]}", f"sha256:{'٣' * 64}", "sha256:" + "\uff41" * 64, f"../sha256:{HEX}",
        "sha256:" + "\0" * 64,
    ],
)  # fmt: skip
def test_what_is_no_digest_in_full_is_refused(text: str) -> None:
    with pytest.raises(InvalidReference):
        Digest.parse(text)


def test_no_digest_can_be_made_from_other_characters_in_any_way() -> None:
    with pytest.raises(InvalidReference):
        Digest("sha256", "../" + HEX[3:])


@given(st.text(max_size=100))
def test_the_error_about_a_digest_contains_no_control_characters(text: str) -> None:
    with pytest.raises(InvalidReference) as caught:
        Digest.parse(text)
    assert all(character.isprintable() for character in str(caught.value))


def test_checked_data_is_given_back() -> None:
    assert Digest.of(DATA).check(DATA, "blob") == DATA


def test_other_data_is_a_mismatch_that_names_both_digests() -> None:
    with pytest.raises(DigestMismatch, match=f"blob.*{HEX}.*{hashlib.sha256(b'x').hexdigest()}"):
        Digest.of(DATA).check(b"x", "blob")


@given(st.lists(st.binary(max_size=20)), st.sampled_from(["sha256", "sha512"]))
def test_a_stream_has_the_digest_of_its_joined_chunks(chunks: list[bytes], algorithm: str) -> None:
    whole = b"".join(chunks)
    assert hash_stream(chunks, algorithm) == (Digest.of(whole, algorithm), len(whole))
    verifier = Verifier(Digest.of(whole, algorithm), len(whole), "blob")
    for chunk in chunks:
        verifier.update(chunk)
    verifier.finish()
    assert verifier.seen == len(whole)


def test_one_byte_more_than_promised_is_noticed_at_once() -> None:
    verifier = Verifier(Digest.of(DATA), len(DATA), "blob")
    verifier.update(DATA)
    with pytest.raises(DigestMismatch, match="longer than the 9 bytes"):
        verifier.update(b"!")


def test_a_short_stream_is_a_mismatch() -> None:
    verifier = Verifier(Digest.of(DATA), len(DATA), "blob")
    verifier.update(memoryview(DATA)[:-1])
    with pytest.raises(DigestMismatch, match="8 of 9 bytes"):
        verifier.finish()


def test_a_changed_byte_is_a_mismatch() -> None:
    verifier = Verifier(Digest.of(DATA), len(DATA), "blob")
    verifier.update(bytearray(b"Longshore"))
    with pytest.raises(DigestMismatch, match="should have the digest"):
        verifier.finish()
