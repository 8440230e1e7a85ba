# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook report and its role, on hosts that are all this machine."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.oci.referrers import referrers_tag
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support.answers import lock_text
from tests.support.images import make_image
from tests.support.modules import ROOT, environment
from tests.support.pages import Element, read_page
from tests.support.registry import Registry, free_port
from tests.support.rootfs import dpkg_layer
from tests.support.trust import make_key, make_simple_signature

APP = "docker.io/library/app:1"
APP_IMAGE = make_image("app", shared=[dpkg_layer(openssl="3.0.15", **{"<script>": "1"})])


@dataclasses.dataclass(frozen=True)
class Fleet:
    """Hosts in a folder: the first can't be reached, one has a broken store, one has an image, one has nothing. The page is written beside them."""

    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / "images.html"

    @property
    def stopped(self) -> dict[str, t.Any]:
        """The variables for an engine that isn't there."""
        return {"report_engines": [{"engine": "docker", "docker_host": f"unix://{self.folder}/docker.sock"}]}

    @property
    def page(self) -> Element:
        return read_page(self.path.read_text())

    def report(self, *words: str, **variables: t.Any) -> subprocess.CompletedProcess[str]:
        command = ["ansible-playbook", "-i", str(self.folder / "hosts.json"), str(ROOT / "playbooks" / "report.yml"), "--diff", *words]
        settings = environment(HOME=str(self.folder), PWD=str(self.folder), LC_ALL="C.UTF-8", ANSIBLE_NOCOLOR="1", ANSIBLE_LOCALHOST_WARNING="0")
        return subprocess.run(
            [*command, "-e", json.dumps(variables)], cwd=self.folder, env=settings, capture_output=True, text=True, check=False, timeout=120
        )


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    hosts = {name: {**local, "report_store": str(tmp_path / name)} for name in ("broken", "full", "empty")}
    gone = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": {"a-gone": gone, **hosts}}}))
    image, store = APP_IMAGE, Store(str(tmp_path / "full"))
    image.put(store, APP)
    signature = make_simple_signature(image.root, make_key(), "docker.io/library/app")
    signature.put(store, f"docker.io/library/app:{referrers_tag(image.root.digest)}.sig")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "index.json").write_text("nonsense")
    return Fleet(tmp_path)


def changed(result: subprocess.CompletedProcess[str]) -> int:
    assert result.returncode == 0, result.stdout + result.stderr
    recap = result.stdout.rpartition("PLAY RECAP")[2]
    return sum(int(number) for number in re.findall(r"changed=(\d+)", recap))


def test_a_report_is_predicted_and_written_once_although_hosts_fail(fleet: Fleet) -> None:
    requirement = {"type": "sigstoreSigned", "keyData": base64.b64encode(make_key().pem).decode(), "signedIdentity": {"type": "matchRepository"}}
    (fleet.folder / "policy.json").write_text(json.dumps({"default": [requirement]}))
    given = {**fleet.stopped, "report_trust_file": str(fleet.folder / "policy.json"), "report_packages": True}
    predicted = fleet.report("--check", **given)
    assert changed(predicted) == 1
    assert f"after: {fleet.path}" in predicted.stdout
    assert not fleet.path.exists()

    assert changed(fleet.report(**given)) == 1
    assert fleet.path.stat().st_mode & 0o777 == 0o640
    silent = [line[0] for line in fleet.page.one(id="not-asked").one("table").table()]
    assert silent == ["a-gone", "broken", "broken docker", "full docker", "empty docker"]
    (signed,) = fleet.page.one(id="signatures").one("table").table()
    assert (signed[0], signed[2], signed[3]) == (APP, f"key {make_key().public.fingerprint[:12]} simple signing", "full")
    assert [line[0] for line in fleet.page.one(id="images").one("table").table()] == [APP]
    assert fleet.page.one(id="packages").one("table").table() == [["<script>", "1", "deb"], ["openssl", "3.0.15", "deb"]]

    before = fleet.path.stat()
    assert changed(fleet.report(**given)) == 0
    assert fleet.path.stat() == before


