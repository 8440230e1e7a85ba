# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An image gets a name only if the rules of that name accept it, whatever name it had before: for every verb that names images and takes `trust`."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.archive.reader import open_archive
from ansible_collections.longshore.images.plugins.module_utils.errors import TrustRefusal
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.oci.location import Location
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Platform
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.oci.referrers import referrers_tag
from ansible_collections.longshore.images.plugins.module_utils.places.engine.loading import EngineLoading
from ansible_collections.longshore.images.plugins.module_utils.places.sources import Places
from ansible_collections.longshore.images.plugins.module_utils.places.store.catalog import StoreCatalog
from ansible_collections.longshore.images.plugins.module_utils.places.store.loading import StoreLoading
from ansible_collections.longshore.images.plugins.module_utils.places.store.saving import StoreSaving
from ansible_collections.longshore.images.plugins.module_utils.places.store.source import LayoutSource
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from ansible_collections.longshore.images.plugins.module_utils.transfer.plan import Plan
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.trust.policy import TrustPolicy
from ansible_collections.longshore.images.plugins.module_utils.trust.rules import RuleOptions, read_rules
from ansible_collections.longshore.images.plugins.module_utils.verbs.copy import plan_copy
from ansible_collections.longshore.images.plugins.module_utils.verbs.deliver import plan_deliver
from ansible_collections.longshore.images.plugins.module_utils.verbs.load import LoadOptions, plan_load
from ansible_collections.longshore.images.plugins.module_utils.verbs.push import plan_push
from ansible_collections.longshore.images.plugins.module_utils.verbs.save import SaveOptions, plan_save
from tests.support.images import FakeRepository, make_image
from tests.support.memory_engine import MemoryEngine
from tests.support.modules import ROOT
from tests.support.trust import make_key, make_simple_signature

HOST = Platform.parse("linux/amd64")
IMAGE = make_image("image")
FREE, GUARDED = "free.test/lab/app:1", "guarded.test/prod/app:1"
KEY = make_key()
ANYTHING = RuleOptions("free.test", accept="anything")


class Destination(FakeRepository):
    """An empty repository to write to."""

    def __init__(self, reference: Reference) -> None:
        super().__init__({})
        self.registry = reference.registry
        self.repository = reference.repository
        self.name = reference.context


