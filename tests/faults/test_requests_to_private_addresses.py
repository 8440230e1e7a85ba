# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A registry on a private address directs us to services on loopback, link-local and private addresses of the managed host's network.

All tests run in a network namespace. Every service that must not be reached answers and records its requests.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import typing as t
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support.images import make_image
from tests.support.networks import LOOPBACK, METADATA, OTHER_PRIVATE, PRIVATE, Network, private_network
from tests.support.programmable import reactions
from tests.support.programmable.access import PASSWORD, USER, AnonymousAccess, PasswordAccess, TokenAccess, Tokens
from tests.support.programmable.cases import IMAGE, LAYER
from tests.support.programmable.distribution import Distribution
from tests.support.programmable.leaks import leaks
from tests.support.programmable.server import Answer, Fault, Request, Server

# `::1 localhost6` and the like are lines that distributions put into /etc/hosts.
HOSTS = {
    "registry.test": PRIVATE,
    "storage.test": OTHER_PRIVATE,
    "tokens.test": OTHER_PRIVATE,
    "inside.test": LOOPBACK,
    "metadata.test": METADATA,
    "localhost.localdomain": LOOPBACK,
    "localhost4": LOOPBACK,
    "localhost6": LOOPBACK,
    "ip6-localhost": LOOPBACK,
    "ip6-loopback": LOOPBACK,
}
OTHER = make_image("other", 1)
LOGIN = {"username": USER, "password": PASSWORD}
USERS = {USER: PASSWORD}

# Spellings that `requests` and the resolver accept for a loopback or link-local address; {port} is that of a server there.
LOOPBACK_HOSTS = (
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0.0.0.0",
    "[::ffff:127.0.0.1]",
    "localhost",
    "localhost.",
    "localhost.localdomain",
    "localhost4",
    "localhost6",
    "ip6-localhost",
    "ip6-loopback",
    "%6cocalhost",
    "127.0.0.%31",
    "%31%32%37.0.0.1",
    "¹27.0.0.1",
    "lºcalhºst",
    "inside.test",
    "INSIDE.test",
)
# One spelling of each kind, for combinations that need not test all.
SOME_HOSTS = ("127.0.0.1", "localhost4", "127.0.0.%31", "¹27.0.0.1", "inside.test", "metadata.test")
METADATA_HOSTS = ("169.254.169.254", "169.254.43518", "[::ffff:169.254.169.254]", "169.254.169.25%34", "metadata.test")


class Site:
    """A registry on a private address, its token server and storage on another one, and services on addresses to which it must not send us."""

    def __init__(self, network: Network, folder: Path, env: t.Mapping[str, str]) -> None:
        self.network = network
        self.folder = folder
        (folder / "home").mkdir(parents=True)
        self.env = {"HOME": str(folder / "home"), **env}
        self.registry_host = "registry.test"
        self.tokens = Tokens(USERS)
        self.distribution = Distribution(PasswordAccess(USERS))
        content = Distribution(AnonymousAccess())
        content.content, content.repositories = self.distribution.content, self.distribution.repositories
        with network.inside():
            self.registry = Server(self.distribution, None, self.distribution.is_authorized, PRIVATE)
            self.storage = Server(content, address=OTHER_PRIVATE)
            self.token_server = Server(self.tokens, address=OTHER_PRIVATE)
            # They answer every request: for a token, a blob, or the end of an upload.
            self.loopback = Server(_serve_anything(self.tokens, content), address=LOOPBACK)
            self.metadata = Server(_serve_anything(self.tokens, content), address=METADATA)
        self.distribution.put(IMAGE, "app", "1")
        for server in self.servers:
            server.placeholders["layer"] = str(IMAGE.graph.images[0].manifest.layers[0].digest)

    @property
    def servers(self) -> tuple[Server, ...]:
        return (self.registry, self.storage, self.token_server, self.loopback, self.metadata)

    @property
    def forbidden(self) -> list[str]:
        """Return the requests that the services on loopback and link-local addresses received."""
        return self.loopback.lines + self.metadata.lines

    @property
    def name(self) -> str:
        return f"{self.registry_name}/app:1"

    @property
    def registry_name(self) -> str:
        return f"{self.registry_host}:{self.registry.port}"

    @contextlib.contextmanager
    def running(self) -> t.Iterator[Site]:
        with contextlib.ExitStack() as stack:
            for server in self.servers:
                stack.enter_context(server)
            yield self

    def url(self, host: str, path: str = "") -> str:
        """Return a URL at HOST, with the port of the service that listens there."""
        ports = {"storage.test": self.storage, "tokens.test": self.token_server, **dict.fromkeys(METADATA_HOSTS, self.metadata)}
        return f"http://{host}:{ports.get(host, self.loopback).port}{path}"

    def require_tokens(self, realm: str) -> None:
        self.distribution.access = TokenAccess(self.tokens, realm)

    def pull(self, **options: t.Any) -> t.Any:
        request = {"name": [self.name], "platform": ["linux/amd64"], **options}
        return self._run("image_pull", **{"store": str(self.folder / "store"), **request})

    def push(self, **options: t.Any) -> t.Any:
        store = Store(str(self.folder / "store"))
        make_image("pushed", 1).put(store, "docker.io/library/local:1")
        return self._run("image_push", store=store.path, name=["local:1"], destination=f"{self.registry_name}/new:1", **options)

    def _run(self, module: str, **options: t.Any) -> t.Any:
        common = {"plain_http": True, "retries": 1, "timeout": 5, "host_config": False, **LOGIN}
        results = self.network.run(module, {**common, **options}, self.env)
        assert leaks({"results": json.dumps(results).encode()}) == []
        return results


