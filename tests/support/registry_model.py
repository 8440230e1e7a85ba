# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A model of CNCF Distribution 2.8 in memory, for tests with thousands of repositories.

It answers reading, writing and deleting of manifests, lists of tags, and the catalog. A test compares its answers with those of the real registry.
`ModelRegistry.open` returns the collection's own `Registries`, whose requests go to the model instead of the network.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import threading
import time
import typing as t
from urllib.parse import urlsplit

import urllib3

from ansible_collections.longshore.images.plugins.module_utils.errors import LongshoreError
from ansible_collections.longshore.images.plugins.module_utils.registry.config.settings import ClientSettings, HostSettings
from ansible_collections.longshore.images.plugins.module_utils.registry.http.errors import error_from_response
from ansible_collections.longshore.images.plugins.module_utils.registry.http.messages import Request, Response
from ansible_collections.longshore.images.plugins.module_utils.registry.registries import Registries

from .tag_graphs import TagGraph

HOST = "registry.test"


@dataclasses.dataclass
class ModelRepository:
    """`manifests` are the digests that can be requested, with their media types."""

    tags: dict[str, str] = dataclasses.field(default_factory=dict)
    manifests: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    headers: t.Mapping[str, str] = dataclasses.field(default_factory=dict)


def _refusal(status: int, code: str) -> Answer:
    return Answer(status, json.dumps({"errors": [{"code": code, "message": code.lower()}]}).encode(), {"Content-Type": "application/json"})


class ModelRegistry:
    """The repositories by name, and the blobs that they share. `requests` records all requests; `intercept` may answer one first."""

    def __init__(self, can_delete: bool = True) -> None:
        self.can_delete = can_delete
        # CNCF Distribution deletes single tags since version 3.
        self.deletes_tags = False
        self.repositories: dict[str, ModelRepository] = {}
        self.blobs: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.intercept: t.Callable[[str], Answer | None] = lambda request: None
        self._lock = threading.Lock()

    def open(self) -> Registries:
        """Return registries that send their requests to this model."""
        registries = Registries(ClientSettings(default=HostSettings(plain_http=True)))
        registries.client.close()
        t.cast(t.Any, registries).client = _ModelClient(self)
        return registries

    # Content.

    def put_blob(self, data: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.blobs[digest] = data
        return digest

    def put_manifest(self, repository: str, target: str, data: bytes, media_type: str) -> str:
        digest = self.put_blob(data)
        place = self.repositories.setdefault(repository, ModelRepository())
        place.manifests[digest] = media_type
        if not target.startswith("sha256:"):
            place.tags[target] = digest
        return digest

    def put(self, repository: str, graph: TagGraph) -> None:
        graph.put(self.put_blob, lambda target, data, media_type: self.put_manifest(repository, target, data, media_type))

    def collect_garbage(self) -> None:
        """Delete the blobs that no manifest of a repository needs, as `garbage-collect` without `-m` does."""
        needed: set[str] = set()
        for repository in self.repositories.values():
            for digest in repository.manifests:
                members = json.loads(self.blobs[digest])
                entries = [*members.get("manifests", ()), *members.get("layers", ()), *([members["config"]] if "config" in members else [])]
                needed |= {digest, *(entry["digest"] for entry in entries)}
        self.blobs = {digest: data for digest, data in self.blobs.items() if digest in needed}

    # Requests.

    def answer(self, method: str, path: str) -> Answer:
        """Return the answer to a request without a body. PATH is without its query."""
        request = f"{method} {path}"
        with self._lock:
            self.requests.append(request)
            found = self.intercept(request) or self._answer(method, path)
        return dataclasses.replace(found, body=b"") if method == "HEAD" else found

    def _answer(self, method: str, path: str) -> Answer:
        words = path.removeprefix("/v2/").split("/")
        if words == ["_catalog"]:
            return _json({"repositories": sorted(self.repositories)})
        if words[-2:] == ["tags", "list"]:
            name = "/".join(words[:-2])
            if name not in self.repositories:
                return _refusal(404, "NAME_UNKNOWN")
            return _json({"name": name, "tags": sorted(self.repositories[name].tags) or None})
        kind, target = words[-2:]
        place = self.repositories.get("/".join(words[:-2]), ModelRepository())
        if kind == "blobs":
            data = self.blobs.get(target)
            return Answer(200, data, {"Content-Length": str(len(data))}) if data is not None else _refusal(404, "BLOB_UNKNOWN")
        if kind == "manifests":
            return self._delete(place, target) if method == "DELETE" else self._manifest(place, target)
        return Answer(404, b"404 page not found\n")

    def _manifest(self, place: ModelRepository, target: str) -> Answer:
        digest = place.tags.get(target, target)
        data = self.blobs.get(digest)
        if digest not in place.manifests or data is None:
            return _refusal(404, "MANIFEST_UNKNOWN")
        headers = {"Content-Type": place.manifests[digest], "Docker-Content-Digest": digest, "Content-Length": str(len(data))}
        return Answer(200, data, headers)

    def _delete(self, place: ModelRepository, target: str) -> Answer:
        if not self.can_delete:
            return _refusal(405, "UNSUPPORTED")
        if not target.startswith("sha256:"):
            if not self.deletes_tags:
                return _refusal(400, "DIGEST_INVALID")
            return Answer(202) if place.tags.pop(target, None) is not None else _refusal(404, "MANIFEST_UNKNOWN")
        if place.manifests.pop(target, None) is None:
            return _refusal(404, "MANIFEST_UNKNOWN")
        place.tags = {tag: digest for tag, digest in place.tags.items() if digest != target}
        return Answer(202)


def _json(document: object) -> Answer:
    return Answer(200, json.dumps(document).encode(), {"Content-Type": "application/json"})


class _ModelClient:
    """The part of an `HttpClient` that endpoints use. It doesn't retry."""

    def __init__(self, model: ModelRegistry) -> None:
        self._model = model
        self.settings = ClientSettings()
        self.rate_limit = None

    def host_credentials(self, _registry: str, _repository: str) -> None:
        return None

    def send(self, request: Request, _host: HostSettings) -> Response:
        answer = self._model.answer(request.method, urlsplit(request.url).path)
        body = _Received(answer.body)
        inner = urllib3.HTTPResponse(body, dict(answer.headers), answer.status, preload_content=False, original_response=t.cast(t.Any, body))
        response = Response(inner, request.url, request.what, time.monotonic() + 60)
        if answer.status not in request.accepted:
            error: LongshoreError = error_from_response(response, request.method, request.what, 1 << 16)
            raise error
        return response


class _Received(io.BytesIO):
    """A body that arrived completely, with the methods of the collection's own connections."""

    def read_available(self, buffer: memoryview) -> int:
        return self.readinto(buffer)

    def isclosed(self) -> bool:
        return self.closed
