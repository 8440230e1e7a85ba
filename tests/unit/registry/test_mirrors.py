# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which ways lead to a registry's images."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import Denied, InvalidOption
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.registry.config.mirrors import HostRoutes, Route, find_routes, mirror_route
from ansible_collections.longshore.images.plugins.module_utils.registry.config.settings import ClientSettings, Credentials, HostSettings, Mirror
from ansible_collections.longshore.images.plugins.module_utils.registry.registries import Registries

NGINX = Reference.parse("nginx")
ME = Credentials("me", "secret")
PLAIN = HostSettings()


def mirror(url: str) -> Route:
    return mirror_route(Mirror(url, PLAIN), "docker.io")


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("http://cache:5000", "/v2/library/nginx/manifests/1?ns=docker.io"),
        ("http://cache:5000/", "/v2/library/nginx/manifests/1?ns=docker.io"),
        ("https://harbor.example.com/hub", "/v2/hub/library/nginx/manifests/1?ns=docker.io"),
        ("https://harbor.example.com/a/b/", "/v2/a/b/library/nginx/manifests/1?ns=docker.io"),
    ],
)
def test_a_mirror_is_asked_below_its_prefix_and_told_for_whom(url: str, asked: str) -> None:
    assert mirror(url).translate_path("/v2/library/nginx/manifests/1", "library/nginx") == asked


def test_a_query_that_is_there_stays() -> None:
    assert mirror("http://cache").translate_path("/v2/a/tags/list?n=5", "a") == "/v2/a/tags/list?n=5&ns=docker.io"


@pytest.mark.parametrize(("url", "plain_http", "host"), [("http://cache:5000", True, "cache:5000"), ("https://[::1]:443/x", False, "[::1]:443")])
def test_the_scheme_of_a_mirror_is_what_its_address_says(url: str, plain_http: bool, host: str) -> None:
    assert (mirror(url).settings.plain_http, mirror(url).host) == (plain_http, host)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "cache:5000",
        "//cache",
        "ftp://cache",
        "http://",
        "http://me:secret@cache",
        "http://cache?x=1",
        "http://cache#x",
        "http://cache:x",
        "http://[x",
    ],
)
def test_what_is_no_address_of_a_mirror_is_refused_without_its_secrets(url: str) -> None:
    with pytest.raises(InvalidOption, match=r"mirrors of docker\.io") as caught:
        mirror(url)
    assert "secret" not in str(caught.value)


def test_a_location_takes_the_place_of_a_prefix() -> None:
    route = Route("mirror.io", PLAIN, "mirror.io", removed_prefix="library", added_prefix="hub/official")
    assert route.remote_name("library/nginx") == "hub/official/nginx"
    assert route.translate_path("/v2/library/nginx/blobs/x", "library/nginx") == "/v2/hub/official/nginx/blobs/x"
    assert dataclasses.replace(route, removed_prefix="library/nginx", added_prefix="nginx").remote_name("library/nginx") == "nginx"


def test_another_root_takes_the_place_of_v2() -> None:
    route = Route("mirror.io", PLAIN, "mirror.io", root="/proxy/v2", namespace="docker.io")
    assert route.translate_path("/v2/library/nginx/blobs/x", "library/nginx") == "/proxy/v2/library/nginx/blobs/x?ns=docker.io"
    assert route.translate_path("/v2/", "library/nginx") == "/proxy/v2/?ns=docker.io"


def test_docker_hub_is_reached_by_another_name_and_known_by_its_own() -> None:
    routes = find_routes(NGINX, ClientSettings(), None)
    assert routes.mirrors == ()
    assert (routes.upstream.host, routes.upstream.registry) == ("registry-1.docker.io", "docker.io")


class Config:
    """A host whose configuration says one thing of everything."""

    def __init__(self, found: HostRoutes) -> None:
        self.found = found

    def routes(self, reference: Reference) -> HostRoutes:
        return self.found


OTHER = Route("other.io", PLAIN, "other.io")


def test_the_mirrors_of_the_task_take_the_place_of_the_hosts() -> None:
    given = Mirror("http://cache", PLAIN)
    listed = ClientSettings(hosts={"docker.io": HostSettings(mirrors=(given,), mirror_only=True)})
    assert find_routes(NGINX, listed, Config(HostRoutes((OTHER,)))).mirrors == (mirror("http://cache"),)
    assert find_routes(NGINX, listed, None).mirror_only
    assert find_routes(NGINX, ClientSettings(), Config(HostRoutes((OTHER,)))).mirrors == (OTHER,)


