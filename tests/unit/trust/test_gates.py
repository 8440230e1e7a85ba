# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about the content of attestations: scans for vulnerabilities, exceptions, OpenVEX, provenance, and ages."""

from __future__ import annotations

import datetime
import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidTrust
from ansible_collections.longshore.images.plugins.module_utils.limits import MAX_CANDIDATE, MAX_CANDIDATES
from ansible_collections.longshore.images.plugins.module_utils.trust.bundle import BUNDLE_TYPE
from ansible_collections.longshore.images.plugins.module_utils.trust.rules import RuleOptions, read_rules
from ansible_collections.longshore.images.plugins.module_utils.trust.statement import PREDICATE_TYPES
from ansible_collections.longshore.images.plugins.module_utils.trust.verdict import Verdict
from ansible_collections.longshore.images.plugins.module_utils.trust.verification import SignatureBytes
from tests.support.trust import Members, bundle_candidate, dsse_bundle, make_key, make_subject, simple_candidate, simple_payload, statement

SUBJECT = make_subject()
DIGEST = SUBJECT.digest
PURL = f"pkg:oci/app@{str(DIGEST).replace(':', '%3A')}?repository_url=registry.test/team/app"
NOW = datetime.datetime(2026, 12, 1, 12, tzinfo=datetime.timezone.utc)
VULN = PREDICATE_TYPES["vuln"]
CYCLONEDX = PREDICATE_TYPES["cyclonedx"]
SLSA_1, SLSA_02 = PREDICATE_TYPES["slsaprovenance1"], PREDICATE_TYPES["slsaprovenance02"]
SARIF = "https://example.com/sarif"
STRICT = {"type": "vuln", "at_most": {"critical": 0, "high": 1}}
GENERATOR = "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/generator_container_slsa3.yml@refs/tags/v1.9.0"


def attest(predicate: t.Any, predicate_type: str = VULN, number: int = 0) -> SignatureBytes:
    return bundle_candidate(dsse_bundle(statement(DIGEST, predicate_type, predicate=predicate), make_key(number=number) if number else make_key()))


def verify(rule: t.Any, *attestations: SignatureBytes, now: datetime.datetime = NOW) -> Verdict:
    """Verify a signed image that has ATTESTATIONS with a rule that demands one attestation."""
    signature = simple_candidate(simple_payload(DIGEST))
    options = RuleOptions("", keys=(make_key().pem,), attestations=(rule,))
    return read_rules([options], now).verify(SUBJECT, lambda: [signature, *attestations])


# Reports of scanners.


def trivy(*severities: str, **changes: t.Any) -> Members:
    rows = [
        {
            "VulnerabilityID": f"CVE-2026-{1000 + number}",
            "PkgName": "openssl",
            "Severity": severity,
            "PkgIdentifier": {"PURL": "pkg:deb/debian/openssl@3.0.15?arch=amd64"},
        }
        for number, severity in enumerate(severities)
    ]
    return {
        "SchemaVersion": 2,
        "ArtifactName": "app",
        "CreatedAt": "2026-12-01T09:00:00.123456789Z",
        "Results": [{"Vulnerabilities": rows}],
        **changes,
    }


def grype(*severities: str, **changes: t.Any) -> Members:
    matches = [
        {
            "vulnerability": {"id": f"GHSA-aaaa-bbbb-cc{number:02}", "severity": severity},
            "relatedVulnerabilities": [{"id": f"CVE-2026-{1000 + number}"}],
            "artifact": {"name": "openssl", "purl": "pkg:deb/debian/openssl@3.0.15"},
        }
        for number, severity in enumerate(severities)
    ]
    return {"matches": matches, "descriptor": {"name": "grype", "timestamp": "2026-12-01T09:00:00Z"}, **changes}


def sarif(*scores: str | None, invocation: t.Any = None, **changes: t.Any) -> Members:
    names = [f"CVE-2026-{1000 + number}-openssl" for number in range(len(scores))]
    rules = [{"id": name, "properties": {"security-severity": score} if score is not None else {}} for name, score in zip(names, scores)]
    run = {
        "tool": {"driver": {"name": "scanner", "rules": rules}},
        "results": [{"ruleId": name} for name in names],
        "invocations": [invocation or {"executionSuccessful": True, "endTimeUtc": "2026-12-01T09:00:00Z"}],
    }
    return {"version": "2.1.0", "runs": [{**run, **changes}]}


