# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""image_deliver to real engines: the images afterwards, the sent data, and failures."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import typing as t
import uuid
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci.manifest import Descriptor
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import engines, modules
from tests.support.engines import HOST, OTHER, RELATED, runnable_image, runnable_index
from tests.support.folders import short_folder
from tests.support.images import Image, make_image
from tests.support.interpreters import interpreters
from tests.support.registry import make_authority
from tests.support.relay import Relay
from tests.support.targets import TARGETS, Target, config_of, make_target

ONE = "docker.io/library/one:1"
TWO = "localhost/tools/two:2"
INDEX = "docker.io/library/index:1"
SPARSE = "quay.io/team/sparse:1"
RELATIVES = "quay.io/team/relatives:1"
KEEP_DIGESTS = TARGETS[1:]


on_all = pytest.mark.parametrize("target", TARGETS, indirect=True)


def put(store: str, images: t.Mapping[str, Image], platforms: t.Sequence[str] = ()) -> None:
    for name, image in images.items():
        image.put(Store(store), name, platforms=platforms)


def sizes(*blobs: Descriptor) -> int:
    return sum(blob.size for blob in blobs)


def own_blobs(image: Image) -> tuple[Descriptor, ...]:
    """Return the config and the layers above the common one."""
    (node,) = image.graph.images
    return (node.manifest.config, *node.manifest.layers[1:])


HOST_TEXT = HOST.replace("/", "-")


class TestWhatAnEngineHasAfterwards:
    @on_all
    def test_every_kind_of_image_is_delivered_with_its_name_id_and_digest_and_runs(self, target: Target, store: str) -> None:
        images = {ONE: runnable_image("one"), TWO: runnable_image("two"), INDEX: runnable_index("index", OTHER)}
        sparse = {SPARSE: runnable_index("sparse", OTHER), RELATIVES: runnable_index("relatives", RELATED)}
        put(store, images)
        put(store, {name: image.sparse(HOST) for name, image in sparse.items()}, platforms=[HOST])
        names = [*images, *sparse]

        predicted = target.deliver(store, *names, check=True)
        assert target.engine.names() == set()
        done = target.deliver(store, *names)
        assert predicted == done
        assert done["changed"]
        assert len(done["actions"]) == len(names)
        for name, image in {**images, **sparse}.items():
            text = name.rpartition("/")[2].partition(":")[0]
            assert target.has(name, image, text if image.root.digest == image.graph.images[0].descriptor.digest else f"{text}-{HOST_TEXT}")
        for row, image in zip(done["images"], {**images, **sparse}.values()):
            assert row["engine"] == target.title
            assert row["engine_digest"] == (str(image.root.digest) if target.keeps_digests else None)
            assert (row["image_id"], row["platforms"], row["changed"]) == (config_of(image), [HOST], True)

        before = modules.snapshot(store)
        for check in (True, False):
            again = target.deliver(store, *names, check=check)
            assert not again["changed"]
            assert again["actions"] == []
            assert again["diff"]["before"] == again["diff"]["after"] == done["diff"]["after"]
            assert (again["bytes_transferred"], again["blobs_transferred"]) == (0, 0)
            assert again["bytes_reused"] == done["bytes_transferred"]
            assert again["images"] == [{**row, "changed": False} for row in done["images"]]
        assert modules.snapshot(store) == before

    @on_all
    def test_a_name_of_another_image_is_moved_and_shown_in_the_diff(self, target: Target, store: str) -> None:
        first, second = runnable_image("first"), runnable_image("second")
        put(store, {ONE: first})
        before = target.deliver(store, ONE)
        put(store, {ONE: second})
        moved = target.deliver(store, ONE)
        assert target.has(ONE, second, "second")
        assert moved["diff"]["before"] == before["diff"]["after"]
        assert moved["diff"]["after"] != before["diff"]["after"]
        assert " in place of sha256:" in moved["actions"][0]

    @on_all
    def test_another_platform_is_delivered_as_its_manifest(self, target: Target, store: str) -> None:
        index = runnable_index("index", OTHER)
        put(store, {INDEX: index})
        done = target.deliver(store, INDEX, platform=OTHER)
        manifest = next(node.descriptor.digest for node in index.graph.images if str(node.platform) == OTHER)
        (row,) = done["images"]
        assert (row["digest"], row["image_id"], row["platforms"]) == (str(manifest), config_of(index, OTHER), [OTHER])
        if isinstance(target.engine, engines.Podman):
            assert target.engine.image_id(INDEX) == config_of(index, OTHER)
        else:
            assert target.engine.names() == {INDEX}
        assert not target.deliver(store, INDEX, platform=OTHER)["changed"]

        assert target.deliver(store, INDEX)["changed"]
        assert target.has(INDEX, index, f"index-{HOST_TEXT}")
        assert not target.deliver(store, INDEX)["changed"]

    @on_all
    def test_an_image_that_is_named_by_its_digest_is_delivered_once(self, target: Target, store: str) -> None:
        image = runnable_image("one")
        name = f"docker.io/library/one@{image.root.digest}"
        put(store, {name: image})
        assert target.deliver(store, name)["changed"]
        held = name if target.keeps_digests else f"docker.io/library/one:longshore-sha256-{image.root.digest.hex}"
        assert target.engine.names() == {held}
        assert target.engine.runs_with(held, "one")
        assert not target.deliver(store, name)["changed"]

    @on_all
    def test_a_second_name_of_an_image_costs_no_layer(self, target: Target, store: str) -> None:
        image = runnable_image("one")
        put(store, {ONE: image, TWO: image})
        target.deliver(store, ONE)
        done = target.deliver(store, TWO)
        assert done["bytes_transferred"] == image.graph.images[0].manifest.config.size
        assert target.has(TWO, image, "one")
        assert target.has(ONE, image, "one")


