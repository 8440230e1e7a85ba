# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of containerd, and how our own modules read them and podman's."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.longshore.images.plugins.module_utils.client_files.entries import MARK
from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidOption, LongshoreError, UnsupportedFormat
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.registry.config.host_config import HostRegistryConfig, find_toml_parser
from ansible_collections.longshore.images.plugins.module_utils.registry.config.mirrors import Routes, find_routes
from ansible_collections.longshore.images.plugins.module_utils.registry.config.settings import ClientSettings
from tests.support.client_host import CERTIFICATE, CERTS_D, CONFIG_2, CONFIG_PATH, LOGIN, MIRROR, PASSWORD, Host, hub
from tests.support.host_files import use_own_folders


def test_containerd_gets_mirrors_certificates_and_logins(host: Host) -> None:
    ca = str(host.folder / "ca.pem")
    mirrors = [
        {"url": MIRROR + "/hub", "ca_path": ca, "username": "me", "password": PASSWORD},
        {"url": "http://plain.example", "resolve_tags": False, "headers": {"X-From": 'a "node"'}},
    ]
    host.run("containerd", {"name": "docker.io", "mirrors": mirrors})

    assert host.lines(f"{CERTS_D}/docker.io/hosts.toml") == [
        "",
        f'[host."{MIRROR}/v2/hub"]',
        "override_path = true",
        'capabilities = ["pull", "resolve"]',
        'ca = "mirror1.crt"',
        f'[host."{MIRROR}/v2/hub".header]',
        f'  "Authorization" = "Basic {LOGIN}"',
        "",
        '[host."http://plain.example"]',
        'capabilities = ["pull"]',
        '[host."http://plain.example".header]',
        '  "X-From" = "a \\"node\\""',
    ]
    assert host.mode(f"{CERTS_D}/docker.io/hosts.toml") == 0o600
    assert host.read(f"{CERTS_D}/docker.io/mirror1.crt") == f"{MARK}\n{CERTIFICATE}"


def test_containerd_gets_the_settings_of_a_registry_without_mirrors(host: Host) -> None:
    paths = {
        option: str(host.folder / name) for option, name in (("ca_path", "ca.pem"), ("client_cert", "client.pem"), ("client_key", "client-key.pem"))
    }
    host.run("containerd", {"name": "r.example:5000", **paths}, {"name": "plain.example", "plain_http": True}, {"name": "nothing.example"})

    assert host.lines(f"{CERTS_D}/r.example:5000/hosts.toml") == [
        'server = "https://r.example:5000"',
        'ca = "ca.crt"',
        'client = [["client.cert", "client.key"]]',
        "",
        "[host]",
    ]
    assert host.mode(f"{CERTS_D}/r.example:5000/hosts.toml") == 0o644
    assert host.mode(f"{CERTS_D}/r.example:5000/client.key") == 0o600
    assert host.lines(f"{CERTS_D}/plain.example/hosts.toml")[0] == 'server = "http://plain.example"'
    assert not (host.root / CERTS_D / "nothing.example").exists()


