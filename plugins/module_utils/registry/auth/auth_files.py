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
