# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Challenges of registries: how they ask for credentials (RFC 9110, 11; distribution specification, Authentication)."""

from __future__ import annotations

import base64
import dataclasses
import re
import typing as t

from ...errors import Denied, InvalidOption
from ...oci.text import sanitise
from ..config.settings import Credentials

_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_SCHEME = re.compile(rf"\s*({_TOKEN})(?=\s|,|$)", re.ASCII)
_PARAMETER = re.compile(rf'\s*({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN})(?=[\s,]|$))', re.ASCII)
_SEPARATORS = re.compile(r"[ \t,]*")
_TOKEN68 = re.compile(r"\s+[A-Za-z0-9._~+/-]+=*\s*(?=,|$)", re.ASCII)


@dataclasses.dataclass(frozen=True)
class Challenge:
    """One way to authenticate that a registry offers: the scheme in lower case, and its parameters."""

    scheme: str
    parameters: t.Mapping[str, str]


def parse_challenges(headers: t.Iterable[str]) -> list[Challenge]:
    """Return the challenges of all `WWW-Authenticate` headers; one header may hold several. Parsing a header stops at the first malformed part."""
    challenges: list[Challenge] = []
    for header in headers:
        position = _skip_separators(header, 0)
        while position < len(header):
            match = _SCHEME.match(header, position)
            if match is None:
                break
            parameters, position = _parse_parameters(header, match.end())
            challenges.append(Challenge(match.group(1).lower(), parameters))
    return challenges


def _parse_parameters(header: str, position: int) -> tuple[dict[str, str], int]:
    parameters: dict[str, str] = {}
    token68 = _TOKEN68.match(header, position)
    if token68 is not None:
        return parameters, _skip_separators(header, token68.end())
    while True:
        match = _PARAMETER.match(header, position)
        if match is None:
            break
        name, quoted, plain = match.groups()
        parameters[name.lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
        position = _skip_separators(header, match.end())
    return parameters, _skip_separators(header, position)


def _skip_separators(header: str, position: int) -> int:
    match = _SEPARATORS.match(header, position)
    return match.end() if match is not None else position


def basic_authorization(credentials: Credentials) -> str:
    """Return the value of an `Authorization` header (RFC 7617). Raises InvalidOption for credentials that can't be encoded as UTF-8."""
    try:
        pair = f"{credentials.username}:{credentials.secret}".encode()
    except UnicodeEncodeError:
        raise InvalidOption("username and password must be text in UTF-8") from None
    return f"Basic {base64.b64encode(pair).decode('ascii')}"


def choose_challenge(challenges: t.Sequence[Challenge], credentials: Credentials | None, what: str, registry: str) -> Challenge:
    """Return the challenge to answer: Basic if there is a password, because it involves no other server, else Bearer.

    Raises Denied if none can be answered.
    """
    first: dict[str, Challenge] = {}
    for challenge in challenges:
        first.setdefault(challenge.scheme, challenge)
    if "basic" in first and credentials is not None and credentials.identity_token is None:
        return first["basic"]
    if "bearer" in first:
        return first["bearer"]
    if "basic" in first:
        advice = "because it accepts no identity_token" if credentials is not None else "or log in to an auth_file"
        raise Denied(f"{what}: {registry} asks for a user name and a password; give username and password, {advice}", status=401)
    offered = sanitise(", ".join(first), 100) or "no scheme that it names"
    raise Denied(f"{what}: {registry} asks for a login by {offered}, but only Basic and Bearer are supported", status=401)