CONFIGS: list[tuple[str, str]] = [
    (CONFIG_2, CONFIG_2 + CONFIG_PATH),
    (
        "version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\n  config_path = '' # none\n  x = 1\n",
        "version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\n  config_path = \"/etc/containerd/certs.d\" # none\n  x = 1\n",
    ),
    (
        'version = 2\n  [ plugins . "io.containerd.grpc.v1.cri" . registry ] # ours\n    [plugins."io.containerd.grpc.v1.cri".registry.headers]\n',
        (
            'version = 2\n  [ plugins . "io.containerd.grpc.v1.cri" . registry ] # ours\n    config_path = "/etc/containerd/certs.d"\n'
            '    [plugins."io.containerd.grpc.v1.cri".registry.headers]\n'
        ),
    ),
    ('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n', 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n'),
]


@pytest.mark.parametrize(("before", "after"), CONFIGS)
def test_config_path_is_set_and_all_other_lines_stay(host: Host, before: str, after: str) -> None:
    host.write("etc/containerd/config.toml", before, 0o640)
    plan = host.run("containerd", hub())

    assert host.read("etc/containerd/config.toml") == after
    assert host.mode("etc/containerd/config.toml") == 0o640
    assert plan.facts()["reload"] == (["containerd"] if before != after else [])


IMAGES = "plugins.'io.containerd.cri.v1.images'"
DROP_IN = "etc/containerd/conf.d/50-site.toml"


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize(
    "imports", ["['/etc/containerd/conf.d/*.toml']", "'conf.d/*.toml'", "['conf.d/50-site.toml']", "['../containerd/conf.?/5*']"]
)
@pytest.mark.parametrize("path", ["/etc/containerd/certs.d", "/etc/containerd/certs.d:/etc/docker/certs.d"])
def test_a_config_path_that_an_imported_file_sets_is_enough(host: Host, version: int, imports: str, path: str) -> None:
    text = f"version = {version}\nimports = {imports}\n"
    host.write("etc/containerd/config.toml", text)
    host.write(DROP_IN, f"[{IMAGES}.registry]\nconfig_path = '{path}'\n")
    assert host.run("containerd", hub()).facts()["reload"] == []
    assert host.read("etc/containerd/config.toml") == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"[{IMAGES}.registry]\nconfig_path = '/other'\n", "50-site.toml reads registries from /other"),
        (f"[{IMAGES}.registry.mirrors.a]\nendpoint = ['b']\n", "50-site.toml has registry.mirrors"),
        (f"[{IMAGES}]\nsnapshotter = 'overlayfs'\n", "50-site.toml has the table .* which replaces that of .*config.toml"),
        ("version = 9\n", "50-site.toml has version 9"),
        ("imports = 1\n", "50-site.toml: imports is not"),
        ("[[", "50-site.toml is not valid TOML"),
    ],
)
def test_an_imported_file_that_hides_the_setting_is_named(host: Host, text: str, reason: str) -> None:
    host.write("etc/containerd/config.toml", "version = 4\nimports = ['conf.d/*.toml']\n")
    host.write(DROP_IN, text)
    with pytest.raises(LongshoreError, match=reason):
        host.run("containerd", hub())
    assert host.read(DROP_IN) == text


@pytest.mark.parametrize(
    "text",
    ["", "[plugins.'io.containerd.cri.v1.runtime']\nx = 1\n", "imports = ['*.toml', '../config.toml', 'missing.toml']\n"],
)
def test_an_imported_file_with_other_settings_changes_nothing(host: Host, text: str) -> None:
    before = "version = 4\nimports = ['/etc/containerd/conf.d/*.toml']\n"
    host.write("etc/containerd/config.toml", before)
    host.write(DROP_IN, text)
    assert host.run("containerd", hub()).facts()["reload"] == ["containerd"]
    assert (
        host.read("etc/containerd/config.toml")
        == before + f"\n[{IMAGES}.registry]\n".replace("'", '"') + '  config_path = "/etc/containerd/certs.d"\n'
    )


def test_the_last_imported_file_decides(host: Host) -> None:
    host.write("etc/containerd/config.toml", "version = 4\nimports = ['/etc/containerd/conf.d/*.toml']\n")
    host.write(DROP_IN, f"[{IMAGES}.registry]\nconfig_path = '/other'\n")
    host.write("etc/containerd/conf.d/60-last.toml", f"[{IMAGES}.registry]\nconfig_path = '/etc/containerd/certs.d'\n")
    assert host.run("containerd", hub()).facts()["reload"] == []


def test_a_plugin_that_an_imported_file_disables_needs_no_setting(host: Host) -> None:
    host.write("etc/containerd/config.toml", "version = 4\nimports = ['/etc/containerd/conf.d/*.toml']\n")
    host.write(DROP_IN, "disabled_plugins = ['io.containerd.grpc.v1.cri']\n")
    assert host.run("containerd", hub()).facts()["reload"] == []


@pytest.mark.parametrize("value", ["/etc/containerd/certs.d", "/etc/docker/certs.d:/etc/containerd/certs.d"])
def test_a_config_path_that_names_the_folder_stays(host: Host, value: str) -> None:
    text = f'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = "{value}"\n'
    host.write("etc/containerd/config.toml", text)
    assert host.run("containerd", hub()).facts()["reload"] == []
    assert host.read("etc/containerd/config.toml") == text


