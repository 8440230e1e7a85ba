# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookup plugin locked, in one play for all cases."""

from __future__ import annotations

import json
import sys
import typing as t
from pathlib import Path

import pytest

from tests.support.answers import digest, lock_text
from tests.support.modules import ROOT
from tests.support.plays import run_playbook

NGINX, APP = "docker.io/library/nginx:1.27", "registry.example.com/team/app:3"


def look_up(folder: Path, expressions: t.Mapping[str, str]) -> dict[str, t.Any]:
    """Evaluate expressions in one play, and return each result, or the message of its failure."""
    tasks = []
    for name, expression in expressions.items():
        written = {"ansible.builtin.copy": {"content": f"{{{{ {expression} | to_json }}}}", "dest": f"{folder}/{name}", "mode": "0600"}}
        failed = {"ansible.builtin.copy": {"content": "{{ ansible_failed_result.msg | to_json }}", "dest": f"{folder}/{name}", "mode": "0600"}}
        tasks.append({"block": [written], "rescue": [failed]})
    (folder / "play.json").write_text(json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]))
    words = ("-i", "localhost,", "-e", json.dumps({"ansible_python_interpreter": sys.executable}))
    done = run_playbook(str(folder / "play.json"), folder, *words, ANSIBLE_COLLECTIONS_PATH=str(ROOT / ".collections"))
    assert done.status == 0, done.output
    return {name: json.loads((folder / name).read_text()) for name in expressions}


@pytest.mark.core
def test_names_are_pinned_to_the_digests_of_the_lock_file(tmp_path: Path) -> None:
    pinned = {name: f"{name}@{digest(name)}" for name in (NGINX, APP)}
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "images.lock").write_text(lock_text(NGINX, APP))
    (tmp_path / "broken.lock").write_text('{"images": {}}')

    def expression(*terms: str) -> str:
        return f"lookup('longshore.images.locked', {', '.join(terms)})"

    found = look_up(
        tmp_path,
        {
            "all": expression("'images.lock'"),
            "one": expression("'images.lock'", "name='nginx:1.27'"),
            "several": expression("'images.lock'", "name=['nginx:1.27', '" + APP + "']", "wantlist=true"),
            "path": expression(f"'{tmp_path}/files/images.lock'", "name='nginx:1.27'"),
            "other_tag": expression("'images.lock'", "name='nginx:1.28'"),
            "invalid": expression("'images.lock'", "name='No Name'"),
            "absent": expression("'absent.lock'"),
            "broken": expression("'broken.lock'"),
            "option": expression("'images.lock'", "names='nginx'"),
        },
    )
    assert found["all"] == pinned
    assert found["one"] == found["path"] == pinned[NGINX]
    assert found["several"] == [pinned[NGINX], pinned[APP]]
    assert "docker.io/library/nginx:1.28 is not in the lock file" in found["other_tag"]
    assert "No Name" in found["invalid"]
    assert "absent.lock is not on the controller" in found["absent"]
    assert f"{tmp_path}/broken.lock is not a lock file: it has no version" in found["broken"]
    assert "names: the lookup locked has no such option" in found["option"]