def cyclonedx(*severities: str, **changes: t.Any) -> Members:
    entries = [
        {
            "id": f"CVE-2026-{1000 + number}",
            "ratings": [{"severity": "low"}, {"severity": severity}],
            "affects": [{"ref": "pkg:deb/debian/openssl@3.0.15"}],
        }
        for number, severity in enumerate(severities)
    ]
    return {"bomFormat": "CycloneDX", "metadata": {"timestamp": "2026-12-01T09:00:00Z"}, "vulnerabilities": entries, **changes}


def scan(result: t.Any, finished: str | None = "2026-12-01T10:00:00Z") -> Members:
    return {"scanner": {"uri": "pkg:github/example/scanner", "result": result}, "metadata": {"scanFinishedOn": finished}}


FORMATS: dict[str, t.Callable[[str, str], t.Any]] = {
    "Trivy in cosign's predicate": lambda first, second: scan(trivy(first.upper(), second.upper())),
    "Grype in cosign's predicate": lambda first, second: scan(grype(first.title(), second.title())),
    "SARIF in cosign's predicate": lambda first, second: scan(sarif(*({"critical": "9.8", "high": "7.0"}[word] for word in (first, second)))),
    "CycloneDX in cosign's predicate": lambda first, second: scan(cyclonedx(first, second)),
    "Trivy": trivy,
    "Grype": grype,
    "SARIF": lambda first, second: sarif(*({"critical": "10.0", "high": "8.9"}[word] for word in (first, second))),
    "CycloneDX": cyclonedx,
}


@pytest.mark.parametrize("form", FORMATS)
def test_vulnerabilities_are_counted_by_severity(form: str) -> None:
    found = attest(FORMATS[form]("critical", "high"), SARIF)
    for limits, accepted in (({"critical": 1, "high": 1}, True), ({"critical": 0, "high": 1}, False), ({"critical": 1, "high": 0}, False)):
        verdict = verify({"type": SARIF, "at_most": limits, "max_age": "1d"}, found)
        assert verdict.accepted is accepted, verdict.reason
        assert accepted or "too many vulnerabilities" in verdict.reason
    assert verify({"type": SARIF, "at_most": {"critical": 1, "high": 1}}, found).attestations == (SARIF,)


def test_the_refusal_lists_a_few_of_the_vulnerabilities() -> None:
    verdict = verify(STRICT, attest(scan(trivy(*["CRITICAL"] * 8, "LOW"))))
    assert "8 critical (at most 0): CVE-2026-1000 in pkg:deb/debian/openssl@3.0.15?arch=amd64, CVE-2026-1001" in verdict.reason
    assert "and 3 more" in verdict.reason
    assert len(verdict.reason) < 1000


@pytest.mark.parametrize(
    ("limits", "severities", "accepted"),
    [
        ({"high": 2}, ["HIGH", "HIGH", "LOW"], True),
        ({"high": 2}, ["CRITICAL"], False),
        ({"low": 0}, ["NEGLIGIBLE"], True),
        ({"low": 0}, ["MEDIUM"], False),
        ({"critical": 0}, ["UNKNOWN"], False),
        ({"critical": 0}, [""], False),
        ({"critical": 0, "unknown": "1"}, ["UNKNOWN", "HIGH"], True),
        ({"unknown": 1}, ["UNKNOWN", "CRITICAL"], True),
        ({"negligible": 9}, ["HIGH"], False),
    ],
)
def test_what_is_worse_than_a_listed_severity_must_not_occur(limits: Members, severities: list[str], accepted: bool) -> None:
    assert verify({"type": "vuln", "at_most": limits}, attest(scan(trivy(*severities)))).accepted is accepted


def test_the_newest_scan_decides() -> None:
    def clean(day: int) -> SignatureBytes:
        return attest(scan(trivy(), f"2026-11-{day}T00:00:00Z"))

    def bad(day: int) -> SignatureBytes:
        return attest(scan(trivy("CRITICAL"), f"2026-11-{day}T00:00:00Z"))

    assert verify(STRICT, clean(20), bad(10)).accepted
    assert not verify(STRICT, clean(10), bad(20)).accepted
    assert not verify(STRICT, bad(20), clean(20)).accepted
    assert not verify(STRICT, clean(20), attest(scan(trivy("CRITICAL"), None))).accepted
    assert verify(STRICT, clean(20), attest(scan(trivy("CRITICAL")), number=1)).accepted  # by another key
    assert "no accepted attestation" in verify(STRICT).reason


