# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules with the option `engine`, on real engines: each does in an engine what it does in a store."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import engines, modules
from tests.support.engines import HOST, OTHER, RELATED, runnable_image, runnable_index
from tests.support.folders import short_folder
from tests.support.images import make_image
from tests.support.registry import Registry, running_registry
from tests.support.relay import Relay
from tests.support.targets import Target, config_of, fail, run, twice
from tests.support.trust import make_key, put_simple_signature

TEXT = f"index-{HOST.replace('/', '-')}"
on_stores = pytest.mark.parametrize("target", ["docker", "docker_on_containerd", "podman", "containerd"], indirect=True)
on_connections = pytest.mark.parametrize("target", ["docker", "docker_on_containerd", "podman", "podman_service", "containerd"], indirect=True)
on_podmans = pytest.mark.parametrize("target", ["podman", "podman_service"], indirect=True)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Registry]:
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@on_stores
def test_the_life_of_an_image_in_an_engine(target: Target, registry: Registry, tmp_path: Path) -> None:
    """It is pulled, described, tagged, pushed, saved, removed and loaded again, without a store."""
    image = runnable_index("index", OTHER)
    registry.put(image, "team/index", "1")
    name = f"{registry.host}/team/index:1"
    keeps = target.keeps_digests
    (row,) = twice(target, "image_pull", name=name)["images"]
    assert (row["image_id"], row["engine"], row["platforms"]) == (config_of(image), target.title, [HOST])
    assert row["digest"] == (str(image.root.digest) if keeps else None)
    assert target.has(name, image, TEXT)

    (tagged,) = twice(target, "image_tag", name=name, targets="app:2")["images"]
    assert (tagged["name"], tagged["previous_digest"]) == ("docker.io/library/app:2", None)
    found, absent = run(target, "image_info", name=["app:2", "gone:1"])["images"]
    assert (found["present"], absent["present"]) == (True, False)
    assert found["repo_tags"] == sorted([name, "docker.io/library/app:2"])
    assert (found["os"], found["labels"], found["config"]["Cmd"]) == ("linux", {"text": TEXT}, ["/bin/true"])
    assert found["image_id"] == (None if target.name == "docker_on_containerd" else config_of(image))
    history = run(target, "image_history_info", name="app:2")["history"]
    assert [step["created_by"] for step in history] == ["layer 1", "layer 0"]
    assert [step["diff_id"] for step in history] == [layer["diff_id"] for layer in found["layers"]][::-1]

    pushed = twice(target, "image_push", name="app:2", destination=f"{registry.host}/{target.name}/app:2", platform=[HOST])["images"][0]
    assert (pushed["source"], pushed["image_id"]) == ("docker.io/library/app:2", config_of(image))
    saved = twice(target, "image_save", name="app:2", path=str(tmp_path / "a.tar"), checksum=True)
    assert saved["size"] == (tmp_path / "a.tar").stat().st_size

    assert twice(target, "image_rm", name=[name])["deleted"] == []
    removed = twice(target, "image_rm", name=["docker.io/library/app:*"])
    assert removed["untagged"] == ["docker.io/library/app:2"]
    assert len(removed["deleted"]) == 1
    assert target.engine.names() == set()
    (loaded,) = twice(target, "image_load", path=str(tmp_path / "a.tar"), rename={"app:2": "app:3"})["images"]
    assert (loaded["name"], loaded["image_id"]) == ("docker.io/library/app:3", config_of(image))
    assert target.engine.runs_with("docker.io/library/app:3", TEXT)


