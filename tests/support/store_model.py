# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A simple model of a store, and the runs that change it: which digests its names have after each run."""

from __future__ import annotations

import dataclasses
import typing as t
from pathlib import Path

from ansible_collections.longshore.images.plugins.module_utils.archive.reader import open_archive
from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import read_subject
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import Selection
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import parse_selector
from ansible_collections.longshore.images.plugins.module_utils.places.store.loading import StoreLoading
from ansible_collections.longshore.images.plugins.module_utils.places.store.saving import StoreSaving
from ansible_collections.longshore.images.plugins.module_utils.transfer.plan import Plan
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.verbs.load import LoadOptions, plan_load
from ansible_collections.longshore.images.plugins.module_utils.verbs.save import SaveOptions, plan_save

from . import verbs
from .images import FakeRepository, Image, make_image
from .verbs import BASE, HOST, INDEX, LEAVING, MOVING, NEW, NEW_BASE, OLD, Act

NAMES = ("r.test/a:1", "r.test/a:2", "r.test/b:1", "r.test/c:1")
# One is larger than the limit above which downloads are resumed.
IMAGES = {"old": OLD, "moving": MOVING, "leaving": LEAVING, "new": NEW, "index": INDEX, "large": make_image("large", 1, size=1_200_000)}
IMAGES.update({"base": BASE, "new-base": NEW_BASE})
DIGEST = {str(image.root.digest): image for image in IMAGES.values()}

Named = dict[str, str]


@dataclasses.dataclass(frozen=True)
class State:
    """The digest of each name, and the images without a name. `platforms` are those that the entry of a name records, which must stay complete.

    `referrers` are the digests of the referrers of each digest, and `dangling` those whose subject isn't in the store.
    """

    named: Named
    unnamed: frozenset[str] = frozenset()
    platforms: t.Mapping[str, Selection] = dataclasses.field(default_factory=dict, compare=False)
    referrers: t.Mapping[str, frozenset[str]] = dataclasses.field(default_factory=dict, compare=False)
    dangling: frozenset[str] = dataclasses.field(default=frozenset(), compare=False)

    def has_image(self, digest: str) -> bool:
        return digest in self.unnamed or digest in self.named.values()

    def records(self, name: str, wanted: Selection | None) -> bool:
        """Return whether the entry of NAME records all WANTED platforms."""
        recorded = self.platforms.get(name)
        if wanted is None or (recorded is not None and recorded.everything):
            return True
        return recorded is not None and not wanted.everything and set(wanted.platforms) <= set(recorded.platforms)

    def moved(self, changes: Named) -> State:
        """Return the state after names moved. An image that lost its last name stays without one."""
        named = {**self.named, **changes}
        lost = {self.named[name] for name in changes if name in self.named}
        return State(named, (self.unnamed | lost) - set(named.values()))


def read_state(path: Path) -> State:
    """Return what the index of a store says."""
    store = verbs.opened(path)
    entries = store.index.entries
    subjects = {str(entry.digest): read_subject(store.read_document(entry.root) or b"", entry.label) for entry in entries if entry.name is None}
    unnamed = frozenset(digest for digest, subject in subjects.items() if subject is None)
    referrers: dict[str, frozenset[str]] = {}
    for digest, subject in subjects.items():
        if subject is not None:
            referrers[str(subject)] = referrers.get(str(subject), frozenset()) | {digest}
    graphs = [store.read_graph(entry) for entry in entries] if referrers else []
    documents = {str(digest) for graph in graphs if graph is not None for digest in graph.document_digests}
    dangling = frozenset(digest for subject, digests in referrers.items() if subject not in documents for digest in digests)
    named = {str(entry.name): str(entry.digest) for entry in entries if entry.name is not None}
    platforms = {str(entry.name): entry.selection for entry in entries if entry.name is not None and entry.selection is not None}
    return State(named, unnamed, platforms, referrers, dangling)


@dataclasses.dataclass
class World:
    """Everything beside the store: the registry, archives, and files. `made` are the digests of images that were made, by their inputs.

    Images are pulled from `registry`, which is in memory, and pushed to `registry_host`.
    """

    folder: Path
    registry: dict[str, Image]
    registry_host: str = ""
    made: dict[tuple[str, ...], str] = dataclasses.field(default_factory=dict)

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def layout(self) -> Path:
        return self.folder / "layout"

    @property
    def repository(self) -> FakeRepository:
        return FakeRepository(dict(self.registry))

    def file(self, content: str) -> Path:
        path = self.folder / f"file-{content}"
        if not path.exists():
            path.write_text(content)
        return path


class Run(t.Protocol):
    """One run on a store. `sets` are the names that it may set or remove, depending on those that it `reads`.

    A run that IS_UNSURE may be refused because of what its images are.
    """

    @property
    def is_unsure(self) -> bool: ...

    @property
    def reads(self) -> tuple[str, ...]: ...

    @property
    def sets(self) -> tuple[str, ...]: ...

    def do(self, world: World, act: Act = verbs.apply) -> Plan: ...

    def after(self, state: State, world: World) -> State | None:
        """Return the state after a run that succeeds; None if it can't succeed. A digest that isn't known in advance is empty."""


