# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run one action of the role registry on the host, instead of many Ansible tasks. Some of the system calls have no Ansible module.

Usage: registry.py inspect|folders|users|run|end|status. Reads options from standard input as JSON, and prints the results as JSON.
With the option `check` it changes nothing.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import json
import os
import pwd
import re
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path
from urllib.parse import urlsplit

Options = dict[str, t.Any]


def run_program(*command: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program and return its result. The status is 127 if the program can't be started."""
    try:
        return subprocess.run(command, input=text, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))


def read_file(path: str) -> str:
    """Return a file's text, or an empty string if the file can't be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


# The running server


def find_server(options: Options) -> tuple[str, bool]:
    """Return the pid in the unit or the pid file, and whether that process is a server that runs with our configuration file."""
    if options["service"]:
        pid = run_program("systemctl", "show", "--property=MainPID", "--value", f"{options['service']}.service").stdout.strip()
    else:
        pid = read_file(options["pid_file"]).strip()
    if not re.fullmatch("[1-9][0-9]*", pid):
        return "none", False
    # The existence of /proc/PID is not enough: if the init process doesn't reap its children, a dead process stays there as a zombie.
    # The main process of nginx writes its own title and the words of its command there, in one piece.
    command = read_file(f"/proc/{pid}/cmdline").rstrip("\0").replace("\0", " ")
    return pid, command.endswith(" " + " ".join(options["command"][1:]))


def name_server(options: Options) -> str:
    return "The registry" if "serve" in options["command"] else "nginx"


def end_server(options: Options) -> bool:
    """Stop the process in the pid file if it is our server, and remove that file. Return True if this changes anything.

    Exits with a message if the process doesn't stop within `stop_timeout` seconds.
    """
    pid, running = find_server(options)
    pid_file = Path(options["pid_file"])
    changed = running or pid_file.exists()
    if options["check"]:
        return changed
    if running:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGTERM)
        deadline = time.monotonic() + options["stop_timeout"]
        while find_server(options)[1]:
            if time.monotonic() > deadline:
                sys.exit(f"{name_server(options)} (pid {pid}) has not stopped within {options['stop_timeout']} seconds.")
            time.sleep(0.05)
    pid_file.unlink(missing_ok=True)
    return changed


def start_server(options: Options) -> tuple[subprocess.Popen[bytes], int]:
    """Start the server in a new session. Return the process, and the size of the log before the start."""
    # The server must not get REGISTRY_* variables, because they override the configuration.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("REGISTRY_")}
    log = os.open(options["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    os.fchmod(log, 0o640)
    size = os.fstat(log).st_size
    process = subprocess.Popen(
        options["command"],
        cwd=options["folder"],
        env={**inherited, **options["environment"]},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        umask=0o027,
    )
    Path(options["pid_file"]).write_text(f"{process.pid}\n", encoding="ascii")
    return process, size


def is_outdated(options: Options) -> bool:
    """Return True if a file that the server reads when it starts is newer than the pid file.

    This also finds a file that an interrupted run of the role wrote.
    """
    times = [os.stat(path).st_mtime for path in options["read_at_start"] if os.path.exists(path)]
    with contextlib.suppress(OSError):
        return max(times, default=0.0) > os.stat(options["pid_file"]).st_mtime
    return True


def ask_server(options: Options) -> str:
    """Return why the registry's API doesn't answer correctly, or an empty string if it does."""
    parts = urlsplit(options["url"])
    connect: type[http.client.HTTPConnection] = http.client.HTTPConnection
    arguments: Options = {}
    if parts.scheme == "https" and not options["socket"]:
        # We only check that our own process answers at a local address, so its certificate needs no verification.
        connect, arguments = http.client.HTTPSConnection, {"context": ssl._create_unverified_context()}  # noqa: S323
    connection = connect(parts.hostname or "", parts.port, timeout=5, **arguments)
    try:
        if options["socket"]:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(5)
            connection.sock.connect(options["socket"])
        connection.request("GET", parts.path)
        status = connection.getresponse().status
        return "" if status in (200, 401) else f"the status is {status}, not 200 or 401"
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()


def wait_for_answer(options: Options, started: subprocess.Popen[bytes] | None) -> str:
    """Wait until the server answers or has exited. Return why it doesn't answer, or an empty string if it does."""
    # While a process is being started, its command line in /proc is empty or that of systemd. Only its exit proves that it is dead.
    deadline = time.monotonic() + options["start_timeout"]
    while True:
        problem = ask_server(options)
        pid, running = find_server(options)
        if running and not problem:
            return ""
        alive = started.poll() is None if started else pid != "none" if options["service"] else running
        if not alive:
            return "exited right after its start"
        if time.monotonic() > deadline:
            return f"runs (pid {pid}), but does not answer correctly at {options['socket'] or options['url']}: {problem}"
        time.sleep(0.1)


