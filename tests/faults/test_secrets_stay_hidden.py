# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Registries that repeat secrets in their answers: no password, token or signature gets into results, messages, logs or files.

`World.run` searches every run of the fault tests for secrets. The servers of these tests put them where our messages quote a server.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import typing as t
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import modules
from tests.support.folders import short_folder
from tests.support.images import Image
from tests.support.programmable import acts
from tests.support.programmable.access import IDENTITY, PASSWORD, SERVICE, USER
from tests.support.programmable.cases import (
    BEFORE,
    GET_MANIFEST,
    LAYER,
    WANTED,
    Case,
    check_each,
    check_pull,
    check_push,
)
from tests.support.programmable.leaks import leaks
from tests.support.programmable.server import Act, Answer, App, Fault, Placeholders, Request
from tests.support.programmable.world import World

from .conftest import MakeWorlds

JSON = ("Content-Type", "application/json")


def everything_sent(request: Request, secret: str) -> str:
    """Return everything that a client sent or knows, in every encoding, as one line of ASCII."""
    pair = base64.b64encode(f"{USER}:{secret}".encode()).decode() if secret == PASSWORD else ""
    alone = base64.b64encode(secret.encode()).decode()
    words = [request.headers.get("Authorization", ""), pair, alone, quote(secret, safe=""), quote_plus(secret), json.dumps(secret), secret]
    return " ".join(words)


def in_words(status: int, secret: str = PASSWORD) -> Act:
    """Put the secret into message and code of an error."""

    def act(request: Request, app: App, placeholders: Placeholders) -> Answer:
        text = everything_sent(request, secret)
        return Answer(status, (JSON,), json.dumps({"errors": [{"code": text, "message": text, "detail": text}]}, ensure_ascii=False).encode())

    return act


def in_header(name: str, form: str, status: int | None = None, secret: str = PASSWORD) -> Act:
    """Put the secret into a header by FORM, in the honest answer or in one with STATUS."""

    def act(request: Request, app: App, placeholders: Placeholders) -> Answer:
        text = everything_sent(request, secret).encode("ascii", "ignore").decode().replace('"', "")
        answer = app(request) if status is None else Answer(status)
        return answer.with_header(name, form.replace("{secret}", text).replace("{path}", quote(text)).replace("{evil}", placeholders["evil"]))

    return act


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
        acts.both(acts.body(lambda data: b"{}"), in_header("Content-Type", "{secret}")),
        "unsupported_format",
        fresh=True,
    ),
    Case(
        "in a manifest's own type",
        "GET */manifests/1",
        acts.instead(200, json.dumps({"mediaType": PASSWORD}).encode(), JSON),
        "unsupported_format",
        fresh=True,
    ),
    Case("in a range", LAYER, acts.instead(206, b"", ("Content-Range", "planted-token")), "registry_error"),
    Case("in a status line", GET_MANIFEST, acts.raw(f"HTTP/1.1 200 {quote(PASSWORD)}\r\nX {PASSWORD}\r\n\r\n".encode()), "digest_mismatch"),
    Case("in something that isn't HTTP", GET_MANIFEST, acts.raw(f"{PASSWORD} {quote(PASSWORD)}\r\n\r\n".encode()), "unreachable"),
]

PUSHES = [
    Case("in the words of a refused upload", "POST */blobs/uploads/*", in_words(400), "registry_error"),
    Case("in the words of a refused manifest", "PUT */manifests/*", in_words(400), "registry_error"),
    Case("in the address of an upload", "POST */blobs/uploads/*", in_header("Location", "ftp://127.0.0.1/{path}"), "registry_error"),
    Case("in the digest of a manifest", "PUT */manifests/1", in_header("Docker-Content-Digest", "{secret}", 201), "digest_mismatch"),
]

