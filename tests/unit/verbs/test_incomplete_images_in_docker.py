# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Docker lists images that it doesn't have completely. Every verb that sends images into Docker completes such an image or fails."""

from __future__ import annotations

import gzip
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.archive.reader import open_archive
from ansible_collections.longshore.images.plugins.module_utils.engine.address import Address
from ansible_collections.longshore.images.plugins.module_utils.engine.docker import open_docker
from ansible_collections.longshore.images.plugins.module_utils.engine.http_api import Api
from ansible_collections.longshore.images.plugins.module_utils.engine.interfaces import ManagedEngine
from ansible_collections.longshore.images.plugins.module_utils.errors import EngineError, LongshoreError
from ansible_collections.longshore.images.plugins.module_utils.oci.location import Location
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor, describe_document
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Platform, Selection
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.places.engine.loading import EngineLoading
from ansible_collections.longshore.images.plugins.module_utils.places.engine.pulling import EnginePulling
from ansible_collections.longshore.images.plugins.module_utils.places.sources import Places
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from ansible_collections.longshore.images.plugins.module_utils.transfer.plan import TransferPlan
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs.copy import plan_copy
from ansible_collections.longshore.images.plugins.module_utils.verbs.deliver import plan_deliver
from ansible_collections.longshore.images.plugins.module_utils.verbs.load import LoadOptions, plan_load
from ansible_collections.longshore.images.plugins.module_utils.verbs.pull import PullPolicy, plan_pull
from tests.support.archives import index_entry, index_file, layout, oci, pack
from tests.support.docker_daemon import DockerDaemon
from tests.support.engines import HOST, OTHER
from tests.support.images import FakeRepository, Image, list_in_index, make_image, make_layer

NAME = "docker.io/library/app:1"
BASE = "docker.io/library/app:base"
PLATFORM = Platform.parse(HOST)

LAYER = make_layer("base", 30_000)
# Two platforms with different layers: Docker has one, and the other is needed.
BASE_INDEX = list_in_index(make_image("base-host", 0, HOST, shared=[LAYER]), make_image("base-other", 1, OTHER))
TWIN = make_image("base-host", 0, HOST, shared=[gzip.compress(gzip.decompress(LAYER), 1, mtime=0)])
APP = make_image("app", 1, HOST, shared=[LAYER])
APP_INDEX = list_in_index(make_image("app-host", 1, HOST, shared=[LAYER]), make_image("app-other", 1, OTHER))


class Scene:
    """A daemon, and the images at the place from which a verb sends them."""

    def __init__(self, daemon: DockerDaemon, folder: Path) -> None:
        self.daemon = daemon
        self.folder = folder
        self.images: dict[str, Image] = {}

    @property
    def engine(self) -> ManagedEngine:
        return open_docker(Api(Address.unix(self.daemon.address.removeprefix("unix://")), "docker", 30.0))


Send = t.Callable[..., TransferPlan]


def _deliver(scene: Scene, selection: Selection | None, unused_workers: Workers) -> TransferPlan:
    store = Store(str(scene.folder / "store"))
    for name, image in scene.images.items():
        image.put(store, name)
    platform = selection.platforms[0] if selection is not None else None
    return plan_deliver(store, scene.engine, [Reference.parse(NAME)], platform=platform, host=PLATFORM)


def _pull(scene: Scene, selection: Selection | None, unused_workers: Workers, policy: str = "always") -> TransferPlan:
    def repository(unused: Reference) -> t.Any:
        return Repository(scene.images)

    references = [Reference.parse(NAME)]
    return plan_pull(EnginePulling(scene.engine, repository, selection=selection, host=PLATFORM), references, PullPolicy(policy))


class Repository(FakeRepository):
    """A repository in memory that is asked for digests too."""

    registry, repository = "docker.io", "library/app"

    def probe(self, reference: Reference) -> Descriptor | None:
        if reference.digest is None:
            return super().probe(reference)
        data = next((image.content[reference.digest] for image in self.images.values() if reference.digest in image.content), None)
        return describe_document(data, str(reference)) if data is not None else None


