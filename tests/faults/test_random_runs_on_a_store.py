# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random runs of all verbs on one store, against a model: kills, runs side by side, full and failing disks, damaged blobs (promises I1 to I13)."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import tempfile
import typing as t
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ansible_collections.longshore.images.plugins.module_utils.errors import DiskFull, InputOutputError, LongshoreError
from ansible_collections.longshore.images.plugins.module_utils.oci.platform import ALL, Selection
from tests.support import verbs
from tests.support.archives import index_entry, index_file, layout, pack
from tests.support.faults import FileEvents, end_of, fail_events, kill_at, leftovers, snapshot, start_child, wrong_blobs
from tests.support.images import Image
from tests.support.programmable.access import AnonymousAccess
from tests.support.programmable.distribution import Distribution
from tests.support.programmable.server import Server
from tests.support.random_runs import run_machine
from tests.support.store_copies import Attach, Copy, Push, Rebase, put_layout
from tests.support.store_model import (
    DIGEST,
    IMAGES,
    LOADED,
    NAMES,
    Append,
    Combine,
    Load,
    Prune,
    Pull,
    Remove,
    Run,
    Save,
    State,
    Tag,
    Verify,
    World,
    read_state,
)
from tests.support.verbs import HOST

NAME = st.sampled_from(NAMES)
SOME_NAMES = st.lists(NAME, min_size=1, max_size=2, unique=True).map(tuple)
IMAGE = st.sampled_from(sorted(IMAGES))
EVENT = st.integers(0, 60)
REFUSED = 3

RUNS: st.SearchStrategy[t.Any] = st.one_of(
    st.builds(Pull, SOME_NAMES, st.sampled_from([(), ("all",)])),
    st.builds(Pull, SOME_NAMES, st.sampled_from([(), ("all",)])),
    st.builds(Tag, NAME, SOME_NAMES),
    st.builds(Remove, SOME_NAMES),
    st.builds(Prune, st.none() | SOME_NAMES),
    st.just(Verify()),
    st.builds(Append, NAME, NAME | st.none(), st.sampled_from("xy")).filter(lambda run: run.name != run.base),
    st.builds(Combine, NAME, NAME, NAME).filter(lambda run: run.name not in (run.member, run.other)),
    st.builds(Load, st.sampled_from(range(len(LOADED)))),
    st.builds(Save, SOME_NAMES),
    st.builds(Copy, IMAGE | NAME, NAME).filter(lambda run: run.name != run.source),
    st.builds(Attach, NAME, st.sampled_from("xy")),
    st.builds(Push, SOME_NAMES),
)


