# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Longshore reads the certificate folder of a registry like skopeo and containerd."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import LongshoreError
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.registry.config import host_config
from ansible_collections.longshore.images.plugins.module_utils.registry.config.settings import ClientSettings
from ansible_collections.longshore.images.plugins.module_utils.registry.registries import Registries
from tests.support import engines
from tests.support.images import make_image
from tests.support.programmable.access import AnonymousAccess
from tests.support.programmable.distribution import Distribution
from tests.support.programmable.server import Server
from tests.support.registry import make_authority, needed


class CertificateRegistry(t.NamedTuple):
    """A registry with `app:1` that requires client certificates. `ca.pem`, `client.cert` and `client.key` are in FOLDER."""

    host: str
    folder: Path


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[CertificateRegistry]:
    folder = tmp_path_factory.mktemp("registry")
    make_authority(folder)
    for words in (
        ["req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=a client", "-keyout", "client.key", "-out", "client.csr"],
        ["x509", "-req", "-in", "client.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2", "-out", "client.cert"],
    ):
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    context.load_verify_locations(folder / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    distribution = Distribution(AnonymousAccess())
    distribution.put(make_image(), "app", "1")
    with Server(distribution, context) as server:
        yield CertificateRegistry(server.host, folder)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home folder with the only configuration that is read, without that of containerd."""
    for name in ("CONTAINERS", "DOCKER", "CONTAINERD"):
        monkeypatch.setattr(host_config, name, str(tmp_path / name))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def we_find_it(registry: CertificateRegistry) -> bool:
    reference = Reference.parse(f"{registry.host}/app:1")
    registries = Registries(ClientSettings(host_config=True, retries=1))
    try:
        return bool(registries.repository(reference).fetch_manifest(reference))
    except LongshoreError:
        return False
    finally:
        registries.client.close()


def skopeo_finds_it(registry: CertificateRegistry, home: Path) -> bool:
    needed("skopeo")
    words = ["skopeo", "inspect", "--raw", f"docker://{registry.host}/app:1"]
    return subprocess.run(words, check=False, capture_output=True, env={**os.environ, "HOME": str(home)}, timeout=60).returncode == 0


def containerd_finds_it(registry: CertificateRegistry, folders: Path, containerd: engines.Containerd) -> bool:
    socket = ["--address", str(containerd.folder / "c.sock")]
    words = ["ctr", *socket, "content", "fetch", "--hosts-dir", str(folders), f"{registry.host}/app:1"]
    return subprocess.run(words, check=False, capture_output=True, timeout=120).returncode == 0


def fill(folder: Path, registry: CertificateRegistry, files: t.Mapping[str, str]) -> None:
    """Copy files of the registry's folder to FOLDER under other names."""
    folder.mkdir(parents=True)
    for name, source in files.items():
        shutil.copy(registry.folder / source, folder / name)


def test_an_authority_without_key_usage_is_accepted_by_both(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Most people create such an authority. tests/unit/registry/test_tls.py covers the stricter checks of Python 3.13."""
    folder = tmp_path_factory.mktemp("home-made")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for words in (
        ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=home", "-keyout", "ca.key", "-out", "ca.pem"],
        ["req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=server", "-keyout", "server.key", "-out", "server.csr"],
        ["x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2", "-extfile", "names", "-out", "server.pem"],
    ):
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    distribution = Distribution(AnonymousAccess())
    distribution.put(make_image(), "app", "1")
    with Server(distribution, context) as server:
        place = CertificateRegistry(server.host, folder)
        fill(home / ".config/containers/certs.d" / place.host, place, {"ca.crt": "ca.pem"})
        assert we_find_it(place)
        assert skopeo_finds_it(place, home)


PAIR = {"client.cert": "client.cert", "client.key": "client.key"}


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, False),
        ({"ca.crt": "ca.pem"}, False),
        ({"ca.crt": "ca.pem", **PAIR}, True),
        ({"any.crt": "ca.pem", "me.cert": "client.cert", "me.key": "client.key"}, True),
        ({"ca.crt": "ca.pem", "notes.crt": "names", **PAIR}, True),
        ({"ca.crt": "ca.pem", "client.cert": "client.cert", "other.key": "client.key"}, False),
        ({"ca.pem": "ca.pem", **PAIR}, False),
        ({"ca.crt": "server.pem", **PAIR}, True),
        (PAIR, False),
    ],
)
def test_a_folder_means_the_same_to_skopeo(home: Path, registry: CertificateRegistry, files: dict[str, str], found: bool) -> None:
    fill(home / ".config/containers/certs.d" / registry.host, registry, files)
    assert we_find_it(registry) == found
    assert skopeo_finds_it(registry, home) == found


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"ca.crt": "ca.pem"}, False),
        ({"ca.crt": "ca.pem", **PAIR}, True),
        ({"ca.crt": "ca.pem", "me.cert": "client.cert", "me.key": "client.key"}, True),
    ],
)
def test_a_folder_means_the_same_to_containerd(
    home: Path, registry: CertificateRegistry, containerd_daemon: engines.Containerd, files: dict[str, str], found: bool
) -> None:
    fill(home / "CONTAINERD" / registry.host, registry, files)
    assert we_find_it(registry) == found
    assert containerd_finds_it(registry, home / "CONTAINERD", containerd_daemon) == found
