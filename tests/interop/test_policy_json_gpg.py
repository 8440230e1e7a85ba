# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""policy.json with GPG keys: what skopeo accepts Longshore accepts, and what it refuses Longshore refuses. Each case asks both."""

from __future__ import annotations

import base64
import concurrent.futures
import dataclasses
import functools
import http.server
import json
import os
import re
import subprocess
import threading
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import LongshoreError
from ansible_collections.longshore.images.plugins.module_utils.oci.graph import Graph
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.places.image_trust import verify_image
from ansible_collections.longshore.images.plugins.module_utils.registry.config.settings import ClientSettings
from ansible_collections.longshore.images.plugins.module_utils.registry.referrers import RepositoryReferrers
from ansible_collections.longshore.images.plugins.module_utils.registry.registries import Registries
from ansible_collections.longshore.images.plugins.module_utils.task.trust import read_policy
from tests.support import modules
from tests.support.images import make_image
from tests.support.policies import CASES
from tests.support.registry import Registry, needed, running_registry

IMAGE = make_image("signed")
DIGEST = str(IMAGE.root.digest)
REPOSITORY = "registry.test/team/app"
TAGGED = f"{REPOSITORY}:1"
LOOKASIDE = "default-docker:\n  lookaside: file://@FOLDER@/lookaside\n"
ACCEPT, REJECT = {"type": "insecureAcceptAnything"}, {"type": "reject"}
BY_A: dict[str, t.Any] = {"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/keys/a.gpg"}

# A file of the signature server: its payload is signed by `key`, with these options of gpg; then `change` is applied.
Change = t.Callable[[bytes], bytes]


@dataclasses.dataclass(frozen=True)
class Signed:
    payload: bytes
    keys: tuple[str, ...] = ("a",)
    options: tuple[str, ...] = ()
    change: Change = bytes


@dataclasses.dataclass(frozen=True)
class Case:
    """A policy, the files of the signature server by their numbers, the files of registries.d, the image's name, and whether it is accepted."""

    accepted: bool
    document: t.Any
    files: t.Mapping[int, Signed | bytes]
    places: tuple[str, ...] = (LOOKASIDE,)
    name: str = TAGGED


def payload(signed: str = TAGGED, digest: str = DIGEST, kind: str = "atomic container signature", optional: t.Any = None, **changes: t.Any) -> bytes:
    critical = {"type": kind, "image": {"docker-manifest-digest": digest}, "identity": {"docker-reference": signed}, **changes}
    return json.dumps({"critical": critical, "optional": optional if optional is not None else {"creator": "us", "timestamp": 1700000000}}).encode()


GOOD = Signed(payload())


def policy(*requirements: t.Any) -> dict[str, t.Any]:
    return {"default": [REJECT], "transports": {"docker": {"": list(requirements)}}}


def signature(accepted: bool, *files: Signed | bytes, **options: t.Any) -> Case:
    return Case(accepted, policy(BY_A), dict(enumerate(files, 1)), **options)


def with_keys(accepted: bool, file: Signed = GOOD, key_type: str = "GPGKeys", **source: t.Any) -> Case:
    return Case(accepted, policy({"type": "signedBy", "keyType": key_type, **source}), {1: file})


def signed_text(accepted: bool, data: bytes) -> Case:
    return signature(accepted, Signed(data))


def placed(accepted: bool, *places: str) -> Case:
    return signature(accepted, GOOD, places=places)


def as_signed_by(document: t.Any) -> t.Any:
    """Return a policy for simple signatures with keys as one for GPG signatures."""
    text = json.dumps(document).replace('"sigstoreSigned"', '"signedBy", "keyType": "GPGKeys"')
    return json.loads(text.replace("/keys/a.pem", "/keys/a.gpg").replace("/keys/b.pem", "/keys/b.gpg"))


