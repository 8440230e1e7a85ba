# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Gates: attestations that an image needs with a certain content, such as a scan without critical vulnerabilities. They are dictionaries in `attestations`."""

from __future__ import annotations

import dataclasses
import datetime
import re
import typing as t

from ..errors import InvalidOption, InvalidTrust, UnsupportedFormat
from ..oci.digest import Digest
from ..oci.document import Document
from ..oci.text import sanitise
from ..oci.times import parse_age
from .provenance import LEVELS, VERSION_02, VERSION_1, ProvenanceRule
from .statement import PREDICATE_TYPES, Statement
from .vex import OPENVEX, Claim, is_exempt, is_openvex, read_claims
from .vulnerabilities import SEVERITIES, Finding, Report, read_report, read_time

# Where statements of a type say when they were made.
_TIMES: dict[str, tuple[str, ...]] = {
    VERSION_1: ("runDetails", "metadata", "finishedOn"),
    VERSION_02: ("metadata", "buildFinishedOn"),
    PREDICATE_TYPES["spdx"]: ("creationInfo", "created"),
    PREDICATE_TYPES["cyclonedx"]: ("metadata", "timestamp"),
    PREDICATE_TYPES["vuln"]: ("metadata", "scanFinishedOn"),
    OPENVEX: ("timestamp",),
}
_KEYS = ("type", "max_age", "at_most", "except", "vex", "builder", "source", "level")
_EXCEPTION_KEYS = ("id", "reason", "expires")
_MAX_SKEW = datetime.timedelta(minutes=5)  # of the clocks of two hosts
_MAX_SHOWN = 5  # vulnerabilities of one severity in a message


@dataclasses.dataclass(frozen=True)
class Gate:
    """Demands an attestation of a type, not older than `max_age`. `now` is the time of the check.

    `limits` are the numbers of vulnerabilities that a scan may have, by severity, without those of `exceptions`: the last day of each, by its name in lower
    case. With `vex`, OpenVEX attestations of the image exempt vulnerabilities too.
    """

    predicate_type: str
    now: datetime.datetime
    max_age: datetime.timedelta | None = None
    limits: t.Mapping[str, int] | None = None
    exceptions: t.Mapping[str, datetime.date] = dataclasses.field(default_factory=dict)
    vex: bool = False
    provenance: ProvenanceRule | None = None

    def start(self, digest: Digest) -> GateCheck:
        """Return the check of the image DIGEST."""
        return ScanCheck(self, digest) if self.limits is not None else GateCheck(self)

    def find_age_problem(self, time: datetime.datetime | None) -> str | None:
        """Return why the time of a statement isn't accepted, None if it is."""
        if time is not None and time > self.now + _MAX_SKEW:
            return f"its time {time.isoformat()} is in the future"
        if self.max_age is None:
            return None
        if time is None:
            return "it doesn't say when it was made, which max_age asks for"
        return f"it is of {time.isoformat()}, older than max_age allows" if self.now - time > self.max_age else None


