# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Let a server that has imported Ansible's library run the modules of tasks: the imports take most of the time of a short task.

`sitecustomize.py` calls `run_in_server` in each interpreter that Ansible starts for a module. It imports only what is built into Python. The server is
`warm_server.py`; there is one for each user and environment of Python, and the first interpreter that finds none starts it.
"""

from __future__ import annotations

import _imp
import _signal  # type: ignore[import-not-found]  # `signal` imports much more
import _socket
import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # the import would take longer than all else here
    import typing as t

SERVER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "warm_server.py")
NAMESPACES = ("net", "mnt")
FORWARDED = (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP)


def run_in_server(folder: str, script: str) -> None:
    """Run SCRIPT in the server and end this process as it ended. Return without having done anything if there is no server that can."""
    if os.readlink("/proc/self/ns/pid") != os.environ.get("LONGSHORE_PROCESSES"):  # a running process can't enter another one
        return
    path = os.path.join(folder, _name_of_server())
    server = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    try:
        server.connect(path)
    except OSError:
        server.close()
        _start_server(path)
        return
    umask = os.umask(0o077)
    os.umask(umask)
    request = marshal.dumps((script, os.getcwd(), umask, dict(os.environ)))
    # `ip netns exec` makes a mount namespace for each process.
    namespaces = [os.open(f"/proc/self/ns/{name}", os.O_RDONLY) for name in NAMESPACES]
    files = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2, *namespaces))
    try:
        server.sendmsg([request], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, files)])
        process = int(server.recv(20))
    except (OSError, ValueError):  # it has just ended, or doesn't know the module
        for number in (server.detach(), *namespaces):
            os.close(number)
        return
    try:
        _end_like(process, server)
    finally:  # here an error would let the interpreter run the module once more
        os._exit(1)


def _end_like(process: int, server: _socket.socket) -> None:
    """Pass signals on to the PROCESS that runs the module, and end this process in the same way."""
    for number in FORWARDED:
        _signal.signal(number, lambda number, _frame: os.kill(process, number))
    status = int(server.recv(20))
    if status < 0:
        if -status != _signal.SIGKILL:
            _signal.signal(-status, _signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


def _name_of_server() -> str:
    """Return a name for all from which a process can't change to something else after it has started."""
    variables = sorted(f"{name}={value}" for name, value in os.environ.items() if name.startswith(("PYTHON", "LC_", "LANG", "LONGSHORE_")))
    namespaces = [os.stat(f"/proc/self/ns/{name}").st_ino for name in NAMESPACES if os.geteuid()]  # root can enter others
    identity = repr((sys.prefix, os.getuid(), os.geteuid(), os.getgid(), os.getgroups(), namespaces, variables))
    return _imp.source_hash(0x7761726D, identity.encode()).hex()


def _start_server(path: str) -> None:
    """Start a server, unless another process does, or this is a host of molecule: all processes in its network are killed with it."""
    if os.readlink("/proc/self/ns/net") != os.environ["LONGSHORE_NETWORK"]:
        return
    try:
        os.close(os.open(f"{path}.starting", os.O_CREAT | os.O_EXCL))
    except OSError:
        return
    streams: list[t.Any] = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
    os.posix_spawn(sys.executable, [sys.executable, SERVER, path], os.environ, file_actions=streams, setsid=True)