@on_connections
def test_an_image_that_a_container_uses_stays_unless_its_name_is_forced(target: Target, registry: Registry) -> None:
    image = runnable_image("used")
    registry.put(image, "team/used", "1")
    name = f"{registry.host}/team/used:1"
    run(target, "image_pull", name=name)
    run(target, "image_tag", name=name, targets=["second:1", "third:1"])
    target.engine.create_container(name)
    twice(target, "image_rm", name=["second:1"])
    failed = fail(target, "image_rm", name=[name, "third:1", "absent:1"])
    assert failed["error"] == "in_use"
    assert [row.get("error") for row in failed["images"]] == ["in_use", "in_use", None]
    assert target.engine.names() == {name, "docker.io/library/third:1"}
    image_id = run(target, "image_info", name=name)["images"][0]["image_id"] or str(image.root.digest)
    if target.name == "docker":
        refused = fail(target, "image_rm", name=[name, "third:1"], force=True)
        assert [row["error"] for row in refused["images"]] == ["in_use", "in_use"]
        assert "keep another name" in refused["msg"]
        twice(target, "image_rm", name=["third:1"], force=True)
        assert fail(target, "image_rm", name=[name], force=True)["error"] == "in_use"
        assert target.engine.names() == {name}
    else:
        done = twice(target, "image_rm", name=[name, "third:1"], force=True)
        assert sorted(done["untagged"]) == sorted([name, "docker.io/library/third:1"])
        assert target.engine.names() == set()
    if isinstance(target.engine, engines.Containerd):
        assert done["deleted"] == [str(image.root.digest)]
        assert all(action.endswith("; the container that uses it keeps its files") for action in done["actions"])
        assert target.engine.has_files_of_containers()
    else:
        assert target.name == "docker" or done["deleted"] == []
        assert run(target, "image_info", name=image_id)["images"][0]["present"]


def test_an_image_that_kubernetes_names_by_its_id_stays_for_its_container(containerd: engines.Containerd, tmp_path: Path) -> None:
    target = Target("containerd", containerd, {"engine": "containerd", "containerd_address": f"{containerd.folder}/c.sock"})
    image = runnable_image("pod")
    image.put(Store(str(tmp_path / "store")), "docker.io/library/pod:1")
    target.deliver(str(tmp_path / "store"), "pod:1")
    containerd.tag("docker.io/library/pod:1", config_of(image))
    containerd.create_container("docker.io/library/pod:1")
    done = run(target, "image_rm", name=["pod:1"], force=True)
    assert (done["deleted"], containerd.names()) == ([], {config_of(image)})


@on_podmans
def test_short_names_never_mean_localhost(target: Target, tmp_path: Path) -> None:
    runnable_image("one").put(Store(str(tmp_path / "store")), "docker.io/library/one:1")
    target.deliver(str(tmp_path / "store"), "one:1")
    run(target, "image_tag", name="one:1", targets="two")
    assert target.engine.names() == {"docker.io/library/one:1", "docker.io/library/two:latest"}
    target.engine.tag("two", "built:1")  # Podman itself names it localhost/built:1
    for module, options in (
        ("image_tag", {"name": "built:1", "targets": "three"}),
        ("image_save", {"name": "built:1", "path": str(tmp_path / "a.tar")}),
        ("image_pull", {"name": "built:1", "pull_policy": "never"}),
    ):
        failed = fail(target, module, **options)
        assert failed["error"] == "not_found"
        assert failed["msg"].endswith("; the engine has localhost/built:1: a short name means Docker Hub, so write that name in full")


@on_stores
def test_existing_names_are_overwritten_kept_or_refused(target: Target, tmp_path: Path) -> None:
    store, archive = str(tmp_path / "store"), str(tmp_path / "a.tar")
    first, second = runnable_image("first"), runnable_image("second")
    second.put(Store(store), "docker.io/library/one:1", "docker.io/library/two:2")
    modules.run("image_save", {"store": store, "name": ["one:1", "two:2"], "path": archive})
    first.put(Store(store), "docker.io/library/one:1")
    target.deliver(store, "one:1")

    assert fail(target, "image_load", path=archive, existing="fail")["error"] == "name_taken"
    assert target.engine.names() == {"docker.io/library/one:1"}
    kept = twice(target, "image_load", path=archive, existing="keep")
    assert [(row["kept"], row["changed"]) for row in kept["images"]] == [(True, False), (False, True)]
    assert target.engine.image_id("docker.io/library/one:1") == config_of(first)
    assert run(target, "image_tag", name="two:2", targets="one:1", existing="keep")["changed"] is False
    twice(target, "image_tag", name="two:2", targets="one:1")
    assert target.engine.image_id("docker.io/library/one:1") == config_of(second)
    run(target, "image_load", path=archive)