TOKEN_SERVERS = [
    *(
        Case(f"in the words of a token server's {status}", "-", acts.wire(), error, tokens=(Fault("* /token*", in_words(status)),))
        for status, error in ((401, "denied"), (500, "registry_error"))
    ),
    Case(
        "in the words of a token server that got an identity token",
        "-",
        acts.wire(),
        "denied",
        tokens=(Fault("* /token*", in_words(403, IDENTITY)),),
        login={"identity_token": IDENTITY},
    ),
    Case(
        "in the path of a realm",
        "-",
        acts.wire(),
        "denied",
        more=(Fault("* *", acts.without_credentials(in_header("WWW-Authenticate", 'Bearer realm="{evil}/{path}"', 401)), anyone=True),),
    ),
    Case("in the words of a registry that got a token", LAYER, in_words(403), "denied"),
]


@pytest.mark.parametrize("case", PULLS, ids=str)
def test_a_pull_does_not_show_secrets_that_a_registry_repeats(worlds: t.Sequence[World], case: Case) -> None:
    check_each(worlds, check_pull, case)


@pytest.mark.parametrize("case", PUSHES, ids=str)
def test_a_push_does_not_show_secrets_that_a_registry_repeats(worlds: t.Sequence[World], case: Case) -> None:
    check_each(worlds, check_push, case)


@pytest.mark.parametrize("status", [403, 407, 502])
def test_secrets_that_a_proxy_repeats_are_not_shown(make_worlds: MakeWorlds, status: int) -> None:
    def check(world: World, case: Case) -> t.Any:
        world.put_image(WANTED)
        world.script(*case.faults)
        login = f"http://{USER}:{quote(PASSWORD, safe='')}@{world.registry.host}"
        options: dict[str, t.Any] = {"plain_http": True, "retries": 1, "host_config": False}
        request = world.run("image_pull", name=["registry.test/app:1"], proxy=login, **options)
        assert request.results["status"] == status
        world.env["http_proxy"] = login
        assert world.run("image_pull", name=["registry.test/app:1"], **options).results["status"] == status
        assert all(request.headers["Proxy-Authorization"] for request in world.registry.requests)

    check_each(make_worlds("open"), check, Case("a proxy", "* *", in_words(status)))


@pytest.mark.parametrize("case", TOKEN_SERVERS, ids=str)
def test_secrets_that_a_token_server_repeats_are_not_shown(make_worlds: MakeWorlds, case: Case) -> None:
    check_each(make_worlds("tokens"), check_pull, case)


@pytest.mark.parametrize(
    "entry",
    [
        {"auth": base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()},
        {"identitytoken": IDENTITY, "auth": base64.b64encode(b"00000000-0000:").decode()},
    ],
    ids=["password", "identity token"],
)
def test_credentials_of_an_auth_file_are_used_and_not_shown(make_worlds: MakeWorlds, tmp_path: Path, entry: dict[str, str]) -> None:
    def check(world: World, case: Case) -> t.Any:
        file = tmp_path / f"auth-{world.libraries}.json"
        file.write_text(json.dumps({"auths": {world.registry.host: entry}}))
        world.put_image(WANTED)
        world.script(*case.faults)
        options = {**world.access({}), "auth_file": str(file), "retries": 1}
        failed = world.run("image_pull", name=[world.name()], **options)
        assert failed.results["error"] == "denied"
        world.script()
        assert world.run("image_pull", name=[world.name()], **options).results["changed"]

    worlds = make_worlds("tokens")
    check_each(worlds, check, Case("an auth file", LAYER, in_words(403, PASSWORD if "auth" in entry and len(entry) == 1 else IDENTITY)))
    assert all(
        f"service={quote_plus(SERVICE)}" in str(request) or request.method == "POST" for world in worlds for request in world.token_server.requests
    )


def damaged(world: World, name: str, image: Image) -> None:
    """Store IMAGE with a missing layer, under a name that refers to a registry."""
    store = Store(str(world.store))
    image.put(store, name)
    Path(store.blob_path(image.layers[0].digest)).unlink()


