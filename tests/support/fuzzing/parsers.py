# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of all parsers of hostile bytes. A new parser is one line of `PARSERS`, with at least one input that it accepts."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import tempfile
import typing as t
from pathlib import Path

import zstandard
from cryptography.hazmat.primitives import serialization

from ansible_collections.longshore.images.plugins.module_utils.archive.compression import decompress, detect_compression
from ansible_collections.longshore.images.plugins.module_utils.archive.image_tree import ImageTree
from ansible_collections.longshore.images.plugins.module_utils.archive.layer import read_layer
from ansible_collections.longshore.images.plugins.module_utils.archive.reader import open_archive
from ansible_collections.longshore.images.plugins.module_utils.archive.summary import summarise_archive
from ansible_collections.longshore.images.plugins.module_utils.archive.tar import checked_tar
from ansible_collections.longshore.images.plugins.module_utils.client_files.containerd import set_config_path
from ansible_collections.longshore.images.plugins.module_utils.contents.databases import find_database
from ansible_collections.longshore.images.plugins.module_utils.contents.rpm import read_header
from ansible_collections.longshore.images.plugins.module_utils.engine.address import Address
from ansible_collections.longshore.images.plugins.module_utils.engine.answers import parse_answer, parse_engine_image
from ansible_collections.longshore.images.plugins.module_utils.engine.containerd import _parse_record
from ansible_collections.longshore.images.plugins.module_utils.engine.descriptions import parse_description
from ansible_collections.longshore.images.plugins.module_utils.oci.config import ImageConfig
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.document import Document
from ansible_collections.longshore.images.plugins.module_utils.oci.glob import compile_glob
from ansible_collections.longshore.images.plugins.module_utils.oci.location import Location
from ansible_collections.longshore.images.plugins.module_utils.oci.lockfile import LockFile
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import read_manifest
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Platform, Selection
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.oci.version_range import VersionRange
from ansible_collections.longshore.images.plugins.module_utils.registry.auth.challenge import Challenge, parse_challenges
from ansible_collections.longshore.images.plugins.module_utils.registry.auth.credentials import HostCredentials
from ansible_collections.longshore.images.plugins.module_utils.registry.auth.tokens import find_token_server
from ansible_collections.longshore.images.plugins.module_utils.registry.config.host_config import find_toml_parser
from ansible_collections.longshore.images.plugins.module_utils.registry.config.hosts_toml import routes_from_hosts_file
from ansible_collections.longshore.images.plugins.module_utils.registry.config.registries_conf import read_rules, routes_from_rule
from ansible_collections.longshore.images.plugins.module_utils.registry.config.settings import ClientSettings, HostSettings
from ansible_collections.longshore.images.plugins.module_utils.registry.http.link_header import next_target
from ansible_collections.longshore.images.plugins.module_utils.registry.registries import Registries
from ansible_collections.longshore.images.plugins.module_utils.registry.search import search_repositories
from ansible_collections.longshore.images.plugins.module_utils.registry.tags import list_tags
from ansible_collections.longshore.images.plugins.module_utils.store.index import StoreIndex
from ansible_collections.longshore.images.plugins.module_utils.trust.bundle import read_attestation, read_bundle
from ansible_collections.longshore.images.plugins.module_utils.trust.cosign_key import decrypt_cosign_key
from ansible_collections.longshore.images.plugins.module_utils.trust.keys import read_private_key, read_public_key
from ansible_collections.longshore.images.plugins.module_utils.trust.policy_json import read_policy_json
from ansible_collections.longshore.images.plugins.module_utils.trust.simple_signing import read_payload
from ansible_collections.longshore.images.plugins.module_utils.trust.statement import read_statement
from ansible_collections.longshore.images.plugins.module_utils.trust.verdict import Rejected
from ansible_collections.longshore.images.plugins.module_utils.trust.vex import read_claims
from ansible_collections.longshore.images.plugins.module_utils.trust.vulnerabilities import read_report
from ansible_collections.longshore.images.plugins.plugin_utils.progress import ModuleProgress
from ansible_collections.longshore.images.plugins.plugin_utils.report.page import render
from ansible_collections.longshore.images.plugins.plugin_utils.shared_progress import _read_line
from tests.support import answers, archives, package_files, trust
from tests.support.images import make_image, make_index

