# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An honest registry in memory, with the four parts of the distribution specification: pull, push, discovery and deletion."""

from __future__ import annotations

import dataclasses
import json
import re
import secrets
import typing as t
from urllib.parse import quote

from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest

from ..images import Image
from .access import AccessControl, scope_of
from .server import Answer, Request

_NAME = r"(?P<name>[a-z0-9]+(?:[._/-][a-z0-9]+)*)"
_DIGEST = r"(?P<digest>sha(?:256:[0-9a-f]{64}|512:[0-9a-f]{128}))"
_REPOSITORY = re.compile(rf"/v2/{_NAME}/(?:tags|referrers|manifests|blobs)/")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_RANGE = re.compile(r"bytes=([0-9]+)-([0-9]*)")
_PAGE = 100


@dataclasses.dataclass(frozen=True)
class Stored:
    """A pushed manifest or index."""

    media_type: str
    data: bytes


@dataclasses.dataclass
class Contents:
    """One repository: its visible blobs, manifests, tags and open uploads."""

    blobs: set[str] = dataclasses.field(default_factory=set)
    manifests: dict[str, Stored] = dataclasses.field(default_factory=dict)
    tags: dict[str, str] = dataclasses.field(default_factory=dict)
    uploads: dict[str, bytearray] = dataclasses.field(default_factory=dict)


def refused(status: int, code: str, message: str = "") -> Answer:
    errors = json.dumps({"errors": [{"code": code, "message": message or code.lower().replace("_", " ")}]})
    return Answer(status, (("Content-Type", "application/json"), ("Docker-Distribution-Api-Version", "registry/2.0")), errors.encode())


def document(value: object, media_type: str = "application/json") -> Answer:
    return Answer(200, (("Content-Type", media_type),), json.dumps(value).encode())


def _tells(digest: str) -> tuple[str, str]:
    return ("Docker-Content-Digest", digest)


