# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documents (manifests, configs, tokens, lists) have a deadline even if they arrive fast enough to be no stall."""

from __future__ import annotations

import contextlib
import json
import time
import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import LongshoreError, RegistryError, Unreachable
from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.oci.referrers import referrers_tag
from ansible_collections.longshore.images.plugins.module_utils.registry import referrers, repository, search, tags
from ansible_collections.longshore.images.plugins.module_utils.registry.config.settings import ClientSettings, HostSettings
from ansible_collections.longshore.images.plugins.module_utils.registry.http import client, messages
from ansible_collections.longshore.images.plugins.module_utils.registry.registries import Registries
from ansible_collections.longshore.images.plugins.module_utils.registry.repository import Repository
from tests.support.images import make_image
from tests.support.programmable import reactions
from tests.support.programmable.access import AnonymousAccess, TokenAccess, Tokens
from tests.support.programmable.distribution import Distribution
from tests.support.programmable.server import Answer, Fault, Reaction, Request, Server

IMAGE = make_image("app", 1)
CONFIG = IMAGE.graph.images[0].manifest.config
# Forty times the speed that counts as a stall, over a kept-alive connection; the whole would take over 25 seconds.
SLOWLY = reactions.both(reactions.body(lambda data: data + b" " * 1_000_000), reactions.wire(pace=(2048, 0.05)))
SLOW_TOKEN = reactions.instead(200, b'{"token": "x"}' + b" " * 1_000_000, pace=(2048, 0.05))
MAX_SECONDS = 12


