# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run modules as Ansible does: in one process for each run, with options on standard input and one JSON document on standard output.

`attempt`, `run`, `fail` and `check_do_again` fork this process from a server that has imported everything, which is ten times as fast as a new interpreter.
`start_module` starts a new interpreter.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "ansible_collections.longshore.images.plugins.modules"
# `./dev test` installs the oldest supported libraries there (tests/oldest.txt).
OLDEST = Path(sys.prefix) / "oldest"
# Interpreters with this folder share what they compile, if `sharing.py` says so.
STARTUP = ROOT / "tests" / "support" / "startup"
LIBRARIES = {"current": f"{STARTUP}:{ROOT / '.collections'}", "oldest": f"{OLDEST}:{ROOT / '.collections'}"}
TIMEOUT = 120

Results = dict[str, t.Any]


class ModuleFailed(Exception):
    """A module failed where the test expects it to work."""


def environment(**extra: str) -> dict[str, str]:
    """Return an environment without the credentials and proxies of the host, so that no test depends on them."""
    left_out = ("DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")
    kept = {name: value for name, value in os.environ.items() if name not in left_out and not name.lower().endswith("_proxy")}
    return {**kept, "PYTHONPATH": LIBRARIES["current"], "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1", **extra}


def start_module(name: str, options: t.Mapping[str, t.Any], check: bool = False, env: t.Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Start a module in a new interpreter, send its input, and return the process."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"{PACKAGE}.{name}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**(env or {})),
        cwd="/",
    )
    assert process.stdin is not None
    process.stdin.write(_input(options, check))
    process.stdin.close()
    process.stdin = None
    return process


def finish_module(process: subprocess.Popen[str]) -> Results:
    return _parse(*process.communicate(timeout=TIMEOUT))


def _input(options: t.Mapping[str, t.Any], check: bool) -> str:
    return json.dumps({"ANSIBLE_MODULE_ARGS": {**options, "_ansible_check_mode": check, "_ansible_diff": True}})


def _parse(output: str, errors: str) -> Results:
    try:
        results: Results = json.loads(output)
    except ValueError as error:
        raise ModuleFailed(f"no results but: {output}{errors}") from error
    results.pop("invocation", None)
    return results


class _Server:
    """A process that has imported all modules and forks a child for each run; see `module_server.py`. It ends with this process."""

    def __init__(self, libraries: str) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, str(Path(__file__).with_name("module_server.py")), str(theirs.fileno())]
            env = environment(PYTHONPATH=libraries)
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=env, cwd="/", pass_fds=[theirs.fileno()])
        atexit.register(self._stop)

    def _stop(self) -> None:
        self._control.close()
        self._process.wait(TIMEOUT)

    def run(self, name: str, given: str, env: t.Mapping[str, str], open_files: int | None) -> tuple[str, str]:
        """Run a module with the text GIVEN on standard input, and return its standard output and standard error."""
        ours, theirs = socket.socketpair()
        with ours, tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
            stdin.write(given.encode())
            stdin.seek(0)
            with theirs:
                socket.send_fds(self._control, [b"r"], [file.fileno() for file in (theirs, stdin, stdout, stderr)])
            ours.settimeout(TIMEOUT)
            with ours.makefile("rw", encoding="utf-8") as messages:
                messages.write(json.dumps({"module": name, "environment": dict(env), "umask": _umask(), "open_files": open_files}) + "\n")
                messages.flush()
                child = int(messages.readline())
                try:
                    messages.readline()
                except BaseException:
                    os.kill(child, signal.SIGKILL)
                    raise
            return _text(stdout), _text(stderr)


def _text(file: t.IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def _umask() -> int:
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


_server = functools.cache(_Server)


def outputs(
    name: str, options: t.Mapping[str, t.Any], check: bool = False, env: t.Mapping[str, str] | None = None, open_files: int | None = None
) -> tuple[str, str]:
    """Run a module and return its standard output and standard error. OPEN_FILES limits how many files it may have open, as `ulimit -n` does.

    Variables that change an interpreter when it starts, such as those of the locale, need a new one.
    """
    wanted = environment(**(env or {}))
    special = {key for key in env or {} if key.startswith(("LC_", "LANG", "PYTHON"))} - {"PYTHONPATH"}
    if special or wanted["PYTHONPATH"] not in LIBRARIES.values():
        return start_module(name, options, check, env).communicate(timeout=TIMEOUT)
    return _server(wanted["PYTHONPATH"]).run(name, _input(options, check), wanted, open_files)


def attempt(
    name: str, options: t.Mapping[str, t.Any], check: bool = False, env: t.Mapping[str, str] | None = None, open_files: int | None = None
) -> Results:
    """Run a module and return its result, failed or not."""
    return _parse(*outputs(name, options, check, env, open_files))


def run(
    name: str, options: t.Mapping[str, t.Any], check: bool = False, env: t.Mapping[str, str] | None = None, open_files: int | None = None
) -> Results:
    """Run a module and return its result. Raises ModuleFailed if it fails."""
    results = attempt(name, options, check, env, open_files)
    if results.get("failed"):
        raise ModuleFailed(results["msg"])
    return results


def fail(name: str, options: t.Mapping[str, t.Any], check: bool = False, env: t.Mapping[str, str] | None = None) -> Results:
    """Run a module that must fail with one sentence and a stable cause, and return its result."""
    results = attempt(name, options, check, env)
    assert results.get("failed"), results
    assert "Traceback" not in json.dumps(results)
    assert results["error"] != "internal_error", results
    return results


Snapshot = dict[str, tuple[int, int, int]]


def snapshot(folder: str | Path) -> Snapshot:
    """Return the names, kinds, modes, sizes and modification times of everything in a folder. Empty if the folder does not exist."""
    found: Snapshot = {}
    for path in [Path(folder), *Path(folder).rglob("*")] if os.path.lexists(folder) else []:
        status = path.lstat()
        found[str(path)] = (status.st_mode, 0 if stat.S_ISDIR(status.st_mode) else status.st_size, status.st_mtime_ns)
    return found


def check_do_again(name: str, options: t.Mapping[str, t.Any], changes: bool = True, place: str | Path | None = None) -> Results:
    """Check what every module promises, by check mode, a run, and both again. Return the result of the first run.

    Check mode writes nothing and returns the same as the run; the second run changes and writes nothing. PLACE is the folder that is
    compared, by default the store.
    """
    place = options["store"] if place is None else place
    before = snapshot(place)
    predicted = run(name, options, check=True)
    assert snapshot(place) == before, "check mode wrote something"
    done = run(name, options)
    assert predicted == done
    assert done["changed"] == changes
    assert bool(done["actions"]) == changes
    if not changes:
        assert snapshot(place) == before
        assert done["diff"]["before"] == done["diff"]["after"]
    after = snapshot(place)
    for check in (True, False):
        again = run(name, options, check)
        assert not again["changed"]
        assert again["actions"] == []
        assert again["diff"]["before"] == again["diff"]["after"] == done["diff"]["after"]
        assert snapshot(place) == after
    return done
