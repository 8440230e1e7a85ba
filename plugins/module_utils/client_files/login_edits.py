# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The changes of logins: in an auth file, and in a credential helper that it names."""

from __future__ import annotations

import dataclasses
import typing as t

from ..oci.document import Document
from ..registry.auth.auth_files import is_same_login, own_entries, replace_entries
from ..registry.auth.credentials import read_entry
from ..registry.auth.login_scope import LoginScope
from ..registry.config.settings import Credentials
from ..transfer.plan import Outcome, Step
from ..transfer.workers import Workers
from .auth_file import AuthFile, ReplaceEntries


@dataclasses.dataclass(frozen=True)
class FileEdit:
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
        before = {key: read_entry(entry) for key, entry in own_entries(self.file.document, self.scope).items()}
        if not self.entries:
            return f"remove the login for {self.scope} from {path}"
        if not any(_login_in(entry, path) for entry in self.entries.values()):
            reason = "because its credential helper has it"
            return f"remove the login for {self.scope} from {path}, {reason}" if any(before.values()) else f"list {self.scope} in {path}, {reason}"
        return f"{'change' if any(before.values()) else 'add'} the login for {self.scope} in {path}"

    def states(self) -> tuple[t.Any, t.Any]:
        """Return the file before and after, as a diff may show it; None if it doesn't exist."""
        before = {key: _show(read_entry(entry)) for key, entry in own_entries(self.file.document, self.scope).items()}
        after = {key: _show(_login_in(entry, self.file.path)) for key, entry in self.entries.items()}
        if self.is_content_changed and before == after:
            before = {key: f"{user}, with another secret" for key, user in before.items()}
        mode = f"{self.file.mode:04o}" if self.file.mode is not None else None
        new_mode = f"{self.file.private_mode:04o}" if self.is_changed else mode
        return _file_state(mode, before), _file_state(new_mode, after)


@dataclasses.dataclass(frozen=True)
class HelperEdit:
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


def _file_state(mode: str | None, logins: t.Mapping[str, str]) -> dict[str, t.Any] | None:
    return {"mode": mode, "logins": dict(logins)} if mode is not None else None


def _login_in(members: dict[str, t.Any], path: str) -> Credentials | None:
    return read_entry(Document(members, path))


def _show(login: Credentials | None) -> str:
    """Return a login without its secret."""
    if login is None:
        return "no secret"
    return login.username if login.identity_token is None else "an identity token"
