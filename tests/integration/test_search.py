# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_search_info of real registries, and of a replacement for docker.io."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from tests.support import modules
from tests.support.hub import Hub, leading_proxy, row
from tests.support.images import make_files, make_image, make_index
from tests.support.recorder import Recorder
from tests.support.registry import PASSWORD, USER, Registry, free_port, needed, running_registry

VERSIONS = ["1.24.9", "1.25.0", "1.25.10", "1.25.9", "1.26", "1.26-alpine", "2.0-rc1", "latest"]
SHARED = make_image("searched", 1)


@pytest.fixture(scope="session")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Registry]:
    """Run a registry with 150 repositories, one of them with many tags. It lists 100 at a time and refuses larger pages."""
    with running_registry(tmp_path_factory.mktemp("catalog"), catalog={"maxentries": 100}) as registry:
        registry.put(SHARED, "team/app", VERSIONS[0])
        team = registry.folder / "data/docker/registry/v2/repositories/team"
        for number in range(149):
            shutil.copytree(team / "app", team.parent / f"many/repository-{number:03}")
        for tag in [*VERSIONS[1:], *(f"build-{number}" for number in range(120))]:
            shutil.copytree(team / "app/_manifests/tags" / VERSIONS[0], team / "app/_manifests/tags" / tag)
        yield registry


@pytest.fixture
def recorded(catalog: Registry) -> t.Iterator[Recorder]:
    with Recorder(catalog.host).running() as running:
        yield running


def names(results: modules.Results) -> list[str]:
    return [found["name"] for found in results["results"]]


def search(host: str, term: str, **options: t.Any) -> modules.Results:
    return modules.run("image_search_info", {"registry": host, "term": term, **options})


# Catalogs.


def test_a_catalog_is_read_page_after_page(catalog: Registry, recorded: Recorder) -> None:
    found = search(recorded.host, "repository-1", limit=1000)
    assert names(found) == [f"{recorded.host}/many/repository-1{number:02}" for number in range(49)]
    assert all(one[key] is None for one in found["results"] for key in ("description", "stars", "official", "automated"))
    assert "store" not in found
    assert not found["changed"]
    assert recorded.lines == ["GET /v2/_catalog?n=1000", "GET /v2/_catalog", "GET /v2/_catalog?last=many%2Frepository-099&n=100"]


def test_no_page_is_asked_for_when_enough_is_found(recorded: Recorder) -> None:
    assert len(names(search(recorded.host, "many/", limit=3))) == 3
    assert [line for line in recorded.lines if "last=" in line] == []


def test_the_term_is_found_in_any_case_and_an_empty_one_finds_all(catalog: Registry) -> None:
    assert names(search(catalog.host, "TEAM/App")) == [f"{catalog.host}/team/app"]
    assert len(names(search(catalog.host, "", limit=1000))) == 150
    assert names(search(catalog.host, "nothing-like-it")) == []


def test_check_mode_returns_the_same(catalog: Registry) -> None:
    options = {"registry": catalog.host, "term": "team", "list_tags": True}
    assert modules.run("image_search_info", options, check=True) == modules.run("image_search_info", options)


# Tags.


def test_the_types_of_tags_are_read_on_request(anonymous: Registry, recording: Recorder, repository: str) -> None:
    for tag, image in {"1": make_image("typed", 1), "2": make_index("typed", ("linux/amd64",))}.items():
        anonymous.put(image, repository, tag)
    anonymous.put(make_files([("a", b"a")], config_type="application/vnd.cncf.helm.config.v1+json"), repository, "3")
    anonymous.put(make_image("unasked", 1), repository, "other")

    (row,) = search(recording.host, repository, exact=True, list_tags=True, tag_types=True, tag_pattern="^[0-9]")["results"]

    assert row["tag_types"] == [
        {"tag": "1", "media_type": media_types.OCI_MANIFEST, "artifact_type": None},
        {"tag": "2", "media_type": media_types.OCI_INDEX, "artifact_type": None},
        {"tag": "3", "media_type": media_types.OCI_MANIFEST, "artifact_type": "application/vnd.cncf.helm.config.v1+json"},
    ]
    assert sorted(line.split()[1].rpartition("/")[2] for line in recording.lines if "manifests" in line) == ["1", "2", "3"]
    assert modules.fail("image_search_info", {"registry": anonymous.host, "term": repository, "tag_types": True})["error"] == "invalid_option"


def tags(catalog: Registry, **options: t.Any) -> list[str]:
    results = search(catalog.host, "team/app", list_tags=True, **options)["results"]
    listed: list[str] = results[0]["tags"]
    return listed


