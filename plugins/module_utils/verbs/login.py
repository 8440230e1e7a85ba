# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan logins: what changes in auth files, and in the credential helpers that these name."""

from __future__ import annotations

import dataclasses
import itertools
import typing as t

from ..client_files.auth_file import AuthFile, ReplaceEntries, open_auth_file
from ..errors import InvalidOption
from ..oci.document import Document
from ..registry.auth.auth_files import check_login, encode_login, is_same_login, replace_entries, without_login
from ..registry.auth.credentials import Helpers, default_auth_files, find_entries, find_helpers, read_entry, user_auth_file
from ..registry.auth.login_scope import LoginScope
from ..registry.config.settings import Credentials
from ..transfer.plan import Outcome, Step
from ..transfer.workers import Workers
from .state_plan import StatePlan

Environment = t.Mapping[str, str]


def plan_login(scope: LoginScope, login: Credentials, auth_file: str | None, environment: Environment) -> StatePlan:
    """Plan to keep LOGIN for SCOPE in an auth file, by default one of the host's, or in the credential helper that this file names.

    Raises InvalidOption for a login that can't be kept, Denied if a helper fails, UnsupportedFormat for a malformed file, InputOutputError.
    """
    check_login(login)
    file = open_auth_file(auth_file) if auth_file else _choose_file(scope, environment)
    helpers = find_helpers(file.document, scope)
    helper = helpers.own or helpers.common
    if helper and scope.path:
        raise InvalidOption(
            f"{file.path} leaves logins for {scope.registry} to docker-credential-{helper}, which keeps them for whole registries only;"
            f" log in to {scope.registry}, or give another auth_file"
        )
    # The helper comes first: after an interruption, no file lists a login that is missing in its helper.
    helper_edits = [_edit_helper(helper, file, scope, login)] if helper else []
    edits: list[_FileEdit | _HelperEdit] = [*helper_edits, _FileEdit(file, scope, _entries_with(file, scope, helpers, login), tighten=not helper)]
    return _make_plan(scope, edits, {"username": login.username or None, "auth_file": file.path, "helper": helper})


def with_verification(plan: StatePlan, accepted: bool | None) -> StatePlan:
    """Return PLAN with the answer of the registry about the login: None if it wasn't asked, False if it answers without a login."""
    warning = f"{plan.results['registry']} answers without a login, so the login was not verified"
    return dataclasses.replace(
        plan, results={**plan.results, "verified": bool(accepted)}, extra_warnings=(warning,) if accepted is False else plan.extra_warnings
    )


def plan_logout(scope: LoginScope, auth_file: str | None, environment: Environment) -> StatePlan:
    """Plan to remove every login for exactly SCOPE from an auth file, by default all of the host's, and from their helpers.

    Raises Denied if a helper fails, UnsupportedFormat for a malformed file, InputOutputError.
    """
    edits: list[_FileEdit] = []
    helper_edits: list[_HelperEdit] = []
    for path in [auth_file] if auth_file else dict.fromkeys(default_auth_files(environment)):
        file = open_auth_file(path)
        edits.append(_FileEdit(file, scope, {}, tighten=False))
        helpers = find_helpers(file.document, scope)
        helper = helpers.own or helpers.common
        if helper and not scope.path and helper not in [edit.helper for edit in helper_edits]:
            helper_edits.append(_edit_helper(helper, file, scope, None))
    # The files come first, for the same reason.
    return _make_plan(scope, [*edits, *helper_edits], {})


def _choose_file(scope: LoginScope, environment: Environment) -> AuthFile:
    """Return the auth file for a login if the task names none.

    It is the user's file, unless one that is read earlier has a login for SCOPE, which would hide the new one. REGISTRY_AUTH_FILE is used in any case.
    """
    named = environment.get("REGISTRY_AUTH_FILE")
    if named:
        return open_auth_file(named)
    own = user_auth_file(environment)
    earlier = itertools.takewhile(lambda path: path != own, default_auth_files(environment))
    return next((file for file in map(open_auth_file, earlier) if _has_login(file, scope)), None) or open_auth_file(own)


def _has_login(file: AuthFile, scope: LoginScope) -> bool:
    """Return True if a file has a login that applies to SCOPE, or names a helper for exactly this registry."""
    helpers = find_helpers(file.document, scope)
    if helpers.own or any(read_entry(entry) is not None for entry in find_entries(file.document, scope)):
        return True
    return helpers.common is not None and _query(helpers.common, file, scope) is not None


def _query(helper: str, file: AuthFile, scope: LoginScope) -> Credentials | None:
    from ..registry.auth.credential_helpers import query_helper

    return query_helper(helper, scope.server, file.document.what)


def _edit_helper(helper: str, file: AuthFile, scope: LoginScope, login: Credentials | None) -> _HelperEdit:
    return _HelperEdit(helper=helper, what=file.document.what, scope=scope, login=login, before=_query(helper, file, scope))


def _entries_with(file: AuthFile, scope: LoginScope, helpers: Helpers, login: Credentials) -> dict[str, dict[str, t.Any]]:
    """Return the entries for SCOPE with LOGIN, or without any secret if a helper keeps it. Docker lists the registries of the common helper in the file."""
    key = scope.key_in(file.path)
    current = _own_entries(file.document, scope)
    entry = current.get(key) or next(iter(current.values()), None)
    if helpers.own or helpers.common:
        return {key: without_login(entry)} if helpers.common or entry is not None else {}
    if entry is not None and is_same_login(read_entry(entry), login):
        return {key: entry.members}
    return {key: {**without_login(entry), **encode_login(login)}}


