# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signatures that must not be accepted, and the reason that a user reads. Each case changes one thing of a signature that is accepted."""

from __future__ import annotations

import base64
import json
import typing as t

import pytest
from cryptography.hazmat.primitives import hashes

from ansible_collections.longshore.images.plugins.module_utils.errors import Unreachable
from ansible_collections.longshore.images.plugins.module_utils.limits import MAX_CANDIDATE, MAX_CANDIDATES
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest, DigestMismatch
from ansible_collections.longshore.images.plugins.module_utils.trust.bundle import BUNDLE_TYPE, ENVELOPE_TYPE
from ansible_collections.longshore.images.plugins.module_utils.trust.repositories import AnyRepository, NamedRepository
from ansible_collections.longshore.images.plugins.module_utils.trust.simple_signing import PAYLOAD_TYPE
from ansible_collections.longshore.images.plugins.module_utils.trust.verdict import Verdict
from ansible_collections.longshore.images.plugins.module_utils.trust.verification import SignatureBytes, SignatureRule, Subject, verify_signatures
from tests.support.images import make_image
from tests.support.trust import (
    KINDS,
    Key,
    bundle_candidate,
    candidate,
    dsse_bundle,
    encode,
    make_key,
    make_subject,
    message_bundle,
    simple_candidate,
    simple_payload,
    statement,
)

SUBJECT = make_subject()
DIGEST = SUBJECT.digest
MANIFEST = make_image("signed").content[DIGEST]
OTHER = make_subject(text="another").digest
SBOM = "https://spdx.dev/Document"


def rule(**options: t.Any) -> SignatureRule:
    return SignatureRule(keys=(make_key().public,), **options)


def verify(*candidates: SignatureBytes, subject: Subject = SUBJECT, **options: t.Any) -> Verdict:
    return verify_signatures(subject, candidates, rule(**options))


def data_of(found: SignatureBytes) -> bytes:
    assert found.data is not None
    return found.data


def good_simple() -> SignatureBytes:
    return simple_candidate(simple_payload(DIGEST))


def good_bundle() -> SignatureBytes:
    return bundle_candidate(dsse_bundle(statement(DIGEST)))


GOOD: dict[str, t.Callable[[], SignatureBytes]] = {
    "simple signing": good_simple,
    "DSSE bundle": good_bundle,
    "message bundle": lambda: bundle_candidate(message_bundle(MANIFEST)),
    "statement of version 0.1": lambda: bundle_candidate(dsse_bundle(statement(DIGEST, _type="https://in-toto.io/Statement/v0.1"))),
    "statement about several images": lambda: bundle_candidate(
        dsse_bundle(statement(DIGEST, subject=[{"digest": {"sha256": OTHER.hex}}, {"digest": {"sha256": DIGEST.hex}}]))
    ),
    "a lying hint": lambda: bundle_candidate({**dsse_bundle(statement(DIGEST)), "verificationMaterial": {"publicKey": {"hint": "b3RoZXI="}}}),
    "a name with a tag": lambda: simple_candidate(simple_payload(DIGEST, "registry.test/team/app:7")),
}


@pytest.mark.parametrize("case", GOOD)
def test_a_right_signature_is_accepted(case: str) -> None:
    verdict = verify(GOOD[case]())
    assert verdict.accepted, verdict.reason
    facts = verdict.facts()
    assert facts["key"] == make_key().public.fingerprint
    assert (facts["digest"], facts["log"], facts["issuer"], facts["identity"]) == (str(DIGEST), "not_checked", None, None)
    assert facts["format"] == ("simple_signing" if "simple" in case or "name" in case else "bundle")
    assert verdict.error("app") is None


@pytest.mark.parametrize("kind", KINDS)
def test_signatures_by_every_kind_of_key_are_accepted(kind: str) -> None:
    key = make_key(kind)
    curve_hash = {"P-384": hashes.SHA384(), "P-521": hashes.SHA512()}.get(kind)
    keys = (make_key(number=5).public, key.public)
    for found in (
        simple_candidate(simple_payload(DIGEST), key),
        bundle_candidate(dsse_bundle(statement(DIGEST), key)),
        bundle_candidate(dsse_bundle(statement(DIGEST), key, curve_hash)),
        bundle_candidate(message_bundle(MANIFEST, key, curve_hash)),
    ):
        verdict = verify_signatures(SUBJECT, [found], SignatureRule(keys=keys))
        assert verdict.accepted, verdict.reason
        assert verdict.facts()["key"] == key.public.fingerprint


