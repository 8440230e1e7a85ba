# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a task as typed values, and the places that they name."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import typing as t

from ..errors import InvalidOption, InvalidReference, LongshoreError
from ..oci.digest import Digest
from ..oci.glob import is_glob
from ..oci.platform import Platform, Selection
from ..oci.reference import Reference, parse_selector
from ..oci.text import sanitise
from ..store.store import Store
from ..transfer.workers import Workers
from .arguments import LOGIN
from .file_modes import octal_mode
from .secret_forms import secret_forms
from .secrets import ADDRESS_VARIABLES, HiddenOptions, header_secrets, userinfo_forms

if t.TYPE_CHECKING:
    from ..archive.reader import Archive
    from ..engine.interfaces import ManagedEngine
    from ..oci.location import Location
    from ..oci.lockfile import LockFile
    from ..places.catalog import ImageCatalog
    from ..registry.auth.login_scope import LoginScope
    from ..registry.config.settings import ClientSettings, Credentials
    from ..registry.registries import Registries
    from ..registry.repository import Repository
    from ..store.staging import Staging
    from ..trust.keys import PrivateKey
    from ..trust.policy import TrustPolicy

ROOT_STORE = "/var/lib/longshore/images"
USER_STORE = "longshore/images"

_T = t.TypeVar("_T")


