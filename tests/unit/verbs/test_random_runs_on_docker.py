# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random runs of the verbs that change an engine, on a Docker in memory that loses blobs and has images partially, against a model."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import typing as t
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ansible_collections.longshore.images.plugins.module_utils.archive.reader import open_archive
from ansible_collections.longshore.images.plugins.module_utils.engine.address import Address
from ansible_collections.longshore.images.plugins.module_utils.engine.docker import open_docker
from ansible_collections.longshore.images.plugins.module_utils.engine.http_api import Api
from ansible_collections.longshore.images.plugins.module_utils.engine.interfaces import ManagedEngine
from ansible_collections.longshore.images.plugins.module_utils.errors import EngineError, ImageNotFound
from ansible_collections.longshore.images.plugins.module_utils.oci.location import Location
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Platform
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.oci.removal_matching import parse_removal_selector
from ansible_collections.longshore.images.plugins.module_utils.places.engine.catalog import EngineCatalog
from ansible_collections.longshore.images.plugins.module_utils.places.engine.loading import EngineLoading
from ansible_collections.longshore.images.plugins.module_utils.places.engine.pulling import EnginePulling
from ansible_collections.longshore.images.plugins.module_utils.places.filters import Filters
from ansible_collections.longshore.images.plugins.module_utils.places.protection import Protection
from ansible_collections.longshore.images.plugins.module_utils.places.retention import RetentionPolicy
from ansible_collections.longshore.images.plugins.module_utils.places.sources import Places
from ansible_collections.longshore.images.plugins.module_utils.registry.repository import Repository
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from ansible_collections.longshore.images.plugins.module_utils.transfer.plan import Plan
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs.copy import plan_copy
from ansible_collections.longshore.images.plugins.module_utils.verbs.deliver import plan_deliver
from ansible_collections.longshore.images.plugins.module_utils.verbs.load import LoadOptions, plan_load
from ansible_collections.longshore.images.plugins.module_utils.verbs.prune import plan_prune
from ansible_collections.longshore.images.plugins.module_utils.verbs.pull import PullPolicy, plan_pull
from ansible_collections.longshore.images.plugins.module_utils.verbs.remove import plan_remove
from ansible_collections.longshore.images.plugins.module_utils.verbs.tag import plan_tag
from tests.support.archives import index_entry, index_file, layout, pack
from tests.support.docker_daemon import DockerDaemon
from tests.support.engines import HOST, OTHER
from tests.support.images import FakeRepository, Image, list_in_index, make_image, make_layer
from tests.support.random_runs import run_machine
from tests.support.verbs import NOW

PLATFORM = Platform.parse(HOST)
LAYER = make_layer("shared", 1000)
IMAGES = {
    "plain": make_image("plain", 1, HOST, shared=[LAYER]),
    "other": make_image("other", 1, HOST, shared=[LAYER]),
    "index": list_in_index(make_image("index-host", 1, HOST, shared=[LAYER]), make_image("index-other", 1, OTHER)),
}
NAMES = ("docker.io/team/a:1", "docker.io/team/a:2", "docker.io/team/b:1")
NAME, IMAGE = st.sampled_from(NAMES), st.sampled_from(sorted(IMAGES))
TWO_NAMES = st.lists(NAME, min_size=1, max_size=2, unique=True)


class TeamRepository(FakeRepository):
    """One of the repositories that the names are in. It has images by tag and by digest."""

    def __init__(self, images: t.Mapping[str, Image], reference: Reference) -> None:
        super().__init__({name: image for name, image in images.items() if Reference.parse(name).context == reference.context})
        self.registry, self.repository = reference.registry, reference.repository

    def probe(self, reference: Reference) -> Descriptor | None:
        digests = {image.root.digest: image.root for image in self.images.values()}
        return digests.get(reference.digest) if reference.digest is not None else super().probe(reference)

    def read_document(self, descriptor: Descriptor) -> bytes:
        if not self.has_blob(descriptor):
            raise ImageNotFound(f"{descriptor.digest} is not in this repository", status=404)
        return super().read_document(descriptor)


