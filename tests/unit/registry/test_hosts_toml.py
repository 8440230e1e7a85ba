# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Tools: openssl

"""Registries in containerd's hosts.toml, and the order of podman's and containerd's mirrors."""

from __future__ import annotations

import http.server
import threading
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import InputOutputError, UnsupportedFormat
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.registry.config.host_config import HostRegistryConfig
from ansible_collections.longshore.images.plugins.module_utils.registry.config.mirrors import HostRoutes, Route
from ansible_collections.longshore.images.plugins.module_utils.registry.config.settings import ClientSettings
from ansible_collections.longshore.images.plugins.module_utils.registry.http.client import HttpClient
from ansible_collections.longshore.images.plugins.module_utils.registry.http.messages import Request
from ansible_collections.longshore.images.plugins.module_utils.registry.registries import Registries
from ansible_collections.longshore.images.plugins.module_utils.task.registry_task import RegistryTask
from tests.support.host_files import conf, use_own_folders, write_file
from tests.support.registry import make_authority
from tests.support.serving import add_tls


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_own_folders(tmp_path, monkeypatch)


def hosts(tmp_path: Path, text: str, registry: str = "r.io") -> Path:
    return write_file(tmp_path / "certs.d" / registry / "hosts.toml", text)


def routes(name: str) -> HostRoutes:
    return HostRegistryConfig().routes(Reference.parse(name))


def request_address(route: Route, name: str) -> str:
    """Return the address that an image is requested from."""
    reference = Reference.parse(name)
    return f"{route.host}{route.translate_path(f'/v2/{reference.repository}/manifests/{reference.tag}', reference.repository)}"


HOSTS = """
server = "https://r.io"
[host."https://cache.example.com"]
  capabilities = ["pull", "resolve"]
  ca = "ca.pem"
  client = [["client.pem", "client.key"]]
[host."http://10.0.0.1:5000/mirror"]
  capabilities = ["pull"]
  skip_verify = true
[host."https://harbor.example.com/v2/hub"]
  override_path = true
  [host."https://harbor.example.com/v2/hub".header]
    X-Key = ["one", "two"]
[host."https://push.example.com"]
  capabilities = ["push"]
"""


def test_hosts_of_containerd_are_mirrors_in_their_order(tmp_path: Path) -> None:
    path = hosts(tmp_path, HOSTS)
    found = routes("r.io/a/b:1")
    assert found.server is None
    assert [request_address(route, "r.io/a/b:1") for route in found.mirrors] == [
        "cache.example.com/v2/a/b/manifests/1?ns=r.io",
        "10.0.0.1:5000/mirror/v2/a/b/manifests/1?ns=r.io",
        "harbor.example.com/v2/hub/a/b/manifests/1?ns=r.io",
    ]
    cache, plain, harbor = found.mirrors
    assert cache.settings.ca_path == str(path.parent / "ca.pem")
    assert cache.settings.cert == (str(path.parent / "client.pem"), str(path.parent / "client.key"))
    assert (cache.settings.plain_http, cache.tags, cache.digests) == (False, True, True)
    assert (plain.settings.plain_http, plain.settings.validate_certs, plain.tags, plain.digests) == (True, False, False, True)
    assert harbor.settings.headers == (("X-Key", "one, two"),)
    assert "X-Key" not in repr(harbor)


@pytest.mark.parametrize("server", ["first", "second"])
def test_every_ca_of_a_host_is_trusted(tmp_path: Path, server: str) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        make_authority(tmp_path / name)
    path = hosts(tmp_path, '[host."https://m.io"]\nca = ["first.pem", "second.pem"]')
    for name in ("first", "second"):
        (path.parent / f"{name}.pem").symlink_to(tmp_path / name / "ca.pem")
    (route,) = routes("r.io/a/b:1").mirrors
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as answering:
        add_tls(answering, tmp_path / server)
        threading.Thread(target=answering.handle_request, daemon=True).start()
        url = f"https://127.0.0.1:{answering.server_port}/"
        # Any response shows that the server is trusted.
        assert HttpClient(ClientSettings(retries=1)).send(Request("GET", url, "it", accepted=(501,)), route.settings).status == 501


def test_a_missing_ca_file_is_reported_by_its_path(tmp_path: Path) -> None:
    path = hosts(tmp_path, '[host."https://m.io"]\nca = ["first.pem", "second.pem"]')
    with pytest.raises(InputOutputError, match=str(path.parent / "first.pem")):
        routes("r.io/a/b:1")


@pytest.mark.parametrize(
    ("registry", "folder"), [("r.io:5000", "r.io:5000"), ("r.io:5000", "r.io_5000_"), ("r.io", "_default"), ("docker.io", "docker.io")]
)
def test_a_registry_has_a_folder_or_the_default_one(tmp_path: Path, registry: str, folder: str) -> None:
    hosts(tmp_path, '[host."https://m.io"]\n', folder)
    assert [route.host for route in routes(f"{registry}/a/x").mirrors] == ["m.io"]


