# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a refusal says: the image, the platform, the signatures that were seen, their makers, the rule, and a word for the failed check."""

from __future__ import annotations

import base64
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import LongshoreError
from ansible_collections.longshore.images.plugins.module_utils.oci.graph import read_graph
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.oci.referrers import referrers_tag
from ansible_collections.longshore.images.plugins.module_utils.places.verification import check_trust, describe_trust
from ansible_collections.longshore.images.plugins.module_utils.store.referrers import referrers_in_store
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from ansible_collections.longshore.images.plugins.module_utils.trust.rules import RuleOptions, read_rules
from ansible_collections.longshore.images.plugins.module_utils.trust.verification import SignatureBytes
from tests.support.images import list_in_index, make_image
from tests.support.trust import (
    NAME,
    REPOSITORY,
    bundle_candidate,
    dsse_bundle,
    make_key,
    make_simple_signature,
    make_subject,
    simple_candidate,
    simple_payload,
    statement,
)

SUBJECT = make_subject()
DIGEST = SUBJECT.digest
OTHER = make_key(number=1)
SIGNED = simple_candidate(simple_payload(DIGEST))
KEY, OTHER_KEY = (f"key {key.public.fingerprint}" for key in (make_key(), OTHER))


def hinted() -> SignatureBytes:
    """Return a bundle by another key, with the hint that cosign writes."""
    hint = base64.b64encode(bytes.fromhex(OTHER.public.fingerprint)).decode()
    return bundle_candidate({**dsse_bundle(statement(DIGEST), OTHER), "verificationMaterial": {"publicKey": {"hint": hint}}})


def signed(**options: t.Any) -> RuleOptions:
    return RuleOptions(**{"scope": "registry.test", "keys": (make_key().pem,), **options})


OTHER_REPOSITORY = simple_candidate(simple_payload(DIGEST, "registry.test/other"))
CASES: dict[str, tuple[RuleOptions, list[SignatureBytes], str, list[str]]] = {
    "nothing": (signed(), [], "no_signature", []),
    "another key": (signed(), [simple_candidate(simple_payload(DIGEST), OTHER)], "other_signer", ["another key"]),
    "another key with a hint": (signed(), [hinted()], "other_signer", [f"another key that calls itself {OTHER.public.fingerprint}"]),
    "another repository": (signed(), [OTHER_REPOSITORY], "other_repository", [KEY]),
    "another image": (signed(), [simple_candidate(simple_payload(make_subject(text="x").digest))], "other_digest", [KEY]),
    "other annotations": (signed(annotations={"stage": "prod"}), [SIGNED], "other_annotations", [KEY]),
    "an SBOM": (signed(), [bundle_candidate(dsse_bundle(statement(DIGEST, "https://spdx.dev/Document")))], "other_purpose", [KEY]),
    "damaged": (signed(), [SignatureBytes("candidate", problem="its bytes are missing")], "unreadable", []),
    "malformed": (signed(), [simple_candidate(b"{}")], "malformed", [KEY]),
    "no attestation": (signed(attestations=("vuln",)), [SIGNED], "attestation", [KEY]),
    "no scan": (signed(attestations=({"type": "vuln", "at_most": {"high": 0}},)), [SIGNED], "attestation", [KEY]),
    "several": (signed(), [hinted(), OTHER_REPOSITORY], "other_repository", [f"another key that calls itself {OTHER.public.fingerprint}", KEY]),
    "accept nothing": (RuleOptions("registry.test", accept="nothing"), [], "refused_by_rule", []),
    "no rule": (RuleOptions("other.test", accept="anything"), [], "no_rule", []),
}


