# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A registry that requires bearer tokens: CNCF Distribution, with a token server of the tests."""

from __future__ import annotations

import base64
import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import modules
from tests.support.images import Image, make_image
from tests.support.recorder import Recorder
from tests.support.registry import Registry, make_authority, running_registry
from tests.support.tokens import SERVICE, TokenServer

PASSWORD, IDENTITY = "pass/word +&é", "identity/token+="
LOGIN = {"username": "publisher", "password": PASSWORD}
IMAGE = make_image("token", 2)


class TokenRegistry(t.NamedTuple):
    """A registry behind a recorder, and its token server."""

    recorder: Recorder
    tokens: TokenServer
    ca: str

    @property
    def options(self) -> dict[str, t.Any]:
        return {"registries": [self.entry()]}

    def entry(self, **login: str) -> dict[str, t.Any]:
        return {"name": self.recorder.host, "ca_path": self.ca, "token_hosts": [self.tokens.host], **login}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tokens")
    make_authority(made)
    return made


@pytest.fixture
def place(folder: Path, tmp_path: Path) -> t.Iterator[TokenRegistry]:
    """Run a registry with `public/app:1` and `private/app:1`."""
    tokens = TokenServer(folder, "publisher", PASSWORD, IDENTITY)
    (tmp_path / "registry").mkdir()
    with tokens.running(), running_registry(tmp_path / "registry", auth=tokens.config) as registry, Recorder(registry.host).running() as recorder:
        there = TokenRegistry(recorder, tokens, str(folder / "ca.pem"))
        for name in ("public/app", "private/app"):
            publish(there, tmp_path, IMAGE, name)
        recorder.requests.clear()
        tokens.requests.clear()
        yield there


def publish(place: TokenRegistry, tmp_path: Path, image: Image, name: str, **options: t.Any) -> modules.Results:
    store = Store(str(tmp_path / "publisher"), 0o700, 10)
    image.put(store, f"{place.recorder.host}/{name}:1")
    asked = {"store": store.path, "name": [f"{place.recorder.host}/{name}:1"], "registries": [place.entry(**LOGIN)], **options}
    return modules.run("image_push", asked)


def pull(place: TokenRegistry, store: str, name: str = "public/app", **options: t.Any) -> dict[str, t.Any]:
    return {"store": store, "name": [f"{place.recorder.host}/{name}:1"], **place.options, **options}


def test_public_images_are_pulled_without_credentials(place: TokenRegistry, store: str) -> None:
    done = modules.check_do_again("image_pull", pull(place, store))
    assert done["images"][0]["digest"] == str(IMAGE.root.digest)
    assert place.tokens.requests[0] == ("GET", [("service", SERVICE), ("scope", "repository:public/app:pull")])


def test_an_unchanged_tag_costs_one_refusal_one_token_and_one_head(place: TokenRegistry, store: str) -> None:
    modules.run("image_pull", pull(place, store))
    place.recorder.requests.clear()
    place.tokens.requests.clear()
    assert not modules.run("image_pull", pull(place, store))["changed"]
    assert place.recorder.lines == ["HEAD /v2/public/app/manifests/1"] * 2
    assert len(place.tokens.requests) == 1


def test_one_token_is_used_for_a_whole_repository(place: TokenRegistry, store: str) -> None:
    modules.run("image_pull", pull(place, store))
    assert len(place.tokens.requests) == 1
    assert len({recorded.headers.get("Authorization") for recorded in place.recorder.requests}) == 2  # none, then the token


def test_a_password_goes_to_the_token_server_and_never_to_the_registry(place: TokenRegistry, store: str) -> None:
    modules.run("image_pull", {**pull(place, store, "private/app"), "registries": [place.entry(**LOGIN)]})
    sent = [recorded.headers.get("Authorization", "") for recorded in place.recorder.requests]
    assert all(value == "" or value.startswith("Bearer ") for value in sent)
    assert not any(base64.b64encode(PASSWORD.encode()).decode()[:12] in value for value in sent)