@pytest.mark.parametrize("selected", [None, "digest"])
def test_a_store_does_not_name_the_registry_that_gets_the_password_of_the_task(make_worlds: MakeWorlds, selected: str | None) -> None:
    for world in make_worlds("password"):
        damaged(world, world.name(), WANTED)
        names: dict[str, t.Any] = {} if selected is None else {"name": [str(WANTED.root.digest)]}
        results = world.run("image_verify", repair=True, retries=1, **names, **world.access()).results
        assert not [request for request in world.registry.requests if "Authorization" in request.headers]
        assert results["error"] == "invalid_option", results
        assert world.registry.host in results["msg"]


def test_a_store_adds_no_registry_to_the_one_that_the_task_names(make_worlds: MakeWorlds) -> None:
    world, other = make_worlds("password")
    for image, name in ((WANTED, world.name()), (BEFORE, other.name())):
        damaged(world, name, image)
    names = [world.name(), str(BEFORE.root.digest)]
    assert world.run("image_verify", repair=True, name=names, retries=1, **world.access()).results["error"] == "invalid_option"
    assert not [request for request in other.registry.requests if "Authorization" in request.headers]


def test_the_registry_that_the_task_names_gets_its_password(make_worlds: MakeWorlds) -> None:
    for world in make_worlds("password"):
        world.put_image(WANTED)
        damaged(world, world.name(), WANTED)
        assert world.run("image_verify", repair=True, name=[world.name()], **world.access()).results["changed"]
        damaged(world, world.name(), WANTED)
        listed: dict[str, t.Any] = {"registries": [{"name": world.registry.host, **world.access()}]}
        assert world.run("image_verify", repair=True, **listed).results["changed"]


def test_a_play_at_full_verbosity_shows_no_secret(make_worlds: MakeWorlds, tmp_path: Path) -> None:
    world = make_worlds("tokens")[0]
    world.put_image(WANTED)
    WANTED.put(Store(str(world.store)), "docker.io/library/local:1")
    world.script(Fault("GET */manifests/absent", in_words(404)), Fault("PUT */manifests/2", in_words(403)))
    access = json.loads(json.dumps(world.access({"username": USER, "password": "{{ planted }}"})))
    common = {"store": str(world.store), "retries": 1, **access}
    tasks: list[dict[str, t.Any]] = [
        {"longshore.images.image_pull": {"name": [world.name()], "platform": ["linux/amd64"], **common}},
        {"longshore.images.image_pull": {"name": [world.name(tag="absent")], **common}, "ignore_errors": True},
        {"longshore.images.image_push": {"name": ["local:1"], "destination": world.name(tag="2"), **common}, "ignore_errors": True},
        {"longshore.images.image_info": {"store": str(world.store)}},
    ]
    secrets = tmp_path / "secrets.json"
    secrets.write_text(json.dumps({"planted": PASSWORD, "ansible_python_interpreter": sys.executable}))
    # The controller keeps a socket in its temporary folder.
    with short_folder() as folder:
        (folder / "play.json").write_text(json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]))
        environment = {
            **modules.environment(HOME=str(folder), TMPDIR=str(folder)),
            "ANSIBLE_COLLECTIONS_PATH": str(modules.ROOT / ".collections"),
            "ANSIBLE_LOG_PATH": str(folder / "log"),
            "LC_ALL": "C.UTF-8",
        }
        command = ["ansible-playbook", "-vvv", "--diff", "-i", "localhost,", "-e", f"@{secrets}", str(folder / "play.json")]
        result = subprocess.run(command, cwd="/", env=environment, capture_output=True, check=False, timeout=120)
        assert result.returncode == 0, result.stdout.decode()
        assert b"not_found" in result.stdout
        assert b"denied" in result.stdout
        assert leaks({"stdout": result.stdout, "stderr": result.stderr}, [folder, world.store]) == []
