# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Do one step of the role registry on the host: one task instead of many, and system calls that no module of Ansible offers.

Usage: registry.py look|folders|users|run|end. Options are read from standard input as JSON, and what was found or changed is printed as JSON.
With the option `check` nothing is changed.
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


def run_program(*words: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program to its end. Status 127 when it is not there."""
    try:
        return subprocess.run(words, input=text, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        return subprocess.CompletedProcess(words, 127, "", str(error))


def read_file(path: str) -> str:
    """Return a file's text, and nothing when it can't be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


# The running server


def find_server(options: Options) -> tuple[str, bool]:
    """Return the pid that the unit or the pid file names, and whether that process is the registry of our configuration file."""
    if options["service"]:
        pid = run_program("systemctl", "show", "--property=MainPID", "--value", f"{options['service']}.service").stdout.strip()
    else:
        pid = read_file(options["pid_file"]).strip()
    if not re.fullmatch("[1-9][0-9]*", pid):
        return "none", False
    # Not by the existence of /proc/PID: where the init reaps no children, a dead process stays there as a zombie.
    return pid, read_file(f"/proc/{pid}/cmdline").split("\0")[-3:] == ["serve", options["config"], ""]


def end_server(options: Options) -> bool:
    """End the process that the pid file names, if it is ours, and remove that file. Return True if anything was to do."""
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
                sys.exit(f"The registry (pid {pid}) has not ended within {options['stop_timeout']} seconds.")
            time.sleep(0.05)
    pid_file.unlink(missing_ok=True)
    return changed


def start_server(options: Options) -> tuple[subprocess.Popen[bytes], int]:
    """Start the server as a process of its own session. Return it and the size that its log had before."""
    # Nothing named REGISTRY_* may reach it: it would override the configuration.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("REGISTRY_")}
    log = os.open(options["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    os.fchmod(log, 0o640)
    size = os.fstat(log).st_size
    process = subprocess.Popen(
        [options["program"], "serve", options["config"]],
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
    """Return True if a file that the server reads at its start is younger than the pid file, even if the run that wrote it broke off."""
    times = [os.stat(path).st_mtime for path in options["read_at_start"] if os.path.exists(path)]
    with contextlib.suppress(OSError):
        return max(times, default=0.0) > os.stat(options["pid_file"]).st_mtime
    return True


def ask_server(url: str) -> str:
    """Return why the registry's API doesn't answer well, and nothing when it does."""
    parts = urlsplit(url)
    connect: type[http.client.HTTPConnection] = http.client.HTTPConnection
    more: Options = {}
    if parts.scheme == "https":
        # It is our own process on our own address: the question is whether it answers, not who it is.
        connect, more = http.client.HTTPSConnection, {"context": ssl._create_unverified_context()}  # noqa: S323
    connection = connect(parts.hostname or "", parts.port, timeout=5, **more)
    try:
        connection.request("GET", parts.path)
        status = connection.getresponse().status
        return "" if status in (200, 401) else f"the status is {status}, not 200 or 401"
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()


def wait_for_answer(options: Options, started: subprocess.Popen[bytes] | None) -> str:
    """Wait until the server answers, unless it has died. Return why it doesn't, and nothing when it does."""
    # While a process is being started, /proc shows no command line of it, or that of systemd: only its end tells that it has died.
    deadline = time.monotonic() + options["start_timeout"]
    while True:
        refusal = ask_server(options["url"])
        pid, running = find_server(options)
        if running and not refusal:
            return ""
        alive = started.poll() is None if started else pid != "none" if options["service"] else running
        if not alive:
            return "ended right after its start"
        if time.monotonic() > deadline:
            return f"runs (pid {pid}), but does not answer well at {options['url']}: {refusal}"
        time.sleep(0.1)


def read_log(options: Options, size: int) -> list[str]:
    """Return the last lines that the server has logged since its start, without the stack below a panic."""
    if options["service"]:
        text = run_program("journalctl", "--no-pager", "--output=cat", "--lines=20", f"--unit={options['service']}.service").stdout
    else:
        with open(options["log"], "rb") as log:
            log.seek(size)
            text = log.read(1 << 20).decode("utf-8", "replace")
    stack = re.compile(r"\s|$|Usage:|Flags:|goroutine |[\w./]+\.\S+\(")
    return [line for line in text.splitlines() if not stack.match(line)][-15:]


def run(options: Options) -> Options:
    """Start or restart a process where that is needed, and wait until the registry answers. systemd starts a service itself."""
    starts = not options["service"] and (options["restart"] or not find_server(options)[1] or is_outdated(options))
    if options["check"]:
        return {"changed": starts, "problem": ""}
    started, size = None, 0
    if starts:
        end_server(options)
        started, size = start_server(options)
    problem = wait_for_answer(options, started)
    if problem:
        lines = "\n".join(read_log(options, size)) or f"none. Is {options['program']} a binary of CNCF Distribution?"
        problem = f"The registry {problem}. The last lines of its log:\n{lines}"
    return {"changed": starts, "problem": problem}


def end(options: Options) -> Options:
    return {"changed": end_server(options)}


# What is on the host


def try_to_listen(host: str, port: int) -> str:
    """Return why nobody can listen at an address and port: the name of the error, and the system's words."""
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _kind, _protocol, _name, address in found:
            if family == socket.AF_INET6 and not socket.has_ipv6:
                continue
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    # All addresses, spelt ::, are those of IPv4 too.
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != "::"))
                probe.bind(address)
                probe.listen(1)
    except socket.gaierror as error:
        return f"EADDRNOTAVAIL: {error.strerror}"
    except OSError as error:
        return f"{errno.errorcode.get(error.errno or 0, 'error')}: {error.strerror}"
    return ""


def look_at_port(options: Options, running: bool) -> Options:
    """Return whether the port is free or ours, and who else holds it."""
    # Only the address of the section http: others have addresses too.
    section = re.search(r"^http:\n((?: .*\n)*)", read_file(options["config"]), re.MULTILINE)
    address = re.search(r"^  addr: ['\"]?([^'\"\n]+)", section[1], re.MULTILINE) if section else None
    had = address[1] if running and address else ""
    if had == options["listen"] or not 1 <= options["port"] <= 65535:
        return {"listening": "", "holders": []}
    refusal = try_to_listen(options["host"], options["port"])
    # At another address our own process may hold it.
    if refusal.startswith("EADDRINUSE") and had.endswith(f":{options['port']}"):
        refusal = ""
    holders = []
    if refusal.startswith("EADDRINUSE"):
        told = run_program("ss", "--no-header", "--listening", "--tcp", "--numeric", "--processes", f"sport = :{options['port']}").stdout
        holders = sorted({f"{name} (pid {pid})" for name, pid in re.findall(r'"([^"]+)",pid=([0-9]+)', told)})
    return {"listening": refusal, "holders": holders}


def look(options: Options) -> Options:
    """Read all that the role has to know before it changes anything."""
    unit = read_file(options["unit"])
    unit_ours = options["unit_mark"] in unit.splitlines()
    booted = os.path.isdir("/run/systemd/system")
    found = {"service": options["service"] if unit_ours and booted else "", "config": options["config"], "pid_file": options["pid_file"]}
    pid, running = find_server(found)
    folder, program = options["folder"], options["program"]
    place = Path(folder)
    while not place.exists() and place != place.parent:
        place = place.parent
    account = True
    with contextlib.suppress(KeyError):
        account = pwd.getpwnam(options["account"]) is None
    present = sorted(os.listdir(folder)) if os.path.isdir(folder) and os.access(folder, os.R_OK) else []
    return {
        "uid": os.getuid(),
        "pid": pid,
        "running": running,
        "unit": unit != "",
        "unit_ours": unit_ours,
        "account_missing": account,
        "program": os.path.exists(program),
        "program_runs": os.path.isfile(program) and os.access(program, os.X_OK),
        "htpasswd": shutil.which("htpasswd") is not None,
        "certificates_missing": [path for path in options["certificates"] if not os.path.exists(path)],
        "certificates_bad": [path for path in options["certificates"] if not os.path.isfile(path)],
        "place": str(place),
        "place_writable": place.is_dir() and os.access(place, os.W_OK),
        "present": present,
        **look_at_port(options, running),
    }


# Files that belong to the account of the registry


def find_account(name: str) -> int:
    """Return the number of an account that is given by name or number."""
    return int(name) if name.isdigit() else pwd.getpwnam(name).pw_uid


def open_folder(path: str) -> int:
    """Return a descriptor of a folder. A link to it counts only when root or the running user has made it.

    Anybody else could let us change owners elsewhere.
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


def give_entry(name: str, folder: int, old: int, new: int) -> None:
    """Give a file or folder to an account; no link is followed, and links, pipes and devices stay as they are.

    The entry is opened once without following a link, and only what was opened is judged and given: whoever may write to the folder
    could otherwise swap it for a link in between. A file of a third user that has a second name may be a file from elsewhere.
    """
    try:
        entry = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=folder)
    except FileNotFoundError:
        return
    try:
        seen = os.fstat(entry)
        if not (stat.S_ISREG(seen.st_mode) or stat.S_ISDIR(seen.st_mode)) or seen.st_uid == new:
            return
        if stat.S_ISREG(seen.st_mode) and seen.st_nlink > 1 and seen.st_uid != old:
            place = os.readlink(f"/proc/self/fd/{entry}")
            sys.exit(f"{place} is a hard link to a file that belongs to another user (number {seen.st_uid}): remove it.")
        os.chown(f"/proc/self/fd/{entry}", new, -1)
    finally:
        os.close(entry)


def give_tree(folder: int, new: int) -> None:
    """Give all that is in an open folder to an account, and the folder last, so that a run that breaks off is made up for."""

    def fail(error: OSError) -> None:
        raise error

    old = os.fstat(folder).st_uid
    for _path, names, files, parent in os.fwalk(".", topdown=False, onerror=fail, dir_fd=folder):
        for name in names + files:
            give_entry(name, parent, old, new)
    os.fchown(folder, new, -1)


def folders(options: Options) -> Options:
    """Make the folder of the registry and that of its images, give the images to its account, and remove what is no longer wanted."""
    folder, data, check = options["folder"], options["data"], options["check"]
    os.umask(0o022)
    unwanted = [path for path in options["unwanted"] if os.path.lexists(path)]
    changed = bool(unwanted)
    # A folder that was there keeps its mode: it may be the user's.
    for path, mode in ((folder, 0o755), (data, 0o750)):
        if not os.path.isdir(path):
            changed = True
            if not check:
                os.makedirs(path, mode=0o755, exist_ok=True)
                os.chmod(path, mode)
    if os.path.isdir(data):
        descriptor = open_folder(data)
        seen = os.fstat(descriptor)
        # Check mode may only foresee the account.
        new = None if options["owner"] == "" else find_account(options["owner"])
        moves = seen.st_uid != new
        changed |= moves or stat.S_IMODE(seen.st_mode) != 0o750
        if not check:
            if moves and new is not None:
                give_tree(descriptor, new)
            os.fchmod(descriptor, 0o750)
    if not check:
        for path in unwanted:
            os.unlink(path)
    return {"changed": changed, "removed": unwanted}


def hash_password(name: str, password: str, cost: str) -> str:
    """Return a line of an htpasswd file. The password goes through standard input alone."""
    hashed = run_program("htpasswd", "-n", "-i", "-B", "-C", cost, name, text=password)
    if hashed.returncode != 0:
        sys.exit(f"htpasswd could not hash the password of {name}.")
    return hashed.stdout.strip()


def users(options: Options) -> Options:
    """Write the htpasswd file, which the registry reads anew when it has changed. Lines whose password is still right stay."""
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
        seen = os.stat(path)
        changed = (seen.st_uid, stat.S_IMODE(seen.st_mode)) != (owner, 0o400)
    if changed:
        descriptor, temporary = tempfile.mkstemp(dir=options["folder"], prefix=".htpasswd-")
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(file.fileno(), 0o400)
            os.fchown(file.fileno(), owner, -1)
        os.replace(temporary, path)
    return {"changed": changed}


if __name__ == "__main__":
    actions = {"look": look, "folders": folders, "users": users, "run": run, "end": end}
    try:
        sys.stdout.write(json.dumps(actions[sys.argv[1]](json.load(sys.stdin))))
    except OSError as failure:
        sys.exit(str(failure))