def _archive(scene: Scene) -> Path:
    path = scene.folder / "archive.tar"
    entries = [index_entry(image, name) for name, image in scene.images.items()]
    path.write_bytes(pack(layout(index_file(*entries), *scene.images.values())))
    return path


def _load(scene: Scene, selection: Selection | None, unused_workers: Workers) -> TransferPlan:
    return plan_load(
        EngineLoading(scene.engine), open_archive(str(_archive(scene))), LoadOptions(PLATFORM, [Reference.parse(NAME)], selection=selection)
    )


def _copy(scene: Scene, selection: Selection | None, workers: Workers) -> TransferPlan:
    pairs = [(Location.parse(f"oci-archive:{_archive(scene)}:{NAME}"), Location.parse(f"docker-daemon:{NAME}"))]
    places = Places(t.cast(t.Any, None), t.cast(t.Any, None), lambda *unused: scene.engine, t.cast(t.Any, None))
    return plan_copy(pairs, places=places, selection=selection, referrers=False, host=PLATFORM, workers=workers)


VERBS = {"deliver": _deliver, "pull": _pull, "load": _load, "copy": _copy}


@pytest.fixture(params=[True, False], ids=["reports manifests", "reports none"])
def daemon(request: pytest.FixtureRequest) -> t.Iterator[DockerDaemon]:
    with DockerDaemon(request.param).running() as running:
        yield running


@pytest.fixture
def scene(daemon: DockerDaemon, tmp_path: Path) -> Scene:
    return Scene(daemon, tmp_path)


@pytest.fixture(params=VERBS)
def send(request: pytest.FixtureRequest, scene: Scene) -> Send:
    """Return a function that sends NAME with one of the verbs, after it checked that check mode says the same."""
    verb = VERBS[request.param]

    def sent(platform: str | None = None) -> TransferPlan:
        selection = Selection.parse([platform]) if platform is not None else None
        with Workers(1) as workers:
            planned = verb(scene, selection, workers)
            done = planned.apply(workers)
        assert done.errors or (planned.changed, planned.diff()) == (done.changed, done.diff())
        return done

    return sent


def fails(send: Send, platform: str | None = None) -> LongshoreError:
    """Send NAME, and return the error of its row or of the whole run."""
    try:
        plan = send(platform)
    except LongshoreError as error:
        return error
    assert not plan.changed
    assert len(plan.errors) == 1
    return plan.errors[0]


def test_layers_of_a_platform_that_docker_does_not_have_are_sent(scene: Scene, send: Send) -> None:
    """Docker lists an index by its digest even if it has only the image of another platform."""
    scene.daemon.pull(BASE, BASE_INDEX, OTHER)
    scene.images = {NAME: APP, BASE: BASE_INDEX}
    done = send()
    assert (done.errors, done.changed) == ([], True)
    assert scene.daemon.has(NAME, APP)
    assert done.facts()["bytes_transferred"] == sum(blob.size for blob in APP.blobs)
    assert not send().changed


@pytest.mark.parametrize("platform", [None, HOST])
def test_an_index_with_another_platform_only_is_completed(scene: Scene, send: Send, platform: str | None) -> None:
    scene.daemon.pull(NAME, APP_INDEX, OTHER)
    scene.images = {NAME: APP_INDEX}
    done = send(platform)
    assert (done.errors, done.changed) == ([], True)
    assert done.diff()["before"] == {}
    assert scene.daemon.has(NAME, APP_INDEX, HOST)
    assert not send(platform).changed


