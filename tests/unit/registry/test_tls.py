# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which certificates are trusted, and the messages for those that aren't: the reason, and what to do."""

from __future__ import annotations

import http.server
import ssl
import subprocess
import threading
import typing as t
from pathlib import Path

import pytest
import urllib3

from ansible_collections.longshore.images.plugins.module_utils.errors import Unreachable
from ansible_collections.longshore.images.plugins.module_utils.registry.config.settings import ClientSettings, HostSettings
from ansible_collections.longshore.images.plugins.module_utils.registry.http import connections
from ansible_collections.longshore.images.plugins.module_utils.registry.http.client import HttpClient
from ansible_collections.longshore.images.plugins.module_utils.registry.http.messages import Request
from tests.support.serving import add_tls

NAMES = "subjectAltName=IP:127.0.0.1"


def openssl(folder: Path, *message: str) -> None:
    subprocess.run(["openssl", *message], check=True, capture_output=True, cwd=folder)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make CAs and certificates of many kinds, each a NAME.pem with its NAME.key.

    `home` is an authority as most people make theirs, without keyUsage; `middle` one below it. `good`, `old`, `early` and `other` are certificates of
    `home`: for this host, expired, not valid yet, and for another name; `deep` is one of `middle`; `alone` is signed by itself.
    """
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("home", "strange"):
        openssl(
            folder,
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "9",
            "-subj",
            f"/CN={name}",
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.pem",
        )
    alone = ["-subj", "/CN=alone", "-addext", NAMES, "-keyout", "alone.key", "-out", "alone.pem"]
    openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "9", *alone)
    (folder / "good.ext").write_text(f"{NAMES}\n")
    (folder / "other.ext").write_text("subjectAltName=DNS:other.example.com\n")
    (folder / "middle.ext").write_text("basicConstraints=critical,CA:TRUE\n")
    (folder / "ca.conf").write_text(
        "[ca]\ndefault_ca = here\n[here]\nnew_certs_dir = .\ndatabase = database\nrand_serial = yes\ndefault_md = sha256\npolicy = any\n"
        "[any]\ncommonName = supplied\n"
    )
    (folder / "database").touch()
    for name, issuer, extensions, start, end in (
        ("good", "home", "good.ext", "20200101000000Z", "20990101000000Z"),
        ("old", "home", "good.ext", "20200101000000Z", "20200201000000Z"),
        ("early", "home", "good.ext", "20990101000000Z", "20990201000000Z"),
        ("other", "home", "other.ext", "20200101000000Z", "20990101000000Z"),
        ("middle", "home", "middle.ext", "20200101000000Z", "20990101000000Z"),
        ("deep", "middle", "good.ext", "20200101000000Z", "20990101000000Z"),
    ):
        openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        signing = ["-cert", f"{issuer}.pem", "-keyfile", f"{issuer}.key", "-extfile", extensions, "-startdate", start, "-enddate", end]
        openssl(folder, "ca", "-batch", "-notext", "-config", "ca.conf", *signing, "-in", f"{name}.csr", "-out", f"{name}.pem")
    return folder


@pytest.fixture(autouse=True)
def _strict_contexts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make TLS contexts as strict as those of Python 3.13 and newer."""
    make = urllib3.util.ssl_.create_urllib3_context

    def strict(*arguments: t.Any, **options: t.Any) -> ssl.SSLContext:
        context = make(*arguments, **options)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr("urllib3.util.ssl_.create_urllib3_context", strict)
    monkeypatch.setattr("urllib3.connection.create_urllib3_context", strict)