def changed(bundle: dict[str, t.Any], *path: str | int, value: t.Any) -> SignatureBytes:
    """Return a bundle in which one value is replaced."""
    copy = json.loads(json.dumps(bundle))
    place = copy
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return bundle_candidate(copy)


def critical(**changes: t.Any) -> SignatureBytes:
    """Return a simple signature whose `critical` has other members."""
    payload = simple_payload(DIGEST)
    payload["critical"] = {name: value for name, value in {**payload["critical"], **changes}.items() if value is not None}
    return simple_candidate(payload)


def repeated(member: bytes) -> SignatureBytes:
    """Return a signed payload in which one member is repeated."""
    data = json.dumps(simple_payload(DIGEST), separators=(",", ":")).encode()
    name = member.split(b":")[0]
    assert name in data
    return simple_candidate(data.replace(name, member + b"," + name, 1))


def flipped(found: SignatureBytes) -> SignatureBytes:
    """Return a candidate with another first digit of the signed digest."""
    data = data_of(found).replace(DIGEST.hex.encode(), b"0" * 64)
    return candidate(data, found.media_type, found.signature)


SIGNATURE = encode(make_key().sign(json.dumps(simple_payload(DIGEST), separators=(",", ":")).encode()))
DSSE = dsse_bundle(statement(DIGEST))
MESSAGE = message_bundle(MANIFEST)

