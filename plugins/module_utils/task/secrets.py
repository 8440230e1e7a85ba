# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep secrets out of everything that a task prints, in every form in which they are sent to a registry."""

from __future__ import annotations

import base64
import json
import typing as t
from urllib.parse import quote, quote_plus, unquote

from ..oci.text import CUT, sanitise, split_userinfo

# Options that hold an address, in which a user name and a password may stand.
ADDRESS_OPTIONS = ("proxy", "docker_host", "podman_host", "url")
ADDRESS_VARIABLES = ("DOCKER_HOST", "CONTAINER_HOST")
# Shorter values of headers and user names are words that also stand elsewhere.
MIN_SECRET_LENGTH = 8

HIDDEN = "********"
_MIN_LENGTH = 4


def secret_forms(secret: str, username: str | None = None) -> set[str]:
    """Return SECRET unchanged, and as it looks in URLs, paths, JSON, an `Authorization` header, and when its bytes are read as Latin-1."""
    encoded = _encoded(secret)
    forms = {secret, quote(encoded, safe=""), quote(encoded), quote_plus(encoded), encoded.decode("latin-1")}
    forms.add(sanitise(secret, len(secret)))  # as it looks in a message
    forms |= {json.dumps(secret, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}
    for text in (secret, f"{username}:{secret}") if username is not None else (secret,):
        forms |= {_base64(text), _base64(text).rstrip("=")}
    return {form for form in forms if form}


def secret_forms_in_url(address: str) -> set[str]:
    """Return the forms of a password in an address, such as that of a proxy: as it is written there, and unquoted."""
    userinfo = address.rpartition("://")[2].partition("/")[0].rpartition("@")[0]
    username, _colon, password = userinfo.partition(":")
    return secret_forms(password, username) | secret_forms(unquote(password), unquote(username)) if password else set()


def userinfo_forms(address: str) -> set[str]:
    """Return the forms of the user name and password in an address of a proxy, an engine or a mirror, together and of the password alone.

    All that stands before the last @ counts, since passwords are written with unquoted / and # too. A user name alone may be a token.
    """
    if "@" not in address or address.startswith("unix:///"):
        return set()
    userinfo = split_userinfo(address)[1]
    if userinfo == HIDDEN:
        return set()
    username, colon, password = userinfo.partition(":")
    forms = secret_forms_in_url(address) | {f"//{userinfo}@"}
    if colon or len(userinfo) >= MIN_SECRET_LENGTH:
        forms |= secret_forms(userinfo) | secret_forms(unquote(userinfo))
    if password:
        # Ansible replaces the password in a logged address by itself, before a module can register the secret.
        forms.add(f"{username}:{HIDDEN}")
        forms |= secret_forms(password, username) | secret_forms(unquote(password), unquote(username))
    return forms


def may_hold_private_key(options: object) -> bool:
    """Return whether a private key may be among OPTIONS, so that few runs import the code that looks for it."""
    return "PRIVATE KEY" in str(options)


def option_secrets(options: t.Any) -> set[str]:
    """Return the secrets in OPTIONS that are not options for secrets: logins in addresses, and private keys anywhere."""
    found = address_secrets(options)
    if may_hold_private_key(options):
        from .private_keys import find_private_keys

        found |= find_private_keys(options)
    return found


def without_option_secrets(options: t.Any) -> t.Any:
    """Return OPTIONS without the secrets that `option_secrets` returns, for the invocation that Ansible shows."""
    shown = without_addresses_secrets(options)
    if may_hold_private_key(options):
        from .private_keys import without_private_keys

        shown = without_private_keys(shown)
    return shown


def address_secrets(options: t.Any) -> set[str]:
    """Return the secrets in all addresses among OPTIONS, which may be of any type: they are those of a task before they are validated, too."""
    if isinstance(options, (list, tuple)):
        return set().union(*map(address_secrets, options))
    if not isinstance(options, dict):
        return set()
    found = set().union(*map(address_secrets, options.values()))
    return found.union(*(userinfo_forms(value) for name, value in options.items() if name in ADDRESS_OPTIONS and isinstance(value, str)))


def without_addresses_secrets(options: t.Any) -> t.Any:
    """Return OPTIONS with the user name and password replaced in every address, for the invocation that Ansible shows."""
    if isinstance(options, (list, tuple)):
        return [without_addresses_secrets(value) for value in options]
    if not isinstance(options, dict):
        return options
    return {
        name: _hidden_userinfo(value) if name in ADDRESS_OPTIONS and isinstance(value, str) else without_addresses_secrets(value)
        for name, value in options.items()
    }


def _hidden_userinfo(address: str) -> str:
    if not userinfo_forms(address):
        return address
    scheme, _userinfo, rest = split_userinfo(address)
    return f"{scheme}{HIDDEN}@{rest}"


def redact(text: str, secrets: t.Iterable[str]) -> str:
    """Return TEXT with every secret replaced. It is for text of registries and images, which may hold a secret on purpose.

    If the text was cut, which three dots show, the beginning of a secret before the cut is replaced too.
    """
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _MIN_LENGTH:
            text = _without_beginning(text.replace(secret, HIDDEN), secret)
    return text


def redact_values(value: t.Any, secrets: t.Collection[str]) -> t.Any:
    """Return a result with every secret replaced in all of its texts."""
    if isinstance(value, str):
        return redact(value, secrets)
    if isinstance(value, dict):
        return {key: redact_values(item, secrets) for key, item in value.items()}
    return [redact_values(item, secrets) for item in value] if isinstance(value, (list, tuple)) else value


def _without_beginning(text: str, secret: str) -> str:
    """Return TEXT with each beginning of SECRET replaced that the mark of a cut follows.

    The search goes by the secret, not by the mark: a secret that contains dots makes it unclear where the mark begins.
    """
    beginning = secret[:_MIN_LENGTH]
    start = text.find(beginning)
    while start >= 0:
        length = _MIN_LENGTH
        while length < len(secret) - 1 and text[start + length : start + length + 1] == secret[length]:
            length += 1
        while length >= _MIN_LENGTH and not text.startswith(CUT, start + length):
            length -= 1
        if length < _MIN_LENGTH:
            start = text.find(beginning, start + 1)
        else:
            text = f"{text[:start]}{HIDDEN}{text[start + length :]}"
            start = text.find(beginning, start + len(HIDDEN))
    return text


def _base64(text: str) -> str:
    return base64.b64encode(_encoded(text)).decode("ascii")


def _encoded(text: str) -> bytes:
    """Encode TEXT without ever failing: the code that keeps secrets out of errors must not raise one."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