@pytest.fixture(autouse=True)
def _one_second(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (client, messages, repository):
        monkeypatch.setattr(module, "DOCUMENT_SECONDS", 1.0)


@contextlib.contextmanager
def registry(where: str, reaction: Reaction = SLOWLY, tokens: bool = False) -> t.Iterator[Repository]:
    """Open a repository. REACTION changes the responses to WHERE, those of the token server if TOKENS is set."""
    token_server = Server(Tokens({}))
    distribution = Distribution(TokenAccess(Tokens({}), f"{token_server.url}/token") if tokens else AnonymousAccess())
    server = Server(distribution, None, distribution.is_authorized)
    distribution.put(IMAGE, "app", "1")
    (token_server if tokens else server).script(Fault(where, reaction, anyone=True))
    settings = HostSettings(plain_http=True, token_hosts=frozenset((token_server.host,)))
    registries = Registries(ClientSettings(default=settings, retries=2))
    with token_server, server:
        yield registries.repository(Reference.parse(f"{server.host}/app:1"))
        registries.client.close()


def fetch(repository: Repository) -> object:
    return repository.fetch_manifest(Reference(repository.registry, "app", "1"))


SLOW: dict[str, tuple[str, t.Callable[[Repository], object]]] = {
    "manifest": ("GET */manifests/*", fetch),
    "config": ("GET */blobs/*", lambda repository: repository.read_document(Descriptor(CONFIG.media_type, CONFIG.digest, 1_000_000))),
    "token": ("GET /token*", fetch),
    "tags": ("GET */tags/list*", tags.list_tags),
    "referrers": ("GET */referrers/*", lambda repository: referrers.list_referrers(repository, IMAGE.root.digest)),
    "catalog": ("GET */_catalog*", lambda repository: list(tags.list_repositories(repository.endpoint))),
}


@pytest.mark.parametrize("what", SLOW)
def test_a_document_that_arrives_slowly_but_steadily_times_out(what: str) -> None:
    where, call = SLOW[what]
    with registry(where, SLOW_TOKEN if what == "token" else SLOWLY, what == "token") as opened:
        started = time.monotonic()
        with pytest.raises(Unreachable, match="within 1 seconds"):
            call(opened)
        assert time.monotonic() - started < MAX_SECONDS


def test_a_blob_has_no_deadline() -> None:
    layer = IMAGE.layers[0]
    with registry("GET */blobs/*", reactions.wire(pace=(max(1, layer.size // 20), 0.1))) as opened:
        assert Digest.of(b"".join(map(bytes, opened.read_blob(layer)))) == layer.digest


def test_slow_redirects_end_at_the_deadline_for_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "DEADLINE", 1.0)
    requests: list[str] = []

    def further(asked: Request, app: t.Any, placeholders: t.Any) -> Answer:
        requests.append(asked.target)
        time.sleep(0.4)
        return Answer(307, (("Location", f"{asked.path}?{len(requests)}"),))

    with registry("GET */manifests/*", further) as opened, pytest.raises(Unreachable):
        fetch(opened)
    assert len(requests) <= 5


def endless_pages(size: int) -> Reaction:
    """Return an endless list of tags, on pages of SIZE bytes."""
    numbers = iter(range(1_000_000))

    def reaction(asked: Request, app: t.Any, placeholders: t.Any) -> Answer:
        number = next(numbers)
        body = json.dumps({"tags": [str(number)]}).encode() + b" " * size
        return Answer(200, (("Link", f'<?last={number}>; rel="next"'), ("Content-Type", "application/json")), body)

    return reaction


def test_all_pages_of_a_list_share_one_size_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "DOCUMENT_SECONDS", 60.0)
    with registry("GET */tags/list*", endless_pages(3_900_000)) as opened, pytest.raises(RegistryError, match="all pages together"):
        tags.list_tags(opened)


def test_all_pages_of_a_list_share_one_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tags, "LIST_SECONDS", 0.5)
    with registry("GET */tags/list*", endless_pages(1)) as opened, pytest.raises(Unreachable, match="its pages took more than"):
        tags.list_tags(opened)


def test_the_pages_of_a_search_have_the_same_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tags, "MAX_LIST_BYTES", 100_000)

    def page(asked: Request, app: t.Any, placeholders: t.Any) -> Answer:
        return Answer(200, (), json.dumps({"num_pages": 100, "results": [{"name": "team/app"}]}).encode() + b" " * 30_000)

    with registry("GET /search*", page) as opened:
        monkeypatch.setattr(search, "HUB_SEARCH", f"{opened.endpoint.url}/search")
        with pytest.raises(RegistryError, match="all pages together"):
            list(search._search_hub(opened.endpoint, "app"))


def test_too_many_referrers_are_refused_at_the_first_page_above_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "DOCUMENT_SECONDS", 60.0)
    entry = {"mediaType": media_types.OCI_MANIFEST, "digest": str(IMAGE.root.digest), "size": 1}
    pages: list[str] = []

    def page(asked: Request, app: t.Any, placeholders: t.Any) -> Answer:
        pages.append(asked.target)
        body = json.dumps({"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": [entry] * 900}).encode()
        return Answer(200, (("Link", f'<?last={len(pages)}>; rel="next"'),), body)

    with registry("GET */referrers/*", page) as opened, pytest.raises(LongshoreError, match="1000"):
        referrers.list_referrers(opened, IMAGE.root.digest)
    assert len(pages) == 2


def test_tags_are_found_by_digest_in_linear_time() -> None:
    digests = [Digest("sha256", f"{number:064x}") for number in range(1000)]
    tags = [f"{referrers_tag(digest)}.{number}" for digest in digests for number in range(30)]
    body = json.dumps({"tags": tags}).encode()
    with registry("GET */tags/list*", reactions.instead(200, body)) as opened:
        found = referrers.DigestTags(opened)
        assert len(found.find(digests[0])) == 30
        started = time.process_time()
        assert sum(len(found.find(digest)) for digest in digests) == 30_000
        assert time.process_time() - started < 1


def test_cached_documents_have_a_size_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "MAX_CACHED", 1000)
    with registry("-") as opened:
        for number in range(100):
            data = bytes([number]) * 300
            opened._cache(Digest.of(data), data)
        assert sum(map(len, opened._documents.values())) == opened._cached_bytes == 900
        fetch(opened)
        assert opened.read_document(IMAGE.root) == IMAGE.content[IMAGE.root.digest]
