# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routes to a registry's images: mirrors, replacements and the registry itself."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import Denied, InvalidOption
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.registry.config.mirrors import (
    HostRoutes,
    Route,
    find_login_route,
    find_routes,
    mirror_route,
)
from ansible_collections.longshore.images.plugins.module_utils.registry.config.settings import ClientSettings, Credentials, HostSettings, Mirror
from ansible_collections.longshore.images.plugins.module_utils.registry.registries import Registries

NGINX = Reference.parse("nginx")
ME = Credentials("me", "secret")
PLAIN = HostSettings()


def mirror(url: str) -> Route:
    return mirror_route(Mirror(url, PLAIN), "docker.io")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://cache:5000", "/v2/library/nginx/manifests/1?ns=docker.io"),
        ("http://cache:5000/", "/v2/library/nginx/manifests/1?ns=docker.io"),
        ("https://harbor.example.com/hub", "/v2/hub/library/nginx/manifests/1?ns=docker.io"),
        ("https://harbor.example.com/a/b/", "/v2/a/b/library/nginx/manifests/1?ns=docker.io"),
    ],
)
def test_a_mirror_request_has_the_prefix_and_names_the_registry(url: str, path: str) -> None:
    assert mirror(url).translate_path("/v2/library/nginx/manifests/1", "library/nginx") == path


def test_an_existing_query_is_kept() -> None:
    assert mirror("http://cache").translate_path("/v2/a/tags/list?n=5", "a") == "/v2/a/tags/list?n=5&ns=docker.io"


@pytest.mark.parametrize(("url", "plain_http", "host"), [("http://cache:5000", True, "cache:5000"), ("https://[::1]:443/x", False, "[::1]:443")])
def test_the_scheme_of_a_mirror_is_that_of_its_url(url: str, plain_http: bool, host: str) -> None:
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
def test_an_invalid_url_of_a_mirror_is_refused_without_showing_its_secrets(url: str) -> None:
    with pytest.raises(InvalidOption, match=r"mirrors of docker\.io") as caught:
        mirror(url)
    assert "secret" not in str(caught.value)


def test_a_location_replaces_a_prefix() -> None:
    route = Route("mirror.io", PLAIN, "mirror.io", removed_prefix="library", added_prefix="hub/official")
    assert route.remote_name("library/nginx") == "hub/official/nginx"
    assert route.translate_path("/v2/library/nginx/blobs/x", "library/nginx") == "/v2/hub/official/nginx/blobs/x"
    assert dataclasses.replace(route, removed_prefix="library/nginx", added_prefix="nginx").remote_name("library/nginx") == "nginx"


def test_another_root_replaces_v2() -> None:
    route = Route("mirror.io", PLAIN, "mirror.io", root="/proxy/v2", namespace="docker.io")
    assert route.translate_path("/v2/library/nginx/blobs/x", "library/nginx") == "/proxy/v2/library/nginx/blobs/x?ns=docker.io"
    assert route.translate_path("/v2/", "library/nginx") == "/proxy/v2/?ns=docker.io"


def test_docker_hub_has_another_host_name_but_keeps_its_registry_name() -> None:
    routes = find_routes(NGINX, ClientSettings(), None)
    assert routes.mirrors == ()
    assert (routes.upstream.host, routes.upstream.registry) == ("registry-1.docker.io", "docker.io")


class FakeHostConfig:
    """A host's configuration that returns the same routes for every repository."""

    def __init__(self, found: HostRoutes) -> None:
        self.found = found

    def routes(self, reference: Reference) -> HostRoutes:
        return self.found


OTHER = Route("other.io", PLAIN, "other.io")


def test_the_tasks_mirrors_replace_the_hosts() -> None:
    given = Mirror("http://cache", PLAIN)
    listed = ClientSettings(hosts={"docker.io": HostSettings(mirrors=(given,), mirror_only=True)})
    assert find_routes(NGINX, listed, FakeHostConfig(HostRoutes((OTHER,)))).mirrors == (mirror("http://cache"),)
    assert find_routes(NGINX, listed, None).mirror_only
    assert find_routes(NGINX, ClientSettings(), FakeHostConfig(HostRoutes((OTHER,)))).mirrors == (OTHER,)


def test_no_mirror_gets_the_credentials_of_the_registry() -> None:
    settings_of_route = HostSettings(credentials=ME, client_cert="/cert", headers=(("X-Key", "k"),), mirrors=(Mirror("http://cache", PLAIN),))
    for settings in (ClientSettings(hosts={"docker.io": settings_of_route}), ClientSettings(default=settings_of_route)):
        routes = find_routes(NGINX, settings, FakeHostConfig(HostRoutes(upstream=OTHER)))
        for route in (*routes.mirrors, routes.upstream):
            assert route.settings.credentials is None
            assert route.settings.client_cert is None
            assert route.settings.headers == ()


