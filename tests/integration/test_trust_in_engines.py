# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pulls into an engine with trust: images are verified at a real registry, on every run, and nothing refused gets into the engine."""

from __future__ import annotations

import dataclasses
import functools
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Platform, Selection
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.places.engine.pulling import EnginePulling
from ansible_collections.longshore.images.plugins.module_utils.registry.config.settings import ClientSettings, HostSettings
from ansible_collections.longshore.images.plugins.module_utils.registry.registries import Registries
from ansible_collections.longshore.images.plugins.module_utils.transfer.plan import TransferPlan
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.trust.policy import TrustPolicy
from ansible_collections.longshore.images.plugins.module_utils.trust.rules import RuleOptions, read_rules
from ansible_collections.longshore.images.plugins.module_utils.verbs.pull import PullPolicy, plan_pull
from tests.support.images import Image, make_image, make_index
from tests.support.memory_engine import MemoryEngine, engine_image
from tests.support.recorder import Recorder
from tests.support.registry import Registry, free_port
from tests.support.trust import Key, make_key, put_simple_signature

HOST = Platform.parse("linux/amd64")
PLATFORMS = ("linux/amd64", "linux/arm64", "linux/s390x")
ANYTHING = read_rules([RuleOptions("", accept="anything")])

# One engine keeps digests, the other IDs only.
on_both = pytest.mark.parametrize("keeps_digests", [True, False], ids=["digests", "ids"])


def signed_by(key: Key) -> TrustPolicy:
    return read_rules([RuleOptions("", keys=(key.pem,))])


@dataclasses.dataclass
class Scene:
    """An image at a registry, and an engine that gets it."""

    registry: Registry
    repository: str
    engine: MemoryEngine

    @functools.cached_property
    def image(self) -> Image:
        return make_index(self.repository, PLATFORMS)

    @property
    def name(self) -> str:
        return f"{self.registry.host}/{self.repository}:1"

    def put(self, image: Image) -> None:
        self.registry.put(image, self.repository, "1")

    def sign(self, image: Image | None = None) -> None:
        put_simple_signature(self.registry, self.repository, (image or self.image).root, make_key(), f"{self.registry.host}/{self.repository}")

    def sign_manifest(self, platform: Platform) -> None:
        node = next(node for node in self.image.graph.images if node.platform == platform)
        put_simple_signature(self.registry, self.repository, node.descriptor, make_key(), f"{self.registry.host}/{self.repository}")

    def plan(
        self, trust: TrustPolicy | None, policy: str = "always", name: str = "", host: str = "", platforms: t.Sequence[str] = ()
    ) -> TransferPlan:
        registries = Registries(ClientSettings(default=HostSettings(plain_http=True), retries=1))
        reference = Reference.parse(name or self.name)

        def repository(asked: Reference) -> t.Any:
            return registries.repository(dataclasses.replace(asked, registry=host or asked.registry))

        selection = Selection.parse(platforms) if platforms else None
        place = EnginePulling(self.engine, repository, selection=selection, host=HOST, trust=trust)
        return plan_pull(place, [reference], PullPolicy(policy))

    def pull(self, trust: TrustPolicy | None, policy: str = "always", name: str = "") -> TransferPlan:
        with Workers(1) as workers:
            return self.plan(trust, policy, name).apply(workers)

    def refusal(self, trust: TrustPolicy | None, policy: str = "always", name: str = "", host: str = "") -> str:
        """Return the error of a pull that changes nothing."""
        plan = self.plan(trust, policy, name, host)
        assert not plan.changed
        (error,) = plan.errors
        return error.cause

    def accepted(self, trust: TrustPolicy | None, policy: str = "always", name: str = "") -> bool:
        """Return whether an unchanged image is accepted."""
        plan = self.plan(trust, policy, name)
        assert (plan.errors, plan.changed) == ([], False)
        (row,) = plan.rows()
        return bool(row["verification"]["accepted"])


@pytest.fixture
def scene(anonymous: Registry, tmp_path: Path, keeps_digests: bool) -> Scene:
    scene = Scene(anonymous, f"trust-engine/{Digest.of(str(tmp_path).encode()).hex[:12]}", MemoryEngine(loads_oci=keeps_digests))
    scene.put(scene.image)
    return scene


@on_both
def test_only_a_signed_image_gets_into_the_engine(scene: Scene) -> None:
    trust = signed_by(make_key())
    assert scene.refusal(trust) == "unsigned"
    scene.sign()
    assert scene.refusal(signed_by(make_key(number=1))) == "untrusted"
    assert (scene.engine.loaded_blobs, scene.engine.images) == ([], {})
    done = scene.pull(trust)
    (row,) = done.rows()
    assert (row["changed"], row["verification"]["accepted"], row["verification"]["digest"]) == (True, True, str(scene.image.root.digest))
    assert row["platforms"] == ["linux/amd64"]


