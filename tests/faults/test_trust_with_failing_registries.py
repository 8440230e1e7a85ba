# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pulls with `trust` from registries and mirrors that hide, break or replace signatures: each fails, and nothing is trusted."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.trust.artifacts import make_bundle_referrer
from tests.support.images import Image, make_image
from tests.support.programmable import reactions
from tests.support.programmable.cases import IMAGE, Case, check_pull
from tests.support.programmable.sandbox import Sandbox
from tests.support.programmable.server import Fault, Reaction
from tests.support.trust import dsse_bundle, make_key, statement

TRUST = {"trust": [{"keys": [make_key().pem.decode()]}]}
REFERRERS = "GET */referrers/*"
TAGS = "* */manifests/sha256-*"


def signature() -> Image:
    """Return the image that signs IMAGE, as a bundle."""
    bundle = json.dumps(dsse_bundle(statement(IMAGE.root.digest))).encode()
    made = make_bundle_referrer(IMAGE.root, bundle, "https://sigstore.dev/cosign/sign/v1")
    return Image(made.root, made.content)


def moved() -> Reaction:
    """Answer with another manifest than the first request for the tag got."""
    other = make_image("moved")
    return reactions.body(lambda _data: other.content[other.root.digest], fits=True)


CASES = [
    Case("a good registry", "nothing", reactions.wire()),
    Case("no referrers API and no list", REFERRERS, reactions.instead(404), "unsigned"),
    Case(
        "an empty list of referrers", REFERRERS, reactions.body(lambda _data: json.dumps({"schemaVersion": 2, "manifests": []}).encode()), "unsigned"
    ),
    Case("a referrers API that fails", REFERRERS, reactions.instead(500), "registry_error", at_most={REFERRERS: 3}),
    Case("a referrers API that hangs", REFERRERS, reactions.wire(delay=6), "unreachable"),
    Case("a referrers API that breaks off", REFERRERS, reactions.raw(), "unreachable"),
    Case("a referrers API that wants another login", REFERRERS, reactions.instead(403), "denied"),
    Case("a referrers API that answers with a page", REFERRERS, reactions.instead(200, b"<html>", ("Content-Type", "text/html")), "unsigned"),
    Case("cosign's tags fail", TAGS, reactions.instead(500), "registry_error"),
    Case("a signature's blob is missing", "GET */blobs/{signature}", reactions.instead(404), "untrusted"),
    Case("a signature's blob is another", "GET */blobs/{signature}", reactions.body(lambda data: bytes(len(data))), "untrusted"),
    Case("the tag moves after it was resolved", "GET */manifests/1", moved(), first=2),
]


@pytest.fixture
def sandbox(tmp_path: Path, authority: Path) -> t.Iterator[Sandbox]:
    """Return a sandbox with the libraries of the tests only: nothing here depends on those for HTTP."""
    with Sandbox(tmp_path, "password", None, authority / "ca.pem", "current", {}) as sandbox:
        yield sandbox


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_failing_registry_is_neither_trusted_nor_called_unsigned(case: Case, sandbox: Sandbox) -> None:
    made = signature()
    sandbox.distribution.put(made, "app", "signature")
    for server in sandbox.servers:
        server.placeholders["signature"] = str(made.layers[0].digest)
    check_pull(sandbox, Case(**{**vars(case), "options": {**TRUST, **case.options}}))


def test_a_mirror_that_strips_signatures_does_not_make_an_image_trusted(sandbox: Sandbox) -> None:
    stripped = (Fault(REFERRERS, reactions.instead(404)), Fault(TAGS, reactions.instead(404)))
    case = Case("a mirror", "nothing", reactions.wire(), "unsigned", evil=stripped, options=TRUST)
    given = {"mirrors": [{"url": sandbox.evil.url}], "mirror_only": True}
    sandbox.distribution.put(signature(), "app", "signature")
    check_pull(sandbox, Case(**{**vars(case), "settings": given}))
