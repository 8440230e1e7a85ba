# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of Docker, of k3s and of rke2, and logins."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidOption, LongshoreError, UnsupportedFormat
from tests.support.client_host import LOGIN, MIRROR, PASSWORD, Entry, Host, hub


def test_docker_gets_its_keys_certificates_and_logins_and_all_else_stays(host: Host) -> None:
    host.write("etc/docker/daemon.json", '{\n\t"log-driver": "none",\n\t"registry-mirrors": ["https://other.example"]\n}\n', 0o640)
    entries: list[Entry] = [
        {"name": "docker.io", "username": "me", "password": PASSWORD, "mirrors": [{"url": MIRROR, "ca_path": str(host.folder / "ca.pem")}]},
        {"name": "plain.example", "plain_http": True},
    ]
    plan = host.run("docker", *entries)

    daemon = host.json("etc/docker/daemon.json")
    assert daemon == {"log-driver": "none", "registry-mirrors": [MIRROR, "https://other.example"], "insecure-registries": ["plain.example"]}
    assert '\n\t"log-driver"' in host.read("etc/docker/daemon.json")
    assert host.mode("etc/docker/daemon.json") == 0o640
    assert (host.root / "etc/docker/certs.d/mirror.example:5000/ca.crt").exists()
    assert host.json("root/.docker/config.json") == {"auths": {"https://index.docker.io/v1/": {"auth": LOGIN}}}
    assert plan.facts()["reload"] == ["docker"]


def test_docker_is_not_reloaded_for_certificates_and_logins(host: Host) -> None:
    entry = {"name": "r.example", "username": "me", "password": PASSWORD, "ca_path": str(host.folder / "ca.pem")}
    assert host.run("docker", entry).facts()["reload"] == []


def test_an_entry_of_daemon_json_that_was_there_before_stays(host: Host) -> None:
    before = '{\n  "registry-mirrors": [\n    "https://mirror.example:5000/"\n  ]\n}\n'
    host.write("etc/docker/daemon.json", before)
    host.run("docker", hub())
    host.run("docker")
    assert host.read("etc/docker/daemon.json") == before


@pytest.mark.parametrize("text", ["{", "[]", '{"registry-mirrors": "x"}', '{"insecure-registries": [1]}', '{"a": 1, "a": 2}'])
def test_a_daemon_json_that_cannot_be_read_is_named_and_stays(host: Host, text: str) -> None:
    host.write("etc/docker/daemon.json", text)
    with pytest.raises(UnsupportedFormat, match=r"host/etc/docker/daemon\.json"):
        host.plan("docker", hub())
    assert host.read("etc/docker/daemon.json") == text


def test_logins_of_others_stay(host: Host) -> None:
    before = '{\n  "auths": {\n    "other.example": {\n      "auth": "YTpi"\n    }\n  },\n  "credHelpers": {\n    "x.example": "pass"\n  }\n}\n'
    host.write("root/.docker/config.json", before)
    host.run("docker", {"name": "r.example", "username": "me", "password": PASSWORD})

    assert list(host.json("root/.docker/config.json")["auths"]) == ["other.example", "r.example"]
    assert host.mode("root/.docker/config.json") == 0o600
    host.run("docker")
    assert host.read("root/.docker/config.json") == before


def test_a_changed_password_is_a_change_that_a_diff_does_not_show(host: Host) -> None:
    host.run("podman", {"name": "r.example", "username": "me", "password": "first-secret"})
    plan = host.run("podman", {"name": "r.example", "username": "me", "password": "second-secret"})
    diff = plan.diff()
    assert list(diff["before"].values()) == ["the same with other secrets"]
    assert list(diff["after"].values()) == [{"r.example": "********"}]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"auths": {"r.example": {"auth": "YTpi"}}}', "already has another login for r.example, which somebody else wrote"),
        ('{"credsStore": "pass"}', "leaves the login for r.example to docker-credential-pass"),
        ('{"credHelpers": {"r.example": "ecr"}}', "leaves the login for r.example to docker-credential-ecr"),
        ("{]", "not a valid JSON document"),
    ],
)
def test_an_auth_file_that_is_in_the_way_is_named(host: Host, text: str, reason: str) -> None:
    host.write("root/.config/containers/auth.json", text)
    with pytest.raises(LongshoreError, match=f"auth.json.*{reason}"):
        host.plan("podman", {"name": "r.example", "username": "me", "password": PASSWORD})


