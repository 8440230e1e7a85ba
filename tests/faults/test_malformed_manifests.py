# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pulls of invalid documents, and of documents that two readers could understand differently."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from tests.support.images import make_index
from tests.support.programmable import reactions
from tests.support.programmable.cases import GET_MANIFEST, IMAGE, LAYER, Case, check_each, check_pull
from tests.support.programmable.sandbox import Sandbox
from tests.support.programmable.server import Fault, Reaction

BY_TAG = "GET */manifests/1"
HTML = b"<!DOCTYPE html><html><title>Sign in to the hotel's network</title></html>"
SCHEMA1 = json.dumps({"schemaVersion": 1, "name": "app", "tag": "1", "fsLayers": [], "history": []}).encode()


def manifest(**changes: t.Any) -> dict[str, t.Any]:
    """Return the manifest of the wanted image with changed members."""
    members: dict[str, t.Any] = json.loads(IMAGE.content[IMAGE.root.digest])
    return {**members, **changes}


def respond_with(value: object, media_type: str = media_types.OCI_MANIFEST) -> Reaction:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return reactions.instead(200, data, ("Content-Type", media_type))


def malformed(what: str, value: object, message: str = "", media_type: str = media_types.OCI_MANIFEST) -> Case:
    return Case(what, BY_TAG, respond_with(value, media_type), "unsupported_format", message, fresh=True, at_most={GET_MANIFEST: 1})


def first_layer(**changes: t.Any) -> dict[str, t.Any]:
    first, *others = manifest()["layers"]
    return manifest(layers=[{**first, **changes}, *others])