ATTACKS: dict[str, tuple[t.Callable[[], SignatureBytes], str]] = {
    "wrong key": (lambda: simple_candidate(simple_payload(DIGEST), make_key(number=1)), "no accepted key made it"),
    "wrong key, bundle": (lambda: bundle_candidate(dsse_bundle(statement(DIGEST), make_key(number=1))), "no accepted key made it"),
    "wrong key, message": (lambda: bundle_candidate(message_bundle(MANIFEST, make_key(number=1))), "no accepted key made it"),
    "flipped payload": (lambda: flipped(good_simple()), "no accepted key made it"),
    "flipped signature": (lambda: simple_candidate(simple_payload(DIGEST), signature=encode(b"\x30" + make_key().sign(b"x")[1:])), "no accepted key"),
    "no signature": (lambda: candidate(data_of(good_simple()), PAYLOAD_TYPE), "it has no signature"),
    "another digest": (lambda: simple_candidate(simple_payload(OTHER)), f"it signs {OTHER}"),
    "another digest, bundle": (lambda: bundle_candidate(dsse_bundle(statement(OTHER))), "about other digests"),
    "another manifest": (lambda: bundle_candidate(message_bundle(b"{}")), "signs another digest"),
    "another manifest with this digest": (
        lambda: changed(message_bundle(b"{}"), "messageSignature", "messageDigest", value=MESSAGE["messageSignature"]["messageDigest"]),
        "no accepted key made it",
    ),
    "an unknown hash": (lambda: changed(MESSAGE, "messageSignature", "messageDigest", "algorithm", value="MD5"), "unknown hash"),
    "another repository": (lambda: simple_candidate(simple_payload(DIGEST, "registry.test/team/other")), "repository registry.test/team/other"),
    "a longer repository": (lambda: simple_candidate(simple_payload(DIGEST, "registry.test/team/app2")), "repository registry.test/team/app2"),
    "a repository below": (lambda: simple_candidate(simple_payload(DIGEST, "registry.test/team/app/x")), "repository registry.test/team/app/x"),
    "a repository in upper case": (lambda: simple_candidate(simple_payload(DIGEST, "REGISTRY.test/team/app")), "repository REGISTRY.test"),
    "a repository with a bad tag": (
        lambda: simple_candidate(simple_payload(DIGEST, "registry.test/team/app:-")),
        "repository registry.test/team/app:-",
    ),
    "a bundle in another repository": (
        lambda: bundle_candidate(DSSE, repository="registry.test/team/other"),
        "in the repository registry.test/team/other",
    ),
    "a bundle in no repository": (lambda: bundle_candidate(DSSE, repository=None), "in the repository None"),
    "a digest in upper case": (lambda: simple_candidate(simple_payload(f"sha256:{DIGEST.hex.upper()}")), f"it signs sha256:{DIGEST.hex.upper()}"),
    "a digest in upper case, bundle": (
        lambda: bundle_candidate(dsse_bundle(statement(DIGEST, subject=[{"digest": {"sha256": DIGEST.hex.upper()}}]))),
        "about other digests",
    ),
    "a digest under another algorithm": (
        lambda: bundle_candidate(dsse_bundle(statement(DIGEST, subject=[{"digest": {"sha512": DIGEST.hex}}]))),
        "about other digests",
    ),
    "a digest with spaces": (lambda: simple_candidate(simple_payload(f" {DIGEST}")), "it signs"),
    "an unknown critical field": (lambda: critical(more=1), "the unknown field 'more'"),
    "a missing critical field": (lambda: critical(identity=None), "has no 'identity'"),
    "a missing type": (lambda: critical(type=None), "has no 'type'"),
    "another type": (lambda: critical(type="atomic container signature"), "type is not"),
    "an unknown field of the image": (
        lambda: critical(image={"docker-manifest-digest": str(DIGEST), "docker-tag": "1"}),
        "the unknown field 'docker-tag'",
    ),
    "a field in upper case": (lambda: critical(image={"Docker-manifest-digest": str(DIGEST)}), "the unknown field 'Docker-manifest-digest'"),
    "a repeated critical": (lambda: repeated(b'"critical":{}'), "a key occurs twice"),
    "a repeated digest": (lambda: repeated(b'"docker-manifest-digest":"sha256:0"'), "a key occurs twice"),
    "no optional": (lambda: simple_candidate({"critical": simple_payload(DIGEST)["critical"]}), "has no 'optional'"),
    "an unknown field outside": (lambda: simple_candidate({**simple_payload(DIGEST), "more": 1}), "the unknown field 'more'"),
    "a list as payload": (lambda: simple_candidate(b"[]"), "not a JSON object"),
    "a payload that is not JSON": (lambda: simple_candidate(b"\xff\xfe"), "not a valid JSON document"),
    "an SBOM as approval": (lambda: bundle_candidate(dsse_bundle(statement(DIGEST, SBOM))), f"a statement of the type {SBOM}, and not a signature"),
    "no predicate type": (lambda: bundle_candidate(dsse_bundle(statement(DIGEST, predicateType=None))), "has no predicateType"),
    "an unknown statement": (lambda: bundle_candidate(dsse_bundle(statement(DIGEST, _type="https://in-toto.io/Statement/v9"))), "unknown type"),
    "no subjects": (lambda: bundle_candidate(dsse_bundle(statement(DIGEST, subject=[]))), "about other digests"),
    "a repeated subject": (
        lambda: bundle_candidate(
            dsse_bundle(json.dumps(statement(OTHER)).encode()[:-1] + f',"subject":[{{"digest":{{"sha256":"{DIGEST.hex}"}}}}]}}'.encode())
        ),
        "a key occurs twice",
    ),
    "another payload type": (lambda: bundle_candidate(dsse_bundle(statement(DIGEST), payload_type="application/json")), "not an in-toto statement"),
    "a payload type that was signed as another": (
        lambda: changed(
            dsse_bundle(statement(DIGEST), payload_type="text/plain"), "dsseEnvelope", "payloadType", value="application/vnd.in-toto+json"
        ),
        "no accepted key made it",
    ),
    "a payload that is signed without its type": (
        lambda: changed(DSSE, "dsseEnvelope", "signatures", 0, "sig", value=encode(make_key().sign(json.dumps(statement(DIGEST)).encode()))),
        "no accepted key made it",
    ),
    "two DSSE signatures": (
        lambda: changed(DSSE, "dsseEnvelope", "signatures", value=DSSE["dsseEnvelope"]["signatures"] * 2),
        "2 signatures instead of one",
    ),
    "no DSSE signature": (lambda: changed(DSSE, "dsseEnvelope", "signatures", value=[]), "0 signatures instead of one"),
    "an empty DSSE signature": (lambda: changed(DSSE, "dsseEnvelope", "signatures", 0, "sig", value=""), "is empty"),
    "two contents": (lambda: bundle_candidate({**DSSE, "messageSignature": MESSAGE["messageSignature"]}), "not exactly one signature"),
    "no content": (lambda: changed(DSSE, "dsseEnvelope", value=None), "not exactly one signature"),
    "another version of the bundle": (lambda: changed(DSSE, "mediaType", value=BUNDLE_TYPE.replace("0.3", "0.2")), "not of version 0.3"),
    "a repeated envelope": (
        lambda: bundle_candidate(json.dumps(DSSE).encode()[:-1] + b',"dsseEnvelope":' + json.dumps(DSSE["dsseEnvelope"]).encode() + b"}"),
        "a key occurs twice",
    ),
    "a certificate": (
        lambda: changed(DSSE, "verificationMaterial", value={"certificate": {"rawBytes": "AAAA"}}),
        "signed by a certificate, and only keys",
    ),
    "a bare key as certificate": (
        lambda: changed(DSSE, "verificationMaterial", value={"certificate": {"rawBytes": encode(make_key().public.der)}}),
        "signed by a certificate, and only keys",
    ),
    "a bare key as chain": (
        lambda: changed(
            DSSE, "verificationMaterial", value={"x509CertificateChain": {"certificates": [{"rawBytes": encode(make_key().public.der)}]}}
        ),
        "signed by a certificate, and only keys",
    ),
    "a key and a certificate": (
        lambda: changed(DSSE, "verificationMaterial", "certificate", value={"rawBytes": "AAAA"}),
        "more than one key or certificate",
    ),
    "no key": (lambda: changed(DSSE, "verificationMaterial", value={}), "no key or certificate"),
    "a type that nobody knows": (lambda: candidate(data_of(good_simple()), "text/plain", good_simple().signature), "it has the type text/plain"),
    "a bundle offered as simple signature": (lambda: candidate(data_of(good_bundle()), PAYLOAD_TYPE, SIGNATURE), "no accepted key made it"),
    "an empty payload": (lambda: simple_candidate(b""), "not a valid JSON document"),
    "a terminal escape": (lambda: simple_candidate(simple_payload(DIGEST, "registry.test/\x1b[31mred")), "for the repository registry.test/ "),
}