@dataclasses.dataclass(frozen=True)
class Pull:
    is_unsure = False
    reads = ()
    names: tuple[str, ...]
    platforms: tuple[str, ...]

    @property
    def sets(self) -> tuple[str, ...]:
        return self.names

    def do(self, world: World, act: Act = verbs.apply) -> Plan:
        return verbs.pull(world.store, *self.names, platforms=self.platforms, registry=world.repository, act=act)

    @property
    def selection(self) -> Selection:
        return Selection.parse(self.platforms) if self.platforms else Selection((HOST,))

    def after(self, state: State, world: World) -> State | None:
        return state.moved({name: str(world.registry[name].root.digest) for name in self.names})


@dataclasses.dataclass(frozen=True)
class Tag:
    is_unsure = False
    source: str
    sets: tuple[str, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.source,)

    def do(self, world: World, act: Act = verbs.apply) -> Plan:
        return verbs.tag(world.store, self.source, *self.sets, act=act)

    def after(self, state: State, unused: World) -> State | None:
        found = state.named.get(self.source)
        return state.moved(dict.fromkeys(self.sets, found)) if found is not None else None


@dataclasses.dataclass(frozen=True)
class Remove:
    is_unsure = False
    reads = ()
    sets: tuple[str, ...]

    def do(self, world: World, act: Act = verbs.apply) -> Plan:
        return verbs.remove(world.store, *self.sets, act=act)

    def after(self, state: State, unused: World) -> State | None:
        return State({name: digest for name, digest in state.named.items() if name not in self.sets}, state.unnamed)


@dataclasses.dataclass(frozen=True)
class Prune:
    """Remove images without a name; with KEPT also all names but these."""

    is_unsure = False
    kept: tuple[str, ...] | None

    @property
    def sets(self) -> tuple[str, ...]:
        return () if self.kept is None else tuple(name for name in NAMES if name not in self.kept)

    @property
    def reads(self) -> tuple[str, ...]:
        # An image that a kept name has keeps its other names too. So a run that moves a kept name decides which others go.
        return self.kept or ()

    def do(self, world: World, act: Act = verbs.apply) -> Plan:
        return verbs.prune(world.store, *(self.kept or ()), keep=None if self.kept is None else 0, act=act)

    def after(self, state: State, unused: World) -> State | None:
        # A protected image keeps all of its names.
        protected = {digest for name, digest in state.named.items() if name not in self.sets}
        return State({name: digest for name, digest in state.named.items() if digest in protected})


@dataclasses.dataclass(frozen=True)
class Verify:
    is_unsure = False
    reads = ()
    sets: tuple[str, ...] = ()

    def do(self, world: World, act: Act = verbs.apply) -> Plan:
        return verbs.mend(world.store, world.repository, act=act)

    def after(self, state: State, unused: World) -> State | None:
        return state


@dataclasses.dataclass(frozen=True)
class Append:
    is_unsure = False
    name: str
    base: str | None
    content: str

    @property
    def sets(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.base,) if self.base is not None else ()

    def do(self, world: World, act: Act = verbs.apply) -> Plan:
        return verbs.append(world.store, self.name, self.base, world.file(self.content), act=act)

    def after(self, state: State, unused: World) -> State | None:
        if self.base is not None and self.base not in state.named:
            return None
        return state.moved({self.name: ""})


@dataclasses.dataclass(frozen=True)
class Combine:
    is_unsure = True
    name: str
    member: str
    other: str

    @property
    def sets(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.member, self.other)

    def do(self, world: World, act: Act = verbs.apply) -> Plan:
        return verbs.combine(world.store, self.name, self.member, self.other, act=act)

    def after(self, state: State, unused: World) -> State | None:
        return state.moved({self.name: ""}) if {self.member, self.other} <= set(state.named) else None


@dataclasses.dataclass(frozen=True)
class Load:
    is_unsure = False
    reads = ()
    number: int

    @property
    def images(self) -> Named:
        return LOADED[self.number]

    @property
    def sets(self) -> tuple[str, ...]:
        return tuple(self.images)

    def do(self, world: World, act: Act = verbs.apply) -> Plan:
        with Workers(2) as workers:
            archive = open_archive(str(world.folder / f"archive-{self.number}.tar"))
            return act(plan_load(StoreLoading(verbs.opened(world.store)), archive, LoadOptions(HOST)), workers)

    def after(self, state: State, unused: World) -> State | None:
        return state.moved(self.images)


LOADED: tuple[Named, ...] = (
    {NAMES[0]: str(NEW.root.digest), NAMES[2]: str(MOVING.root.digest)},
    {NAMES[3]: str(INDEX.root.digest)},
)


@dataclasses.dataclass(frozen=True)
class Save:
    is_unsure = False
    names: tuple[str, ...]
    sets: tuple[str, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        return self.names

    def do(self, world: World, act: Act = verbs.apply) -> Plan:
        path = world.folder / "saved.tar"
        with Workers(1) as workers:
            plan = plan_save(StoreSaving(verbs.opened(world.store)), [parse_selector(name) for name in self.names], SaveOptions(str(path), HOST))
            return act(plan, workers)

    def after(self, state: State, unused: World) -> State | None:
        return state if all(name in state.named for name in self.names) else None

    def check_file(self, state: State, world: World) -> None:
        """Check that the archive has the images under their names."""
        images = open_archive(str(world.folder / "saved.tar")).images
        assert {str(name): str(image.index or image.root.digest) for image in images for name in image.names} == {
            name: state.named[name] for name in self.names
        }