@pytest.mark.parametrize("has_post", [True, False], ids=["by POST", "by GET where there is no POST"])
def test_an_identity_token_gets_tokens(place: TokenRegistry, store: str, has_post: bool) -> None:
    place.tokens.has_post = has_post
    asked = {**pull(place, store, "private/app"), "registries": [place.entry(identity_token=IDENTITY)]}
    if has_post:
        assert modules.run("image_pull", asked)["changed"]
        assert [method for method, _fields in place.tokens.requests] == ["POST"]
        assert dict(place.tokens.requests[0][1])["grant_type"] == "refresh_token"
    else:
        assert modules.fail("image_pull", asked)["error"] == "denied"
        assert [method for method, _fields in place.tokens.requests] == ["POST", "GET"]


def test_private_images_are_denied_without_credentials_and_the_error_says_what_to_do(place: TokenRegistry, store: str) -> None:
    failed = modules.fail("image_pull", pull(place, store, "private/app"))
    assert failed["error"] == "denied"
    assert failed["status"] == 401
    assert "give username and password" in failed["msg"]
    assert modules.snapshot(store) == {}


def test_wrong_credentials_are_denied_by_the_token_server(place: TokenRegistry, store: str) -> None:
    wrong = {"username": "publisher", "password": "wrong-pass"}
    failed = modules.fail("image_pull", {**pull(place, store), "registries": [place.entry(**wrong)]})
    assert failed["error"] == "denied"
    assert place.tokens.host in failed["msg"]
    assert "wrong-pass" not in json.dumps(failed)
    assert len(place.tokens.requests) == 1


def test_a_token_server_in_a_private_network_is_asked_only_if_it_is_listed(place: TokenRegistry, store: str) -> None:
    untrusting = {**place.entry(**LOGIN), "token_hosts": []}
    failed = modules.fail("image_pull", {**pull(place, store), "registries": [untrusting]})
    assert failed["error"] == "denied"
    assert f"list {place.tokens.host} in token_hosts" in failed["msg"]
    assert place.tokens.requests == []


@pytest.mark.parametrize("requests", [2, 4, 8, 13])
def test_a_token_that_expires_during_a_run_is_renewed(place: TokenRegistry, tmp_path: Path, store: str, requests: int) -> None:
    many = make_image("many", 12)
    publish(place, tmp_path, many, "public/many")
    place.tokens.requests.clear()
    place.recorder.requests.clear()
    place.recorder.ends_after = requests
    assert modules.run("image_pull", pull(place, store, "public/many"))["images"][0]["digest"] == str(many.root.digest)
    assert len(place.tokens.requests) == 2


def test_a_token_that_is_always_rejected_is_not_requested_endlessly(place: TokenRegistry, store: str) -> None:
    place.tokens.life = -100  # the registry rejects the token, although it has not expired by the token server's answer
    failed = modules.fail("image_pull", pull(place, store))
    assert failed["error"] == "denied"
    assert len(place.tokens.requests) <= 2


def test_no_token_and_no_secret_appears_in_any_output(place: TokenRegistry, tmp_path: Path, store: str) -> None:
    results = [
        modules.attempt("image_pull", {**pull(place, store, "private/app"), "registries": [place.entry(**LOGIN)]}),
        modules.attempt("image_pull", {**pull(place, store, "private/none"), "registries": [place.entry(**LOGIN)]}),
        modules.attempt("image_pull", {**pull(place, store, "private/app"), "registries": [place.entry(identity_token="not/this+one")]}),
    ]
    shown = json.dumps(results)
    for secret in (PASSWORD, IDENTITY, "not/this+one", *place.tokens.tokens):
        assert secret not in shown
        assert base64.b64encode(secret.encode()).decode() not in shown


def test_pushing_requests_a_wider_scope_than_pulling(place: TokenRegistry, tmp_path: Path) -> None:
    pushed = make_image("pushed", 3)
    done = publish(place, tmp_path, pushed, "private/new")
    assert done["images"][0]["digest"] == str(pushed.root.digest)
    scopes = [dict(fields)["scope"] for _method, fields in place.tokens.requests]
    assert scopes == ["repository:private/new:pull", "repository:private/new:pull,push"]
    assert not publish(place, tmp_path, pushed, "private/new")["changed"]