def test_an_attestation_that_is_too_long_to_be_read_refuses() -> None:
    clean = attest(scan(trivy()))
    long = bundle_candidate(b" " * (MAX_CANDIDATE + 1))
    lost = SignatureBytes("the referrer", BUNDLE_TYPE, problem="it has a blob of 2000000 bytes")
    for unread in (long, lost):
        verdict = verify(STRICT, clean, unread)
        assert "may be newer" in verdict.reason
        assert verify("vuln", clean, unread).accepted
    assert verify(STRICT, clean, SignatureBytes("an SBOM", "application/spdx+json", problem="it has a blob of 2000000 bytes")).accepted


def test_more_attestations_than_are_read_refuse() -> None:
    assert "delete old ones" in verify(STRICT, *[attest(scan(trivy()))] * MAX_CANDIDATES).reason


@pytest.mark.parametrize(
    ("kind", "predicate"),
    [
        ("vuln", scan(trivy(), "2026-12-01T10:00:00Z")),
        ("slsaprovenance1", {"runDetails": {"builder": {"id": "b"}, "metadata": {"finishedOn": "2026-12-01T10:00:00Z"}}}),
        ("slsaprovenance02", {"builder": {"id": "b"}, "metadata": {"buildFinishedOn": "2026-12-01T10:00:00Z"}}),
        ("spdx", {"creationInfo": {"created": "2026-12-01T10:00:00Z"}}),
        ("cyclonedx", {"metadata": {"timestamp": "2026-12-01T10:00:00Z"}}),
        ("openvex", {"timestamp": "2026-12-01T10:00:00Z"}),
    ],
)
def test_ages_end_at_the_time_of_the_check(kind: str, predicate: t.Any) -> None:
    found = attest(predicate, PREDICATE_TYPES[kind])
    assert verify({"type": kind, "max_age": "2h"}, found).accepted
    assert "older than max_age" in verify({"type": kind, "max_age": "1h"}, found).reason
    assert "in the future" in verify({"type": kind, "max_age": "1h"}, found, now=NOW - datetime.timedelta(hours=3)).reason
    assert (
        "max_age asks for" in verify({"type": kind, "max_age": "1h"}, attest({"runDetails": {"builder": {"id": "b"}}}, PREDICATE_TYPES[kind])).reason
        or kind == "vuln"
    )


# Exceptions.


@pytest.mark.parametrize(("expires", "accepted"), [("2026-12-01", True), ("2027-01-01", True), ("2026-11-30", False)])
def test_an_exception_counts_until_its_last_day(expires: str, accepted: bool) -> None:
    rule = {**STRICT, "except": [{"id": "cve-2026-1000", "reason": "not reachable", "expires": expires}]}
    for report in (trivy("CRITICAL"), grype("Critical"), sarif("9.9"), cyclonedx("critical")):
        verdict = verify(rule, attest(scan(report)))
        assert verdict.accepted is accepted
        assert accepted or "the exception for CVE-2026-1000 ended on 2026-11-30" in verdict.reason


def vex(status: str = "not_affected", **changes: t.Any) -> Members:
    claim = {
        "vulnerability": {"name": "CVE-2026-1000"},
        "products": [{"@id": PURL}],
        "status": status,
        "justification": "vulnerable_code_not_present",
        **changes,
    }
    return {"@context": "https://openvex.dev/ns/v0.2.0", "timestamp": "2026-11-20T00:00:00Z", "statements": [claim]}


def verify_vex(*documents: t.Any, **options: t.Any) -> Verdict:
    attestations = [attest(document, "https://openvex.dev/ns/v0.2.0") for document in documents]
    return verify({**STRICT, "vex": True, **options}, attest(scan(trivy("CRITICAL"))), *attestations)