def test_another_location_has_the_tasks_settings_for_it() -> None:
    settings = ClientSettings(hosts={"other.io": HostSettings(credentials=ME)})
    assert find_routes(NGINX, settings, FakeHostConfig(HostRoutes(upstream=OTHER))).upstream.settings.credentials == ME


def test_a_route_of_the_hosts_configuration_keeps_settings_that_the_task_does_not_set() -> None:
    settings_of_route = HostSettings(plain_http=True, ca_path="/own", client_cert="/own", headers=(("X-Key", "k"),))
    configured = dataclasses.replace(OTHER, settings=settings_of_route)
    listed = HostSettings(credentials=ME, ca_path="/ca", token_hosts=frozenset(["10.0.0.7:8443"]))
    routes = find_routes(NGINX, ClientSettings(hosts={"other.io": listed}), FakeHostConfig(HostRoutes((configured,), configured)))
    for route in (*routes.mirrors, routes.upstream):
        assert route.settings == dataclasses.replace(settings_of_route, credentials=ME, ca_path="/ca", token_hosts=listed.token_hosts)
    strict = HostSettings(plain_http=False, validate_certs=False, client_cert="/cert", client_key="/key")
    (mirror,) = find_routes(NGINX, ClientSettings(hosts={"other.io": strict}), FakeHostConfig(HostRoutes((configured,)))).mirrors
    assert (mirror.settings.plain_http, mirror.settings.validate_certs, mirror.settings.cert) == (False, False, ("/cert", "/key"))


def test_a_location_is_used_for_reading_images_only() -> None:
    server = Route("server.io", PLAIN, "server.io")
    # containerd sends the namespace to a server with another name when it reads.
    read_server = dataclasses.replace(server, namespace="docker.io")
    named = Route("registry-1.docker.io", PLAIN, "docker.io")
    for found, upstream, registry_route in (
        (HostRoutes(upstream=OTHER), OTHER, named),
        (HostRoutes(server=server), read_server, server),
        (HostRoutes(upstream=OTHER, server=server), OTHER, server),
        (HostRoutes(), named, named),
    ):
        routes = find_routes(NGINX, ClientSettings(), FakeHostConfig(found))
        assert (routes.upstream, routes.registry_route) == (upstream, registry_route)


def test_pushes_deletions_and_lists_use_the_registry_of_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf = tmp_path / "registries.conf"
    conf.write_text('[[registry]]\nprefix = "old.io/team"\nlocation = "new.io/group"\n[[registry.mirror]]\nlocation = "mirror.io"\n')
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(conf))
    registries = Registries(ClientSettings(host_config=True))
    reference = Reference.parse("old.io/team/app:1")
    for direct in (False, True):
        assert registries.repository(reference, direct).endpoint.route.host == "old.io"
    assert registries.repository(reference).answered_by == "https://new.io"
    assert registries.repository(reference).read_endpoint.route.host == "new.io"
    assert registries.repository(reference, direct=True).answered_by == "https://old.io"
    assert registries.repository(reference, direct=True).read_endpoint.route.host == "old.io"
    assert registries.endpoint("old.io").route.host == "old.io"


def test_an_insecure_registry_is_not_verified_unless_the_task_wants_tls() -> None:
    insecure = FakeHostConfig(HostRoutes(insecure=True))
    relaxed = find_routes(NGINX, ClientSettings(), insecure).upstream.settings
    assert (relaxed.detect_plain_http, relaxed.validate_certs) == (True, False)
    strict = find_routes(NGINX, ClientSettings(default=HostSettings(plain_http=False)), insecure).upstream.settings
    assert (strict.detect_plain_http, strict.validate_certs) == (False, True)


def test_the_error_for_a_blocked_registry_names_the_file() -> None:
    with pytest.raises(Denied, match=r"docker\.io/library/nginx is blocked by /etc/x\.conf"):
        find_routes(NGINX, ClientSettings(), FakeHostConfig(HostRoutes(blocked_by="/etc/x.conf")))


def test_a_login_is_checked_at_the_registry_that_it_is_for() -> None:
    settings = ClientSettings(
        HostSettings(credentials=Credentials("task", "x")), hosts={"other.io": HostSettings(credentials=Credentials("other", "x"))}
    )
    elsewhere = FakeHostConfig(HostRoutes((OTHER,), upstream=OTHER, server=OTHER))
    route = find_login_route("docker.io", ME, settings, elsewhere)
    assert (route.host, route.settings.credentials, route.namespace) == ("registry-1.docker.io", ME, None)


def test_the_settings_of_the_host_for_the_registry_itself_apply_to_a_login() -> None:
    own = Route("other.io", HostSettings(ca_path="/ca.pem"), "other.io")
    settings = find_login_route("other.io", ME, ClientSettings(), FakeHostConfig(HostRoutes(server=own))).settings
    assert (settings.ca_path, settings.credentials) == ("/ca.pem", ME)
    with pytest.raises(Denied, match=r"other\.io is blocked by /etc/x\.conf"):
        find_login_route("other.io", ME, ClientSettings(), FakeHostConfig(HostRoutes(blocked_by="/etc/x.conf")))