@pytest.mark.parametrize("image", [APP, APP_INDEX], ids=["manifest", "index"])
@pytest.mark.parametrize("lost", ["layer", "config"])
def test_an_image_that_lost_a_blob_is_completed(scene: Scene, send: Send, image: Image, lost: str) -> None:
    scene.daemon.pull(NAME, image, *([HOST] if image.root.is_index else []))
    manifest = image.graph.images[0].manifest
    scene.daemon.lose(manifest.layers[1].digest if lost == "layer" else manifest.config.digest)
    scene.images = {NAME: image}
    assert send().changed
    assert scene.daemon.has(NAME, image)
    assert not send().changed


def test_an_archive_that_docker_loaded_without_a_layer_does_not_count(scene: Scene, send: Send) -> None:
    files = {path: data for path, data in oci(APP, NAME).items() if not path.endswith(APP.layers[0].digest.hex)}
    scene.daemon.answer("POST", "/images/load", pack(files))
    scene.images = {NAME: APP}
    assert send().changed
    assert scene.daemon.has(NAME, APP)
    assert not send().changed


@pytest.mark.parametrize("image", [APP, APP_INDEX], ids=["manifest", "index"])
def test_an_image_that_can_not_be_unpacked_is_an_error_each_time(scene: Scene, send: Send, image: Image) -> None:
    scene.daemon.unpack_error = "failed to mount: operation not permitted"
    scene.images = {NAME: image}
    error = fails(send)
    assert isinstance(error, EngineError)
    assert error.cause == "engine_error"
    assert "failed to mount: operation not permitted" in error.message


def test_a_complete_image_is_not_sent_again_and_costs_no_export(scene: Scene, send: Send) -> None:
    scene.images = {NAME: APP_INDEX}
    assert send().changed
    received, scene.daemon.requests = len(scene.daemon.received), []
    assert not send().changed
    assert not send(HOST).changed
    assert len(scene.daemon.received) == received
    assert not [request for request in scene.daemon.requests if "/images/get" in request]


def test_layers_are_sent_although_docker_could_unpack_the_image_without_them(scene: Scene, send: Send) -> None:
    """Docker reads no layer whose content it has unpacked for another image, in which that layer may be compressed differently."""
    scene.daemon.pull(BASE, BASE_INDEX, OTHER)
    scene.daemon.pull("docker.io/library/twin:1", TWIN)
    scene.images = {NAME: BASE_INDEX, BASE: BASE_INDEX}
    assert send().changed
    assert scene.daemon.has(NAME, BASE_INDEX, HOST)


def test_layers_of_complete_images_are_not_sent(scene: Scene, send: Send) -> None:
    scene.daemon.pull(BASE, BASE_INDEX, HOST)
    scene.images = {NAME: APP, BASE: BASE_INDEX}
    done = send()
    assert scene.daemon.has(NAME, APP)
    assert done.facts()["bytes_transferred"] == sum(blob.size for blob in APP.blobs) - len(LAYER)


@pytest.mark.parametrize("policy", ["missing", "never"])
@pytest.mark.parametrize("platform", [None, HOST])
def test_a_policy_keeps_only_images_for_the_wanted_platform(scene: Scene, policy: str, platform: str | None) -> None:
    selection = Selection.parse([platform]) if platform is not None else None
    scene.daemon.pull(NAME, APP_INDEX, OTHER)
    scene.images = {NAME: APP_INDEX}
    with Workers(1) as workers:
        done = _pull(scene, selection, workers, policy).apply(workers)
        if policy == "never":
            assert [error.cause for error in done.errors] == ["not_found"]
        else:
            assert done.changed
            assert scene.daemon.has(NAME, APP_INDEX, HOST)
            assert not _pull(scene, selection, workers, policy).changed


@pytest.mark.parametrize("policy", ["missing", "never"])
def test_a_policy_keeps_a_plain_image_for_another_platform(scene: Scene, policy: str) -> None:
    image = make_image("plain", 1, OTHER)
    scene.daemon.pull(NAME, image)
    scene.images = {NAME: image}
    with Workers(1) as workers:
        plan = _pull(scene, None, workers, policy)
    assert (plan.errors, plan.changed) == ([], False)
