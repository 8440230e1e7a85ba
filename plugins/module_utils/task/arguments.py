# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Argument specifications: groups of options that several modules share, and how they are put together."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..errors import InvalidOption

Option = t.Mapping[str, t.Any]
Rules = t.Mapping[str, t.Sequence[t.Sequence[str]]]


@dataclasses.dataclass(frozen=True)
class Arguments:
    """Options, and the rules between them (`required_together` and the like). Every combination is a new value.

    `unused` options are dropped before Ansible checks them: `module_defaults` of the action group may set them. Without `has_rate_limit`, requests to
    registries are not about images and don't count for a quota, so the results have none.

    A list needs an element, unless it is empty by default or one of `may_be_empty`, for which the module's documentation says what an empty list means.
    Otherwise a template that finds nothing would turn a task about some images into one about none, or about all.
    """

    options: t.Mapping[str, Option]
    rules: Rules = dataclasses.field(default_factory=dict)
    file_options: bool = False
    unused: frozenset[str] = frozenset()
    may_be_empty: frozenset[str] = frozenset()
    has_rate_limit: bool = True

    def __add__(self, other: Arguments) -> Arguments:
        names = [*self.rules, *(name for name in other.rules if name not in self.rules)]
        rules = {name: [*self.rules.get(name, ()), *other.rules.get(name, ())] for name in names}
        return Arguments(
            {**self.options, **other.options},
            rules,
            file_options=self.file_options or other.file_options,
            unused=self.unused | other.unused,
            may_be_empty=self.may_be_empty | other.may_be_empty,
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
        """Return the arguments of AnsibleModule, without unused options.

        With file options these include Ansible's own options for mode and owner of the file `path`.
        """
        used = {name: dict(option) for name, option in self.options.items() if name not in self.unused}
        kwargs: dict[str, t.Any] = {"argument_spec": used, "supports_check_mode": True}
        if self.file_options:
            kwargs["add_file_common_args"] = True
        return {**kwargs, **self.rules}

    def check(self, params: t.Mapping[str, t.Any]) -> None:
        """Raise InvalidOption for values in PARAMS that no module can use: empty lists and empty paths."""
        for fault in _find_faults(self.options, params, self.may_be_empty):
            raise InvalidOption(fault)


def text_map(values: t.Mapping[t.Any, t.Any]) -> dict[str, str]:
    """Return the names and values of an option as text: YAML reads some of them as numbers or booleans, but in an image they are text.

    A value that is null counts as not given.
    """
    return {str(name): str(value) for name, value in values.items() if value is not None}


def select_given(options: t.Mapping[str, Option], params: t.Mapping[str, t.Any]) -> tuple[dict[str, t.Any], list[str]]:
    """Return the options in PARAMS that are given, and messages about values that Ansible can't check: it would end with a traceback, or change them.

    Null counts as not given, also in lists of dictionaries. It is an error as an element of a list: Ansible makes the text `None` of it. The values that
    the messages are about are left out.
    """
    given: dict[str, t.Any] = {}
    faults: list[str] = []
    for name, value in params.items():
        option = options.get(str(name), {})
        found = [f"{name}{fault}" for fault in _raw_faults(str(name), option, value)]
        faults += found
        if value is None or found:
            continue
        if "options" in option:
            given[name], inner = _select_in_dictionaries(option["options"], value)
            faults += [f"{name}: {fault}" for fault in inner]
        else:
            given[name] = value
    return given, faults


def _select_in_dictionaries(options: t.Mapping[str, Option], value: t.Any) -> tuple[t.Any, list[str]]:
    """Call `select_given` for a dictionary, or for each one of a list. Other values stay: Ansible refuses them."""
    if isinstance(value, dict):
        return select_given(options, value)
    if not isinstance(value, list):
        return value, []
    parts = [_select_in_dictionaries(options, part) for part in value]
    return [part for part, _faults in parts], [fault for _part, faults in parts for fault in faults]


def _raw_faults(name: str, option: Option, value: t.Any) -> t.Iterator[str]:
    """Yield what is wrong with a value that Ansible hasn't converted yet, as the end of a message that begins with the name of its option."""
    kind = option.get("type", "str")
    if kind in ("int", "float"):
        least, most = _RANGES.get(name, _ANY_NUMBER)
        number = _as_number(value)
        if number is not None and not least <= number <= most:  # so is `nan`
            yield f" is {number:g}; it has to be a number from {least} to {most}"
    elif kind == "dict" and value is not None and not isinstance(value, (dict, str)):
        yield " is not a dictionary"
    elif isinstance(value, list) and None in value:
        yield f": element {value.index(None) + 1} is null; leave it out"
    elif "options" not in option and _has_bad_text(value, with_nul=kind in ("str", "path", "list")):
        yield " contains a character that no name, path or address can have: NUL, or half of a surrogate pair"


def _as_number(value: t.Any) -> float | None:
    """Return the number that Ansible would read; infinity for one that is too large to be computed with, None for what isn't a number."""
    try:
        return float(value)
    except OverflowError:
        return float("inf")
    except (TypeError, ValueError):
        return None


def _has_bad_text(value: t.Any, *, with_nul: bool) -> bool:
    """Return whether a text in VALUE contains half of a surrogate pair, which UTF-8 can't express, or with WITH_NUL a NUL character."""
    if isinstance(value, str):
        return _SURROGATE.search(value) is not None or (with_nul and "\0" in value)
    if isinstance(value, dict):
        return any(_has_bad_text(part, with_nul=with_nul) for item in value.items() for part in item)
    return isinstance(value, list) and any(_has_bad_text(part, with_nul=with_nul) for part in value)


def _find_faults(options: t.Mapping[str, Option], params: t.Mapping[str, t.Any], may_be_empty: t.Collection[str] = ()) -> t.Iterator[str]:
    """Yield what is wrong with the values of PARAMS, with the names of the options around them."""
    for name, option in options.items():
        if name not in params:
            continue
        value = params[name]
        instead = "" if option.get("required") else ", or leave it out"
        values = value if isinstance(value, list) else [value]
        if value == [] and option["type"] == "list" and option.get("default") != [] and name not in may_be_empty:
            yield f"{name} is an empty list; give at least one element{instead}"
        if "path" in (option.get("type"), option.get("elements")) and "" in values:
            # An unset variable would mean a default, or the current folder.
            yield f"{name} is empty; give a path{instead}"
        if value is None and option.get("required"):
            yield f"{name} is required, and null"
        for part in filter(None, values if "options" in option else ()):
            for fault in _find_faults(option["options"], part):
                yield f"{name}: {fault}"


# Sockets of Python accept no timeout above 24 days.
_MAX_SECONDS = 2_000_000
# User and group IDs, the largest numbers that have a meaning, have 32 bits.
_ANY_NUMBER = (-(2**32) + 1, 2**32 - 1)
_RANGES: t.Mapping[str, tuple[int, int]] = {
    "timeout": (1, _MAX_SECONDS),
    "engine_timeout": (1, _MAX_SECONDS),
    "lock_timeout": (0, _MAX_SECONDS),
    "retries": (0, 1000),
    "concurrency": (1, 1000),
}

_SURROGATE = re.compile("[\ud800-\udfff]")

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
