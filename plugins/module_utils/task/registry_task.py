# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A task that may ask registries: their options as settings, and the registries themselves."""

from __future__ import annotations

import dataclasses
import typing as t

from ..errors import InvalidOption, InvalidReference
from ..oci.digest import Digest
from ..oci.glob import is_glob
from ..oci.reference import Reference, parse_selector
from .arguments import LOGIN
from .secret_forms import secret_forms
from .secrets import header_secrets
from .task import Task

if t.TYPE_CHECKING:
    from ..registry.auth.login_scope import LoginScope
    from ..registry.config.settings import ClientSettings, Credentials
    from ..registry.registries import Registries
    from ..registry.repository import Repository


class RegistryTask(Task):
    """The options of one run of a module with registry options. Registries are opened when they are first needed."""

    _registries: Registries | None = None
    _settings: ClientSettings | None = None

    @property
    def uses_registries(self) -> bool:
        """Whether the run may ask registries."""
        return bool(self.params.get("check_base")) or (self.params.get("remote") is not False and self.params.get("registry", "") is not None)

    def remote_references(self, option: str) -> list[Reference]:
        """Return the images to ask registries for, and open these. Raises InvalidOption if no image is named, InvalidReference for a glob or an ID."""
        texts = self.texts(option)
        if not texts:
            raise InvalidOption(
                f"remote: give {option}; a registry isn't asked for all that it has, but image_search_info lists its repositories and tags"
            )
        if self.params.get("archive") is not None:
            raise InvalidOption("remote and archive are two places to look in; give one of them")
        for text in texts:
            if is_glob(text):
                raise InvalidReference(
                    f"{text!r} is a glob, and a registry is only asked for single images; image_search_info lists its repositories and tags"
                )
            if isinstance(parse_selector(text), Digest):
                raise InvalidReference(f"{text} names no repository to ask for it; write repository@{text}")
        references = list(dict.fromkeys(self.references(option)))
        self.open_registries(references, references)
        return references

    def open_registries(
        self, references: t.Sequence[Reference], named_by_task: t.Sequence[Reference] | None = None, *, use_login: bool = True
    ) -> None:
        """Check the registry options for a run that may ask the registries of REFERENCES. Nothing is sent, and `requests` isn't loaded yet.

        The credentials of the task go to registries of NAMED_BY_TASK, by default of all REFERENCES. Without USE_LOGIN they
        are ignored. Raises InvalidOption.
        """
        from .registry_options import client_settings

        params = self.params if use_login else {**self.params, **dict.fromkeys(LOGIN)}
        settings = client_settings(params, references, named_by_task)
        if self._debug:
            from ..registry.http.request_log import RequestLog

            settings = dataclasses.replace(settings, request_log=RequestLog())
        self._settings = settings

    def open_registry_of(self, scope: LoginScope) -> Credentials:
        """Call `open_registries` for the one registry of SCOPE. Return the credentials that the task has for it. Raises InvalidOption if it has none."""
        self.open_registries([Reference(scope.registry, scope.path)])
        credentials = t.cast("ClientSettings", self._settings).for_host(scope.registry).credentials
        if credentials is None:
            raise InvalidOption(f"the login for {scope} is missing; give username and password, or identity_token")
        return credentials

    def open_registry(self, option: str) -> str:
        """Call `open_registries` for the one registry that OPTION names. Return its name as references have it."""
        from .registry_options import registry_name

        registry = registry_name(self.params[option], option)
        self.open_registries([Reference(registry, "")])
        return registry

    def repository(self, reference: Reference) -> Repository:
        """Return a registry's repository to read from, through its mirrors. Raises MissingLibrary on a host without `requests`."""
        return self.registries.repository(reference)

    def destination(self, reference: Reference) -> Repository:
        """Return a registry's repository to change, without mirrors. Raises MissingLibrary on a host without `requests`."""
        return self.registries.repository(reference, direct=True)

    @property
    def registries(self) -> Registries:
        """The registries of the run, after `open_registries`. Raises MissingLibrary on a host without `requests`."""
        if self._registries is None:
            from ..registry.registries import Registries

            self._registries = Registries(t.cast("ClientSettings", self._settings))
        return self._registries

    @property
    def rate_limit(self) -> dict[str, int | None] | None:
        """The quota that a registry reported, None if none did."""
        reported = self._registries.client.rate_limit if self._registries is not None else None
        return {"limit": reported[0], "remaining": reported[1]} if reported is not None else None

    @property
    def warnings(self) -> list[str]:
        """Warnings about the configuration of registries."""
        return self._registries.warnings if self._registries is not None else []

    def request_rows(self) -> list[dict[str, t.Any]]:
        """Return the logged requests of a run with debugging."""
        log = self._settings.request_log if self._settings is not None else None
        return log.rows() if log is not None else []

    def secrets(self) -> set[str]:
        secrets = super().secrets()
        if self._registries is not None:
            for credentials in self._registries.client.found_credentials:
                secrets |= secret_forms(credentials.secret, credentials.username)
            for token in self._registries.client.found_tokens:
                secrets |= secret_forms(token)
            secrets |= header_secrets(self._registries.headers)
        return secrets
