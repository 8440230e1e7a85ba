# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option `trust`: what a module refuses, what it accepts, and that nothing refused is stored, named, delivered or locked."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import modules, recorder
from tests.support.images import make_image, make_index
from tests.support.registry import Registry
from tests.support.trust import Key, make_key, put_simple_signature

HOST = "linux/amd64"


class Scene:
    """An image of two platforms at a registry, with its own repository and store."""

    def __init__(self, registry: Registry, folder: Path) -> None:
        self.registry = registry
        self.repository = f"trust/{Digest.of(str(folder).encode()).hex[:12]}"
        self.image = make_index(self.repository)
        self.name = registry.put(self.image, self.repository, "1")
        self.store = str(folder / "store")
        self.folder = folder

    def options(self, *keys: Key, **more: t.Any) -> dict[str, t.Any]:
        """Return options that accept only images signed by KEYS."""
        return {"name": [self.name], "store": self.store, "trust": [{"keys": [key.pem.decode() for key in keys]}], **more}

    def sign(self, key: Key | None = None, **more: t.Any) -> None:
        private = (key or make_key()).private_pem().decode()
        modules.run("image_sign", {"name": [self.name], "store": self.store, "privatekey_content": private, "recursive": False, **more})

    def sign_manifest(self, platform: str) -> None:
        node = next(node for node in self.image.graph.images if str(node.platform) == platform)
        put_simple_signature(self.registry, self.repository, node.descriptor, make_key(), f"{self.registry.host}/{self.repository}")

    def put_in_store(self) -> None:
        self.image.put(Store(self.store), self.name)

    @property
    def stored(self) -> list[str]:
        return [entry.label for entry in Store(self.store).reload().entries]


@pytest.fixture
def scene(anonymous: Registry, tmp_path: Path) -> Scene:
    return Scene(anonymous, tmp_path)


# Pull.


@pytest.mark.parametrize("form", ["bundle", "simple_signing"])
def test_a_signed_image_is_pulled_with_its_signature(form: str, scene: Scene) -> None:
    scene.sign(formats=[form], annotations={"stage": "prod"})
    done = modules.check_do_again("image_pull", scene.options(make_key(), platform=[HOST]))
    verification = done["images"][0]["verification"]
    assert verification == {
        "accepted": True,
        "reason": f"signed by key {make_key().public.fingerprint[:12]}",
        "error": None,
        "format": form,
        "key": make_key().public.fingerprint,
        "issuer": None,
        "identity": None,
        "digest": str(scene.image.root.digest),
        "log": "not_checked",
        "annotations": {"stage": "prod"},
        "attestations": [],
        "check": None,
        "rule": "",
        "platform": None,
        "candidates": 1,
        "signers": [f"key {make_key().public.fingerprint}"],
    }
    assert len(scene.stored) == 2


def test_an_unsigned_image_is_refused_and_an_earlier_one_stays(scene: Scene) -> None:
    for check in (True, False):
        result = modules.fail("image_pull", scene.options(make_key()), check=check)
        assert result["error"] == "unsigned"
        assert scene.name in result["msg"]
        verification = result["images"][0]["verification"]
        assert (verification["accepted"], verification["error"]) == (False, "unsigned")
        assert not Path(scene.store).exists()
    earlier = make_image("earlier")
    earlier.put(Store(scene.store), scene.name)
    before = modules.snapshot(scene.store)
    assert modules.fail("image_pull", scene.options(make_key()))["error"] == "unsigned"
    assert modules.snapshot(scene.store) == before


def test_an_image_that_was_pulled_without_trust_is_verified_when_it_is_unchanged(scene: Scene) -> None:
    scene.put_in_store()
    before = modules.snapshot(scene.store)
    for policy in ("always", "missing", "newer", "never"):
        assert modules.fail("image_pull", scene.options(make_key(), pull_policy=policy))["error"] == "unsigned"
    scene.sign()
    # These two ask no registry, and the store has no signature yet.
    for policy in ("missing", "never"):
        assert modules.fail("image_pull", scene.options(make_key(), pull_policy=policy))["error"] == "unsigned"
    assert modules.snapshot(scene.store) == before
    assert modules.run("image_pull", scene.options(make_key()))["changed"]
    assert not modules.run("image_pull", scene.options(make_key(), pull_policy="never"))["changed"]


