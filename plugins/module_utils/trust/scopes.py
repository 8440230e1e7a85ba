# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Scopes: the sets of image names that rules apply to. The most specific scope decides, and scopes are never combined."""

from __future__ import annotations

import typing as t

from ..errors import InvalidReference, InvalidTrust
from ..oci.reference import DOCKER_HUB, Reference
from ..oci.text import sanitise

EVERYTHING = ""

_Rule = t.TypeVar("_Rule")


def list_scopes(reference: Reference | None) -> list[str]:
    """Return the scopes that contain an image, the most specific first, as policy.json orders them (containers-policy.json(5)).

    These are its name with tag or digest, its repository, each namespace above that, its host, and the domains above that as `*.domain`. An image
    without a name is only in the scope of all images.
    """
    if reference is None:
        return [EVERYTHING]
    scopes = [str(reference)]
    if reference.tag is not None and reference.digest is not None:
        scopes += [str(reference.with_digest(reference.digest)), str(reference.name)]
    name = reference.context
    scopes.append(name)
    while "/" in name:
        name = name.rpartition("/")[0]
        scopes.append(name)
    domain = name.partition(":")[0] if not name.startswith("[") else ""
    while "." in domain:
        domain = domain.partition(".")[2]
        scopes.append(f"*.{domain}")
    return [*scopes, EVERYTHING]


def find_rule(rules: t.Mapping[str, _Rule], reference: Reference | None) -> tuple[str, _Rule] | None:
    """Return the scope and the rule that decide about an image; None if no scope contains it."""
    return next(((scope, rules[scope]) for scope in list_scopes(reference) if scope in rules), None)


def read_scope(text: str) -> str:
    """Return the scope of a rule in its normal form. Raises InvalidTrust if no image's name could be in it: a typo must not weaken other rules."""
    if text == EVERYTHING:
        return text
    scope = text[len("index.") :] if text == f"index.{DOCKER_HUB}" or text.startswith(f"index.{DOCKER_HUB}/") else text
    host, slash, path = scope.partition("/")
    is_domain = scope.startswith("*.") and not slash and ":" not in scope
    if not (is_domain or (not scope.startswith("*") and ("." in host or ":" in host or host == "localhost"))):
        hint = f"; write {DOCKER_HUB}/library/{text} for an image of Docker Hub" if not slash and "*" not in text else ""
        raise InvalidTrust(f"trust: the scope {sanitise(text, 200)!r} is not a host[:port], *.domain, host/path, repository or reference{hint}")
    has_tag = "@" in path or ":" in path
    sample = scope if has_tag else f"{'host.' + scope[2:] if is_domain else scope}/some/image:1"
    try:
        found = str(Reference.parse(sample))
    except InvalidReference as error:
        raise InvalidTrust(f"trust: the scope {sanitise(text, 200)!r} can't contain an image: {error.message}") from error
    if found != sample:
        raise InvalidTrust(f"trust: the scope {sanitise(text, 200)!r} contains no image; did you mean {found}?")
    return scope