class DockerRuns(RuleBasedStateMachine):
    """A Docker, and the image that each of its names has. `lost` are the blobs that it lost."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="ls-"))
        self.store = Store(str(self.folder / "store"))
        self.cleanup = contextlib.ExitStack()
        self.named: dict[str, str] = {}
        self.lost: set[str] = set()

    @initialize(reports_manifests=st.booleans())
    def start(self, reports_manifests: bool) -> None:
        self.daemon = self.cleanup.enter_context(DockerDaemon(reports_manifests).running())

    @property
    def engine(self) -> ManagedEngine:
        return open_docker(Api(Address.unix(self.daemon.address.removeprefix("unix://")), "docker", 30.0))

    def _apply(self, make_plan: t.Callable[[], Plan], repeats: bool = True) -> None:
        """Check mode predicts the run and sends nothing, and the next run changes nothing."""
        names, received = dict(self.daemon.names), len(self.daemon.received)
        with Workers(1) as workers:
            plan = make_plan()
            assert (self.daemon.names, len(self.daemon.received)) == (names, received)
            done = plan.apply(workers)
            assert done.errors == []
            assert (plan.changed, plan.diff(), plan.actions()) == (done.changed, done.diff(), done.actions())
            assert not repeats or not make_plan().changed

    @rule(name=NAME, image=IMAGE)
    def deliver(self, name: str, image: str) -> None:
        IMAGES[image].put(self.store, name)
        self._apply(lambda: plan_deliver(self.store, self.engine, [Reference.parse(name)], platform=None, host=PLATFORM))
        self._has(name, image)

    @rule(names=TWO_NAMES, images=st.lists(IMAGE, min_size=2, max_size=2))
    def load(self, names: list[str], images: list[str]) -> None:
        wanted = dict(zip(names, images))
        entries = [index_entry(IMAGES[image], name) for name, image in wanted.items()]
        path = self.folder / "archive.tar"
        path.write_bytes(pack(layout(index_file(*entries), *(IMAGES[image] for image in wanted.values()))))
        self._apply(lambda: plan_load(EngineLoading(self.engine), open_archive(str(path)), LoadOptions(PLATFORM)))
        for name, image in wanted.items():
            self._has(name, image)

    @rule(names=TWO_NAMES, images=st.lists(IMAGE, min_size=2, max_size=2))
    def pull(self, names: list[str], images: list[str]) -> None:
        wanted = dict(zip(names, images))
        images_by_name = {name: IMAGES[image] for name, image in wanted.items()}

        def open_repository(reference: Reference) -> Repository:
            return t.cast(Repository, TeamRepository(images_by_name, reference))

        def make_plan() -> Plan:
            references = [Reference.parse(name) for name in wanted]
            place = EnginePulling(self.engine, open_repository, selection=None, host=PLATFORM)
            return plan_pull(place, references, PullPolicy.ALWAYS)

        self._apply(make_plan)
        for name, image in wanted.items():
            self._has(name, image)

    @rule(name=NAME, image=IMAGE)
    def copy_into_docker(self, name: str, image: str) -> None:
        IMAGES[image].put(self.store, name)
        self._copy(f"store:{self.store.path}:{name}", f"docker-daemon:{name}")
        self._has(name, image)

    @rule(name=NAME)
    def copy_to_a_layout(self, name: str) -> None:
        """Docker gives what it has. An image that lost a blob is refused, or has no less in the layout than it should."""
        if name not in self.named or name not in self._listed() or not self.daemon.has(name, IMAGES[self.named[name]], HOST):
            return
        self._copy(f"docker-daemon:{name}", f"oci:{self.folder}/layout:{name}")
        layout = Store(str(self.folder / "layout"))
        entry = layout.get_complete_entry(Reference.parse(name))
        assert entry.digest == IMAGES[self.named[name]].root.digest

    def _copy(self, source: str, destination: str) -> None:
        def refuse(*unused: object) -> t.NoReturn:
            raise AssertionError("no other place is used")

        places = Places(refuse, refuse, lambda _scheme, _namespace: self.engine, Store)
        pair = Location.parse(source), Location.parse_destination(destination)

        def make_plan() -> Plan:
            with Workers(1) as workers:
                return plan_copy([pair], places=places, selection=None, referrers=True, host=PLATFORM, workers=workers)

        self._apply(make_plan)

    @rule(kept=TWO_NAMES)
    def prune(self, kept: list[str]) -> None:
        """All images go but those with a protected name, which keep their other names, and those that Docker doesn't list."""
        listed = self._listed()
        protected = {self.named[name] for name in kept if name in self.named}
        self._apply(lambda: plan_prune(EngineCatalog(self.engine, PLATFORM), RetentionPolicy(keep=0), Filters(), Protection.parse(kept), NOW))
        self.named = {name: image for name, image in self.named.items() if image in protected or name not in listed}

    @rule(source=NAME, names=TWO_NAMES)
    def tag(self, source: str, names: list[str]) -> None:
        def make_plan() -> Plan:
            return plan_tag(EngineCatalog(self.engine, PLATFORM), Reference.parse(source), [Reference.parse(name) for name in names])

        if source not in self._listed():
            with pytest.raises(ImageNotFound):
                make_plan()
            return
        self._apply(make_plan)
        self.named.update(dict.fromkeys(names, self.named[source]))

    @rule(names=TWO_NAMES)
    def remove(self, names: list[str]) -> None:
        unlisted = set(self.named) - self._listed()
        self._apply(lambda: plan_remove(EngineCatalog(self.engine, PLATFORM), [parse_removal_selector(name) for name in names]))
        self.named = {name: image for name, image in self.named.items() if name not in names or name in unlisted}

    @rule(name=NAME, platform=st.sampled_from([HOST, OTHER]))
    def pull_one_platform_with_docker(self, name: str, platform: str) -> None:
        self.daemon.pull(name, IMAGES["index"], platform)
        self.named[name] = "index"

    @precondition(lambda self: self.named)
    @rule(data=st.data())
    def lose_a_blob(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.named)))
        blobs = [str(blob.digest) for blob in IMAGES[self.named[name]].blobs if str(blob.digest) in self.daemon.blobs]
        if blobs:
            lost = data.draw(st.sampled_from(blobs))
            self.lost.add(lost)
            self.daemon.lose(lost)

    @rule(name=NAME, image=IMAGE)
    def fail_to_unpack(self, name: str, image: str) -> None:
        """An image that Docker can't unpack is an error. Its name may have moved; the next run completes it."""
        IMAGES[image].put(self.store, name)
        self.daemon.unpack_error = "no permission to mount"
        plan = plan_deliver(self.store, self.engine, [Reference.parse(name)], platform=None, host=PLATFORM)
        with Workers(1) as workers:
            done = plan.apply(workers)
        self.daemon.unpack_error = ""
        if plan.changed:
            assert [type(error) for error in done.errors] != []
            assert all(isinstance(error, EngineError) for error in done.errors)
        if self.daemon.names.get(name) == str(IMAGES[image].root.digest):
            self.named[name] = image
        self.deliver(name, image)

    def _listed(self) -> set[str]:
        return {str(name) for image in self.engine.list_images(PLATFORM) for name in image.names}

    def _has(self, name: str, image: str) -> None:
        self.named[name] = image
        assert self.daemon.has(name, IMAGES[image], HOST) or self._hides_a_lost_layer(name, IMAGES[image])

    def _hides_a_lost_layer(self, name: str, image: Image) -> bool:
        """Return whether the limit in docs/engines.md applies: Docker 26 doesn't show that an index lost an unpacked layer if another platform is complete."""
        if self.daemon.reports_manifests or not image.root.is_index or not self.daemon.has(name, image, OTHER):
            return False
        host = next(node for node in image.graph.images if node.platform == PLATFORM)
        missing = {str(digest) for digest in image.sparse(HOST).content} - set(self.daemon.blobs)
        lost_layers = self.lost & {str(layer.digest) for layer in host.manifest.layers}
        return missing <= lost_layers and self.daemon.is_unpacked(image, HOST)

    @invariant()
    def names_are_as_the_model_says(self) -> None:
        if hasattr(self, "daemon"):
            assert self.daemon.names == {name: str(IMAGES[image].root.digest) for name, image in self.named.items()}

    def teardown(self) -> None:
        self.cleanup.close()
        shutil.rmtree(self.folder)


def test_random_runs_complete_every_image_in_docker(pytestconfig: pytest.Config) -> None:
    run_machine(DockerRuns, pytestconfig, sequences=15, steps=12)