def test_a_name_is_taken_although_its_image_is_not_unpacked(containerd: engines.Containerd, tmp_path: Path) -> None:
    """The kubelet and others unpack with another snapshotter than `ctr`."""
    target = Target("containerd", containerd, {"engine": "containerd", "containerd_address": f"{containerd.folder}/c.sock"})
    store, archive, other = str(tmp_path / "store"), str(tmp_path / "a.tar"), str(tmp_path / "b.tar")
    first, second = runnable_image("first"), runnable_image("second")
    for image, path in ((first, other), (second, archive)):
        image.put(Store(store), "docker.io/library/one:1")
        modules.run("image_save", {"store": store, "name": ["one:1"], "path": path})
    containerd.load_without_unpacking(Path(other))

    assert fail(target, "image_load", path=archive, existing="fail")["error"] == "name_taken"
    kept = run(target, "image_load", path=archive, existing="keep")
    assert (kept["changed"], kept["images"][0]["kept"]) == (False, True)
    assert containerd.image_id("docker.io/library/one:1") == config_of(first)
    assert twice(target, "image_load", path=other, existing="keep")["images"][0]["kept"] is False
    twice(target, "image_load", path=archive)
    assert containerd.image_id("docker.io/library/one:1") == config_of(second)


def test_pull_policies_and_lock_files_apply_to_an_engine(docker: engines.Docker, registry: Registry, tmp_path: Path) -> None:
    options: dict[str, t.Any] = {"engine": "docker", "docker_host": f"unix://{docker.folder}/docker.sock"}
    first, second = runnable_image("first"), runnable_image("second")
    registry.put(first, "team/moving", "1")
    name = f"{registry.host}/team/moving:1"
    lock = str(tmp_path / "images.lock")
    assert modules.fail("image_pull", {**options, "name": name, "pull_policy": "never"})["error"] == "not_found"
    modules.run("image_lock", {"name": name, "path": lock})
    modules.run("image_pull", {**options, "name": name})
    registry.put(second, "team/moving", "1")
    assert not modules.run("image_pull", {**options, "name": name, "pull_policy": "missing"})["changed"]
    locked = {**options, "name": name, "lock": Path(lock).read_text()}
    assert not modules.run("image_pull", locked)["changed"]
    assert modules.run("image_pull", {**options, "name": name})["changed"]
    assert docker.image_id(name) == config_of(second)
    assert modules.run("image_pull", locked)["changed"]
    assert docker.image_id(name) == config_of(first)
    unreachable = {**options, "name": name, "pull_policy": "newer", "retries": 1, "registries": [{"name": registry.host, "plain_http": False}]}
    assert not modules.run("image_pull", unreachable)["changed"]
    assert modules.fail("image_pull", {**options, "name": name, "platform": [HOST, OTHER]})["error"] == "invalid_option"
    assert modules.fail("image_pull", {**options, "name": [name, f"{name}@{second.root.digest}"]})["error"] == "invalid_option"


