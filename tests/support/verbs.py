# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole runs of pull, tag, rm, prune, verify, append, index and rebase on one store, as modules do them, for tests that disturb them.

Every verb starts from the same store: `old` (which no verb touches), `moving` and `leaving`, which shares a layer with `old`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
import shutil
import typing as t
from pathlib import Path

from ansible_collections.longshore.images.plugins.module_utils.archive.layer_source import LayerSource
from ansible_collections.longshore.images.plugins.module_utils.oci import media_types
from ansible_collections.longshore.images.plugins.module_utils.oci.graph import NamedGraph
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Platform, Selection
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference, parse_selector
from ansible_collections.longshore.images.plugins.module_utils.oci.removal_matching import parse_removal_selector
from ansible_collections.longshore.images.plugins.module_utils.oci.settings import Settings
from ansible_collections.longshore.images.plugins.module_utils.places.filters import Filters
from ansible_collections.longshore.images.plugins.module_utils.places.protection import Protection
from ansible_collections.longshore.images.plugins.module_utils.places.retention import RetentionPolicy
from ansible_collections.longshore.images.plugins.module_utils.places.store.catalog import StoreCatalog
from ansible_collections.longshore.images.plugins.module_utils.places.store.pulling import StorePulling
from ansible_collections.longshore.images.plugins.module_utils.registry.repository import Repository
from ansible_collections.longshore.images.plugins.module_utils.store.staging import Staging
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from ansible_collections.longshore.images.plugins.module_utils.transfer.plan import Plan
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs import pull as verb_pull
from ansible_collections.longshore.images.plugins.module_utils.verbs.append import NewImage, WantedLayer, plan_append
from ansible_collections.longshore.images.plugins.module_utils.verbs.index import plan_index
from ansible_collections.longshore.images.plugins.module_utils.verbs.index_members import IndexOptions, MemberRequest
from ansible_collections.longshore.images.plugins.module_utils.verbs.prune import plan_prune
from ansible_collections.longshore.images.plugins.module_utils.verbs.rebase import RebaseOptions, plan_rebase
from ansible_collections.longshore.images.plugins.module_utils.verbs.remove import plan_remove
from ansible_collections.longshore.images.plugins.module_utils.verbs.tag import plan_tag
from ansible_collections.longshore.images.plugins.module_utils.verbs.verify import plan_verify
from tests.support.images import FakeRepository, Image, make_image, make_index, make_layer

HOST = Platform.parse("linux/amd64")
SHARED = make_layer("shared")
OLD = make_image("old", 1, shared=[SHARED])
MOVING = make_image("moving", 1)
LEAVING = make_image("leaving", 1, shared=[SHARED])
NEW = make_image("new", 1, shared=[SHARED])
BASE, NEW_BASE = make_image("base", 0, shared=[SHARED]), make_image("new base", 1)
INDEX = make_index("index", layers=1)
NOW = datetime.datetime(2026, 6, 30, tzinfo=datetime.timezone.utc)
REGISTRY = FakeRepository({"r.test/new:1": NEW, "r.test/moving:1": NEW, "r.test/index:1": INDEX, "r.test/old:1": OLD, "r.test/leaving:1": LEAVING})

State = dict[str, str]


def opened(path: Path) -> Store:
    return Store(str(path), lock_timeout=5)


def names(path: Path) -> State:
    """Return the digest of each name in the store, and unnamed images by their digests."""
    return {entry.label: str(entry.descriptor.digest) for entry in opened(path).index.entries}


def apply(plan: Plan, workers: Workers) -> Plan:
    """Apply a plan, and raise the error of the first image that failed."""
    return check(plan.apply(workers), workers)


def check(plan: Plan, unused_workers: Workers) -> Plan:
    """Return a plan as check mode does, without applying it, and raise the error of the first image that can't succeed."""
    for error in plan.errors:
        raise error
    return plan


# What a run does with its plan: `apply` or `check`.
Act = t.Callable[[Plan, Workers], Plan]


def tag(path: Path, name: str, *targets: str, act: Act = apply) -> Plan:
    with Workers(1) as workers:
        catalog = StoreCatalog(opened(path), HOST)
        return act(plan_tag(catalog, parse_selector(name), [Reference.parse(target) for target in targets]), workers)


def remove(path: Path, *selectors: str, act: Act = apply) -> Plan:
    with Workers(1) as workers:
        return act(plan_remove(StoreCatalog(opened(path), HOST), [parse_removal_selector(text) for text in selectors]), workers)


def prune(path: Path, *protected: str, keep: int | None = 0, act: Act = apply) -> Plan:
    with Workers(1) as workers:
        return act(plan_prune(StoreCatalog(opened(path), HOST), RetentionPolicy(keep=keep), Filters(), Protection.parse(protected), NOW), workers)


def mend(path: Path, registry: FakeRepository = REGISTRY, act: Act = apply) -> Plan:
    """Verify the store and repair damaged blobs."""
    with Workers(1) as workers:
        return act(plan_verify(opened(path), None, host=HOST, workers=workers, repository=lambda reference: t.cast(Repository, registry)), workers)


def append(path: Path, name: str, base: str | None, source: Path, act: Act = apply) -> Plan:
    layer = WantedLayer(LayerSource(str(source), "/opt/file", 0o644, 0, 0, "gzip"))
    wanted = NewImage(Reference.parse(name), parse_selector(base) if base else None, [layer], Settings(cmd=["/opt/file"]))
    store = opened(path)
    with Workers(1) as workers, contextlib.closing(Staging(store)) as staging:
        return act(plan_append(store, [wanted], HOST, workers, staging if act is apply else None), workers)


