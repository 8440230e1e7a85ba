# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the modules of tasks in forked children of a process that has imported Ansible's library and `requests`.

`startup/longshore_warm.py` starts this file as a program and sends it requests, on a socket whose path is the first argument. Files of a collection are
imported by each child, from what Ansible packed: a file that is missing there is missed. The server ends when nobody asks for a while, and at the end
of the test run.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import importlib.util
import marshal
import os
import select
import signal
import socket
import sys
import time
import types
import typing as t
from pathlib import Path

if t.TYPE_CHECKING:
    from tests.support.module_server import run_as_program
else:
    from module_server import run_as_program

IDLE = 60
# What many modules import, of those of Ansible and of the standard library.
LIBRARY = (
    "ansible.module_utils.basic",
    "ansible.module_utils.common.file",
    "ansible.module_utils.common.respawn",
    "ansible.module_utils.facts.collector",
    "ansible.module_utils.urls",
    "ansible.module_utils._internal._ansiballz._loader",
    "datetime",
    "http.client",
    "requests",
    "runpy",
    "shlex",
    "zipfile",
)


def import_library(ansible: Path) -> None:
    """Import the library of the controller's Ansible, from which it packs modules, and nothing else from the folder of ANSIBLE."""
    spec = importlib.util.spec_from_file_location("ansible", ansible / "__init__.py", submodule_search_locations=[str(ansible)])
    assert spec is not None
    assert spec.loader is not None
    sys.modules["ansible"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["ansible"])
    for name in LIBRARY:
        with contextlib.suppress(ImportError):  # older versions have not all of them
            importlib.import_module(name)
    gc.freeze()


def is_known(script: str, ansible: Path) -> bool:
    """Return whether a script runs a module of Ansible or of this collection, and not one that a test made."""
    name = os.path.basename(script).replace("AnsiballZ_", "")
    folders = ansible / "modules", Path(__file__).resolve().parents[2] / "plugins" / "modules"
    return any((folder / name).is_file() for folder in folders)


class Server:
    """A process that forks a child for each request. Each client sees the end of its child, and a child dies with its client."""

    def __init__(self, path: Path, ansible: Path) -> None:
        self._path = path
        self._ansible = ansible
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(f"{path}.new")
        self._listener.listen(64)
        self._clients: dict[int, socket.socket] = {}  # by process ID
        self._wakeup, ended = socket.socketpair()
        ended.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(ended.fileno())
        self._ended = ended  # keeps it open
        os.rename(f"{path}.new", path)

    def serve(self) -> None:
        """Answer requests until nobody has asked for a while, or the folder of the socket is gone."""
        last = time.monotonic()
        while self._path.exists() and (self._clients or time.monotonic() - last < IDLE):
            by_file = {client.fileno(): process for process, client in self._clients.items()}
            ready, _write, _except = select.select([self._listener.fileno(), self._wakeup.fileno(), *by_file], [], [], 1)
            for file in ready:
                if file == self._listener.fileno():
                    self._accept()
                elif file == self._wakeup.fileno():
                    self._wakeup.recv(4096)
                    self._reap()
                elif by_file[file] in self._clients:  # a client sends nothing more: it has ended
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(by_file[file], signal.SIGKILL)
                    self._forget(by_file[file])
                last = time.monotonic()
        for name in (self._path, Path(f"{self._path}.starting")):
            name.unlink(missing_ok=True)

    def _accept(self) -> None:
        client, _address = self._listener.accept()
        message, files, _flags, _address = socket.recv_fds(client, 1 << 20, 5)
        script, folder, umask, environment = marshal.loads(message) if message else ("", "", 0, {})
        if is_known(script, self._ansible):
            process = os.fork()
            if process == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _become(script, folder, umask, environment, files)
            self._clients[process] = client
            with contextlib.suppress(OSError):
                client.send(str(process).encode())
        else:
            client.close()
        for file in files:
            os.close(file)

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                process, status = os.waitpid(-1, os.WNOHANG)
                if not process:
                    return
                if process in self._clients:
                    with contextlib.suppress(OSError):
                        self._clients[process].send(str(os.waitstatus_to_exitcode(status)).encode())
                    self._forget(process)

    def _forget(self, process: int) -> None:
        self._clients.pop(process).close()


def _become(script: str, folder: str, umask: int, environment: t.Mapping[str, str], files: t.Sequence[int]) -> t.NoReturn:
    """Run SCRIPT in this process as a new interpreter would, and end the process. FILES are the standard streams and two namespaces."""
    for name, namespace in zip(("net", "mnt"), files[3:]):
        if os.fstat(namespace).st_ino != os.stat(f"/proc/self/ns/{name}").st_ino and ctypes.CDLL(None).setns(namespace, 0):
            raise OSError("the namespace can't be entered")
    for number, stream in enumerate(files[:3]):
        os.dup2(stream, number)
    os.closerange(3, 1000)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.umask(umask)
    os.chdir(folder)
    sys.argv = [script]
    sys.path.insert(0, os.path.dirname(script))
    main = types.ModuleType("__main__")
    main.__file__ = script
    sys.modules["__main__"] = main

    def run() -> None:
        source = Path(script).read_bytes()
        exec(compile(source, script, "exec"), main.__dict__)

    run_as_program(run)


if __name__ == "__main__":
    del sys.path[0]  # files here have general names
    library = Path(os.environ["LONGSHORE_ANSIBLE"])
    import_library(library)
    Server(Path(sys.argv[1]), library).serve()