def flip_last(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


# Each rule about names and scopes has to hold for GPG signatures too.
NAMES = {
    f"names, {name}": Case(case.accepted, as_signed_by(case.document), {1: Signed(payload(case.signed))}, name=case.name)
    for name, case in CASES.items()
    if "keyData" not in json.dumps(case.document) and "rekor" not in json.dumps(case.document)
}

SIGNATURES = {
    "a good one": signature(True, GOOD),
    "none": signature(False),
    "by another key": signature(False, Signed(payload(), ("b",))),
    "the second one is good": signature(True, Signed(payload(), ("b",)), GOOD),
    "the first one is missing": Case(False, policy(BY_A), {2: GOOD}),
    "the good one is after a gap": Case(False, policy(BY_A), {1: Signed(payload(), ("b",)), 3: GOOD}),
    "the first one is no signature": signature(False, b"no signature", GOOD),
    "the second one is no signature": signature(False, GOOD, b"no signature"),
    "an empty file": signature(False, b""),
    "an unsigned payload": signature(False, payload()),
    "without compression": signature(True, Signed(payload(), options=("--compress-algo", "none"))),
    "compressed by bzip2": signature(True, Signed(payload(), options=("--compress-algo", "bzip2"))),
    "over SHA-512": signature(True, Signed(payload(), options=("--digest-algo", "SHA512"))),
    "by text mode": signature(True, Signed(payload(), options=("--textmode",))),
    "armored": signature(False, Signed(payload(), options=("--armor",))),
    "in clear text": signature(False, Signed(payload(), options=("--clear-sign",))),
    "in clear text, with the name of the format": signature(
        True, Signed(payload(), options=("--clear-sign",), change=lambda data: b"\0simple-signing\n" + data)
    ),
    "armored, with the name of the format": signature(
        True, Signed(payload(), options=("--armor",), change=lambda data: b"\0simple-signing\n" + data)
    ),
    "detached": signature(False, Signed(payload(), options=("--detach-sign",))),
    "by two keys at once": signature(False, Signed(payload(), ("a", "b"))),
    "two messages in one file, of which the first counts": signature(True, Signed(payload(), change=lambda data: data + data)),
    "cut off": signature(False, Signed(payload(), change=lambda data: data[:-8])),
    "only the first byte": signature(False, Signed(payload(), change=lambda data: data[:1])),
    "one bit differs": signature(False, Signed(payload(), options=("--compress-algo", "none"), change=flip_last)),
    "another text under the same signature": signature(
        False, Signed(payload(), options=("--compress-algo", "none"), change=lambda data: data.replace(b"team/app", b"team/apq"))
    ),
    "with the name of the format": signature(True, Signed(payload(), change=lambda data: b"\0simple-signing\n" + data)),
    "with an unknown name of the format": signature(False, Signed(payload(), change=lambda data: b"\0other\n" + data)),
    "a name of the format that doesn't end": signature(False, b"\0simple-signing"),
    "expired": signature(False, Signed(payload(), options=("--faked-system-time", "20230101T000000", "--default-sig-expire", "2d"))),
    "not yet expired": signature(True, Signed(payload(), options=("--default-sig-expire", "99d"))),
    "from before its key": signature(False, Signed(payload(), options=("--faked-system-time", "20200101T000000", "--ignore-time-conflict"))),
    "with a notation": signature(True, Signed(payload(), options=("--sig-notation", "a@example.com=b"))),
    "with a critical notation": signature(False, Signed(payload(), options=("--sig-notation", "!a@example.com=b"))),
    "with a policy URL": signature(True, Signed(payload(), options=("--sig-policy-url", "https://policy.test/"))),
    "with the key inside": signature(False, Signed(payload(), ("b",), ("--include-key-block",))),
    "stored, not signed": signature(False, Signed(payload(), (), ("--store",))),
}

KEYS = {
    "a binary file": with_keys(True, keyPath="/keys/a.gpg"),
    "an armored file": with_keys(True, keyPath="/keys/a.asc"),
    "several files": with_keys(True, keyPaths=["/keys/b.asc", "/keys/a.asc"]),
    "several files without the key": with_keys(False, keyPaths=["/keys/b.asc", "/keys/rsa.asc"]),
    "one file is no key": with_keys(True, keyPaths=["/keys/bad.gpg", "/keys/a.asc"]),
    "one file is missing": with_keys(False, keyPaths=["/keys/missing.gpg", "/keys/a.asc"]),
    "one file with two keys": with_keys(True, keyPath="/keys/both.gpg"),
    "in the policy": with_keys(True, keyData="@a.gpg@"),
    "armored in the policy": with_keys(True, keyData="@a.asc@"),
    "another one in the policy": with_keys(False, keyData="@b.gpg@"),
    "no key in the policy": with_keys(False, keyData="bm8ga2V5"),
    "a file that is no key": with_keys(False, keyPath="/keys/bad.gpg"),
    "an empty file": with_keys(False, keyPath="/keys/empty.gpg"),
    "a missing file": with_keys(False, keyPath="/keys/missing.gpg"),
    "RSA": with_keys(True, Signed(payload(), ("rsa",)), keyPath="/keys/rsa.asc"),
    "a revoked key": with_keys(False, Signed(payload(), ("revoked",)), keyPath="/keys/revoked.asc"),
    "an expired key": with_keys(False, Signed(payload(), ("expired",), ("--faked-system-time", "20230101T120000")), keyPath="/keys/expired.asc"),
    "a subkey": with_keys(False, Signed(payload(), ("subkey",)), keyPath="/keys/subkey.asc"),
    "the primary key of one with subkeys": with_keys(True, Signed(payload(), ("subkey-primary",)), keyPath="/keys/subkey.asc"),
    "of the kind signedByGPGKeys": with_keys(False, key_type="signedByGPGKeys", keyPath="/keys/a.gpg"),
    "of the kind X509Certificates": with_keys(False, key_type="X509Certificates", keyPath="/keys/a.gpg"),
    "of the kind signedByX509CAs": with_keys(False, key_type="signedByX509CAs", keyPath="/keys/a.gpg"),
    "two requirements, two signatures": Case(True, policy(BY_A, {**BY_A, "keyPath": "/keys/b.asc"}), {1: GOOD, 2: Signed(payload(), ("b",))}),
    "two requirements, one signature": Case(False, policy(BY_A, {**BY_A, "keyPath": "/keys/b.asc"}), {1: GOOD}),
}

PAYLOADS = {
    "another digest": signed_text(False, payload(digest="sha256:" + "0" * 64)),
    "a digest in upper case": signed_text(False, payload(digest="sha256:" + DIGEST[7:].upper())),
    "no digest": signed_text(False, payload(image={})),
    "a digest that is a number": signed_text(False, payload(image={"docker-manifest-digest": 1})),
    "the type of cosign": signed_text(False, payload(kind="cosign container image signature")),
    "another type": signed_text(False, payload(kind="atomic")),
    "an unknown critical member": signed_text(False, payload(more=1)),
    "an unknown member of image": signed_text(False, payload(image={"docker-manifest-digest": DIGEST, "more": 1})),
    "an unknown member of identity": signed_text(False, payload(identity={"docker-reference": TAGGED, "more": 1})),
    "no identity": signed_text(False, payload(identity={})),
    "an unknown member": signed_text(False, payload()[:-1] + b', "more": 1}'),
    "no optional": signed_text(False, payload().split(b', "optional"')[0] + b"}"),
    "optional is null": signed_text(False, payload().split(b', "optional"')[0] + b', "optional": null}'),
    "optional is a list": signed_text(False, payload(optional=[])),
    "optional is empty": signed_text(True, payload(optional={})),
    "an unknown optional member": signed_text(True, payload(optional={"creator": "us", "more": [1]})),
    "a creator that is a number": signed_text(False, payload(optional={"creator": 1})),
    "a creator that is null": signed_text(True, payload(optional={"creator": None})),
    "a time that is a text": signed_text(False, payload(optional={"timestamp": "1"})),
    "a time with a fraction": signed_text(False, payload(optional={"timestamp": 1.5})),
    "a time that is true": signed_text(False, payload(optional={"timestamp": True})),
    "a member twice": signed_text(False, payload().replace(b'"critical"', b'"critical": {}, "critical"')),
    "the type twice": signed_text(False, payload().replace(b'"type"', b'"type": "x", "type"')),
    "an optional member twice": signed_text(False, payload().replace(b'"creator"', b'"creator": "x", "creator"')),
    "text after it": signed_text(False, payload() + b" x"),
    "spaces around it": signed_text(True, b"\n " + payload() + b"\n"),
    "no JSON": signed_text(False, b"hello"),
    "nothing": signed_text(False, b""),
    "a list": signed_text(False, b"[]"),
}

URL = "file://@FOLDER@/lookaside"
PLACES = {
    "no files": placed(False),
    "the older name": placed(True, f"default-docker:\n  sigstore: {URL}\n"),
    "the newer name first": placed(True, f"default-docker:\n  sigstore: file:///nowhere\n  lookaside: {URL}\n"),
    "an address for writing only": placed(False, f"default-docker:\n  lookaside-staging: {URL}\n"),
    "the host": placed(True, f"docker:\n  registry.test:\n    lookaside: {URL}\n"),
    "the namespace": placed(True, f"docker:\n  registry.test/team:\n    lookaside: {URL}\n"),
    "the repository": placed(True, f"docker:\n  registry.test/team/app:\n    lookaside: {URL}\n"),
    "the tag": placed(True, f"docker:\n  registry.test/team/app:1:\n    lookaside: {URL}\n"),
    "another tag": placed(False, f"docker:\n  registry.test/team/app:2:\n    lookaside: {URL}\n"),
    "a part of a namespace": placed(False, f"docker:\n  registry.test/tea:\n    lookaside: {URL}\n"),
    "the domain": placed(True, f'docker:\n  "*.test":\n    lookaside: {URL}\n'),
    "another host": placed(False, f"docker:\n  other.test:\n    lookaside: {URL}\n"),
    "the longest match": placed(True, f"docker:\n  registry.test:\n    lookaside: file:///nowhere\n  registry.test/team:\n    lookaside: {URL}\n"),
    "the longest match has no signature": placed(
        False, f"docker:\n  registry.test/team:\n    lookaside: file:///nowhere\n  registry.test:\n    lookaside: {URL}\n"
    ),
    "the longest match has no address": placed(
        True, f"docker:\n  registry.test/team:\n    use-sigstore-attachments: true\n  registry.test:\n    lookaside: {URL}\n"
    ),
    "a host before the default": placed(True, f"default-docker:\n  lookaside: file:///nowhere\ndocker:\n  registry.test:\n    lookaside: {URL}\n"),
    "two files": placed(True, "default-docker:\n  lookaside: file:///nowhere\n", f"docker:\n  registry.test:\n    lookaside: {URL}\n"),
    "a default in two files": placed(False, LOOKASIDE, LOOKASIDE),
    "a host in two files": placed(False, *[f"docker:\n  registry.test:\n    lookaside: {URL}\n"] * 2),
    "the files of Fedora": placed(True, f"# comment\n\ndocker:\n     registry.test:\n         sigstore: {URL} # comment\n"),
    "quotation marks": placed(True, f"'default-docker':\n  \"lookaside\": '{URL}'\n"),
    "an empty section": placed(False, "default-docker:\n#  lookaside: x\n"),
    "a slash at the end": placed(True, f"default-docker:\n  lookaside: {URL}/\n"),
    "no YAML": placed(False, "default-docker: [\n"),
    "a server": placed(True, "default-docker:\n  lookaside: http://@SERVER@/lookaside\n"),
    "a server without signatures": placed(False, "default-docker:\n  lookaside: http://@SERVER@/none\n"),
    "a server that fails": placed(False, "default-docker:\n  lookaside: http://@SERVER@/broken\n"),
}

GROUPS = {"": NAMES, "signature: ": SIGNATURES, "key: ": KEYS, "payload: ": PAYLOADS, "place: ": PLACES}
TABLE = {f"{prefix}{name}": case for prefix, group in GROUPS.items() for name, case in group.items()}


class Gpg:
    """A private keyring with the keys of the tests."""

    def __init__(self, home: Path) -> None:
        needed("gpg")
        home.mkdir(mode=0o700)
        self._home = home
        self._ids: dict[str, str] = {}
        for name, kind, when in (("a", "ed25519", "20220101T000000"), ("b", "ed25519", ""), ("rsa", "rsa2048", ""), ("revoked", "ed25519", "")):
            self._make(name, kind, when=when)
        self._make("expired", "ed25519", "2d", "20230101T000000")
        self._make("subkey", "ed25519")
        self.run("--quick-add-key", self._ids["subkey"], "ed25519", "sign", "never")
        self._ids["subkey-primary"] = f"{self._ids['subkey']}!"
        revocation = (home / "openpgp-revocs.d" / f"{self._ids['revoked']}.rev").read_bytes().replace(b":---", b"---")
        self.files = {f"{name}.asc": self.export(name, "--armor") for name in ("a", "b", "rsa", "expired", "subkey")}
        self.files |= {f"{name}.gpg": self.export(name) for name in ("a", "b")}
        self.files |= {"both.gpg": self.files["b.gpg"] + self.files["a.gpg"], "bad.gpg": b"no key", "empty.gpg": b""}
        self._revocation = revocation

    def _make(self, name: str, kind: str, expires: str = "never", when: str = "") -> None:
        options = ["--faked-system-time", when] if when else []
        status = self.run(*options, "--status-fd", "1", "--quick-gen-key", f"{name}@test", kind, "sign", expires)
        self._ids[name] = re.findall(rb"KEY_CREATED P ([0-9A-F]+)", status)[0].decode()

    def export(self, name: str, *options: str) -> bytes:
        return self.run(*options, "--export", self._ids[name])

    def revoke(self) -> None:
        """Revoke a key, after everything was signed with it."""
        self.run("--import", data=self._revocation)
        self.files["revoked.asc"] = self.export("revoked", "--armor")

    def run(self, *words: str, data: bytes = b"") -> bytes:
        command = ["gpg", "--homedir", str(self._home), "--batch", "--no-tty", "--passphrase", "", "--pinentry-mode", "loopback", *words]
        return subprocess.run(command, input=data, capture_output=True, check=True).stdout

    def sign(self, signed: Signed, host: str) -> bytes:
        users = [word for key in signed.keys for word in ("--local-user", self._ids[key])]
        command = [] if {"--clear-sign", "--detach-sign", "--store"} & set(signed.options) else ["--sign"]
        return signed.change(self.run(*users, *signed.options, *command, data=_here(signed.payload.decode(), host).encode()))

    def close(self) -> None:
        subprocess.run(["gpgconf", "--homedir", str(self._home), "--kill", "all"], check=True)


class Server(http.server.SimpleHTTPRequestHandler):
    """Serves the folders of all cases, fails below /CASE/broken, and logs nothing."""

    def do_GET(self) -> None:
        if "/broken/" in self.path:
            self.send_error(403)
        else:
            super().do_GET()

    def log_message(self, format: str, *words: t.Any) -> None:  # noqa: A002
        pass


@dataclasses.dataclass(frozen=True)
class World:
    """The folder of each case, with policy.json, registries.d and what it signs, and whether skopeo accepts it."""

    registry: Registry
    folders: t.Mapping[str, Path]
    answers: t.Mapping[str, tuple[bool, str]]

    def name(self, case: str) -> str:
        return TABLE[case].name.replace("registry.test", self.registry.host)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[World]:
    """Make all cases, and ask skopeo about them, several at once."""
    needed("skopeo")
    root = tmp_path_factory.mktemp("cases")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Server, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    gpg = Gpg(tmp_path_factory.mktemp("gpg") / "home")
    try:
        with running_registry(tmp_path_factory.mktemp("registry")) as registry, concurrent.futures.ThreadPoolExecutor(4) as pool:
            registry.put(IMAGE, "team/app", "1")
            folders = {name: root / str(number) for number, name in enumerate(TABLE)}
            messages = list(dict.fromkeys(file for case in TABLE.values() for file in case.files.values() if isinstance(file, Signed)))
            signed = dict(zip(messages, pool.map(lambda message: gpg.sign(message, registry.host), messages)))
            gpg.revoke()
            for name, folder in folders.items():
                _write(TABLE[name], folder, signed, gpg, registry.host, f"127.0.0.1:{server.server_port}/{folder.name}")
            world = World(registry, folders, {})
            answers = pool.map(lambda case: _ask_skopeo(folders[case], world.name(case)), TABLE)
            yield dataclasses.replace(world, answers=dict(zip(TABLE, answers)))
    finally:
        gpg.close()
        server.shutdown()
        server.server_close()


def _here(text: str, host: str) -> str:
    return text.replace("*.test", "*.0.0.1").replace("registry.test", host)


def _write(case: Case, folder: Path, signed: t.Mapping[Signed, bytes], gpg: Gpg, host: str, server: str) -> None:
    keys, places, signatures = folder / "keys", folder / ".config/containers/registries.d", folder / f"lookaside/team/app@{DIGEST.replace(':', '=')}"
    for made in (keys, places, signatures):
        made.mkdir(parents=True)
    for name, data in gpg.files.items():
        (keys / name).write_bytes(data)
    for number, file in case.files.items():
        (signatures / f"signature-{number}").write_bytes(signed[file] if isinstance(file, Signed) else file)
    for number, text in enumerate(case.places):
        (places / f"{number}.yaml").write_text(_here(text, host).replace("@FOLDER@", str(folder)).replace("@SERVER@", server))
    document = _here(json.dumps(case.document), host).replace("/keys/", f"{keys}/")
    for name, data in gpg.files.items():
        document = document.replace(f"@{name}@", base64.b64encode(data).decode())
    (folder / "policy.json").write_text(document)


def _ask_skopeo(folder: Path, name: str) -> tuple[bool, str]:
    options = ["--policy", str(folder / "policy.json"), "--registries.d", str(folder / ".config/containers/registries.d")]
    copy = ["copy", "--quiet", "--src-tls-verify=false", "--remove-signatures", f"docker://{name}", f"dir:{folder}/copy"]
    environment = {**os.environ, "HOME": str(folder)}
    result = subprocess.run(["skopeo", *options, *copy], env=environment, capture_output=True, text=True, check=False)
    return result.returncode == 0, result.stderr


def _ask_longshore(folder: Path, name: str) -> tuple[bool, str]:
    registries = Registries(ClientSettings())
    reference = Reference.parse(name)
    repository = registries.repository(reference)
    try:
        policy = read_policy({"trust": None, "trust_file": str(folder / "policy.json")})
        root = repository.fetch_manifest(reference)
        graph = Graph(root, {root: repository.read_document(root)}, (), ())
        verdict = verify_image(policy, reference, graph, [RepositoryReferrers(repository)])
    except LongshoreError as error:
        return False, error.message
    return verdict.accepted, verdict.reason


def test_the_table_has_at_least_120_cases() -> None:
    assert len(TABLE) >= 120


@pytest.mark.parametrize("case", TABLE)
def test_longshore_decides_as_skopeo(case: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(world.folders[case]))
    answers = {"skopeo": world.answers[case], "Longshore": _ask_longshore(world.folders[case], world.name(case))}
    assert {who: accepted for who, (accepted, _said) in answers.items()} == dict.fromkeys(answers, TABLE[case].accepted), answers


def test_a_pull_verifies_each_time_and_refuses_what_only_the_store_has(world: World, tmp_path: Path) -> None:
    folder, name = world.folders["signature: a good one"], world.name("signature: a good one")
    options = {"name": [name], "store": str(tmp_path / "store"), "trust_file": str(folder / "policy.json")}
    environment = {"HOME": str(folder)}
    for changed in (True, False):
        result = modules.run("image_pull", options, env=environment)
        assert result["changed"] is changed
        verification = result["images"][0]["verification"]
        assert (verification["format"], verification["annotations"]) == ("gpg", {"creator": "us"})
        assert re.fullmatch("[0-9A-F]{40}", verification["key"])
    assert modules.fail("image_pull", {**options, "pull_policy": "never"}, env=environment)["error"] == "unsigned"
    assert modules.fail("image_pull", options, env={"HOME": str(tmp_path)})["error"] == "unsigned"
