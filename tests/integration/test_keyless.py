# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keyless signatures by a Sigstore of the tests, verified offline by the library `sigstore`; and keys that cosign encrypted, read with `nacl`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidOption, InvalidTrust
from ansible_collections.longshore.images.plugins.module_utils.trust.keys import read_private_key, read_public_key
from ansible_collections.longshore.images.plugins.module_utils.trust.rules import IdentityOptions, RuleOptions, read_rules
from ansible_collections.longshore.images.plugins.module_utils.trust.verdict import Verdict
from tests.support import modules
from tests.support.keyless import ISSUER, SUBJECT, Members, Sigstore
from tests.support.registry import needed
from tests.support.trust import bundle_candidate, dsse_bundle, make_key, make_subject, statement

# Optional libraries, which `./dev test` puts beside the packages of the tests (tests/keyless.txt).
LIBRARIES = Path(os.environ.get("LONGSHORE_KEYLESS") or Path(sys.prefix) / "keyless")

IMAGE = make_subject()
OTHER = make_subject(text="another")
EXACT = IdentityOptions(ISSUER, subject=SUBJECT)
SIGSTORE = Sigstore()


@pytest.fixture(scope="module", autouse=True)
def libraries() -> t.Iterator[None]:
    if not LIBRARIES.is_dir():
        pytest.fail("missing: the libraries sigstore and PyNaCl; ./dev test installs them")
    # Last: the libraries that the tests use themselves stay the ones in use.
    sys.path.append(str(LIBRARIES))
    yield
    sys.path.remove(str(LIBRARIES))


def signed(**changes: t.Any) -> Members:
    return SIGSTORE.sign_statement(json.dumps(statement(IMAGE.digest)).encode(), **changes)


def verify(bundle: Members, *identities: IdentityOptions, root: bytes | None = None, **options: t.Any) -> Verdict:
    rule = RuleOptions("", identities=identities or (EXACT,), trusted_root=root or SIGSTORE.trusted_root(), **options)
    return read_rules([rule]).verify(IMAGE, lambda: [bundle_candidate(bundle)])


@pytest.mark.parametrize("form", ["statement", "message"])
def test_the_right_identity_is_accepted(form: str) -> None:
    manifest = IMAGE.manifest
    assert manifest is not None
    verdict = verify(signed() if form == "statement" else SIGSTORE.sign_message(manifest))
    assert verdict.accepted, verdict.reason
    facts = verdict.facts()
    assert (facts["issuer"], facts["identity"], facts["key"]) == (ISSUER, SUBJECT, None)
    assert (facts["format"], facts["log"], facts["digest"]) == ("bundle", "checked", str(IMAGE.digest))


def test_a_pattern_has_to_match_the_whole_subject() -> None:
    def by(pattern: str) -> bool:
        return verify(signed(), IdentityOptions(ISSUER, subject_regex=pattern)).accepted

    assert by(r"https://ci\.test/app/release@refs/tags/v.*")
    assert not by(r"https://ci\.test/app/release@refs/tags/")
    assert not by(r"ci\.test/app/release@refs/tags/v1")


def changed(bundle: Members, *path: str | int, value: t.Any) -> Members:
    copy: Members = json.loads(json.dumps(bundle))
    place: t.Any = copy
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return copy


def other_entry(bundle: Members) -> Members:
    """Return a bundle with the log entry of another signature."""
    return changed(bundle, "verificationMaterial", "tlogEntries", value=signed()["verificationMaterial"]["tlogEntries"])


