# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Registries that repeat secrets in their answers: no password, token or signature gets into results, messages, logs or files.

`Sandbox.run` searches every run of the fault tests for secrets. The servers of these tests put them where our messages quote a server.
"""

from __future__ import annotations

import base64
import json
import typing as t
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support.images import Image
from tests.support.programmable import reactions
from tests.support.programmable.access import IDENTITY, PASSWORD, SERVICE, USER
from tests.support.programmable.cases import (
    BEFORE,
    GET_MANIFEST,
    IMAGE,
    LAYER,
    Case,
    check_each,
    check_pull,
    check_push,
)
from tests.support.programmable.sandbox import Sandbox
from tests.support.programmable.server import Answer, App, Fault, Placeholders, Reaction, Request

from .conftest import MakeSandboxes

JSON = ("Content-Type", "application/json")


def everything_sent(request: Request, secret: str) -> str:
    """Return everything that a client sent or knows, in every encoding, as one line of ASCII."""
    pair = base64.b64encode(f"{USER}:{secret}".encode()).decode() if secret == PASSWORD else ""
    alone = base64.b64encode(secret.encode()).decode()
    words = [request.headers.get("Authorization", ""), pair, alone, quote(secret, safe=""), quote_plus(secret), json.dumps(secret), secret]
    return " ".join(words)


def in_words(status: int, secret: str = PASSWORD) -> Reaction:
    """Put the secret into message and code of an error."""

    def reaction(request: Request, app: App, placeholders: Placeholders) -> Answer:
        text = everything_sent(request, secret)
        return Answer(status, (JSON,), json.dumps({"errors": [{"code": text, "message": text, "detail": text}]}, ensure_ascii=False).encode())

    return reaction


def in_header(name: str, form: str, status: int | None = None, secret: str = PASSWORD) -> Reaction:
    """Put the secret into a header by FORM, in the honest answer or in one with STATUS."""

    def reaction(request: Request, app: App, placeholders: Placeholders) -> Answer:
        text = everything_sent(request, secret).encode("ascii", "ignore").decode().replace('"', "")
        answer = app(request) if status is None else Answer(status)
        return answer.with_header(name, form.replace("{secret}", text).replace("{path}", quote(text)).replace("{evil}", placeholders["evil"]))

    return reaction


PULLS = [
    *(
        Case(f"in the words of a {status} for a manifest", GET_MANIFEST, in_words(status), error)
        for status, error in ((403, "denied"), (404, "not_found"))
    ),
    Case("in the words of a 400 for a layer", LAYER, in_words(400), "registry_error"),
    Case("in the words of a 429", LAYER, in_words(429), "rate_limited"),
    Case("in the words of a 500", LAYER, in_words(500), "registry_error"),
    Case("in the words of a second 401", GET_MANIFEST, in_words(401), "denied"),
    Case("in the scheme of a challenge", GET_MANIFEST, in_header("WWW-Authenticate", "planted-token {secret}", 401), "denied"),
    Case("in the path of a redirect that is refused", LAYER, in_header("Location", "ftp://127.0.0.1/{path}?{path}", 307), "registry_error"),
    Case(
        "in the path of a redirect to nowhere",
        LAYER,
        in_header("Location", "http://127.0.0.1:1/{path}?signature=planted-signature", 307),
        "unreachable",
    ),
    Case("in the path of a redirect to a stranger", LAYER, in_header("Location", "/{path}?signature=planted-signature", 307), "not_found"),
    Case(
        "in the type of a manifest",
        "GET */manifests/1",
        reactions.both(reactions.body(lambda data: b"{}"), in_header("Content-Type", "{secret}")),
        "unsupported_format",
        fresh=True,
    ),
    Case(
        "in a manifest's own type",
        "GET */manifests/1",
        reactions.instead(200, json.dumps({"mediaType": PASSWORD}).encode(), JSON),
        "unsupported_format",
        fresh=True,
    ),
    Case("in a range", LAYER, reactions.instead(206, b"", ("Content-Range", "planted-token")), "registry_error"),
    Case("in a status line", GET_MANIFEST, reactions.raw(f"HTTP/1.1 200 {quote(PASSWORD)}\r\nX {PASSWORD}\r\n\r\n".encode()), "digest_mismatch"),
    Case("in something that isn't HTTP", GET_MANIFEST, reactions.raw(f"{PASSWORD} {quote(PASSWORD)}\r\n\r\n".encode()), "unreachable"),
]

PUSHES = [
    Case("in the words of a refused upload", "POST */blobs/uploads/*", in_words(400), "registry_error"),
    Case("in the words of a refused manifest", "PUT */manifests/*", in_words(400), "registry_error"),
    Case("in the address of an upload", "POST */blobs/uploads/*", in_header("Location", "ftp://127.0.0.1/{path}"), "registry_error"),
    Case("in the digest of a manifest", "PUT */manifests/1", in_header("Docker-Content-Digest", "{secret}", 201), "digest_mismatch"),
]

TOKEN_SERVERS = [
    *(
        Case(f"in the words of a token server's {status}", "-", reactions.wire(), error, tokens=(Fault("* /token*", in_words(status)),))
        for status, error in ((401, "denied"), (500, "registry_error"))
    ),
    Case(
        "in the words of a token server that got an identity token",
        "-",
        reactions.wire(),
        "denied",
        tokens=(Fault("* /token*", in_words(403, IDENTITY)),),
        login={"identity_token": IDENTITY},
    ),
    Case(
        "in the path of a realm",
        "-",
        reactions.wire(),
        "denied",
        more=(Fault("* *", reactions.without_credentials(in_header("WWW-Authenticate", 'Bearer realm="{evil}/{path}"', 401)), anyone=True),),
    ),
    Case("in the words of a registry that got a token", LAYER, in_words(403), "denied"),
]


@pytest.mark.parametrize("case", PULLS, ids=str)
def test_a_pull_does_not_show_secrets_that_a_registry_repeats(sandboxes: t.Sequence[Sandbox], case: Case) -> None:
    check_each(sandboxes, check_pull, case)


@pytest.mark.parametrize("case", PUSHES, ids=str)
def test_a_push_does_not_show_secrets_that_a_registry_repeats(sandboxes: t.Sequence[Sandbox], case: Case) -> None:
    check_each(sandboxes, check_push, case)


@pytest.mark.parametrize("status", [403, 407, 502])
def test_secrets_that_a_proxy_repeats_are_not_shown(make_sandboxes: MakeSandboxes, status: int) -> None:
    def check(sandbox: Sandbox, case: Case) -> t.Any:
        sandbox.put_image(IMAGE)
        sandbox.script(*case.faults)
        login = f"http://{USER}:{quote(PASSWORD, safe='')}@{sandbox.registry.host}"
        options: dict[str, t.Any] = {"plain_http": True, "retries": 1, "host_config": False}
        request = sandbox.run("image_pull", name=["registry.test/app:1"], proxy=login, **options)
        assert request.results["status"] == status
        sandbox.env["http_proxy"] = login
        assert sandbox.run("image_pull", name=["registry.test/app:1"], **options).results["status"] == status
        assert all(request.headers["Proxy-Authorization"] for request in sandbox.registry.requests)

    check_each(make_sandboxes("open"), check, Case("a proxy", "* *", in_words(status)))


@pytest.mark.parametrize("case", TOKEN_SERVERS, ids=str)
def test_secrets_that_a_token_server_repeats_are_not_shown(make_sandboxes: MakeSandboxes, case: Case) -> None:
    check_each(make_sandboxes("tokens"), check_pull, case)


@pytest.mark.parametrize(
    "entry",
    [
        {"auth": base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()},
        {"identitytoken": IDENTITY, "auth": base64.b64encode(b"00000000-0000:").decode()},
    ],
    ids=["password", "identity token"],
)
def test_credentials_of_an_auth_file_are_used_and_not_shown(make_sandboxes: MakeSandboxes, tmp_path: Path, entry: dict[str, str]) -> None:
    def check(sandbox: Sandbox, case: Case) -> t.Any:
        file = tmp_path / f"auth-{sandbox.libraries}.json"
        file.write_text(json.dumps({"auths": {sandbox.registry.host: entry}}))
        sandbox.put_image(IMAGE)
        sandbox.script(*case.faults)
        options = {**sandbox.access({}), "auth_file": str(file), "retries": 1}
        failed = sandbox.run("image_pull", name=[sandbox.name()], **options)
        assert failed.results["error"] == "denied"
        sandbox.script()
        assert sandbox.run("image_pull", name=[sandbox.name()], **options).results["changed"]

    sandboxes = make_sandboxes("tokens")
    check_each(sandboxes, check, Case("an auth file", LAYER, in_words(403, PASSWORD if "auth" in entry and len(entry) == 1 else IDENTITY)))
    assert all(
        f"service={quote_plus(SERVICE)}" in str(request) or request.method == "POST"
        for sandbox in sandboxes
        for request in sandbox.token_server.requests
    )


def damaged(sandbox: Sandbox, name: str, image: Image) -> None:
    """Store the image with a missing layer, under a name that refers to a registry."""
    store = Store(str(sandbox.store))
    image.put(store, name)
    Path(store.blob_path(image.layers[0].digest)).unlink()


@pytest.mark.parametrize("selected", [None, "digest"])
def test_a_store_does_not_name_the_registry_that_gets_the_password_of_the_task(make_sandboxes: MakeSandboxes, selected: str | None) -> None:
    for sandbox in make_sandboxes("password"):
        damaged(sandbox, sandbox.name(), IMAGE)
        names: dict[str, t.Any] = {} if selected is None else {"name": [str(IMAGE.root.digest)]}
        results = sandbox.run("image_verify", repair=True, retries=1, **names, **sandbox.access()).results
        assert not [request for request in sandbox.registry.requests if "Authorization" in request.headers]
        assert results["error"] == "invalid_option", results
        assert sandbox.registry.host in results["msg"]


def test_a_store_adds_no_registry_to_the_one_that_the_task_names(make_sandboxes: MakeSandboxes) -> None:
    sandbox, other = make_sandboxes("password")
    for image, name in ((IMAGE, sandbox.name()), (BEFORE, other.name())):
        damaged(sandbox, name, image)
    names = [sandbox.name(), str(BEFORE.root.digest)]
    assert sandbox.run("image_verify", repair=True, name=names, retries=1, **sandbox.access()).results["error"] == "invalid_option"
    assert not [request for request in other.registry.requests if "Authorization" in request.headers]


def test_the_registry_that_the_task_names_gets_its_password(make_sandboxes: MakeSandboxes) -> None:
    for sandbox in make_sandboxes("password"):
        sandbox.put_image(IMAGE)
        damaged(sandbox, sandbox.name(), IMAGE)
        assert sandbox.run("image_verify", repair=True, name=[sandbox.name()], **sandbox.access()).results["changed"]
        damaged(sandbox, sandbox.name(), IMAGE)
        listed: dict[str, t.Any] = {"registries": [{"name": sandbox.registry.host, **sandbox.access()}]}
        assert sandbox.run("image_verify", repair=True, **listed).results["changed"]
