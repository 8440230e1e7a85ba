# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the results of vulnerability scanners in attestations: cosign's predicate around a report of Trivy or Grype, SARIF, and CycloneDX.

A report is signed by an accepted signer, but any program may have written it. A value that can't be understood makes the report unusable: leaving it out could
hide a vulnerability. What a scanner itself marks as suppressed or analysed inside SARIF and CycloneDX counts like any other result.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
import typing as t

from ..errors import UnsupportedFormat
from ..oci.document import Document
from ..oci.text import sanitise
from ..oci.times import parse_time

SEVERITIES = ("critical", "high", "medium", "low", "negligible", "unknown")

_OTHER_WORDS = {"": "unknown", "moderate": "medium", "info": "negligible", "informational": "negligible", "none": "negligible"}
# The lowest scores of severities, as in CVSS 3. Scanners write 0 for a vulnerability that nobody has rated.
_SCORES = ((9.0, "critical"), (7.0, "high"), (4.0, "medium"), (0.1, "low"))
_SARIF_ID = re.compile(r"(CVE-[0-9]{4}-[0-9]{4,19}|GHSA(?:-[0-9a-z]{4}){3})(?:-.*)?", re.IGNORECASE | re.ASCII | re.DOTALL)
_MAX_ID = 200


@dataclasses.dataclass(frozen=True)
class Finding:
    """A vulnerability in one package. `ids` are its names in lower case, the scanner's own first; `package` is the package URL, None if unknown."""

    ids: tuple[str, ...]
    severity: str
    package: str | None = None


@dataclasses.dataclass(frozen=True)
class Report:
    """The result of a scan. `time` is when it ended, None if the report doesn't say."""

    findings: tuple[Finding, ...]
    time: datetime.datetime | None


def read_report(predicate: Document) -> Report:
    """Read the predicate of an attestation. Raises UnsupportedFormat for an unknown format and for any value that can't be understood."""
    if not predicate.has("scanner"):
        return _read_result(predicate)
    report = _read_result(predicate.required_child("scanner").required_child("result"))
    metadata = predicate.child("metadata")
    return Report(report.findings, read_time(metadata, "scanFinishedOn") if metadata is not None else None)


def read_time(document: Document, key: str) -> datetime.datetime | None:
    """Return the time at KEY, None without one. Raises UnsupportedFormat for a text that is no time."""
    text = document.text(key)
    try:
        return parse_time(text) if text is not None else None
    except ValueError as error:
        raise UnsupportedFormat(f"{document.what}: {key} {sanitise(str(text), 50)!r} is not a time") from error


def _read_result(result: Document) -> Report:
    if result.members.get("bomFormat") == "CycloneDX":
        return _read_cyclonedx(result)
    if result.has("runs"):
        return _read_sarif(result)
    if result.has("SchemaVersion"):
        return _read_trivy(result)
    if result.has("matches"):
        return _read_grype(result)
    raise UnsupportedFormat(f"{result.what} is no result of a vulnerability scan in a known format (Trivy, Grype, SARIF or CycloneDX)")


def _read_trivy(report: Document) -> Report:
    if report.required_number("SchemaVersion") != 2 or not report.has("ArtifactName"):
        raise UnsupportedFormat(f"{report.what} is no report of Trivy with the schema version 2")
    findings = []
    for result in report.children("Results", None):
        for entry in result.children("Vulnerabilities", None):
            package = entry.child("PkgIdentifier")
            ids = _read_ids(entry, "VulnerabilityID", entry.texts("VendorIDs"))
            findings.append(Finding(ids, _read_severity(entry, "Severity"), package.text("PURL") if package is not None else None))
    return Report(tuple(findings), read_time(report, "CreatedAt"))


def _read_grype(report: Document) -> Report:
    findings = []
    for match in report.children("matches", None):
        vulnerability, artifact = match.required_child("vulnerability"), match.required_child("artifact")
        related = [_read_id(other.required_text("id"), other.what) for other in match.children("relatedVulnerabilities", None)]
        findings.append(Finding(_read_ids(vulnerability, "id", related), _read_severity(vulnerability, "severity"), artifact.text("purl")))
    descriptor = report.child("descriptor")
    return Report(tuple(findings), read_time(descriptor, "timestamp") if descriptor is not None else None)


