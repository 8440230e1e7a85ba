# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compare SLSA provenance, version 0.2 or 1, with what a rule demands: the builder, the source repository, and the level of the builder."""

from __future__ import annotations

import dataclasses
import re

from ..oci.document import Document
from ..oci.text import sanitise
from .statement import PREDICATE_TYPES

VERSION_1, VERSION_02 = PREDICATE_TYPES["slsaprovenance1"], PREDICATE_TYPES["slsaprovenance02"]

# The builders whose level is public, by the beginning of their names. Provenance doesn't state a level: it follows from the builder.
_LEVELS = (
    (
        re.compile(
            r"https://github\.com/slsa-framework/slsa-github-generator/\.github/workflows/[a-z-]+_[a-z_-]*slsa3\.yml@refs/tags/v[0-9.]+", re.ASCII
        ),
        3,
    ),
    (re.compile(r"https://cloudbuild\.googleapis\.com/GoogleHostedWorker(?:@v[0-9.]+)?", re.ASCII), 3),
    (re.compile(r"https://github\.com/actions/runner/github-hosted", re.ASCII), 2),
)
LEVELS = (1, 2, 3)


@dataclasses.dataclass(frozen=True)
class ProvenanceRule:
    """Demands a builder, a source, or a level. None means that any is accepted."""

    builder: str | None = None
    source: str | None = None
    level: int | None = None

    def find_problem(self, predicate: Document, predicate_type: str) -> str | None:
        """Return why provenance doesn't fit, None if it does. Raises UnsupportedFormat for provenance that can't be read."""
        builder = _read_builder(predicate, predicate_type)
        if self.builder is not None and builder != self.builder and not (builder.startswith(f"{self.builder}@") and "@" not in self.builder):
            return f"it was built by {sanitise(builder, 200)!r}, and not by {self.builder!r}"
        if self.source is not None:
            sources = _read_sources(predicate, predicate_type)
            if not sources:
                return "it names no source repository where its version of provenance has one"
            other = next((source for source in sources if not _is_same_source(source, self.source)), None)
            if other is not None:
                return f"it was built from {sanitise(other, 200)!r}, and not from {self.source!r}"
        reached = next((level for pattern, level in _LEVELS if pattern.fullmatch(builder)), 1)
        if self.level is not None and reached < self.level:
            return f"the builder {sanitise(builder, 200)!r} is not known to reach level {self.level}, only level {reached}"
        return None


def _read_builder(predicate: Document, predicate_type: str) -> str:
    parent = predicate.required_child("runDetails") if predicate_type == VERSION_1 else predicate
    return parent.required_child("builder").required_text("id")


def _read_sources(predicate: Document, predicate_type: str) -> list[str]:
    """Return the source that the builder was called with. Dependencies don't count: any repository can be one."""
    if predicate_type == VERSION_02:
        return _read_uri(predicate.child("invocation"), "configSource")
    parameters = predicate.required_child("buildDefinition").child("externalParameters")
    if parameters is None:
        return []
    # BuildKit, the generator of SLSA for GitHub, and GitHub's own attestations.
    sources = [*_read_uri(parameters, "configSource"), *_read_uri(parameters, "source")]
    workflow = parameters.child("workflow")
    if workflow is not None:
        ref = workflow.text("ref")
        sources.append(workflow.required_text("repository") + (f"@{ref}" if ref else ""))
    return sources


def _read_uri(parent: Document | None, key: str) -> list[str]:
    if parent is None or not parent.has(key):
        return []
    if isinstance(parent.members[key], str):
        return [parent.required_text(key)]
    return [parent.required_child(key).required_text("uri")]


def _is_same_source(found: str, wanted: str) -> bool:
    """Return whether two addresses are of one repository, and of one revision if WANTED has one. `git+` and `.git` make no difference."""
    (found_name, found_ref), (name, ref) = _split_source(found), _split_source(wanted)
    return found_name == name and (not ref or found_ref == ref)


def _split_source(address: str) -> tuple[str, str]:
    name, _separator, ref = re.sub(r"^git\+", "", address).partition("#")
    if not ref:
        head, at, tail = name.rpartition("@")
        if at and "/" in head.partition("://")[2]:  # an @ before the path separates a user from a host
            name, ref = head, tail
    return name.removesuffix("/").removesuffix(".git"), ref