@pytest.mark.parametrize("engine", ["k3s", "rke2"])
def test_k3s_and_rke2_get_registries_yaml(host: Host, engine: str) -> None:
    ca = str(host.folder / "ca.pem")
    mirrors = [
        {"url": f"{MIRROR}/hub", "ca_path": ca, "username": "me", "password": PASSWORD},
        {"url": "http://b.example/hub", "validate_certs": False},
    ]
    client = {"client_cert": str(host.folder / "client.pem"), "client_key": str(host.folder / "client-key.pem")}
    entries: list[Entry] = [
        {"name": "docker.io", "username": "hub", "password": 'yes: "no" # {{', "mirrors": mirrors},
        {"name": "r.example:5000", **client},
        {"name": "plain.example", "plain_http": True},
    ]
    plan = host.run(engine, *entries)

    folder = f"/etc/rancher/{engine}/certs.d"
    client_files = {"cert_file": f"{folder}/r.example:5000/client.cert", "key_file": f"{folder}/r.example:5000/client.key"}
    assert yaml.safe_load(host.read(f"etc/rancher/{engine}/registries.yaml")) == {
        "mirrors": {
            "docker.io": {"endpoint": [MIRROR, "http://b.example"], "rewrite": {"^(.*)$": "hub/$1"}},
            "plain.example": {"endpoint": ["http://plain.example"]},
        },
        "configs": {
            "registry-1.docker.io": {"auth": {"username": "hub", "password": 'yes: "no" # {{'}},
            "mirror.example:5000": {
                "auth": {"username": "me", "password": PASSWORD},
                "tls": {"ca_file": f"{folder}/mirror.example:5000/ca.crt"},
            },
            "b.example": {"tls": {"insecure_skip_verify": True}},
            "r.example:5000": {"tls": client_files},
        },
    }
    assert host.mode(f"etc/rancher/{engine}/registries.yaml") == 0o600
    assert plan.facts()["reload"] == [engine]


def test_k3s_has_one_login_for_a_host(host: Host) -> None:
    mirrors = [{"url": MIRROR, "username": name, "password": "secret"} for name in ("one", "two")]
    second = {"name": "quay.io", "mirrors": [{**mirrors[1], "url": f"{MIRROR}/quay"}]}
    with pytest.raises(InvalidOption, match=r"one login for mirror\.example:5000"):
        host.plan("k3s", {"name": "docker.io", "mirrors": mirrors[:1]}, second)
    host.run("podman", {"name": "docker.io", "mirrors": mirrors[:1]}, second)


ODD = "first\u2028second\u0085third\U0001f511\x7fend"


@pytest.mark.parametrize("engine", ["k3s", "rke2"])
def test_a_password_with_line_separators_is_read_back_and_no_part_of_it_is_shown(host: Host, engine: str) -> None:
    plan = host.run(engine, {"name": "r.example", "username": "me", "password": ODD})
    (path,) = (host.root / "etc/rancher").glob("*/registries.yaml")
    assert yaml.safe_load(path.read_text())["configs"]["r.example"]["auth"]["password"] == ODD
    shown = str(plan.diff())
    assert not [part for part in ("first", "second", "third", "end") if part in shown.replace("rancher", "").replace("auth", "")], shown


def test_a_password_of_containerd_with_line_separators_is_not_shown(host: Host) -> None:
    plan = host.run("containerd", {"name": "r.example", "username": "me", "password": ODD})
    assert "second" not in str(plan.diff())


@pytest.mark.parametrize("engine", ["docker", "podman", "containerd", "k3s", "rke2"])
def test_a_user_name_with_a_colon_is_refused(host: Host, engine: str) -> None:
    with pytest.raises(InvalidOption, match=r"username of entries: r\.example has a colon"):
        host.run(engine, {"name": "r.example", "username": "me:too", "password": PASSWORD})


@pytest.mark.parametrize(
    "url", ["mirror.example", "ftp://mirror.example/hub", "https://u:w@mirror.example/hub?token=w", "https://mirror.example:99999"]
)
def test_a_url_that_cannot_be_used_is_named_without_secrets(host: Host, url: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        host.run("podman", {"name": "r.example", "mirrors": [{"url": url}]})
    assert "mirror.example" in caught.value.message
    assert "token" not in caught.value.message
    assert "u:w" not in caught.value.message