_IMAGE = make_image("fuzzed")
_INDEX = make_index("fuzzed", ["linux/amd64", "linux/arm64"])
_DIGEST = _IMAGE.root.digest
_MANIFEST = _IMAGE.content[_DIGEST]
_REFERENCE = Reference.parse("r.io/team/app:1")


class Parser(t.NamedTuple):
    """A parser, inputs that it accepts, and the errors besides LongshoreError that it documents."""

    parse: t.Callable[[bytes], object]
    samples: tuple[bytes, ...]
    errors: tuple[type[Exception], ...] = ()


def _text(parse: t.Callable[[str], object]) -> t.Callable[[bytes], object]:
    return lambda data: parse(data.decode("utf-8", "surrogateescape"))


def _json(*documents: t.Any) -> tuple[bytes, ...]:
    return tuple(json.dumps(document).encode() for document in documents)


def _load_toml(text: str) -> dict[str, t.Any]:
    parser = find_toml_parser()
    assert parser is not None, "tests need Python 3.11"
    document: dict[str, t.Any] = parser.loads(text)
    return document


def _toml(read: t.Callable[[dict[str, t.Any], str], object]) -> t.Callable[[bytes], object]:
    """Return a parser of TOML that leaves out what is no TOML, which the reader of the file reports."""

    def parse(data: bytes) -> object:
        with contextlib.suppress(ValueError, RecursionError):
            text = data.decode("utf-8")
            document = _load_toml(text)
            return read(document, text)
        return None

    return parse


class _Answer:
    """The answer of a registry or a token server."""

    status = 200
    url = "https://r.io/v2/"
    headers: t.Mapping[str, str] = {}

    def __init__(self, data: bytes) -> None:
        self._data = data

    def body(self, _limit: int) -> bytes:
        return self._data

    def header_values(self, _name: str) -> list[str]:
        return []

    def close(self) -> None:
        """Nothing is open."""


def _answered(data: bytes) -> Registries:
    """Return registries whose every answer is DATA."""
    registries = Registries(ClientSettings())
    t.cast(t.Any, registries.client).send = lambda _request, _settings: _Answer(data)
    return registries


def _read_token(data: bytes) -> object:
    client = _answered(data).client
    return find_token_server(Challenge("bearer", {"realm": "https://r.io/token"}), "https://r.io", client, HostSettings(), "it").fetch((), None, "it")


def _in_file(data: bytes, name: str, read: t.Callable[[Path], object]) -> object:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(data)
        return read(path)


def _read_archive(data: bytes) -> object:
    return _in_file(data, "it.tar", lambda path: [image.names for image in open_archive(str(path)).images])


def _summarise(data: bytes) -> object:
    return _in_file(data, "it.tar", lambda path: summarise_archive(open_archive(str(path))))


def _read_layout(data: bytes) -> object:
    with tempfile.TemporaryDirectory() as folder:
        archives.unpack({**archives.oci(_IMAGE, "r.io/a:1"), "index.json": data}, Path(folder, "it"))
        return open_archive(str(Path(folder, "it"))).images


def _packages(path: str) -> t.Callable[[bytes], object]:
    """Return a parser of the package database at PATH in an image."""
    database = find_database(path, True)
    assert database is not None
    return lambda data: [package.purl for package in database.load()(io.BytesIO(data), "it")]


def _read_list(data: bytes, read: t.Callable[[Document], object]) -> object:
    return parse_answer("the list", lambda: [read(row) for row in Document.parse_list(data, "the list")])


def _read_rules(document: dict[str, t.Any], text: str) -> object:
    return [routes_from_rule(rule, _REFERENCE) for rule in read_rules(document, text, "/f", True) if rule.match(_REFERENCE) is not None]


def _read_report(data: bytes) -> object:
    """Render the page for one host. Ansible's results are always dictionaries; everything in them may come from the host."""
    answer = json.loads(data)
    return render({"host": answer}, "title", None, None, None) if isinstance(answer, dict) else None


