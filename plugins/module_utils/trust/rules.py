# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the rules of the option `trust`. All rules are checked, also those that no image needs, so that no mistake stays unnoticed."""

from __future__ import annotations

import dataclasses
import datetime
import re
import typing as t

from ..errors import InvalidReference, InvalidTrust
from ..oci.reference import DOCKER_HUB, Reference
from ..oci.text import sanitise
from .keys import read_public_key
from .policy import Accept, Refuse, Requirement, TrustPolicy
from .repositories import AnyRepository, NamedRepository, RepositoryRule, SameRepository
from .scopes import read_scope
from .statement import PREDICATE_TYPES, find_predicate_type
from .verification import SignatureRule

if t.TYPE_CHECKING:
    from .gates import Gate
    from .keyless import Identity, KeylessVerifier

SIGNED, ANYTHING, NOTHING = "signed", "anything", "nothing"


@dataclasses.dataclass(frozen=True)
class IdentityOptions:
    """One accepted identity as a user wrote it."""

    issuer: str
    subject: str | None = None
    subject_regex: str | None = None


@dataclasses.dataclass(frozen=True)
class RuleOptions:
    """One rule as a user wrote it. `keys` are PEM texts; `trusted_root` is the text of a Sigstore trusted root.

    `attestations` are types, or dictionaries that `gates.read_gate` reads.
    """

    scope: str
    accept: str = SIGNED
    keys: tuple[bytes, ...] = ()
    identities: tuple[IdentityOptions, ...] = ()
    trusted_root: bytes | None = None
    annotations: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    repository: str = "same"
    attestations: tuple[t.Any, ...] = ()


def read_rules(rules: t.Sequence[RuleOptions], now: datetime.datetime | None = None) -> TrustPolicy:
    """Return the policy of RULES; without rules it refuses everything. NOW is the time that ages of attestations end at, by default that of the call.

    Raises InvalidTrust for a rule that can't be used, and for two rules of one scope; MissingLibrary without the library for its keys.
    """
    requirements: dict[str, tuple[Requirement]] = {}
    for options in rules:
        scope = read_scope(options.scope)
        if scope in requirements:
            raise InvalidTrust(f"trust: the scope {sanitise(options.scope, 200)!r} has two rules; only one can decide")
        requirements[scope] = (_read_rule(options, f"trust: the rule for {sanitise(options.scope, 200)!r}", now),)
    default = (Refuse("no rule of trust is for it"),)
    return TrustPolicy({scope: _constant(rule) for scope, rule in requirements.items()}, lambda: default)


def _constant(value: t.Sequence[Requirement]) -> t.Callable[[], t.Sequence[Requirement]]:
    return lambda: value


def _read_rule(options: RuleOptions, what: str, now: datetime.datetime | None) -> Requirement:
    if options.accept != SIGNED:
        for name in ("keys", "identities", "trusted_root", "annotations", "attestations"):
            if getattr(options, name):
                raise InvalidTrust(f"{what} accepts {options.accept}, so its {name} would have no effect; leave them out")
        accepts = options.accept == ANYTHING
        return Accept("its rule accepts anything") if accepts else Refuse("its rule accepts nothing")
    if not options.keys and not options.identities:
        raise InvalidTrust(f"{what} has neither keys nor identities, so it doesn't say whose signature it accepts")
    attestations = [_read_attestation(entry, what, now) for entry in options.attestations]
    return SignatureRule(
        keys=tuple(read_public_key(key, f"{what}: key {position}") for position, key in enumerate(options.keys, 1)),
        keyless=_read_identities(options, what),
        repository=_read_repository(options.repository, what),
        annotations=options.annotations,
        attestations=tuple(dict.fromkeys(kind for kind, _gate in attestations)),
        gates=tuple(gate for _kind, gate in attestations if gate is not None),
    )


def _read_identities(options: RuleOptions, what: str) -> KeylessVerifier | None:
    if not options.identities:
        if options.trusted_root is not None:
            raise InvalidTrust(f"{what} has a trusted_root and no identities")
        return None
    if options.trusted_root is None:
        raise InvalidTrust(f"{what} has identities and no trusted_root, which names the authority and the logs that confirm them")
    from .keyless import KeylessVerifier

    return KeylessVerifier(options.trusted_root, [_read_identity(identity, what) for identity in options.identities])


def _read_identity(options: IdentityOptions, what: str) -> Identity:
    from ..oci.regex import compile_regex
    from .keyless import Identity

    if not options.issuer or not (options.subject or options.subject_regex) or (options.subject and options.subject_regex):
        raise InvalidTrust(f"{what}: an identity has an issuer, and a subject or a subject_regex")
    if options.subject_regex is None:
        return Identity(options.issuer, options.subject)
    try:
        return Identity(options.issuer, pattern=compile_regex(options.subject_regex))
    except re.error as error:
        raise InvalidTrust(f"{what}: the subject_regex {sanitise(options.subject_regex, 200)!r} is not a regular expression: {error}") from error


def _read_repository(text: str, what: str) -> RepositoryRule:
    if text == "same":
        return SameRepository()
    if text == "any":
        return AnyRepository()
    name = text[len("index.") :] if text.startswith(f"index.{DOCKER_HUB}/") else text
    try:
        context = Reference.parse(name).context
    except InvalidReference as error:
        raise InvalidTrust(f"{what}: its repository is not 'same', 'any' or the name of a repository: {error.message}") from error
    if context != name:
        raise InvalidTrust(f"{what}: its repository {sanitise(text, 200)!r} is not a full name without tag or digest, such as {context}")
    return NamedRepository(context)


def _read_attestation(entry: t.Any, what: str, now: datetime.datetime | None) -> tuple[str, Gate | None]:
    """Return the type of an attestation that a rule demands, and the gate for its content if the rule has one."""
    name = entry.get("type") if isinstance(entry, dict) else entry
    if not isinstance(name, str):
        raise InvalidTrust(f"{what}: an attestation is a text with its type, or a dictionary that has a text as its type, such as type: vuln")
    found = find_predicate_type(name)
    if found is None:
        raise InvalidTrust(f"{what}: {sanitise(name, 100)!r} is no type of attestation; use a URI, or one of {', '.join(PREDICATE_TYPES)}")
    if not isinstance(entry, dict):
        return found, None
    from .gates import read_gate

    return found, read_gate(entry, found, what, now or datetime.datetime.now(datetime.timezone.utc))