EXEMPT: dict[str, Members] = {
    "a product with the digest": vex(),
    "no product": vex(products=None),
    "a product by its hash": vex(products=[{"@id": "app", "hashes": {"sha-256": DIGEST.hex}}]),
    "an old document": vex(vulnerability="CVE-2026-1000", products=[PURL]),
    "an alias": vex(vulnerability={"name": "GHSA-aaaa-bbbb-cccc", "aliases": ["CVE-2026-1000"]}),
    "a package": vex(products=[{"@id": PURL, "subcomponents": [{"@id": "pkg:deb/debian/openssl@3.0.15"}]}]),
    "a package of any version": vex(products=[{"@id": PURL, "subcomponents": [{"@id": "pkg:deb/debian/openssl"}]}]),
}
NOT_EXEMPT: dict[str, Members] = {
    "affected": vex("affected"),
    "fixed": vex("fixed"),
    "under investigation": vex("under_investigation"),
    "another vulnerability": vex(vulnerability={"name": "CVE-2026-1001"}),
    "another image": vex(products=[{"@id": f"pkg:oci/app@sha256%3A{'b' * 64}"}]),
    "a product without a digest": vex(products=[{"@id": "pkg:oci/app"}]),
    "a longer digest": vex(products=[{"@id": f"pkg:oci/app@{DIGEST}0"}]),
    "another package": vex(products=[{"@id": PURL, "subcomponents": [{"@id": "pkg:deb/debian/curl@3.0.15"}]}]),
    "another version": vex(products=[{"@id": PURL, "subcomponents": [{"@id": "pkg:deb/debian/openssl@3.0.1"}]}]),
    "no justification": vex(justification=None),
    "an unknown status": vex("harmless"),
    "no timestamp": {**vex(), "timestamp": None},
    "a time in the future": {**vex(), "timestamp": "2027-01-01T00:00:00Z"},
    "another format": {**vex(), "@context": "https://example.com"},
    "a list": t.cast(Members, [vex()]),
}


@pytest.mark.parametrize("case", EXEMPT)
def test_openvex_exempts_what_does_not_affect_the_image(case: str) -> None:
    verdict = verify_vex(EXEMPT[case])
    assert verdict.accepted, verdict.reason
    assert not verify_vex(EXEMPT[case], vex=False).accepted


@pytest.mark.parametrize("case", NOT_EXEMPT)
def test_openvex_exempts_nothing_else(case: str) -> None:
    assert not verify_vex(NOT_EXEMPT[case]).accepted


def test_the_newest_claim_about_a_vulnerability_decides() -> None:
    newer = {"timestamp": "2026-11-21T00:00:00Z"}
    assert not verify_vex(vex(), vex("affected", **newer)).accepted
    assert not verify_vex(vex(), vex("affected")).accepted
    assert verify_vex(vex("under_investigation"), vex(**newer)).accepted


# Provenance.


def provenance_1(builder: str = GENERATOR, **parameters: t.Any) -> Members:
    return {"buildDefinition": {"externalParameters": parameters}, "runDetails": {"builder": {"id": builder}}}


def provenance_02(builder: str = GENERATOR, uri: t.Any = "git+https://github.com/example/app@refs/heads/main") -> Members:
    return {"builder": {"id": builder}, "invocation": {"configSource": {"uri": uri}}}