_ROW = {"Id": str(_DIGEST), "RepoTags": ["app:1"], "RepoDigests": [f"app@{_DIGEST}"], "Created": 1, "Size": 7, "Labels": {"a": "b"}, "ParentId": ""}
_ROW_OF_IMAGE = {
    "Id": str(_DIGEST),
    "Os": "linux",
    "Architecture": "amd64",
    "Size": 7,
    "Config": {"Env": ["A=1"]},
    "RootFS": {"Layers": [str(_DIGEST)]},
}
_STEP = {"Created": 1_700_000_000, "CreatedBy": "RUN x", "Comment": "", "Size": 3}
_TAR = archives.pack(archives.docker(_IMAGE, "r.io/a:1"))
_PAX = (
    archives.extended(archives.record(b"path", b"long/name") + archives.record(b"SCHILY.xattr.user.a", b"b"))
    + archives.member("short", b"x")
    + archives.END
)
_BUNDLE = trust.dsse_bundle(trust.statement(_DIGEST))
_SCANS = (
    {
        "SchemaVersion": 2,
        "ArtifactName": "a",
        "CreatedAt": "2026-12-01T00:00:00Z",
        "Results": [{"Vulnerabilities": [{"VulnerabilityID": "C", "Severity": "LOW"}]}],
    },
    {"scanner": {"result": {"matches": [{"vulnerability": {"id": "C", "severity": "Low"}, "artifact": {"purl": "pkg:a/b"}}]}}, "metadata": {}},
    {
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"rules": [{"id": "C", "properties": {"security-severity": "9.8"}}]}},
                "results": [{"ruleId": "C"}],
                "invocations": [{"executionSuccessful": True, "endTimeUtc": "2026-12-01T00:00:00Z"}],
            }
        ],
    },
    {"bomFormat": "CycloneDX", "vulnerabilities": [{"id": "C", "ratings": [{"severity": "low"}], "affects": [{"ref": "pkg:a/b"}]}]},
)
_VEX = {
    "@context": "https://openvex.dev/ns/v0.2.0",
    "timestamp": "2026-12-01T00:00:00Z",
    "statements": [
        {"vulnerability": {"name": "C"}, "status": "not_affected", "impact_statement": "i", "products": [{"@id": f"pkg:oci/a@{_DIGEST}"}]}
    ],
}
_POLICY = {"default": [{"type": "reject"}], "transports": {"docker": {"r.io": [{"type": "sigstoreSigned", "keyPath": "/k"}]}}}
_ANSWER = answers.answer(answers.row("r.io/a:1", "a"), answers.row(None, "b"))
_PRIVATE_KEY = trust.make_key().private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
_COSIGN_KEY = (
    b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n"
    b"eyJrZGYiOnsibmFtZSI6InNjcnlwdCIsInBhcmFtcyI6eyJOIjo2NTUzNiwiciI6OCwicCI6MX0sInNhbHQiOiJBQUFBIn19\n"
    b"-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n"
)

_JAR = package_files.zip_bytes(package_files.pom("g", "a", "1"))
with tempfile.TemporaryDirectory() as _folder:
    _RPM = package_files.rpm_database(Path(_folder), package_files.rpm_package("a", epoch=1))

