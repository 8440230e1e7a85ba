# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find the logins of a host in its auth files and credential helpers, and ask registries whether they accept them."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ..errors import Denied, InvalidReference, LongshoreError
from ..oci.document import Document
from ..oci.reference import Reference
from ..registry.auth.credentials import default_auth_files, find_entries, find_helpers, read_auth_file, read_entry
from ..registry.auth.login_scope import LoginScope
from ..registry.config.settings import Credentials
from ..transfer.workers import Workers

if t.TYPE_CHECKING:
    from ..registry.registries import Registries

Row = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class FoundLogin:
    """A login of the host. It is not `active` if another one hides it. `read` returns its credentials, None if a helper doesn't have them any more."""

    scope: LoginScope
    auth_file: str
    helper: str | None
    username: str | None
    active: bool
    read: t.Callable[[], Credentials | None] = dataclasses.field(repr=False)

    def row(self) -> Row:
        return {
            "registry": str(self.scope),
            "username": self.username,
            "kind": "identity_token" if self.username is None else "password",
            "auth_file": self.auth_file,
            "helper": self.helper,
            "active": self.active,
        }


def find_logins(wanted: LoginScope | None, auth_file: str | None, environment: t.Mapping[str, str]) -> list[FoundLogin]:
    """Return the logins in an auth file, by default in all of the host's, in the order in which they are read; of WANTED only, if it is given.

    Those of a registry are all logins at it, those of a path below it are the ones that apply to that path.
    Raises InvalidOption if AUTH_FILE doesn't exist, UnsupportedFormat for a malformed file, Denied if a helper fails, InputOutputError.
    """
    found: list[FoundLogin] = []
    for path in [auth_file] if auth_file else dict.fromkeys(default_auth_files(environment)):
        document = read_auth_file(path, required=bool(auth_file))
        if document is not None:
            earlier = [login.scope for login in found]
            found += [_hide(login, earlier) for login in _read_logins(document, path, functools.partial(_is_wanted, wanted))]
    return found


def check_logins(logins: t.Sequence[FoundLogin], registries: Registries, workers: Workers) -> list[Row]:
    """Return the row of each login with the answer of its registry: whether it is `accepted`, None if that is unknown, and why not."""

    def check(login: FoundLogin) -> Row:
        accepted: bool | None
        try:
            _require_registry(login)
            credentials = login.read()
            if credentials is None:
                raise Denied(f"docker-credential-{login.helper} lists a login for {login.scope}, but has none; log in again")
            # True means accepted. A registry that asks for no login says nothing about it.
            accepted = registries.accepts_login(login.scope.registry, credentials) or None
        except LongshoreError as error:
            accepted = False if isinstance(error, Denied) else None
            return {**login.row(), "accepted": accepted, "error": error.cause, "msg": error.message}
        return {**login.row(), "accepted": accepted}

    return workers.map(check, logins)


def _require_registry(login: FoundLogin) -> None:
    """Raise InvalidReference for a key that is not a registry's name: paths of certificates and addresses are built from it."""
    registry = login.scope.registry
    if Reference.parse(f"{registry}/x").registry != registry:
        raise InvalidReference(f"{registry!r} in {login.auth_file} is not the name of a registry, so its login is not checked")


def _is_wanted(wanted: LoginScope | None, scope: LoginScope) -> bool:
    return wanted is None or scope.contains(wanted) or (not wanted.path and scope.registry == wanted.registry)


def _hide(login: FoundLogin, earlier: t.Iterable[LoginScope]) -> FoundLogin:
    """Return LOGIN, not active if a login in an earlier file applies to the same images."""
    return dataclasses.replace(login, active=login.active and not any(scope.contains(login.scope) for scope in earlier))


def _read_logins(document: Document, path: str, is_wanted: t.Callable[[LoginScope], bool]) -> t.Iterator[FoundLogin]:
    """Yield the logins of one auth file in the order in which they are tried: helpers of single registries, entries, and the common helper."""
    for key, helper in document.text_map("credHelpers").items():
        scope = LoginScope.of_key(key)
        credentials = _query(helper, scope, document) if helper and is_wanted(scope) else None
        if credentials is not None:
            yield _make_login(scope, path, credentials, helper=helper, active=True)
    auths = document.child("auths")
    for key in auths.members if auths is not None else ():
        scope, entry = LoginScope.of_key(key), t.cast(Document, auths).child(key)
        credentials = read_entry(entry) if entry is not None and is_wanted(scope) else None
        if credentials is not None:
            is_first = _first_login(document, scope) is t.cast(Document, entry).members
            yield _make_login(scope, path, credentials, helper=None, active=is_first and not find_helpers(document, scope).own)
    common = document.text("credsStore")
    if common:
        yield from _list_common(common, document, path, is_wanted)


def _make_login(scope: LoginScope, path: str, credentials: Credentials, *, helper: str | None, active: bool) -> FoundLogin:
    username = credentials.username if credentials.identity_token is None else None
    return FoundLogin(scope=scope, auth_file=path, helper=helper, username=username, active=active, read=lambda: credentials)


def _list_common(helper: str, document: Document, path: str, is_wanted: t.Callable[[LoginScope], bool]) -> t.Iterator[FoundLogin]:
    """Yield the logins of the common helper. Their secrets are read only if somebody asks for them."""
    from ..registry.auth.credential_helpers import IDENTITY_TOKEN_USER, list_helper

    for server, listed in list_helper(helper, document.what).items():
        scope = LoginScope.of_key(server)
        if is_wanted(scope) and find_helpers(document, scope).common:
            active = _first_login(document, scope) is None
            username = None if listed == IDENTITY_TOKEN_USER else listed
            read = functools.partial(_query, helper, scope, document)
            yield FoundLogin(scope=scope, auth_file=path, helper=helper, username=username, active=active, read=read)


def _first_login(document: Document, scope: LoginScope) -> dict[str, t.Any] | None:
    """Return the entry of an auth file that counts for SCOPE, None if none has a login."""
    return next((entry.members for entry in find_entries(document, scope) if read_entry(entry) is not None), None)


def _query(helper: str, scope: LoginScope, document: Document) -> Credentials | None:
    from ..registry.auth.credential_helpers import query_helper

    return query_helper(helper, scope.server, document.what)