def test_no_mirror_gets_the_credentials_of_the_registry() -> None:
    own = HostSettings(credentials=ME, client_cert="/cert", headers=(("X-Key", "k"),), mirrors=(Mirror("http://cache", PLAIN),))
    for settings in (ClientSettings(hosts={"docker.io": own}), ClientSettings(default=own)):
        routes = find_routes(NGINX, settings, Config(HostRoutes(upstream=OTHER)))
        for route in (*routes.mirrors, routes.upstream):
            assert route.settings.credentials is None
            assert route.settings.client_cert is None
            assert route.settings.headers == ()


def test_another_location_has_the_settings_that_the_task_gives_for_it() -> None:
    settings = ClientSettings(hosts={"other.io": HostSettings(credentials=ME)})
    assert find_routes(NGINX, settings, Config(HostRoutes(upstream=OTHER))).upstream.settings.credentials == ME


def test_a_way_that_the_hosts_configuration_names_keeps_what_the_task_leaves_open() -> None:
    own = HostSettings(plain_http=True, ca_path="/own", client_cert="/own", headers=(("X-Key", "k"),))
    there = dataclasses.replace(OTHER, settings=own)
    listed = HostSettings(credentials=ME, ca_path="/ca", token_hosts=frozenset(["10.0.0.7:8443"]))
    routes = find_routes(NGINX, ClientSettings(hosts={"other.io": listed}), Config(HostRoutes((there,), there)))
    for route in (*routes.mirrors, routes.upstream):
        assert route.settings == dataclasses.replace(own, credentials=ME, ca_path="/ca", token_hosts=listed.token_hosts)
    strict = HostSettings(plain_http=False, validate_certs=False, client_cert="/cert", client_key="/key")
    (mirror,) = find_routes(NGINX, ClientSettings(hosts={"other.io": strict}), Config(HostRoutes((there,)))).mirrors
    assert (mirror.settings.plain_http, mirror.settings.validate_certs, mirror.settings.cert) == (False, False, ("/cert", "/key"))


def test_a_location_is_where_images_are_read_from_and_nothing_else() -> None:
    elsewhere = Route("server.io", PLAIN, "server.io")
    named = Route("registry-1.docker.io", PLAIN, "docker.io")
    for found, reading, registry_route in (
        (HostRoutes(upstream=OTHER), OTHER, named),
        (HostRoutes(server=elsewhere), elsewhere, elsewhere),
        (HostRoutes(upstream=OTHER, server=elsewhere), OTHER, elsewhere),
        (HostRoutes(), named, named),
    ):
        routes = find_routes(NGINX, ClientSettings(), Config(found))
        assert (routes.upstream, routes.registry_route) == (reading, registry_route)


def test_what_is_written_deleted_or_listed_goes_to_the_registry_that_the_name_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf = tmp_path / "registries.conf"
    conf.write_text('[[registry]]\nprefix = "old.io/team"\nlocation = "new.io/group"\n[[registry.mirror]]\nlocation = "mirror.io"\n')
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(conf))
    registries = Registries(ClientSettings(host_config=True))
    reference = Reference.parse("old.io/team/app:1")
    for direct in (False, True):
        assert registries.repository(reference, direct).endpoint.route.host == "old.io"
    assert registries.repository(reference).answered_by == "https://new.io"
    assert registries.repository(reference).reading.route.host == "new.io"
    assert registries.repository(reference, direct=True).answered_by == "https://old.io"
    assert registries.repository(reference, direct=True).reading.route.host == "old.io"
    assert registries.endpoint("old.io").route.host == "old.io"


def test_an_insecure_registry_is_asked_without_certificates_unless_the_task_wants_tls() -> None:
    insecure = Config(HostRoutes(insecure=True))
    relaxed = find_routes(NGINX, ClientSettings(), insecure).upstream.settings
    assert (relaxed.detect_plain_http, relaxed.validate_certs) == (True, False)
    strict = find_routes(NGINX, ClientSettings(default=HostSettings(plain_http=False)), insecure).upstream.settings
    assert (strict.detect_plain_http, strict.validate_certs) == (False, True)


def test_a_blocked_registry_is_denied_by_the_name_of_the_file() -> None:
    with pytest.raises(Denied, match=r"docker\.io/library/nginx is blocked by /etc/x\.conf"):
        find_routes(NGINX, ClientSettings(), Config(HostRoutes(blocked_by="/etc/x.conf")))