class TestOnlyWhatAnEngineLacksIsSent:
    @on_all
    def test_layers_of_an_earlier_image_are_not_sent(self, target: Target, store: str) -> None:
        one, two = runnable_image("one"), runnable_image("two")
        put(store, {ONE: one, TWO: two})
        first = target.deliver(store, ONE)
        assert first["bytes_transferred"] == sizes(*one.blobs)
        second = target.deliver(store, TWO)
        assert second["bytes_transferred"] == sizes(*own_blobs(two))
        assert second["bytes_reused"] == one.layers[0].size
        assert target.has(TWO, two, "two")

    @on_all
    def test_layers_that_two_images_of_a_task_share_are_sent_once(self, target: Target, store: str) -> None:
        one, two = runnable_image("one"), runnable_image("two")
        put(store, {ONE: one, TWO: two})
        done = target.deliver(store, ONE, TWO)
        assert done["bytes_transferred"] == sizes(*one.blobs, *own_blobs(two))
        assert target.has(ONE, one, "one")
        assert target.has(TWO, two, "two")

    def test_docker_reuses_layers_from_elsewhere_if_the_layers_below_are_the_same(self, docker: engines.Docker, store: str, tmp_path: Path) -> None:
        one, two = runnable_image("one"), runnable_image("two")
        put(str(tmp_path / "elsewhere"), {ONE: one})
        modules.run("image_save", {"store": str(tmp_path / "elsewhere"), "name": [ONE], "path": str(tmp_path / "one.tar")})
        docker.load(tmp_path / "one.tar")
        upside_down = make_image("three", 1, HOST, shared=[one.content[one.layers[1].digest], one.content[one.layers[0].digest]])
        put(store, {TWO: two, INDEX: upside_down})
        options = {"store": store, "engine": "docker", "docker_host": f"unix://{docker.folder}/docker.sock"}
        assert modules.run("image_deliver", {**options, "name": [TWO]})["bytes_transferred"] == sizes(*own_blobs(two))
        assert docker.runs_with(TWO, "two")
        # To Docker the same layers in another order are different layers.
        assert modules.run("image_deliver", {**options, "name": [INDEX]})["bytes_transferred"] == sizes(*upside_down.blobs)
        assert docker.runs_with(INDEX, "three")

    def test_podman_reuses_a_layer_from_elsewhere(self, podman: engines.Podman, store: str, tmp_path: Path) -> None:
        """It has the common layer uncompressed, from a docker-archive, and then gets an image whose manifest names the compressed layer."""
        one, two, three = (runnable_image(text) for text in ("one", "two", "three"))
        put(store, {ONE: one, TWO: two, INDEX: three})
        engines.Skopeo.copy(f"oci:{store}:{ONE}", f"docker-archive:{tmp_path}/one.tar:{ONE}")
        podman.load(tmp_path / "one.tar")
        with podman.service() as path:
            options = {"store": store, "engine": "podman", "podman_host": f"unix://{path}"}
            assert modules.run("image_deliver", {**options, "name": [TWO]})["bytes_transferred"] == sizes(*two.blobs)
            assert modules.run("image_deliver", {**options, "name": [INDEX]})["bytes_transferred"] == sizes(*own_blobs(three))
        assert podman.runs_with(INDEX, "three")

    @pytest.mark.parametrize("target", ["docker", "docker_on_containerd", "podman_service"], indirect=True)
    def test_an_engine_that_loses_a_layer_during_the_run_gets_the_whole_image(self, target: Target, store: str) -> None:
        # These images have a layer that no other test uses: an engine may still keep a layer that was in use when images of other tests were removed.
        kind = uuid.uuid4().hex
        one, two = runnable_image("one", kind), runnable_image("two", kind)
        put(store, {ONE: one, TWO: two})
        target.deliver(store, ONE)

        def remove_the_first(line: str) -> None:
            if line.startswith("POST /images/load") and ONE in target.engine.names():
                target.engine.remove(ONE)

        with short_folder() as folder, Relay(target.socket, before=remove_the_first).on_socket(folder / "r.sock") as relay:
            done = target.deliver(store, TWO, **target.options_at(folder / "r.sock"))
        assert sum(line.startswith("POST ") for line in relay.lines) == 2
        assert done["bytes_transferred"] == sizes(*two.blobs)
        assert target.has(TWO, two, "two")

    def test_an_image_whose_blob_docker_lost_is_delivered_again(self, docker_on_containerd: engines.Docker, store: str) -> None:
        assert isinstance(docker_on_containerd, engines.DockerOnContainerd)
        one = runnable_image("one")
        put(store, {ONE: one})
        options = {"store": store, "name": [ONE], "engine": "docker", "docker_host": f"unix://{docker_on_containerd.folder}/docker.sock"}
        modules.run("image_deliver", options)
        docker_on_containerd.containerd.delete_blob(str(one.layers[0].digest))
        assert modules.run("image_deliver", options)["bytes_transferred"] == sizes(*one.blobs)
        assert docker_on_containerd.containerd.content() >= {str(digest) for digest in one.digests}
        assert docker_on_containerd.runs_with(ONE, "one")

    def test_each_namespace_of_containerd_has_its_own_blobs(self, containerd: engines.Containerd, store: str) -> None:
        one = runnable_image("one")
        put(store, {ONE: one})
        for namespace in ("first", "second"):
            there = engines.Containerd(containerd.folder, namespace)
            options = {"store": store, "name": [ONE], "engine": "containerd", "containerd_address": f"{there.folder}/c.sock"}
            done = modules.run("image_deliver", {**options, "containerd_namespace": namespace})
            assert done["bytes_transferred"] == sizes(*one.blobs)
            assert there.runs_with(ONE, "one")
            there.clear()