def _serve_anything(tokens: Tokens, content: Distribution) -> t.Callable[[Request], Answer]:
    def answer(request: Request) -> Answer:
        if request.method == "GET" and not request.path.startswith("/v2/"):
            return tokens(request)
        return content(request) if request.method == "GET" else Answer(201)

    return answer


@pytest.fixture(scope="module")
def network() -> t.Iterator[Network]:
    with private_network(HOSTS) as made:
        yield made


@pytest.fixture
def site(request: pytest.FixtureRequest, network: Network, tmp_path: Path, libraries: dict[str, dict[str, str]]) -> t.Iterator[Site]:
    """Return a site whose modules use the libraries that the test selects, by default those of the tests."""
    with Site(network, tmp_path, libraries[getattr(request, "param", "current")]).running() as site:
        yield site


both_libraries = pytest.mark.parametrize("site", ["current", "oldest"], indirect=True)
every_host = pytest.mark.parametrize(
    ("site", "host"),
    [*(("current", host) for host in (*LOOPBACK_HOSTS, *METADATA_HOSTS)), *(("oldest", host) for host in SOME_HOSTS)],
    indirect=["site"],
)

some_hosts = pytest.mark.parametrize(
    ("site", "host"), [(libraries, host) for libraries in ("current", "oldest") for host in SOME_HOSTS], indirect=["site"]
)


@every_host
def test_no_realm_reaches_a_service_of_the_host_or_its_cloud(site: Site, host: str) -> None:
    site.require_tokens(site.url(host, "/token"))
    results = site.pull()
    assert site.forbidden == []
    assert (results["error"], results["status"]) == ("denied", 401), results["msg"]


@some_hosts
def test_no_redirect_reaches_a_service_of_the_host_or_its_cloud(site: Site, host: str) -> None:
    site.registry.script(Fault(LAYER, reactions.redirect(site.url(host, "{target}"))))
    results = site.pull()
    assert site.forbidden == []
    assert results["error"] == "registry_error", results["msg"]


@some_hosts
def test_no_upload_location_reaches_a_service_of_the_host_or_its_cloud(site: Site, host: str) -> None:
    location = site.url(host, "/upload?state=x")
    site.registry.script(Fault("POST */blobs/uploads/*", reactions.instead(202, b"", ("Location", location))))
    results = site.push()
    assert site.forbidden == []
    assert results["error"] == "registry_error", results["msg"]


def test_a_redirect_of_the_storage_does_not_reach_loopback(site: Site) -> None:
    site.registry.script(Fault(LAYER, reactions.redirect(site.url("storage.test", "{target}"))))
    site.storage.script(Fault("*", reactions.redirect(site.url("inside.test", "{target}"))))
    assert site.pull()["error"] == "registry_error"
    assert site.forbidden == []


def test_a_token_server_cannot_redirect_to_a_forbidden_private_address(site: Site) -> None:
    site.require_tokens(site.url("tokens.test", "/token"))
    site.token_server.script(Fault("GET *", reactions.redirect(f"http://{site.storage.host}/internal")))
    results = site.pull()
    assert site.storage.requests == []
    assert results["error"] == "registry_error", results["msg"]


