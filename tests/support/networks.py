# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A network namespace with its own addresses and host names, so that a test has private, link-local and loopback addresses."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

from . import modules
from .privileges import needs_root
from .registry import needed

_CLONE_NEWNET = 0x40000000

PRIVATE = "10.9.0.1"
OTHER_PRIVATE = "10.9.0.2"
METADATA = "169.254.169.254"
LOOPBACK = "127.0.0.1"


class Network:
    """A network namespace. Sockets that are opened in `inside` stay in it; `run` runs modules in it, which resolve its host names."""

    def __init__(self, name: str) -> None:
        self.name = name

    @contextlib.contextmanager
    def inside(self) -> t.Iterator[None]:
        """Move the calling thread into the namespace until the context ends."""
        with open("/proc/thread-self/ns/net", "rb") as home, Path(f"/run/netns/{self.name}").open("rb") as there:
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())

    def run(self, module: str, options: t.Mapping[str, t.Any], env: t.Mapping[str, str] | None = None) -> modules.Results:
        """Run a module in the namespace and return its result, failed or not."""
        command = ["ip", "netns", "exec", self.name, sys.executable, "-m", f"{modules.PACKAGE}.{module}"]
        given = json.dumps({"ANSIBLE_MODULE_ARGS": options})
        outcome = subprocess.run(
            command, input=given, env=modules.environment(**(env or {})), cwd="/", capture_output=True, text=True, check=False, timeout=120
        )
        assert "Traceback" not in outcome.stdout + outcome.stderr, outcome.stdout + outcome.stderr
        results: modules.Results = json.loads(outcome.stdout)
        return results


def _enter(namespace: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(namespace, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def private_network(hosts: t.Mapping[str, str]) -> t.Iterator[Network]:
    """Make a namespace with two private addresses and the link-local one of cloud metadata services. HOSTS maps names to addresses."""
    needs_root()
    needed("ip")
    name = f"ls-net-{os.getpid()}"
    files = Path("/etc/netns") / name
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        for words in (
            ["link", "set", "lo", "up"],
            *(["addr", "add", f"{address}/32", "dev", "lo"] for address in (PRIVATE, OTHER_PRIVATE, METADATA)),
        ):
            subprocess.run(["ip", "-n", name, *words], check=True)
        files.mkdir(parents=True)
        (files / "hosts").write_text("".join(f"{address} {host}\n" for host, address in {"localhost": LOOPBACK, **hosts}.items()))
        yield Network(name)
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)
        shutil.rmtree(files, ignore_errors=True)
