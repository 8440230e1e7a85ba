# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links, FIFOs, devices, hard links and foreign files planted in a store: a run changes nothing outside of the store, and it ends."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import LongshoreError
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from ansible_collections.longshore.images.plugins.module_utils.transfer import executor
from ansible_collections.longshore.images.plugins.module_utils.transfer import ranged_fetch as fetch
from tests.support import archives, verbs
from tests.support.faults import end_of, in_child, start_child
from tests.support.forked import ROOT, User, load_everything, run_forked
from tests.support.images import make_image
from tests.support.privileges import needs_root
from tests.support.registry import Registry, running_registry
from tests.support.trust import make_key
from tests.support.users import fingerprint

GROUP = 23456
OWNER, MEMBER, STRANGER = User(12345, GROUP), User(12346, GROUP), User(12347, 34567)
PLATFORM = verbs.HOST

KEPT = make_image("kept", 2, size=5000)
DAMAGED = make_image("damaged", 1)
GONE = make_image("gone", 1)
NEW = make_image("new", 1, size=9000)
LOADED = make_image("loaded", 1)

# The largest pulled blob, which is fetched in ranges, and its files.
LAYER = NEW.layers[0].digest
PARTIAL = f"sha256-{LAYER.hex}"
PRIVATE_KEY = make_key().private_pem().decode()
ERRORS = {"store_damaged", "io_error", "unsupported_format", "digest_mismatch", "lock_timeout", "in_use", "not_found"}


# A store, folders outside of it, and the modules.


class Scene:
    """A store of OWNER in which RUNNER runs modules, beside folders that must not change."""

    def __init__(self, folder: Path, runner: User, registry: str) -> None:
        self.folder = folder
        self.runner = runner
        self.registry = registry
        self.store = folder / "home" / "store"
        self.outside = folder / "outside"
        self.results = folder / "results"

    def modules(self) -> dict[str, dict[str, t.Any]]:
        """Return each module that writes to a store or copies from it, with options that give it something to do."""
        name = f"{self.registry}/test/{{}}:1".format
        out = self.results
        return {
            "image_pull": {"name": name("new")},
            "image_load": {"path": str(self.folder / "archive.tar")},
            "image_tag": {"name": name("kept"), "targets": ["r.test/tagged:1"]},
            "image_append": {"name": "r.test/made:1", "base": "scratch", "layers": [{"src": str(self.folder / "file"), "dest": "/file"}]},
            "image_index": {"name": "r.test/index:1", "manifests": [{"name": name("kept")}]},
            "image_rebase": {"name": "r.test/rebased:1", "image": name("kept"), "old_base": name("kept"), "new_base": name("gone")},
            "image_sign": {"name": name("kept"), "remote": False, "privatekey_content": PRIVATE_KEY},
            "image_attest": {"name": name("kept"), "remote": False, "privatekey_content": PRIVATE_KEY, "type": "vuln", "predicate": {"found": 0}},
            "image_verify": {"repair": True},
            "image_push": {"name": name("kept"), "destination": f"{self.registry}/test/pushed:{self.folder.name}"},
            "image_save": {"name": name("kept"), "path": str(out / "saved.tar")},
            "image_lock": {"name": name("new"), "path": str(out / "images.lock")},
            "image_copy": {"images": [{"src": name("new"), "dest": f"oci:{self.store}:{name('copied')}"}]},
            "image_info": {},
            "image_rm": {"name": name("gone")},
            "image_prune": {"keep": 0, "filters": {"reference": [name("gone")]}},
        }

    def run(self, module: str) -> dict[str, t.Any]:
        options = self.modules()[module]
        without_store = module in ("image_copy", "image_lock")
        return run_forked(module, options if without_store else {**options, "store": str(self.store)}, self.runner)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Registry]:
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        for name, image in {"new": NEW, "damaged": DAMAGED, "kept": KEPT}.items():
            running.put(image, f"test/{name}", "1")
        yield running


@pytest.fixture(scope="module")
def folder() -> t.Iterator[Path]:
    """Create a folder that other users can enter."""
    needs_root()
    load_everything()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fetch even small blobs in ranges, with partial files and journals, and don't sync files."""
    monkeypatch.setattr(os, "fsync", lambda _file: None)
    monkeypatch.setattr(executor, "MIN_RESUMABLE", 1000)
    monkeypatch.setattr(fetch, "MIN_PARALLEL", 1000)
    monkeypatch.setattr(fetch, "MIN_RANGE", 2500)
    monkeypatch.setattr(fetch, "FAST", float("inf"))
    monkeypatch.setattr(fetch, "INTERVAL", 0)


RUNNERS = {"root": ROOT, "the owner": OWNER, "a member of the group": MEMBER}


MakeScene = t.Callable[[User], Scene]