def test_another_key_is_untrusted(scene: Scene) -> None:
    scene.sign(make_key(number=1))
    result = modules.fail("image_pull", scene.options(make_key()))
    assert result["error"] == "untrusted"
    assert "no accepted key made it" in result["msg"]
    assert modules.run("image_pull", scene.options(make_key(), make_key(number=1)))["changed"]


def test_one_refused_image_does_not_stop_the_others(scene: Scene) -> None:
    scene.sign()
    other = scene.registry.put(make_image("other"), f"{scene.repository}/other", "1")
    result = modules.fail("image_pull", scene.options(make_key(), name=[other, scene.name]))
    assert [row.get("error") for row in result["images"]] == ["unsigned", None]
    assert scene.name in scene.stored
    assert other not in scene.stored


def test_a_manifest_of_its_own_covers_only_itself(scene: Scene) -> None:
    scene.sign_manifest("linux/amd64")
    assert modules.fail("image_pull", scene.options(make_key(), platform=["linux/amd64", "linux/arm64"]))["error"] == "unsigned"
    assert modules.fail("image_pull", scene.options(make_key(), platform=["all"]))["error"] == "unsigned"
    assert modules.run("image_pull", scene.options(make_key(), platform=["linux/amd64"]))["images"][0]["platforms"] == ["linux/amd64"]


def test_an_empty_list_of_rules_refuses_everything(scene: Scene) -> None:
    scene.sign()
    assert modules.fail("image_pull", {**scene.options(), "trust": []})["error"] == "untrusted"
    assert modules.fail("image_pull", {**scene.options(), "trust": [{"scope": "docker.io", "accept": "anything"}]})["error"] == "untrusted"
    assert modules.run("image_pull", {**scene.options(), "trust": [{"accept": "anything"}]})["images"][0]["verification"]["accepted"]


def test_a_policy_file_is_read_on_the_host(scene: Scene) -> None:
    scene.sign()
    (scene.folder / "key.pub").write_bytes(make_key().pem)
    requirement = {"type": "sigstoreSigned", "keyPath": str(scene.folder / "key.pub"), "signedIdentity": {"type": "matchRepository"}}
    policy = scene.folder / "policy.json"
    policy.write_text(json.dumps({"default": [{"type": "reject"}], "transports": {"docker": {scene.registry.host: [requirement]}}}))
    options = {"name": [scene.name], "store": scene.store, "trust_file": str(policy)}
    assert modules.run("image_pull", options)["images"][0]["verification"]["format"] == "simple_signing"
    (scene.folder / "key.pub").unlink()
    verification = modules.run("image_info", options)["images"][0]["verification"]
    assert (verification["accepted"], verification["error"]) == (False, "invalid_trust")
    policy.write_text('{"default": [{"type": "reject"}]}')
    assert modules.fail("image_pull", options)["error"] == "untrusted"
    policy.write_text('{"default": []}')
    assert modules.fail("image_pull", options)["error"] == "invalid_trust"
    policy.unlink()
    assert modules.fail("image_pull", options)["error"] == "invalid_trust"


def test_keys_may_be_files_and_a_bad_one_stops_the_task(scene: Scene) -> None:
    scene.sign()
    (scene.folder / "key.pub").write_bytes(make_key().pem)
    rule = {"keys": [str(scene.folder / "key.pub")], "scope": scene.registry.host}
    assert modules.run("image_pull", {**scene.options(), "trust": [rule]})["changed"]
    for keys in (["/nowhere"], [""], [make_key().private_pem().decode()]):
        result = modules.fail("image_pull", {**scene.options(), "trust": [{**rule, "keys": keys}]})
        assert result["error"] == "invalid_trust"
        assert result["msg"].startswith(f"trust: the rule for {scene.registry.host!r}: key 1")
        assert "PRIVATE KEY-----" not in result["msg"]


