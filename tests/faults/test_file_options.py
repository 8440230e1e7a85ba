# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that options name: nothing but regular files is read or waited for, and files that decide about trust belong to root or to the running user."""

from __future__ import annotations

import importlib
import os
import signal
import socket
import typing as t
from pathlib import Path

import pytest

from ansible_collections.longshore.images.plugins.module_utils.archive.reader import open_archive
from ansible_collections.longshore.images.plugins.module_utils.client_files.entries import ClientEntry
from ansible_collections.longshore.images.plugins.module_utils.engine.discovery import EngineOptions, open_engine
from ansible_collections.longshore.images.plugins.module_utils.errors import LongshoreError
from ansible_collections.longshore.images.plugins.module_utils.registry.auth.credentials import read_auth_file
from ansible_collections.longshore.images.plugins.module_utils.registry.config.ca_bundle import join_ca_files
from ansible_collections.longshore.images.plugins.module_utils.registry.config.settings import HostSettings
from ansible_collections.longshore.images.plugins.module_utils.task.client_options import read_certificates
from ansible_collections.longshore.images.plugins.module_utils.task.private_key import read_private_key
from ansible_collections.longshore.images.plugins.module_utils.task.registry_options import host_settings
from ansible_collections.longshore.images.plugins.module_utils.task.trust import read_policy
from ansible_collections.longshore.images.plugins.module_utils.verbs.lock import read_lock_file
from ansible_collections.longshore.images.plugins.module_utils.verbs.registry_policy import read_locks
from ansible_collections.longshore.images.plugins.module_utils.verbs.sign import read_predicate
from tests.support.modules import PACKAGE, ROOT
from tests.support.privileges import needs_root
from tests.support.trust import make_key

Reader = t.Callable[[str], object]

STRANGER = 12345
LOCK = '{"version": 1, "platform": ["linux/amd64"], "images": {}}'
POLICY = '{"default": [{"type": "reject"}]}'
CERTIFICATE = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"


def read_rule(**options: t.Any) -> object:
    rule: dict[str, t.Any] = {
        "scope": "",
        "accept": "signed",
        "keys": [],
        "identities": [],
        "trusted_root": None,
        "annotations": {},
        "repository": "same",
    }
    return read_policy({"trust": [{**rule, "attestations": [], **options}], "trust_file": None})


def read_root(path: str) -> object:
    return read_rule(identities=[{"issuer": "a", "subject": "b"}], trusted_root=path)


def read_key_of_policy(path: str) -> object:
    policy = Path(f"{path}.policy")
    policy.write_text(f'{{"default": [{{"type": "sigstoreSigned", "keyPath": "{path}"}}]}}')
    return read_policy({"trust": None, "trust_file": str(policy)}).requirements(None)


def read_setting(option: str) -> Reader:
    """Return a reader of a file that the TLS library gets by its path."""
    params = {"ca_path": None, "client_cert": "/etc/passwd", "client_key": None, "validate_certs": True, "username": None}
    return lambda path: host_settings({**params, option: path}, "the task")


def read_for_docker(option: str) -> Reader:
    options: dict[str, t.Any] = {"docker_client_cert": "/etc/passwd", "docker_host": "tcp://127.0.0.1:1", "docker_tls": True}
    return lambda path: open_engine(EngineOptions(**{"engine": "docker", **options, option: path}), {})


def read_for_clients(path: str) -> object:
    return read_certificates([ClientEntry("registry.test", HostSettings(ca_path=path), False, False)])


# By option: how it is read, and content that it accepts. The first ones decide what is trusted.
TRUSTED: dict[str, tuple[Reader, str]] = {
    "keys": (lambda path: read_rule(keys=[path]), make_key().pem.decode()),
    "trust_file": (lambda path: read_policy({"trust": None, "trust_file": path}), POLICY),
    "keyPath": (read_key_of_policy, make_key().pem.decode()),
}
LOCKS: dict[str, tuple[Reader, str]] = {
    "lock path": (read_lock_file, LOCK),
    "protect_locks": (lambda path: read_locks([path]), LOCK),
}
OTHERS: dict[str, tuple[Reader, str]] = {
    "privatekey_path": (
        lambda path: read_private_key({"privatekey_content": None, "privatekey_path": path, "privatekey_passphrase": None}),
        make_key().private_pem().decode(),
    ),
    "predicate_path": (lambda path: read_predicate(None, path), "{}"),
    "auth_file": (lambda path: read_auth_file(path, required=True), "{}"),
    "ca_path": (read_setting("ca_path"), CERTIFICATE),
    "ca_path of several": (lambda path: join_ca_files([path]), CERTIFICATE),
    "client_cert": (read_setting("client_cert"), CERTIFICATE),
    "client_key": (read_setting("client_key"), CERTIFICATE),
    "entries: ca_path": (read_for_clients, CERTIFICATE),
}
# The TLS library reads these when it connects, so only what is refused is tested.
DOCKER: dict[str, tuple[Reader, str]] = {name: (read_for_docker(name), "") for name in ("docker_ca_path", "docker_client_cert", "docker_client_key")}
EVERY = {**TRUSTED, **LOCKS, **OTHERS, **DOCKER, "trusted_root": (read_root, ""), "path": (open_archive, "")}