@pytest.mark.core
def test_hosts_are_compared_with_a_lock_file_beside_the_playbook_or_anywhere(fleet: Fleet) -> None:
    (fleet.folder / "my.lock").write_text(lock_text(APP))
    rules = [{"scope": "docker.io", "keys": [make_key(number=1).pem.decode()]}]
    given = {"report_lock_file": str(fleet.folder / "my.lock"), "report_path": "~/other.html", "report_title": "{{ 6 * 7 }}"}
    assert changed(fleet.report(**given, report_trust=rules, report_packages=True)) == 1
    page = read_page((fleet.folder / "other.html").read_text())
    assert "2 packages" in page.one(id="packages").one("summary").text
    drift = page.one(id="drift").all("table")[0].table()
    assert [(line[0], line[1], line[-1]) for line in drift] == [(APP, "another image", "full"), (APP, "missing", "empty")]
    assert [line[:2] for line in page.one(id="signatures").one("table").table()] == [[APP, "refused"]]


@pytest.mark.core
def test_engines_are_shown_without_stores(fleet: Fleet) -> None:
    assert changed(fleet.report("--limit", "full", report_store=False, **fleet.stopped)) == 1
    ((name, why),) = fleet.page.one(id="not-asked").one("table").table()
    assert (name, "there is no such socket" in why) == ("full docker", True)


@pytest.mark.parametrize(
    ("variables", "outcome"),
    [
        ({"report_lock_file": "hosts.json"}, r"\S+/hosts.json is not a lock file: it has no version"),
        ({"report_lock_file": "absent.lock"}, r'"msg": "report_lock_file \(absent.lock\) is no file on the controller."'),
        ({"report_path": "absent/page.html"}, "absent"),
        ({"report_path": ""}, r'"report_path \(empty\) has to be the path of a file."'),
        (
            {"report_store": "images", "report_engines": [{"engine": "podman", "docker_host": "x", "engine_timeout": 0}]},
            r"report_store \(images\) has to be an absolute path, or false\. An engine in report_engines has a setting of another engine: .+\. engine_timeout",
        ),
        (
            {"report_store": False, "report_packages": True, "report_trust": [], "report_trust_file": "/x"},
            "nothing to report on.+ packages of.+ can't be given together",
        ),
        ({"report_titel": "x"}, r"report_titel \(report_title\?\)"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_invalid_values_are_refused_and_nothing_is_written(fleet: Fleet, variables: dict[str, t.Any], outcome: str) -> None:
    given = {key: str(fleet.folder / value) if value == "hosts.json" else value for key, value in variables.items()}
    result = fleet.report(**given)
    assert result.returncode != 0
    output = " ".join((result.stdout + result.stderr).split())
    assert re.search(outcome, output)
    assert ("caused by" in output) == ("hosts.json" in variables.values())  # a lookup read this one
    assert ("Read the images of the host" in output) == ("absent/page.html" in variables.values())
    assert not fleet.path.exists()


def test_registries_are_on_the_page_with_what_a_policy_would_remove(fleet: Fleet, anonymous: Registry, repository: str) -> None:
    """The image of a host stays, although the policy alone would remove it."""
    for number, image in enumerate((make_image("old", 1), APP_IMAGE, make_image("new", 1, created="2026-03-01T00:00:00Z")), 1):
        anonymous.put(image, repository, str(number))
    entry = {"registry": anonymous.host, "repositories": [repository], "keep": 1, "username": "nobody", "password": "a secret"}
    closed = {"registry": f"127.0.0.1:{free_port()}", "repositories": ["app"], "plain_http": True}
    written = fleet.report("-v", report_registries=[entry, closed])
    assert written.returncode == 0, written.stdout
    assert "a secret" not in written.stdout + written.stderr
    assert fleet.page.one(id="signatures").one("table").table()[0][2] == "signature"
    shown = fleet.page.one(id="registries")
    (row,) = shown.all("table")[0].table()
    assert (row[0], row[1], row[2], row[5]) == (f"{anonymous.host}/{repository}", "3", "3", "1")
    assert "can't be reached" in shown.text
    assert sorted(anonymous.request("GET", f"{repository}/tags/list").json()["tags"]) == ["1", "2", "3"]
