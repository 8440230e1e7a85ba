# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Daemons of containerd and Docker, one for each fixture.

They run in private PID and mount namespaces. When pytest ends for any reason, the kernel kills them, their shims and containers,
and removes their mounts. Sockets and data are in temporary folders with short paths, since a socket's path has at most 107 bytes.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import typing as t
from pathlib import Path

import pytest

from .. import modules
from ..folders import short_folder
from ..registry import needed
from .base import CONFINED, PATIENCE, Refused, wait_until
from .containerd import Containerd
from .docker import Docker, DockerOnContainerd


@contextlib.contextmanager
def running_containerd() -> t.Iterator[Containerd]:
    needed("containerd", "ctr", "runc")
    with short_folder() as folder:
        containerd = Containerd(folder)
        with _daemon(folder, f"exec {_containerd_command(folder)}", containerd.names):
            yield containerd


@contextlib.contextmanager
def running_docker(containerd_store: bool) -> t.Iterator[Docker]:
    """Run Docker with a private containerd. Otherwise it would use that of the machine, if there is one."""
    needed("containerd", "ctr", "docker", "dockerd", "runc")
    with short_folder() as folder:
        (folder / "docker.json").write_text(json.dumps({"features": {"containerd-snapshotter": containerd_store}}))
        words = ["dockerd", "--config-file", f"{folder}/docker.json", "--containerd", f"{folder}/c.sock", "--data-root", f"{folder}/docker"]
        words += ["--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid", "--host", f"unix://{folder}/docker.sock"]
        words += ["--iptables=false", "--ip6tables=false", "--bridge=none"]
        docker = DockerOnContainerd(folder) if containerd_store else Docker(folder)
        with _daemon(folder, f"{_containerd_command(folder)} & exec {' '.join(words)}", docker.names):
            yield docker


def _containerd_command(folder: Path) -> str:
    lines = ["version = 2", f'root = "{folder}/root"', f'state = "{folder}/state"', 'disabled_plugins = ["io.containerd.grpc.v1.cri"]']
    lines += ["[grpc]", f'address = "{folder}/c.sock"']
    # Unused content is deleted at once. Otherwise that happens after a hundred changes, in the middle of any test.
    lines += ['[plugins."io.containerd.gc.v1.scheduler"]', "deletion_threshold = 1", "mutation_threshold = 1", ""]
    (folder / "containerd.toml").write_text("\n".join(lines))
    return f"containerd --config {folder}/containerd.toml"


@contextlib.contextmanager
def _daemon(folder: Path, script: str, question: t.Callable[[], object]) -> t.Iterator[None]:
    """Run SCRIPT in private namespaces, wait until QUESTION is answered, and kill all of its processes at the end."""
    if os.geteuid() != 0:
        pytest.fail("only root can start engines")
    needed("setpriv", "unshare")
    words = [*CONFINED, "sh", "-c", script]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=modules.environment(), start_new_session=True)
    try:
        wait_until(lambda: process.poll() is not None or _answers(question), lambda: f"no answer: {_log(folder)}")
        if process.poll() is not None:
            pytest.fail(f"didn't start: {_log(folder)}")
        yield
    finally:
        # The first process of a namespace ends only after all other processes and mounts of the namespace are gone.
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
        try:
            process.wait(PATIENCE)
        finally:
            process.kill()
            process.wait()


def _answers(question: t.Callable[[], object]) -> bool:
    with contextlib.suppress(Refused):
        question()
        return True
    return False


def _log(folder: Path) -> str:
    return (folder / "log").read_text()[-3000:]