class Scene:
    """One image, named FREE or GUARDED, in a store, in an archive and in an engine."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self.store = Store(str(folder / "source"))
        IMAGE.put(self.store, name)
        self.engine = MemoryEngine()

    def sign(self, repository: str) -> None:
        tag = f"{Reference.parse(self.name).context}:{referrers_tag(IMAGE.root.digest)}.sig"
        make_simple_signature(IMAGE.root, KEY, repository).put(self.store, tag)

    def archive(self) -> str:
        path = self.folder / "saved.tar"
        with Workers(1) as workers:
            assert plan_save(StoreSaving(self.store), [Reference.parse(self.name)], SaveOptions(str(path), HOST)).apply(workers).errors == []
        return str(path)

    @property
    def places(self) -> Places:
        return Places(
            lambda unused: t.cast("t.Any", FakeRepository({self.name: IMAGE})),
            lambda reference: t.cast("t.Any", Destination(reference)),
            lambda *unused: t.cast("t.Any", self.engine),
            Store,
        )

    def copy(self, dest: str, trust: TrustPolicy) -> Plan:
        pairs = [(Location.parse(f"oci:{self.store.path}:{self.name}"), Location.parse_destination(dest))]
        with Workers(1) as workers:
            return plan_copy(pairs, places=self.places, selection=None, referrers=False, host=HOST, workers=workers, trust=trust)


def load_options(scene: Scene, new: str, trust: TrustPolicy) -> LoadOptions:
    return LoadOptions(HOST, renames=[(Reference.parse(scene.name), Reference.parse(new))], trust=trust)


def load(scene: Scene, new: str, trust: TrustPolicy) -> Plan:
    return plan_load(StoreLoading(Store(str(scene.folder / "target"))), open_archive(scene.archive()), load_options(scene, new, trust))


def load_by_digest(scene: Scene, new: str, trust: TrustPolicy) -> Plan:
    options = LoadOptions(HOST, renames=[(IMAGE.root.digest, Reference.parse(new))], trust=trust)
    return plan_load(StoreLoading(Store(str(scene.folder / "target"))), open_archive(scene.archive()), options)


def load_into_engine(scene: Scene, new: str, trust: TrustPolicy) -> Plan:
    return plan_load(EngineLoading(t.cast("t.Any", scene.engine)), open_archive(scene.archive()), load_options(scene, new, trust))


class EngineImages:
    """An engine whose images are those of the store."""

    store = None

    def __init__(self, store: Store) -> None:
        self._images = StoreCatalog(store, HOST)

    def find(self, selector: Reference | Digest) -> LayoutSource:
        return self._images.find(selector)


def push(scene: Scene, new: str, trust: TrustPolicy, images: t.Any = None) -> Plan:
    with Workers(1) as workers:
        return plan_push(
            images or StoreCatalog(scene.store, HOST),
            [(Reference.parse(scene.name), Reference.parse(new))],
            repository=scene.places.destination,
            selection=None,
            host=HOST,
            workers=workers,
            referrers=False,
            trust=trust,
        )


def push_from_engine(scene: Scene, new: str, trust: TrustPolicy) -> Plan:
    return push(scene, new, trust, EngineImages(scene.store))


def copy_to(scheme: str) -> t.Callable[[Scene, str, TrustPolicy], Plan]:
    return lambda scene, new, trust: scene.copy(scheme.format(folder=scene.folder) + new, trust)


VERBS: dict[str, t.Callable[[Scene, str, TrustPolicy], Plan]] = {
    "load": load,
    "load_by_digest": load_by_digest,
    "load_into_engine": load_into_engine,
    "push": push,
    "push_from_engine": push_from_engine,
    "copy_to_registry": copy_to(""),
    "copy_to_store": copy_to("store:{folder}/target:"),
    "copy_to_layout": copy_to("oci:{folder}/target:"),
    "copy_to_oci_archive": copy_to("oci-archive:{folder}/target.tar:"),
    "copy_to_docker_archive": copy_to("docker-archive:{folder}/target.tar:"),
    "copy_to_engine": copy_to("docker-daemon:"),
}
every_verb = pytest.mark.parametrize("verb", VERBS)


def refusal(scene: Scene, verb: str, new: str, *rules: RuleOptions) -> str | None:
    """Return the message of a refusal, None if the image would get its new name."""
    try:
        plan = VERBS[verb](scene, new, read_rules(rules))
    except TrustRefusal as error:
        return error.message
    if not plan.errors:
        assert plan.changed
        return None
    (refused,) = plan.errors
    assert isinstance(refused, TrustRefusal)
    assert not plan.changed
    return refused.message


@every_verb
def test_an_unsigned_image_never_gets_a_guarded_name(verb: str, tmp_path: Path) -> None:
    scene = Scene(tmp_path, FREE)
    guarded = RuleOptions("guarded.test", keys=(KEY.pem,))
    expected = f"{GUARDED}, the new name of {FREE}, is not signed: it has no signature (the rule for 'guarded.test' decided)"
    assert refusal(scene, verb, GUARDED, ANYTHING, guarded) == expected
    assert refusal(scene, verb, "free.test/other/app:2", ANYTHING, guarded) is None


@every_verb
def test_a_guarded_image_needs_its_signature_under_a_free_name_too(verb: str, tmp_path: Path) -> None:
    message = refusal(Scene(tmp_path, GUARDED), verb, FREE, ANYTHING, RuleOptions("guarded.test", keys=(KEY.pem,)))
    assert message is not None
    assert message.startswith(f"{GUARDED} is not signed")


@every_verb
def test_a_name_without_a_rule_is_refused(verb: str, tmp_path: Path) -> None:
    message = refusal(Scene(tmp_path, FREE), verb, "elsewhere.test/app:1", ANYTHING)
    assert message == f"elsewhere.test/app:1, the new name of {FREE}, is not trusted: no rule of trust is for it"


@every_verb
def test_a_signature_for_the_old_repository_is_accepted_under_the_new_name_only_if_its_rule_says_so(verb: str, tmp_path: Path) -> None:
    scene = Scene(tmp_path, FREE)
    old = Reference.parse(FREE).context
    scene.sign(old)
    signed = RuleOptions("free.test", keys=(KEY.pem,))
    message = refusal(scene, verb, GUARDED, signed, RuleOptions("guarded.test", keys=(KEY.pem,)))
    assert message is not None
    assert f"it is for the repository {old}" in message
    assert refusal(scene, verb, GUARDED, signed, RuleOptions("guarded.test", keys=(KEY.pem,), repository=old)) is None


@pytest.mark.parametrize(
    ("strict", "refused"), [("1", "free.test/lab/app:1 is not signed"), ("2", "free.test/lab/app:2, the new name of free.test/lab/app:1,")]
)
def test_a_delivery_by_digest_under_another_tag_needs_both_names(strict: str, refused: str, tmp_path: Path) -> None:
    scene = Scene(tmp_path, FREE)
    trust = read_rules([ANYTHING, RuleOptions(f"free.test/lab/app:{strict}", keys=(KEY.pem,))])
    wanted = Reference.parse(f"free.test/lab/app:2@{IMAGE.root.digest}")
    plan = plan_deliver(scene.store, scene.engine, [wanted], platform=None, host=HOST, trust=trust)
    assert not plan.changed
    assert [error.message.startswith(refused) for error in plan.errors] == [True]


def test_only_verbs_that_keep_a_name_check_one_name() -> None:
    """A verb that names images calls `check_names`. Pulls keep the name that was asked for."""
    found = {
        str(file.relative_to(ROOT / "plugins/module_utils"))
        for file in (ROOT / "plugins/module_utils").rglob("*.py")
        if file.name != "verification.py" and re.search(r"\bcheck_trust\(", file.read_text())
    }
    assert found == {"places/store/pulling.py", "places/engine/pulling.py"}
