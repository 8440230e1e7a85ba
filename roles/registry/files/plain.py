# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start PROGRAM as a plain registry on a free loopback port, as the owner of DATA, for one user with a random password.

Reads the configuration from standard input as JSON. Prints pid, port, temporary folder, user name and password as JSON as soon as the
registry listens. The registry keeps running after this script ends, for at most six hours.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

LISTENS = re.compile(r"listening on 127\.0\.0\.1:([0-9]+)")
USER = "fill"

program, data, seconds = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
# Every user of the host can connect to loopback. Without a password they could plant images in the cache.
password = secrets.token_urlsafe(32)
# The registry hashes the password for each request. The lowest cost is enough, because 256 random bits can't be guessed.
hashed = subprocess.run(["htpasswd", "-n", "-i", "-B", "-C", "4", USER], input=password, capture_output=True, text=True, check=False)
if hashed.returncode != 0:
    sys.exit(f"htpasswd could not hash the password of this run: {hashed.stderr.strip()}")

owner = data.stat()
folder = Path(tempfile.mkdtemp(prefix="registry-"))
config, users, log = folder / "config.yml", folder / "htpasswd", folder / "log"
settings = {**json.load(sys.stdin), "auth": {"htpasswd": {"realm": "registry", "path": str(users)}}}
config.write_text(json.dumps(settings), encoding="utf-8")
users.write_text(hashed.stdout, encoding="utf-8")
# Opened once, before the owner of the folder changes: the new owner could replace the file with a link.
output = log.open("w+b")
for path in (config, users, folder):
    os.chown(path, owner.st_uid, owner.st_gid)


def read_log() -> str:
    return os.pread(output.fileno(), os.fstat(output.fileno()).st_size, 0).decode("utf-8", "replace")


# The registry's account must own the files that this server writes. Only root can run it as another account.
account: dict[str, t.Any] = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.getuid() == 0 else {}
# A run of the role that is killed can't stop the server, so `timeout` does.
process = subprocess.Popen(
    ["timeout", "6h", program, "serve", str(config)],
    stdin=subprocess.DEVNULL,
    stdout=output,
    stderr=output,
    start_new_session=True,
    umask=0o027,
    env={name: value for name, value in os.environ.items() if not name.startswith("REGISTRY_")} | {"OTEL_TRACES_EXPORTER": "none"},
    **account,
)

end = time.monotonic() + seconds
while not (found := LISTENS.search(read_log())):
    if process.poll() is not None or time.monotonic() > end:
        process.terminate()
        errors = [line for line in read_log().splitlines() if not re.search("level=(info|warning)", line)]
        shutil.rmtree(folder)
        sys.exit(errors[0] if errors else f"{program} did not listen in time")
    time.sleep(0.05)
started = {"pid": process.pid, "port": int(found.group(1)), "folder": str(folder), "username": USER, "password": password}
sys.stdout.write(json.dumps(started))