class Task:
    """The options of one run. Places are opened when they are first needed."""

    def __init__(self, params: t.Mapping[str, t.Any], check_mode: bool, *, debug: bool = False) -> None:
        """With DEBUG, requests to registries are logged."""
        self.params = params
        self.check_mode = check_mode
        self.host = host_platform()
        self.workers = Workers(int(params.get("concurrency") or 1))
        self._debug = debug
        self._store: Store | None = None
        self._staging: Staging | None = None
        self._registries: Registries | None = None
        self._settings: ClientSettings | None = None

    # Options.

    def references(self, option: str) -> list[Reference]:
        """Return the references in an option. Raises InvalidReference."""
        return [Reference.parse(text) for text in self._texts(option)]

    def selectors(self, option: str) -> list[Reference | Digest]:
        """Return references, and IDs and digests written in full. Raises InvalidReference."""
        return [parse_selector(text) for text in self._texts(option)]

    def locations(self, src: str, dest: str) -> tuple[Location, Location]:
        """Return two places that a user named, to read from and to write to; `~` and variables in their paths are the managed host's."""
        from ..oci.location import Location

        return _on_host(Location.parse(src)), _on_host(Location.parse_destination(dest))

    def _texts(self, option: str) -> list[str]:
        value = self.params[option]
        if value is None:
            return []
        if not isinstance(value, str):
            # Ansible takes text for a list apart at its commas, and leaves the spaces after them.
            return [str(text).strip() for text in value]
        if value.startswith("[") and value.endswith("]"):
            raise InvalidReference(f"{option} takes one image, and got a list: {sanitise(value, 200)}")
        return [value]

    @property
    def selection(self) -> Selection | None:
        """The requested platforms; None if the task doesn't name any."""
        texts = self.params.get("platform")
        return Selection.parse(texts) if texts else None

    @property
    def host_selection(self) -> Selection:
        """The requested platforms, else the managed host's own."""
        return self.selection or Selection((self.host,), explicit=False)

    @property
    def lock(self) -> LockFile | None:
        """The content of the task's lock file; None if it has none. Raises UnsupportedFormat for anything else, InvalidOption for a file that wasn't read."""
        if self.params["lock_file"] is not None:
            raise InvalidOption(
                "lock_file is read on the controller by the action plugin of image_pull, which did not run; give the file's content as lock"
            )
        given = self.params["lock"]
        if given is None:
            return None
        if not isinstance(given, (str, dict)):
            raise InvalidOption("lock is neither a dictionary nor text; it takes what a lock file holds")
        from ..oci.lockfile import LockFile

        text = given if isinstance(given, str) else json.dumps(given)
        return LockFile.parse(text.encode("utf-8", "backslashreplace"), "lock")

    @property
    def policy(self) -> TrustPolicy | None:
        """The policy that images have to meet; None if the task has neither `trust` nor `trust_file`. Raises InvalidTrust, MissingLibrary."""
        if self.params["trust"] is None and self.params["trust_file"] is None:
            return None
        from .trust import read_policy

        return read_policy(self.params)

    @property
    def private_key(self) -> PrivateKey:
        """The private key of the task. Raises InvalidOption, MissingLibrary."""
        from .trust import read_private_key

        return read_private_key(self.params)

    # Places.

    @property
    def uses_registries(self) -> bool:
        """Whether the run may ask registries."""
        return "registries" in self.params and self.params.get("remote") is not False and self.params.get("registry", "") is not None

    @property
    def opened_store(self) -> Store | None:
        """The store, if this run has used it."""
        return self._store

    @property
    def store(self) -> Store:
        if self._store is None:
            self._store = Store(self.params["store"] or default_store(), _store_mode(self.params["store_mode"]), self.params["lock_timeout"])
        return self._store

    @property
    def staging(self) -> Staging | None:
        """Where a plan may write new blobs of the store that the run surely needs; None in check mode, which writes nothing."""
        if self._staging is None and not self.check_mode:
            from ..store.staging import Staging

            self._staging = Staging(self.store)
        return self._staging

    def open_store(self, path: str) -> Store:
        """Return the store at PATH with the store options of the task; the task's own store if PATH is empty."""
        if not path:
            return self.store
        return Store(path, _store_mode(self.params["store_mode"]), self.params["lock_timeout"])

    def open_engine(self, kind: str | None = None, namespace: str | None = None) -> ManagedEngine:
        """Return an engine, by default the one that the option `engine` names. Raises EngineError if it can't be reached, InvalidOption."""
        from ..engine.discovery import EngineOptions, open_engine

        options = EngineOptions.of_task(self.params, kind or self.params["engine"], namespace)
        return open_engine(options, os.environ)

    def open_engine_at(self, scheme: str, namespace: str | None) -> ManagedEngine:
        """Return the engine of a location by its scheme and namespace. Raises as `open_engine`."""
        from ..oci.location import ENGINES

        return self.open_engine(ENGINES[scheme], namespace)

    @property
    def engine_scheme(self) -> str:
        """The scheme of locations in the engine that the option `engine` names."""
        from ..oci.location import ENGINES

        return next(scheme for scheme, kind in ENGINES.items() if kind == self.params["engine"])

    @property
    def catalog(self) -> ImageCatalog[t.Any]:
        """The images of the engine that the task names, else of the store. Raises StoreDamaged, EngineError."""
        if self.params["engine"] is None:
            from ..places.store.catalog import StoreCatalog

            return StoreCatalog(self.store, self.host)
        from ..places.engine.catalog import EngineCatalog

        return EngineCatalog(self.open_engine(), self.host)

    def open_image_place(self, store: t.Callable[[Store], _T], archive: t.Callable[[Archive], _T], engine: t.Callable[[ManagedEngine], _T]) -> _T:
        """Open the archive that the task names, else the engine that it names, else the store. Return what the function for it returns.

        Raises what opening these raises.
        """
        if self.params["archive"] is not None:
            from ..archive.reader import open_archive

            return archive(open_archive(self.params["archive"]))
        return store(self.store) if self.params["engine"] is None else engine(self.open_engine())

    def remote_references(self, option: str) -> list[Reference]:
        """Return the images to ask registries for, and open these. Raises InvalidOption if no image is named, InvalidReference for a glob or an ID."""
        texts = self._texts(option)
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
        self.open_registries(references)
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

    def save_caches(self) -> None:
        """Save what this run learned about the store, so that the next one has less to do, unless another run is writing to the store."""
        if self._store is not None and self._store.unsaved_caches:
            self._store.lock_timeout = 0
            # A writer saves the caches when it ends. Without that the next run takes longer, and nothing else.
            with contextlib.suppress(LongshoreError), self._store.open_writer(()):
                pass

    def close(self) -> None:
        """Close what the run holds open on disk."""
        if self._staging is not None:
            self._staging.close()
        if self._store is not None:
            self._store.close()

    def secrets(self) -> set[str]:
        """Return every secret that this run knows, in all its forms."""
        secrets = HiddenOptions(self.params).secrets
        for name, address in os.environ.items():
            if name.lower().endswith("_proxy") or name in ADDRESS_VARIABLES:
                secrets |= userinfo_forms(address)
        if self._registries is not None:
            for credentials in self._registries.client.found_credentials:
                secrets |= secret_forms(credentials.secret, credentials.username)
            for token in self._registries.client.found_tokens:
                secrets |= secret_forms(token)
            secrets |= header_secrets(self._registries.headers)
        return secrets


def _on_host(location: Location) -> Location:
    path = location.path
    return dataclasses.replace(location, path=os.path.abspath(os.path.expanduser(os.path.expandvars(path)))) if path else location


def host_platform() -> Platform:
    """Return the platform of the managed host."""
    system = os.uname()
    return Platform.of_machine(system.sysname, system.machine)


def default_store() -> str:
    """Return the store of a task that doesn't name one: a folder of the system for root, a folder in the home for other users."""
    if os.geteuid() == 0:
        return ROOT_STORE
    data = os.environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
    return os.path.join(data, USER_STORE)


def _store_mode(value: object) -> int:
    mode = octal_mode(value, "store_mode")
    if mode & 0o700 != 0o700:
        raise InvalidOption(f"store_mode {mode:04o} denies the store to its owner; it must include 0700")
    return mode