def read_log(options: Options, size: int) -> list[str]:
    """Return the last lines that the server has logged since its start, without the stack trace of a panic."""
    if options["service"]:
        text = run_program("journalctl", "--no-pager", "--output=cat", "--lines=20", f"--unit={options['service']}.service").stdout
    else:
        with open(options["log"], "rb") as log:
            log.seek(size)
            text = log.read(1 << 20).decode("utf-8", "replace")
    stack = re.compile(r"\s|$|Usage:|Flags:|goroutine |[\w./]+\.\S+\(")
    return [line for line in text.splitlines() if not stack.match(line)][-15:]


def run(options: Options) -> Options:
    """Start or restart the process if needed, and wait until the registry answers. A service is started by systemd, not here."""
    starts = not options["service"] and (options["restart"] or not find_server(options)[1] or is_outdated(options))
    if options["check"]:
        return {"changed": starts, "problem": ""}
    started, size = None, 0
    if starts:
        end_server(options)
        started, size = start_server(options)
    problem = wait_for_answer(options, started)
    if problem:
        lines = "\n".join(read_log(options, size)) or f"none. Is {options['command'][0]} a binary of CNCF Distribution?"
        problem = f"{name_server(options)} {problem}. The last lines of its log:\n{lines}"
    return {"changed": starts, "problem": problem}


def end(options: Options) -> Options:
    """Stop the process in the pid file if it is our server."""
    return {"changed": end_server(options)}


def status(options: Options) -> Options:
    """Return whether nginx answers, and how much of what it sent came from its cache, by its log."""
    problem = ask_server(options)
    counts = {"requests": 0, "hits": 0, "bytes": 0, "hit_bytes": 0}
    with contextlib.suppress(FileNotFoundError), open(options["access_log"], encoding="utf-8", errors="replace") as log:
        for line in log:
            # nginx may be writing the last line.
            with contextlib.suppress(ValueError):
                entry = json.loads(line)
                # Other requests, such as those for lists of tags, are not cached, and refused ones have not reached the cache.
                if entry["cache"]:
                    hit = entry["cache"] in ("HIT", "STALE", "UPDATING", "REVALIDATED")
                    counts["requests"] += 1
                    counts["bytes"] += entry["bytes"]
                    counts["hits"] += hit
                    counts["hit_bytes"] += entry["bytes"] * hit
    rate = round(counts["hits"] / counts["requests"], 4) if counts["requests"] else 0.0
    return {"healthy": not problem, "problem": problem, "hit_rate": rate, **counts}


# The state of the host


def try_to_listen(host: str, port: int) -> str:
    """Return why no process can listen at an address and port: the error's name and message. Return an empty string if one can."""
    try:
        addresses = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _kind, _protocol, _name, address in addresses:
            if family == socket.AF_INET6 and not socket.has_ipv6:
                continue
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    # The address :: also covers all IPv4 addresses.
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != "::"))
                probe.bind(address)
                probe.listen(1)
    except socket.gaierror as error:
        return f"EADDRNOTAVAIL: {error.strerror}"
    except OSError as error:
        return f"{errno.errorcode.get(error.errno or 0, 'error')}: {error.strerror}"
    return ""


def find_address(config: str) -> str:
    """Return the address that a configuration of the registry or of nginx listens at, or an empty string."""
    text = read_file(config)
    # Other sections of the registry's configuration have addresses too.
    section = re.search(r"^http:\n((?: .*\n)*)", text, re.MULTILINE)
    address = re.search(r"^  addr: ['\"]?([^'\"\n]+)", section[1], re.MULTILINE) if section else re.search(r"^ +listen ([^ ;]+)", text, re.MULTILINE)
    return address[1] if address else ""


