# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Change the logins in an auth file of podman, skopeo or docker (containers-auth.json(5)). Everything else in the file is kept."""

from __future__ import annotations

import base64
import typing as t

from ...errors import InvalidOption
from ...oci.document import Document
from ..config.settings import Credentials
from .login_scope import LoginScope

# The members of an entry that make up a login.
_LOGIN_MEMBERS = ("auth", "identitytoken", "registrytoken", "username", "password")


def encode_login(login: Credentials) -> dict[str, str]:
    """Return the entry of an auth file for a login, as `docker login` and `podman login` write it."""
    if login.identity_token is not None:
        return {"auth": base64.b64encode(b"<token>:").decode(), "identitytoken": login.identity_token}
    return {"auth": base64.b64encode(f"{login.username}:{login.password}".encode()).decode()}


def set_logins(document: Document, logins: t.Mapping[str, Credentials], recorded: t.Collection[str]) -> tuple[dict[str, t.Any], list[str]]:
    """Return the members of an auth file with LOGINS, and the keys that this collection wrote.

    RECORDED are the keys that an earlier run wrote. Logins of others are kept. Raises InvalidOption if somebody else wrote
    another login for a key, or if a credential helper provides it.
    """
    _refuse_helpers(document, logins)
    auths_document = document.child("auths")
    current = auths_document.members if auths_document is not None else {}
    auths = {key: entry for key, entry in current.items() if key not in recorded}
    owned = []
    for key, login in logins.items():
        entry = encode_login(login)
        if key not in auths:
            owned.append(key)
        elif auths[key] != entry:
            raise InvalidOption(
                f"{document.what} already has another login for {key}, which somebody else wrote; log out there, or leave this login out here"
            )
        auths[key] = entry
    # Keys keep their order, so that a file is not rewritten without a change.
    ordered = {key: auths[key] for key in [*(key for key in current if key in auths), *(key for key in auths if key not in current)]}
    members = {**document.members, "auths": ordered}
    if not ordered and recorded:
        del members["auths"]
    return (members if ordered or recorded else dict(document.members)), owned


def _refuse_helpers(document: Document, logins: t.Mapping[str, Credentials]) -> None:
    """Raise InvalidOption if docker and podman would ask a helper, and ignore a login in the file."""
    helpers = document.text_map("credHelpers")
    for key in logins:
        helper = helpers.get(key, document.text("credsStore"))
        if helper:
            raise InvalidOption(
                f"{document.what} leaves the login for {key} to docker-credential-{helper}, so one in the file would have no effect;"
                " log in with the engine, or remove the helper there"
            )


def check_login(login: Credentials) -> None:
    """Raise InvalidOption for a login that an auth file can't express."""
    if login.identity_token is None and (not login.username or ":" in login.username):
        raise InvalidOption("username can't be empty and can't contain a colon, which separates it from the password")
    if not login.secret or "\0" in login.secret:
        raise InvalidOption("password or identity_token is empty or contains a zero byte, which is not kept")
    try:
        f"{login.username}{login.secret}".encode()
    except UnicodeEncodeError:
        raise InvalidOption("username and password must be text in UTF-8") from None


def is_same_login(one: Credentials | None, other: Credentials | None) -> bool:
    """Return True for two equal logins. The user name beside an identity token has no meaning."""
    if one is None or other is None or one.identity_token is None or other.identity_token is None:
        return one == other
    return one.identity_token == other.identity_token


def without_login(entry: Document | None) -> dict[str, t.Any]:
    """Return the other members of an entry, such as `email`."""
    return {key: value for key, value in entry.members.items() if key not in _LOGIN_MEMBERS} if entry is not None else {}


def own_entries(document: Document, scope: LoginScope) -> dict[str, Document]:
    """Return the entries for exactly SCOPE, by key."""
    auths = document.child("auths")
    found = {key: auths.child(key) for key in auths.members if LoginScope.of_key(key) == scope} if auths is not None else {}
    return {key: entry for key, entry in found.items() if entry is not None}


def replace_entries(document: Document, scope: LoginScope, entries: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return the members of an auth file in which ENTRIES replace all entries for SCOPE, however they are spelled. All else keeps its order."""
    auths = document.child("auths")
    current = auths.members if auths is not None else {}
    kept = {key: entries.get(key, entry) for key, entry in current.items() if key in entries or LoginScope.of_key(key) != scope}
    replaced = {**kept, **entries}
    return {**document.members, "auths": replaced} if replaced or auths is not None else dict(document.members)