@pytest.fixture(autouse=True)
def _fail_if_it_hangs() -> t.Iterator[None]:
    signal.alarm(20)
    yield
    signal.alarm(0)


def make(kind: str, path: Path) -> str:
    """Make something that is no regular file, and return its path."""
    if kind == "FIFO":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind(str(path))
    elif kind == "link to a FIFO":
        os.mkfifo(path.with_name("fifo"))
        path.symlink_to("fifo")
    return "/dev/zero" if kind == "device" else str(path)


@pytest.mark.parametrize("kind", ["FIFO", "link to a FIFO", "socket", "device"])
@pytest.mark.parametrize("option", EVERY)
def test_only_regular_files_are_read(option: str, kind: str, tmp_path: Path) -> None:
    with pytest.raises(LongshoreError) as raised:
        EVERY[option][0](make(kind, tmp_path / "file"))
    assert raised.value.cause in ("invalid_trust", "invalid_option", "io_error", "unsupported_format")


@pytest.mark.parametrize("option", [*TRUSTED, "trusted_root"])
@pytest.mark.parametrize("problem", ["owner", "link", "folder", "writable"])
def test_files_that_another_user_controls_decide_nothing_about_trust(option: str, problem: str, tmp_path: Path) -> None:
    needs_root()
    reader, content = EVERY[option]
    folder = tmp_path / "folder"
    folder.mkdir()
    file = folder / "file"
    file.write_text(content)
    path = file
    if problem == "owner":
        os.chown(file, STRANGER, STRANGER)
    elif problem == "writable":
        file.chmod(0o666)
    else:
        path = tmp_path / "link"
        path.symlink_to(file if problem == "link" else folder)
        os.lchown(path, STRANGER, STRANGER)
        path = path if problem == "link" else path / "file"
    with pytest.raises(LongshoreError, match=r"another user|can be written by everybody") as raised:
        reader(str(path))
    assert raised.value.cause == "invalid_trust"


@pytest.mark.parametrize("option", TRUSTED)
def test_files_and_links_of_root_and_of_this_user_are_read(option: str, tmp_path: Path) -> None:
    reader, content = TRUSTED[option]
    (tmp_path / "file").write_text(content)
    (tmp_path / "link").symlink_to("file")
    assert reader(str(tmp_path / "file"))
    assert reader(str(tmp_path / "link"))


@pytest.mark.parametrize("option", LOCKS)
def test_a_planted_lock_file_is_refused(option: str, tmp_path: Path) -> None:
    needs_root()
    reader, content = LOCKS[option]
    file = tmp_path / "file"
    file.write_text(content)
    assert reader(str(file))
    tmp_path.chmod(0o1777)
    os.chown(file, STRANGER, STRANGER)
    with pytest.raises(LongshoreError, match="is not trusted"):
        reader(str(file))
    os.chown(tmp_path, STRANGER, STRANGER)
    tmp_path.chmod(0o755)
    assert reader(str(file))  # in the folder of its owner


@pytest.mark.parametrize("option", OTHERS)
def test_other_files_may_belong_to_other_users(option: str, tmp_path: Path) -> None:
    needs_root()
    reader, content = OTHERS[option]
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text(content)
    link.symlink_to("file")
    os.chown(file, STRANGER, STRANGER)
    os.lchown(link, STRANGER, STRANGER)
    for path in (file, link):
        reader(str(path))


def test_the_null_device_is_an_empty_auth_file() -> None:
    assert read_auth_file("/dev/null", required=True)


def path_options(options: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    for name, option in options.items():
        if "path" in (option.get("type"), option.get("elements")):
            yield name
        yield from path_options(option.get("options") or {})


def test_every_option_that_names_a_file_is_tested() -> None:
    names = [file.stem for file in (ROOT / "plugins/modules").glob("*.py")]
    found = {option for name in names for option in path_options(importlib.import_module(f"{PACKAGE}.{name}").argument_spec().options)}
    # Archives are read as `path` is; `src` of layers is in test_append_from_shared_folders.py; `dest` is only hashed;
    # the others are folders, or read on the controller.
    assert found - set(EVERY) == {"archive", "base", "dest", "src", "store", "root", "lock_file"}
