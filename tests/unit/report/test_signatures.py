# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The signatures on the page of a report."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.longshore.images.plugins.filter.report_page import report_page
from ansible_collections.longshore.images.plugins.plugin_utils.host_answers import HostAnswer
from ansible_collections.longshore.images.plugins.plugin_utils.report.signatures import Verdict, Verification, describe_referrers
from tests.support.answers import Row, answer, digest, engine_answer, engine_row, row, verification
from tests.support.pages import Element, read_page
from tests.support.signing import BUNDLE_TYPE, SIGNATURE_TYPE

APP = "docker.io/library/app:1"
WEB = "registry.example.com:5000/team/web:2"
KEY = "0123456789abcdef" * 4
TAG = f"sha256-{'0' * 64}"
SIGNED = verification(accepted=True, format="simple_signing", key=KEY, annotations={"stage": "prod"}, attestations=["spdx"])
KEYLESS = verification(accepted=True, format="bundle", issuer="https://idp.test", identity="release@example.com")
PERSON = "release@example.com of https://idp.test"
ALLOWED = verification(accepted=True, reason="the policy accepts anything here")
UNSIGNED = verification(error="unsigned", reason="it has no signature")
REFUSED = verification(error="untrusted", reason="no accepted key made it")
BROKEN = verification(error="missing_library", reason="Python has no cryptography")


def section(answers: dict[str, Row], engines: dict[str, list[Row]] | None = None) -> Element:
    return read_page(report_page(answers, engines=engines)).one(id="signatures")


def tables(found: Element) -> dict[str, list[list[str]]]:
    return {table.one("caption").text: table.table() for table in found.all("table")}


def short(word: str) -> str:
    return digest(word)[:19]


def referrer(tag: str | None, artifact_type: str | None = None) -> Row:
    return {"digest": digest("r"), "artifact_type": artifact_type, "subject": digest("s"), "size": 1, "tag": tag, "changed": False}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (SIGNED, Verification(Verdict.SIGNED, "", "key 0123456789ab", KEY, "simple signing, stage=prod, attestation spdx")),
        (KEYLESS, Verification(Verdict.SIGNED, "", PERSON, PERSON, "Sigstore bundle")),
        (ALLOWED, Verification(Verdict.ALLOWED, "the policy accepts anything here")),
        (UNSIGNED, Verification(Verdict.UNSIGNED, "it has no signature")),
        (REFUSED, Verification(Verdict.REFUSED, "no accepted key made it")),
        (BROKEN, Verification(Verdict.UNCHECKED, "Python has no cryptography")),
    ],
    ids=["key", "identity", "allowed", "unsigned", "refused", "failed"],
)
def test_a_verdict_says_who_signed_or_why_not(given: Row, expected: Verification) -> None:
    assert Verification.read(HostAnswer(given)) == expected


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], ""),
        ([referrer(f"{TAG}.sig"), referrer(f"{TAG}.sig")], "signature"),
        (
            [referrer(None, SIGNATURE_TYPE), referrer(None, BUNDLE_TYPE), referrer(f"{TAG}.att"), referrer(f"{TAG}.sbom")],
            "SBOM, Sigstore bundle, attestation, signature",
        ),
        ([referrer(None, "application/vnd.cncf.notary.signature"), referrer(None, "application/spdx+json")], "Notation signature, SBOM"),
        ([referrer(TAG, "a/b"), referrer(None), referrer(f"{TAG}.sig")], "signature, other content"),
    ],
    ids=["none", "tag", "each form", "others", "unknown"],
)
def test_referrers_are_described_by_kind(rows: list[Row], expected: str) -> None:
    assert describe_referrers(map(HostAnswer, rows)) == expected


def test_the_verdicts_of_a_policy_are_shown_with_who_signed_and_why_not() -> None:
    named = {APP: SIGNED, "b": ALLOWED, "c": BROKEN}
    bare = row(WEB, verification=UNSIGNED, referrers=[referrer(f"{TAG}.sbom")])
    one = answer(bare, *(row(name, verification=found) for name, found in named.items()), row(None, text="old", verification=REFUSED))
    two = answer(row(APP, verification=SIGNED), row(WEB, verification=REFUSED))
    page = read_page(report_page({"one": one, "two": two, "gone": {"unreachable": True, "msg": "No route"}}))
    found = page.one(id="signatures")
    assert tables(found) == {
        "What the policy refuses": [
            [WEB, "refused", short(WEB), "no accepted key made it", "two"],
            [WEB, "unsigned", short(WEB), "it has no signature", "one"],
        ],
        "What could not be checked": [["c", short("c"), "Python has no cryptography", "one"]],
        "Who signed what": [[APP, short(APP), "key 0123456789ab simple signing, stage=prod, attestation spdx", "one, two"]],
        "What the policy accepts unsigned": [["b", short("b"), "the policy accepts anything here", "one"]],
    }
    assert [span.text for span in found.all("span", title=KEY)] == ["key 0123456789ab"]
    assert [svg.attributes["aria-label"] for svg in found.all("svg", role="img")] == [
        "one: 1 signed, 1 needs no signature, 1 unsigned, 1 not checked",
        "two: 1 signed, 1 refused",
    ]
    assert "1 image that the policy refuses" in [tile.text for tile in page.one("ul", **{"class": "tiles"}).all("li")]


