# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A module that runs in a server which has imported Ansible's library behaves as in a new interpreter."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible.release import __file__ as ansible_release

from tests.support.modules import environment
from tests.support.privileges import needs_root

LIBRARY = "ansible.module_utils.basic"
SCRIPT = f"""
import json, os, sys
umask = os.umask(0o077)
print(json.dumps({{
    "input": sys.stdin.read(), "arguments": sys.argv, "folder": os.getcwd(), "umask": umask, "environment": dict(os.environ),
    "name": __name__, "file": __file__, "path": sys.path[0], "imported": {LIBRARY!r} in sys.modules, "parent": os.getppid(),
    "network": os.readlink("/proc/self/ns/net"),
}}))
print("a warning", file=sys.stderr)
sys.exit(3)
"""
WAITING = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"


class Host:
    """A folder for scripts and for the socket of the server, and the environment that the plays of a test run have."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sockets = folder / "warm"
        self.sockets.mkdir()
        self.environment = environment(
            LONGSHORE_WARM=str(self.sockets),
            LONGSHORE_ANSIBLE=str(Path(ansible_release).parent),
            LONGSHORE_PREFIX=sys.prefix,
            LONGSHORE_NETWORK=os.readlink("/proc/self/ns/net"),
            LONGSHORE_PROCESSES=os.readlink("/proc/self/ns/pid"),
            HOME=str(folder),
        )

    def start(self, source: str, module: str = "stat", words: t.Sequence[str] = ()) -> subprocess.Popen[str]:
        script = self.folder / f"AnsiballZ_{module}.py"
        script.write_text(source)
        command, pipe = [*words, sys.executable, str(script)], subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=self.environment, cwd=self.folder, umask=0o027)

    def run(self, module: str = "stat", words: t.Sequence[str] = ()) -> tuple[dict[str, t.Any], str, int]:
        """Return what SCRIPT prints, its standard error, and its exit status. WORDS come before the command."""
        process = self.start(SCRIPT, module, words)
        output, errors = process.communicate("input", timeout=60)
        return json.loads(output), errors, process.returncode


def until(done: t.Callable[[], object]) -> None:
    for _attempt in range(1200):
        if done():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen within a minute")


def is_running(process: int) -> bool:
    return Path(f"/proc/{process}/stat").exists()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Host]:
    """Return a host whose server runs, and check that the server ends when the folder of its socket is deleted."""
    host = Host(tmp_path_factory.mktemp("host"))
    assert not host.run()[0]["imported"]
    until(lambda: [path for path in host.sockets.iterdir() if not path.suffix])
    server = host.run()[0]["parent"]
    yield host
    shutil.rmtree(host.sockets)
    until(lambda: not is_running(server))


def test_a_module_in_the_server_sees_and_returns_the_same(host: Host, tmp_path: Path) -> None:
    inside, *outcome = host.run()
    assert inside.pop("imported")
    host.environment["LONGSHORE_PREFIX"] = "/another"
    outside, *expected = host.run()
    host.environment["LONGSHORE_PREFIX"] = sys.prefix
    assert not outside.pop("imported")
    assert outcome == expected == ["a warning\n", 3]
    for each in (inside, outside):
        del each["parent"], each["environment"]["LONGSHORE_PREFIX"]
    assert inside == outside


def test_a_module_of_a_host_that_is_a_network_namespace_runs_there(host: Host) -> None:
    needs_root()
    here, there = host.run()[0], host.run(words=["unshare", "--net", "--mount"])[0]
    assert here["imported"]
    assert there["imported"]
    assert here["parent"] == there["parent"]
    assert here["network"] == os.readlink("/proc/self/ns/net") != there["network"]


def test_a_module_of_a_host_that_is_a_process_namespace_runs_in_a_new_interpreter(host: Host) -> None:
    needs_root()
    assert not host.run(words=["unshare", "--pid", "--fork", "--mount-proc"])[0]["imported"]


def test_a_module_that_a_test_made_runs_in_a_new_interpreter(host: Host) -> None:
    assert not host.run("made_by_a_test")[0]["imported"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_a_signal_to_the_interpreter_ends_the_module(host: Host, number: signal.Signals) -> None:
    process = host.start(WAITING)
    assert process.stdout is not None
    module = int(process.stdout.readline())
    assert module != process.pid
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode in (-number, 1)  # Python ends with 1 after KeyboardInterrupt
    until(lambda: not is_running(module))


def test_a_module_that_is_killed_ends_the_interpreter_in_the_same_way(host: Host) -> None:
    process = host.start(WAITING)
    assert process.stdout is not None
    os.kill(int(process.stdout.readline()), signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