def look_at_port(options: Options, running: t.Collection[str]) -> Options:
    """Return why the port can't be used, and which processes hold it. A port that a server of ours, RUNNING with its configuration, holds can be used."""
    current = {find_address(config) for config in running}
    if options["listen"] in current or not 1 <= options["port"] <= 65535:
        return {"listening": "", "holders": []}
    problem = try_to_listen(options["host"], options["port"])
    # Our own process may hold the port at another address.
    if problem.startswith("EADDRINUSE") and any(address.endswith(f":{options['port']}") for address in current):
        problem = ""
    holders = []
    if problem.startswith("EADDRINUSE"):
        output = run_program("ss", "--no-header", "--listening", "--tcp", "--numeric", "--processes", f"sport = :{options['port']}").stdout
        holders = sorted({f"{name} (pid {pid})" for name, pid in re.findall(r'"([^"]+)",pid=([0-9]+)', output)})
    return {"listening": problem, "holders": holders}


def look_at_server(server: Options) -> Options:
    """Return the state of one server of the role."""
    unit = read_file(server["unit"])
    unit_ours = server["mark"] in unit.splitlines()
    booted = os.path.isdir("/run/systemd/system")
    pid, running = find_server({**server, "service": server["service"] if unit_ours and booted else ""})
    exists = unit_ours or os.path.exists(server["config"])
    return {"unit": server["unit"], "unit_exists": unit != "", "unit_ours": unit_ours, "pid": pid, "running": running, "exists": exists}


def inspect(options: Options) -> Options:
    """Return the state of the host that the role checks before it changes anything."""
    servers = {server["config"]: look_at_server(server) for server in options["servers"]}
    registry = next(iter(servers.values()))
    folder, program = options["folder"], options["program"]
    ancestor = Path(folder)
    while not ancestor.exists() and ancestor != ancestor.parent:
        ancestor = ancestor.parent
    account_missing = True
    with contextlib.suppress(KeyError):
        account_missing = pwd.getpwnam(options["account"]) is None
    present = sorted(os.listdir(folder)) if os.path.isdir(folder) and os.access(folder, os.R_OK) else []
    return {
        "uid": os.getuid(),
        "pid": registry["pid"],
        "running": registry["running"],
        "unit_ours": registry["unit_ours"],
        "servers": servers,
        "units_of_others": [server["unit"] for server in servers.values() if server["unit_exists"] and not server["unit_ours"]],
        "account_missing": account_missing,
        "program": os.path.exists(program),
        "program_runs": os.path.isfile(program) and os.access(program, os.X_OK),
        "nginx": os.path.exists(options["nginx"]),
        "htpasswd": shutil.which("htpasswd") is not None,
        "certificates_missing": [path for path in options["certificates"] if not os.path.exists(path)],
        "certificates_bad": [path for path in options["certificates"] if not os.path.isfile(path)],
        "ancestor": str(ancestor),
        "ancestor_writable": ancestor.is_dir() and os.access(ancestor, os.W_OK),
        "present": present,
        **look_at_port(options, [config for config, server in servers.items() if server["running"]]),
    }


# Files that the registry's account owns


def find_account(name: str) -> int:
    """Return the user ID of an account. NAME is its name or its user ID. Raises KeyError if there is no such account."""
    return int(name) if name.isdigit() else pwd.getpwnam(name).pw_uid


def open_folder(path: str) -> int:
    """Open a folder and return its file descriptor. A symbolic link to it is followed only if root or the running user owns the link.

    Another user's link could make us change the owners of files elsewhere.
    """
    if not os.path.islink(path):
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    link = os.open(path, os.O_PATH | os.O_NOFOLLOW)
    try:
        if os.fstat(link).st_uid not in (0, os.geteuid()):
            sys.exit(f"{path} is a link that belongs to another user: remove it.")
        target = os.readlink("", dir_fd=link)
    finally:
        os.close(link)
    return os.open(os.path.join(os.path.dirname(path), target), os.O_RDONLY | os.O_DIRECTORY)


def change_owner(name: str, folder: int, old: int, new: int) -> None:
    """Change the owner of a file, or of a folder and everything in it. Links are not followed, and links, pipes and devices stay unchanged.

    The entry is opened once, without following a link, and the check and the change use that open file. Otherwise a user who can write
    to the folder could replace the entry with a link in between. Exits with a message for a hard link to a file of a third user, which
    may be a file from elsewhere.
    """
    try:
        entry = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=folder)
    except FileNotFoundError:
        return
    try:
        status = os.fstat(entry)
        if stat.S_ISDIR(status.st_mode):
            change_owner_of_content(entry, old, new)
        elif not stat.S_ISREG(status.st_mode):
            return
        elif status.st_nlink > 1 and status.st_uid not in (old, new):
            path = os.readlink(f"/proc/self/fd/{entry}")
            sys.exit(f"{path} is a hard link to a file that belongs to another user (number {status.st_uid}): remove it.")
        if status.st_uid != new:
            os.chown(f"/proc/self/fd/{entry}", new, -1)
    finally:
        os.close(entry)