@pytest.fixture
def make_scene(folder: Path, registry: Registry) -> t.Iterator[MakeScene]:
    """Return a function that creates a scene for the user who runs the modules."""
    made: list[Path] = []

    def make(runner: User) -> Scene:
        scene = Scene(Path(tempfile.mkdtemp(dir=folder)), runner, registry.host)
        made.append(scene.folder)
        scene.folder.chmod(0o755)
        (scene.folder / "file").write_text("content")
        (scene.folder / "archive.tar").write_bytes(archives.pack(archives.oci(LOADED, "r.test/loaded:1")))
        scene.store.parent.mkdir()
        os.chown(scene.store.parent, *OWNER)
        put_outside(scene)
        scene.results.mkdir()
        os.chown(scene.results, *scene.runner)
        return scene

    yield make
    for path in made:
        shutil.rmtree(path)


def template_of(folder: Path, registry: str) -> Path:
    """Return a store that OWNER made and shares with the group. It is made once."""
    path = folder / "template"
    if not path.exists():

        def make() -> None:
            OWNER.become()
            os.umask(0o077)
            store = Store(str(path), 0o2770)
            for name, image in {"kept": KEPT, "damaged": DAMAGED, "gone": GONE}.items():
                image.put(store, f"{registry}/test/{name}:1")
            blob = Path(store.blob_path(DAMAGED.layers[0].digest))
            blob.chmod(0o644)
            blob.write_bytes(b"damaged")
            for name in ("tmp", "leases", "partials"):
                Path(store.private_path(name)).mkdir(exist_ok=True)
                Path(store.private_path(name)).chmod(0o2770)

        path.parent.chmod(0o777)
        assert in_child(make) == 0
        path.parent.chmod(0o755)
    return path


def restore_store(scene: Scene) -> None:
    """Restore the store to the state before anything was planted."""
    if scene.store.exists():
        shutil.rmtree(scene.store)
    subprocess.run(["cp", "-a", str(template_of(scene.folder.parent, scene.registry)), str(scene.store)], check=True)


