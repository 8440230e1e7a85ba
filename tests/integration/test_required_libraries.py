# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A managed host needs `requests` for registries, and for nothing else."""

from __future__ import annotations

import socket
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import modules
from tests.support.images import make_image

NAME = "docker.io/library/app:1"


@pytest.fixture
def without_libraries(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which neither requests nor zstandard can be imported."""
    for name in ("requests", "urllib3", "zstandard"):
        (tmp_path / "poison" / name).mkdir(parents=True)
        (tmp_path / "poison" / name / "__init__.py").write_text(f"raise ImportError('no {name} here')\n")
    return {"PYTHONPATH": f"{tmp_path / 'poison'}:{modules.ROOT / '.collections'}"}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("image_info", {}),
        ("image_history_info", {"name": NAME}),
        ("image_tag", {"name": NAME, "targets": ["b:1"]}),
        ("image_rm", {"name": [NAME]}),
        ("image_prune", {"keep": 1}),
        ("image_verify", {}),
        ("image_verify", {"repair": True}),
        ("image_append", {"name": "c:1", "base": NAME, "platform": "linux/amd64", "config": {"cmd": ["/x"]}}),
        ("image_save", {"name": [NAME], "path": "image.tar"}),
        ("image_load", {"path": "image.tar"}),
        ("image_pull", {"name": [NAME], "pull_policy": "missing"}),
        ("image_pull", {"name": [f"{NAME}@{make_image('app').root.digest}"]}),
        ("image_pull", {"name": [NAME], "pull_policy": "never"}),
        ("registry_login", {"registry": "r.example", "state": "absent"}),
        ("registry_login_info", {}),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value)[:40],
)
def test_modules_that_use_no_registry_need_no_library(
    store: str, tmp_path: Path, without_libraries: dict[str, str], name: str, options: dict[str, t.Any]
) -> None:
    make_image("app").put(Store(store), NAME)
    if "path" in options:
        options = {**options, "path": str(tmp_path / options["path"])}
        modules.run("image_save", {"name": NAME, "path": options["path"], "store": store})
    modules.run(name, {"store": store, **options}, env=without_libraries)


def test_a_copy_between_layouts_and_archives_needs_no_library(store: str, tmp_path: Path, without_libraries: dict[str, str]) -> None:
    make_image("app").put(Store(store), NAME)
    for source, dest in ((f"oci:{store}", f"oci-archive:{tmp_path}/a.tar"), (f"oci-archive:{tmp_path}/a.tar", f"oci:{tmp_path}/layout")):
        assert modules.run("image_copy", {"images": [{"src": source, "dest": dest}]}, env=without_libraries)["changed"]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("image_pull", {"name": "127.0.0.1:1/a:1"}),
        ("image_info", {"name": "127.0.0.1:1/a:1", "remote": True}),
        ("image_history_info", {"name": "127.0.0.1:1/a:1", "remote": True}),
        ("image_rm", {"name": "127.0.0.1:1/a:1", "remote": True}),
        ("image_search_info", {"term": "a"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_host_without_requests_gets_one_clear_error(store: str, without_libraries: dict[str, str], name: str, options: dict[str, t.Any]) -> None:
    where = {} if name == "image_search_info" else {"store": store}
    results = modules.attempt(name, {**where, **options}, env=without_libraries)
    assert results["error"] == "missing_library"
    assert "requests" in results["msg"]
    # The message names the host, the Python and the package, since a host may have several Pythons.
    for word in (socket.gethostname(), sys.executable, "python3-requests", "no urllib3 here"):
        assert word in results["msg"]


def test_zstd_without_its_library_is_a_clear_error(store: str, tmp_path: Path, without_libraries: dict[str, str]) -> None:
    make_image("app").put(Store(store), NAME)
    options = {"store": store, "name": NAME, "path": str(tmp_path / "image.tar"), "compression": "zstd"}
    results = modules.attempt("image_save", options, env=without_libraries)
    assert results["error"] == "missing_library"
    assert "zstandard" in results["msg"]