@pytest.mark.parametrize("case", ATTACKS)
def test_an_attack_is_refused_with_its_reason(case: str) -> None:
    make, reason = ATTACKS[case]
    verdict = verify(make())
    assert not verdict.accepted
    assert reason in verdict.reason
    assert "\x1b" not in verdict.reason
    error = verdict.error("registry.test/team/app:1")
    assert error is not None
    assert error.cause == "untrusted"
    assert error.message.startswith("registry.test/team/app:1 is not trusted: candidate: ")
    assert verdict.facts()["key"] is None
    # An attack must not hide a good signature either.
    assert verify(make(), good_simple()).accepted
    assert verify(make(), good_bundle()).accepted


PADDED = SIGNATURE.rstrip("=") + "===="
ODDITIES = [
    f"{SIGNATURE}\n",
    f" {SIGNATURE}",
    SIGNATURE[:40] + "\n" + SIGNATURE[40:],
    SIGNATURE.rstrip("=") if SIGNATURE.endswith("=") else SIGNATURE + "=",
    PADDED,
    base64.urlsafe_b64encode(b"\xff\xfe" * 36).decode(),
    "",
    "é" * 8,
    "TR==",  # with bits that no byte uses
]


@pytest.mark.parametrize("text", ODDITIES, ids=range(len(ODDITIES)))
def test_base64_in_another_form_is_refused(text: str) -> None:
    verdict = verify(simple_candidate(simple_payload(DIGEST), signature=text))
    assert not verdict.accepted
    assert "its signature is" in verdict.reason
    bundle = changed(DSSE, "dsseEnvelope", "signatures", 0, "sig", value=text)
    assert "the signature of the bundle is" in verify(bundle).reason


def test_an_image_without_candidates_is_unsigned() -> None:
    error = verify().error("app")
    assert error is not None
    assert (error.cause, error.message) == ("unsigned", "app is not signed: it has no signature")


def test_the_nearest_miss_explains_a_refusal() -> None:
    far = [simple_candidate(b"[]"), simple_candidate(simple_payload(DIGEST), make_key(number=1))]
    near = simple_candidate(simple_payload(DIGEST, "registry.test/x"), where="the third")
    assert verify(*far, near, *far).reason == "the third: it is for the repository registry.test/x"


def test_candidates_are_read_up_to_the_limit() -> None:
    bad = simple_candidate(simple_payload(OTHER))
    many = [bad] * 1000
    assert verify(*many[: MAX_CANDIDATES - 1], good_simple(), *many).accepted
    assert not verify(*many[:MAX_CANDIDATES], good_simple()).accepted


def test_a_long_payload_is_refused() -> None:
    assert "longer than the" in verify(simple_candidate(b" " * (MAX_CANDIDATE + 1))).reason
    assert verify(simple_candidate(b"{" + b" " * MAX_CANDIDATE + b"}"), good_simple()).accepted


