# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Caches of the role registry with nginx in front: what many clients at once cost the upstream, who may read, and what a hostile upstream can do."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import hashlib
import http.server
import json
import os
import signal
import subprocess
import threading
import typing as t
from pathlib import Path

import pytest
import requests

from tests.support import modules
from tests.support.fleets import Fleet
from tests.support.images import make_image
from tests.support.registry import Registry, free_port, make_authority, needed, running_registry
from tests.support.serving import serving

CLIENTS = 48
USER, PASSWORD = "reader", "another secret"
# As htpasswd hashes it, at a low cost.
HASH = "$2y$08$jBCbSonT9B7cmkFpPMUPheb.M1GwIIbNI4lMuiBWqECWtlCQUfm.S"
SLICE = 64 << 20


class Hostile(http.server.BaseHTTPRequestHandler):
    """An upstream that sends wrong bytes, and headers that control a careless nginx. `seen` has the headers of all requests."""

    body = b"wrong bytes"
    seen: t.ClassVar[list[t.Mapping[str, str]]] = []

    def do_GET(self) -> None:
        self.seen.append(dict(self.headers))
        self.send_response(200)
        control = {"X-Accel-Redirect": "/longshore/status", "X-Accel-Expires": "0", "Cache-Control": "no-store", "Vary": "*", "Set-Cookie": "id=1"}
        for name, value in {**control, "Content-Length": str(len(self.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *words: object) -> None:
        pass


@dataclasses.dataclass(frozen=True)
class Site:
    upstream: Registry
    fleet: Fleet
    authority: Path

    def nginx(self, cache: str) -> Path:
        return self.fleet.store(cache) / "nginx"

    def get(self, cache: str, path: str, login: tuple[str, str] | None = (USER, PASSWORD), method: str = "GET", **headers: str) -> requests.Response:
        host = self.fleet.hosts[cache]
        scheme = "https" if "registry_tls_key" in host else "http"
        url = f"{scheme}://127.0.0.1:{host['registry_port']}/v2/{path}"
        return requests.request(method, url, auth=login, headers=headers, verify=str(self.authority / "ca.pem"), timeout=60)

    def get_at_once(self, cache: str, path: str) -> list[bytes]:
        """Return what clients get that all ask at the same time."""
        start = threading.Barrier(CLIENTS)

        def ask() -> bytes:
            start.wait(30)
            answer = self.get(cache, path)
            assert answer.status_code == 200, answer.text
            return answer.content

        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            return [asked.result() for asked in [pool.submit(ask) for _number in range(CLIENTS)]]

    def count(self, request: str) -> int:
        """Return how often the upstream got a request."""
        return (self.upstream.folder / "log").read_text().count(f'"{request} ')


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Site]:
    """Run a registry, a cache that nginx asks, one with users and TLS that nginx passes by, one in front of another, and one with a hostile upstream."""
    needed("docker-registry", "nginx")
    folder = tmp_path_factory.mktemp("nginx")
    make_authority(folder)
    Hostile.body = b"wrong bytes"
    with running_registry(folder, log={"level": "info"}) as upstream, serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hostile)) as hostile:
        through = {"registry_port": free_port(), "registry_nginx": "registry", "registry_proxy_url": upstream.url}
        guarded = {
            "registry_port": free_port(),
            "registry_nginx": "upstream",
            "registry_proxy_url": upstream.url,
            "registry_tls_certificate": f"{folder}/server.pem",
            "registry_tls_key": f"{folder}/server.key",
            "registry_users": [{"name": USER, "password_hash": HASH}],
        }
        tier = {"registry_port": free_port(), "registry_nginx": "upstream", "registry_proxy_url": f"http://127.0.0.1:{through['registry_port']}"}
        misled = {"registry_port": free_port(), "registry_nginx": "upstream", "registry_proxy_url": f"http://127.0.0.1:{hostile}"}
        role = {"gather_facts": False, "roles": ["longshore.images.registry"]}
        (folder / "site.yml").write_text(json.dumps([{"hosts": "all:!tier", **role}, {"hosts": "tier", **role}]))
        fleet = Fleet(folder, "registry_folder", {"through": through, "guarded": guarded, "tier": tier, "misled": misled})
        try:
            done = fleet.run(folder / "site.yml")
            assert done.status == 0, done.output
            yield Site(upstream, fleet, folder)
        finally:
            ended = fleet.run(folder / "site.yml", "--limit", "guarded", registry_state="absent", registry_purge=True)
            for pid_file in folder.rglob("*.pid"):
                os.kill(int(pid_file.read_text()), signal.SIGTERM)
        assert ended.status == 0, ended.output
        assert not fleet.store("guarded").exists()