@pytest.mark.parametrize("target", ["docker_on_containerd", "containerd"], indirect=True)
def test_several_platforms_of_an_image_are_pulled(target: Target, registry: Registry, tmp_path: Path) -> None:
    """All platforms of an index keep its digest; some of them get a new index. Missing platforms are added to those that an engine has."""
    image = runnable_index("index", OTHER, RELATED)
    name = registry.put(image, "team/several", "1")
    run(target, "image_pull", name=name)
    assert fail(target, "image_pull", name=name, platform=[OTHER], pull_policy="never")["error"] == "not_found"
    everything = twice(target, "image_pull", name=name, platform=["all"])
    (row,) = everything["images"]
    assert (row["digest"], row["platforms"]) == (str(image.root.digest), [HOST, OTHER, RELATED])
    assert everything["diff"]["before"] == {f"{name} in {target.title}": {"digest": row["digest"], "platforms": [HOST]}}
    assert not run(target, "image_pull", name=name)["changed"]
    assert not run(target, "image_pull", name=name, platform=[OTHER, HOST])["changed"]
    (pushed,) = run(target, "image_push", name=name, destination=f"{registry.host}/{target.name}/several:1")["images"]
    assert pushed["digest"] == str(image.root.digest)
    run(target, "image_save", name=name, path=str(tmp_path / "a.tar"))

    run(target, "image_rm", name=[name])
    (row,) = twice(target, "image_pull", name=name, platform=[HOST, OTHER])["images"]
    assert row["digest"] != str(image.root.digest)
    assert (row["image_id"], row["platforms"]) == (config_of(image), [HOST, OTHER])
    assert target.engine.runs_with(name, TEXT)
    (row,) = run(target, "image_load", path=str(tmp_path / "a.tar"), platform=["all"])["images"]
    assert row["digest"] == str(image.root.digest)


def test_containerd_stores_platforms_that_it_cannot_run(containerd: engines.Containerd, registry: Registry) -> None:
    options = {"engine": "containerd", "containerd_address": f"{containerd.folder}/c.sock"}
    name = registry.put(runnable_index("foreign", OTHER, "linux/s390x"), "team/foreign", "1")
    (row,) = twice(Target("containerd", containerd, options), "image_pull", name=name, platform=[OTHER, "linux/s390x"])["images"]
    assert row["platforms"] == [OTHER, "linux/s390x"]


@on_stores
def test_a_load_that_fails_restores_the_names_before_it(target: Target, tmp_path: Path) -> None:
    """The second image of the archive breaks the load: the first one's name points at its old image again."""
    store, archive = str(tmp_path / "store"), str(tmp_path / "a.tar")
    old, new, broken = runnable_image("old"), runnable_image("new"), runnable_image("broken")
    old.put(Store(store), "docker.io/library/a:1")
    target.deliver(store, "a:1")
    new.put(Store(store), "docker.io/library/a:1")
    broken.put(Store(store), "docker.io/library/b:1")
    modules.run("image_save", {"store": store, "name": ["a:1", "b:1"], "path": archive})
    layer = b"".join(broken.open(broken.layers[-1]))
    data = Path(archive).read_bytes()
    assert data.count(layer) == 1
    Path(archive).write_bytes(data.replace(layer, layer[:-9] + bytes(9)))
    assert fail(target, "image_load", path=archive)["error"] == "digest_mismatch"
    assert target.engine.names() == {"docker.io/library/a:1"}
    assert target.engine.image_id("docker.io/library/a:1") == config_of(old)
    assert target.engine.runs_with("docker.io/library/a:1", "old")


