# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What users see of a play contains no secret: the output and logs of the controller and the host, registered results, and files made of them.

Modules hide secrets themselves, because each ansible-core does that in another way, and 2.22 doesn't change results.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import typing as t
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support import modules
from tests.support.folders import short_folder
from tests.support.images import make_image
from tests.support.logged import CAPTURE
from tests.support.programmable.access import PASSWORD, USER
from tests.support.programmable.leaks import leaks
from tests.support.programmable.sandbox import Sandbox
from tests.support.programmable.server import Fault

from .conftest import MakeSandboxes
from .test_secrets_stay_hidden import in_words

PAIR = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
# An image as a hostile registry could make it for a user whose login it knows.
REPEATING = make_image(" ".join((PASSWORD, PAIR, quote(PASSWORD, safe=""))))
HEADER_SECRET = "planted-token-in-a-header"


def run_play(folder: Path, tasks: list[dict[str, t.Any]], variables: t.Mapping[str, t.Any]) -> subprocess.CompletedProcess[bytes]:
    """Run TASKS at full verbosity, with the VARIABLES in a file, and write all registered results to the file `results` of FOLDER."""
    for number, task in enumerate(tasks):
        task.update(register=f"result_{number}", ignore_errors=True)
    registered = "{{ [" + ", ".join(f"result_{number}" for number in range(len(tasks))) + "] | to_json }}"
    keep: dict[str, t.Any] = {"ansible.builtin.copy": {"content": registered, "dest": str(folder / "results"), "mode": "0600"}, "check_mode": False}
    (folder / "play.json").write_text(json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [*tasks, keep]}]))
    (folder / "sitecustomize.py").write_text(CAPTURE)
    (folder / "variables.json").write_text(json.dumps({**variables, "ansible_python_interpreter": sys.executable}))
    environment = {
        **modules.environment(HOME=str(folder), TMPDIR=str(folder), PYTHONPATH=f"{folder}:{modules.ROOT / '.collections'}"),
        "CAPTURED": str(folder / "system-log"),
        "ANSIBLE_COLLECTIONS_PATH": str(modules.ROOT / ".collections"),
        "ANSIBLE_LOG_PATH": str(folder / "log"),
        "ANSIBLE_INJECT_INVOCATION": "true",  # ansible-core 2.22 leaves out `invocation` otherwise
        "LC_ALL": "C.UTF-8",
    }
    command = ["ansible-playbook", "-vvv", "--diff", "-i", "localhost,", "-e", f"@{folder / 'variables.json'}", str(folder / "play.json")]
    result = subprocess.run(command, cwd="/", env=environment, capture_output=True, check=False, timeout=120)
    (folder / "variables.json").unlink()
    assert result.returncode == 0, result.stdout.decode() + result.stderr.decode()
    return result


def common_options(sandbox: Sandbox, **login: str) -> dict[str, t.Any]:
    access: dict[str, t.Any] = json.loads(json.dumps(sandbox.access(login)))
    return {"store": str(sandbox.store), "retries": 1, **access}


@pytest.mark.core
def test_a_play_at_full_verbosity_shows_no_secret_and_all_else(make_sandboxes: MakeSandboxes) -> None:
    sandbox = make_sandboxes("tokens")[0]
    sandbox.put_image(REPEATING)
    sandbox.script(Fault("GET */manifests/absent", in_words(404)))
    common = common_options(sandbox, username=USER, password="{{ planted }}")
    letter = common_options(sandbox, username="somebody", password="{{ letter }}")
    mirrors = [{"url": "https://mirror.test/", "headers": {"X-Token": "{{ header }}", "Accept": "application/json", "X-Host": "localhost"}}]
    client = {"engines": ["containerd"], "entries": [{"name": "r.test", "username": USER, "password": "{{ planted }}", "mirrors": mirrors}]}
    tasks: list[dict[str, t.Any]] = [
        {"longshore.images.image_pull": {"name": [sandbox.name(tag="absent")], **common}},
        {"longshore.images.image_info": {"name": [sandbox.name()], "remote": True, **common}},
        {"longshore.images.registry_client": client, "check_mode": True},
        {"longshore.images.image_pull": {"name": [sandbox.name()], **letter}},
        {"ansible.builtin.debug": {"msg": "application/json for {{ inventory_hostname }}"}},
    ]
    # The controller keeps a socket in its temporary folder.
    with short_folder() as folder:
        shown = run_play(folder, tasks, {"planted": PASSWORD, "header": HEADER_SECRET, "letter": "n"})
        results = json.loads((folder / "results").read_text())
        logged = (folder / "system-log").read_text()
        assert logged.count("registries=") >= 3
        assert "entries=" in logged
        assert leaks({"stdout": shown.stdout, "stderr": shown.stderr}, [folder, sandbox.store]) == []
    assert [result.get("error") for result in results] == ["not_found", None, None, "denied", None], shown.stdout.decode()
    assert "********" in results[1]["images"][0]["labels"]["text"]
    assert results[2]["changed"]
    output = shown.stdout.decode()
    # Neither the headers of a mirror nor a password of one letter hide anything else.
    assert all(text in output for text in (": [localhost]", '"application/json for localhost"', results[3]["msg"])), output
    assert '"password": "n"' not in output
    assert "DEPRECAT" not in output + shown.stderr.decode()
