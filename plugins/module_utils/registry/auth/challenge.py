# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answering a registry's demand for credentials (RFC 9110, 11; distribution specification, Authentication)."""

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
    """One way in that a registry offers: the scheme in lower case, and its parameters."""

    scheme: str
    parameters: t.Mapping[str, str]


def parse_challenges(headers: t.Iterable[str]) -> list[Challenge]:
    """The challenges of all `WWW-Authenticate` headers, several of which may stand in one line. Stops at what can't be read."""
    challenges: list[Challenge] = []
    for header in headers:
        position = _after_comma(header, 0)
        while position < len(header):
            match = _SCHEME.match(header, position)
            if match is None:
                break
            parameters, position = _parse_parameters(header, match.end())
            challenges.append(Challenge(match.group(1).lower(), parameters))
    return challenges


def _parse_parameters(header: str, position: int) -> tuple[dict[str, str], int]:
    parameters: dict[str, str] = {}
    lone = _TOKEN68.match(header, position)
    if lone is not None:
        return parameters, _after_comma(header, lone.end())
    while True:
        match = _PARAMETER.match(header, position)
        if match is None:
            break
        name, quoted, plain = match.groups()
        parameters[name.lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
        position = _after_comma(header, match.end())
    return parameters, _after_comma(header, position)


def _after_comma(header: str, position: int) -> int:
    match = _SEPARATORS.match(header, position)
    return match.end() if match is not None else position


def basic_authorization(credentials: Credentials) -> str:
    """The value of an `Authorization` header (RFC 7617). Raises InvalidOption for credentials that aren't text."""
    try:
        pair = f"{credentials.username}:{credentials.secret}".encode()
    except UnicodeEncodeError:
        raise InvalidOption("username and password have to be text in UTF-8") from None
    return f"Basic {base64.b64encode(pair).decode('ascii')}"


def choose_challenge(challenges: t.Sequence[Challenge], credentials: Credentials | None, what: str, registry: str) -> Challenge:
    """The challenge to answer: Basic where a password can, since it asks nobody else, else Bearer. Raises Denied where nothing can be answered."""
    first: dict[str, Challenge] = {}
    for challenge in challenges:
        first.setdefault(challenge.scheme, challenge)
    if "basic" in first and credentials is not None and credentials.identity_token is None:
        return first["basic"]
    if "bearer" in first:
        return first["bearer"]
    if "basic" in first:
        told = "which an identity_token isn't" if credentials is not None else "or log in to an auth_file"
        raise Denied(f"{what}: {registry} asks for a user name and a password; give username and password, {told}", status=401)
    offered = sanitise(", ".join(first), 100) or "nothing that it names"
    raise Denied(f"{what}: {registry} wants a login by {offered}, and only Basic and Bearer are known here", status=401)