# CNCF Distribution 2.8 itself fetches a new blob for its storage and once more for the client, version 3 only once.
@pytest.mark.parametrize(("cache", "most"), [("guarded", 1), ("through", 2), ("tier", 2)])
def test_a_blob_that_48_clients_need_at_once_is_fetched_once(site: Site, cache: str, most: int) -> None:
    image = make_image(cache, 1, size=3_000_000)
    site.upstream.put(image, f"team/{cache}", "1")
    digest = image.layers[0].digest
    assert set(site.get_at_once(cache, f"team/{cache}/blobs/{digest}")) == {image.content[digest]}
    assert 1 <= site.count(f"GET /v2/team/{cache}/blobs/{digest}") <= most


@pytest.mark.parametrize("cache", ["guarded", "through", "tier"])
def test_a_tag_is_looked_up_once_a_minute(site: Site, cache: str) -> None:
    old, new = make_image(f"old {cache}", 1), make_image(f"new {cache}", 1)
    site.upstream.put(old, f"tags/{cache}", "1")
    assert len(set(site.get_at_once(cache, f"tags/{cache}/manifests/1"))) == 1
    site.upstream.put(new, f"tags/{cache}", "1")
    answer = site.get(cache, f"tags/{cache}/manifests/1?ns=docker.io", Accept="text/plain")
    assert (answer.headers["Docker-Content-Digest"], answer.headers["Content-Type"]) == (str(old.root.digest), old.root.media_type)
    assert answer.headers["X-Cache-Status"] == "HIT"
    assert site.count(f"GET /v2/tags/{cache}/manifests/1") + site.count(f"HEAD /v2/tags/{cache}/manifests/1") <= (1 if cache == "guarded" else 2)
    assert site.get(cache, f"tags/{cache}/manifests/{new.root.digest}").headers["Docker-Content-Digest"] == str(new.root.digest)


def test_cached_content_needs_a_valid_login_at_each_request_which_the_upstream_never_gets(site: Site) -> None:
    image = make_image("guarded content", 1)
    site.upstream.put(image, "team/guarded", "login")
    for path in (f"team/guarded/blobs/{image.layers[0].digest}", f"team/guarded/manifests/{image.root.digest}", "team/guarded/manifests/login"):
        assert site.get("guarded", path).status_code == 200
        for login in (None, (USER, "wrong"), ("other", PASSWORD)):
            refused = site.get("guarded", path, login)
            assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, 'Basic realm="registry"')
    assert site.get("guarded", "longshore/login").status_code == 404
    assert site.get("misled", "team/app/manifests/login").status_code == 200
    assert not any("Authorization" in headers for headers in Hostile.seen)


@pytest.mark.parametrize("cache", ["guarded", "through"])
def test_ranges_of_a_large_blob_are_served_before_and_after_it_is_cached(site: Site, cache: str) -> None:
    data = cache.encode() * (SLICE // len(cache) + 1_000_000)
    site.upstream.put_blob("large/ranges", data)
    path = f"large/ranges/blobs/sha256:{hashlib.sha256(data).hexdigest()}"
    for first, last in ((SLICE - 5, SLICE + 5), (7, 11), (len(data) - 3, len(data) - 1), (SLICE + 1, SLICE + 9)):
        answer = site.get(cache, path, Range=f"bytes={first}-{last}")
        assert (answer.status_code, answer.content) == (206, data[first : last + 1])
        assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(data)}"
    assert hashlib.sha256(site.get(cache, path).content).digest() == hashlib.sha256(data).digest()
    assert site.count(f"GET /v2/{path}") == 2


