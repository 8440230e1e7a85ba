# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image that another run removes while a task reads it is `not_found`, and never reported as damage."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import LockTimeout
from ansible_collections.longshore.images.plugins.module_utils.oci.digest import Digest
from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import modules, verbs
from tests.support.forked import run_forked
from tests.support.images import make_image, make_index
from tests.support.programmable.access import AnonymousAccess
from tests.support.programmable.distribution import Distribution
from tests.support.programmable.server import Server

IMAGE = make_index("read by many", layers=1)
BASE = make_image("a base", 1)
ON_BASE = make_image("on a base", 1, shared=[BASE.content[blob.digest] for blob in BASE.layers])
NAME, BASE_NAME, ON_BASE_NAME = "r.test/app:1", "r.test/base:1", "r.test/on-base:1"

# Tasks that read NAME, or BASE_NAME, from a store.
READS: dict[str, tuple[str, dict[str, t.Any]]] = {
    "tag": ("image_tag", {"name": NAME, "targets": ["r.test/other:1"]}),
    "append": ("image_append", {"name": "r.test/new:1", "base": NAME, "layers": [{"src": "FOLDER/file", "dest": "/a"}]}),
    "index": ("image_index", {"name": "r.test/new:1", "manifests": [{"name": NAME}]}),
    "rebase": ("image_rebase", {"name": "r.test/new:1", "image": ON_BASE_NAME, "old_base": BASE_NAME, "new_base": NAME, "platform": ["linux/amd64"]}),
    "history": ("image_history_info", {"name": NAME}),
    "history of a platform": ("image_history_info", {"name": NAME, "platform": ["linux/arm64"]}),
    "info": ("image_info", {"name": [NAME]}),
    "info of all": ("image_info", {}),
    "save": ("image_save", {"name": [NAME], "path": "FOLDER/saved"}),
    "save one platform": ("image_save", {"name": [NAME], "path": "FOLDER/saved", "platform": ["linux/arm64"]}),
    "save to a folder": ("image_save", {"name": [NAME], "path": "FOLDER/folder", "format": "oci-dir"}),
    "copy from the store": ("image_copy", {"src": f"store:FOLDER/store:{NAME}", "dest": f"oci:FOLDER/copied:{NAME}"}),
    "copy a platform": ("image_copy", {"src": f"oci:FOLDER/store:{NAME}", "dest": f"oci:FOLDER/copied:{NAME}", "platform": ["linux/arm64"]}),
    "push": ("image_push", {"name": [NAME], "plain_http": True, "destination": "HOST/NUMBER:1"}),
    "push a platform": ("image_push", {"name": [NAME], "plain_http": True, "destination": "HOST/NUMBER:1", "platform": ["linux/arm64"]}),
    "sign": ("image_sign", {"name": [NAME], "remote": False, "privatekey_path": "FOLDER/key"}),
    "attest": ("image_attest", {"name": [NAME], "remote": False, "privatekey_path": "FOLDER/key", "type": "vuln", "predicate": {"a": 1}}),
    "verify": ("image_verify", {"name": [NAME]}),
}


@pytest.fixture(scope="module")
def registry() -> t.Iterator[str]:
    """Return the host of a registry that is empty at first."""
    with Server(Distribution(AnonymousAccess())) as server:
        yield server.host


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    store = Store(str(folder / "store"))
    IMAGE.put(store, NAME, platforms=["all"])
    BASE.put(store, BASE_NAME)
    ON_BASE.put(store, ON_BASE_NAME)
    (folder / "file").write_text("content")
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(folder / "key")], check=True)
    return folder


def options_of(read: str, folder: Path, registry: str) -> tuple[str, dict[str, t.Any]]:
    module, options = READS[read]
    text = json.dumps({"store": "FOLDER/store", **options})
    for word, value in (("FOLDER", str(folder)), ("HOST", registry), ("NUMBER", f"app-{read.replace(' ', '-')}-{folder.name}")):
        text = text.replace(word, value)
    return module, json.loads(text)


def remove_image(folder: Path) -> None:
    with contextlib.suppress(LockTimeout):  # the task is writing the index: it has read the image
        verbs.remove(folder / "store", NAME)


def lose_manifest(folder: Path) -> None:
    Path(Store(str(folder / "store")).blob_path(IMAGE.graph.images[0].descriptor.digest)).unlink()


def run_with_removal(
    read: str, folder: Path, registry: str, number: int, remove: t.Callable[[Path], None] = remove_image
) -> tuple[dict[str, t.Any], bool]:
    """Run a task, and remove the image before the task looks at one of its blobs for the time NUMBER. Return the results, and whether it was removed."""
    looks = itertools.count(1)
    real = Store.blob_status
    mark = folder / "removed"

    def look(store: Store, digest: Digest) -> os.stat_result | None:
        if digest in IMAGE.digests and next(looks) == number:
            Store.blob_status = real  # type: ignore[method-assign]
            remove(folder)
            mark.touch()
        return real(store, digest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verbs, "opened", lambda path: Store(str(path), lock_timeout=0))
        patch.setattr(Store, "blob_status", look)
        module, task = options_of(read, folder, registry)
        return run_forked(module, task), mark.exists()


@pytest.mark.parametrize("read", READS)
def test_an_image_that_is_removed_at_any_moment_is_not_found(read: str, template: Path, tmp_path: Path, registry: str) -> None:
    found = []
    for number in itertools.chain(range(1, 8), itertools.count(8, 6)):
        folder = tmp_path / str(number)
        shutil.copytree(template, folder)
        results, was_removed = run_with_removal(read, folder, registry, number)
        if not was_removed:
            break
        found.append(results.get("error"))
        assert not results.get("failed") or results["error"] == "not_found", (number, results["msg"])
    assert len(found) > 2
    assert "not_found" in found or read in ("info", "info of all", "verify")


@pytest.mark.parametrize("read", ["info", "info of all"])
def test_an_image_that_is_removed_while_it_is_described_is_absent_or_described_wholly(
    read: str, template: Path, tmp_path: Path, registry: str
) -> None:
    module, task = options_of(read, template, registry)
    whole = next(row for row in run_forked(module, task)["images"] if row["name"] == NAME)
    found = []
    for number in range(1, 30, 2):
        folder = tmp_path / str(number)
        shutil.copytree(template, folder)
        results, _was_removed = run_with_removal(read, folder, registry, number)
        present = [row for row in results["images"] if row["name"] == NAME and row["present"]]
        assert present in ([], [whole]), number
        found.append(bool(present))
    assert set(found) == {True, False}


@pytest.mark.parametrize("read", ["tag", "append", "save", "push"])
def test_runs_that_remove_and_read_at_the_same_time_report_no_damage(read: str, template: Path, tmp_path: Path, registry: str) -> None:
    folder = tmp_path / "race"
    shutil.copytree(template, folder)
    module, task = options_of(read, folder, registry)
    process = modules.start_module(module, task)
    time.sleep(0.3)
    verbs.remove(folder / "store", NAME)
    results = modules.finish_module(process)
    assert not results.get("failed") or results["error"] == "not_found", results["msg"]


@pytest.mark.parametrize("read", READS)
def test_an_image_that_is_damaged_at_any_moment_is_not_reported_as_removed(read: str, template: Path, tmp_path: Path, registry: str) -> None:
    for number in range(1, 30, 4):
        folder = tmp_path / str(number)
        shutil.copytree(template, folder)
        results, was_lost = run_with_removal(read, folder, registry, number, lose_manifest)
        if not was_lost:
            break
        assert not results.get("failed") or results["error"] == "store_damaged", (number, results["msg"])
        assert "removed" not in results.get("msg", "")