def _own_entries(document: Document, scope: LoginScope) -> dict[str, Document]:
    """Return the entries for exactly SCOPE, by key."""
    auths = document.child("auths")
    found = {key: auths.child(key) for key in auths.members if LoginScope.of_key(key) == scope} if auths is not None else {}
    return {key: entry for key, entry in found.items() if entry is not None}


@dataclasses.dataclass(frozen=True)
class _FileEdit:
    """The wanted entries for a scope in an auth file. With `tighten`, a file that others may read is a change too."""

    file: AuthFile
    scope: LoginScope
    entries: t.Mapping[str, t.Any] = dataclasses.field(repr=False)
    tighten: bool

    @property
    def name(self) -> str:
        return self.file.path

    @property
    def is_content_changed(self) -> bool:
        return replace_entries(self.file.document, self.scope, self.entries) != self.file.document.members

    @property
    def is_changed(self) -> bool:
        return self.is_content_changed or (self.tighten and self.file.mode not in (None, self.file.private_mode))

    def step(self) -> Step:
        self.file.require_writable()
        return ReplaceEntries(self.file.path, self.scope, self.entries, self.file.private_mode)

    def action(self) -> str:
        path = self.file.path
        if not self.is_content_changed:
            return f"set the mode of {path} to {self.file.private_mode:04o}"
        before = {key: read_entry(entry) for key, entry in _own_entries(self.file.document, self.scope).items()}
        if not self.entries:
            return f"remove the login for {self.scope} from {path}"
        if not any(_login_in(entry, path) for entry in self.entries.values()):
            reason = "because its credential helper has it"
            return f"remove the login for {self.scope} from {path}, {reason}" if any(before.values()) else f"list {self.scope} in {path}, {reason}"
        return f"{'change' if any(before.values()) else 'add'} the login for {self.scope} in {path}"

    def states(self) -> tuple[t.Any, t.Any]:
        """Return the file before and after, as a diff may show it; None if it doesn't exist."""
        before = {key: _show(read_entry(entry)) for key, entry in _own_entries(self.file.document, self.scope).items()}
        after = {key: _show(_login_in(entry, self.file.path)) for key, entry in self.entries.items()}
        if self.is_content_changed and before == after:
            before = {key: f"{user}, with another secret" for key, user in before.items()}
        mode = f"{self.file.mode:04o}" if self.file.mode is not None else None
        new_mode = f"{self.file.private_mode:04o}" if self.is_changed else mode
        return _file_state(mode, before), _file_state(new_mode, after)


@dataclasses.dataclass(frozen=True)
class _HelperEdit:
    """The wanted login for a scope in a credential helper, and the one that it has; None for no login. `what` is the file that names the helper."""

    helper: str
    what: str
    scope: LoginScope
    login: Credentials | None
    before: Credentials | None

    @property
    def name(self) -> str:
        return f"docker-credential-{self.helper}"

    @property
    def is_changed(self) -> bool:
        return not is_same_login(self.before, self.login)

    def step(self) -> Step:
        return _ChangeHelper(self.helper, self.what, self.scope.server, self.login)

    def action(self) -> str:
        if self.login is None:
            return f"remove the login for {self.scope} from {self.name}"
        return f"{'add' if self.before is None else 'change'} the login for {self.scope} in {self.name}"

    def states(self) -> tuple[t.Any, t.Any]:
        before, after = _show(self.before), _show(self.login)
        if self.is_changed and before == after:
            before = f"{before}, with another secret"
        return ({self.scope.server: before} if self.before else None), ({self.scope.server: after} if self.login else None)


@dataclasses.dataclass(frozen=True)
class _ChangeHelper(Step):
    """Store a login in a credential helper, or delete the one that it has."""

    helper: str
    what: str
    server: str
    login: Credentials | None

    def apply(self, unused_workers: Workers) -> Outcome:
        from ..registry.auth.credential_helpers import erase_from_helper, store_in_helper

        if self.login is None:
            erase_from_helper(self.helper, self.server, self.what)
        else:
            store_in_helper(self.helper, self.server, self.login, self.what)
        return Outcome()


def _make_plan(scope: LoginScope, edits: t.Sequence[_FileEdit | _HelperEdit], results: t.Mapping[str, t.Any]) -> StatePlan:
    """Return the plan that applies EDITS in this order."""
    changed = [edit for edit in edits if edit.is_changed]
    states = [(edit.name, *edit.states()) for edit in edits]
    return StatePlan(
        [],
        {"registry": str(scope), **results},
        steps=[edit.step() for edit in changed],
        extra_actions=tuple(edit.action() for edit in changed),
        states=(
            {name: before for name, before, _after in states if before is not None},
            {name: after for name, _before, after in states if after is not None},
        ),
    )


def _file_state(mode: str | None, logins: t.Mapping[str, str]) -> dict[str, t.Any] | None:
    return {"mode": mode, "logins": dict(logins)} if mode is not None else None


def _login_in(members: dict[str, t.Any], path: str) -> Credentials | None:
    return read_entry(Document(members, path))


def _show(login: Credentials | None) -> str:
    """Return a login without its secret."""
    if login is None:
        return "no secret"
    return login.username if login.identity_token is None else "an identity token"
