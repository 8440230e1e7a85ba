# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules on every Python version that managed hosts may have and this machine has."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from ansible.release import __version__ as core_version

from tests.support import modules
from tests.support.interpreters import interpreters, unsupported_interpreters


@pytest.mark.parametrize("python", interpreters())
def test_an_image_is_made_saved_loaded_and_verified(python: str, tmp_path: Path) -> None:
    sources = tmp_path / "sources"
    (sources / "é" / ("n" * 120)).mkdir(parents=True)
    (sources / "file").write_text("content")
    (sources / "linked").hardlink_to(sources / "file")
    (sources / "link").symlink_to("t" * 150)
    layers = [{"src": str(sources), "dest": "/srv/", "owner": 3_000_000}, {"remove": ["/srv/link"]}]
    append = {"name": "made:1", "base": "scratch", "layers": layers, "platform": "linux/amd64", "created": "2026-01-31T12:00:00.123456789Z"}
    archive = str(tmp_path / "image.tar")
    tasks = [
        {"longshore.images.image_append": append},
        {"longshore.images.image_save": {"name": "made:1", "path": archive}},
        {"longshore.images.image_rm": {"name": "made:1"}},
        {"longshore.images.image_load": {"path": archive}},
        {"longshore.images.image_verify": {}},
        {"longshore.images.image_prune": {"keep": 1, "older_than": "1w"}},
        {"longshore.images.image_info": {"name": "made:1"}, "register": "result"},
        {"ansible.builtin.assert": {"that": ["result.images[0].present", "result.images[0].digest == digest"]}},
    ]
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
    defaults = {"group/longshore.images.images": {"store": str(tmp_path / "store")}}
    # The digest must depend neither on the Python version nor on the umask and the time zone.
    digest = modules.run("image_append", {**append, "store": str(tmp_path / "other")})["images"][0]["digest"]
    (tmp_path / "play.json").write_text(json.dumps([{**play, "module_defaults": defaults, "vars": {"digest": digest}}]))
    command = ["ansible-playbook", "-i", "localhost,", "-e", f"ansible_python_interpreter={python}", str(tmp_path / "play.json")]
    zone = "Asia/Kathmandu"
    environment = {**modules.environment(HOME=str(tmp_path), TZ=zone), "ANSIBLE_CONFIG": str(modules.ROOT / "ansible.cfg"), "LC_ALL": "C.UTF-8"}
    result = subprocess.run(command, cwd=modules.ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120, umask=0o077)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "changed=4" in result.stdout


# The oldest Python on which each ansible-core starts a module at all. Newer ones need Python 3.9 themselves.
STARTS_AT = {"2.16": 6, "2.17": 7, "2.18": 8, "2.19": 8}
OLDEST = STARTS_AT.get(".".join(core_version.split(".")[:2]), 9)
OLD = [path for path in unsupported_interpreters() if int(path.rpartition("3.")[2]) >= OLDEST]


@pytest.mark.parametrize("python", OLD)
def test_a_python_that_is_too_old_gets_one_sentence_with_both_versions(python: str, tmp_path: Path) -> None:
    command = ["ansible", "localhost", "-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={python}"]
    task = ["-m", "longshore.images.image_tag", "-a", f"name=one targets=two store={tmp_path / 'store'}"]
    environment = {**modules.environment(HOME=str(tmp_path)), "ANSIBLE_CONFIG": str(modules.ROOT / "ansible.cfg"), "LC_ALL": "C.UTF-8"}
    result = subprocess.run([*command, *task], cwd=modules.ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode
    results = json.loads(result.stdout.partition("=> ")[2])
    assert results["error"] == "unsupported_python"
    assert "Python 3.9 or newer" in results["msg"]
    assert f"{python} is Python 3.{python.rpartition('3.')[2]}." in results["msg"]
    assert "Traceback" not in result.stdout + result.stderr