def change_owner_of_content(folder: int, old: int, new: int) -> None:
    """Change the owner of everything in an open folder."""
    readable = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=folder)
    try:
        for name in os.listdir(readable):
            change_owner(name, readable, old, new)
    finally:
        os.close(readable)


def change_owner_of_tree(folder: int, new: int) -> None:
    """Change the owner of an open folder and everything in it. The folder comes last, so that the next run repeats an interrupted change."""
    change_owner_of_content(folder, os.fstat(folder).st_uid, new)
    os.fchown(folder, new, -1)


def own_folder(path: str, options: Options) -> bool:
    """Set the mode of a folder and the owner of everything in it. Return True if this changes anything."""
    descriptor = open_folder(path)
    status = os.fstat(descriptor)
    # In check mode the account may not exist yet.
    new = None if options["owner"] == "" else find_account(options["owner"])
    owner_changes = status.st_uid != new
    if not options["check"]:
        if owner_changes and new is not None:
            change_owner_of_tree(descriptor, new)
        os.fchmod(descriptor, 0o750)
    return owner_changes or stat.S_IMODE(status.st_mode) != 0o750


def folders(options: Options) -> Options:
    """Create the registry's folder and the folders that it owns, set the owner of the images, and remove files that are no longer needed."""
    folder, check = options["folder"], options["check"]
    os.umask(0o022)
    unwanted = [path for path in options["unwanted"] if os.path.lexists(path)]
    changed = bool(unwanted)
    # An existing folder keeps its mode, because the user may have set it.
    for path, mode in ((folder, 0o755), *((path, 0o750) for path in options["owned"])):
        if not os.path.isdir(path):
            changed = True
            if not check:
                os.makedirs(path, mode=0o755, exist_ok=True)
                os.chmod(path, mode)
    for path in options["owned"]:
        if os.path.isdir(path):
            changed |= own_folder(path, options)
    if not check:
        for path in unwanted:
            os.unlink(path)
    return {"changed": changed, "removed": unwanted}


def hash_password(name: str, password: str, cost: str) -> str:
    """Return a line of an htpasswd file. The password is passed on standard input, because every user of the host can read arguments."""
    hashed = run_program("htpasswd", "-n", "-i", "-B", "-C", cost, name, text=password)
    if hashed.returncode != 0:
        sys.exit(f"htpasswd could not hash the password of {name}.")
    return hashed.stdout.strip()


def users(options: Options) -> Options:
    """Write the htpasswd file. The registry reads it again when it changes. A line stays unchanged if its hash still matches the password."""
    path, cost = options["path"], options["cost"]
    old = {line.partition(":")[0]: line for line in read_file(path).splitlines()}
    lines, changed = [], False
    for user in options["users"]:
        name, line = user["name"], old.get(user["name"], "")
        if "password_hash" in user:
            line = f"{name}:{user['password_hash']}"
        elif f":$2y${cost}$" not in line or run_program("htpasswd", "-v", "-i", path, name, text=user["password"]).returncode != 0:
            changed = True
            line = "" if options["check"] else hash_password(name, user["password"], cost)
        lines.append(line)
    text = "".join(f"{line}\n" for line in lines)
    changed = changed or read_file(path) != text
    if options["check"]:
        return {"changed": changed}
    owner = find_account(options["owner"])
    if not changed:
        status = os.stat(path)
        changed = (status.st_uid, stat.S_IMODE(status.st_mode)) != (owner, 0o400)
    if changed:
        descriptor, temporary = tempfile.mkstemp(dir=options["folder"], prefix=".htpasswd-")
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(file.fileno(), 0o400)
            os.fchown(file.fileno(), owner, -1)
        os.replace(temporary, path)
    return {"changed": changed}


def read_options() -> Options:
    """Read the options from standard input. Numbers may be text, since templates of ansible-core before 2.19 return only text."""
    options: Options = json.load(sys.stdin)
    numbers = {name: int(options[name]) for name in ("port", "start_timeout", "stop_timeout") if name in options}
    return {**options, **numbers}


if __name__ == "__main__":
    actions = {"inspect": inspect, "folders": folders, "users": users, "run": run, "end": end, "status": status}
    try:
        sys.stdout.write(json.dumps(actions[sys.argv[1]](read_options())))
    except OSError as failure:
        sys.exit(str(failure))