def test_a_host_without_config_toml_gets_one(host: Host) -> None:
    assert host.run("containerd", hub()).facts()["reload"] == ["containerd"]
    parser = find_toml_parser()
    assert parser is not None
    document = parser.loads(host.read("etc/containerd/config.toml"))
    assert document == {"version": 2, "plugins": {"io.containerd.grpc.v1.cri": {"registry": {"config_path": "/etc/containerd/certs.d"}}}}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("version = [\n", "not valid TOML.*nothing was written"),
        ("[plugins]\n", "has version 1 of its format"),
        ("version = 9\n", "has version 9 of its format"),
        ('version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = "/other"\n', "reads registries from /other"),
        (
            'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry.mirrors.a]\nendpoint = ["b"]\n',
            "registry.mirrors, which containerd doesn't accept",
        ),
        ('version = 2\n[plugins]\n"io.containerd.grpc.v1.cri" = {registry = {}}\n', "can't be changed safely; set config_path"),
    ],
)
def test_a_config_toml_that_cannot_be_changed_is_named(host: Host, text: str, reason: str) -> None:
    host.write("etc/containerd/config.toml", text)
    with pytest.raises(LongshoreError, match=f"host/etc/containerd/config.toml.*{reason}"):
        host.plan("containerd", hub())


@pytest.mark.parametrize(
    "text",
    [
        "version = []\n", "version = true\n", 'version = "2"\n', "version = 2\nplugins = 1\n", "version = 2\ndisabled_plugins = 1\n",
        "version = 2\ndisabled_plugins = [[1]]\n", 'version = 2\nplugins."io.containerd.grpc.v1.cri" = 1\n',
        'version = 2\nplugins."io.containerd.grpc.v1.cri".registry = []\n', 'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = 1\n',
        "version = 1979-05-27\n", "version = nan\n", "[[version]]\n",
    ],
)  # fmt: skip
def test_a_config_toml_with_values_of_other_types_is_named_and_stays(host: Host, text: str) -> None:
    host.write("etc/containerd/config.toml", text)
    with pytest.raises(UnsupportedFormat, match=r"host/etc/containerd/config.toml: .* is not "):
        host.run("containerd", {"name": "r.example", "plain_http": True})
    assert host.read("etc/containerd/config.toml") == text


def test_a_folder_that_containerd_prefers_is_named(host: Host) -> None:
    (host.root / CERTS_D / "r.example_5000_").mkdir(parents=True)
    with pytest.raises(InvalidOption, match="example_5000_ exists, and containerd prefers it"):
        host.plan("containerd", {"name": "r.example:5000", "plain_http": True})


def our_routes(host: Host, name: str, monkeypatch: pytest.MonkeyPatch) -> Routes:
    use_own_folders(host.folder, monkeypatch)
    for variable, path in (("CONTAINERS", "etc/containers"), ("CONTAINERD", CERTS_D)):
        monkeypatch.setattr(f"{HostRegistryConfig.__module__}.{variable}", str(host.root / path))
    return find_routes(Reference.parse(name), ClientSettings(host_config=True), HostRegistryConfig())


@pytest.mark.parametrize("engine", ["containerd", "podman"])
def test_our_own_modules_read_what_was_written(host: Host, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    denied = {"name": "quay.io", "upstream": "deny", "mirrors": [{"url": "https://a.example/p"}, {"url": "https://b.example/q"}]}
    host.run(engine, hub(MIRROR + "/hub"), denied, {"name": "b.example", "blocked": True})

    def path(route: t.Any, repository: str) -> str:
        return f"{route.host}{route.translate_path(f'/v2/{repository}/tags/list', repository).partition('?')[0]}"

    found = our_routes(host, "docker.io/library/a", monkeypatch)
    assert [path(route, "library/a") for route in found.mirrors] == ["mirror.example:5000/v2/hub/library/a/tags/list"]
    assert found.upstream.host == "registry-1.docker.io"
    found = our_routes(host, "quay.io/team/a", monkeypatch)
    assert [path(route, "team/a") for route in (*found.mirrors, found.upstream)] == [
        "a.example/v2/p/team/a/tags/list",
        "b.example/v2/q/team/a/tags/list",
    ]
    assert found.upstream.namespace == ("quay.io" if engine == "containerd" else None)
    with pytest.raises(LongshoreError, match=r"b\.example/a is blocked by"):
        our_routes(host, "b.example/a", monkeypatch)