ENTRY = ("verificationMaterial", "tlogEntries", 0)
ATTACKS: dict[str, tuple[t.Callable[[], Members], str]] = {
    "another subject": (lambda: signed(subject="https://ci.test/evil"), "it is of https://ci.test/evil"),
    "another issuer": (lambda: signed(issuer="https://evil.test"), "https://evil.test"),
    "another Sigstore": (lambda: Sigstore().sign_statement(json.dumps(statement(IMAGE.digest)).encode()), "certificate"),
    "logged after the certificate ended": (lambda: signed(logged_after=30), "certificate"),
    "logged before the certificate began": (lambda: signed(logged_after=-5), "certificate"),
    "a certificate for something else": (lambda: signed(code_signing=False), "code signing"),
    "signed by another key": (lambda: signed(other_key=True), "signature"),
    "no log entry": (lambda: changed(signed(), "verificationMaterial", "tlogEntries", value=[]), "log entry"),
    "the log entry of another signature": (lambda: other_entry(signed()), "log entry"),
    "another time in the entry": (lambda: changed(signed(), *ENTRY, "integratedTime", value="1780315600"), "certificate"),
    "no promise and no time": (lambda: changed(signed(), *ENTRY, "inclusionPromise", value=None), "certificate"),
    "another root of the log": (lambda: changed(signed(), *ENTRY, "inclusionProof", "rootHash", value="AAAA"), "log entry"),
    "another image": (lambda: SIGSTORE.sign_statement(json.dumps(statement(OTHER.digest)).encode()), "about other digests"),
    "an SBOM": (lambda: SIGSTORE.sign_statement(json.dumps(statement(IMAGE.digest, "https://spdx.dev/Document")).encode()), "not a signature"),
    "a key in place of the certificate": (lambda: dsse_bundle(statement(IMAGE.digest)), "it is made by a key, and only identities are accepted"),
    "a bare key as certificate": (
        lambda: changed(signed(), "verificationMaterial", "certificate", "rawBytes", value="AAAA"),
        "its certificate is not accepted",
    ),
}


@pytest.mark.parametrize("case", ATTACKS)
def test_an_attack_is_refused(case: str) -> None:
    make, reason = ATTACKS[case]
    verdict = verify(make())
    assert not verdict.accepted
    assert reason in verdict.reason


def test_a_key_rule_does_not_accept_identities() -> None:
    policy = read_rules([RuleOptions("", keys=(make_key().pem,))])
    assert "only keys are accepted" in policy.verify(IMAGE, lambda: [bundle_candidate(signed())]).reason


@pytest.mark.parametrize("root", [b"{}", b"no JSON", b'{"mediaType": "application/json"}'])
def test_a_trusted_root_that_cannot_be_used_stops_the_task(root: bytes) -> None:
    with pytest.raises(InvalidTrust, match="the trusted root can't be used"):
        verify(signed(), root=root)


def test_without_the_library_the_task_says_so(tmp_path: Path) -> None:
    rule = {"identities": [{"issuer": ISSUER, "subject": SUBJECT}], "trusted_root": SIGSTORE.trusted_root().decode()}
    options = {"name": ["registry.test/app:1"], "path": str(tmp_path / "images.lock"), "trust": [rule]}
    result = modules.fail("image_lock", options)
    assert result["error"] == "missing_library"
    assert "sigstore" in result["msg"]
    libraries = {"PYTHONPATH": f"{LIBRARIES}:{modules.ROOT / '.collections'}"}
    assert modules.fail("image_lock", {**options, "retries": 1}, env=libraries)["error"] == "unreachable"


def test_a_key_that_cosign_encrypted_is_read(tmp_path: Path) -> None:
    needed("cosign")
    environment = modules.environment(COSIGN_PASSWORD="pass phrase", HOME=str(tmp_path))
    subprocess.run(["cosign", "generate-key-pair"], cwd=tmp_path, env=environment, check=True, capture_output=True)
    pem = (tmp_path / "cosign.key").read_bytes()
    key = read_private_key(pem, b"pass phrase", "the key")
    public = read_public_key((tmp_path / "cosign.pub").read_bytes(), "the public key")
    assert key.public == public
    assert public.accepts(key.sign(b"data", curve_hash=False), b"data", curve_hash=False)
    with pytest.raises(InvalidOption, match="its passphrase is wrong"):
        read_private_key(pem, b"other", "the key")
