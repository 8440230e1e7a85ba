# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates for single registries in the folders of podman, docker and containerd (containers-certs.d(5), docker's and containerd's certs.d)."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import InputOutputError, LongshoreError, Unreachable, UnsupportedFormat
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.registry.config import host_certificates, host_config
from ansible_collections.longshore.images.plugins.module_utils.registry.config.settings import ClientSettings, HostSettings, Mirror
from ansible_collections.longshore.images.plugins.module_utils.registry.registries import Registries
from tests.support.images import make_image
from tests.support.programmable.access import AnonymousAccess
from tests.support.programmable.distribution import Distribution
from tests.support.programmable.server import Server
from tests.support.registry import make_authority

IMAGE = make_image()
PODMANS_OWN, PODMANS, DOCKERS, CONTAINERDS = "home/.config/containers/certs.d", "containers/certs.d", "docker/certs.d", "containerd"
FOLDERS = [PODMANS_OWN, PODMANS, DOCKERS, CONTAINERDS]


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_config, "CONTAINERS", str(tmp_path / "containers"))
    monkeypatch.setattr(host_config, "DOCKER", str(tmp_path / "docker"))
    monkeypatch.setattr(host_config, "CONTAINERD", str(tmp_path / "containerd"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_CONFIG_HOME", "CONTAINERS_REGISTRIES_CONF"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a CA with a server certificate, another CA for clients, and a client's certificate and key."""
    folder = tmp_path_factory.mktemp("made")
    make_authority(folder)
    (folder / "other").mkdir()
    make_authority(folder / "other")
    for arguments in (
        ["req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=a client", "-keyout", "client.key", "-out", "client.csr"],
        ["x509", "-req", "-in", "client.csr", "-CA", "other/ca.pem", "-CAkey", "other/ca.key", "-days", "2", "-out", "client.cert"],
    ):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)
    return folder


def start_registry(certs: Path, wants_client: bool = False) -> Server:
    """Return a registry with TLS whose certificate is signed by the CA of the tests."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certs / "server.pem", certs / "server.key")
    if wants_client:
        context.load_verify_locations(certs / "other/ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
    distribution = Distribution(AnonymousAccess())
    distribution.put(IMAGE, "team/app", "1")
    return Server(distribution, context)


@pytest.fixture
def server(certs: Path) -> t.Iterator[Server]:
    with start_registry(certs) as server:
        yield server


@pytest.fixture
def strict(certs: Path) -> t.Iterator[Server]:
    """Run a registry that requires a client certificate."""
    with start_registry(certs, wants_client=True) as server:
        yield server


def fetch(host: str, settings: HostSettings | None = None, host_config: bool = True) -> bool:
    """Return True if the image is found. Raises the error of a failed request."""
    registries = Registries(ClientSettings(settings or HostSettings(), retries=1, host_config=host_config))
    reference = Reference.parse(f"{host}/team/app:1")
    try:
        return registries.repository(reference).fetch_manifest(reference).digest == IMAGE.root.digest
    finally:
        registries.client.close()


def put(folder: Path, **files: Path) -> Path:
    """Copy files into a registry's folder: `ca_crt` as `ca.crt`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in files.items():
        shutil.copy(source, folder / name.replace("_", "."))
    return folder


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_ca_for_one_registry_is_trusted(tmp_path: Path, certs: Path, server: Server, folder: str) -> None:
    with pytest.raises(Unreachable):
        fetch(server.host)
    put(tmp_path / folder / server.host, ca_crt=certs / "ca.pem")
    assert fetch(server.host)
    with pytest.raises(Unreachable):
        fetch(server.host, host_config=False)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_client_certificate_is_sent(tmp_path: Path, certs: Path, strict: Server, folder: str) -> None:
    certs_folder = put(tmp_path / folder / strict.host, ca_crt=certs / "ca.pem")
    with pytest.raises(LongshoreError):
        fetch(strict.host)
    put(certs_folder, client_cert=certs / "client.cert", client_key=certs / "client.key")
    assert fetch(strict.host)


def test_certificate_files_may_have_any_name(tmp_path: Path, certs: Path, strict: Server) -> None:
    put(
        tmp_path / PODMANS / strict.host,
        a_crt=certs / "other/ca.pem", z_crt=certs / "ca.pem", me_cert=certs / "client.cert", me_key=certs / "client.key", notes_txt=certs / "names",
    )  # fmt: skip
    assert fetch(strict.host)


@pytest.mark.parametrize(("first", "second"), [(PODMANS_OWN, PODMANS), (PODMANS, DOCKERS), (DOCKERS, CONTAINERDS)])
def test_only_the_first_folder_of_a_registry_is_used(tmp_path: Path, certs: Path, server: Server, first: str, second: str) -> None:
    put(tmp_path / second / server.host, ca_crt=certs / "ca.pem")
    put(tmp_path / first / server.host, ca_crt=certs / "other/ca.pem")
    with pytest.raises(Unreachable, match="certificate verify failed"):
        fetch(server.host)
    put(tmp_path / first / server.host, right_crt=certs / "ca.pem")
    assert fetch(server.host)


def test_an_empty_folder_of_podman_hides_dockers_but_not_containerds(tmp_path: Path, certs: Path, server: Server) -> None:
    put(tmp_path / PODMANS / server.host)
    put(tmp_path / DOCKERS / server.host, ca_crt=certs / "ca.pem")
    with pytest.raises(Unreachable):
        fetch(server.host)
    put(tmp_path / CONTAINERDS / server.host, ca_crt=certs / "ca.pem")
    assert fetch(server.host)


@pytest.mark.parametrize("text", [None, ""])
def test_containerds_folder_is_used_in_every_spelling_if_it_has_no_hosts_file(tmp_path: Path, certs: Path, server: Server, text: str | None) -> None:
    for name in (f"{server.host.replace(':', '_')}_", "_default"):
        folder = put(tmp_path / CONTAINERDS / name, ca_crt=certs / "ca.pem")
        if text is not None:
            (folder / "hosts.toml").write_text(text)
        assert fetch(server.host)
        shutil.rmtree(folder)


def test_containerds_certificates_are_ignored_if_there_is_a_hosts_file(tmp_path: Path, certs: Path, server: Server) -> None:
    folder = put(tmp_path / CONTAINERDS / server.host, ca_crt=certs / "ca.pem")
    (folder / "hosts.toml").write_text(f'server = "https://{server.host}"\n')
    with pytest.raises(Unreachable):
        fetch(server.host)


def test_a_certificate_of_containerd_may_contain_its_key(tmp_path: Path, certs: Path, strict: Server) -> None:
    folder = put(tmp_path / CONTAINERDS / strict.host, ca_crt=certs / "ca.pem")
    (folder / "me.cert").write_bytes((certs / "client.cert").read_bytes() + (certs / "client.key").read_bytes())
    assert fetch(strict.host)


def test_the_tasks_ca_takes_precedence(tmp_path: Path, certs: Path, server: Server) -> None:
    put(tmp_path / PODMANS / server.host, ca_crt=certs / "ca.pem")
    with pytest.raises(Unreachable):
        fetch(server.host, HostSettings(ca_path=str(certs / "other/ca.pem")))
    put(tmp_path / PODMANS / server.host, ca_crt=certs / "other/ca.pem")
    assert fetch(server.host, HostSettings(ca_path=str(certs / "ca.pem")))
    unverified = Registries(ClientSettings(HostSettings(validate_certs=False), host_config=True)).endpoint(server.host)
    assert unverified.settings.verify is False


def test_the_tasks_client_certificate_takes_precedence(tmp_path: Path, certs: Path, strict: Server) -> None:
    put(tmp_path / DOCKERS / strict.host, ca_crt=certs / "ca.pem", me_cert=certs / "server.pem", me_key=certs / "server.key")
    with pytest.raises(LongshoreError):
        fetch(strict.host)
    assert fetch(strict.host, HostSettings(client_cert=str(certs / "client.cert"), client_key=str(certs / "client.key")))


def test_a_mirror_has_the_certificates_of_its_own_host(tmp_path: Path, certs: Path, server: Server) -> None:
    put(tmp_path / PODMANS / server.host, ca_crt=certs / "ca.pem")
    assert fetch("r.io", HostSettings(mirrors=(Mirror(f"https://{server.host}", HostSettings()),), mirror_only=True))
    (tmp_path / "containers/registries.conf").write_text(f'[[registry]]\nprefix = "r.io"\nlocation = "{server.host}"\n')
    assert fetch("r.io")


def test_docker_hub_has_its_folder_under_the_name_that_people_use(tmp_path: Path, certs: Path) -> None:
    put(tmp_path / PODMANS / "docker.io", ca_crt=certs / "ca.pem")
    registries = Registries(ClientSettings(host_config=True))
    assert registries.endpoint("docker.io").settings.ca_path is not None
    assert registries.endpoint("quay.io").settings.ca_path is None


def test_the_hosts_own_authorities_stay_trusted(tmp_path: Path, certs: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_certificates, "default_authorities", lambda: str(certs / "ca.pem"))
    put(tmp_path / PODMANS / server.host, ca_crt=certs / "other/ca.pem")
    assert fetch(server.host)


@pytest.mark.parametrize("folder", [PODMANS_OWN, PODMANS, DOCKERS])
@pytest.mark.parametrize(("name", "missing"), [("client.cert", "client.key"), ("client.key", "client.cert")])
def test_half_of_a_pair_is_refused_by_name(tmp_path: Path, certs: Path, strict: Server, folder: str, name: str, missing: str) -> None:
    certs_folder = put(tmp_path / folder / strict.host, ca_crt=certs / "ca.pem")
    shutil.copy(certs / name, certs_folder / name)
    with pytest.raises(UnsupportedFormat, match=rf"{certs_folder}/{name} has no {missing} in the same folder"):
        fetch(strict.host)


@pytest.mark.parametrize("name", ["ca.crt", "client.cert", "client.key"])
def test_the_error_about_an_unreadable_file_names_its_path(tmp_path: Path, certs: Path, strict: Server, name: str) -> None:
    certs_folder = put(
        tmp_path / PODMANS / strict.host,
        ca_crt=certs / "ca.pem",
        client_cert=certs / "client.cert",
        client_key=certs / "client.key",
    )
    (certs_folder / name).unlink()
    (certs_folder / name).mkdir()
    with pytest.raises(InputOutputError, match=f"{certs_folder}/{name}: Is a directory"):
        fetch(strict.host)


def test_a_file_without_certificates_adds_none(tmp_path: Path, certs: Path, server: Server) -> None:
    certs_folder = put(tmp_path / PODMANS / server.host, ca_crt=certs / "ca.pem")
    (certs_folder / "notes.crt").write_text("nothing\n")
    assert fetch(server.host)


def test_plain_http_needs_no_certificates(tmp_path: Path) -> None:
    distribution = Distribution(AnonymousAccess())
    distribution.put(IMAGE, "team/app", "1")
    with Server(distribution) as server:
        certs_folder = put(tmp_path / PODMANS / server.host)
        (certs_folder / "client.key").write_text("alone\n")
        assert fetch(server.host, HostSettings(plain_http=True))
