# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""cosign, skopeo and podman accept what image_sign and image_attest make, at a registry and in a store."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import engines, modules, signing
from tests.support.images import make_index
from tests.support.registry import Registry, needed, running_registry
from tests.support.signing import BUNDLE_TYPE, INSECURE, list_in_layout
from tests.support.trust import KINDS, Key, make_key

REVIEW = "https://example.com/review"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Registry]:
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def image(registry: Registry, tmp_path: Path) -> str:
    """Return the name of an unsigned image for two platforms. Every test has another one."""
    text = Digest.of(str(tmp_path).encode()).hex[:12]
    return registry.put(make_index(text), f"team/{text}", "1")


def options(image: str, tmp_path: Path, key: Key, **more: t.Any) -> dict[str, t.Any]:
    return {"name": [image], "store": str(tmp_path / "store"), "privatekey_content": key.private_pem().decode(), **more}


def cosign(tmp_path: Path, key: Key, *words: str) -> str:
    """Run cosign with the public key, without any network but the registry."""
    needed("cosign")
    (tmp_path / "key.pub").write_bytes(key.pem)
    (tmp_path / "root.json").write_text('{"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}')
    command = ["cosign", words[0], "--key", str(tmp_path / "key.pub"), "--insecure-ignore-tlog", *INSECURE, *words[1:]]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=modules.environment(HOME=str(tmp_path)))
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_cosign_accepts_signatures(kind: str, image: str, tmp_path: Path) -> None:
    key = make_key(kind)
    sign = modules.check_do_again if kind == "P-256" else modules.run
    sign("image_sign", options(image, tmp_path, key, annotations={"stage": "prod"}))
    signed = json.loads(cosign(tmp_path, key, "verify", "-a", "stage=prod", image))
    assert signed[0]["optional"] == {"stage": "prod"}


@pytest.mark.parametrize("kind", ["P-256", "RSA-2048", "Ed25519"])
def test_cosign_accepts_attestations(kind: str, image: str, tmp_path: Path) -> None:
    """Cosign 2 verifies bundles over SHA-256 only; from version 3 on it uses the hash of the curve, as we do for P-384 and P-521."""
    key = make_key(kind)
    attest = modules.check_do_again if kind == "P-256" else modules.run
    attest("image_attest", options(image, tmp_path, key, type=REVIEW, predicate={"ok": True}))
    root = ("--trusted-root", str(tmp_path / "root.json"))
    envelope = json.loads(cosign(tmp_path, key, "verify-attestation", "--new-bundle-format", *root, "--type", REVIEW, image))
    assert json.loads(base64.b64decode(envelope["payload"]))["predicate"] == {"ok": True}


@pytest.mark.parametrize("kind", ["P-256", "P-384", "RSA-2048", "Ed25519"])
def test_cosign_2_accepts_attestations_under_its_tag(kind: str, image: str, tmp_path: Path) -> None:
    key = make_key(kind)
    attest = modules.check_do_again if kind == "P-256" else modules.run
    for predicate in ({"ok": True}, {"ok": False}):
        attest("image_attest", options(image, tmp_path, key, type=REVIEW, predicate=predicate, formats=["bundle", "att"]))
    found = [json.loads(line) for line in cosign(tmp_path, key, "verify-attestation", "--type", REVIEW, image).splitlines()]
    assert [json.loads(base64.b64decode(one["payload"]))["predicate"] for one in found] == [{"ok": True}, {"ok": False}]


def test_the_commands_of_the_guide_accept_an_sbom(image: str, tmp_path: Path) -> None:
    guide = (modules.ROOT / "docs" / "trust.md").read_text()
    commands = re.findall(r"^```sh\n(cosign verify-attestation .*)\n```$", guide, re.MULTILINE)
    assert len(commands) == 2
    key = make_key()
    modules.run("image_attest", options(image, tmp_path, key, type="spdx", predicate={"spdxVersion": "SPDX-2.3"}, formats=["bundle", "att"]))
    for command in commands:
        words = command.replace("root.json", str(tmp_path / "root.json")).replace("--key release.pub --insecure-ignore-tlog ", "").split()
        found = cosign(tmp_path, key, *words[1:-1], image)
        assert json.loads(base64.b64decode(json.loads(found)["payload"]))["predicate"] == {"spdxVersion": "SPDX-2.3"}


def test_attestations_of_cosign_2_are_accepted_and_kept(image: str, tmp_path: Path) -> None:
    needed("cosign")
    keys = signing.make_keys(tmp_path)
    (keys / "predicate.json").write_text('{"reviewed": true}')
    signing.sign(keys, image)
    words = ("--key", "cosign.key", "--tlog-upload=false", "--yes", "--type", REVIEW, "--predicate", "predicate.json")
    signing.cosign(keys, "attest", *words, *INSECURE, image)
    rule = {"keys": [str(keys / "cosign.pub")], "attestations": [{"type": REVIEW}]}
    store = str(tmp_path / "store")
    done = modules.run("image_pull", {"name": [image], "store": store, "trust": [rule], "platform": ["all"]})
    assert done["images"][0]["verification"]["attestations"] == [REVIEW]
    assert modules.run("image_info", {"name": [image], "store": store, "trust": [rule]})["images"][0]["verification"]["accepted"]
    modules.run("image_attest", options(image, tmp_path, make_key(), type=REVIEW, predicate={"ok": True}, formats=["att"]))
    assert modules.run("image_info", {"name": [image], "remote": True, "trust": [rule]})["images"][0]["verification"]["accepted"]