SOURCE = "https://github.com/example/app"
PROVENANCE: dict[str, tuple[Members, str, Members, str | None]] = {
    "exact builder": ({"builder": GENERATOR}, SLSA_1, provenance_1(), None),
    "builder of any version": ({"builder": GENERATOR.partition("@")[0]}, SLSA_02, provenance_02(), None),
    "builder with a longer name": ({"builder": GENERATOR[:-10]}, SLSA_1, provenance_1(), "it was built by"),
    "other builder": ({"builder": "https://example.com/ci"}, SLSA_1, provenance_1(), "it was built by"),
    "source, version 0.2": ({"source": SOURCE}, SLSA_02, provenance_02(), None),
    "source with its revision": ({"source": f"{SOURCE}@refs/heads/main"}, SLSA_02, provenance_02(), None),
    "source with another revision": ({"source": f"{SOURCE}@refs/heads/other"}, SLSA_02, provenance_02(), "it was built from"),
    "source of GitHub": ({"source": SOURCE}, SLSA_1, provenance_1(workflow={"repository": SOURCE, "ref": "refs/tags/v1"}), None),
    "source of BuildKit": ({"source": SOURCE}, SLSA_1, provenance_1(configSource={"uri": f"{SOURCE}.git#main"}), None),
    "source of the generator": ({"source": SOURCE}, SLSA_1, provenance_1(source={"uri": f"git+{SOURCE}@refs/heads/main"}), None),
    "two sources": ({"source": SOURCE}, SLSA_1, provenance_1(source=SOURCE, workflow={"repository": "https://example.com/x"}), "it was built from"),
    "source as a prefix": ({"source": "https://github.com/example/ap"}, SLSA_02, provenance_02(), "it was built from"),
    "source with a user": ({"source": SOURCE}, SLSA_02, provenance_02(uri="git+https://github.com@evil.test/example/app"), "it was built from"),
    "no source": ({"source": SOURCE}, SLSA_1, provenance_1(), "names no source"),
    "source of another type": ({"source": SOURCE}, SLSA_02, provenance_02(uri=5), "uri is not a string"),
    "known level": ({"level": 3}, SLSA_1, provenance_1(), None),
    "level of any builder": ({"level": 1}, SLSA_1, provenance_1("https://example.com/ci"), None),
    "unknown level": ({"level": 2}, SLSA_1, provenance_1("https://example.com/ci"), "not known to reach level 2"),
    "too low level": ({"level": 3}, SLSA_1, provenance_1("https://github.com/actions/runner/github-hosted"), "only level 2"),
    "level by a path": ({"level": 3}, SLSA_1, provenance_1(f"https://evil.test/{GENERATOR}"), "not known to reach level 3"),
    "no builder": ({"builder": GENERATOR}, SLSA_1, {"runDetails": {}}, "has no builder"),
    "the other version": ({"builder": GENERATOR}, SLSA_1, provenance_02(), "has no runDetails"),
}


@pytest.mark.parametrize("case", PROVENANCE)
def test_provenance_has_the_demanded_builder_source_and_level(case: str) -> None:
    options, kind, predicate, problem = PROVENANCE[case]
    verdict = verify({"type": kind, **options}, attest(predicate, kind))
    assert verdict.accepted is (problem is None), verdict.reason
    assert problem is None or problem in verdict.reason


def test_one_provenance_that_fits_is_enough() -> None:
    good, other = attest(provenance_1(), SLSA_1), attest(provenance_1("https://example.com/ci"), SLSA_1)
    for order in ([good, other], [other, good]):
        assert verify({"type": "slsaprovenance1", "builder": GENERATOR}, *order).accepted


# Hostile and damaged content, signed by an accepted key.

DEEP: t.Any = []
for _level in range(80):
    DEEP = [DEEP]