def test_the_first_existing_folder_of_a_registry_counts(tmp_path: Path) -> None:
    hosts(tmp_path, '[host."https://default.io"]\n', "_default")
    hosts(tmp_path, '[host."https://colon.io"]\n', "r.io:5000")
    assert [route.host for route in routes("r.io:5000/x").mirrors] == ["colon.io"]
    hosts(tmp_path, '[host."https://line.io"]\n', "r.io_5000_")
    assert [route.host for route in routes("r.io:5000/x").mirrors] == ["line.io"]
    (tmp_path / "certs.d/other.io").mkdir()
    assert routes("other.io/x") == HostRoutes()


def test_a_header_from_the_hosts_configuration_is_a_secret(tmp_path: Path) -> None:
    hosts(tmp_path, '[host."https://m.io".header]\nAuthorization = "Bearer planted-token"\nX = "short"\n')
    task = RegistryTask({"registries": [], "host_config": True}, check_mode=False)
    registries = task._registries = Registries(ClientSettings(host_config=True))
    assert "Bearer planted-token" not in task.secrets()
    registries.repository(Reference.parse("r.io/a:1"))
    assert "Bearer planted-token" in task.secrets()
    assert "short" not in task.secrets()


def test_a_server_replaces_the_registry(tmp_path: Path) -> None:
    hosts(tmp_path, 'server = "http://other.io:5000"\n')
    server = routes("r.io/x:1").server
    assert server is not None
    assert request_address(server, "r.io/x:1") == "other.io:5000/v2/x/manifests/1"
    assert server.settings.plain_http


def test_a_server_that_is_the_registry_itself_changes_nothing(tmp_path: Path) -> None:
    hosts(tmp_path, 'server = "https://registry-1.docker.io"\n', "docker.io")
    assert routes("nginx") == HostRoutes()


def test_mirrors_of_podman_come_before_those_of_containerd(tmp_path: Path) -> None:
    conf(tmp_path, '[[registry]]\nlocation = "r.io"\n[[registry.mirror]]\nlocation = "podman.io"\n')
    hosts(tmp_path, '[host."https://containerd.io"]\n')
    assert [route.host for route in routes("r.io/x").mirrors] == ["podman.io", "containerd.io"]


@pytest.mark.parametrize(
    "text",
    [
        "host = 1", '[host."ftp://m.io"]', '[host."https://me@m.io"]', '[host."https://m.io"]\nca = 1',
        '[host."https://m.io"]\nclient = [[1]]', '[host."https://m.io"]\nskip_verify = "no"', '[host."https://m.io"]\nheader = 1', "server = 1", "x",
        '[host."https://m.io".header]\nX = "a\\r\\nY: b"', '[host."https://m.io".header]\nX = "\u2603"', '[host."https://m.io".header]\n"X Y" = "b"',
        '[host]\n"https://m.io" = 1',
    ],
)  # fmt: skip
def test_a_malformed_file_of_containerd_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = hosts(tmp_path, text)
    with pytest.raises(UnsupportedFormat, match=str(path)):
        routes("r.io/x")


HOST = '[host."https://a.io"]\n[host."https://m.io"]\n'
CAN_NOT_BE_ASKED = ("[a", "[::::]", "m.io:port", "m.io:99999", "m.io:0", "m io", "m.io\\n", "", ":5000", "me:secret@m.io", "m.io\\\\.a.io")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        *((f'# hosts\n[host."https://{address}"]\n', 2, "is not an address") for address in CAN_NOT_BE_ASKED[:4]),
        *((f'\nserver = "https://{address}"\n', 2, "is not an address") for address in CAN_NOT_BE_ASKED),
        ('[host."https://a.io"]\nca = "a"\n[host."https://m.io"]\n  skip_verify = true\n  ca = "a\\u0000b"\n', 5, "m.io: ca contains a null"),
        (f'{HOST}ca = ["a", "b\\u0000"]\n', 3, "ca contains a null character"),
        (f'{HOST}client = "a\\u0000"\n', 3, "client contains a null character"),
        (f'{HOST}client = [["a", "b\\u0000"]]\n', 3, "client contains a null character"),
        (f"{HOST}ca = 1\n", 3, "ca is not a list of strings"),
        ('capabilities = 1\n[host."https://m.io"]\n', 1, "capabilities is not a list of strings"),
        ("host = 1\n", 1, "host is not a table"),
        ('# \x85 \u2028\nserver = "ftp://m.io"\n', 2, "is not an address"),
    ],
)
def test_a_value_that_can_not_be_used_is_refused_with_the_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    path = hosts(tmp_path, text)
    with pytest.raises(UnsupportedFormat, match=rf"^{path}, line {line}: .*{message}.*host_config: false") as caught:
        routes("r.io/x")
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("address", CAN_NOT_BE_ASKED)
def test_a_location_of_podman_that_can_not_be_asked_is_refused_with_the_line(tmp_path: Path, address: str) -> None:
    for text, line in (
        (f'\n[[registry]]\nlocation = "{address or ":"}"\n', 3),
        (f'[[registry]]\nlocation = "r.io"\n[[registry.mirror]]\nlocation = "{address or ":"}/x"\n', 4),
    ):
        path = conf(tmp_path, text)
        with pytest.raises(UnsupportedFormat, match=rf"^{path}, line {line}: .*host:port") as caught:
            routes("r.io/x")
        assert "secret" not in caught.value.message