@pytest.mark.parametrize("tool", ["skopeo", "podman"])
def test_skopeo_and_podman_accept_signatures(tool: str, image: str, tmp_path: Path) -> None:
    needed(tool)
    key = make_key()
    name = Reference.parse(image)
    settings = tmp_path / ".config" / "containers" / "registries.d"
    settings.mkdir(parents=True)
    (settings / "test.yaml").write_text("default-docker:\n  use-sigstore-attachments: true\n")
    (tmp_path / "key.pub").write_bytes(key.pem)
    requirement = {"type": "sigstoreSigned", "keyPath": str(tmp_path / "key.pub"), "signedIdentity": {"type": "matchRepository"}}
    (tmp_path / "policy.json").write_text(json.dumps({"default": [{"type": "reject"}], "transports": {"docker": {name.registry: [requirement]}}}))
    if tool == "skopeo":
        copy = ["copy", "--quiet", "--src-tls-verify=false", "--remove-signatures", f"docker://{image}", f"dir:{tmp_path}/copy"]
        command = ["skopeo", "--policy", str(tmp_path / "policy.json"), *copy]
    else:
        storage = ["--root", str(tmp_path / "root"), "--runroot", str(tmp_path / "run"), "--storage-driver", "vfs"]
        command = ["podman", *storage, "pull", "--quiet", "--tls-verify=false", "--signature-policy", str(tmp_path / "policy.json"), image]

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, capture_output=True, text=True, check=False, env=modules.environment(HOME=str(tmp_path)))

    assert "signature was required" in run().stderr
    modules.run("image_sign", options(image, tmp_path, key))
    done = run()
    assert done.returncode == 0, done.stderr


def test_a_store_is_signed_as_a_registry_is(tmp_path: Path) -> None:
    """oras lists the bundles in the store, and cosign's tag has a name there."""
    needed("oras")
    name = "registry.test/team/app:1"
    image = make_index("stored")
    store = Store(str(tmp_path / "store"))
    image.sparse("linux/amd64").put(store, name, platforms=["linux/amd64"])
    done = modules.check_do_again("image_sign", options(name, tmp_path, make_key(), remote=False))
    assert len(done["images"][0]["signatures"]) == 6
    digest = image.root.digest
    assert list_in_layout(store.path, digest) == {BUNDLE_TYPE}
    assert store.reload().get_named(Reference.parse(f"registry.test/team/app:sha256-{digest.hex}.sig")) is not None


@pytest.mark.parametrize("form", ["tag", "referrer"])
def test_what_cosign_signs_is_accepted(form: str, image: str, tmp_path: Path) -> None:
    needed("cosign")
    keys = signing.make_keys(tmp_path)
    rule: dict[str, t.Any] = {"keys": [str(keys / "cosign.pub")]}
    pull = {"name": [image], "store": str(tmp_path / "store"), "trust": [rule]}
    assert modules.fail("image_pull", pull)["error"] == "unsigned"
    (signing.sign if form == "tag" else signing.sign_as_referrer)(keys, image)
    assert modules.run("image_pull", pull)["images"][0]["verification"]["format"] == "simple_signing"
    rule["attestations"] = ["https://example.com/review"]
    assert "no accepted attestation" in modules.fail("image_pull", pull)["msg"]
    signing.attest(keys, image)
    assert modules.run("image_pull", pull)["images"][0]["verification"]["attestations"] == ["https://example.com/review"]


def test_an_image_that_is_refused_is_not_delivered(podman: engines.Podman, tmp_path: Path) -> None:
    name = "registry.test/team/app:1"
    store = str(tmp_path / "store")
    make_index("delivered").put(Store(store), name)
    deliver = {"name": [name], "store": store, "engine": "podman", "trust": [{"keys": [make_key().pem.decode()]}]}
    env = {"PATH": f"{podman.program(tmp_path / 'bin')}:{os.environ['PATH']}"}
    for check in (True, False):
        assert modules.fail("image_deliver", deliver, check=check, env=env)["images"][0]["error"] == "unsigned"
    assert podman.names() == set()
    modules.run("image_sign", options(name, tmp_path, make_key(), remote=False))
    done = modules.run("image_deliver", deliver, env=env)
    assert done["changed"]
    assert done["images"][0]["verification"]["key"] == make_key().public.fingerprint
    assert not modules.run("image_deliver", deliver, env=env)["changed"]
    assert podman.names() == {name}