def ask(certificates: Path, certificate: str | None, settings: HostSettings, proxy: str | None = None) -> int:
    """Return the status of a response of a server with CERTIFICATE, or without TLS. Raises Unreachable."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        if certificate is not None:
            add_tls(server, certificates, certificate)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        client = HttpClient(ClientSettings(settings, retries=1, proxy=proxy))
        try:
            return client.send(Request("GET", f"https://127.0.0.1:{server.server_port}/", "it", accepted=(501,)), settings).status
        finally:
            client.close()
            server.shutdown()


def message_for(certificates: Path, certificate: str | None, ca: str | None, **more: t.Any) -> str:
    with pytest.raises(Unreachable) as caught:
        ask(certificates, certificate, HostSettings(ca_path=str(certificates / ca) if ca else None, **more))
    return str(caught.value)


@pytest.mark.parametrize(
    ("certificate", "ca"),
    [("good", "home.pem"), ("alone", "alone.pem"), ("deep", "middle.pem"), ("good", "good.pem")],
    ids=["a CA without keyUsage", "a self-signed certificate", "an intermediate CA", "the server's own certificate"],
)
def test_a_ca_that_other_clients_accept_is_accepted(certificates: Path, certificate: str, ca: str) -> None:
    assert ask(certificates, certificate, HostSettings(ca_path=str(certificates / ca))) == 501


@pytest.mark.parametrize(("certificate", "ca"), [("good", "strange.pem"), ("good", "other.pem"), ("deep", "strange.pem"), ("alone", "home.pem")])
def test_an_unknown_ca_is_not_trusted(certificates: Path, certificate: str, ca: str) -> None:
    message = message_for(certificates, certificate, ca)
    assert "certificate verify failed" in message
    assert f"no CA in {certificates / ca} has signed it" in message
    assert "set ca_path" not in message


def test_without_ca_path_the_message_suggests_it(certificates: Path) -> None:
    assert "set ca_path, or validate_certs: false to skip the check" in message_for(certificates, "good", None)


def test_the_message_names_the_hosts_folder_of_certificates(certificates: Path) -> None:
    message = message_for(certificates, "good", "strange.pem", ca_source="/etc/containers/certs.d/r.io")
    assert "no CA in /etc/containers/certs.d/r.io has signed it" in message
    assert "strange.pem" not in message


def test_the_message_mentions_missing_hash_links_of_a_folder(certificates: Path, tmp_path: Path) -> None:
    (tmp_path / "home.pem").write_bytes((certificates / "home.pem").read_bytes())
    with pytest.raises(Unreachable, match=rf"no CA in {tmp_path} has signed it.*openssl rehash"):
        ask(certificates, "good", HostSettings(ca_path=str(tmp_path)))
    openssl(tmp_path, "rehash", str(tmp_path))
    assert ask(certificates, "good", HostSettings(ca_path=str(tmp_path))) == 501


@pytest.mark.parametrize(("with_client_certificate", "reads"), [(False, 1), (True, 3)])
def test_connections_share_the_authorities_but_no_client_certificate(
    certificates: Path, monkeypatch: pytest.MonkeyPatch, with_client_certificate: bool, reads: int
) -> None:
    read: list[str] = []

    class CountingContext(ssl.SSLContext):
        def load_verify_locations(self, cafile: t.Any = None, capath: t.Any = None, cadata: t.Any = None) -> None:
            read.append(str(cafile))
            super().load_verify_locations(cafile, capath, cadata)

    monkeypatch.setattr("urllib3.util.ssl_.SSLContext", CountingContext)
    cert = (str(certificates / "good.pem"), str(certificates / "good.key")) if with_client_certificate else None
    home, session = str(certificates / "home.pem"), connections.PeerSession(3, 5)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        add_tls(server, certificates, "good")
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        # A response that isn't read keeps its connection, so the next request needs another one.
        responses = [session.send_checked("GET", f"https://127.0.0.1:{server.server_port}/", None, verify=home, cert=cert)[0] for _number in range(3)]
        assert [response.status for response in responses] == [501, 501, 501]
        for response in responses:
            response.close()
        assert read == [home] * reads
        # Other CAs have another context.
        with pytest.raises(urllib3.exceptions.SSLError):
            session.send_checked("GET", f"https://127.0.0.1:{server.server_port}/", None, verify=str(certificates / "strange.pem"), cert=cert)
        session.close()
        server.shutdown()


@pytest.mark.parametrize(
    ("certificate", "message"), [("old", "has expired"), ("early", "not yet valid.*clock"), ("other", "'127.0.0.1'.*another name")]
)
@pytest.mark.parametrize("ca", ["home.pem", None])
def test_the_message_says_what_is_wrong_with_a_certificate(
    certificates: Path, certificate: str, message: str, ca: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "default_authorities", lambda: str(certificates / "home.pem"))
    with pytest.raises(Unreachable, match=message) as caught:
        ask(certificates, certificate, HostSettings(ca_path=str(certificates / ca) if ca else None))
    assert "set ca_path" not in str(caught.value)
    assert (f"ca_path is {certificates}/home.pem" in str(caught.value)) == (ca is not None)


def test_a_file_without_certificates_is_reported_by_its_path(certificates: Path) -> None:
    assert f"{certificates / 'good.ext'} contains no certificate" in message_for(certificates, "good", "good.ext")


def test_the_message_for_a_registry_without_tls_suggests_plain_http(certificates: Path) -> None:
    message = message_for(certificates, None, None)
    assert "plain_http: true" in message
    assert "ca_path" not in message


def test_the_message_for_a_proxy_without_tls_does_not_suggest_plain_http(certificates: Path) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True).start()
        with pytest.raises(Unreachable) as caught:
            ask(certificates, "good", HostSettings(), proxy=f"https://127.0.0.1:{proxy.server_port}")
        proxy.shutdown()
    assert "plain_http" not in str(caught.value)
