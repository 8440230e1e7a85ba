# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pushes to a registry that fails, loses uploads, lies or redirects: the tag moves when everything is complete, or not at all."""

from __future__ import annotations

import json
import typing as t

import pytest

from tests.support.programmable import reactions
from tests.support.programmable.access import SERVICE
from tests.support.programmable.cases import Case, check_each, check_push
from tests.support.programmable.sandbox import Sandbox
from tests.support.programmable.server import Reaction, Server

from .conftest import MakeSandboxes

HEAD_BLOB = "HEAD */blobs/*"
OPEN = "POST */blobs/uploads/*"
UPLOAD = "PUT */blobs/uploads/*"
TAG = "PUT */manifests/1"
OTHER = ("Docker-Content-Digest", f"sha256:{'0' * 64}")
WORDS = json.dumps({"errors": [{"code": "MANIFEST_INVALID", "message": "no such thing"}]}).encode()
BLOBS = 3


def location(value: str) -> Reaction:
    """Open the upload session, but return VALUE as its Location."""
    return reactions.header("Location", value)


OPENING = [
    Case("status 503 once when an upload is opened", OPEN, reactions.instead(503), times=1, at_most={OPEN: BLOBS + 1}),
    Case("status 503 always when an upload is opened", OPEN, reactions.instead(503), "registry_error", "503", at_most={OPEN: 2 * BLOBS}),
    Case("status 403 when an upload is opened", OPEN, reactions.instead(403), "denied", at_most={OPEN: BLOBS}),
    Case("status 404 when an upload is opened", OPEN, reactions.instead(404), "not_found", at_most={OPEN: BLOBS}),
    Case("status 405 when an upload is opened", OPEN, reactions.instead(405), "registry_error", "405", at_most={OPEN: BLOBS}),
    Case("status 200 when an upload is opened", OPEN, reactions.instead(200), "registry_error", "200", at_most={OPEN: BLOBS}),
    Case("a connection that ends when an upload is opened, once", OPEN, reactions.raw(), times=1, at_most={OPEN: BLOBS + 1}),
    Case("an upload without an address", OPEN, location(""), "registry_error", "without saying where", at_most={UPLOAD: 0}),
    *(
        Case(f"an upload at {address!r}", OPEN, location(address), "registry_error", at_most={UPLOAD: 0})
        for address in (
            "ftp://127.0.0.1/x",
            "file:///etc/passwd",
            "http://",
            "http://[::1",
            "http://127.0.0.1:99999/x",
            "http://127.0.0.1:port/x",
            "//",
        )
    ),
    Case("an upload at an address with a password", OPEN, location("http://u:p@{evilhost}/v2/app/blobs/uploads/x"), "registry_error"),
    Case("an upload whose address is whole", OPEN, reactions.changed("Location", lambda value: "{registry}" + value)),
    Case("an upload whose address is relative", OPEN, reactions.changed("Location", lambda value: value.rpartition("/")[2])),
    Case("an upload whose address has no query", OPEN, reactions.changed("Location", lambda value: value.partition("?")[0])),
    Case("an upload at another host that takes it", OPEN, reactions.changed("Location", lambda value: "{evil}" + value)),
    Case("an upload at another host that knows nothing of it", OPEN, location("{evil}/v2/app/blobs/uploads/x"), "not_found"),
    Case("an upload at a closed port", OPEN, location("http://127.0.0.1:1/x"), "unreachable"),
    Case("uploads that are opened at another host", OPEN, reactions.redirect("{evil}{target}")),
    Case("a least length of chunks that is none", OPEN, reactions.header("OCI-Chunk-Min-Length", "\u00b2")),
    Case("a least length of chunks that nobody could keep", OPEN, reactions.header("OCI-Chunk-Min-Length", "9" * 5000)),
]

SENDING = [
    Case("status 503 once for a blob", UPLOAD, reactions.instead(503), times=1, at_most={UPLOAD: BLOBS + 1}),
    Case("status 500 always for a blob", UPLOAD, reactions.instead(500), "registry_error", "500", at_most={UPLOAD: 2 * BLOBS}),
    Case("status 400 for a blob", UPLOAD, reactions.instead(400), "registry_error", "400", at_most={UPLOAD: BLOBS}),
    Case("status 413 for a blob", UPLOAD, reactions.instead(413), "registry_error", "413", at_most={UPLOAD: BLOBS}),
    Case("status 202 for a blob", UPLOAD, reactions.instead(202), "registry_error", "202", at_most={UPLOAD: BLOBS}),
    Case("a refusal before the blob was read, once", UPLOAD, reactions.instead(503), times=1, unread=True),
    Case("a connection that ends before the blob was read, once", UPLOAD, reactions.raw(), times=1, unread=True),
    Case("a connection that ends before a blob is confirmed, once", UPLOAD, reactions.wire(raw=b""), times=1),
    Case("no answer to a blob, once", UPLOAD, reactions.wire(delay=5), times=1, options={"timeout": 1}),
    Case("a blob under another digest", UPLOAD, reactions.header(*OTHER), "digest_mismatch", at_most={UPLOAD: BLOBS}),
    Case("a blob under no digest", UPLOAD, reactions.header("Docker-Content-Digest", None), at_most={UPLOAD: BLOBS}),
    Case("too many requests for a blob, once", UPLOAD, reactions.instead(429, b"", ("Retry-After", "1")), times=1),
    Case("a registry that asks to wait with a blob", UPLOAD, reactions.instead(503, b"", ("Retry-After", "1")), times=1),
    Case("too many requests for a blob, for a year", UPLOAD, reactions.instead(429, b"", ("Retry-After", "31536000")), "rate_limited", within=10),
    Case("an error without an end for a blob", UPLOAD, reactions.instead(400, b"x" * 1_000_000, repeat=1000), "registry_error"),
]