@on_both
def test_an_image_is_verified_on_every_run_by_every_policy(scene: Scene) -> None:
    scene.pull(None)
    trust, other = signed_by(make_key()), signed_by(make_key(number=1))
    pinned = f"{scene.name}@{scene.image.root.digest}"
    for policy in ("always", "missing", "newer", "never"):
        assert scene.refusal(trust, policy) == "unsigned"
        assert scene.refusal(read_rules([]), policy) == "untrusted"
        assert scene.accepted(ANYTHING, policy)
    scene.sign()
    for policy in ("always", "missing", "newer"):
        assert scene.accepted(trust, policy)
        assert scene.accepted(trust, policy, pinned)
        assert scene.refusal(other, policy) == "untrusted"
        assert scene.refusal(other, policy, pinned) == "untrusted"
    # This policy sends no request, and an engine holds no signatures.
    assert scene.refusal(trust, "never") == "unsigned"


@on_both
def test_a_moved_tag_is_refused_and_the_earlier_image_stays(scene: Scene, keeps_digests: bool) -> None:
    trust = signed_by(make_key())
    scene.sign()
    scene.pull(trust)
    before = dict(scene.engine.images)
    scene.put(make_image("moved there"))
    assert scene.refusal(trust) == "unsigned"
    # The signature of the engine's image is found by its digest, if the engine keeps that.
    if keeps_digests:
        assert scene.accepted(trust, "missing")
    else:
        (error,) = scene.plan(trust, "missing").errors
        assert error.cause == "unsigned"
        assert scene.refusal(read_rules([RuleOptions("", accept="nothing")]), "missing") == "untrusted"
        assert scene.accepted(ANYTHING, "missing")
    assert scene.engine.images == before


@pytest.mark.parametrize("keeps_digests", [True])
def test_an_image_is_accepted_by_the_signature_of_its_index_or_of_its_manifest(scene: Scene) -> None:
    """Podman keeps the ID and both digests, in any order, and digests of other repositories."""
    node = next(node for node in scene.image.graph.images if node.platform == HOST)
    digests = (Digest.of(b"of another repository"), node.descriptor.digest, scene.image.root.digest)
    name = Reference.parse(scene.name)
    scene.engine.images[name] = engine_image([name], digests, node.manifest.config.digest)
    trust = signed_by(make_key())
    assert scene.refusal(trust, "missing") == "unsigned"
    scene.sign()
    assert scene.accepted(trust, "missing")
    # The engine has another image than its digests say.
    scene.engine.images[name] = engine_image([name], digests, Digest.of(b"another image"))
    assert scene.refusal(trust, "missing") == "unsigned"


@on_both
def test_a_registry_that_cant_be_asked_is_the_error_unless_no_signature_is_needed(scene: Scene) -> None:
    scene.sign()
    scene.pull(None)
    trust, closed = signed_by(make_key()), f"127.0.0.1:{free_port()}"
    for policy in ("always", "missing", "newer"):
        assert scene.refusal(trust, policy, host=closed) == "unreachable"
    (row,) = scene.plan(ANYTHING, "newer", host=closed).rows()
    assert row["verification"]["accepted"]
    with Recorder(scene.registry.host).running() as failing:
        failing.intercept = lambda recorded: 500 if "/manifests/sha256-" in recorded.path else None
        for policy in ("always", "missing", "newer"):
            assert scene.refusal(trust, policy, host=failing.host) == "registry_error"


@pytest.mark.parametrize("keeps_digests", [True])
def test_the_signature_of_one_platform_is_not_enough_for_several(scene: Scene) -> None:
    scene.engine.holds_several_platforms = True
    trust = signed_by(make_key())
    scene.sign_manifest(HOST)
    assert scene.plan(trust).errors == []
    for platforms in (["all"], PLATFORMS[:2]):
        assert [error.cause for error in scene.plan(trust, platforms=platforms).errors] == ["unsigned"]
    scene.sign()
    for platforms, digest in ((["all"], scene.image.root.digest), (PLATFORMS[:2], None)):
        plan = scene.plan(trust, platforms=platforms)
        (row,) = plan.rows()
        assert (plan.errors, row["verification"]["digest"]) == ([], str(scene.image.root.digest))
        assert digest is None or row["digest"] == str(digest)


@pytest.mark.parametrize("keeps_digests", [True])
def test_a_digest_cant_name_some_platforms_of_its_index(scene: Scene) -> None:
    scene.engine.holds_several_platforms = True
    pinned = f"{scene.registry.host}/{scene.repository}@{scene.image.root.digest}"
    assert scene.plan(None, name=pinned, platforms=["all"]).errors == []
    (error,) = scene.plan(None, name=pinned, platforms=PLATFORMS[:2]).errors
    assert (error.cause, "only some platforms" in error.message) == ("invalid_option", True)