class Distribution:
    """Answer requests as the specification says. DOOR decides about access. All repositories share the content, but each serves only what was pushed to it."""

    def __init__(self, access: AccessControl) -> None:
        self.access = access
        self.content: dict[str, bytes] = {}
        self.repositories: dict[str, Contents] = {}
        self._routes = [
            (re.compile(pattern), action)
            for pattern, action in (
                (r"/v2/", self._version),
                (r"/v2/_catalog", self._catalog),
                (rf"/v2/{_NAME}/tags/list", self._tags),
                (rf"/v2/{_NAME}/referrers/{_DIGEST}", self._referrers),
                (rf"/v2/{_NAME}/manifests/(?P<target>[^/]+)", self._manifest),
                (rf"/v2/{_NAME}/blobs/{_DIGEST}", self._blob),
                (rf"/v2/{_NAME}/blobs/uploads/(?P<session>[^/]*)", self._upload),
            )
        ]

    def put(self, image: Image, repository: str, tag: str) -> None:
        """Store an image directly, without a request."""
        contents = self.repositories.setdefault(repository, Contents())
        for blob in image.blobs:
            self.content[str(blob.digest)] = image.content[blob.digest]
            contents.blobs.add(str(blob.digest))
        for descriptor in (*image.graph.content, image.root):
            if descriptor.is_document:
                contents.manifests[str(descriptor.digest)] = Stored(descriptor.media_type, image.content[descriptor.digest])
        contents.tags[tag] = str(image.root.digest)

    def put_document(self, data: bytes, media_type: str, repository: str, tag: str) -> None:
        """Store a manifest or an index directly, without what it lists."""
        contents = self.repositories.setdefault(repository, Contents())
        digest = str(Digest.of(data))
        contents.manifests[digest] = Stored(media_type, data)
        contents.tags[tag] = digest

    def __call__(self, request: Request) -> Answer:
        for pattern, action in self._routes:
            match = pattern.fullmatch(request.path)
            if match is None:
                continue
            return self._stops(request) or action(request, *match.groupdict().values())
        return refused(404, "NOT_FOUND")

    def is_authorized(self, request: Request) -> bool:
        return self._stops(request) is None

    def _stops(self, request: Request) -> Answer | None:
        match = _REPOSITORY.match(request.path)
        return self.access.refuse(request, scope_of(request.method, match.group("name") if match else None, request.path == "/v2/_catalog"))

    # Lists.

    def _version(self, request: Request) -> Answer:
        return document({}).with_header("Docker-Distribution-Api-Version", "registry/2.0")

    def _catalog(self, request: Request) -> Answer:
        return _paged(request, "repositories", {}, list(self.repositories))

    def _tags(self, request: Request, name: str) -> Answer:
        if name not in self.repositories:
            return refused(404, "NAME_UNKNOWN")
        return _paged(request, "tags", {"name": name}, list(self.repositories[name].tags))

    def _referrers(self, request: Request, name: str, digest: str) -> Answer:
        if name not in self.repositories:
            return refused(404, "NAME_UNKNOWN")
        rows = [_referrer(key, stored, digest) for key, stored in self.repositories[name].manifests.items()]
        wanted = request.value("artifactType")
        found = [row for row in rows if row is not None and wanted in (None, row["artifactType"])]
        answer = document({"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": found}, media_types.OCI_INDEX)
        return answer.with_header("OCI-Filters-Applied", "artifactType") if wanted is not None else answer

    # Manifests.

    def _manifest(self, request: Request, name: str, target: str) -> Answer:
        if request.method == "PUT":
            return self._put_manifest(request, name, target)
        contents = self.repositories.get(name)
        if contents is None:
            return refused(404, "NAME_UNKNOWN")
        digest = contents.tags.get(target, target)
        stored = contents.manifests.get(digest)
        if stored is None:
            return refused(404, "MANIFEST_UNKNOWN")
        if request.method == "DELETE":
            if target in contents.tags:
                del contents.tags[target]
            else:
                del contents.manifests[digest]
                contents.tags = {tag: pointed for tag, pointed in contents.tags.items() if pointed != digest}
            return Answer(202)
        return Answer(200, (("Content-Type", stored.media_type), _tells(digest)), stored.data)

    def _put_manifest(self, request: Request, name: str, target: str) -> Answer:
        digest = str(Digest.of(request.body))
        if ":" in target and target != digest:
            return refused(400, "DIGEST_INVALID")
        if ":" not in target and _TAG.fullmatch(target) is None:
            return refused(400, "TAG_INVALID")
        contents = self.repositories.setdefault(name, Contents())
        try:
            value = json.loads(request.body)
            needed = [("blobs", value["config"]), *(("blobs", layer) for layer in value["layers"])] if "config" in value else []
            needed += [("manifests", child) for child in value.get("manifests", ())]
        except (ValueError, KeyError):
            return refused(400, "MANIFEST_INVALID")
        for kind, part in needed:
            if part["digest"] not in getattr(contents, kind):
                return refused(400, "MANIFEST_BLOB_UNKNOWN", f"{part['digest']} isn't here")
        contents.manifests[digest] = Stored(request.headers.get("Content-Type", ""), request.body)
        if ":" not in target:
            contents.tags[target] = digest
        answer = Answer(201, (("Location", f"/v2/{name}/manifests/{digest}"), _tells(digest)))
        return answer.with_header("OCI-Subject", value["subject"]["digest"]) if "subject" in value else answer

    # Blobs.

    def _blob(self, request: Request, name: str, digest: str) -> Answer:
        contents = self.repositories.get(name, Contents())
        if digest not in contents.blobs:
            return refused(404, "BLOB_UNKNOWN")
        if request.method == "DELETE":
            contents.blobs.discard(digest)
            return Answer(202)
        data = self.content[digest]
        common = (("Content-Type", "application/octet-stream"), _tells(digest), ("Accept-Ranges", "bytes"))
        match = _RANGE.fullmatch(request.headers.get("Range", ""))
        if match is None or request.method == "HEAD":
            return Answer(200, common, data)
        first, last = int(match.group(1)), min(int(match.group(2) or len(data) - 1), len(data) - 1)
        if first > last:
            return Answer(416, (*common, ("Content-Range", f"bytes */{len(data)}")))
        return Answer(206, (*common, ("Content-Range", f"bytes {first}-{last}/{len(data)}")), data[first : last + 1])

    # Uploads.

    def _upload(self, request: Request, name: str, session: str) -> Answer:
        contents = self.repositories.setdefault(name, Contents())
        if request.method == "POST" and not session:
            return self._open(request, name, contents)
        if session not in contents.uploads:
            return refused(404, "BLOB_UPLOAD_UNKNOWN")
        if request.method == "DELETE":
            del contents.uploads[session]
            return Answer(204)
        return self._continue(request, name, contents, session)

    def _open(self, request: Request, name: str, contents: Contents) -> Answer:
        mount, source, digest = request.value("mount"), request.value("from"), request.value("digest")
        if mount is not None and source in self.repositories and mount in self.repositories[source].blobs and self.access.may_pull(request, source):
            contents.blobs.add(mount)
            return _created(name, mount)
        if digest is not None:
            return self._finish(contents, name, bytearray(request.body), digest)
        session = secrets.token_hex(8)
        contents.uploads[session] = bytearray()
        return _session(202, name, session, contents.uploads[session])

    def _continue(self, request: Request, name: str, contents: Contents, session: str) -> Answer:
        data = contents.uploads[session]
        if request.method == "GET":
            return _session(204, name, session, data)
        content_range = request.headers.get("Content-Range")
        if content_range is not None and content_range != f"{len(data)}-{len(data) + len(request.body) - 1}":
            return _session(416, name, session, data)
        data += request.body
        if request.method == "PATCH":
            return _session(202, name, session, data)
        del contents.uploads[session]
        return self._finish(contents, name, data, request.value("digest") or "")

    def _finish(self, contents: Contents, name: str, data: bytearray, digest: str) -> Answer:
        if str(Digest.of(bytes(data))) != digest:
            return refused(400, "DIGEST_INVALID")
        self.content[digest] = bytes(data)
        contents.blobs.add(digest)
        return _created(name, digest)