class StoreRuns(RuleBasedStateMachine):
    """A store, its model, and the runs on it. After each rule the model says what the store has."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(Path(tempfile.mkdtemp(prefix="ls-")), dict(zip(NAMES, IMAGES.values())))
        self.registry = Distribution(AnonymousAccess())
        self.cleanup = contextlib.ExitStack()
        self.world.registry_host = self.cleanup.enter_context(Server(self.registry)).host
        put_layout(self.world)
        self.state = State({})
        for number, named in enumerate(LOADED):
            entries = [index_entry(DIGEST[digest], name) for name, digest in named.items()]
            files = layout(index_file(*entries), *(DIGEST[digest] for digest in named.values()))
            (self.world.folder / f"archive-{number}.tar").write_bytes(pack(files))

    @initialize(name=NAME, image=IMAGE)
    def first_image(self, name: str, image: str) -> None:
        self.world.registry[name] = IMAGES[image]
        self.run(Pull((name,), ()))

    @rule(run=RUNS)
    def run(self, run: Run) -> None:
        """Check mode predicts the run and writes nothing; the run does what the model says; the next one changes nothing."""
        before = snapshot(self.world.store)
        after = run.after(self.state, self.world)
        if after is None:
            for act in (verbs.check, verbs.apply):
                with pytest.raises(LongshoreError):
                    run.do(self.world, act)
            assert read_state(self.world.store) == self.state
            return
        try:
            planned = run.do(self.world, verbs.check)
        except LongshoreError:
            assert run.is_unsure
            return
        finally:
            assert snapshot(self.world.store) == before
        done = run.do(self.world)
        assert (planned.changed, planned.diff(), planned.actions()) == (done.changed, done.diff(), done.actions())
        before_run = self.state
        self._expect(after)
        if isinstance(run, Pull):
            assert all(self.state.records(name, run.selection) for name in run.names if self.world.registry[name].root.is_index)
        if isinstance(run, (Tag, Copy)):
            assert all(self.state.records(name, before_run.platforms.get(run.source)) for name in run.sets)
        if run in (Copy("index", NAMES[0]), Copy("index", NAMES[1]), Load(1)):
            assert all(self.state.records(name, ALL) for name in run.sets)
        if isinstance(run, Attach):
            assert self.state.referrers[self.state.named[run.name]]
        if isinstance(run, Push):
            assert all(
                self.registry.repositories[name.split("/")[1].split(":")[0]].tags[name.split(":")[1]] == self.state.named[name] for name in run.names
            )
        if isinstance(run, Save):
            run.check_file(self.state, self.world)
        if isinstance(run, Append) and run.base is not None and after.named[run.base] in DIGEST:
            key = (after.named[run.base], run.content)
            assert self.world.made.setdefault(key, self.state.named[run.name]) == self.state.named[run.name] or DIGEST[key[0]].root.is_index
        assert not run.do(self.world, verbs.check).changed

    @rule(run=RUNS, event=EVENT)
    def kill(self, run: Run, event: int) -> None:
        """A killed run changes each of its names or leaves it, and the next one works."""
        after = run.after(self.state, self.world)
        if after is None or run.is_unsure:
            return
        was_killed = kill_at(event, self.world.store, lambda: run.do(self.world))
        found = read_state(self.world.store)
        if not was_killed:
            self._expect(after)
            return
        self._expect_some(found, (run, after))
        self.run(run)

    @rule(run=RUNS, event=EVENT, fault=st.sampled_from(["full", "full for a moment", "failing once"]))
    def fail(self, run: Run, event: int, fault: str) -> None:
        """A disk that is full or fails is reported, no name of a failed image changes, and the next run works."""
        after = run.after(self.state, self.world)
        if after is None or run.is_unsure:
            return
        code = errno.EIO if fault == "failing once" else errno.ENOSPC
        needs_room = ("open", "write", "pwrite", "mkdir", "rename")
        chosen = (lambda one: one.number >= event and one.call in needs_room) if fault == "full" else (lambda one: one.number == event)
        error: LongshoreError | None = None
        with FileEvents(self.world.store, fail_events(code, chosen)).watched():
            try:
                run.do(self.world)
            except LongshoreError as caught:
                error = caught
        if error is None:
            self._expect(after)
        else:
            assert isinstance(error, DiskFull if code == errno.ENOSPC else InputOutputError), repr(error)
            self._expect_some(read_state(self.world.store), (run, after))
        self.run(run)

    @rule(runs=st.lists(RUNS, min_size=2, max_size=3), killed=st.none() | st.integers(0, 40))
    def side_by_side(self, runs: list[Run], killed: int | None) -> None:
        """Runs at the same time: each name has what one of them gave it, and a name that only one of them sets has exactly that."""
        children = [start_child(self._child(run, killed if number == 0 else None)) for number, run in enumerate(runs)]
        codes = [end_of(child) for child in children]
        assert all(code in (0, REFUSED) or (code == -signal.SIGKILL and killed is not None and number == 0) for number, code in enumerate(codes)), (
            codes
        )
        found = read_state(self.world.store)
        for name in {*found.named, *self.state.named}:
            possible = {self.state.named.get(name)}
            setting = [(run, code) for run, code in zip(runs, codes) if name in run.sets]
            for run, _code in setting:
                possible |= self._possible(run, name, runs)
            assert found.named.get(name) in possible or "" in possible, (name, found.named.get(name), possible)
            if len(setting) == 1 and setting[0][1] == 0 and not self._depends(setting[0][0], runs):
                after = setting[0][0].after(self.state, self.world)
                assert after is not None
                assert after.named.get(name) in (found.named.get(name), ""), (name, "an acknowledged change is lost")
        if not any(isinstance(run, (Remove, Prune)) for run in runs):
            self._check_referrers(found)
            for run, code in zip(runs, codes):
                if isinstance(run, Attach) and code == 0 and not self._depends(run, runs):
                    assert found.referrers.get(found.named[run.name]), (run.name, "an acknowledged referrer is lost")
        self.state = found

    def _child(self, run: Run, killed: int | None) -> t.Callable[[], None]:
        def die(event: t.Any) -> None:
            if event.number == killed:
                os.kill(os.getpid(), signal.SIGKILL)

        def work() -> None:
            try:
                with FileEvents(self.world.store, die).watched() if killed is not None else contextlib.nullcontext():
                    run.do(self.world)
            except LongshoreError:
                os._exit(REFUSED)

        return work

    def _possible(self, run: Run, name: str, runs: t.Sequence[Run]) -> set[str | None]:
        """Return the digests that RUN may give NAME, before or after any of the other RUNS."""
        states = [self.state]
        for other in runs:
            states += [after for state in states for after in [other.after(state, self.world)] if after is not None]
        return {after.named.get(name) for state in states for after in [run.after(state, self.world)] if after is not None}

    def _depends(self, run: Run, runs: t.Sequence[Run]) -> bool:
        """Return whether RUN reads a name that another run sets."""
        return any(name in other.sets for other in runs if other is not run for name in run.reads)

    @rule(names=st.permutations(NAMES), image=st.sampled_from(["old", "new", "leaving"]))
    def rebase(self, names: list[str], image: str) -> None:
        """Pull an image and two bases, so that the image can be put on the other base."""
        target, *sources = names
        self.world.registry.update(zip(sources, (IMAGES[image], IMAGES["base"], IMAGES["new-base"])))
        self.run(Pull(tuple(sources), ()))
        self.run(Rebase(target, *sources))
        made = self.state.named[target]
        assert self.world.made.setdefault(("rebase", image, sources[-1]), made) == made

    @rule(name=NAME, image=IMAGE)
    def move_at_the_registry(self, name: str, image: str) -> None:
        self.world.registry[name] = IMAGES[image]

    @rule(name=NAME, number=st.integers(0, 9), cut=st.booleans())
    def damage(self, name: str, number: int, cut: bool) -> None:
        """A damaged blob of an image is noticed, and pulling the image again repairs it. A manifest that an index need not have may be lost unnoticed."""
        # What hypothesis draws must not depend on the store: runs side by side end differently each time.
        image = DIGEST.get(self.state.named.get(name, ""))
        if image is None:
            return
        present = [path for digest in sorted(image.digests) for path in [Path(verbs.opened(self.world.store).blob_path(digest))] if path.exists()]
        blob = present[number % len(present)]
        if cut:
            blob.chmod(0o644)
            os.truncate(blob, blob.stat().st_size // 2)
        else:
            blob.unlink()
        self.world.registry[name] = image
        planned = Pull((name,), ()).do(self.world, verbs.check)
        assert planned.changed or (not cut and blob.name in self._unrecorded_manifests(name, image))
        self.run(Pull((name,), ("all",)))
        # Another image may be the only one that has this blob: it lies at the registry under its name.
        self.world.registry.update({other: DIGEST[digest] for other, digest in self.state.named.items() if digest in DIGEST})
        self.run(Verify())

    def _unrecorded_manifests(self, name: str, image: Image) -> set[str]:
        """Return the manifests of an index that a pull for the host may leave out."""
        if not image.root.is_index:
            return set()
        others = [(node, node.platform) for node in image.graph.images if node.platform is not None and node.platform != HOST]
        return {node.descriptor.digest.hex for node, platform in others if not self.state.records(name, Selection((platform,)))}

    def _check_recorded_platforms(self, found: State) -> None:
        """Check that no name that keeps its digest lost recorded platforms."""
        for name, recorded in self.state.platforms.items():
            assert found.named.get(name) != self.state.named[name] or found.records(name, recorded), (name, recorded)

    def _check_referrers(self, found: State) -> None:
        """Check that no image that stays lost a referrer."""
        for digest, referrers in self.state.referrers.items():
            assert not found.has_image(digest) or referrers <= found.referrers.get(digest, frozenset()), digest

    def _expect(self, after: State) -> None:
        """Check that the store has what the model says, and complete the digests that the model doesn't know."""
        found = read_state(self.world.store)
        known = {name: digest or found.named.get(name, "missing") for name, digest in after.named.items()}
        expected = State(known, after.unnamed - set(known.values()))
        assert found == expected
        self._check_recorded_platforms(found)
        self._check_referrers(found)
        assert found.dangling <= self.state.dangling
        self.state = found

    def _expect_some(self, found: State, planned: tuple[Run, State]) -> None:
        """Check that each name of a run that ended early has its digest from before or after it."""
        run, after = planned
        for name in {*found.named, *self.state.named}:
            digest = found.named.get(name)
            assert digest == self.state.named.get(name) or (name in run.sets and after.named.get(name) in (digest, "")), name
        assert found.unnamed <= self.state.unnamed | set(self.state.named.values()) | set(after.named.values())
        self._check_recorded_platforms(found)
        self._check_referrers(found)
        self.state = found

    @invariant()
    def everything_is_whole(self) -> None:
        store = verbs.opened(self.world.store)
        assert read_state(self.world.store) == self.state
        assert wrong_blobs(self.world.store) == []
        assert [entry.label for entry in store.index.entries if store.find_missing_blobs(entry)] == []

    def teardown(self) -> None:
        try:
            self.world.registry["r.test/last:1"] = IMAGES["old"]
            verbs.pull(self.world.store, "r.test/last:1", registry=self.world.repository)
            assert leftovers(self.world.store) == []
            verbs.prune(self.world.store, keep=0)
            assert list(self.world.store.glob("blobs/*/*")) == []
        finally:
            self.cleanup.close()
            shutil.rmtree(self.world.folder)


def test_random_runs_keep_all_promises_of_the_store(pytestconfig: pytest.Config) -> None:
    run_machine(StoreRuns, pytestconfig, sequences=15, steps=15)