class GateCheck:
    """Checks the statements of one image, which an accepted signer signed. One that fits is enough."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._is_met = False
        self._problem: str | None = None

    def add(self, statement: Statement) -> None:
        if statement.predicate_type != self._gate.predicate_type or self._is_met:
            return
        try:
            predicate = _as_document(statement)
            self._problem = self._gate.find_age_problem(self._read_time(predicate)) if self._gate.max_age is not None else None
            if self._problem is None and self._gate.provenance is not None:
                self._problem = self._gate.provenance.find_problem(predicate, statement.predicate_type)
            self._is_met = self._problem is None
        except UnsupportedFormat as error:
            self._problem = error.message

    def find_problem(self) -> str | None:
        """Return why no statement is accepted, None if one is."""
        if self._is_met:
            return None
        what = f"attestation of the type {sanitise(self._gate.predicate_type, 200)}"
        return f"it has no accepted {what}" if self._problem is None else f"its {what} is refused: {self._problem}"

    def _read_time(self, predicate: Document) -> datetime.datetime | None:
        *parents, key = _TIMES[self._gate.predicate_type]
        found: Document | None = predicate
        for parent in parents:
            found = found.child(parent) if found is not None else None
        return read_time(found, key) if found is not None else None


class ScanCheck(GateCheck):
    """Checks the results of scans. The newest one decides, together with those that don't say when they were made or can't be read."""

    def __init__(self, gate: Gate, digest: Digest) -> None:
        super().__init__(gate)
        self._digest = digest
        self._newest: Report | None = None
        self._undated: list[Report] = []
        self._problems: list[str] = []
        self._claims: list[Claim] = []

    def add(self, statement: Statement) -> None:
        try:
            if self._gate.vex and is_openvex(statement.predicate_type):
                self._add_claims(statement)
            if statement.predicate_type == self._gate.predicate_type:
                self._add_report(read_report(_as_document(statement)))
        except UnsupportedFormat as error:
            self._problems.append(error.message)

    def _add_claims(self, statement: Statement) -> None:
        claims = read_claims(_as_document(statement), self._digest)
        if any(claim.time > self._gate.now + _MAX_SKEW for claim in claims):
            raise UnsupportedFormat("an OpenVEX document has a time in the future")
        self._claims += claims

    def _add_report(self, report: Report) -> None:
        if report.time is None:
            self._undated.append(report)
        elif self._newest is None or self._newest.time is None or report.time > self._newest.time:
            self._newest = report
        elif report.time == self._newest.time:
            self._newest = Report(self._newest.findings + report.findings, report.time)

    def find_problem(self) -> str | None:
        reports = [*([self._newest] if self._newest is not None else []), *self._undated]
        for report in reports:
            problem = self._gate.find_age_problem(report.time) or self._find_excess(report)
            if problem is not None:
                self._problems.append(problem)
        self._is_met = bool(reports) and not self._problems
        self._problem = self._problems[0] if self._problems else None
        return super().find_problem()

    def _find_excess(self, report: Report) -> str | None:
        """Return which vulnerabilities are too many, None if there are few enough."""
        counted: dict[str, list[Finding]] = {severity: [] for severity in SEVERITIES}
        expired: dict[str, datetime.date] = {}
        for finding in report.findings:
            days = {name: self._gate.exceptions[name] for name in finding.ids if name in self._gate.exceptions}
            if any(day >= self._gate.now.date() for day in days.values()) or is_exempt(finding, self._claims):
                continue
            expired.update(days)
            counted[finding.severity].append(finding)
        excess = [
            f"{len(found)} {severity} (at most {limit}): {_list_findings(found)}"
            for severity, limit in t.cast("t.Mapping[str, int]", self._gate.limits).items()
            for found in [counted[severity]]
            if len(found) > limit
        ]
        notes = [f"the exception for {name.upper()} ended on {day}" for name, day in sorted(expired.items())[:_MAX_SHOWN]]
        return "; ".join(["too many vulnerabilities, " + "; ".join(excess), *notes]) if excess else None


def _list_findings(findings: t.Sequence[Finding]) -> str:
    shown = [sanitise(finding.ids[0].upper(), 50) + (f" in {sanitise(finding.package, 100)}" if finding.package else "") for finding in findings]
    more = len(shown) - _MAX_SHOWN
    return ", ".join(shown[:_MAX_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _as_document(statement: Statement) -> Document:
    if not isinstance(statement.predicate, dict):
        raise UnsupportedFormat("its predicate is not an object")
    return Document(statement.predicate, "its predicate")


# Reading the option.


def read_gate(options: t.Mapping[str, t.Any], predicate_type: str, what: str, now: datetime.datetime) -> Gate:
    """Return the gate that a user wrote as a dictionary. Raises InvalidTrust, with a message that begins with WHAT."""
    what = f"{what}: the attestation {sanitise(str(options['type']), 100)!r}"
    _check_keys(options, _KEYS, what)
    given = {key: value for key, value in options.items() if value is not None}
    has_limits = "at_most" in given
    for key in ("except", "vex"):
        if key in given and not has_limits:
            raise InvalidTrust(f"{what}: {key} needs at_most, which says what it is an exception from")
    is_provenance = predicate_type in (VERSION_1, VERSION_02)
    for key in ("builder", "source", "level"):
        if key in given and not is_provenance:
            raise InvalidTrust(f"{what}: {key} is only for slsaprovenance1 and slsaprovenance02")
    if has_limits and (is_provenance or is_openvex(predicate_type) or predicate_type == PREDICATE_TYPES["spdx"]):
        raise InvalidTrust(f"{what}: at_most is only for results of vulnerability scans, such as vuln or cyclonedx")
    if "max_age" in given and not has_limits and predicate_type not in _TIMES:
        raise InvalidTrust(f"{what}: max_age can't be checked, because it isn't known where statements of this type have their time")
    return Gate(
        predicate_type,
        now,
        _read_age(given["max_age"], what) if "max_age" in given else None,
        _read_limits(given["at_most"], what) if has_limits else None,
        _read_exceptions(given.get("except", []), what),
        _read_flag(given.get("vex", False), f"{what}: vex"),
        _read_provenance(given, what) if is_provenance else None,
    )


def _check_keys(options: t.Mapping[str, t.Any], known: t.Sequence[str], what: str) -> None:
    unknown = [str(key) for key in options if key not in known]
    if unknown:
        raise InvalidTrust(f"{what} has the unknown key {sanitise(unknown[0], 50)!r}; known are {', '.join(known)}")


def _read_age(value: t.Any, what: str) -> datetime.timedelta:
    try:
        return parse_age(str(value))
    except InvalidOption as error:
        raise InvalidTrust(f"{what}: max_age: {error.message}") from error


def _read_limits(value: t.Any, what: str) -> dict[str, int]:
    """Return the limits by severity. What is worse than a severity with a limit, or has none that is known, must not occur unless it has a limit too."""
    if not isinstance(value, dict) or not value:
        raise InvalidTrust(f"{what}: at_most is a dictionary with numbers of vulnerabilities by severity, such as critical: 0")
    _check_keys(value, SEVERITIES, f"{what}: at_most")
    given = {severity: _read_number(number, f"{what}: at_most: {severity}") for severity, number in value.items()}
    mildest = max((SEVERITIES.index(severity) for severity in given if severity != "unknown"), default=-1)
    return {severity: given.get(severity, 0) for position, severity in enumerate(SEVERITIES) if position <= mildest or severity == "unknown"}


def _read_number(value: t.Any, what: str) -> int:
    # Templates may make text of numbers.
    if isinstance(value, bool) or not re.fullmatch("[0-9]{1,6}", str(value), re.ASCII):
        raise InvalidTrust(f"{what} is not a whole number from 0 on")
    return int(value)


def _read_exceptions(value: t.Any, what: str) -> dict[str, datetime.date]:
    hint = "except is a list of dictionaries with id, reason and expires (the last day, as YYYY-MM-DD)"
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise InvalidTrust(f"{what}: {hint}")
    found: dict[str, datetime.date] = {}
    for entry in value:
        _check_keys(entry, _EXCEPTION_KEYS, f"{what}: except")
        name, reason, expires = (str(entry.get(key) or "").strip() for key in _EXCEPTION_KEYS)
        if not name or not reason or not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", expires, re.ASCII):
            raise InvalidTrust(f"{what}: the exception {sanitise(name, 50)!r} is incomplete; {hint}")
        if name.lower() in found:
            raise InvalidTrust(f"{what}: {sanitise(name, 50)!r} has two exceptions")
        try:
            found[name.lower()] = datetime.date.fromisoformat(expires)
        except ValueError as error:
            raise InvalidTrust(f"{what}: the exception {sanitise(name, 50)!r} expires on {expires}, which is no day") from error
    return found


def _read_flag(value: t.Any, what: str) -> bool:
    found = {"true": True, "false": False}.get(str(value).lower())
    if found is None:
        raise InvalidTrust(f"{what} is not true or false")
    return found


def _read_provenance(given: t.Mapping[str, t.Any], what: str) -> ProvenanceRule:
    for key in ("builder", "source"):
        if key in given and not (isinstance(given[key], str) and "://" in given[key]):
            raise InvalidTrust(f"{what}: {key} is not a URI")
    level = _read_number(given["level"], f"{what}: level") if "level" in given else None
    if level is not None and level not in LEVELS:
        raise InvalidTrust(f"{what}: level is not one of {', '.join(map(str, LEVELS))}")
    return ProvenanceRule(given.get("builder"), given.get("source"), level)