def test_a_candidate_that_a_place_cannot_read_is_rejected_with_its_problem() -> None:
    broken = SignatureBytes("broken", problem="its blob is missing")
    assert verify(broken).reason == "broken: its blob is missing"
    assert verify(broken, good_simple()).accepted


def test_a_fault_of_the_registry_keeps_its_own_word() -> None:
    def read() -> t.Iterator[SignatureBytes]:
        yield simple_candidate(simple_payload(OTHER))
        raise Unreachable("no answer")

    with pytest.raises(Unreachable):
        verify_signatures(SUBJECT, read(), rule())


def test_nothing_is_read_after_the_right_signature() -> None:
    def read() -> t.Iterator[SignatureBytes]:
        yield good_simple()
        raise Unreachable("no answer")

    assert verify_signatures(SUBJECT, read(), rule()).accepted


def test_bytes_that_are_not_the_image_are_refused() -> None:
    with pytest.raises(DigestMismatch):
        verify(good_simple(), subject=Subject(SUBJECT.reference, DIGEST, MANIFEST + b" "))


def test_a_signature_of_bytes_that_are_missing_is_refused() -> None:
    subject = Subject(SUBJECT.reference, DIGEST, None)
    assert "signs the bytes of a manifest that is missing" in verify(bundle_candidate(MESSAGE), subject=subject).reason
    assert verify(good_simple(), subject=subject).accepted
    assert verify(good_bundle(), subject=subject).accepted


# Repositories, annotations, attestations.

HUB = make_subject("nginx:1")


@pytest.mark.parametrize("signed", ["docker.io/library/nginx", "index.docker.io/library/nginx", "index.docker.io/library/nginx:1"])
def test_docker_hub_has_two_names(signed: str) -> None:
    assert verify(simple_candidate(simple_payload(HUB.digest, signed)), subject=HUB).accepted


@pytest.mark.parametrize("signed", ["nginx", "library/nginx", "index.index.docker.io/library/nginx", "docker.io/nginx"])
def test_other_spellings_of_docker_hub_are_refused(signed: str) -> None:
    assert not verify(simple_candidate(simple_payload(HUB.digest, signed)), subject=HUB).accepted


def test_the_repository_of_a_rule_decides() -> None:
    original = simple_candidate(simple_payload(DIGEST, "registry.test/original"))
    copied = bundle_candidate(DSSE, repository="registry.test/original")
    for found in (original, copied):
        assert not verify(found).accepted
        assert verify(found, repository=AnyRepository()).accepted
        assert verify(found, repository=NamedRepository("registry.test/original")).accepted
        assert not verify(found, repository=NamedRepository("registry.test/origin")).accepted


def test_an_image_without_a_name_has_no_repository_of_its_own() -> None:
    unnamed = make_subject(None)
    assert not verify(good_simple(), good_bundle(), subject=unnamed).accepted
    assert verify(good_simple(), subject=unnamed, repository=AnyRepository()).accepted


def annotated_bundle(**annotations: t.Any) -> SignatureBytes:
    return bundle_candidate(dsse_bundle(statement(DIGEST, subject=[{"digest": {"sha256": DIGEST.hex}, "annotations": annotations}])))


def test_annotations_have_to_be_signed_along() -> None:
    wanted = {"stage": "prod"}
    other = {"digest": {"sha256": OTHER.hex}, "annotations": wanted}
    for found in (simple_candidate(simple_payload(DIGEST, optional={"stage": "prod", "n": 1})), annotated_bundle(stage="prod", by="ci")):
        verdict = verify(found, annotations=wanted)
        assert verdict.accepted, verdict.reason
        assert verdict.facts()["annotations"]["stage"] == "prod"
    for found in (
        good_simple(),
        good_bundle(),
        simple_candidate(simple_payload(DIGEST, optional={"stage": "test"})),
        simple_candidate(simple_payload(DIGEST, optional={"stage": ["prod"]})),
        annotated_bundle(stage="Prod"),
        annotated_bundle(stage=True),
        bundle_candidate(MESSAGE),
        bundle_candidate(dsse_bundle(statement(DIGEST, subject=[other, {"digest": {"sha256": DIGEST.hex}}]))),
        bundle_candidate(dsse_bundle(statement(DIGEST, predicate={"annotations": wanted}))),
    ):
        verdict = verify(found, annotations=wanted)
        assert verdict.reason == "candidate: its annotation stage is not 'prod'"