def test_stored_signatures_need_no_request(scene: Scene, recording: recorder.Recorder) -> None:
    scene.sign()
    name = scene.name.replace(scene.registry.host, recording.host)
    options = scene.options(make_key(), name=[name])
    options["trust"][0]["repository"] = "any"
    modules.run("image_pull", options)
    recording.requests.clear()
    assert not modules.run("image_pull", options)["changed"]
    assert [request.method for request in recording.requests if "/manifests/" in request.path] == ["HEAD"]


# Other verbs.


def test_a_refused_signature_at_the_registry_does_not_replace_the_one_that_is_accepted(scene: Scene) -> None:
    signed = f"{scene.registry.host}/{scene.repository}"
    put_simple_signature(scene.registry, scene.repository, scene.image.root, make_key(), signed)
    modules.run("image_pull", scene.options(make_key()))
    put_simple_signature(scene.registry, scene.repository, scene.image.root, make_key(number=1), signed)
    second = scene.registry.put(scene.image, scene.repository, "2")
    modules.run("image_pull", scene.options(make_key(), name=[second]))
    assert not modules.run("image_pull", scene.options(make_key(), pull_policy="never"))["changed"]


def test_lock_verifies_before_it_locks(scene: Scene) -> None:
    path = scene.folder / "images.lock"
    options = {"name": [scene.name], "path": str(path), "trust": scene.options(make_key())["trust"]}
    assert modules.fail("image_lock", options)["error"] == "unsigned"
    assert not path.exists()
    scene.sign()
    done = modules.check_do_again("image_lock", options, place=path)
    assert done["images"][0]["verification"]["key"] == make_key().public.fingerprint
    # A lock that exists is verified too.
    options["trust"] = scene.options(make_key(number=1))["trust"]
    before = path.read_bytes()
    assert modules.fail("image_lock", options)["error"] == "untrusted"
    assert path.read_bytes() == before


def test_a_lock_needs_a_signature_for_everything_that_its_digest_can_give(scene: Scene) -> None:
    path = scene.folder / "images.lock"
    options = {"name": [scene.name], "path": str(path), "platform": [HOST], "trust": scene.options(make_key())["trust"]}
    scene.sign_manifest(HOST)
    refused = modules.fail("image_lock", options)
    assert refused["error"] == "unsigned"
    other = next(node for node in scene.image.graph.images if str(node.platform) != HOST)
    assert f"its image for {other.platform} ({other.descriptor.digest}) has none either" in refused["msg"]
    assert "a lock pins everything in the index" in refused["msg"]
    assert not path.exists()
    # A lock of the manifest gives nothing else.
    signed = next(node for node in scene.image.graph.images if str(node.platform) == HOST)
    single = {**options, "name": [f"{scene.name}@{signed.descriptor.digest}"]}
    assert modules.check_do_again("image_lock", single, place=path)["images"][0]["digest"] == str(signed.descriptor.digest)
    scene.sign_manifest(str(other.platform))
    both = {**options, "path": str(scene.folder / "both.lock")}
    assert modules.check_do_again("image_lock", both, place=both["path"])["images"][0]["digest"] == str(scene.image.root.digest)


def test_a_lock_refuses_an_index_whose_other_images_may_appear_later(scene: Scene) -> None:
    missing = next(node.descriptor for node in scene.image.graph.images if str(node.platform) != HOST)
    scene.sign_manifest(HOST)
    scene.registry.request("DELETE", f"{scene.repository}/manifests/{missing.digest}")
    options = {"name": [scene.name], "path": str(scene.folder / "lock"), "platform": [HOST], "trust": scene.options(make_key())["trust"]}
    refused = modules.fail("image_lock", options)
    assert refused["error"] == "unsigned"
    assert f"{missing.digest}, which its index lists, can't be read" in refused["msg"]


