# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""policy.json with the key of a transparency log: skopeo and Longshore give the same answers. Each case asks both."""

from __future__ import annotations

import base64
import concurrent.futures
import dataclasses
import hashlib
import json
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import LongshoreError
from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.graph import Graph
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor, Manifest
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.oci.referrers import referrers_tag
from ansible_collections.longshore.images.plugins.module_utils.places.image_trust import verify_image
from ansible_collections.longshore.images.plugins.module_utils.registry.config.settings import ClientSettings
from ansible_collections.longshore.images.plugins.module_utils.registry.referrers import RepositoryReferrers
from ansible_collections.longshore.images.plugins.module_utils.registry.registries import Registries
from ansible_collections.longshore.images.plugins.module_utils.task.trust import read_policy
from ansible_collections.longshore.images.plugins.module_utils.trust.simple_signing import LOG_ANNOTATION, PAYLOAD_TYPE, SIGNATURE_ANNOTATION
from tests.support.images import Image, make_image
from tests.support.registry import Registry, needed, running_registry
from tests.support.trust import Key, encode, make_key, simple_payload

IMAGE = make_image("signed")
SIGNER, LOG, STRANGER = make_key(number=10), make_key(number=11), make_key(number=12)

Members = dict[str, t.Any]
Change = t.Callable[[Members], t.Any]


@dataclasses.dataclass(frozen=True)
class Case:
    """How the entry differs from a good one: its body before it is encoded, its payload before the log signs it, and the whole after that."""

    accepted: bool = False
    body: Change = lambda body: body
    payload: Change = lambda payload: payload
    entry: Change = lambda entry: entry
    log: Key = LOG
    requirement: t.Mapping[str, t.Any] = dataclasses.field(default_factory=lambda: {"rekorPublicKeyPath": "/keys/log.pem"})


def with_member(*path: str, value: t.Any) -> Change:
    def change(document: Members) -> Members:
        changed = json.loads(json.dumps(document))
        inner = changed
        for name in path[:-1]:
            inner = inner[name]
        inner[path[-1]] = value
        return t.cast(Members, changed)

    return change


def without(name: str) -> Change:
    return lambda document: {key: value for key, value in document.items() if key != name}


TABLE = {
    "a good entry": Case(True),
    "no entry": Case(entry=lambda entry: None),
    "not JSON": Case(entry=lambda entry: "{"),
    "by another log": Case(log=STRANGER),
    "a key in the policy": Case(True, requirement={"rekorPublicKeyData": encode(LOG.pem)}),
    "one of several keys": Case(True, requirement={"rekorPublicKeyPaths": ["/keys/stranger.pem", "/keys/log.pem"]}),
    "one of several keys in the policy": Case(True, requirement={"rekorPublicKeyDatas": [encode(STRANGER.pem), encode(LOG.pem)]}),
    "none of several keys": Case(requirement={"rekorPublicKeyPaths": ["/keys/stranger.pem", "/keys/signer.pem"]}),
    "a missing key of the log": Case(requirement={"rekorPublicKeyPath": "/keys/missing.pem"}),
    "a key of the log that is none": Case(requirement={"rekorPublicKeyPath": "/keys/bad.pem"}),
    "a key of the log that is RSA": Case(requirement={"rekorPublicKeyPath": "/keys/rsa.pem"}),
    "no timestamp": Case(entry=without("SignedEntryTimestamp")),
    "no payload": Case(entry=without("Payload")),
    "an unknown member": Case(entry=with_member("more", value=1)),
    "a changed time": Case(entry=with_member("Payload", "integratedTime", value=1)),
    "a changed body": Case(entry=with_member("Payload", "body", value="e30=")),
    "no index": Case(payload=without("logIndex")),
    "an unknown member of the payload": Case(payload=with_member("more", value=1)),
    "a time that is a text": Case(payload=with_member("integratedTime", value="1")),
    "another order and spaces": Case(True, entry=lambda entry: json.dumps({"Payload": dict(reversed(entry["Payload"].items())), **entry}, indent=2)),
    "another kind": Case(body=with_member("kind", value="rekord")),
    "another version": Case(body=with_member("apiVersion", value="0.0.2")),
    "another signature": Case(body=with_member("spec", "signature", "content", value="QUJD")),
    "another key": Case(body=with_member("spec", "signature", "publicKey", "content", value=encode(STRANGER.pem))),
    "a key with text after it": Case(body=with_member("spec", "signature", "publicKey", "content", value=encode(SIGNER.pem + b"x\n"))),
    "no key": Case(body=with_member("spec", "signature", "publicKey", value={})),
    "another hash": Case(body=with_member("spec", "data", "hash", "value", value="0" * 64)),
    "another algorithm": Case(body=with_member("spec", "data", "hash", "algorithm", value="sha512")),
    "no data": Case(body=with_member("spec", "data", value={})),
    "an unknown member of the body": Case(True, body=with_member("more", value=1)),
}


