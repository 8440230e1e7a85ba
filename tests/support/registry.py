# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real CNCF Distribution registry for tests, on a free loopback port. Its content is pushed by plain HTTP requests."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import socket
import subprocess
import time
import typing as t
from pathlib import Path

import pytest
import requests

from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor

from .images import Image

USER = "reader"
PASSWORD = "pass word/%+&é"


def needed(*tools: str) -> None:
    """Fail the test if one of these tools is missing, and say how to install them."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        pytest.fail(f"missing: {', '.join(missing)}; ./dev test installs them on Debian and Ubuntu as root")


def free_port() -> int:
    """Return a free port below those that the system chooses, because another connection could get one of these before a server listens."""
    while True:
        port = random.SystemRandom().randrange(10_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Registry:
    """A running registry. `ca` and credentials are None for an open one without TLS."""

    def __init__(self, folder: Path, port: int, ca: Path | None = None, credentials: tuple[str, str] | None = None) -> None:
        self.folder = folder
        self.host = f"127.0.0.1:{port}"
        self.ca = ca
        self.credentials = credentials
        self.process: subprocess.Popen[bytes] | None = None

    def stop(self) -> None:
        """Stop the registry early. Later connections find a closed port."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)

    @property
    def url(self) -> str:
        return f"{'https' if self.ca else 'http'}://{self.host}"

    def request(self, method: str, path: str, accepted: t.Collection[int] = (200, 201, 202), **options: t.Any) -> requests.Response:
        url = path if path.startswith("http") else f"{self.url}/v2/{path}"
        # As UTF-8: requests alone would encode text as Latin-1.
        auth = t.cast(t.Any, tuple(word.encode() for word in self.credentials)) if self.credentials else None
        response = requests.request(method, url, auth=auth, verify=str(self.ca) if self.ca else True, timeout=30, **options)
        assert response.status_code in accepted, (method, path, response.status_code, response.text)
        return response

    def put(self, image: Image, repository: str, tag: str) -> str:
        """Push the blobs that the image has, and return the reference for pulling."""
        for blob in image.blobs:
            self.put_blob(repository, image.content[blob.digest])
        for document in image.graph.content:
            if document.is_document:
                self._put_manifest(image, document, repository, str(document.digest))
        self._put_manifest(image, image.root, repository, tag)
        return f"{self.host}/{repository}:{tag}"

    def put_blob(self, repository: str, data: bytes) -> None:
        location = self.request("POST", f"{repository}/blobs/uploads/").headers["Location"]
        url = f"{location}{'&' if '?' in location else '?'}digest={Digest.of(data)}"
        self.request("PUT", url, data=data, headers={"Content-Type": "application/octet-stream"})

    def tag(self, image: Image, repository: str, tag: str) -> None:
        """Add a tag to an image in the registry."""
        self._put_manifest(image, image.root, repository, tag)

    def _put_manifest(self, image: Image, document: Descriptor, repository: str, target: str) -> None:
        data = image.content[document.digest]
        self.request("PUT", f"{repository}/manifests/{target}", data=data, headers={"Content-Type": document.media_type})

    def digest(self, repository: str, tag: str) -> str | None:
        """Return the digest of a tag, or None."""
        accept = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json"
        response = self.request("HEAD", f"{repository}/manifests/{tag}", (200, 404), headers={"Accept": accept})
        return response.headers["Docker-Content-Digest"] if response.status_code == 200 else None


@contextlib.contextmanager
def running_registry(folder: Path, protected: bool = False, **sections: t.Any) -> t.Iterator[Registry]:
    """Run a registry in FOLDER. With PROTECTED it has TLS with its own authority, and one user with a password.

    SECTIONS replace sections of its configuration.
    """
    needed("docker-registry")
    registry = Registry(folder, free_port())
    config: dict[str, t.Any] = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
        "http": {"addr": registry.host, "relativeurls": False},
    }
    if protected:
        make_authority(folder)
        needed("htpasswd")
        subprocess.run(["htpasswd", "-Bbc", str(folder / "htpasswd"), USER, PASSWORD], check=True, capture_output=True)
        config["auth"] = {"htpasswd": {"realm": "test registry", "path": str(folder / "htpasswd")}}
        config["http"]["tls"] = {"certificate": str(folder / "server.pem"), "key": str(folder / "server.key")}
        registry.ca, registry.credentials = folder / "ca.pem", (USER, PASSWORD)
    (folder / "config.yml").write_text(json.dumps({**config, **sections}))
    with (folder / "log").open("wb") as log:
        process = registry.process = subprocess.Popen(["docker-registry", "serve", str(folder / "config.yml")], stdout=log, stderr=log)
    try:
        _wait_for(registry, process)
        yield registry
    finally:
        registry.stop()


def _wait_for(registry: Registry, process: subprocess.Popen[bytes]) -> None:
    for _attempt in range(200):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", int(registry.host.rpartition(":")[2])), 1).close()
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    pytest.fail(f"docker-registry didn't start: {(registry.folder / 'log').read_text()}")


# Keys of this kind are made in a moment, unlike RSA keys. The key of the server stays RSA: a token server signs with it as RS256.
P256 = ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")


def make_authority(folder: Path) -> None:
    """Create an authority (ca.pem), and a certificate by it (server.pem, server.key) for 127.0.0.1 and the host names of docker.io."""
    needed("openssl")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)

    # Python 3.13 and newer require every extension that RFC 5280 requires.
    usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl("req", "-x509", "-newkey", *P256, "-nodes", "-days", "2", "-subj", "/CN=Test authority", *usage, "-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-keyout", "server.key", "-out", "server.csr")
    (folder / "names").write_text(
        "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:registry-1.docker.io,DNS:index.docker.io\n"
        "basicConstraints=CA:FALSE\nkeyUsage=digitalSignature,keyEncipherment\n"
        "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
    )
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2", "-extfile", "names", "-out", "server.pem")