@pytest.mark.parametrize("case", CASES)
def test_a_refusal_says_what_was_seen_and_which_rule_decided(case: str) -> None:
    rule, candidates, check, signers = CASES[case]
    verdict = read_rules([rule]).verify(SUBJECT, lambda: candidates)
    facts = verdict.facts()
    scope = None if check == "no_rule" else "registry.test"
    assert (facts["accepted"], facts["check"], facts["rule"]) == (False, check, scope)
    assert (facts["candidates"], facts["signers"]) == (len(candidates), signers)
    error = verdict.error(NAME)
    assert error is not None
    assert error.message.startswith(f"{NAME} is not ")
    assert all(signer in error.message for signer in signers)
    assert ("the rule for 'registry.test' decided" in error.message) == (scope is not None)
    assert (f"{len(candidates)} signature" in error.message) == bool(candidates)


def test_many_signers_make_no_long_message() -> None:
    hints = [base64.b64encode(bytes([number]) * 32).decode() for number in range(40)]
    bundles = [{**dsse_bundle(statement(DIGEST), OTHER), "verificationMaterial": {"publicKey": {"hint": hint}}} for hint in hints]
    verdict = read_rules([signed(scope="")]).verify(SUBJECT, lambda: [bundle_candidate(bundle) for bundle in bundles])
    error = verdict.error(NAME)
    assert error is not None
    assert "40 signatures or attestations were seen" in error.message
    assert "and others; the rule for all images decided" in error.message
    assert len(error.message) < 1000
    assert len(verdict.facts()["signers"]) == 20


@pytest.mark.parametrize("hint", ["", "any", "YQ==", "\u00e9", "*" * 44])
def test_a_hint_that_is_no_fingerprint_is_left_out(hint: str) -> None:
    bundle = {**dsse_bundle(statement(DIGEST), OTHER), "verificationMaterial": {"publicKey": {"hint": hint}}}
    assert read_rules([signed()]).verify(SUBJECT, lambda: [bundle_candidate(bundle)]).signers == ("another key",)


@pytest.mark.parametrize(
    ("signatures", "accepted", "refused"),
    [
        ((), (), "linux/amd64"),
        (("amd64",), ("linux/amd64",), "linux/arm64"),
        (("arm64",), ("linux/arm64",), "linux/amd64"),
        (("amd64", "arm64"), ("linux/amd64", "linux/arm64"), None),
        (("index",), ("linux/amd64", "linux/arm64"), None),
        (("-amd64",), (), "linux/amd64"),
    ],
)
def test_a_verdict_about_an_index_answers_per_platform(
    signatures: tuple[str, ...], accepted: tuple[str, ...], refused: str | None, tmp_path: Path
) -> None:
    images = {arch: make_image(arch, platform=f"linux/{arch}") for arch in ("amd64", "arm64")}
    index = list_in_index(*images.values())
    store = Store(str(tmp_path / "store"))
    for name in signatures:  # a minus means another key
        root = {**images, "index": index}[name.strip("-")].root
        key = OTHER if name.startswith("-") else make_key()
        make_simple_signature(root, key, REPOSITORY).put(store, f"{REPOSITORY}:{referrers_tag(root.digest)}.sig")
    store.reload()
    graph = read_graph(index.root, NAME, lambda descriptor: index.content[descriptor.digest])
    assert graph is not None
    policy, places = read_rules([signed()]), [referrers_in_store(store, REPOSITORY)]
    found = describe_trust(policy, Reference.parse(NAME), graph, places)
    assert found is not None
    assert (found["accepted"], found["platform"]) == (refused is None, refused)
    assert [row["platform"] for row in found["platforms"]] == ["linux/amd64", "linux/arm64"]
    assert tuple(row["platform"] for row in found["platforms"] if row["accepted"]) == accepted
    assert {row["image"] for row in found["platforms"]} == {str(image.root.digest) for image in images.values()}
    assert all((row["error"] is None) == (row["check"] is None) == row["accepted"] for row in found["platforms"])
    if refused is not None:
        with pytest.raises(LongshoreError) as error:
            check_trust(policy, Reference.parse(NAME), graph, places)
        assert error.value.message.startswith(NAME)
        assert not signatures or f"its image for {refused}" in error.value.message
