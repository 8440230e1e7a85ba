# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Render the report of an example site, and save Chromium's picture of it for the README of the role report.

`report_picture.py [FILE [WIDTH HEIGHT]]` writes another picture, and the page beside it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / ".collections"), str(ROOT)]

from ansible_collections.longshore.images.plugins.filter.report_page import report_page  # noqa: E402
from tests.support.answers import Row, answer, digest, engine_answer, engine_row, lock_text, row, verification  # noqa: E402

MB = 1_000_000
TEAM = "registry.example.com/team"
LOCKED = [f"{TEAM}/{name}:3" for name in ("app", "web", "scheduler", "worker", "db")]
KEY = digest("release key").partition(":")[2]
SIGNED = verification(accepted=True, format="simple_signing", key=KEY, reason="", annotations={"stage": "production"})
UNSIGNED = verification(reason="it has no signature", error="unsigned")
REFUSED = verification(reason="sha256-HEX.sig: no accepted key made it", error="untrusted")


def image(name: str, size: int, text: str = "", **other: object) -> Row:
    """Return an image of SIZE megabytes on a base that all images of the team share."""
    parts = {"debian": 48 * MB, "python": 31 * MB, text or name: size * MB}
    return row(name, text, parts, **{"verification": SIGNED, "labels": {"org.opencontainers.image.version": "3.2.1"}, **other})


def base(name: str, current: str | None) -> Row:
    """Return what a host says about the base NAME, whose digest is CURRENT now."""
    return {"name": name, "digest": digest("base"), "current_digest": current, "is_current": current == digest("base"), "msg": None}


def site() -> tuple[dict[str, Row], dict[str, list[Row]]]:
    """Return the answers of the stores and of the engines."""
    app, web, scheduler, worker, db = (image(name, size) for name, size in zip(LOCKED, (62, 28, 17, 45, 210)))
    for outdated in (web, worker):
        outdated["base"] = base("docker.io/library/python:3.12-slim", digest("newer base"))
    db["base"] = base("docker.io/library/debian:12", digest("base"))
    app["base"] = {**base("registry.example.com/base:1", None), "is_current": None, "msg": "registry.example.com refuses the login (HTTP 401)"}
    experiment = image("localhost/experiment:latest", 12, verification=UNSIGNED, created="2026-10-02T08:00:00Z")
    moved = image(LOCKED[1], 29, "web, hotfix", verification=REFUSED, created="2026-11-20T08:00:00Z")
    stores = {
        "node1.example.com": answer(app, web, scheduler, worker, db),
        "node2.example.com": answer(app, moved, scheduler, worker, db),
        "node3.example.com": answer(app, web, scheduler, experiment),
        "node4.example.com": {
            "unreachable": True,
            "msg": "Failed to connect to the host via ssh: connect to host node4.example.com port 22: No route to host",
        },
    }
    in_docker = [engine_row(name, size=size * MB, verification=UNSIGNED) for name, size in zip(LOCKED[:3], (395, 291, 262))]
    in_containerd = [image(name, size, platforms=["linux/amd64"], verification=UNSIGNED) for name, size in zip(LOCKED, (62, 28, 17, 45, 210))]
    stopped = engine_answer("docker")
    del stopped["images"]
    engines = {
        "node1.example.com": [engine_answer("docker", *in_docker)],
        "node2.example.com": [engine_answer("containerd", *in_containerd, containerd_namespace="k8s.io")],
        "node3.example.com": [{**stopped, "msg": "docker at /var/run/docker.sock can't be reached: Connection refused. Is the engine running?"}],
    }
    return stores, engines


def main() -> None:
    picture = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "docs" / "images" / "report.png").resolve()
    width, height = sys.argv[2:] or ("960", "1180")
    stores, engines = site()
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html" if len(sys.argv) == 1 else picture.with_suffix(".html")
        page.write_text(report_page(stores, "Images of the site", lock_text(*LOCKED), engines=engines))
        command = [
            "chromium",
            "--headless",
            "--no-sandbox",
            "--hide-scrollbars",
            f"--user-data-dir={folder}/profile",
            f"--window-size={width},{height}",
        ]
        subprocess.run([*command, f"--screenshot={picture}", page.as_uri()], check=True, capture_output=True)


if __name__ == "__main__":
    main()
