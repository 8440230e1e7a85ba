# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An image goes from the upstream registry to a mirror, into a bundle, to a host without network, and from its store into engines that run it."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from tests.support import engines
from tests.support.engines import HOST, OTHER, Engine, runnable_index
from tests.support.modules import ROOT, run
from tests.support.plays import Play, run_playbook
from tests.support.privileges import needs_root
from tests.support.registry import Registry, needed, running_registry

IMAGE = runnable_index("journey", OTHER)
# The text in the image for this host.
TEXT = f"journey-{HOST.replace('/', '-')}"


@contextlib.contextmanager
def lonely_python(folder: Path) -> t.Iterator[Path]:
    """Write a program that runs Python in a network namespace without any network, not even loopback."""
    needed("ip")
    namespace = f"ls-journey-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", namespace], check=True)
    try:
        python = folder / "python"
        python.write_text(f'#!/bin/sh\nexec ip netns exec {namespace} {shlex.quote(sys.executable)} "$@"\n')
        python.chmod(0o755)
        yield python
    finally:
        subprocess.run(["ip", "netns", "delete", namespace], check=True)


@pytest.fixture
def registries(tmp_path: Path) -> t.Iterator[tuple[Registry, Registry]]:
    """Run the upstream registry, and the private registry of the connected side."""
    for name in ("upstream", "private"):
        (tmp_path / name).mkdir()
    with running_registry(tmp_path / "upstream") as upstream, running_registry(tmp_path / "private") as private:
        yield upstream, private


def play(name: str, folder: Path, *words: str, **variables: t.Any) -> Play:
    done = run_playbook(str(ROOT / "playbooks" / f"{name}.yml"), folder, *words, "-e", json.dumps(variables))
    assert done.status == 0, done.output
    return done


def reaches(python: Path, registry: Registry) -> bool:
    host, _colon, port = registry.host.partition(":")
    question = f"import socket; socket.create_connection(({host!r}, {port}), 3)"
    return subprocess.run([str(python), "-c", question], capture_output=True, check=False).returncode == 0


def assert_has(engine: Engine, name: str, keeps_digests: bool = True) -> None:
    assert engine.names() == {name}
    assert engine.image_id(name) == next(str(node.manifest.config.digest) for node in IMAGE.graph.images if str(node.platform) == HOST)
    assert not keeps_digests or str(IMAGE.root.digest) in engine.digests(name)
    assert engine.runs_with(name, TEXT)


def test_an_image_crosses_the_air_gap_with_its_digest_and_runs(
    registries: tuple[Registry, Registry],
    docker: engines.Docker,
    docker_on_containerd: engines.Docker,
    podman: engines.Podman,
    containerd: engines.Containerd,
    tmp_path: Path,
) -> None:
    needs_root()
    upstream, private = registries
    name = upstream.put(IMAGE, "team/journey", "1")
    lock, bundle = tmp_path / "images.lock", tmp_path / "out" / "journey.tar"

    play("mirror", tmp_path, mirror_images=[{"name": name}], mirror_destination=f"{private.host}/hub/", mirror_lock_file=str(lock))
    upstream.stop()
    from_mirror = [{"name": upstream.host, "mirrors": [{"url": f"http://{private.host}/hub"}], "mirror_only": True}]
    near = {"bundle_registries": from_mirror, "bundle_store": str(tmp_path / "near"), "bundle_platforms": ["all"]}
    play("airgap_export", tmp_path, bundle_lock_file=str(lock), bundle_path=str(bundle), **near)

    with lonely_python(tmp_path) as python, podman.service() as podman_socket:
        assert not reaches(python, private)
        inventory = tmp_path / "inventory.json"
        host = {"ansible_connection": "local", "ansible_python_interpreter": str(python)}
        inventory.write_text(json.dumps({"far": {"hosts": {"island": host}}}))
        far = {"airgap_bundle": str(bundle), "airgap_hosts": "far", "airgap_store": str(tmp_path / "far")}
        places = {"airgap_podman_host": f"unix://{podman_socket}", "airgap_containerd_address": f"{containerd.folder}/c.sock"}
        for engine, names in ((docker, ["docker", "podman", "containerd"]), (docker_on_containerd, ["docker"])):
            where = {**places, "airgap_docker_host": f"unix://{engine.folder}/docker.sock", "airgap_engines": names}
            done = play("airgap_import", tmp_path, "-i", str(inventory), **far, **where)
            assert "changed: [island]" in done.output
        again = play("airgap_import", tmp_path, "-i", str(inventory), **far, **where)
        assert again.recap["changed"] == 0

    (row,) = run("image_info", {"store": str(tmp_path / "far"), "name": [name]})["images"]
    assert row["digest"] == str(IMAGE.root.digest)
    assert_has(docker, name, keeps_digests=False)
    for taker in (docker_on_containerd, podman, containerd):
        assert_has(taker, name)
