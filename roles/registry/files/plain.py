# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs PROGRAM as a plain registry on a free port of loopback, with the configuration on standard input, as the owner of DATA.

Prints its pid, its port and its temporary folder as JSON as soon as it listens. It lives on afterwards, though never longer than some hours.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

LISTENS = re.compile(r"listening on 127\.0\.0\.1:([0-9]+)")

program, data, seconds = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
owner = data.stat()
folder = Path(tempfile.mkdtemp(prefix="registry-"))
config, log = folder / "config.yml", folder / "log"
config.write_text(sys.stdin.read(), encoding="utf-8")
for path in (config, folder):
    os.chown(path, owner.st_uid, owner.st_gid)

# What it writes shall belong to the account that the registry runs under: only root is another one.
account: dict[str, t.Any] = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.getuid() == 0 else {}
# A run that is killed can't end it: so it ends by itself one day.
with log.open("wb") as output:
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
while not (found := LISTENS.search(log.read_text(encoding="utf-8", errors="replace"))):
    if process.poll() is not None or time.monotonic() > end:
        process.terminate()
        said = log.read_text(encoding="utf-8", errors="replace").splitlines()
        errors = [line for line in said if not re.search("level=(info|warning)", line)]
        shutil.rmtree(folder)
        sys.exit(errors[0] if errors else f"{program} did not listen in time")
    time.sleep(0.05)
sys.stdout.write(json.dumps({"pid": process.pid, "port": int(found.group(1)), "folder": str(folder)}))