@pytest.mark.parametrize("target", ["docker", "docker_on_containerd", "podman_service", "containerd"], indirect=True)
@pytest.mark.parametrize("module", ["image_pull", "image_load"])
def test_a_run_that_is_killed_while_it_sends_an_image_leaves_the_names_as_they_were(
    target: Target, registry: Registry, tmp_path: Path, module: str
) -> None:
    """A name that has no image stays absent, and one that has an image keeps it. The next run sends the new image."""
    store, archive, repository = str(tmp_path / "store"), str(tmp_path / "a.tar"), f"killed/{target.name}-{module}"
    old = runnable_image("old")
    new = make_image("new", 1, HOST, size=8_000_000, shared=[engines.program_layer()])
    registry.put(new, repository, "1")
    moved, fresh = f"{registry.host}/{repository}:1", "docker.io/library/fresh:1"
    old.put(Store(store), moved)
    target.deliver(store, moved)
    new.put(Store(store), fresh)
    modules.run("image_save", {"store": store, "name": fresh, "path": archive})
    name = moved if module == "image_pull" else fresh
    options: dict[str, t.Any] = {"name": moved} if module == "image_pull" else {"path": archive}
    running: list[subprocess.Popen[str]] = []

    def kill() -> None:
        running[0].kill()

    with short_folder() as folder, Relay(target.socket, limit=4_000_000, at_limit=kill).on_socket(folder / "r.sock"):
        running.append(modules.start_module(module, {**target.options_at(folder / "r.sock"), **options}, env=target.env))
        assert running[0].communicate(timeout=60)[0] == ""
    assert running[0].returncode == -signal.SIGKILL
    assert target.engine.names() == {moved}
    assert target.engine.image_id(moved) == config_of(old)
    assert target.engine.runs_with(moved, "old")
    assert run(target, module, **options)["changed"]
    assert target.engine.image_id(name) == config_of(new)
    assert target.engine.run(name, "/bin/sh", "-c", "echo runs") == "runs\n"


def test_a_tag_that_fails_in_containerd_restores_the_only_name_of_an_image(containerd: engines.Containerd, tmp_path: Path) -> None:
    """containerd refuses no valid name, so here its program does."""
    store, program = str(tmp_path / "store"), tmp_path / "bin" / "ctr"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\ncase "$*" in *" tag "*/refused:1) echo full >&2; exit 1;; esac\nexec {shutil.which("ctr")} "$@"\n')
    program.chmod(0o755)
    options = {"engine": "containerd", "containerd_address": f"{containerd.folder}/c.sock"}
    target = Target("containerd", containerd, options, {"PATH": f"{program.parent}:{os.environ['PATH']}"})
    old, new = runnable_image("old"), runnable_image("new")
    old.put(Store(store), "docker.io/library/a:1")
    new.put(Store(store), "docker.io/library/new:1")
    target.deliver(store, "a:1", "new:1")
    assert fail(target, "image_tag", name="new:1", targets=["a:1", "refused:1"])["error"] == "engine_error"
    assert containerd.names() == {"docker.io/library/a:1", "docker.io/library/new:1"}
    assert containerd.image_id("docker.io/library/a:1") == config_of(old)

    program.write_text(program.read_text().replace("echo full", "kill -9 $PPID; echo full"))
    with pytest.raises(modules.ModuleFailed, match="no results"):
        modules.run("image_tag", {**options, "name": "new:1", "targets": ["a:1", "refused:1"]}, env=target.env)
    (left,) = (name for name in containerd.names() if name.startswith("longshore.invalid/temporary:"))
    assert containerd.image_id(left) == config_of(old)
    done = twice(target, "image_tag", name="new:1", targets=["a:1", "b:1"])
    assert done["actions"][1:] == [f"remove {left} from containerd, the temporary name of a run that was killed"]
    assert containerd.names() == {f"docker.io/library/{name}:1" for name in ("a", "b", "new")}


