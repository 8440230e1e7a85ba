# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan logins: what changes in auth files, and in the credential helpers that these name."""

from __future__ import annotations

import dataclasses
import itertools
import typing as t

from ..client_files.auth_file import AuthFile, open_auth_file
from ..client_files.login_edits import FileEdit, HelperEdit
from ..errors import InvalidOption
from ..registry.auth.auth_files import check_login, encode_login, is_same_login, own_entries, without_login
from ..registry.auth.credentials import Helpers, default_auth_files, find_entries, find_helpers, read_entry, user_auth_file
from ..registry.auth.login_scope import LoginScope
from ..registry.config.settings import Credentials
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
    edits: list[FileEdit | HelperEdit] = [*helper_edits, FileEdit(file, scope, _entries_with(file, scope, helpers, login), tighten=not helper)]
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
    edits: list[FileEdit] = []
    helper_edits: list[HelperEdit] = []
    for path in [auth_file] if auth_file else dict.fromkeys(default_auth_files(environment)):
        file = open_auth_file(path)
        edits.append(FileEdit(file, scope, {}, tighten=False))
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


def _edit_helper(helper: str, file: AuthFile, scope: LoginScope, login: Credentials | None) -> HelperEdit:
    return HelperEdit(helper=helper, what=file.document.what, scope=scope, login=login, before=_query(helper, file, scope))


def _entries_with(file: AuthFile, scope: LoginScope, helpers: Helpers, login: Credentials) -> dict[str, dict[str, t.Any]]:
    """Return the entries for SCOPE with LOGIN, or without any secret if a helper keeps it. Docker lists the registries of the common helper in the file."""
    key = scope.key_in(file.path)
    current = own_entries(file.document, scope)
    entry = current.get(key) or next(iter(current.values()), None)
    if helpers.own or helpers.common:
        return {key: without_login(entry)} if helpers.common or entry is not None else {}
    if entry is not None and is_same_login(read_entry(entry), login):
        return {key: entry.members}
    return {key: {**without_login(entry), **encode_login(login)}}


def _make_plan(scope: LoginScope, edits: t.Sequence[FileEdit | HelperEdit], results: t.Mapping[str, t.Any]) -> StatePlan:
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