def index(entries: t.Sequence[object]) -> dict[str, t.Any]:
    return {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": entries}


TEXT = json.dumps(manifest())
ENTRY = {"mediaType": media_types.OCI_MANIFEST, "digest": str(IMAGE.root.digest), "size": IMAGE.root.size}

MALFORMED = [
    malformed("a web page", HTML, media_type="text/html; charset=utf-8"),
    malformed("a web page with the type of a manifest", HTML),
    malformed("an empty body", b""),
    malformed("half a manifest", TEXT[: len(TEXT) // 2].encode()),
    malformed("two manifests, one after the other", (TEXT + TEXT).encode()),
    malformed("a list", [manifest()]),
    malformed("a number", 7),
    malformed("text that isn't UTF-8", TEXT.replace("1", "\xe9", 1).encode("latin-1")),
    malformed("a duplicate key", TEXT.replace('"layers"', '"layers": [], "layers"', 1).encode(), "twice"),
    malformed("NaN", TEXT.replace('"schemaVersion": 2', '"schemaVersion": NaN').encode()),
    malformed("a number of a million digits", TEXT.replace('"schemaVersion": 2', '"schemaVersion": ' + "9" * 1_000_000).encode()),
    malformed("lists in lists in lists", b'{"layers": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    malformed("schema 1", SCHEMA1, "schema 1", "application/vnd.docker.distribution.manifest.v1+prettyjws"),
    malformed("schema 1 with the type of JSON", SCHEMA1, "schema 1", "application/json"),
    malformed("another type than the announced one", manifest(), media_type=media_types.OCI_INDEX),
    malformed("an unknown type", manifest(mediaType="application/vnd.example+json"), media_type="application/vnd.example+json"),
    malformed("no type at all", {key: value for key, value in manifest().items() if key != "mediaType"}, media_type="application/json"),
    malformed("a manifest that is also an index", manifest(manifests=[])),
    malformed("an index that is also a manifest", {**index([]), "layers": []}, media_type=media_types.OCI_INDEX),
    malformed("layers that are no list", manifest(layers={"0": {}})),
    malformed("no config", {key: value for key, value in manifest().items() if key != "config"}),
    malformed("a layer without a digest", first_layer(digest=None)),
    malformed("a layer whose digest is a path", first_layer(digest="sha256:../../../../../../etc/cron.d/x")),
    malformed("a layer whose digest is in capitals", first_layer(digest=str(IMAGE.layers[0].digest).upper())),
    malformed("a layer with a negative size", first_layer(size=-1)),
    malformed("a layer whose size is text", first_layer(size="12")),
    malformed("a layer whose size is half a byte", first_layer(size=0.5)),
    malformed("a layer larger than files can be", first_layer(size=2**64)),
    malformed("more than a thousand layers", manifest(layers=[manifest()["layers"][0]] * 1001), "1000"),
    malformed("more than a thousand platforms", index([ENTRY] * 1001), "1000", media_types.OCI_INDEX),
    malformed("escape sequences for a terminal", manifest(mediaType="\x1b]0;owned\x07\x1b[2J\u009b31m"), media_type="application/json"),
    Case(
        "a manifest longer than allowed",
        BY_TAG,
        respond_with(manifest(annotations={"x": "y" * 5_000_000})),
        "unsupported_format",
        "4194304",
        fresh=True,
    ),
]

UNUSUAL_HEADERS = [
    Case("a manifest with the type of JSON", GET_MANIFEST, reactions.header("Content-Type", "application/json"), fresh=True),
    Case("a manifest without a type", GET_MANIFEST, reactions.header("Content-Type", None), fresh=True),
    Case(
        "a manifest with a parameter to its type",
        GET_MANIFEST,
        reactions.header("Content-Type", f"{media_types.OCI_MANIFEST}; charset=utf-8"),
        fresh=True,
    ),
    Case("another digest announced for a tag", BY_TAG, reactions.header("Docker-Content-Digest", f"sha256:{'0' * 64}"), fresh=True),
]

WRONG_CONTENT = [
    Case("another manifest than the digest's", "GET */manifests/sha256:*", respond_with(manifest(annotations={"x": "y"})), "digest_mismatch"),
    Case("a manifest with an additional space", "GET */manifests/sha256:*", reactions.body(lambda data: data + b" "), "digest_mismatch"),
    Case("zeros for a layer", LAYER, reactions.body(lambda data: bytes(len(data))), "digest_mismatch", at_most={LAYER: 1}),
    Case(
        "a layer with one bit flipped", LAYER, reactions.body(lambda data: data[:-1] + bytes([data[-1] ^ 1])), "digest_mismatch", at_most={LAYER: 1}
    ),
    Case("a layer with an additional byte", LAYER, reactions.body(lambda data: data + b"\0"), "digest_mismatch", at_most={LAYER: 1}),
    Case("a web page instead of a layer", LAYER, reactions.instead(200, HTML * 5000), "digest_mismatch", at_most={LAYER: 1}),
    Case(
        "an index whose manifest isn't there", "GET */manifests/sha256:*", reactions.instead(404), "not_found", image=make_index("gone"), fresh=True
    ),
    Case(
        "a digest for a tag that only the HEAD knows",
        "HEAD */manifests/1",
        reactions.header("Docker-Content-Digest", f"sha256:{'0' * 64}"),
        "not_found",
    ),
]


@pytest.mark.parametrize("case", [*MALFORMED, *UNUSUAL_HEADERS, *WRONG_CONTENT], ids=str)
def test_invalid_manifests_are_refused_and_valid_ones_are_accepted(sandboxes: t.Sequence[Sandbox], case: Case) -> None:
    check_each(sandboxes, check_pull, case)


def test_endlessly_nested_indexes_are_refused(sandboxes: t.Sequence[Sandbox]) -> None:
    documents: dict[str, bytes] = {}
    inner: dict[str, t.Any] = {"mediaType": media_types.OCI_MANIFEST, "digest": str(IMAGE.root.digest), "size": IMAGE.root.size}
    for _level in range(8):
        data = json.dumps(index([{**inner, "platform": {"os": "linux", "architecture": "amd64"}}])).encode()
        inner = {"mediaType": media_types.OCI_INDEX, "digest": str(Digest.of(data)), "size": len(data)}
        documents[inner["digest"]] = data
    faults = tuple(Fault(f"GET */manifests/{digest}", respond_with(data, media_types.OCI_INDEX)) for digest, data in documents.items())
    outermost = respond_with(documents[inner["digest"]], media_types.OCI_INDEX)
    case = Case("indexes in indexes", BY_TAG, outermost, "unsupported_format", "levels", more=faults, fresh=True, at_most={GET_MANIFEST: 6})
    check_each(sandboxes, check_pull, case)


def test_urls_in_a_manifest_are_not_requested(sandboxes: t.Sequence[Sandbox]) -> None:
    for sandbox in sandboxes:
        address = f"{sandbox.evil.url}/v2/app/blobs/{IMAGE.layers[0].digest}"
        data = json.dumps(first_layer(urls=[address])).encode()
        sandbox.put_image(IMAGE)
        sandbox.script(Fault(GET_MANIFEST, respond_with(data)))
        outcome = sandbox.run("image_pull", name=[sandbox.name()], platform=["linux/amd64"], **sandbox.access())
        assert not outcome.failed, outcome.results["msg"]
        assert sandbox.points_at(sandbox.name()) == str(Digest.of(data))
        assert sandbox.evil.requests == []
        sandbox.check_store()
