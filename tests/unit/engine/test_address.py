# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parsing addresses of engines, and the errors if no engine answers."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.longshore.images.plugins.module_utils.engine.address import Address, Tls
from ansible_collections.longshore.images.plugins.module_utils.errors import EngineError, InvalidOption
from tests.support.folders import short_folder
from tests.support.privileges import needs_root


@pytest.mark.parametrize(
    ("text", "tls", "expected"),
    [
        ("unix:///run/docker.sock", None, ("/run/docker.sock", "", 0, None)),
        ("unix:///run/docker.sock", Tls(), ("/run/docker.sock", "", 0, None)),
        ("tcp://docker.example.com", None, ("", "docker.example.com", 2375, None)),
        ("tcp://docker.example.com", Tls(), ("", "docker.example.com", 2376, Tls())),
        ("tcp://10.0.0.1:4000/", None, ("", "10.0.0.1", 4000, None)),
        ("tcp://[::1]:4000", None, ("", "::1", 4000, None)),
        ("https://docker.example.com", None, ("", "docker.example.com", 2376, Tls())),
    ],
)
def test_an_address_is_a_socket_or_a_port_with_or_without_tls(text: str, tls: Tls | None, expected: tuple[object, ...]) -> None:
    found = Address.parse(text, "docker_host", tls)
    assert (found.path, found.host, found.port, found.tls) == expected
    assert found.text == text


@pytest.mark.parametrize(
    "text",
    ["/run/docker.sock", "unix://run/docker.sock", "unix://", "ssh://user@host", "tcp://", "tcp://host:port", "tcp://host:70000", "tcp://a b", ""],
)
def test_an_invalid_address_is_refused_with_the_name_of_the_option(text: str) -> None:
    with pytest.raises(InvalidOption, match="docker_host"):
        Address.parse(text, "docker_host")


def test_a_missing_socket_is_reported_as_missing(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"docker can't be reached at unix://.*/none: there is no such socket"):
        Address.unix(str(tmp_path / "none")).connect("docker", 1)


def test_a_socket_without_listener_and_a_closed_port_are_reported_as_stopped() -> None:
    with short_folder() as folder, socket.socket(socket.AF_UNIX) as dead, socket.socket() as closed:
        dead.bind(str(folder / "s"))
        closed.bind(("127.0.0.1", 0))
        for address in (Address.unix(str(folder / "s")), Address.parse(f"tcp://127.0.0.1:{closed.getsockname()[1]}", "docker_host")):
            with pytest.raises(EngineError, match="the engine doesn't listen there"):
                address.connect("docker", 1)


def test_a_socket_without_permission_is_reported_with_the_user() -> None:
    needs_root()
    with short_folder() as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "s"))
        listener.listen()
        folder.chmod(0o755)
        (folder / "s").chmod(0o600)
        os.seteuid(65534)
        try:
            with pytest.raises(EngineError, match=r"podman can't be used at unix://.*/s: the user nobody may not open its socket"):
                Address.unix(str(folder / "s")).connect("podman", 1)
        finally:
            os.seteuid(0)


def test_a_certificate_authority_without_key_usage_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.13 refuses it by default, which this test imitates; Docker's client accepts it."""
    (tmp_path / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for arguments in (
        ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=home", "-keyout", "ca.key", "-out", "ca.pem"],
        ["req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=engine", "-keyout", "engine.key", "-out", "engine.csr"],
        ["x509", "-req", "-in", "engine.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2", "-extfile", "names", "-out", "engine.pem"],
    ):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=tmp_path)
    make_default = ssl.create_default_context

    def make_strict(*arguments: Any, **options: Any) -> ssl.SSLContext:
        context = make_default(*arguments, **options)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", make_strict)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "engine.pem", tmp_path / "engine.key")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)

        def answer() -> None:
            connection, _peer = server.accept()
            with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as wrapped:
                wrapped.recv(1)

        thread = threading.Thread(target=answer)
        thread.start()
        address = Address.parse(f"tcp://127.0.0.1:{server.getsockname()[1]}", "docker_host", Tls(ca=str(tmp_path / "ca.pem")))
        try:
            address.connect("docker", 5).close()
        finally:
            thread.join()


def test_a_server_without_tls_is_an_error_if_tls_is_requested() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = Address.parse(f"tcp://127.0.0.1:{server.getsockname()[1]}", "docker_host", Tls())
        server.settimeout(5)

        def answer() -> None:
            connection, _peer = server.accept()
            with connection:
                connection.recv(10)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(EngineError, match=r"docker can't be reached at tcp://127\.0\.0\.1"):
            address.connect("docker", 5)
        thread.join()