def put_outside(scene: Scene) -> None:
    """Create folders of RUNNER outside of the store, with files named like those that runs create and delete in a store."""
    names = (
        "999-0",
        "999-0.0",
        "stranger",
        "lock",
        PARTIAL,
        f"{PARTIAL}.pieces",
        LAYER.hex,
        KEPT.layers[0].digest.hex,
        "index.json",
        "verified.json",
    )
    for below in ("", "tmp", "leases", "partials", "sha256", "999-0.1"):
        folder = scene.outside / below
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            # A valid journal is used, so a run would append to it.
            (folder / name).write_text("0 4\n" if name.endswith(".pieces") else f"precious {name}")
            (folder / name).chmod(0o600)
    # These links look valid: their targets have the content that a store would have.
    (scene.outside / "index.json").write_text('{"schemaVersion":2,"manifests":[]}')
    (scene.outside / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    for path in (scene.outside, *scene.outside.rglob("*")):
        os.chown(path, *scene.runner)
        os.utime(path, (1, 1))


def outside_state(scene: Scene) -> dict[str, tuple[t.Any, ...]]:
    """Return the fingerprint of the outside folder without link counts: planting a hard link changes these, and so does deleting it."""
    return {path: (*state[:3], *state[4:]) for path, state in fingerprint(scene.outside).items()}


# The planted entries.


def clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def link(scene: Scene, path: Path) -> None:
    """Plant a link to the entry of the same name outside. If there is none, link to the whole outside folder, which has the same subfolders."""
    path.symlink_to(counterpart(scene, path))
    os.lchown(path, *OWNER)


def hard_link(scene: Scene, path: Path) -> None:
    os.link(counterpart(scene, path), path)


def counterpart(scene: Scene, path: Path) -> Path:
    alike = scene.outside / path.name
    return alike if alike.exists() else scene.outside if path.name in (".longshore", "blobs") else scene.outside / "stranger"


def fifo(scene: Scene, path: Path) -> None:
    os.mkfifo(path, 0o666)
    path.chmod(0o666)


def device(scene: Scene, path: Path) -> None:
    """Plant a device whose content never ends."""
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    path.chmod(0o666)


def file_of_a_stranger(scene: Scene, path: Path) -> None:
    path.write_text("")
    path.chmod(0o666)
    os.chown(path, *STRANGER)


def folder_of_a_stranger(scene: Scene, path: Path) -> None:
    path.mkdir()
    path.chmod(0o777)
    os.chown(path, *STRANGER)


def full_folder(scene: Scene, path: Path) -> None:
    """Plant a folder full of links in place of a file."""
    path.mkdir()
    (path / "link").symlink_to(scene.outside)
    (path / "999-0").symlink_to(scene.outside / "999-0")
    for found in (path, *path.rglob("*")):
        os.lchown(found, *OWNER)


Plant = t.Callable[[Scene, Path], None]

FOLDERS = (".longshore", ".longshore/tmp", ".longshore/leases", ".longshore/partials", "blobs", "blobs/sha256")
FILES = (
    "index.json",
    "oci-layout",
    ".longshore/lock",
    ".longshore/verified.json",
    ".longshore/leases/999-0",
    ".longshore/tmp/999-0.0",
    f".longshore/partials/{PARTIAL}",
    f".longshore/partials/{PARTIAL}.pieces",
    f"blobs/sha256/{KEPT.layers[0].digest.hex}",
    f"blobs/sha256/{LAYER.hex}",
)
FOLDER_PLANTS: tuple[Plant, ...] = (link, folder_of_a_stranger, fifo)
FILE_PLANTS: tuple[Plant, ...] = (link, hard_link, fifo, device, file_of_a_stranger, full_folder)
PLANTS = [*((path, kind) for path in FOLDERS for kind in FOLDER_PLANTS), *((path, kind) for path in FILES for kind in FILE_PLANTS)]
# Hard links and foreign files matter only for root, which can change them; for other users only symbolic and hard links are planted.
RUNS = [(RUNNERS[name], *plant) for name in RUNNERS for plant in PLANTS if name == "root" or plant[1] in (link, hard_link)]


def name_of(value: object) -> str | None:
    """Return the text for a parameter in the name of a test."""
    if isinstance(value, User):
        return next(name for name, user in RUNNERS.items() if user == value)
    return value.replace(LAYER.hex, "layer") if isinstance(value, str) else getattr(value, "__name__", None)


def plant(scene: Scene, path: str, kind: Plant) -> None:
    restore_store(scene)
    target = scene.store / path
    clear(target)
    kind(scene, target)
    if path.endswith(".pieces"):
        # A journal is used only beside a partial file that belongs to RUNNER.
        partial = target.with_suffix("")
        partial.write_bytes(b"part")
        partial.chmod(0o600)
        os.chown(partial, *scene.runner)


def check_results(results: dict[str, t.Any]) -> None:
    if results.get("failed"):
        assert results["error"] in ERRORS, results
        assert "\n" not in results["msg"]
        assert "precious" not in str(results)


@pytest.mark.parametrize(("runner", "path", "kind"), RUNS, ids=name_of)
def test_planted_entries_never_change_files_outside_or_block_a_run(make_scene: MakeScene, runner: User, path: str, kind: Plant) -> None:
    scene = make_scene(runner)
    for module in scene.modules():
        plant(scene, path, kind)
        before = outside_state(scene)
        check_results(scene.run(module))
        assert outside_state(scene) == before, module


@pytest.mark.parametrize("runner", RUNNERS.values(), ids=RUNNERS)
def test_every_module_works_in_a_clean_store(make_scene: MakeScene, runner: User) -> None:
    """This proves that the modules above have work to do, and that root and members of a group can share a store."""
    scene = make_scene(runner)
    for module in scene.modules():
        restore_store(scene)
        before = outside_state(scene)
        results = scene.run(module)
        assert not results.get("failed"), results
        assert results["changed"] == (module != "image_info"), module
        assert outside_state(scene) == before


def test_root_and_two_members_of_a_group_work_in_one_clean_store(make_scene: MakeScene) -> None:
    scene = make_scene(ROOT)
    restore_store(scene)
    for runner in (OWNER, MEMBER, ROOT, MEMBER, OWNER):
        scene.runner = runner
        for module in ("image_pull", "image_tag", "image_load", "image_append"):
            assert not scene.run(module).get("failed"), (module, runner)
        scene.runner = MEMBER if runner == OWNER else OWNER
        options = {"name": ["r.test/*", f"{scene.registry}/test/new:1"], "store": str(scene.store)}
        removed = run_forked("image_rm", options, scene.runner)
        assert not removed.get("failed"), removed
        assert not scene.run("image_prune").get("failed"), scene.runner
    assert {path.lstat().st_gid for path in scene.store.rglob("*")} == {GROUP}
    assert {path.lstat().st_uid for path in scene.store.rglob("*")} <= {OWNER.uid, MEMBER.uid}


# Folders that are exchanged for links while root works.


def swap_forever(folder: Path, victim: Path) -> None:
    """Replace a folder by a link and the link by the folder, forever."""
    OWNER.become()
    aside, link = folder.with_name("aside"), folder.with_name("link")
    link.symlink_to(victim)
    while True:
        with contextlib.suppress(OSError):
            folder.rename(aside)
            link.rename(folder)
            folder.rename(link)
            aside.rename(folder)


@pytest.mark.parametrize("path", FOLDERS)
def test_nothing_outside_changes_while_a_folder_is_replaced_by_a_link(make_scene: MakeScene, path: str) -> None:
    scene = make_scene(ROOT)
    restore_store(scene)
    for found in scene.store.rglob("*"):
        os.chown(found, *OWNER)
    before = outside_state(scene)
    victim = counterpart(scene, scene.store / path)
    child = start_child(lambda: swap_forever(scene.store / path, victim))
    outcomes: list[str] = []
    try:
        until = time.monotonic() + 3
        while time.monotonic() < until:
            for work in (verbs.pull, verbs.remove):
                try:
                    work(scene.store, "r.test/new:1")
                    outcomes.append("done")
                except LongshoreError as error:
                    outcomes.append(error.cause)
    finally:
        os.kill(child, signal.SIGKILL)
        assert end_of(child) == -signal.SIGKILL
    assert outside_state(scene) == before
    assert "done" in outcomes
    assert set(outcomes) <= {"done", *ERRORS}
    assert len(outcomes) > 10