HOSTILE: dict[str, tuple[t.Any, str]] = {
    "null": (None, "not an object"),
    "a text": ("clean", "not an object"),
    "a list": ([], "not an object"),
    "an empty object": ({}, "no result of a vulnerability scan"),
    "only a scanner": ({"scanner": {}}, "has no result"),
    "a scanner that is a text": ({"scanner": "trivy"}, "scanner is not an object"),
    "a result that is a text": (scan("no vulnerabilities"), "result is not an object"),
    "a result that is a list": (scan([]), "result is not an object"),
    "an empty result": (scan({}), "no result of a vulnerability scan"),
    "a result of another scanner": (scan({"vulnerabilities": []}), "no result of a vulnerability scan"),
    "deep nesting": (scan({"matches": DEEP}), "nested more than"),
    "metadata that is a list": ({**scan(trivy()), "metadata": []}, "metadata is not an object"),
    "a time that is a number": (scan(trivy(), t.cast(str, 20261201)), "scanFinishedOn is not a string"),
    "a time that is none": (scan(trivy(), "yesterday"), "is not a time"),
    "a time in the future": (scan(trivy(), "2036-12-01T10:00:00Z"), "in the future"),
    "a time without a year": (scan(trivy(), "0000-00-00T00:00:00Z"), "is not a time"),
    "a time at the end of time": (scan(trivy(), "9999-12-31T23:59:59-23:59"), "in the future"),
    "Trivy of schema 1": (scan(trivy(SchemaVersion=1)), "schema version 2"),
    "Trivy with a text as its schema": (scan(trivy(SchemaVersion="2")), "not a whole number"),
    "Trivy without an artifact": (scan(trivy(ArtifactName=None)), "schema version 2"),
    "Trivy with a text as results": (scan(trivy(Results="none")), "Results is not a list"),
    "Trivy with a number as a result": (scan(trivy(Results=[1])), "is not an object"),
    "Trivy with a text as vulnerabilities": (scan(trivy(Results=[{"Vulnerabilities": "none"}])), "Vulnerabilities is not a list"),
    "Trivy with an unnamed vulnerability": (scan(trivy(Results=[{"Vulnerabilities": [{"Severity": "LOW"}]}])), "has no VulnerabilityID"),
    "Trivy with a bool as severity": (
        scan(trivy(Results=[{"Vulnerabilities": [{"VulnerabilityID": "CVE-1", "Severity": False}]}])),
        "Severity is not a string",
    ),
    "an invented severity": (scan(trivy("HARMLESS")), "'harmless' is not one of"),
    "a severity with spaces": (scan(trivy(" LOW ")), "is not one of"),
    "a severity in other letters": (scan(trivy("L\u041eW")), "is not one of"),
    "a severity with a control character": (scan(trivy("LOW\u0000")), "is not one of"),
    "a very long severity": (scan(trivy("L" * 100_000)), "is not one of"),
    "an empty name": (scan(trivy(Results=[{"Vulnerabilities": [{"VulnerabilityID": ""}]}])), "not the name of a vulnerability"),
    "a very long name": (scan(trivy(Results=[{"Vulnerabilities": [{"VulnerabilityID": "C" * 9999}]}])), "not the name of a vulnerability"),
    "a name that moves the cursor": (scan(trivy(Results=[{"Vulnerabilities": [{"VulnerabilityID": "\u001b[2J"}]}])), "not the name of"),
    "a package that is a list": (scan(trivy(Results=[{"Vulnerabilities": [{"VulnerabilityID": "C", "PkgIdentifier": []}]}])), "not an object"),
    "many vulnerabilities": (scan(trivy(*["CRITICAL"] * 2000)), "2000 critical"),
    "Grype without a package": (scan(grype(matches=[{"vulnerability": {"id": "C", "severity": "Low"}}])), "has no artifact"),
    "Grype without a vulnerability": (scan(grype(matches=[{"artifact": {}}])), "has no vulnerability"),
    "Grype with an object as matches": (scan(grype(matches={"a": 1})), "matches is not a list"),
    "Grype with a number as severity": (scan(grype(matches=[{"vulnerability": {"id": "C", "severity": 1}, "artifact": {}}])), "not a string"),
    "Grype with a bad relation": (
        scan(grype(matches=[{"vulnerability": {"id": "C"}, "artifact": {}, "relatedVulnerabilities": [{}]}])),
        "has no id",
    ),
    "SARIF of version 2.0": (scan({**sarif(), "version": "2.0.0"}), "another version"),
    "SARIF without runs": (scan({**sarif(), "runs": []}), "has no run"),
    "SARIF without results": (scan(sarif(results=None)), "did not end"),
    "SARIF that failed": (scan(sarif(invocation={"executionSuccessful": False})), "the scan failed"),
    "SARIF with an unknown rule": (scan(sarif(results=[{"ruleId": "CVE-2026-9"}])), "is not in the report"),
    "SARIF without a rule": (scan(sarif(results=[{"level": "none"}])), "has no ruleId"),
    "SARIF with a low score": (scan(sarif("-1")), "not a score"),
    "SARIF with a high score": (scan(sarif("11")), "not a score"),
    "SARIF with a score that is no number": (scan(sarif("nan")), "not a score"),
    "SARIF with a number as a score": (scan(sarif(t.cast(str, 0.0))), "not a string"),
    "SARIF without a score": (scan(sarif(None)), "1 unknown (at most 0)"),
    "SARIF with the score 0": (scan(sarif("0.0")), "1 unknown (at most 0)"),
    "an SBOM": (scan(cyclonedx(vulnerabilities=None)), "isn't the result of a scan"),
    "CycloneDX with an object as vulnerabilities": (scan(cyclonedx(vulnerabilities={})), "isn't the result of a scan"),
    "CycloneDX without ratings": (scan(cyclonedx(vulnerabilities=[{"id": "CVE-2026-1"}])), "1 unknown (at most 0)"),
    "CycloneDX with an unnamed vulnerability": (scan(cyclonedx(vulnerabilities=[{"ratings": []}])), "has no id"),
    "CycloneDX with an unknown rating": (scan(cyclonedx("harmless")), "is not one of"),
    "CycloneDX that excuses itself": (
        scan(cyclonedx(vulnerabilities=[{"id": "C", "ratings": [{"severity": "critical"}], "analysis": {"state": "not_affected"}}])),
        "1 critical",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_results_refuse_the_image(case: str) -> None:
    predicate, reason = HOSTILE[case]
    alone = verify(STRICT, attest(predicate))
    assert not alone.accepted
    assert alone.cause == "untrusted"
    assert reason in alone.reason
    assert len(alone.reason) < 2000
    assert alone.reason.isprintable()
    # A clean scan that is older doesn't help.
    assert not verify(STRICT, attest(scan(trivy(), "2026-11-01T00:00:00Z")), attest(predicate)).accepted


# Mistakes in rules.

EXCEPTION = {"id": "CVE-2026-1", "reason": "r", "expires": "2027-01-01"}
MISTAKES: dict[str, tuple[t.Any, str]] = {
    "a number": (5, "a text with its type, or a dictionary"),
    "null": (None, "a text with its type, or a dictionary"),
    "a list": (["vuln"], "a text with its type, or a dictionary"),
    "no type": ({"at_most": {"high": 0}}, "a text with its type, or a dictionary"),
    "a list as type": ({"type": ["vuln"]}, "a text with its type, or a dictionary"),
    "an unknown type": ({"type": "sbom"}, "no type of attestation"),
    "an unknown key": ({"type": "vuln", "maxage": "1d"}, "the unknown key 'maxage'; known are type, max_age"),
    "an age without a unit": ({"type": "vuln", "max_age": 7}, "max_age: '7' is not an age"),
    "an age of a type without a time": ({"type": "https://example.com/x", "max_age": "7d"}, "isn't known where"),
    "limits as a number": ({"type": "vuln", "at_most": 0}, "at_most is a dictionary"),
    "no limits": ({"type": "vuln", "at_most": {}}, "at_most is a dictionary"),
    "an unknown severity": ({"type": "vuln", "at_most": {"severe": 0}}, "unknown key 'severe'"),
    "a negative limit": ({"type": "vuln", "at_most": {"high": -1}}, "not a whole number"),
    "a bool as limit": ({"type": "vuln", "at_most": {"high": False}}, "not a whole number"),
    "a fraction as limit": ({"type": "vuln", "at_most": {"high": 0.5}}, "not a whole number"),
    "null as limit": ({"type": "vuln", "at_most": {"high": None}}, "not a whole number"),
    "limits of provenance": ({"type": "slsaprovenance1", "at_most": {"high": 0}}, "only for results"),
    "exceptions without limits": ({"type": "vuln", "except": [EXCEPTION]}, "except needs at_most"),
    "a name as exception": ({**STRICT, "except": ["CVE-2026-1"]}, "a list of dictionaries with id, reason and expires"),
    "an exception without reason": ({**STRICT, "except": [{**EXCEPTION, "reason": " "}]}, "incomplete"),
    "an exception without end": ({**STRICT, "except": [{**EXCEPTION, "expires": None}]}, "incomplete"),
    "an exception until no day": ({**STRICT, "except": [{**EXCEPTION, "expires": "2026-02-30"}]}, "which is no day"),
    "two exceptions": ({**STRICT, "except": [EXCEPTION, EXCEPTION]}, "two exceptions"),
    "an exception with an unknown key": ({**STRICT, "except": [{**EXCEPTION, "until": "x"}]}, "unknown key 'until'"),
    "vex without limits": ({"type": "vuln", "vex": True}, "vex needs at_most"),
    "vex as a word": ({**STRICT, "vex": "maybe"}, "vex is not true or false"),
    "a builder of a scan": ({"type": "vuln", "builder": "https://b"}, "builder is only for slsaprovenance1"),
    "a builder without scheme": ({"type": "slsaprovenance1", "builder": "ci"}, "builder is not a URI"),
    "a source as a list": ({"type": "slsaprovenance1", "source": ["https://s"]}, "source is not a URI"),
    "a level that doesn't exist": ({"type": "slsaprovenance1", "level": 4}, "level is not one of 1, 2, 3"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_in_a_rule_stops_the_task(case: str) -> None:
    rule, reason = MISTAKES[case]
    with pytest.raises(InvalidTrust) as error:
        verify(rule)
    assert reason in error.value.message
    assert error.value.message.startswith("trust: the rule for ''")