def test_all_tags_are_listed_as_another_client_lists_them(catalog: Registry) -> None:
    needed("skopeo")
    listed = tags(catalog)
    assert len(listed) == len(VERSIONS) + 120
    command = ["skopeo", "list-tags", "--tls-verify=false", f"docker://{catalog.host}/team/app"]
    others = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)["Tags"]
    assert listed == sorted(others)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"tag_pattern": "^build-11[0-3]$"}, ["build-110", "build-111", "build-112", "build-113"]),
        ({"tag_versions": "1.25.x"}, ["1.25.10", "1.25.9", "1.25.0"]),
        ({"tag_versions": ">=1.25,<2", "newest": 2}, ["1.26", "1.25.10"]),
        ({"tag_versions": ">=1-alpine"}, ["1.26-alpine"]),
        ({"tag_versions": ">=2.0-rc1"}, ["2.0-rc1"]),
        ({"tag_versions": ">=3"}, []),
        ({"newest": 3}, ["2.0-rc1", "1.26", "1.26-alpine"]),
        ({"newest": 1, "tag_pattern": "^1"}, ["1.26"]),
        ({"newest": 1, "tag_pattern": "latest"}, []),
    ],
    ids=str,
)
def test_tags_are_filtered_by_pattern_version_and_age(catalog: Registry, options: dict[str, t.Any], expected: list[str]) -> None:
    assert tags(catalog, **options) == expected


def test_tags_of_several_repositories_are_listed_with_each(catalog: Registry) -> None:
    found = search(catalog.host, "repository-00", list_tags=True)["results"]
    assert [one["tags"] for one in found] == [[VERSIONS[0]]] * 10


# docker.io.


@pytest.fixture(scope="session")
def hub_rows() -> list[dict[str, t.Any]]:
    """Return more than two pages of 100 rows, not sorted by stars."""
    rows = [row(f"team{number}/nginx-{number}", number * 37 % 251) for number in range(230)]
    return [row("nginx", 20000, True, "Official build of \x1b[31mNginx."), *rows, row("no name/nginx", 5), row("redis", 13000, True)]


@pytest.fixture
def hub(hub_rows: list[dict[str, t.Any]], protected: Registry) -> t.Iterator[tuple[Hub, dict[str, t.Any]]]:
    """Run a replacement for docker.io, with its search and a registry that requires a login, and return the options that reach it."""
    search_server = Hub(hub_rows)
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(search_server.running(protected.folder))
        registry_port = int(protected.host.rpartition(":")[2])
        proxy = stack.enter_context(leading_proxy({"index.docker.io": port, "registry-1.docker.io": registry_port}))
        yield search_server, {"proxy": proxy, "ca_path": str(protected.ca), "retries": 1}


def test_the_search_of_docker_io_is_used_and_results_are_sorted_by_stars(hub: tuple[Hub, dict[str, t.Any]]) -> None:
    found = modules.run("image_search_info", {"term": "nginx", **hub[1]})["results"]
    assert len(found) == 25
    assert found[0] == {
        "name": "docker.io/library/nginx",
        "description": "Official build of  [31mNginx.",
        "stars": 20000,
        "official": True,
        "automated": False,
    }
    assert [one["stars"] for one in found] == sorted((one["stars"] for one in found), reverse=True)
    assert hub[0].asked == ["/v1/search?q=nginx&n=100&page=1"]


def test_pages_are_asked_for_until_enough_is_found(hub: tuple[Hub, dict[str, t.Any]]) -> None:
    found = modules.run("image_search_info", {"term": "nginx", "limit": 1000, **hub[1]})["results"]
    assert len(found) == 231
    assert [asked[-1] for asked in hub[0].asked] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("options", "count"), [({"official": True}, 1), ({"official": False}, 1000), ({"min_stars": 200}, 47), ({"min_stars": 30000}, 0)], ids=str
)
def test_only_matching_repositories_are_listed(hub: tuple[Hub, dict[str, t.Any]], options: dict[str, t.Any], count: int) -> None:
    found = modules.run("image_search_info", {"term": "nginx", "limit": 1000, **options, **hub[1]})["results"]
    assert len(found) == min(count, 230)
    assert all(one["official"] == options.get("official", one["official"]) for one in found)
    assert all(one["stars"] >= options.get("min_stars", 0) for one in found)


def test_tags_of_docker_io_come_from_its_registry_with_the_users_credentials_and_the_search_gets_none(
    hub: tuple[Hub, dict[str, t.Any]], protected: Registry
) -> None:
    protected.put(SHARED, "library/nginx", "1.27")
    protected.tag(SHARED, "library/nginx", "1.9")
    options = {"term": "nginx", "official": True, "list_tags": True, "newest": 5, "username": USER, "password": PASSWORD, **hub[1]}
    found = modules.run("image_search_info", options)["results"]
    assert [(one["name"], one["tags"]) for one in found] == [("docker.io/library/nginx", ["1.27", "1.9"])]
    assert set(hub[0].authorizations) == {None}