@pytest.mark.parametrize("cache", ["guarded", "through", "tier"])
def test_images_are_pulled_through_the_cache_and_clients_can_not_write(site: Site, cache: str, tmp_path: Path) -> None:
    image = make_image(f"pulled {cache}", 2)
    site.upstream.put(image, "team/pulled", cache)
    name = f"127.0.0.1:{site.fleet.hosts[cache]['registry_port']}/team/pulled:{cache}"
    login = {"ca_path": str(site.authority / "ca.pem"), "username": USER, "password": PASSWORD} if cache == "guarded" else {}
    pulled = modules.run("image_pull", {"name": name, "store": str(tmp_path / "store"), **login})
    assert pulled["images"][0]["digest"] == str(image.root.digest)
    for method in ("PUT", "POST", "PATCH", "DELETE"):
        assert site.get(cache, f"team/pulled/manifests/{image.root.digest}", method=method).status_code == 405


def test_a_hostile_upstream_controls_nothing_and_its_wrong_bytes_can_be_purged(site: Site, tmp_path: Path) -> None:
    digest = f"sha256:{hashlib.sha256(b'right bytes').hexdigest()}"
    path = f"team/app/blobs/{digest}"
    assert site.get("misled", path).content == b"wrong bytes"
    answer = site.get("misled", path)
    assert (answer.content, answer.headers["X-Cache-Status"]) == (b"wrong bytes", "HIT")
    assert "Set-Cookie" not in answer.headers
    # A client verifies what it gets.
    manifest = f"127.0.0.1:{site.fleet.hosts['misled']['registry_port']}/team/app@{digest}"
    refused = modules.fail("image_pull", {"name": manifest, "store": str(tmp_path / "store")})
    assert refused["error"] == "digest_mismatch", refused
    Hostile.body = b"right bytes"
    (purge,) = [line for line in (modules.ROOT / "docs" / "caches.md").read_text().splitlines() if "grep --recursive" in line]
    subprocess.run(["sh", "-c", purge.replace("/srv/cache", str(site.fleet.store("misled"))).replace("sha256:0123", digest)], check=True)
    assert site.get("misled", path).content == b"right bytes"


def test_a_second_run_changes_nothing_and_the_role_returns_the_hit_rate(site: Site, tmp_path: Path) -> None:
    show = {"ansible.builtin.debug": {"msg": "{{ registry_nginx_status | to_json }}"}}
    status = {"ansible.builtin.include_role": {"name": "longshore.images.registry", "tasks_from": "nginx_status"}}
    play = {"hosts": "guarded", "gather_facts": False, "roles": ["longshore.images.registry"], "post_tasks": [status, show]}
    (tmp_path / "again.yml").write_text(json.dumps([play]))
    image = make_image("counted", 1)
    site.upstream.put(image, "team/counted", "1")
    for _time in range(2):
        assert site.get("guarded", f"team/counted/blobs/{image.layers[0].digest}").status_code == 200
    again = site.fleet.run(tmp_path / "again.yml")
    assert (again.status, again.count("changed", "guarded")) == (0, 0), again.output
    printed = next(line for line in again.output.splitlines() if '"msg"' in line and "hit_rate" in line)
    counts = json.loads(json.loads("{" + printed.strip().rstrip(",") + "}")["msg"])
    assert counts["healthy"], counts
    assert 0 < counts["hits"] < counts["requests"]
    assert 0 < counts["hit_bytes"] < counts["bytes"]


@pytest.mark.parametrize("cache", ["through", "guarded", "tier"])
def test_nginx_accepts_the_configuration_without_a_warning(site: Site, cache: str) -> None:
    tested = subprocess.run(
        ["/usr/sbin/nginx", "-t", "-e", "stderr", "-c", str(site.nginx(cache) / "nginx.conf")], capture_output=True, text=True, check=False
    )
    assert (tested.returncode, "[" in tested.stderr) == (0, False), tested.stderr