def test_registries_of_one_task_get_their_own_credentials_alone(place: TokenRegistry, anonymous: Registry, store: str) -> None:
    anonymous.put(IMAGE, "tokens/other", "1")
    with Recorder(anonymous.host).running() as other:
        names = [f"{place.recorder.host}/private/app:1", f"{other.host}/tokens/other:1"]
        modules.run("image_pull", {"store": store, "name": names, "registries": [place.entry(**LOGIN)]})
        assert not any("Authorization" in recorded.headers for recorded in other.requests)


def test_an_auth_file_works_for_tokens_too(place: TokenRegistry, tmp_path: Path, store: str) -> None:
    entry = {"auth": base64.b64encode(f"publisher:{PASSWORD}".encode()).decode()}
    (tmp_path / "auth.json").write_text(json.dumps({"auths": {f"{place.recorder.host}/private": entry}}))
    assert modules.run("image_pull", pull(place, store, "private/app", auth_file=str(tmp_path / "auth.json")))["changed"]


def test_deleting_asks_for_a_token_that_allows_it(place: TokenRegistry, store: str) -> None:
    name = f"{place.recorder.host}/private/app:1"
    asked = {"name": [name], "remote": True, "store": store, "registries": [place.entry(**LOGIN)]}
    assert modules.check_do_again("image_rm", asked)["deleted"] == [str(IMAGE.root.digest)]
    assert any("delete" in dict(fields)["scope"] for _method, fields in place.tokens.requests)


def test_deleting_without_permission_is_denied_and_deletes_nothing(place: TokenRegistry) -> None:
    name = f"{place.recorder.host}/public/app:1"
    assert modules.fail("image_rm", {"name": [name], "remote": True, **place.options})["error"] == "denied"
    assert modules.run("image_info", {"name": [name], "remote": True, **place.options})["images"][0]["present"]


def test_a_catalog_and_tags_are_listed_with_tokens_of_their_own(place: TokenRegistry) -> None:
    asked = {"registry": place.recorder.host, "term": "app", "list_tags": True, "registries": [place.entry(**LOGIN)]}
    found = modules.run("image_search_info", asked)["results"]
    assert [(one["name"].partition("/")[2], one["tags"]) for one in found] == [("private/app", ["1"]), ("public/app", ["1"])]
    assert sorted(dict(fields)["scope"] for _method, fields in place.tokens.requests) == [
        "registry:catalog:*",
        "repository:private/app:pull",
        "repository:public/app:pull",
    ]


def test_the_tags_of_a_public_repository_are_listed_although_the_catalog_is_not(place: TokenRegistry) -> None:
    asked = {"registry": place.recorder.host, "term": "public/app", "list_tags": True, **place.options}
    assert modules.run("image_search_info", asked)["results"][0]["tags"] == ["1"]


def test_a_mount_requests_permission_to_read_the_source(place: TokenRegistry, tmp_path: Path) -> None:
    done = publish(place, tmp_path, IMAGE, "private/app", destination=f"{place.recorder.host}/private/second:1")
    assert (done["bytes_transferred"], done["changed"]) == (0, True)
    assert not any(recorded.method in ("PUT", "PATCH") and "/blobs/" in recorded.path for recorded in place.recorder.requests)


def test_a_copy_within_a_registry_requests_permission_to_read_the_source(place: TokenRegistry) -> None:
    images = [{"src": f"{place.recorder.host}/private/app:1", "dest": f"{place.recorder.host}/private/copy:1"}]
    done = modules.check_do_again("image_copy", {"images": images, "registries": [place.entry(**LOGIN)]}, place="/nonexistent")
    assert done["bytes_transferred"] == 0
    assert not any(recorded.method in ("PUT", "PATCH") and "/blobs/" in recorded.path for recorded in place.recorder.requests)
