# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""More runs for the model of a store: copies from a layout and within the store, pushes, new referrers, and rebased images."""

from __future__ import annotations

import dataclasses
import typing as t
from pathlib import Path

from ansible_collections.longshore.images.plugins.module_utils.oci.graph import Graph
from ansible_collections.longshore.images.plugins.module_utils.oci.location import Location
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.oci.referrers import find_referrers
from ansible_collections.longshore.images.plugins.module_utils.places.sources import Places
from ansible_collections.longshore.images.plugins.module_utils.places.store.catalog import StoreCatalog
from ansible_collections.longshore.images.plugins.module_utils.registry.config.settings import ClientSettings, HostSettings
from ansible_collections.longshore.images.plugins.module_utils.registry.registries import Registries
from ansible_collections.longshore.images.plugins.module_utils.transfer.plan import Plan
from ansible_collections.longshore.images.plugins.module_utils.transfer.workers import Workers
from ansible_collections.longshore.images.plugins.module_utils.trust.artifacts import Artifact
from ansible_collections.longshore.images.plugins.module_utils.verbs.attach import (
    Attached,
    Attachment,
    Present,
    Target,
    plan_attachments,
    store_targets,
)
from ansible_collections.longshore.images.plugins.module_utils.verbs.copy import plan_copy
from ansible_collections.longshore.images.plugins.module_utils.verbs.push import plan_push, push_destination

from . import verbs
from .images import make_artifact
from .store_model import IMAGES, State, World
from .verbs import HOST, Act


def put_layout(world: World) -> None:
    """Create the layout that images are copied from. One of them has a referrer."""
    for key, image in IMAGES.items():
        image.put(verbs.opened(world.layout), _name_in_layout(key), platforms=["all"])
    verbs.put_without_name(world.layout, make_artifact("in the layout", IMAGES["old"].root))


def _name_in_layout(key: str) -> str:
    return f"r.test/{key}:1"


def _refuse(*unused: object) -> t.NoReturn:
    raise AssertionError("no other place is used")


@dataclasses.dataclass(frozen=True)
class Copy:
    """Copy an image of the layout, or with a name as SOURCE one of the store itself, with its referrers."""

    is_unsure = False
    source: str
    name: str

    @property
    def sets(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.source,) if self.source not in IMAGES else ()

    def do(self, world: World, act: Act = verbs.apply) -> Plan:
        source = f"oci:{world.layout}:{_name_in_layout(self.source)}" if self.source in IMAGES else f"store:{world.store}:{self.source}"
        pair = Location.parse(source), Location.parse_destination(f"store:{world.store}:{self.name}")
        places = Places(_refuse, _refuse, _refuse, lambda path: verbs.opened(Path(path)))
        with Workers(2) as workers:
            return act(plan_copy([pair], places=places, selection=None, referrers=True, host=HOST, workers=workers), workers)

    def after(self, state: State, unused: World) -> State | None:
        if self.source in IMAGES:
            return state.moved({self.name: str(IMAGES[self.source].root.digest)})
        return state.moved({self.name: state.named[self.source]}) if self.source in state.named else None


@dataclasses.dataclass(frozen=True)
class Push:
    """Push images to a registry. An index of which only some platforms are stored is refused."""

    is_unsure = True
    names: tuple[str, ...]
    sets: tuple[str, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        return self.names

    def do(self, world: World, act: Act = verbs.apply) -> Plan:
        pairs = [(Reference.parse(name), push_destination(Reference.parse(name), f"{world.registry_host}/", len(self.names))) for name in self.names]
        registries = Registries(ClientSettings(default=HostSettings(plain_http=True), retries=0))
        try:
            with Workers(2) as workers:
                catalog = StoreCatalog(verbs.opened(world.store), HOST)
                return act(plan_push(catalog, pairs, repository=registries.repository, selection=None, host=HOST, workers=workers), workers)
        finally:
            registries.client.close()

    def after(self, state: State, unused: World) -> State | None:
        return state if all(name in state.named for name in self.names) else None


@dataclasses.dataclass(frozen=True)
class Attach:
    """Attach a referrer to the image that a name has, as signing does."""

    is_unsure = False
    name: str
    content: str
    sets: tuple[str, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.name,)

    def do(self, world: World, act: Act = verbs.apply) -> Plan:
        with Workers(1) as workers:
            targets = store_targets([Reference.parse(self.name)], verbs.opened(world.store))
            return act(plan_attachments(targets, self._make, "attach to", HOST, workers), workers)

    def _make(self, target: Target, image: Graph) -> Attached:
        artifact = make_artifact(self.content, image.root)
        found = find_referrers(target.place, {image.root.digest}).referrers
        if any(referrer.digest == artifact.root.digest for referrer in found):
            return Attached((), (Present(artifact.root, image.root.digest),), {})
        return Attached((Attachment(Artifact(artifact.root, artifact.content), image.root.digest),), (), {})

    def after(self, state: State, unused: World) -> State | None:
        return state if self.name in state.named else None


@dataclasses.dataclass(frozen=True)
class Rebase:
    """Put an image on a new base. It is refused if the image isn't on the old base."""

    is_unsure = True
    name: str
    image: str
    old_base: str
    new_base: str

    @property
    def sets(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.image, self.old_base, self.new_base)

    def do(self, world: World, act: Act = verbs.apply) -> Plan:
        return verbs.rebase(world.store, self.name, self.image, self.old_base, self.new_base, act=act)

    def after(self, state: State, unused: World) -> State | None:
        return state.moved({self.name: ""}) if {*self.reads} <= set(state.named) else None