def test_attestations_have_to_be_signed_by_the_same_rule() -> None:
    sbom = bundle_candidate(dsse_bundle(statement(DIGEST, SBOM)))
    foreign = bundle_candidate(dsse_bundle(statement(DIGEST, SBOM), make_key(number=1)))
    verdict = verify(sbom, good_simple(), attestations=(SBOM,))
    assert verdict.accepted
    assert verdict.facts()["attestations"] == [SBOM]
    assert verify(good_simple(), sbom, attestations=(SBOM,)).accepted
    for candidates in ([good_simple()], [good_simple(), foreign], [good_bundle(), bundle_candidate(dsse_bundle(statement(OTHER, SBOM)))]):
        assert verify(*candidates, attestations=(SBOM,)).reason == f"it has no accepted attestation of the type {SBOM}"
    assert not verify(sbom, attestations=(SBOM,)).accepted


def test_bundles_do_not_count_where_a_name_has_to_be_signed() -> None:
    assert "a bundle names no repository" in verify(good_bundle(), bundles=False).reason
    assert verify(good_simple(), bundles=False).accepted


def test_digests_of_other_algorithms_work() -> None:
    digest = Digest.of(MANIFEST, "sha512")
    subject = Subject(SUBJECT.reference, digest, MANIFEST)
    assert verify(simple_candidate(simple_payload(digest)), subject=subject).accepted
    assert verify(bundle_candidate(dsse_bundle(statement(digest))), subject=subject).accepted
    assert not verify(good_simple(), subject=subject).accepted


# Attestations of cosign 2, which are envelopes without a bundle.


def envelope(signed: t.Any, key: Key | None = None, **changes: t.Any) -> SignatureBytes:
    return candidate(json.dumps({**dsse_bundle(signed, key)["dsseEnvelope"], **changes}).encode(), ENVELOPE_TYPE)


SBOM_STATEMENT = statement(DIGEST, SBOM)
ENVELOPES: dict[str, tuple[SignatureBytes, str]] = {
    "another key": (envelope(SBOM_STATEMENT, make_key(number=1)), "no accepted key made it"),
    "another hash": (
        candidate(json.dumps(dsse_bundle(SBOM_STATEMENT, make_key("P-384"), hashes.SHA384())["dsseEnvelope"]).encode(), ENVELOPE_TYPE),
        "no accepted key made it",
    ),
    "another payload": (envelope(SBOM_STATEMENT, payload=encode(json.dumps(statement(DIGEST, "https://example.com")).encode())), "no accepted key"),
    "another type of payload": (envelope(SBOM_STATEMENT, payloadType="application/json"), "not an in-toto statement"),
    "no signature": (envelope(SBOM_STATEMENT, signatures=[]), "has 0 signatures instead of one"),
    "two signatures": (
        envelope(SBOM_STATEMENT, signatures=dsse_bundle(SBOM_STATEMENT)["dsseEnvelope"]["signatures"] * 2),
        "has 2 signatures instead of one",
    ),
    "a signature that is no base64": (envelope(SBOM_STATEMENT, signatures=[{"sig": "?"}]), "is not base64"),
    "a list": (candidate(b"[]", ENVELOPE_TYPE), "not a JSON object"),
    "a repeated key": (candidate(b'{"payload": "", "payload": ""}', ENVELOPE_TYPE), "a key occurs twice"),
    "a bundle": (candidate(json.dumps(dsse_bundle(SBOM_STATEMENT)).encode(), ENVELOPE_TYPE), "has no payloadType"),
    "another image": (envelope(statement(OTHER, SBOM)), "about other digests"),
    "a signature of the image": (envelope(statement(DIGEST)), "in the form of an attestation"),
}


@pytest.mark.parametrize("case", ENVELOPES)
def test_an_envelope_that_is_no_attestation_is_refused(case: str) -> None:
    found, reason = ENVELOPES[case]
    alone = verify_signatures(SUBJECT, [found], SignatureRule(keys=(make_key().public, make_key("P-384").public)))
    assert not alone.accepted
    assert reason in alone.reason
    assert verify(good_simple(), found, attestations=(SBOM,)).reason == f"it has no accepted attestation of the type {SBOM}"


def test_an_envelope_is_an_attestation_and_no_signature() -> None:
    good = envelope(SBOM_STATEMENT)
    assert verify(good_simple(), good, attestations=(SBOM,)).accepted
    assert not verify(good).accepted
    assert not verify(good_simple(), good, attestations=(SBOM,), bundles=False).accepted
