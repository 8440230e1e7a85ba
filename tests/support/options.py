# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of all modules, and for each a task that has it: for tests of rules that every option has to follow."""

from __future__ import annotations

import dataclasses
import importlib
import typing as t
from pathlib import Path

from .modules import PACKAGE, ROOT

MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("[!_]*.py"))

# Nothing listens on this port, and it is never chosen for a server.
_IMAGE = "127.0.0.1:1/a:1"
_KEY = {"privatekey_content": "no key"}
_REQUIRED: dict[str, dict[str, t.Any]] = {
    "artifact_pull": {"name": _IMAGE, "dest": "FOLDER/"},
    "artifact_push": {"name": _IMAGE, "files": [{"path": "FOLDER/absent"}]},
    "image_append": {"name": "localhost/a:1", "base": "scratch"},
    "image_attest": {"name": [_IMAGE], "type": "vuln", "predicate": {"a": 1}, **_KEY},
    "image_copy": {"src": f"docker://{_IMAGE}", "dest": "store::localhost/b:1"},
    "image_deliver": {"name": [_IMAGE], "engine": "docker"},
    "image_diff_info": {"before": _IMAGE, "after": _IMAGE},
    "image_extract": {"name": _IMAGE, "dest": "FOLDER/"},
    "image_history_info": {"name": _IMAGE},
    "image_index": {"name": "localhost/a:1", "manifests": [{"name": "localhost/b:1"}]},
    "image_info": {},
    "image_load": {"path": "FOLDER/archive"},
    "image_lock": {"name": [_IMAGE], "path": "FOLDER/images.lock"},
    "image_packages_info": {"name": _IMAGE},
    "image_prune": {},
    "image_pull": {"name": [_IMAGE]},
    "image_push": {"name": [_IMAGE]},
    "image_rebase": {"name": "localhost/a:1", "image": "localhost/b:1", "new_base": "localhost/c:1"},
    "image_rm": {"name": [_IMAGE]},
    "image_save": {"name": [_IMAGE], "path": "FOLDER/archive"},
    "image_search_info": {"term": "a", "registry": "127.0.0.1:1"},
    "image_sign": {"name": [_IMAGE], **_KEY},
    "image_tag": {"name": "localhost/a:1", "targets": ["localhost/b:1"]},
    "image_verify": {},
    "registry_client": {"engines": ["podman"], "entries": [], "root": "FOLDER/root"},
    "registry_login": {"registry": "127.0.0.1:1", "username": "me", "password": "a secret"},
    "registry_login_info": {},
}
# The options of a dictionary that an option in it needs beside itself, by the name of the dictionary, after that of its module if others have another one.
_BESIDE: dict[str, dict[str, t.Any]] = {
    "registries": {"name": "r.test"},
    "entries": {"name": "r.test"},
    "mirrors": {"url": "https://m.test"},
    "identities": {"issuer": "https://i.test", "subject": "a"},
    "rules": {"path": "*"},
    "images": {"src": f"docker://{_IMAGE}", "dest": "store::localhost/b:1"},
    "image_append images": {"name": "localhost/a:1", "base": "scratch"},
    "manifests": {"name": "localhost/b:1"},
}
# An option that is given together with another one, and the options that exclude it.
_WITH: dict[str, dict[str, t.Any]] = {"username": {"password": "a secret"}, "password": {"username": "me"}}
_WITHOUT: dict[str, tuple[str, ...]] = {
    "images": ("src", "dest", "name", "base"),
    "identity_token": ("username", "password"),
    "subject_regex": ("subject",),
    "privatekey_path": ("privatekey_content",),
    "predicate_path": ("predicate",),
}
# Options that tests must not combine with others: they make a module use something else.
_AT_A_REGISTRY = ("tag_pattern", "at_most", "protect_locks", "protect_digests", "registry", "repositories")


@dataclasses.dataclass(frozen=True)
class ModuleOption:
    """An option of a module, with the names of the options around it."""

    module: str
    path: tuple[str, ...]
    spec: t.Mapping[str, t.Any]
    may_be_empty: bool

    def __str__(self) -> str:
        return f"{self.module} {': '.join(self.path)}"

    @property
    def is_list(self) -> bool:
        return bool(self.spec["type"] == "list")

    def task(self, value: t.Any, folder: Path) -> dict[str, t.Any]:
        """Return a task of the module whose option has VALUE. Everything that it could write is below FOLDER."""
        task = {
            **{name: _in_folder(text, folder) for name, text in _REQUIRED[self.module].items()},
            "store": str(folder / "store"), "auth_file": str(folder / "auth.json"), "docker_host": f"unix://{folder}/docker.sock",
            "host_config": False, "retries": 0, "lock_timeout": 1,
        }  # fmt: skip
        if self.module == "image_prune" and self.path[0] in _AT_A_REGISTRY:
            task.update(registry="127.0.0.1:1", repositories=["a"])
        if self.module == "image_search_info" and self.path[0] in ("tag_pattern", "tag_versions", "newest"):
            task.update(list_tags=True)
        self._put(task, self.path, value)
        return task

    def _put(self, options: dict[str, t.Any], path: tuple[str, ...], value: t.Any) -> None:
        """Set the option at PATH below OPTIONS, in a list of dictionaries or a dictionary for all but the last name."""
        name, *rest = path
        for other in _WITHOUT.get(name, ()):
            options.pop(other, None)
        options.update(_WITH.get(name, {}))
        if not rest:
            options[name] = value
            return
        inner = {**_BESIDE.get(f"{self.module} {name}", _BESIDE.get(name, {}))}
        self._put(inner, tuple(rest), value)
        options[name] = inner if name in ("config", "filters", "healthcheck") else [inner]


def _in_folder(value: t.Any, folder: Path) -> t.Any:
    return value.replace("FOLDER", str(folder)) if isinstance(value, str) else value


def all_options() -> list[ModuleOption]:
    """Return all options that modules use, except those of AnsibleModule itself."""
    return [option for module in MODULES for option in _options_of(module)]


def _options_of(module: str) -> t.Iterator[ModuleOption]:
    arguments = importlib.import_module(f"{PACKAGE}.{module}").argument_spec()

    def walk(options: t.Mapping[str, t.Any], around: tuple[str, ...]) -> t.Iterator[ModuleOption]:
        for name, spec in options.items():
            path = (*around, name)
            yield ModuleOption(module, path, spec, len(path) == 1 and name in arguments.may_be_empty)
            yield from walk(spec.get("options", {}), path)

    yield from walk({name: spec for name, spec in arguments.options.items() if name not in arguments.unused}, ())
