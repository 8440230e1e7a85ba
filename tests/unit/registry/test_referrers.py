# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists of referrers: from the referrers API, and from the referrers tags of registries without it."""

from __future__ import annotations

import dataclasses
import json
import typing as t
from urllib.parse import urlsplit

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import Denied, ImageNotFound, LongshoreError, RegistryError, UnsupportedFormat
from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.graph import Graph
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.oci.referrers import SIGNATURE, Referrer, referrers_tag
from ansible_collections.longshore.images.plugins.module_utils.registry import referrers
from ansible_collections.longshore.images.plugins.module_utils.registry.endpoint import Endpoint
from ansible_collections.longshore.images.plugins.module_utils.registry.http.messages import Request, Response
from ansible_collections.longshore.images.plugins.module_utils.registry.mirror_fallback import MirrorFallback
from ansible_collections.longshore.images.plugins.module_utils.registry.referrers import (
    DigestTags,
    ReferrerList,
    RepositoryReferrers,
    list_referrers,
)
from ansible_collections.longshore.images.plugins.module_utils.registry.repository import Repository
from tests.support.responses import FakeResponse

SUBJECT = Digest("sha256", "a" * 64)
API = f"/v2/team/app/referrers/{SUBJECT}"
BY_TAG = f"/v2/team/app/manifests/{referrers_tag(SUBJECT)}"
LIST = "/v2/team/app/tags/list"


def respond_with_index(content: bytes, links: t.Sequence[str] = (), headers: t.Mapping[str, str] | None = None) -> FakeResponse:
    return FakeResponse(content, links, headers or {"Content-Type": media_types.OCI_INDEX})


@dataclasses.dataclass
class FakeEndpoint:
    """Has responses by path, or by path and query. Raises an error given as a response, and ImageNotFound for other paths."""

    answers: t.Mapping[str, FakeResponse | LongshoreError]
    registry: str = "r.test"
    requests: list[str] = dataclasses.field(default_factory=list)
    lacks_referrers_api: bool = False

    def send(self, request: Request, repository: str) -> Response:
        self.requests.append(request.url)
        answer = self.answers.get(request.url) or self.answers.get(urlsplit(request.url).path) or ImageNotFound("not there", status=404)
        if isinstance(answer, LongshoreError):
            raise answer
        return t.cast(Response, dataclasses.replace(answer, url=f"https://r.test{request.url}"))


@dataclasses.dataclass
class NoMirrors:
    """A MirrorFallback with one endpoint and no mirrors."""

    endpoint: FakeEndpoint

    @property
    def last(self) -> FakeEndpoint:
        return self.endpoint

    def send(self, request: Request, by_tag: bool) -> Response:
        return self.endpoint.send(request, "team/app")

    def send_and_read(self, request: Request, by_tag: bool, read: t.Callable[[Response], object]) -> object:
        return read(self.send(request, by_tag))


def repository_at(endpoint: FakeEndpoint) -> Repository:
    return Repository(t.cast(Endpoint, endpoint), "team/app", "r.test", t.cast(MirrorFallback, NoMirrors(endpoint)))


def repository(**answers: FakeResponse | LongshoreError) -> Repository:
    paths = {"api": API, "by_tag": BY_TAG, "tags": LIST}
    return repository_at(FakeEndpoint({paths.get(name, name): answer for name, answer in answers.items()}))


def entry(number: int, **members: t.Any) -> dict[str, t.Any]:
    return {"mediaType": media_types.OCI_MANIFEST, "digest": f"sha256:{number:064x}", "size": number, **members}


def index(*entries: dict[str, t.Any], **members: t.Any) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": entries, **members}).encode()


def numbers(listed: ReferrerList) -> list[int]:
    return [referrer.size for referrer in listed.referrers]


def test_the_referrers_api_is_read_page_by_page() -> None:
    found = FakeEndpoint(
        {
            API: respond_with_index(index(entry(1), entry(2)), [f'<{API}?page=2>; rel="next"']),
            f"{API}?page=2": respond_with_index(index(entry(2), entry(3))),
        }
    )
    listed = list_referrers(repository_at(found), SUBJECT)
    assert (numbers(listed), listed.kept_by_registry, found.requests) == ([1, 2, 3], True, [API, f"{API}?page=2"])


def test_the_referrers_api_may_return_an_empty_list() -> None:
    listed = list_referrers(repository(api=respond_with_index(index()), by_tag=respond_with_index(index(entry(1)))), SUBJECT)
    assert (numbers(listed), listed.kept_by_registry) == ([], True)


UNKNOWN = [ImageNotFound("no", 404), RegistryError("no", 400), RegistryError("no", 405), RegistryError("no", 501), respond_with_index(b"<html>")]


@pytest.mark.parametrize("answer", UNKNOWN, ids=["404", "400", "405", "501", "a page for people"])
def test_without_the_referrers_api_the_tag_is_read(answer: FakeResponse | LongshoreError) -> None:
    document = index(entry(1), entry(2))
    listed = list_referrers(repository(api=answer, by_tag=respond_with_index(document)), SUBJECT)
    assert (numbers(listed), listed.kept_by_registry, listed.document) == ([1, 2], False, document)


def test_without_the_referrers_api_and_a_tag_the_list_is_empty() -> None:
    assert list_referrers(repository(), SUBJECT) == ReferrerList((), False)


@pytest.mark.parametrize("error", [Denied("no", 401), Denied("no", 403), RegistryError("no", 500)])
def test_a_registry_that_refuses_the_list_is_an_error(error: LongshoreError) -> None:
    with pytest.raises(type(error)):
        list_referrers(repository(api=error, by_tag=respond_with_index(index(entry(1)))), SUBJECT)


