# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Longshore reads registries.conf like skopeo: the same registry, the same use of plain HTTP, the same blocks and refusals."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import Denied, UnsupportedFormat
from ansible_collections.longshore.images.plugins.module_utils.oci.reference import Reference
from ansible_collections.longshore.images.plugins.module_utils.registry.config import host_config
from ansible_collections.longshore.images.plugins.module_utils.registry.config.host_config import HostRegistryConfig
from ansible_collections.longshore.images.plugins.module_utils.registry.config.mirrors import find_routes
from ansible_collections.longshore.images.plugins.module_utils.registry.config.settings import ClientSettings
from tests.support.registry import needed

# No server listens on these ports.
HERE, THERE = "127.0.0.1:1", "127.0.0.1:2"


def filled(text: str) -> str:
    return text.replace("THERE", THERE).replace("HERE", HERE)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home folder with the only configuration that is read."""
    (tmp_path / ".config/containers/registries.conf.d").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("XDG_CONFIG_HOME", "CONTAINERS_REGISTRIES_CONF"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(host_config, "CONTAINERS", str(tmp_path / "none"))
    monkeypatch.setattr(host_config, "CONTAINERD", str(tmp_path / "none"))
    return tmp_path


def skopeos_answer(home: Path, name: str) -> str:
    """Return the hosts that skopeo asks for an image without success, or `blocked`, or `refused`."""
    needed("skopeo")
    env = {**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")}
    done = subprocess.run(["skopeo", "--debug", "inspect", f"docker://{name}"], check=False, capture_output=True, text=True, env=env, timeout=60)
    if "is blocked" in done.stderr:
        return "blocked"
    if "loading registries configuration" in done.stderr or "rewriting reference" in done.stderr:
        return "refused"
    return " ".join(dict.fromkeys(re.findall(r"GET (https?://[^/\s]+)/v2/", done.stderr)))


def our_answer(name: str) -> str:
    """Return the same for Longshore, which tries TLS before plain HTTP."""
    try:
        routes = find_routes(Reference.parse(name), ClientSettings(), HostRegistryConfig())
    except Denied:
        return "blocked"
    except UnsupportedFormat:
        return "refused"
    return " ".join(
        f"{scheme}://{route.host}"
        for route in (*routes.mirrors, routes.upstream)
        if route.tags
        for scheme in (("https", "http") if route.settings.detect_plain_http else ("https",))
    )


@pytest.mark.parametrize(
    ("name", "text", "answer"),
    [
        ("HERE/x", "", "https://HERE"),
        ("HERE/x", '[registries.block]\nregistries = ["HERE"]', "blocked"),
        ("HERE/x", '[registries.block]\nregistries = ["HERE/"]', "blocked"),
        ("HERE/x/y", '[registries]\nblock = {registries = ["HERE/x"]}', "blocked"),
        ("HERE/x", '[registries.insecure]\nregistries = ["HERE"]', "https://HERE http://HERE"),
        ("HERE/x", '[registries.search]\nregistries = ["HERE"]', "https://HERE"),
        ("HERE/x", '[registries.other]\nregistries = ["HERE"]', "https://HERE"),
        ("HERE/x", '[registries.search]\nregistries = ["https://HERE"]', "refused"),
        ("HERE/x", '[registries.block]\nregistries = "HERE"', "refused"),
        ("HERE/x", '[registries.block]\nregistries = [""]', "refused"),
        ("HERE/x", '[registries.block]\nregistries = ["*.0.0.1:1"]', "refused"),
        ("HERE/x", '[registries.block]\nregistries = []\n[[registry]]\nlocation = "HERE"', "refused"),
        ("HERE/x", 'short-name-mode = "enforcing"\n[registries.block]\nregistries = ["HERE"]', "refused"),
        ("HERE/x", '[registries.block]\nregistries = ["HERE"]\n[aliases]\na = "docker.io/library/a"', "refused"),
        ("HERE/x", '[[registry]]\nlocation = "HERE"\nblocked = true\n[[registry]]\nlocation = "HERE"', "refused"),
        (
            "HERE/x",
            '[[registry]]\nprefix = "a.io"\nlocation = "THERE"\ninsecure = true\n[[registry]]\nprefix = "b.io"\nlocation = "THERE/"',
            "refused",
        ),
        ("HERE/x", '[[registry]]\nlocation = "HERE"\n[[registry.mirror]]\nlocation = "m.io"\npull-from-mirror = "never"', "refused"),
        ("HERE/x", '[[registry]]\nlocation = "HERE"\n[[registry.mirror]]\ninsecure = true', "refused"),
        ("HERE/x", '[[registry]]\nlocation = "HERE"\n[[registry.mirror]]\nlocation = "https://m.io"', "refused"),
        ("HERE/x", '[[registry]]\nlocation = "https://HERE"', "refused"),
        ("HERE/x", '[[registry]]\nprefix = "http://HERE"\nlocation = "m.io"', "refused"),
        ("HERE/x", '[[registry]]\nlocation = "HERE"\npull-from-mirror = "all"', "refused"),
        ("HERE/x", '[[registry]]\nprefix = "HERE"', "refused"),
        ("HERE/x", "[[registry]]\nblocked = true", "refused"),
        (
            "HERE/x",
            '[[registry]]\nlocation = "HERE"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = "m.io"\npull-from-mirror = "all"',
            "refused",
        ),
        ("HERE/x", '[[registry]]\nlocation = "HERE"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = "THERE"', "https://HERE"),
        ("HERE/x", '[[registry]]\nlocation = "HERE"\n[[registry.mirror]]\nlocation = "THERE"\npull-from-mirror = "digest-only"', "https://HERE"),
        ("HERE/x", '[[registry]]\nlocation = "HERE"\n[[registry.mirror]]\nlocation = "THERE"', "https://THERE https://HERE"),
        ("HERE/x", '[[registry]]\nprefix = "HERE"\nlocation = "THERE"\n[[registry]]\nprefix = "HERE"\nlocation = "m.io"', "https://THERE"),
        ("x.r.io/a", '[[registry]]\nprefix = "*.r.io"\nblocked = true', "blocked"),
        ("x.r.io:1/a", '[[registry]]\nprefix = "*.r.io"\nlocation = "127.0.0.1"', "https://HERE"),
        ("x.r.io/a", '[[registry]]\nprefix = "*.r.io"\nlocation = "HERE/team"', "https://HERE"),
        ("x.r.io:77/a", '[[registry]]\nprefix = "*.r.io"\nlocation = "HERE/team"', "refused"),
        ("x.r.io/a", '[[registry]]\nprefix = "*.r.io/team"\nlocation = "HERE"', "refused"),
        ("x.r.io/a", '[[registry]]\nprefix = "*.r.io:1"\nlocation = "HERE"', "refused"),
    ],
)
def test_a_file_means_the_same(home: Path, name: str, text: str, answer: str) -> None:
    name, text, answer = filled(name), filled(text), filled(answer)
    (home / ".config/containers/registries.conf").write_text(text)
    assert our_answer(name) == answer
    assert skopeos_answer(home, f"{name}:1") == answer


@pytest.mark.parametrize(
    ("main", "beside", "answer"),
    [
        ("", '[registries.block]\nregistries = ["HERE"]', "refused"),
        ('[[registry]]\nlocation = "HERE"', '[[registry]]\nlocation = "HERE"\nblocked = true', "blocked"),
        ('[[registry]]\nlocation = "HERE"\nblocked = true', '[[registry]]\nlocation = "HERE"', "https://HERE"),
        ('[registries.block]\nregistries = ["HERE"]', '[aliases]\n"registry" = "docker.io/library/registry"', "blocked"),
    ],
)
def test_a_file_beside_the_main_one_means_the_same(home: Path, main: str, beside: str, answer: str) -> None:
    (home / ".config/containers/registries.conf").write_text(filled(main))
    (home / ".config/containers/registries.conf.d/a.conf").write_text(filled(beside))
    assert our_answer(f"{HERE}/x") == filled(answer)
    assert skopeos_answer(home, f"{HERE}/x:1") == filled(answer)