class TestFailures:
    @on_all
    def test_an_absent_or_damaged_image_does_not_stop_the_others(self, target: Target, store: str) -> None:
        one, two = runnable_image("one"), runnable_image("two")
        put(store, {ONE: one, TWO: two})
        damaged = Path(Store(store).blob_path(own_blobs(two)[1].digest))
        damaged.chmod(0o600)
        damaged.write_bytes(b"x" * damaged.stat().st_size)
        failed = target.fails(store, "absent:1", TWO, ONE)
        assert [row.get("error") for row in failed["images"]] == ["not_found", "store_damaged", None]
        assert [row["changed"] for row in failed["images"]] == [False, False, True]
        assert target.engine.names() == {ONE}
        assert "2 of 3 images failed" in failed["msg"]

    @on_all
    def test_an_index_without_the_engines_platform_is_refused(self, target: Target, store: str) -> None:
        put(store, {INDEX: runnable_index("index", OTHER).sparse(OTHER)}, platforms=[OTHER])
        failed = target.fails(store, INDEX)
        assert failed["error"] == "platform_missing"
        assert INDEX in failed["msg"]

    def test_an_image_for_another_platform_alone_is_delivered_with_a_warning(self, docker: engines.Docker, store: str) -> None:
        put(store, {ONE: make_image("one", 1, OTHER)})
        done = modules.run("image_deliver", {"store": store, "name": [ONE], "engine": "docker", "docker_host": f"unix://{docker.folder}/docker.sock"})
        assert done["changed"]
        assert any(OTHER in str(warning) and HOST in str(warning) for warning in done["warnings"])

    @pytest.mark.parametrize("engine", ["docker", "podman", "containerd"])
    def test_an_engine_that_is_absent_or_stopped_is_named_in_one_sentence(self, engine: str, store: str) -> None:
        put(store, {ONE: make_image("one", 1, HOST)})
        with short_folder() as folder:
            path = folder / "e.sock"
            places = {"docker_host": f"unix://{path}", "podman_host": f"unix://{path}", "containerd_address": str(path)}
            options = {"store": store, "name": [ONE], "engine": engine, **places}
            absent = modules.fail("image_deliver", options)
            assert absent["error"] == "engine_error"
            assert engine in absent["msg"]
            assert str(path) in absent["msg"]
            assert "no such socket" in absent["msg"]

            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(path))
                stopped = modules.fail("image_deliver", options)
            assert stopped["error"] == "engine_error"
            assert "the engine doesn't listen there" in stopped["msg"]

    def test_a_failing_program_is_named_with_its_output(self, store: str, tmp_path: Path) -> None:
        put(store, {ONE: make_image("one", 1, HOST)})
        program = tmp_path / "podman"
        program.write_text("#!/bin/sh\necho 'time=\"now\" level=warning msg=\"old\"' >&2\necho 'Error: the storage is broken' >&2\nexit 125\n")
        program.chmod(0o755)
        failed = modules.fail("image_deliver", {"store": store, "name": [ONE], "engine": "podman"}, env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
        assert failed["error"] == "engine_error"
        assert failed["msg"] == f"podman ({program}) refused the request: Error: the storage is broken"

    @pytest.mark.parametrize("target", ["docker", "docker_on_containerd", "podman_service", "containerd"], indirect=True)
    def test_an_engine_that_disconnects_during_a_load_is_an_error_with_the_images_name_and_the_next_run_converges(
        self, target: Target, store: str
    ) -> None:
        image = make_image("large", 1, HOST, size=4_000_000, shared=[engines.program_layer()])
        put(store, {ONE: image})
        with short_folder() as folder, Relay(target.socket, limit=2_000_000).on_socket(folder / "r.sock"):
            failed = target.fails(store, ONE, **target.options_at(folder / "r.sock"))
        assert failed["error"] == "engine_error"
        assert ONE in failed["msg"]
        assert target.title in failed["msg"]
        assert failed["images"][0]["failed"]
        done = target.deliver(store, ONE)
        assert done["changed"]
        assert target.engine.image_id(ONE) == config_of(image)
        assert target.engine.run(ONE, "/bin/sh", "-c", "echo runs").strip() == "runs"
        assert not target.deliver(store, ONE)["changed"]

    def test_a_program_that_dies_during_a_load_is_an_error_with_the_images_name_and_the_next_run_converges(
        self, request: pytest.FixtureRequest, store: str, tmp_path: Path
    ) -> None:
        (target,) = make_target(request, "podman")
        image = runnable_image("one")
        put(store, {ONE: image})
        real = tmp_path / "bin" / "podman"
        dying = tmp_path / "dying" / "podman"
        dying.parent.mkdir()
        dying.write_text(f'#!/bin/sh\n[ "$1" != load ] || {{ head -c 1000 >/dev/null; kill -9 $$; }}\nexec {real} "$@"\n')
        dying.chmod(0o755)
        failed = modules.fail(
            "image_deliver", {"store": store, "name": [ONE], "engine": "podman"}, env={"PATH": f"{dying.parent}:{os.environ['PATH']}"}
        )
        assert failed["error"] == "engine_error"
        assert ONE in failed["msg"]
        assert str(dying) in failed["msg"]
        assert target.deliver(store, ONE)["changed"]
        assert target.has(ONE, image, "one")

    def test_an_image_whose_import_into_containerd_failed_is_delivered_again(
        self, containerd: engines.Containerd, store: str, tmp_path: Path
    ) -> None:
        image = runnable_image("one")
        put(store, {ONE: image})
        delta = {"store": store, "name": [ONE], "path": str(tmp_path / "delta.tar"), "base_digests": [str(image.layers[0].digest)]}
        modules.run("image_save", delta)
        with pytest.raises(engines.Refused):
            containerd.load(tmp_path / "delta.tar")
        assert containerd.names() <= {ONE}  # an older containerd lists it all the same
        options = {"store": store, "name": [ONE], "engine": "containerd", "containerd_address": f"{containerd.folder}/c.sock"}
        assert modules.run("image_deliver", options)["changed"]
        assert containerd.runs_with(ONE, "one")
        assert not modules.run("image_deliver", options)["changed"]


class TestHowAnEngineIsReached:
    def test_twenty_unchanged_images_are_three_requests(self, docker: engines.Docker, store: str) -> None:
        names = [f"docker.io/team/app{number}:1" for number in range(20)]
        put(store, {name: make_image(name.rpartition("/")[2].replace(":", "-"), 1, HOST) for name in names})
        options = {"store": store, "name": names, "engine": "docker"}
        modules.run("image_deliver", {**options, "docker_host": f"unix://{docker.folder}/docker.sock"})
        with short_folder() as folder, Relay(docker.folder / "docker.sock").on_socket(folder / "r.sock") as relay:
            assert not modules.run("image_deliver", {**options, "docker_host": f"unix://{folder}/r.sock"})["changed"]
        assert relay.lines == ["GET /_ping HTTP/1.1", "GET /info HTTP/1.1", "GET /images/json?all=1 HTTP/1.1"]

    def test_docker_is_reached_over_tcp_with_tls_both_ways(self, docker: engines.Docker, store: str, tmp_path: Path) -> None:
        make_authority(tmp_path)
        image = runnable_image("one")
        put(store, {ONE: image})
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tmp_path / "ca.pem")
        context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
        context.verify_mode = ssl.CERT_REQUIRED
        with Relay(docker.folder / "docker.sock").on_port(context) as host:
            plain = {"store": store, "name": [ONE], "engine": "docker", "docker_host": f"tcp://{host}"}
            whole = {**plain, "docker_ca_path": str(tmp_path / "ca.pem")}
            whole.update(docker_client_cert=str(tmp_path / "server.pem"), docker_client_key=str(tmp_path / "server.key"))
            for options in (plain, {**plain, "docker_tls": True}, {**plain, "docker_ca_path": str(tmp_path / "ca.pem")}):
                assert modules.fail("image_deliver", options)["error"] == "engine_error"
            assert "certificate" in modules.fail("image_deliver", {**plain, "docker_tls": True})["msg"]
            assert modules.run("image_deliver", whole)["changed"]
            (tmp_path / "server.pem").rename(tmp_path / "cert.pem")
            (tmp_path / "server.key").rename(tmp_path / "key.pem")
            env = {"DOCKER_HOST": f"tcp://{host}", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)}
            assert not modules.run("image_deliver", {"store": store, "name": [ONE], "engine": "docker"}, env=env)["changed"]
        assert docker.runs_with(ONE, "one")

    def test_podman_behind_the_socket_of_docker_is_detected(self, podman: engines.Podman, store: str) -> None:
        one, two = runnable_image("one"), runnable_image("two")
        put(store, {ONE: one, TWO: two})
        with podman.service() as path:
            done = modules.run("image_deliver", {"store": store, "name": [ONE, TWO]}, env={"DOCKER_HOST": f"unix://{path}"})
        assert [row["engine"] for row in done["images"]] == ["podman", "podman"]
        assert podman.digests(TWO) == {str(two.root.digest)}
        assert podman.runs_with(TWO, "two")


@pytest.mark.parametrize("python", interpreters())
def test_every_python_of_a_managed_host_delivers_to_every_engine(python: str, store: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    image = make_image("large", 1, HOST, size=3_000_000)
    put(store, {ONE: image})
    targets = [next(make_target(request, name)) for name in ("docker", "podman", "containerd")]
    tasks = []
    for target in targets:
        task = {"longshore.images.image_deliver": {"store": store, "name": [ONE], **target.options}, "environment": target.env}
        tasks += [{**task, "register": "first"}, {**task, "register": "second"}]
        tasks.append({"ansible.builtin.assert": {"that": ["first is changed", "second is not changed"]}})
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
    (tmp_path / "play.json").write_text(json.dumps([play]))
    command = ["ansible-playbook", "-i", "localhost,", "-e", f"ansible_python_interpreter={python}", str(tmp_path / "play.json")]
    environment = {**modules.environment(HOME=str(tmp_path)), "ANSIBLE_CONFIG": str(modules.ROOT / "ansible.cfg"), "LC_ALL": "C.UTF-8"}
    result = subprocess.run(command, cwd=modules.ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
    assert [target.engine.image_id(ONE) for target in targets] == [config_of(image)] * 3