def test_an_image_without_its_signatures_is_not_refused() -> None:
    page = read_page(report_page({"one": answer(row(APP, verification=UNSIGNED)), "two": answer(row(APP, verification=SIGNED))}))
    found = page.one(id="signatures")
    ((name, fetched, why, on),) = tables(found)["Images whose signatures were not fetched"]
    assert (name, fetched, on) == (APP, short(APP), "one")
    assert "preload_referrers" in why
    assert "The policy refuses no image." in found.text
    assert "0 images that the policy refuses" in page.one("ul", **{"class": "tiles"}).text
    assert [svg.attributes["aria-label"] for svg in found.all("svg", role="img")] == ["one: 1 signatures not fetched", "two: 1 signed"]


def test_the_verdict_of_a_gate_lists_what_exceeds_its_limits() -> None:
    reason = "attestation vuln: 1 critical (at most 0): CVE-2026-1001"
    gated = row(APP, verification=verification(error="untrusted", reason=reason), referrers=[referrer(f"{TAG}.sig"), referrer(f"{TAG}.att")])
    found = tables(section({"one": answer(gated)}))
    assert found["What the policy refuses"] == [[APP, "refused", short(APP), reason, "one"]]


def test_a_policy_that_refuses_nothing_says_so() -> None:
    page = read_page(report_page({"one": answer(row(APP, verification=SIGNED))}))
    assert "The policy refuses no image." in page.one(id="signatures").text
    assert "0 images that the policy refuses" in page.one("ul", **{"class": "tiles"}).text


def test_an_image_of_an_engine_has_the_verdict_about_the_same_image_in_the_store_of_its_host() -> None:
    index = row(APP, manifests=[{"digest": digest("child")}], verification=SIGNED)
    stores = {"one": answer(index, row(WEB, verification=SIGNED)), "two": answer(row(WEB, verification=UNSIGNED, referrers=[referrer(None)]))}
    docker = engine_answer("docker", engine_row(APP, verification=UNSIGNED), engine_row(WEB, text="moved", verification=UNSIGNED))
    podman = engine_answer("podman", engine_row(APP, text="child", digest=digest("child"), verification=UNSIGNED))
    other = engine_answer("docker", *(engine_row(name, verification=UNSIGNED) for name in (APP, WEB)), engine_row("b", verification=REFUSED))
    found = tables(section(stores, {"one": [docker, podman], "two": [other]}))
    assert [(line[0], line[-1]) for line in found["Who signed what"]] == [(APP, "one (store, docker, podman)"), (WEB, "one")]
    assert [(line[0], line[-1]) for line in found["What the policy refuses"]] == [("b", "two (docker)"), (WEB, "two")]
    unchecked = found["What could not be checked"]
    assert sorted((line[0], line[-1]) for line in unchecked) == [(APP, "two (docker)"), (WEB, "one (docker)"), (WEB, "two (docker)")]
    assert {line[2] for line in unchecked} == {
        "an engine holds no signatures, and the store of this host doesn't have this image with an accepted one"
    }


def test_without_a_policy_the_page_shows_what_images_carry_and_that_it_is_not_checked() -> None:
    signed = row(APP, referrers=[referrer(f"{TAG}.sig")])
    found = section({"one": answer(signed, row(WEB)), "two": answer(row(APP))}, {"one": [engine_answer("docker", engine_row(WEB))]})
    assert found.text.startswith("Signatures Not checked: the report has no trust policy.")
    assert tables(found) == {
        "Signatures and attestations, not checked": [[APP, short(APP), "signature", "one"]],
        "Images without signatures and attestations": [[APP, short(APP), "nothing", "two"], [WEB, short(WEB), "nothing", "one"]],
    }
    assert found.one("summary").text == "2 images without any"


def test_without_a_policy_and_without_signatures_one_sentence_is_enough() -> None:
    found = section({"one": answer(row(APP))})
    assert found.all("table") == []
    assert "No stored image has a signature or an attestation with it." in found.text


def test_a_host_without_a_policy_is_not_checked() -> None:
    found = tables(section({"one": answer(row(APP, verification=SIGNED)), "two": answer(row(APP))}))
    assert found["What could not be checked"] == [[APP, short(APP), "the report has no policy for this host", "two"]]


def test_text_of_a_signer_is_no_markup() -> None:
    evil: dict[str, t.Any] = {"identity": "<b>i", "issuer": "<i>{{ 1 }}", "annotations": {"<u>": "\x1b[2J"}}
    found = section({"one": answer(row(APP, verification={**KEYLESS, **evil}))})
    assert found.all("b") == found.all("i") == found.all("u") == []
    assert "<b>i of <i>{{ 1 }} Sigstore bundle, <u>= [2J" in found.text
