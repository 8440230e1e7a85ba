# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A private key in an option for something else never appears in a result, message, diff or log, and the message says what it is."""

from __future__ import annotations

import base64
import importlib
import re
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.client_files.entries import ClientEntry
from ansible_collections.longshore.images.plugins.module_utils.errors import InvalidOption, UnsupportedFormat
from ansible_collections.longshore.images.plugins.module_utils.registry.config.settings import HostSettings
from ansible_collections.longshore.images.plugins.module_utils.task.client_options import read_certificates
from ansible_collections.longshore.images.plugins.module_utils.task.private_keys import find_private_keys, refuse_as_path, without_private_keys
from ansible_collections.longshore.images.plugins.module_utils.task.secrets import redact
from tests.support import modules
from tests.support.logged import run_logged
from tests.support.trust import make_key

PRIVATE, PUBLIC = make_key().private_pem().decode(), make_key().pem.decode()
LINES = [line for line in PRIVATE.splitlines() if not line.startswith("-----") and len(line) >= 8]
PULL = {"name": ["registry.test/app:1"], "host_config": False, "retries": 1}
CLIENT = {"engines": ["podman"], "entries": []}
IDENTITY = {"issuer": "https://issuer.test", "subject": "a@b.test"}
ENCODED = base64.b64encode(PRIVATE.encode()).decode()
ONE_LINE, WRITTEN = PRIVATE.replace("\n", " ").strip(), PRIVATE.replace("\n", "\\n")


def signed(*keys: str) -> dict[str, t.Any]:
    return {**PULL, "trust": [{"keys": list(keys)}]}


CASES: dict[str, tuple[str, dict[str, t.Any], str]] = {
    "keys": ("image_pull", signed(PRIVATE), "is not a public key: its PEM block is PRIVATE KEY"),
    "keys_after_text": ("image_pull", signed(f"# release\n{PRIVATE}"), "is not a public key: its PEM block is PRIVATE KEY"),
    "keys_both": ("image_pull", signed(PRIVATE + PUBLIC), "holds 2 PEM blocks"),
    "keys_on_one_line": ("image_pull", signed(ONE_LINE), "is not a public key: its PEM block is PRIVATE KEY"),
    "keys_with_written_breaks": ("image_pull", signed(WRITTEN), "is not a public key: its PEM block is PRIVATE KEY"),
    "keys_in_base64": ("image_pull", signed(ENCODED), "********"),
    "trusted_root": ("image_pull", {**PULL, "trust": [{"identities": [IDENTITY], "trusted_root": PRIVATE}]}, "trusted_root"),
    "trust_file": ("image_pull", {**PULL, "trust_file": PRIVATE}, "trust_file holds a private key, and not the path of a file"),
    "client_key": ("image_pull", {**PULL, "client_key": PRIVATE}, "client_key holds a private key, and not the path of a file"),
    "client_key_of_a_registry": (
        "image_pull",
        {**PULL, "registries": [{"name": "registry.test", "client_key": PRIVATE}]},
        "client_key holds a private key",
    ),
    "privatekey_path": ("image_sign", {**PULL, "privatekey_path": PRIVATE}, "privatekey_path holds a private key"),
    "name": ("image_pull", {**PULL, "name": [PRIVATE]}, "not a reference"),
    "refused_option": ("image_pull", {**signed(PRIVATE), "timeout": "soon"}, "timeout"),
    "choice": ("image_pull", {**PULL, "trust": [{"accept": PRIVATE}]}, "accept"),
    "registry_client": ("registry_client", {**CLIENT, "trust": [{"scope": "registry.test", "keys": [PUBLIC + PRIVATE]}]}, "private key"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_private_key_is_never_shown(case: str, tmp_path: Path) -> None:
    module, options, expected = CASES[case]
    place = {"root": str(tmp_path / "root")} if module == "registry_client" else {"store": str(tmp_path / "store")}
    everything, results = run_logged(tmp_path, module, {**options, **place, "_ansible_verbosity": 3, "_ansible_diff": True})
    assert results["failed"]
    assert expected in results["msg"]
    assert [line for line in [*LINES, ENCODED, ENCODED[60:100]] if line in everything] == []


def test_a_private_key_in_a_file_is_never_written_into_a_policy(tmp_path: Path) -> None:
    file = tmp_path / "both.pem"
    file.write_text(PUBLIC + PRIVATE)
    options = {**CLIENT, "root": str(tmp_path / "root"), "trust": [{"scope": "registry.test", "keys": [str(file)]}]}
    assert modules.fail("registry_client", options)["error"] == "invalid_trust"
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("is_folder", [False, True])
def test_a_private_key_beside_ca_certificates_is_never_written_for_engines(is_folder: bool, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n" + PRIVATE)
    entry = ClientEntry("registry.test", HostSettings(ca_path=str(tmp_path if is_folder else file)), False, False)
    with pytest.raises(UnsupportedFormat, match="holds a private key"):
        read_certificates([entry])


@pytest.mark.parametrize("text", [PRIVATE, ONE_LINE, WRITTEN, PRIVATE[:150], f"a: {PRIVATE} b"], ids=range(5))
def test_a_key_is_found_in_every_form(text: str) -> None:
    options = {"a": [{"b": (text,)}, None, 1]}
    secrets = find_private_keys(options)
    encoded = base64.encodebytes(text.encode()).decode()
    assert not any(line in redact(encoded, find_private_keys([encoded])) for line in encoded.splitlines() if len(line) >= 8)
    assert find_private_keys(base64.b64encode(PUBLIC.encode()).decode()) == set()
    for shown in (text, repr(text), text.replace("\n", " "), str(without_private_keys(options))):
        assert not any(line in redact(shown, secrets) for line in LINES)


def path_options(options: t.Mapping[str, t.Any], above: tuple[str, ...] = ()) -> t.Iterator[tuple[str, ...]]:
    for name, option in options.items():
        if "path" in (option.get("type"), option.get("elements")):
            yield (*above, name)
        yield from path_options(option.get("options") or {}, (*above, name))


def nested(path: tuple[str, ...], value: object) -> dict[str, t.Any]:
    first, *rest = path
    return {first: [nested(tuple(rest), value)] if rest else value}


def test_a_private_key_in_place_of_any_path_is_refused() -> None:
    names = [re.sub(r"\.py$", "", file.name) for file in (modules.ROOT / "plugins/modules").glob("*.py")]
    specs = {name: importlib.import_module(f"{modules.PACKAGE}.{name}").argument_spec().options for name in names}
    tried = [(options, path) for options in specs.values() for path in path_options(options)]
    assert len(tried) > 100
    for options, path in tried:
        with pytest.raises(InvalidOption, match=f"^{path[-1]} holds a private key"):
            refuse_as_path(options, nested(path, PRIVATE))
