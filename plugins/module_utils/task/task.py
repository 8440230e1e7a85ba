# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a task as typed values, and the places that they name."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..errors import InvalidOption, InvalidReference, LongshoreError
from ..oci.digest import Digest
from ..oci.platform import Platform, Selection
from ..oci.reference import Reference, parse_selector
from ..oci.text import sanitise
from ..store.store import Store
from ..transfer.workers import Workers
from .file_modes import octal_mode
from .secrets import ADDRESS_VARIABLES, HiddenOptions, userinfo_forms

ROOT_STORE = "/var/lib/longshore/images"
USER_STORE = "longshore/images"


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
        self._closing: list[t.Callable[[], None]] = []
        self._saving: list[t.Callable[[], None]] = []

    # Options.

    def references(self, option: str) -> list[Reference]:
        """Return the references in an option. Raises InvalidReference."""
        return [Reference.parse(text) for text in self.texts(option)]

    def selectors(self, option: str) -> list[Reference | Digest]:
        """Return references, and IDs and digests written in full. Raises InvalidReference."""
        return [parse_selector(text) for text in self.texts(option)]

    def texts(self, option: str) -> list[str]:
        """Return the texts in an option that takes one text or a list. Raises InvalidReference for a list where one text is taken."""
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

    # Places.

    @property
    def opened_store(self) -> Store | None:
        """The store, if this run has used it."""
        return self._store

    @property
    def store(self) -> Store:
        if self._store is None:
            self._store = Store(self.params["store"] or default_store(), _store_mode(self.params["store_mode"]), self.params["lock_timeout"])
        return self._store

    def open_store(self, path: str) -> Store:
        """Return the store at PATH with the store options of the task; the task's own store if PATH is empty."""
        if not path:
            return self.store
        return Store(path, _store_mode(self.params["store_mode"]), self.params["lock_timeout"])

    # What a run with registries reports, which `RegistryTask` knows.

    @property
    def uses_registries(self) -> bool:
        """Whether the run may ask registries."""
        return False

    @property
    def rate_limit(self) -> dict[str, int | None] | None:
        """The quota that a registry reported, None if none did."""
        return None

    @property
    def warnings(self) -> t.Sequence[str]:
        """Warnings about the configuration of registries."""
        return ()

    def request_rows(self) -> list[dict[str, t.Any]]:
        """Return the logged requests of a run with debugging."""
        return []

    def save_later(self, save: t.Callable[[], None]) -> None:
        """Call SAVE when the plan is applied, but not in check mode."""
        self._saving.append(save)

    def save_caches(self) -> None:
        """Save what this run learned about the store, so that the next one has less to do, unless another run is writing to the store."""
        for save in self._saving:
            save()
        if self._store is not None and self._store.unsaved_caches:
            self._store.lock_timeout = 0
            # A writer saves the caches when it ends. Without that the next run takes longer, and nothing else.
            with contextlib.suppress(LongshoreError), self._store.open_writer(()):
                pass

    def close_later(self, close: t.Callable[[], None]) -> None:
        """Call CLOSE when the run ends, before the store is closed."""
        self._closing.append(close)

    def close(self) -> None:
        """Close what the run holds open on disk."""
        for close in self._closing:
            close()
        if self._store is not None:
            self._store.close()

    def secrets(self) -> set[str]:
        """Return every secret that this run knows, in all its forms."""
        secrets = HiddenOptions(self.params).secrets
        for name, address in os.environ.items():
            if name.lower().endswith("_proxy") or name in ADDRESS_VARIABLES:
                secrets |= userinfo_forms(address)
        return secrets


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