@both_libraries
def test_an_open_connection_of_another_registry_does_not_bypass_the_check(site: Site) -> None:
    """The task itself reads from a registry on loopback. The pool keeps this connection under the host name to which the hostile registry redirects."""
    site.loopback.app = site.storage.app
    own = f"inside.test:{site.loopback.port}/app:1"
    site.distribution.put(OTHER, "other", "1")
    site.registry.script(Fault(f"GET */blobs/{OTHER.layers[0].digest}", reactions.redirect(site.url("inside.test", "{target}?stolen"))))
    results = site.pull(
        name=[own, f"{site.registry_name}/other:1"],
        concurrency=1,
        username=None,
        password=None,
        registries=[{"name": site.registry_name, "plain_http": True, **LOGIN}],
    )
    assert [image.get("error") for image in results["images"]] == [None, "registry_error"], results
    assert not [line for line in site.loopback.lines if "stolen" in line]
    assert site.loopback.lines


# Legal uses of private addresses.


@both_libraries
@pytest.mark.parametrize("host", [OTHER_PRIVATE, "storage.test"])
def test_blobs_of_a_registry_on_premises_come_from_storage_on_a_private_address(site: Site, host: str) -> None:
    site.registry.script(Fault("GET */blobs/*", reactions.redirect(f"http://{host}:{site.storage.port}{{target}}")))
    results = site.pull()
    assert results["changed"], results
    assert site.storage.count("GET */blobs/*") == len(IMAGE.blobs)
    assert not any("Authorization" in request.headers for request in site.storage.requests)


@pytest.mark.parametrize("host", [PRIVATE, "registry.test"])
def test_a_registry_on_premises_is_pulled_from_and_pushed_to_by_address_and_by_name(site: Site, host: str) -> None:
    site.registry_host = host
    assert site.pull()["changed"]
    assert site.push()["changed"]


@both_libraries
def test_a_token_server_on_premises_is_asked_by_name(site: Site) -> None:
    site.require_tokens(site.url("tokens.test", "/token"))
    assert site.pull()["changed"]
    assert len(site.token_server.requests) == 1


@pytest.mark.parametrize("host", [OTHER_PRIVATE, "storage.test"])
def test_an_upload_goes_to_storage_on_a_private_address(site: Site, host: str) -> None:
    location = f"http://{host}:{site.storage.port}/upload?state=x"
    site.registry.script(Fault("POST */blobs/uploads/*", reactions.instead(202, b"", ("Location", location))))
    site.storage.app = lambda request: Answer(201)
    site.push()
    assert site.storage.count("PUT /upload*") == 2
    assert not any("Authorization" in request.headers for request in site.storage.requests)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "inside.test"])
def test_a_registry_on_loopback_may_redirect_to_loopback(site: Site, host: str) -> None:
    site.loopback.app = site.storage.app
    site.loopback.script(Fault(LAYER, reactions.redirect(site.url(host, "{target}?again")), times=1))
    assert site.pull(name=[f"inside.test:{site.loopback.port}/app:1"], username=None, password=None)["changed"]


def test_a_token_server_on_loopback_is_asked_if_the_task_lists_it(site: Site) -> None:
    listed = [f"{host}:{site.loopback.port}" for host in ("127.0.0.1", "inside.test")]
    for host in ("127.0.0.1", "inside.test"):
        site.require_tokens(site.url(host, "/token"))
        entry = {"name": site.registry_name, "token_hosts": listed}
        assert site.pull(registries=[entry], store=str(site.folder / host))["changed"]


@both_libraries
def test_a_proxy_on_loopback_is_allowed(site: Site) -> None:
    """The proxy resolves names, so we can check only the text of a URL."""
    site.require_tokens(site.url("tokens.test", "/token"))
    site.loopback.app = _proxied(site)
    site.registry.script(Fault(LAYER, reactions.redirect(site.url("storage.test", "{target}"))))
    proxy = f"http://{site.loopback.host}"
    assert site.pull(proxy=proxy)["changed"]
    assert {urlsplit(request.target).hostname for request in site.loopback.requests} == {"registry.test", "storage.test", "tokens.test"}
    site.registry.script(Fault(LAYER, reactions.redirect("http://127.0.0.1:1{target}")))
    results = site.pull(proxy=proxy, store=str(site.folder / "other"))
    assert results["error"] == "registry_error", results["msg"]


def _proxied(site: Site) -> t.Callable[[Request], Answer]:
    """Answer as a proxy, with the answer of the server that the URL names."""
    servers = {
        f"{host}:{server.port}": server
        for host, server in (("registry.test", site.registry), ("storage.test", site.storage), ("tokens.test", site.token_server))
    }

    def answer(request: Request) -> Answer:
        parts = urlsplit(request.target)
        forwarded = dataclasses.replace(request, target=parts._replace(scheme="", netloc="").geturl())
        server = servers[parts.netloc]
        forwarded = dataclasses.replace(forwarded, authorized=server.is_authorized(forwarded))
        return server.answer(forwarded, server.fault_for(forwarded))

    return answer
