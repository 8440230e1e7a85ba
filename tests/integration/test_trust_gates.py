# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guide docs/contents.md: an image is signed, scanned and attested, and every module with `trust` applies the guide's rule to it."""

from __future__ import annotations

import datetime
import json
import re
import typing as t
from pathlib import Path

import yaml

from tests.support import modules
from tests.support.images import make_image
from tests.support.registry import Registry
from tests.support.trust import make_key
from tests.unit.test_documentation import own_tasks

EXAMPLE = "registry.example.com"
SECTION = (modules.ROOT / "docs" / "contents.md").read_text().partition("## Gate a deployment")[2].partition("\n## ")[0]
TASKS = [task for text in re.findall(r"^```yaml\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL) for task in own_tasks(yaml.safe_load(text))]


def write_scan(path: Path, hour: int, *names: str) -> None:
    rows = [{"VulnerabilityID": name, "Severity": "CRITICAL"} for name in names]
    finished = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=hour)
    report = {"SchemaVersion": 2, "ArtifactName": "app", "Results": [{"Vulnerabilities": rows}]}
    path.write_text(json.dumps({"scanner": {"result": report}, "metadata": {"scanFinishedOn": finished.isoformat()}}))


def test_the_guide_gates_a_deployment(anonymous: Registry, tmp_path: Path) -> None:
    repository = "gated/app"
    anonymous.put(make_image("gated"), repository, "3")
    files = {"release.pem": make_key().private_pem(), "release.pub": make_key().pem}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    store = str(tmp_path / "store")

    def adapt(options: t.Any) -> dict[str, t.Any]:
        text = (
            json.dumps(options, default=str)
            .replace(f"{EXAMPLE}/team/app", f"{anonymous.host}/{repository}")
            .replace(f"{EXAMPLE}/team", anonymous.host)
        )
        text = re.sub(r'"(?:/etc/[a-z/]*)?(release\.pem|release\.pub|scan\.json)"', lambda match: json.dumps(str(tmp_path / match[1])), text)
        return t.cast("dict[str, t.Any]", {**json.loads(text), "store": store})

    (sign, signing), (attest, attesting), (pull, pulling) = [(name, adapt(options)) for name, options in TASKS]
    pulling = {**pulling, "name": [pulling["name"]]}
    trust = pulling["trust"]
    modules.run(sign, signing)
    assert "no accepted attestation" in modules.fail(pull, pulling)["msg"]

    write_scan(tmp_path / "scan.json", -2, "CVE-2026-1000")  # the exception of the guide
    modules.run(attest, attesting)
    done = modules.check_do_again(pull, pulling)
    assert done["images"][0]["verification"]["attestations"] == ["https://cosign.sigstore.dev/attestation/vuln/v1"]
    dest = {"dest": f"{anonymous.host}/gated/copy:3", "trust": [{**trust[0], "repository": "any"}]}
    assert modules.run("image_copy", {"src": signing["name"], "store": store, "referrers": True, **dest})["changed"]

    write_scan(tmp_path / "scan.json", -1, "CVE-2026-1000", "CVE-2026-1001")
    modules.run(attest, attesting)
    name = signing["name"]
    lock = {"name": [name], "path": str(tmp_path / "images.lock"), "trust": trust}
    for module, options in ((pull, pulling), ("image_lock", lock), ("image_copy", {"src": name, "store": store, **dest})):
        refused = modules.fail(module, options)
        assert refused["error"] == "untrusted"
        assert "1 critical (at most 0): CVE-2026-1001" in refused["msg"]
    info = modules.run("image_info", {"name": [name], "remote": True, "trust": trust})
    assert "CVE-2026-1001" in info["images"][0]["verification"]["reason"]
