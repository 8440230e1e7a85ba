# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run modules in forked children of a process that has imported all of them: most of the time of a short run is spent on imports.

`modules.py` starts this file as a program, with one end of a pair of sockets. Each message on it is a run: it carries a socket and the files of the three
standard streams. The socket receives the name of the module, its environment and umask, and sends the process ID and later the exit status.
A child shares nothing with other runs: folders, environment, signal handlers and caches are its own. The server has one thread, so a child can't
inherit a lock that nobody releases.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import resource
import signal
import socket
import sys
import threading
import time
import traceback
import typing as t

COLLECTION = "ansible_collections.longshore.images.plugins"


def _import_everything() -> None:
    for package in ("module_utils", "modules"):
        folder = importlib.import_module(f"{COLLECTION}.{package}")
        for found in pkgutil.walk_packages(folder.__path__, f"{folder.__name__}."):
            importlib.import_module(found.name)
    for name in ("ctypes", "http.client", "requests"):  # modules import these late
        importlib.import_module(name)
    gc.freeze()


def serve(control: socket.socket) -> None:
    """Fork a child for each message, until no process has the other end of CONTROL open: then the test run has ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for these children
    while True:
        message, files, _flags, _address = socket.recv_fds(control, 1, 4)
        if not message:
            return
        if os.fork() == 0:
            control.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            with socket.socket(fileno=files[0]) as connection:
                _run(connection, files[1:])
            os._exit(0)
        for file in files:
            os.close(file)


def _run(connection: socket.socket, streams: t.Sequence[int]) -> None:
    """Run the module that CONNECTION asks for, and send its process ID and its exit status."""
    with connection.makefile("rw", encoding="utf-8") as file:
        request = json.loads(file.readline())
        child = os.fork()
        if child == 0:
            _become_module(streams, request)
        file.write(f"{child}\n")
        file.flush()
        file.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")


def _become_module(streams: t.Sequence[int], request: dict[str, t.Any]) -> t.NoReturn:
    """Run a module in this process as a new interpreter would, and end the process."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.closerange(3, 1000)
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    os.umask(request["umask"])
    os.chdir("/")
    if request["open_files"] is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (request["open_files"], request["open_files"]))
    sys.argv = [request["module"]]
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
    run_as_program(lambda: importlib.import_module(f"{COLLECTION}.modules.{request['module']}").main())


def run_as_program(main: t.Callable[[], object]) -> t.NoReturn:
    """Call MAIN and end this process as an interpreter does at its end. Freeing all imported modules would take longer than the run."""
    status = 1
    try:
        main()
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - as an interpreter does
        traceback.print_exc()
    t.cast(t.Any, threading)._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    del sys.path[0]  # files here have general names
    _import_everything()
    with socket.socket(fileno=int(sys.argv[1])) as received:
        serve(received)
