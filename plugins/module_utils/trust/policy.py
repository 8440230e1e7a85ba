# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A policy: which signatures an image needs, by the scope of its name. `rules` and `policy_json` read policies."""

from __future__ import annotations

import dataclasses
import itertools
import typing as t

from ..errors import InvalidTrust
from ..limits import MAX_CANDIDATES
from ..oci.reference import Reference
from .gpg import GpgRule, verify_gpg_signatures
from .scopes import find_rule
from .verdict import NO_RULE, REFUSED_BY_RULE, Verdict
from .verification import SignatureBytes, SignatureRule, Subject, verify_signatures

if t.TYPE_CHECKING:
    from .registries_d import Lookaside


@dataclasses.dataclass(frozen=True)
class Accept:
    """Accept an image without a signature."""

    reason: str


@dataclasses.dataclass(frozen=True)
class Refuse:
    """Refuse an image, even a signed one."""

    reason: str


Requirement = t.Union[Accept, Refuse, SignatureRule, GpgRule]
# Read the requirements of one scope. It is called only if the scope decides, because reading keys may fail.
Requirements = t.Callable[[], t.Sequence[Requirement]]

# Return the candidates for signatures of an image. It is called only if a signature is needed.
FindCandidates = t.Callable[[], t.Iterable[SignatureBytes]]


@dataclasses.dataclass(frozen=True)
class TrustPolicy:
    """Requirements by scope; all requirements of one scope have to be met. `default` returns those of images that no scope contains."""

    scopes: t.Mapping[str, Requirements]
    default: Requirements
    # Where GPG signatures are. It is read only if an image needs one; None if the policy can't need one. Raises InvalidTrust.
    read_lookaside: t.Callable[[], Lookaside] | None = None

    def requirements(self, reference: Reference | None) -> t.Sequence[Requirement]:
        """Return what an image needs. Raises InvalidTrust, which names the image, for keys that can't be used."""
        found = find_rule(self.scopes, reference)
        try:
            return (self.default if found is None else found[1])()
        except InvalidTrust as error:
            raise InvalidTrust(f"{reference or 'an image without a name'} can't be verified: {error.message}") from error

    def has_gates(self, reference: Reference | None) -> bool:
        """Return whether the verdict about an image needs its newest attestations. Raises InvalidTrust."""
        return any(isinstance(requirement, SignatureRule) and bool(requirement.gates) for requirement in self.requirements(reference))

    def demands_attestations(self, reference: Reference | None) -> bool:
        """Return whether an image needs attestations. Raises InvalidTrust."""
        return any(isinstance(requirement, SignatureRule) and bool(requirement.attestations) for requirement in self.requirements(reference))

    def verify(self, subject: Subject, find_candidates: FindCandidates, find_gpg_candidates: FindCandidates = tuple) -> Verdict:
        """Return the verdict of the policy about an image. Raises InvalidTrust, MissingLibrary, and the errors of places that fail."""
        requirements = self.requirements(subject.reference)
        found = find_rule(self.scopes, subject.reference)
        candidates: _SharedCandidates | None = None
        gpg_candidates: _SharedCandidates | None = None
        verdict = Verdict(False, "the policy says nothing about it", check=NO_RULE)
        for requirement in requirements:
            if isinstance(requirement, SignatureRule):
                candidates = candidates or _SharedCandidates(find_candidates())
                verdict = verify_signatures(subject, candidates, requirement)
            elif isinstance(requirement, GpgRule):
                gpg_candidates = gpg_candidates or _SharedCandidates(find_gpg_candidates())
                verdict = verify_gpg_signatures(subject, gpg_candidates, requirement)
            elif isinstance(requirement, Refuse):
                verdict = Verdict(False, requirement.reason, check=NO_RULE if found is None else REFUSED_BY_RULE)
            elif not verdict.accepted:
                # Keep the verdict of a requirement that found a signature: it says more about an accepted image.
                verdict = Verdict(True, requirement.reason)
            if not verdict.accepted:
                break
        return dataclasses.replace(verdict, rule=found[0] if found is not None else None)


class _SharedCandidates:
    """Candidates that several requirements read. Each is found once, and only when it is needed, because often the first one is accepted."""

    def __init__(self, candidates: t.Iterable[SignatureBytes]) -> None:
        self._source = itertools.islice(candidates, MAX_CANDIDATES)
        self._found: list[SignatureBytes] = []

    def __iter__(self) -> t.Iterator[SignatureBytes]:
        yield from self._found
        for candidate in self._source:
            self._found.append(candidate)
            yield candidate
