# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Argument specifications: groups of options that several modules share, and how they are put together."""

from __future__ import annotations

import dataclasses
import math
import typing as t

from ..errors import InvalidOption

Option = t.Mapping[str, t.Any]
Rules = t.Mapping[str, t.Sequence[t.Sequence[str]]]


@dataclasses.dataclass(frozen=True)
class Arguments:
    """Options, and the rules between them (`required_together` and the like). Every combination is a new value.

    `unused` options are accepted without any effect: `module_defaults` of the action group may set them. Without `has_rate_limit`, requests to registries
    are not about images and don't count for a quota, so the results have none.
    """

    options: t.Mapping[str, Option]
    rules: Rules = dataclasses.field(default_factory=dict)
    file_options: bool = False
    unused: frozenset[str] = frozenset()
    has_rate_limit: bool = True

    def __add__(self, other: Arguments) -> Arguments:
        names = [*self.rules, *(name for name in other.rules if name not in self.rules)]
        rules = {name: [*self.rules.get(name, ()), *other.rules.get(name, ())] for name in names}
        return Arguments(
            {**self.options, **other.options},
            rules,
            file_options=self.file_options or other.file_options,
            unused=self.unused | other.unused,
            has_rate_limit=self.has_rate_limit and other.has_rate_limit,
        )

    def accepting(self, group: Arguments) -> Arguments:
        """Return these arguments with the options of GROUP too, which have no effect in this module."""
        unused = self.unused | (group.options.keys() - self.options.keys())
        return dataclasses.replace(self, options={**group.options, **self.options}, unused=unused)

    def extended(self, **options: Option) -> Arguments:
        return self + Arguments(options)

    def without(self, names: t.Collection[str]) -> Arguments:
        """Return these arguments without some options, and without the rules that name one of them."""
        rules = {rule: [words for words in groups if not set(words) & set(names)] for rule, groups in self.rules.items()}
        return dataclasses.replace(self, options={name: option for name, option in self.options.items() if name not in names}, rules=rules)

    def without_rate_limit(self) -> Arguments:
        return dataclasses.replace(self, has_rate_limit=False)

    def as_kwargs(self) -> dict[str, t.Any]:
        """Return the arguments of AnsibleModule. With file options these include Ansible's own options for mode and owner of the file `path`."""
        kwargs: dict[str, t.Any] = {"argument_spec": {name: dict(option) for name, option in self.options.items()}, "supports_check_mode": True}
        if self.file_options:
            kwargs["add_file_common_args"] = True
        return {**kwargs, **self.rules}

    def check_paths(self, params: t.Mapping[str, t.Any]) -> None:
        """Raise InvalidOption for an empty path in PARAMS. Otherwise an unset variable would mean a default, or the current folder."""
        for name, option in _empty_paths(self.options, params):
            raise InvalidOption(f"{name} is empty; give a path{'' if option.get('required') else ', or leave it out'}")


def at_least(params: t.Mapping[str, t.Any], option: str, least: int) -> float:
    """Return an option that is a number. Raises InvalidOption if it is less than LEAST, `nan` or `inf`."""
    value = float(params[option])
    if not math.isfinite(value) or value < least:
        raise InvalidOption(f"{option} is {params[option]:g}; it has to be a number, and can't be less than {least}")
    return value


def text_map(values: t.Mapping[object, object]) -> dict[str, str]:
    """Return the names and values of an option as text: YAML reads some of them as numbers or booleans, but in an image they are text."""
    return {str(name): str(value) for name, value in values.items()}


def _empty_paths(options: t.Mapping[str, Option], params: t.Mapping[str, t.Any]) -> t.Iterator[tuple[str, Option]]:
    """Yield each option of type path, or list of paths, that holds an empty path, with the names of the options around it."""
    for name, option in options.items():
        value = params.get(name)
        values = value if isinstance(value, list) else [value]
        if "path" in (option.get("type"), option.get("elements")) and "" in values:
            yield name, option
        for part in values if "options" in option else ():
            for inner, found in _empty_paths(option["options"], part or {}):
                yield f"{name}: {inner}", found


STORE = Arguments(
    {
        "store": {"type": "path"},
        "store_mode": {"type": "raw", "default": "0700"},
        "lock_timeout": {"type": "float", "default": 300},
    }
)

# The options that hold the login of a task.
LOGIN = ("username", "password", "identity_token")

_HOST: dict[str, Option] = {
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "identity_token": {"type": "str", "no_log": True},
    "plain_http": {"type": "bool"},
    "ca_path": {"type": "path"},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path"},
}

_MIRROR: dict[str, Option] = {
    "url": {"type": "str", "required": True},
    # Not `no_log`: ansible-core 2.22 would hide every value in all output until the end of the run. task/secrets.py hides those that are secrets.
    "headers": {"type": "dict", "default": {}, "no_log": False},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "ca_path": {"type": "path"},
    "validate_certs": {"type": "bool", "default": True},
    "resolve_tags": {"type": "bool", "default": True},
}

# The options of one registry, in the list `registries`.
REGISTRY_ENTRY: dict[str, Option] = {
    "name": {"type": "str", "required": True},
    **_HOST,
    "validate_certs": {"type": "bool"},
    # Ansible takes the option for a secret because of its name, but it only lists hosts.
    "token_hosts": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "mirrors": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": _MIRROR,
        "required_together": [("username", "password")],
    },
    "mirror_only": {"type": "bool", "default": False},
}

REGISTRY = Arguments(
    {
        **_HOST,
        "validate_certs": {"type": "bool", "default": True},
        "auth_file": {"type": "path"},
        "host_config": {"type": "bool", "default": True},
        "proxy": {"type": "str"},
        "timeout": {"type": "float", "default": 60},
        "retries": {"type": "int", "default": 5},
        "concurrency": {"type": "int", "default": 4},
        "registries": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": REGISTRY_ENTRY,
            "required_together": [("username", "password")],
            "mutually_exclusive": [("password", "identity_token")],
        },
    },
    {"required_together": [("username", "password")], "mutually_exclusive": [("password", "identity_token")]},
)

# How engines are reached.
ENGINES = Arguments(
    {
        "docker_host": {"type": "str"},
        "docker_tls": {"type": "bool"},
        "docker_validate_certs": {"type": "bool", "default": True},
        "docker_ca_path": {"type": "path"},
        "docker_client_cert": {"type": "path"},
        "docker_client_key": {"type": "path"},
        "podman_host": {"type": "str"},
        "containerd_address": {"type": "str"},
        "containerd_namespace": {"type": "str", "default": "default"},
        "engine_timeout": {"type": "float", "default": 600},
    }
)

# An engine in place of the store.
ENGINE = ENGINES.extended(engine={"type": "str", "choices": ["docker", "podman", "containerd"]})

FILE = Arguments({"path": {"type": "path", "required": True}}, file_options=True)

ARCHIVE = Arguments({"archive": {"type": "path"}})

FILTERS = Arguments(
    {
        "filters": {
            "type": "dict",
            "default": {},
            "options": {
                "reference": {"type": "list", "elements": "str", "default": []},
                "label": {"type": "list", "elements": "str", "default": []},
                "dangling": {"type": "bool"},
                "before": {"type": "str"},
                "since": {"type": "str"},
            },
        }
    }
)

# Only the controller's side of a module uses this option.
PROGRESS = Arguments({"progress": {"type": "str", "choices": ["auto", "always", "never"], "default": "auto"}})

PLATFORM = Arguments({"platform": {"type": "list", "elements": "str"}})