def test_another_client_reads_the_stand_in_as_it_reads_docker_io(hub: tuple[Hub, dict[str, t.Any]], tmp_path: Path) -> None:
    needed("podman")
    (tmp_path / "registries.conf").write_text('unqualified-search-registries = ["docker.io"]\n')
    environment = modules.environment(
        HTTPS_PROXY=hub[1]["proxy"],
        SSL_CERT_FILE=hub[1]["ca_path"],
        HOME=str(tmp_path),
        CONTAINERS_REGISTRIES_CONF=str(tmp_path / "registries.conf"),
        XDG_RUNTIME_DIR=str(tmp_path),
    )
    storage = ["--root", str(tmp_path / "root"), "--runroot", str(tmp_path / "run"), "--storage-driver", "vfs"]
    command = ["podman", *storage, "search", "--limit", "5", "--format", "{{.Name}} {{.Stars}} {{.Official}}", "docker.io/nginx"]
    result = subprocess.run(command, capture_output=True, check=False, text=True, env=environment)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[0].split() == ["docker.io/library/nginx", "20000", "[OK]"]


@pytest.mark.parametrize("answer", [b"", b"<html>", b'{"results": [1]}', b'{"results": [{"name": 1}]}', b'{"results": [{}]}', b'{"results": {}}'])
def test_an_invalid_search_answer_is_refused(hub: tuple[Hub, dict[str, t.Any]], answer: bytes) -> None:
    hub[0].answer = answer
    results = modules.fail("image_search_info", {"term": "nginx", **hub[1]})
    assert results["error"] == "unsupported_format"
    assert "docker.io" in results["msg"]


# Registries without a catalog, and errors.


def test_a_registry_without_a_catalog_lists_the_repository_of_that_name(catalog: Registry) -> None:
    with Recorder(catalog.host, refused={"/v2/_catalog": 401}).running() as closed:
        found = search(closed.host, "team/app", list_tags=True, newest=1)["results"]
        assert [(one["name"], one["tags"]) for one in found] == [(f"{closed.host}/team/app", ["2.0-rc1"])]
        for term in ("team/ap", "", "No Name", "team/app:1.26"):
            results = modules.fail("image_search_info", {"registry": closed.host, "term": term})
            assert results["error"] == "denied"
            assert "catalog" in results["msg"]


def test_an_exactly_named_repository_is_queried_directly(recorded: Recorder) -> None:
    found = search(recorded.host, "team/app", exact=True, list_tags=True, tag_versions="<2", newest=1)["results"]
    assert [(one["name"], one["tags"]) for one in found] == [(f"{recorded.host}/team/app", ["1.26"])]
    assert {request.path.partition("?")[0] for request in recorded.requests} <= {"/v2/", "/v2/team/app/tags/list"}
    assert search(recorded.host, "team/ap", exact=True, list_tags=True)["results"] == []
    assert "tags" not in search(recorded.host, "team/app", exact=True)["results"][0]


@pytest.mark.parametrize("wrong", [{}, {"username": USER, "password": "planted-Secret"}])
def test_wrong_or_missing_credentials_are_denied(protected: Registry, wrong: dict[str, str]) -> None:
    results = modules.fail("image_search_info", {"registry": protected.host, "term": "x", "ca_path": str(protected.ca), **wrong})
    assert (results["error"], results["status"]) == ("denied", 401)
    assert "planted-Secret" not in json.dumps(results)


def test_right_credentials_allow_reading_a_catalog(protected: Registry, repository: str) -> None:
    protected.put(SHARED, repository, "1")
    options = {"term": repository, "ca_path": str(protected.ca), "username": USER, "password": PASSWORD}
    results = search(protected.host, **options)
    assert names(results) == [f"{protected.host}/{repository}"]
    assert PASSWORD not in json.dumps(results, ensure_ascii=False)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"registry": "a/b"}, "invalid_option"),
        ({"registry": "nodot"}, "invalid_option"),
        ({"registry": ""}, "invalid_reference"),
        ({"term": " "}, "invalid_option"),
        ({"limit": 0}, "invalid_option"),
        ({"registry": "r.test", "official": True}, "invalid_option"),
        ({"registry": "r.test", "min_stars": 3}, "invalid_option"),
        ({"exact": True, "official": True}, "invalid_option"),
        ({"exact": True, "term": "team/app:1"}, "invalid_reference"),
        ({"tag_pattern": "x"}, "invalid_option"),
        ({"newest": 1}, "invalid_option"),
        ({"list_tags": True, "newest": 0}, "invalid_option"),
        ({"list_tags": True, "tag_pattern": "("}, "invalid_option"),
        ({"list_tags": True, "tag_versions": "newest"}, "invalid_option"),
        ({"retries": -1}, "invalid_option"),
    ],
    ids=str,
)
def test_a_wrong_option_is_refused_before_any_request(options: dict[str, t.Any], error: str) -> None:
    reached_nobody = f"http://127.0.0.1:{free_port()}"
    assert modules.fail("image_search_info", {"term": "nginx", "proxy": reached_nobody, **options})["error"] == error


def test_a_registry_that_does_not_answer_is_unreachable() -> None:
    results = modules.fail("image_search_info", {"registry": f"127.0.0.1:{free_port()}", "term": "x", "retries": 1})
    assert results["error"] == "unreachable"