def test_info_describes_and_never_fails(scene: Scene) -> None:
    local = scene.options(make_key())
    remote = {**local, "remote": True}
    scene.put_in_store()
    for options in (local, remote):
        verification = modules.run("image_info", options)["images"][0]["verification"]
        assert (verification["accepted"], verification["error"], verification["reason"]) == (False, "unsigned", "it has no signature")
    scene.sign()
    scene.sign(remote=False)
    for options in (local, remote):
        assert modules.run("image_info", options)["images"][0]["verification"]["key"] == make_key().public.fingerprint


def test_copy_verifies_at_the_source(scene: Scene) -> None:
    trust = scene.options(make_key())["trust"]
    target = f"{scene.registry.host}/{scene.repository}/copy:1"
    layout = f"oci:{scene.folder}/layout:app:1"
    for dest in (target, layout):
        result = modules.fail("image_copy", {"images": [{"src": scene.name, "dest": dest}], "trust": trust})
        assert result["images"][0]["error"] == "unsigned"
    assert scene.registry.digest(f"{scene.repository}/copy", "1") is None
    assert not (scene.folder / "layout").exists()
    scene.sign()
    for dest in (target, layout):
        options = {"images": [{"src": scene.name, "dest": dest}], "trust": trust}
        assert modules.run("image_copy", options)["images"][0]["verification"]["accepted"]
        assert not modules.run("image_copy", options)["changed"]


def test_push_verifies_what_the_store_keeps(scene: Scene) -> None:
    scene.put_in_store()
    target = f"{scene.registry.host}/{scene.repository}/pushed:1"
    options = scene.options(make_key(), destination=target)
    assert modules.fail("image_push", options)["images"][0]["error"] == "unsigned"
    assert scene.registry.digest(f"{scene.repository}/pushed", "1") is None
    scene.sign(remote=False)
    assert modules.run("image_push", options)["images"][0]["verification"]["accepted"]
    assert not modules.run("image_push", options)["changed"]
    # The signature of the index covers a single platform of it too.
    assert modules.run("image_push", {**options, "destination": f"{target}-amd64", "platform": ["linux/amd64"]})["changed"]


def test_load_verifies_by_the_signatures_in_the_archive(scene: Scene) -> None:
    scene.sign()
    path = str(scene.folder / "app.tar")
    modules.run("image_pull", {"name": [scene.name], "store": scene.store, "platform": ["all"], "referrers": True})
    modules.run("image_save", {"name": [scene.name], "store": scene.store, "path": path})
    options = {"path": path, "store": str(scene.folder / "other"), "trust": scene.options(make_key(number=1))["trust"]}
    for check in (True, False):
        assert modules.fail("image_load", options, check=check)["error"] == "untrusted"
        assert not Path(options["store"]).exists()
    options["trust"] = scene.options(make_key())["trust"]
    done = modules.check_do_again("image_load", options)
    assert done["images"][0]["verification"]["key"] == make_key().public.fingerprint
    # From there it can be pulled without any request, and delivered, by the same signature.
    assert not modules.run("image_pull", scene.options(make_key(), store=options["store"], pull_policy="never"))["changed"]


def test_load_is_all_or_nothing(scene: Scene) -> None:
    scene.sign()
    path = str(scene.folder / "two.tar")
    modules.run("image_pull", {"name": [scene.name], "store": scene.store, "referrers": True})
    make_image("unsigned").put(Store(scene.store), "registry.test/unsigned:1")
    modules.run("image_save", {"name": [scene.name, "registry.test/unsigned:1"], "store": scene.store, "path": path})
    options = {"path": path, "store": str(scene.folder / "other"), "trust": scene.options(make_key())["trust"]}
    result = modules.fail("image_load", options)
    assert result["error"] == "unsigned"
    assert "registry.test/unsigned:1" in result["msg"]
    assert not Path(options["store"]).exists()
    assert modules.run("image_load", {**options, "name": [scene.name]})["changed"]
