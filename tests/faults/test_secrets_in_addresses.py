# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""User names and passwords in addresses of proxies, engines and mirrors never appear in a result, message or log."""

from __future__ import annotations

import dataclasses
import typing as t
from pathlib import Path
from urllib.parse import quote, quote_plus, unquote

import pytest

from ansible_collections.longshore.images.plugins.module_utils.store.store import Store
from tests.support import modules
from tests.support.images import make_image
from tests.support.logged import run_logged
from tests.support.programmable.leaks import forms
from tests.support.registry import free_port

USER = "planted-user"
# As users write them into an address, quoted or not.
PASSWORDS = ("planted-word", "planted%2Fp%40ss%23w%25rd", "planted/p#ss", "planted:w@rd", "planted%C3%A9 w+rd")


@dataclasses.dataclass(frozen=True)
class Host:
    """A managed host whose logs can be read."""

    folder: Path

    def run(self, module: str, options: t.Mapping[str, t.Any], password: str, **env: str) -> modules.Results:
        """Run a module, and check that its output and logs do not contain the user name or the password."""
        everything, results = run_logged(self.folder, module, options, **env)
        secrets = {form.decode() for word in (password, unquote(password)) for form in forms(word, USER)} | {
            quote(password),
            quote_plus(password),
            USER,
        }
        assert [secret for secret in secrets if secret in everything] == [], everything
        assert "Traceback" not in everything
        assert not password.startswith("planted") or "planted" not in everything, everything
        assert results["failed"], results
        return results


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def proxied(host: Host, **options: t.Any) -> dict[str, t.Any]:
    return {"name": ["registry.test/app:1"], "store": str(host.folder / "store"), "retries": 1, "host_config": False, **options}


@pytest.mark.parametrize("password", PASSWORDS)
def test_the_address_of_a_proxy(host: Host, password: str) -> None:
    proxy = f"http://{USER}:{password}@127.0.0.1:{free_port()}"
    host.run("image_pull", proxied(host, proxy=proxy), password, WITH_JOURNAL="1")
    results = host.run("image_pull", proxied(host, proxy=proxy), password)
    assert results["error"] in ("unreachable", "invalid_option"), results
    assert results["invocation"]["module_args"]["proxy"] == f"http://********@{proxy.rpartition('@')[2]}"


@pytest.mark.parametrize("password", PASSWORDS)
def test_the_address_of_a_proxy_in_the_environment(host: Host, password: str) -> None:
    proxy = f"{USER}:{password}@127.0.0.1:{free_port()}"
    host.run("image_pull", proxied(host), password, https_proxy=f"http://{proxy}")
    host.run("image_pull", proxied(host), password, ALL_PROXY=proxy)


def test_a_user_name_alone_which_may_be_a_token(host: Host) -> None:
    host.run("image_pull", proxied(host, proxy=f"http://{USER}@127.0.0.1:{free_port()}"), "no password")


@pytest.mark.parametrize("password", PASSWORDS[1:3])
@pytest.mark.parametrize("wrong", [{"timeout": "soon"}, {"no_such_option": True}], ids=str)
def test_options_that_are_refused_before_the_module_runs(host: Host, password: str, wrong: dict[str, t.Any]) -> None:
    host.run("image_pull", proxied(host, proxy=f"http://{USER}:{password}@127.0.0.1:{free_port()}", **wrong), password)


@pytest.mark.parametrize("password", PASSWORDS)
def test_the_address_of_a_mirror(host: Host, password: str) -> None:
    entry = {"name": "registry.test", "mirrors": [{"url": f"https://{USER}:{password}@mirror.test"}]}
    assert host.run("image_pull", proxied(host, registries=[entry]), password)["error"] == "invalid_option"


@pytest.mark.parametrize(
    ("option", "scheme", "password"),
    [
        ("docker_host", "tcp", PASSWORDS[1]), ("docker_host", "https", PASSWORDS[2]), ("docker_host", "unix", PASSWORDS[0]),
        ("podman_host", "tcp", PASSWORDS[3]), ("podman_host", "ssh", PASSWORDS[4]),
    ],
)  # fmt: skip
def test_the_address_of_an_engine(host: Host, password: str, option: str, scheme: str) -> None:
    make_image("delivered", 1).put(Store(str(host.folder / "store")), "docker.io/library/app:1")
    address = f"{scheme}://{USER}:{password}@127.0.0.1:{free_port()}"
    engine = option.partition("_")[0]
    options = {"name": ["app:1"], "store": str(host.folder / "store"), "engine": engine}
    given = host.run("image_deliver", {**options, option: address}, password)
    assert given["error"] == "invalid_option"
    assert option in given["msg"]
    variable = {"docker": "DOCKER_HOST", "podman": "CONTAINER_HOST"}[engine]
    assert host.run("image_deliver", options, password, **{variable: address})["error"] == "invalid_option"


def test_the_query_of_a_mirror(host: Host) -> None:
    entry = {"name": "registry.test", "mirrors": [{"url": "https://mirror.test/hub?token=planted-word&user=planted-user"}]}
    results = host.run("image_pull", proxied(host, registries=[entry]), PASSWORDS[0], WITH_JOURNAL="1")
    assert results["error"] == "invalid_option"
    assert "https://mirror.test/hub" in results["msg"]


@pytest.mark.parametrize(
    ("module", "options", "option"),
    [
        ("image_pull", {"registries": [{"name": f"{USER}:planted-word@registry.test"}]}, "registries"),
        ("registry_client", {"engines": ["k3s"], "entries": [{"name": f"{USER}:planted-word@registry.test"}]}, "entries"),
        ("registry_login", {"registry": f"{USER}:planted-word@registry.test", "username": "me", "password": "unused"}, "registry"),
        ("image_search_info", {"registry": f"{USER}:planted-word@registry.test", "term": "app"}, "registry"),
        ("image_pull", {"name": [f"{USER}:planted-word@registry.test/app:1"]}, "registry.test/app:1"),
    ],
)  # fmt: skip
def test_a_login_in_the_name_of_a_registry(host: Host, module: str, options: dict[str, t.Any], option: str) -> None:
    results = host.run(module, {**(proxied(host) if module == "image_pull" else {}), **options}, PASSWORDS[0], WITH_JOURNAL="1")
    assert results["error"] in ("invalid_option", "invalid_reference")
    assert option in results["msg"], results