NAMING = [
    Case("status 503 once for the manifest", TAG, reactions.instead(503), times=1, at_most={TAG: 2}),
    Case("status 500 always for the manifest", TAG, reactions.instead(500), "registry_error", "500", at_most={TAG: 2}),
    Case(
        "status 400 for the manifest, in the registry's words",
        TAG,
        reactions.instead(400, WORDS),
        "registry_error",
        "no such thing",
        at_most={TAG: 1},
    ),
    Case("status 403 for the manifest", TAG, reactions.instead(403), "denied", at_most={TAG: 1}),
    Case("status 413 for the manifest", TAG, reactions.instead(413), "registry_error", "413", at_most={TAG: 1}),
    Case("status 200 for the manifest", TAG, reactions.instead(200), "registry_error", "200", at_most={TAG: 1}),
    Case("a manifest under another digest", TAG, reactions.instead(201, b"", OTHER), "digest_mismatch", at_most={TAG: 1}),
    Case("a manifest under no digest", TAG, reactions.header("Docker-Content-Digest", None)),
    Case("a connection that ends before the manifest is confirmed, once", TAG, reactions.wire(raw=b""), times=1, at_most={TAG: 2}),
]

ASKING = [
    Case("a registry that says it has every blob", HEAD_BLOB, reactions.instead(200), "registry_error", "MANIFEST_BLOB_UNKNOWN", at_most={TAG: 1}),
    Case("HEAD of blobs refused", HEAD_BLOB, reactions.instead(405)),
    Case("HEAD of blobs at another host", HEAD_BLOB, reactions.redirect("{evil}{target}")),
    Case("HEAD of blobs with status 503, once", HEAD_BLOB, reactions.instead(503), times=1),
    Case("the tag's digest unknown", "HEAD */manifests/1", reactions.header("Docker-Content-Digest", None)),
]


@pytest.mark.parametrize("case", [*OPENING, *SENDING, *NAMING, *ASKING], ids=str)
def test_a_push_moves_the_tag_after_all_content_is_uploaded_or_fails_and_leaves_it(sandboxes: t.Sequence[Sandbox], case: Case) -> None:
    check_each(sandboxes, check_push, case)


@pytest.mark.parametrize(
    "case",
    [
        Case("an upload without TLS", OPEN, reactions.changed("Location", lambda value: "{plain}" + value), "registry_error", "from https to http"),
        Case("an upload without TLS, on the same port", OPEN, location("http://{host}/x"), "registry_error", "from https to http"),
        Case(
            "an upload that is redirected to where there is no TLS",
            UPLOAD,
            reactions.redirect("{plain}{target}"),
            "registry_error",
            "from https to http",
        ),
    ],
    ids=str,
)
def test_no_upload_is_redirected_from_https_to_http(make_sandboxes: MakeSandboxes, case: Case) -> None:
    sandboxes = make_sandboxes(tls=True)
    with Server(sandboxes[0].evil.app) as plain:
        for sandbox in sandboxes:
            sandbox.registry.placeholders["plain"] = plain.url
        check_each(sandboxes, check_push, case)
    assert plain.requests == []


PUSHED = reactions.instead(401, b"", ("WWW-Authenticate", f'Bearer realm="{{tokens}}/token",service="{SERVICE}",scope="repository:app:pull,push"'))


@pytest.mark.parametrize(
    "case",
    [
        *(Case(f"a token that ends before {where}", where, PUSHED, times=1) for where in (HEAD_BLOB, OPEN, UPLOAD, TAG)),
        Case("a token that ends before every blob", UPLOAD, PUSHED, "denied", at_most={UPLOAD: 3 * BLOBS}),
        Case(
            "a realm that is another one for the manifest",
            TAG,
            reactions.instead(401, b"", ("WWW-Authenticate", 'Bearer realm="{evil}/x"')),
            "denied",
        ),
    ],
    ids=str,
)
def test_a_token_that_expires_during_a_push_is_renewed_once(make_sandboxes: MakeSandboxes, case: Case) -> None:
    sandboxes = make_sandboxes("tokens")
    check_each(sandboxes, check_push, case)
    assert all(len(sandbox.token_server.requests) <= 3 + BLOBS for sandbox in sandboxes)