def _created(name: str, digest: str) -> Answer:
    return Answer(201, (("Location", f"/v2/{name}/blobs/{digest}"), _tells(digest)))


def _session(status: int, name: str, session: str, data: bytearray) -> Answer:
    place = ("Location", f"/v2/{name}/blobs/uploads/{session}?state=of%20{session}")
    return Answer(status, (place, ("Docker-Upload-Uuid", session), ("Range", f"0-{max(0, len(data) - 1)}")))


def _paged(request: Request, key: str, value: dict[str, t.Any], names: list[str]) -> Answer:
    """Return one page of a list in alphabetical order, with the next page in the Link header."""
    last, size = request.value("last"), int(request.value("n") or _PAGE)
    rest = sorted(name for name in names if last is None or name > last)
    answer = document({**value, key: rest[:size]})
    if len(rest) <= size or not size:
        return answer
    return answer.with_header("Link", f'<{request.path}?last={quote(rest[size - 1], safe="")}&n={size}>; rel="next"')


def _referrer(digest: str, stored: Stored, subject: str) -> dict[str, t.Any] | None:
    value = json.loads(stored.data)
    if value.get("subject", {}).get("digest") != subject:
        return None
    kind = value.get("artifactType") or value.get("config", {}).get("mediaType")
    row = {"mediaType": stored.media_type, "digest": digest, "size": len(stored.data), "artifactType": kind}
    return {**row, "annotations": value["annotations"]} if "annotations" in value else row