def combine(path: Path, name: str, member: str, arm_member: str, act: Act = apply) -> Plan:
    """Make an index of two images. The second one counts as an image for arm64."""
    requests = [MemberRequest(Reference.parse(member)), MemberRequest(Reference.parse(arm_member), Platform.parse("linux/arm64"))]
    with Workers(1) as workers:
        return act(plan_index(opened(path), IndexOptions(Reference.parse(name), requests, "replace", media_types.OCI_INDEX), HOST), workers)


def rebase(path: Path, name: str, image: str, old_base: str, new_base: str, act: Act = apply) -> Plan:
    wanted = RebaseOptions(Reference.parse(name), parse_selector(image), parse_selector(old_base), parse_selector(new_base))
    with Workers(1) as workers:
        return act(plan_rebase(opened(path), wanted, HOST), workers)


def plan_pull(store: Store, workers: Workers, *references: str, platforms: t.Sequence[str] = (), registry: FakeRepository = REGISTRY) -> Plan:
    selection = Selection.parse(platforms) if platforms else Selection((HOST,), explicit=False)
    place = StorePulling(store, lambda reference: t.cast(Repository, registry), selection, HOST, workers)
    return verb_pull.plan_pull(place, [Reference.parse(text) for text in references], verb_pull.PullPolicy.ALWAYS)


def pull(path: Path, *references: str, platforms: t.Sequence[str] = (), registry: FakeRepository = REGISTRY, act: Act = apply) -> Plan:
    store = opened(path)
    with Workers(1) as workers:
        return act(plan_pull(store, workers, *references, platforms=platforms, registry=registry), workers)


def put_images(path: Path) -> None:
    store = opened(path)
    for image, name in ((OLD, "r.test/old:1"), (MOVING, "r.test/moving:1"), (LEAVING, "r.test/leaving:1")):
        image.put(store, name)


def put_without_name(path: Path, image: Image) -> None:
    """Store an image without a name, like one that lost it."""
    with opened(path).open_writer(image.digests) as writer:
        for blob in image.blobs:
            writer.put_blob(blob, image.open)
        writer.publish_images([NamedGraph(image.graph, (), None)])


def put_blobs(path: Path, image: Image) -> None:
    """Store the blobs of an image that was never completed."""
    with opened(path).open_writer(image.digests) as writer:
        for blob in image.blobs:
            writer.put_blob(blob, image.open)


def _with_bases(path: Path) -> None:
    put_images(path)
    BASE.put(opened(path), "r.test/base:1")
    NEW_BASE.put(opened(path), "r.test/new-base:1")


def _untidy(path: Path) -> None:
    """Add an image without a name, and blobs that no image uses."""
    put_images(path)
    put_without_name(path, NEW)
    put_blobs(path, INDEX)


def _nothing(path: Path) -> None:
    """Start without a store."""


def _damaged(path: Path) -> None:
    """Replace a layer of `leaving` by a folder and truncate its config. Pulling again must repair both."""
    put_images(path)
    config, *_shared, layer = (Path(opened(path).blob_path(blob.digest)) for blob in LEAVING.blobs)
    layer.unlink()
    (layer / "with").mkdir(parents=True)
    (layer / "with" / "content").write_text("x")
    config.chmod(0o644)
    os.truncate(config, 10)


def _rotten(path: Path) -> None:
    """Also truncate a manifest, and a blob that no image uses, which pulling would not repair."""
    _damaged(path)
    put_blobs(path, INDEX)
    for digest in (OLD.root.digest, INDEX.layers[0].digest):
        blob = Path(opened(path).blob_path(digest))
        blob.chmod(0o644)
        os.truncate(blob, 10)


@dataclasses.dataclass(frozen=True)
class Verb:
    """A run, and the state of the store before it."""

    name: str
    run: t.Callable[[Path], object]
    prepare: t.Callable[[Path], None] = put_images

    def prepared(self, folder: Path) -> Path:
        """Create a store below FOLDER in the state before this run."""
        path = folder / "store"
        template = folder.parent / f"template-{self.name}"
        if not template.exists():
            self.prepare(template)
            template.mkdir(exist_ok=True)
        folder.mkdir()
        if any(template.iterdir()):
            shutil.copytree(template, path)
        return path


def _append(path: Path) -> None:
    source = path.parent.parent / "file"
    if not source.exists():
        source.write_text("content")
    append(path, "r.test/made:1", "r.test/old:1", source)


VERBS = (
    Verb("tag", lambda path: tag(path, "r.test/old:1", "r.test/fresh:1", "r.test/moving:1")),
    Verb("rm", lambda path: remove(path, "r.test/moving:1", "r.test/leaving:1")),
    Verb("prune", lambda path: prune(path, "r.test/old:*", "r.test/moving:1"), _untidy),
    Verb("append", _append),
    Verb("index", lambda path: combine(path, "r.test/made:1", "r.test/old:1", "r.test/moving:1")),
    Verb("rebase", lambda path: rebase(path, "r.test/made:1", "r.test/old:1", "r.test/base:1", "r.test/new-base:1"), _with_bases),
    Verb("pull", lambda path: pull(path, "r.test/new:1")),
    Verb("pull-moves", lambda path: pull(path, "r.test/moving:1")),
    Verb("pull-first", lambda path: pull(path, "r.test/index:1", platforms=["all"]), _nothing),
    Verb("verify", mend, _rotten),
    Verb("pull-mends", lambda path: pull(path, "r.test/leaving:1"), _damaged),
)


def whole(path: Path, image: Image) -> bool:
    """Return whether all blob files of an image exist. `wrong_blobs` checks their content."""
    return all(Path(opened(path).blob_path(digest)).is_file() for digest in image.digests)