def test_a_change_that_fails_in_docker_never_deletes_an_image_that_had_no_name(docker: engines.Docker, tmp_path: Path) -> None:
    """Without its new name Docker would delete the image. So the name stays, and the error says so."""
    options = {"engine": "docker", "docker_host": f"unix://{docker.folder}/docker.sock"}
    store, archive = str(tmp_path / "store"), str(tmp_path / "a.tar")
    unnamed, other, broken = runnable_image("unnamed"), runnable_image("other"), runnable_image("broken")
    for image in (unnamed, other):
        image.put(Store(store), "docker.io/library/a:1")
        modules.run("image_deliver", {**options, "store": store, "name": "a:1"})
    # Docker refuses a repository that is the name of a digest algorithm.
    failed = modules.fail("image_tag", {**options, "name": config_of(unnamed), "targets": ["keep:1", "gone:1", "sha256:1"]})
    assert (failed["error"], "docker.io/library/keep:1 stays" in failed["msg"]) == ("engine_error", True)
    assert docker.names() == {"docker.io/library/a:1", "docker.io/library/keep:1"}
    assert docker.image_id("keep:1") == config_of(unnamed)

    docker.tag("a:1", "keep:1")
    unnamed.put(Store(store), "docker.io/library/b:1")
    broken.put(Store(store), "docker.io/library/c:1")
    modules.run("image_save", {"store": store, "name": ["b:1", "c:1"], "path": archive})
    layer = b"".join(broken.open(broken.layers[-1]))
    Path(archive).write_bytes(Path(archive).read_bytes().replace(layer, layer[:-9] + bytes(9)))
    failed = modules.fail("image_load", {**options, "path": archive})
    assert (failed["error"], "docker.io/library/b:1 stays" in failed["msg"]) == ("digest_mismatch", True)
    assert docker.image_id("b:1") == config_of(unnamed)


def test_trust_is_checked_where_signatures_are_and_never_ignored(docker: engines.Docker, registry: Registry, tmp_path: Path) -> None:
    """A load verifies by the signatures in the archive, which stay there. An engine holds none for a push."""
    options: dict[str, t.Any] = {"engine": "docker", "docker_host": f"unix://{docker.folder}/docker.sock"}
    store, archive = str(tmp_path / "store"), str(tmp_path / "a.tar")
    name = registry.put(runnable_image("signed"), "team/signed", "1")
    modules.run("image_sign", {"name": [name], "store": store, "privatekey_content": make_key().private_pem().decode()})
    modules.run("image_pull", {"store": store, "name": name, "referrers": True})
    modules.run("image_save", {"store": store, "name": name, "path": archive})
    signed, by_other = ({"trust": [{"keys": [key.pem.decode()]}]} for key in (make_key(), make_key(number=1)))
    anything = {"trust": [{"accept": "anything"}]}

    assert modules.fail("image_load", {**options, **by_other, "path": archive})["error"] == "untrusted"
    assert docker.names() == set()
    done = modules.check_do_again("image_load", {**options, **signed, "path": archive}, place=tmp_path)
    assert [row["verification"]["accepted"] for row in done["images"]] == [True]
    assert docker.names() == {name}
    (described,) = modules.run("image_info", {**options, **signed, "name": name})["images"]
    assert (described["verification"]["error"], described["referrers"]) == ("unsigned", [])

    push = {**options, "name": name, "destination": f"{registry.host}/team/copy:1"}
    assert modules.fail("image_push", {**push, **signed})["error"] == "unsigned"
    assert modules.run("image_push", {**push, **anything})["images"][0]["verification"]["accepted"]


@pytest.mark.parametrize("target", ["docker", "podman", "containerd"], indirect=True)
def test_a_pull_verifies_by_the_signatures_at_the_registry(target: Target, registry: Registry) -> None:
    image = runnable_index("signed", OTHER)
    name = registry.put(image, f"team/{target.name}", "1")
    signed, by_other = ([{"keys": [key.pem.decode()]}] for key in (make_key(), make_key(number=1)))
    put_simple_signature(registry, f"team/{target.name}", image.root, make_key(), name.rpartition(":")[0])
    assert fail(target, "image_pull", name=name, trust=by_other)["error"] == "untrusted"
    assert target.engine.names() == set()
    (row,) = twice(target, "image_pull", name=name, trust=signed)["images"]
    assert (row["verification"]["accepted"], row["verification"]["digest"]) == (True, str(image.root.digest))
    assert not run(target, "image_pull", name=name, pull_policy="missing", trust=signed)["changed"]
    assert fail(target, "image_pull", name=name, pull_policy="missing", trust=by_other)["error"] == "untrusted"
    assert target.has(name, image, f"signed-{HOST.replace('/', '-')}")