def _read_sarif(report: Document) -> Report:
    if report.required_text("version") != "2.1.0":
        raise UnsupportedFormat(f"{report.what} is SARIF of another version than 2.1.0")
    findings: list[Finding] = []
    times: list[datetime.datetime | None] = []
    for run in report.children("runs"):
        rules = {rule.required_text("id"): rule for rule in run.required_child("tool").required_child("driver").children("rules", None)}
        if not isinstance(run.members.get("results"), list):
            raise UnsupportedFormat(f"{run.what} has no list of results, so its scan did not end")
        for result in run.children("results", None):
            rule_id = result.required_text("ruleId")
            if rule_id not in rules:
                raise UnsupportedFormat(f"{result.what}: its rule {sanitise(rule_id, 50)!r} is not in the report")
            named = _SARIF_ID.fullmatch(rule_id)
            findings.append(Finding((_read_id(named[1] if named else rule_id, result.what),), _read_score(rules[rule_id])))
        invocations = run.children("invocations")
        if any(not invocation.boolean("executionSuccessful") for invocation in invocations):
            raise UnsupportedFormat(f"{run.what}: the scan failed")
        times += [read_time(invocation, "endTimeUtc") for invocation in invocations] or [None]
    if not times:
        raise UnsupportedFormat(f"{report.what} has no run of a scanner")
    known = [time for time in times if time is not None]
    return Report(tuple(findings), min(known) if len(known) == len(times) else None)


def _read_score(rule: Document) -> str:
    """Return the severity of a rule of SARIF by its `security-severity`, a score from 0 to 10 in text form that GitHub defined and scanners write."""
    properties = rule.child("properties")
    text = properties.text("security-severity") if properties is not None else None
    if text is None:
        return "unknown"
    if not re.fullmatch(r"(?:10(?:\.0{1,2})?|[0-9](?:\.[0-9]{1,2})?)", text, re.ASCII):
        raise UnsupportedFormat(f"{rule.what}: security-severity {sanitise(text, 50)!r} is not a score from 0.0 to 10.0")
    return next((severity for lowest, severity in _SCORES if float(text) >= lowest), "unknown")


def _read_cyclonedx(report: Document) -> Report:
    if not isinstance(report.members.get("vulnerabilities"), list):
        raise UnsupportedFormat(f"{report.what} is an SBOM without a list of vulnerabilities, so it isn't the result of a scan")
    findings = []
    for entry in report.children("vulnerabilities", None):
        severities = [_read_severity(rating, "severity") for rating in entry.children("ratings", None)]
        worst = min((severity for severity in severities if severity != "unknown"), key=SEVERITIES.index, default="unknown")
        ids = _read_ids(entry, "id", [reference.required_text("id") for reference in entry.children("references", None)])
        affected = [affects.required_text("ref") for affects in entry.children("affects", None)]
        findings += [Finding(ids, worst, ref if ref.startswith("pkg:") else None) for ref in affected or [""]]
    metadata = report.child("metadata")
    return Report(tuple(findings), read_time(metadata, "timestamp") if metadata is not None else None)


def _read_ids(document: Document, key: str, aliases: t.Iterable[str] = ()) -> tuple[str, ...]:
    own = _read_id(document.required_text(key), document.what)
    return tuple(dict.fromkeys((own, *(_read_id(alias, document.what) for alias in aliases))))


def _read_id(text: str, what: str) -> str:
    if not text or len(text) > _MAX_ID or not text.isprintable() or text != text.strip():
        raise UnsupportedFormat(f"{what}: {sanitise(text, 50)!r} is not the name of a vulnerability")
    return text.lower()


def _read_severity(document: Document, key: str) -> str:
    word = (document.text(key) or "").lower()
    severity = _OTHER_WORDS.get(word, word)
    if severity not in SEVERITIES:
        raise UnsupportedFormat(f"{document.what}: the {key} {sanitise(word, 50)!r} is not one of {', '.join(SEVERITIES)}")
    return severity