def test_more_referrers_than_are_allowed_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(referrers, "MAX_REFERRERS", 3)
    for names in ("api", "by_tag"):
        with pytest.raises(RegistryError, match="more than the 3"):
            list_referrers(repository(**{names: respond_with_index(index(*map(entry, range(4))))}), SUBJECT)


@pytest.mark.parametrize("odd", [{"size": -1}, {"digest": "sha256:short"}, {"digest": "../x"}, {"mediaType": None}, {"size": "1"}], ids=str)
def test_a_malformed_entry_is_refused(odd: dict[str, t.Any]) -> None:
    with pytest.raises(UnsupportedFormat):
        list_referrers(repository(by_tag=respond_with_index(index(entry(1, **odd)))), SUBJECT)


def artifact(kind: str | None, **members: t.Any) -> Referrer:
    """Return a referrer whose config has the media type KIND."""
    data = json.dumps({"schemaVersion": 2, "config": {"mediaType": kind, "digest": str(SUBJECT), "size": 1}, "layers": [], **members}).encode()
    root = Descriptor(media_types.OCI_MANIFEST, Digest.of(data), len(data))
    return Referrer(Graph(root, {root: data}, (), ()), SUBJECT)


def listing(*entries: dict[str, t.Any], **members: t.Any) -> ReferrerList:
    return list_referrers(repository(by_tag=respond_with_index(index(*entries, **members))), SUBJECT)


def test_a_list_keeps_its_entries_and_gets_missing_ones() -> None:
    known, new = artifact("a/config"), artifact("a/config", artifactType="a/sbom", annotations={"k": "v"})
    mine = {**entry(known.graph.root.size, artifactType="mine"), "digest": str(known.digest)}
    data = listing(mine, annotations={"own": "1"}).document_with([new, known])
    assert data is not None
    made = json.loads(data)
    added = {"mediaType": media_types.OCI_MANIFEST, "digest": str(new.digest), "size": new.graph.root.size}
    assert made["manifests"] == [mine, {**added, "artifactType": "a/sbom", "annotations": {"k": "v"}}]
    assert made["annotations"] == {"own": "1"}
    assert list_referrers(repository(by_tag=respond_with_index(data)), SUBJECT).document_with([new, known]) is None


def test_the_type_of_the_config_is_listed_for_a_referrer_without_a_type() -> None:
    data = ReferrerList((), False).document_with([artifact("a/config")])
    assert data is not None
    assert json.loads(data)["manifests"][0]["artifactType"] == "a/config"


def test_a_new_list_does_not_depend_on_the_order() -> None:
    wanted = [artifact("a/1"), artifact("a/2")]
    empty = ReferrerList((), False)
    assert empty.document_with(wanted) is not None
    assert empty.document_with(wanted) == empty.document_with(wanted[::-1])


@pytest.mark.parametrize("error", [ImageNotFound("no", 404), RegistryError("no", 405), RegistryError("no", 501)], ids=["404", "405", "501"])
def test_a_registry_without_the_api_is_asked_for_it_once(error: LongshoreError) -> None:
    endpoint = FakeEndpoint({API: error})
    for _time in range(2):
        list_referrers(repository_at(endpoint), SUBJECT)
    assert endpoint.requests == [API, BY_TAG, BY_TAG]


@pytest.mark.parametrize("code", ["MANIFEST_UNKNOWN", "NAME_UNKNOWN"])
def test_an_error_code_of_the_api_means_that_there_is_one(code: str) -> None:
    endpoint = FakeEndpoint({API: ImageNotFound("no", 404, [f"{code}: not here"])})
    listed = [list_referrers(repository_at(endpoint), SUBJECT) for _time in range(2)]
    assert endpoint.requests.count(API) == 2
    assert [one.kept_by_registry for one in listed] == [code == "NAME_UNKNOWN"] * 2


def test_a_repository_offers_the_usual_tags_without_listing_all() -> None:
    tag = f"{referrers_tag(SUBJECT)}.sig"
    data = index()
    root = {"Content-Type": media_types.OCI_INDEX, "Docker-Content-Digest": str(Digest.of(data)), "Content-Length": str(len(data))}
    endpoint = FakeEndpoint({f"/v2/team/app/manifests/{tag}": respond_with_index(data, headers=root)})
    found = list(RepositoryReferrers(repository_at(endpoint)).find_by_tag(SUBJECT, (SIGNATURE,)))
    assert [(str(name), root.digest) for name, root in found] == [(f"r.test/team/app:{tag}", Digest.of(data))]
    assert len(endpoint.requests) == 1


def test_tags_that_belong_to_a_digest_begin_with_it_and_a_dot() -> None:
    tag = referrers_tag(SUBJECT)
    tag_names = [f"{tag}.sig", tag, f"{tag}x.sig", "1", f"{tag}.0123.meta", "sha256-" + "b" * 64 + ".sig"]
    endpoint = FakeEndpoint({LIST: respond_with_index(json.dumps({"tags": tag_names}).encode())})
    tags = DigestTags(repository_at(endpoint))
    assert [reference.tag for reference in tags.find(SUBJECT)] == [f"{tag}.0123.meta", f"{tag}.sig"]
    assert tags.find(Digest("sha256", "c" * 64)) == []
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("answer", [Denied("no", 403), ImageNotFound("no", 404), respond_with_index(b"<html>")], ids=["denied", "not there", "odd"])
def test_without_a_list_of_tags_the_usual_ones_are_returned(answer: FakeResponse | LongshoreError) -> None:
    tag = referrers_tag(SUBJECT)
    assert [reference.tag for reference in DigestTags(repository(tags=answer)).find(SUBJECT)] == [f"{tag}.sig", f"{tag}.att", f"{tag}.sbom"]
