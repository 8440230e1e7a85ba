# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which engine is used: chosen by the task, by the environment, or by the sockets and programs on the host."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils import programs
from ansible_collections.longshore.images.plugins.module_utils.engine import discovery, docker
from ansible_collections.longshore.images.plugins.module_utils.engine.address import Tls
from ansible_collections.longshore.images.plugins.module_utils.engine.discovery import EngineOptions, open_engine
from ansible_collections.longshore.images.plugins.module_utils.engine.http_api import Api
from ansible_collections.longshore.images.plugins.module_utils.errors import EngineError, InvalidOption


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host without engines: sockets and programs are searched in an empty folder."""
    monkeypatch.setattr(discovery, "_DOCKER_SOCKET", str(tmp_path / "docker.sock"))
    monkeypatch.setattr(discovery, "_PODMAN_SOCKET", str(tmp_path / "podman.sock"))
    monkeypatch.setattr(discovery, "_CONTAINERD_SOCKET", str(tmp_path / "containerd.sock"))
    monkeypatch.setattr(discovery, "find_program", lambda name: str(tmp_path / name) if (tmp_path / name).exists() else None)
    # No request is sent to the sockets.
    monkeypatch.setattr(docker, "open_docker", lambda api: Opened("docker", api))
    monkeypatch.setattr("ansible_collections.longshore.images.plugins.module_utils.engine.containerd.Containerd", opened_containerd)
    return tmp_path


class Opened:
    """The engine that was opened, and its address."""

    def __init__(self, title: str, api: Api | None = None, place: str = "") -> None:
        self.title = title
        self.place = place or (api.place if api is not None else "")
        self.tls = api.address.tls if api is not None else None


def opened_containerd(program: str, socket: str, namespace: str, timeout: float) -> Opened:
    return Opened("containerd", place=f"{socket} {namespace}")


def opened(options: EngineOptions, environment: t.Mapping[str, str] | None = None) -> Opened:
    return t.cast(Opened, open_engine(options, {"XDG_RUNTIME_DIR": "/nowhere", **(environment or {})}))


@pytest.mark.parametrize(
    ("present", "first"),
    [
        (["docker.sock", "podman.sock", "podman", "containerd.sock", "ctr"], "docker"),
        (["podman.sock", "containerd.sock", "ctr"], "podman"),
        (["podman", "containerd.sock", "ctr"], "podman"),
        (["containerd.sock", "ctr"], "containerd"),
    ],
)
def test_the_first_engine_on_the_host_is_docker_then_podman_then_containerd(host: Path, present: list[str], first: str) -> None:
    for name in present:
        (host / name).touch()
    assert opened(EngineOptions()).title == first


def test_the_error_on_a_host_without_engines_lists_the_searched_places(host: Path) -> None:
    with pytest.raises(EngineError, match=r"no engine was found on this host.*docker\.sock.*podman\.sock.*containerd\.sock.*program podman"):
        opened(EngineOptions())


@pytest.mark.parametrize(
    ("options", "environment", "title", "place"),
    [
        (EngineOptions(docker_host="unix:///a"), {"DOCKER_HOST": "unix:///b"}, "docker", "unix:///a"),
        (EngineOptions(), {"DOCKER_HOST": "unix:///b"}, "docker", "unix:///b"),
        (EngineOptions(podman_host="unix:///a"), {"CONTAINER_HOST": "unix:///b"}, "podman", "unix:///a"),
        (EngineOptions(), {"CONTAINER_HOST": "unix:///b"}, "podman", "unix:///b"),
        (EngineOptions(engine="docker"), {}, "docker", "unix://{host}/docker.sock"),
    ],
)
def test_the_task_takes_precedence_over_the_environment_and_the_environment_over_the_host(
    host: Path, options: EngineOptions, environment: dict[str, str], title: str, place: str
) -> None:
    found = opened(options, environment)
    assert (found.title, found.place) == (title, place.format(host=host))


def test_containerd_is_found_by_task_environment_or_default(host: Path) -> None:
    (host / "ctr").touch()
    options = EngineOptions(engine="containerd", containerd_namespace="k8s.io")
    assert opened(options).place == f"{host}/containerd.sock k8s.io"
    assert opened(options, {"CONTAINERD_ADDRESS": "/b"}).place == "/b k8s.io"
    given = EngineOptions(engine="containerd", containerd_address="unix:///a")
    assert opened(given, {"CONTAINERD_ADDRESS": "/b"}).place == "/a default"
    with pytest.raises(InvalidOption, match="containerd_address"):
        opened(EngineOptions(engine="containerd", containerd_address="a"))


@pytest.mark.parametrize(("engine", "program"), [("podman", "podman"), ("containerd", "ctr")])
def test_an_engine_without_its_program_is_an_error(host: Path, engine: str, program: str) -> None:
    with pytest.raises(EngineError, match=f"{engine}.*{program}"):
        opened(EngineOptions(engine=engine))


@pytest.mark.parametrize(("engine", "program"), [("podman", "podman"), ("containerd", "ctr")])
def test_a_program_that_everybody_may_replace_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str, program: str) -> None:
    monkeypatch.setattr(discovery, "_PODMAN_SOCKET", str(tmp_path / "podman.sock"))
    monkeypatch.setattr(programs, "_STANDARD_FOLDERS", ())
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "open" / program).touch(0o755)
    monkeypatch.chdir(tmp_path / "open")
    monkeypatch.setenv("PATH", f".::{tmp_path}/open")
    with pytest.raises(EngineError, match=rf"{engine}.*open/{program} is not run because everybody may write to .*open"):
        opened(EngineOptions(engine=engine))


class TestTls:
    HOST = "tcp://docker.example.com"

    def tls(self, options: EngineOptions, environment: t.Mapping[str, str] | None = None) -> Tls | None:
        return opened(options, environment).tls

    def test_a_port_is_used_without_tls_unless_the_task_or_the_environment_asks_for_it(self, host: Path) -> None:
        assert self.tls(EngineOptions(docker_host=self.HOST)) is None
        assert self.tls(EngineOptions(docker_host=self.HOST, docker_tls=True)) == Tls()
        assert self.tls(EngineOptions(docker_host=self.HOST, docker_tls=True, docker_validate_certs=False)) == Tls(False)
        assert self.tls(EngineOptions(docker_host=self.HOST), {"DOCKER_TLS_VERIFY": "1"}) == Tls()
        assert self.tls(EngineOptions(docker_host=self.HOST, docker_tls=False), {"DOCKER_TLS_VERIFY": "1"}) is None
        (host / "ca").touch()
        assert self.tls(EngineOptions(docker_host=self.HOST, docker_ca_path=str(host / "ca"))) == Tls(ca=str(host / "ca"))

    def test_the_folder_of_the_environment_is_used_if_the_task_names_no_files(self, host: Path) -> None:
        for name in ("ca.pem", "cert.pem", "key.pem", "own"):
            (host / name).touch()
        environment = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(host)}
        whole = Tls(True, f"{host}/ca.pem", f"{host}/cert.pem", f"{host}/key.pem")
        assert self.tls(EngineOptions(docker_host=self.HOST), environment) == whole
        assert self.tls(EngineOptions(docker_host=self.HOST, docker_ca_path=f"{host}/own"), environment) == Tls(True, f"{host}/own")

    def test_a_missing_tls_file_is_named(self, host: Path) -> None:
        none = f"{host}/none"
        for options in (EngineOptions(docker_host=self.HOST, docker_ca_path=none), EngineOptions(docker_host=self.HOST, docker_client_cert=none)):
            with pytest.raises(InvalidOption, match=r"none.*doesn't exist"):
                opened(options)

    def test_a_key_without_its_certificate_is_refused(self, host: Path) -> None:
        (host / "key").touch()
        with pytest.raises(InvalidOption, match="docker_client_cert"):
            opened(EngineOptions(docker_host=self.HOST, docker_tls=True, docker_client_key=str(host / "key")))


PARAMS = {
    "engine": "auto",
    "docker_host": None,
    "docker_tls": None,
    "docker_validate_certs": True,
    "docker_ca_path": None,
    "docker_client_cert": None,
    "docker_client_key": None,
    "podman_host": None,
    "containerd_address": None,
    "containerd_namespace": "k8s.io",
    "engine_timeout": 5.0,
}


def test_the_options_of_a_task_are_read_by_name() -> None:
    assert EngineOptions.of_task({**PARAMS, "name": ["x"]}) == EngineOptions(containerd_namespace="k8s.io", engine_timeout=5)


@pytest.mark.parametrize("wrong", ["", "-x", "a b"])
def test_an_invalid_namespace_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidOption, match="containerd_namespace"):
        EngineOptions.of_task({**PARAMS, "containerd_namespace": wrong})