def make_signature(case: Case, repository: str) -> Image:
    payload = json.dumps(simple_payload(IMAGE.root.digest, repository)).encode()
    signature = SIGNER.sign(payload)
    body = {
        "apiVersion": "0.0.1",
        "kind": "hashedrekord",
        "spec": {
            "signature": {"content": encode(signature), "publicKey": {"content": encode(SIGNER.pem)}},
            "data": {"hash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()}},
        },
    }
    encoded = base64.b64encode(json.dumps(case.body(body)).encode()).decode()
    logged = case.payload({"body": encoded, "integratedTime": 1700000000, "logIndex": 1, "logID": "ab" * 32})
    timestamp = case.log.sign(json.dumps(logged, sort_keys=True, separators=(",", ":")).encode())
    entry = case.entry({"SignedEntryTimestamp": encode(timestamp), "Payload": logged})
    text = entry if isinstance(entry, str) else json.dumps(entry)
    annotations = {SIGNATURE_ANNOTATION: encode(signature), **({LOG_ANNOTATION: text} if entry is not None else {})}
    layer = Descriptor(PAYLOAD_TYPE, Digest.of(payload), len(payload), annotations=annotations)
    config = json.dumps({"architecture": "", "os": "", "config": {}, "rootfs": {"type": "layers", "diff_ids": [str(layer.digest)]}}).encode()
    manifest = Manifest(media_types.OCI_MANIFEST, Descriptor(media_types.OCI_CONFIG, Digest.of(config), len(config)), (layer,)).to_bytes()
    root = Descriptor(media_types.OCI_MANIFEST, Digest.of(manifest), len(manifest))
    return Image(root, {Digest.of(data): data for data in (payload, config, manifest)})


class World:
    """The cases in one registry, each in another repository, and the answers of skopeo, which is asked about several at once."""

    def __init__(self, folder: Path, registry: Registry) -> None:
        needed("skopeo")
        self._folder = folder
        self._host = registry.host
        files = {"signer": SIGNER.pem, "log": LOG.pem, "stranger": STRANGER.pem, "bad": b"no key", "rsa": make_key("RSA-2048").pem}
        for name, pem in files.items():
            (folder / f"{name}.pem").write_bytes(pem)
        (folder / "registries.d").mkdir()
        (folder / "registries.d" / "a.yaml").write_text("default-docker:\n  use-sigstore-attachments: true\n")
        for number, (name, case) in enumerate(TABLE.items()):
            registry.put(IMAGE, f"case{number}", "1")
            registry.put(make_signature(case, f"{registry.host}/case{number}"), f"case{number}", f"{referrers_tag(IMAGE.root.digest)}.sig")
            requirement = {"type": "sigstoreSigned", "keyPath": "/keys/signer.pem", "signedIdentity": {"type": "matchRepository"}, **case.requirement}
            self.policy(name).write_text(json.dumps({"default": [requirement]}).replace("/keys/", f"{folder}/"))
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            self.answers = dict(zip(TABLE, pool.map(self._ask_skopeo, TABLE)))

    def policy(self, case: str) -> Path:
        return self._folder / f"{list(TABLE).index(case)}.json"

    def _name(self, case: str) -> str:
        return f"{self._host}/case{list(TABLE).index(case)}:1"

    def _ask_skopeo(self, case: str) -> tuple[bool, str]:
        options = ["--policy", str(self.policy(case)), "--registries.d", str(self._folder / "registries.d")]
        copy = ["copy", "--quiet", "--src-tls-verify=false", "--remove-signatures", f"docker://{self._name(case)}", f"dir:{self.policy(case)}.copy"]
        result = subprocess.run(["skopeo", *options, *copy], capture_output=True, text=True, check=False)
        return result.returncode == 0, result.stderr

    def ask_longshore(self, case: str) -> tuple[bool, str]:
        reference = Reference.parse(self._name(case))
        repository = Registries(ClientSettings()).repository(reference)
        root = repository.fetch_manifest(reference)
        graph = Graph(root, {root: repository.read_document(root)}, (), ())
        try:
            policy = read_policy({"trust": None, "trust_file": str(self.policy(case))})
            verdict = verify_image(policy, reference, graph, [RepositoryReferrers(repository)])
        except LongshoreError as error:
            return False, error.message
        assert not verdict.accepted or verdict.facts()["log"] == "checked"
        return verdict.accepted, verdict.reason


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[World]:
    with running_registry(tmp_path_factory.mktemp("registry")) as registry:
        yield World(tmp_path_factory.mktemp("cases"), registry)


@pytest.mark.parametrize("case", TABLE)
def test_longshore_decides_as_skopeo(case: str, world: World) -> None:
    answers = {"skopeo": world.answers[case], "Longshore": world.ask_longshore(case)}
    assert {who: accepted for who, (accepted, _said) in answers.items()} == dict.fromkeys(answers, TABLE[case].accepted), answers
