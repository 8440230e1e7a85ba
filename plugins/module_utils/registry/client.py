# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The door of this room: all registries that a run talks to, each reached in one way."""

from __future__ import annotations

import threading

from ..oci.reference import Reference
from .endpoint import Endpoint
from .http import HttpClient
from .repository import Repository
from .settings import ClientSettings


class Registries:
    """Repositories by reference. Connections, authorizations and documents are shared by all images of a run."""

    def __init__(self, settings: ClientSettings) -> None:
        self.client = HttpClient(settings)
        self._lock = threading.Lock()
        self._endpoints: dict[str, Endpoint] = {}
        self._repositories: dict[str, Repository] = {}

    def repository(self, reference: Reference) -> Repository:
        """The one object for this repository, whoever asks; nothing is sent by it."""
        with self._lock:
            return self._repository(reference)

    def _repository(self, reference: Reference) -> Repository:
        endpoint = self._endpoints.get(reference.registry)
        if endpoint is None:
            endpoint = Endpoint(reference.registry, self.client, self.client.settings.for_host(reference.registry))
            self._endpoints[reference.registry] = endpoint
        repository = self._repositories.get(reference.context)
        if repository is None:
            repository = Repository(endpoint, reference.repository)
            self._repositories[reference.context] = repository
        return repository
