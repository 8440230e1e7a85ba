# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Without `ca_path`, the CAs are those that `requests` trusts on this host, although the library itself isn't imported."""

from __future__ import annotations

import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.errors import MissingLibrary
from ansible_collections.longshore.images.plugins.module_utils.registry.config.ca_bundle import default_authorities
from tests.support import modules

SCRIPT = """
import sys
from ansible_collections.longshore.images.plugins.module_utils.registry.http.client import HttpClient
from ansible_collections.longshore.images.plugins.module_utils.registry.config.ca_bundle import default_authorities
print(default_authorities(), *[name for name in ("requests", "charset_normalizer", "chardet", "http.cookiejar") if name in sys.modules])
"""


@pytest.fixture(autouse=True)
def _forgotten() -> t.Iterator[None]:
    default_authorities.cache_clear()
    yield
    default_authorities.cache_clear()


@pytest.mark.parametrize("libraries", ["current", "oldest"])
def test_they_are_those_of_requests_which_is_not_imported(libraries: str) -> None:
    environment = modules.environment(PYTHONPATH=modules.LIBRARIES[libraries])
    expected = subprocess.check_output([sys.executable, "-c", "import requests; print(requests.certs.where())"], env=environment, text=True)
    assert subprocess.check_output([sys.executable, "-c", SCRIPT], env=environment, text=True) == expected


def test_a_distribution_that_changes_requests_is_respected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "requests").mkdir()
    (tmp_path / "requests" / "__init__.py").write_text("raise AssertionError('not needed')\n")
    (tmp_path / "requests" / "certs.py").write_text("PATH = '/etc/pki/tls/certs/ca-bundle.crt'\ndef where():\n    return PATH\n")
    monkeypatch.delitem(sys.modules, "requests")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert default_authorities() == "/etc/pki/tls/certs/ca-bundle.crt"


def test_a_host_with_urllib3_alone_gets_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "requests")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingLibrary, match="python3-requests"):
        default_authorities()