PARSERS: dict[str, Parser] = {
    "reference": Parser(_text(Reference.parse), (b"r.io:5000/team/app:1.0", f"app:1@{_DIGEST}".encode(), b"[::1]:5000/x")),
    "destination": Parser(_text(Reference.parse_destination), (b"r.io/app:1",)),
    "location": Parser(_text(Location.parse), (b"docker://r.io/app:1", b"oci:/srv/x:app", b"containerd:k8s.io/r.io/a:1")),
    "engine address": Parser(_text(lambda text: Address.parse(text, "docker_host")), (b"unix:///run/docker.sock", b"tcp://u:p@[::1]:2375/x")),
    "digest": Parser(_text(Digest.parse), (str(_DIGEST).encode(),)),
    "platform": Parser(_text(Platform.parse), (b"linux/arm64/v8",)),
    "platforms": Parser(_text(lambda text: Selection.parse(text.split(","))), (b"linux/amd64,linux/arm", b"all")),
    "manifest": Parser(lambda data: read_manifest(data, None, "it"), (_MANIFEST, _INDEX.content[_INDEX.root.digest])),
    "config": Parser(lambda data: ImageConfig.read(data, "it"), (archives.config_of(_IMAGE),)),
    "lock file": Parser(lambda data: LockFile.parse(data, "it"), (answers.lock_text("r.io/a:1", "r.io/b:2").encode(),)),
    "index of a store": Parser(lambda data: StoreIndex.parse(data, "/index.json"), (archives.index_file(archives.index_entry(_IMAGE, "r.io/a:1")),)),
    "layout": Parser(_read_layout, (archives.index_file(archives.index_entry(_IMAGE, "r.io/a:1")),)),
    "tar": Parser(lambda data: list(checked_tar([data], "it")), (_TAR, _PAX)),
    "layer": Parser(lambda data: ImageTree().apply_layer(read_layer([data], None, "it"), "it"), (_PAX, archives.layers_of(_IMAGE)[0])),
    "compression": Parser(
        lambda data: sum(len(part) for part in decompress([data], detect_compression(data) or "gzip", "it")),
        (gzip.compress(_TAR, mtime=0), zstandard.ZstdCompressor().compress(_TAR)),
    ),
    "archive": Parser(_read_archive, (_TAR, archives.pack(archives.oci(_IMAGE, "r.io/a:1")), archives.pack(archives.hybrid(_IMAGE, "r.io/a:1")))),
    "summary of an archive": Parser(_summarise, (_TAR,)),
    "WWW-Authenticate": Parser(_text(lambda text: parse_challenges([text])), (b'Bearer realm="https://r.io/token",service="r", Basic realm=x',)),
    "Link": Parser(_text(lambda text: next_target([text], "it")), (b'</v2/_catalog?last=a>; rel="next"',)),
    "token": Parser(_read_token, _json({"token": "abc", "expires_in": 300, "issued_at": "2026-01-31T12:00:00Z"})),
    "tags": Parser(lambda data: list_tags(_answered(data).repository(_REFERENCE)), _json({"name": "team/app", "tags": ["1", "2"]})),
    "search": Parser(
        lambda data: list(search_repositories(_answered(data), "docker.io", "a")),
        _json({"num_pages": 1, "results": [{"name": "library/a", "description": "b", "star_count": 3, "is_official": True, "is_automated": False}]}),
    ),
    "auth file": Parser(
        lambda data: _in_file(data, "auth.json", lambda path: HostCredentials(str(path), {}).find("r.io", "team/app")),
        _json({"auths": {"r.io": {"auth": "dTpw"}, "r.io/team": {"username": "u", "password": "p"}}}),
    ),
    "registries.conf": Parser(
        _toml(_read_rules),
        (
            b'[[registry]]\nprefix = "r.io"\nlocation = "m.io:5000/x"\n[[registry.mirror]]\nlocation = "n.io"\n',
            b"[registries.block]\nregistries = ['r.io']\n",
        ),
    ),
    "hosts.toml": Parser(
        _toml(lambda document, text: routes_from_hosts_file(document, text, "/d/hosts.toml", "r.io")),
        (
            (
                b'server = "https://r.io"\n'
                b'[host."https://m.io:5000/v2/x"]\ncapabilities = ["pull"]\nca = "a.pem"\n[host."https://m.io:5000/v2/x".header]\nX = "y"\n'
            ),
        ),
    ),
    "config.toml": Parser(
        _toml(lambda document, text: set_config_path(text, document, "/d", "/f", _load_toml)),
        (b'version = 2\ndisabled_plugins = ["x"]\n[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = ""\n',),
    ),
    "policy.json": Parser(lambda data: read_policy_json(data, "it", lambda _path: trust.make_key().pem), _json(_POLICY)),
    "bundle": Parser(lambda data: read_bundle(data, _MANIFEST), _json(_BUNDLE, trust.message_bundle(_MANIFEST)), (Rejected,)),
    "attestation": Parser(read_attestation, _json(trust.dsse_bundle(trust.statement(_DIGEST))["dsseEnvelope"]), (Rejected,)),
    "scan": Parser(lambda data: read_report(Document.parse(data, "scan")), _json(*_SCANS)),
    "openvex": Parser(lambda data: read_claims(Document.parse(data, "vex"), _DIGEST), _json(_VEX)),
    "statement": Parser(lambda data: read_statement(data, _DIGEST), _json(trust.statement(_DIGEST)), (Rejected,)),
    "simple signing": Parser(read_payload, _json(trust.simple_payload(_DIGEST, optional={"a": "b"})), (Rejected,)),
    "public key": Parser(lambda data: read_public_key(data, "it"), (trust.make_key().pem,)),
    "private key": Parser(lambda data: read_private_key(data, None, "it"), (_PRIVATE_KEY, _COSIGN_KEY)),
    "cosign key": Parser(lambda data: decrypt_cosign_key(data, b"p", "it"), (_COSIGN_KEY,), (ValueError,)),
    "Docker's list": Parser(lambda data: _read_list(data, lambda row: parse_engine_image(row, True, lambda _digest: False).details), _json([_ROW])),
    "Podman's list": Parser(lambda data: _read_list(data, lambda row: parse_engine_image(row, False, lambda _digest: False)), _json([_ROW])),
    "Docker's image": Parser(
        lambda data: parse_answer(
            "it", lambda: parse_description(Document.parse(data, "it"), Document.parse_list(json.dumps([_STEP]).encode(), "it"))
        ),
        _json(_ROW_OF_IMAGE),
    ),
    "Docker's history": Parser(lambda data: _read_list(data, lambda step: parse_description(Document(_ROW_OF_IMAGE, "it"), [step])), _json([_STEP])),
    "ctr's list": Parser(_text(_parse_record), (f"r.io/a:1 application/x {_DIGEST} complete (1/1) 1.0 MiB/1.0 MiB true".encode(),)),
    "progress": Parser(_text(ModuleProgress.parse), _json({"bytes": 1, "all_bytes": 2, "what": "a"})),
    "progress of several hosts": Parser(lambda data: _read_line(io.BytesIO(data)), (b"[1.5, 7]", b"[1%s, 7]" % (b"0" * 400))),
    "dpkg": Parser(
        _packages("var/lib/dpkg/status"), (b"Package: a\nStatus: install ok installed\nVersion: 1\nSource: b (2)\n\nPackage: c\nVersion: 2\n",)
    ),
    "apk": Parser(_packages("lib/apk/db/installed"), (b"P:a\nV:1-r0\nA:x86_64\no:b\nL:MIT\n\n",)),
    "RPM header": Parser(lambda data: read_header(data, "it"), (package_files.rpm_package("a", epoch=1),)),
    "RPM database": Parser(_packages("var/lib/rpm/rpmdb.sqlite"), (_RPM,)),
    "Python metadata": Parser(_packages("a.dist-info/METADATA"), (b"Metadata-Version: 2.4\nName: a\nVersion: 1\nLicense-Expression: MIT\n\ntext\n",)),
    "package.json": Parser(_packages("node_modules/a/package.json"), _json({"name": "@a/b", "version": "1", "license": {"type": "MIT"}})),
    "Go program": Parser(
        _packages("bin/a"),
        tuple(package_files.go_program("go1.22", "mod\ta\tv1\ndep\tb\tv2\n=>\tc\tv3\n", old=old) for old in (False, True)),
    ),
    "jar": Parser(_packages("a.jar"), (_JAR, package_files.zip_bytes({"lib/a.jar": _JAR, "META-INF/MANIFEST.MF": b"Bundle-Version: 1\n"}))),
    "report": Parser(_read_report, _json(_ANSWER), (ValueError, RecursionError)),
    "version range": Parser(_text(VersionRange.parse), (b">=1.2, <2.0", b"~3.4.0-rc1", b"1.x")),
    "glob": Parser(_text(lambda text: compile_glob(text).fullmatch("docker.io/library/nginx:1.27")), (b"docker.io/*/ng[a-z]?x:*",)),
}
