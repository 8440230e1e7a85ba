# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that describe new layers and the config of a new image: their argument specifications, and their values."""

from __future__ import annotations

import typing as t

from ..archive.layer_source import LayerSource, OwnerRule
from ..oci.platform import Platform
from ..oci.settings import Healthcheck, Settings, parse_command
from .arguments import Option, text_map
from .file_modes import octal_mode

RULE: dict[str, Option] = {
    "path": {"type": "str", "required": True},
    "owner": {"type": "int"},
    "group": {"type": "int"},
    "mode": {"type": "raw"},
}

LAYER: dict[str, Option] = {
    "src": {"type": "path"},
    "dest": {"type": "str"},
    "mode": {"type": "raw"},
    "owner": {"type": "int", "default": 0},
    "group": {"type": "int", "default": 0},
    "exclude": {"type": "list", "elements": "str", "default": []},
    "remove": {"type": "list", "elements": "str", "default": []},
    "rules": {"type": "list", "elements": "dict", "default": [], "options": RULE},
    "platform": {"type": "str"},
}

HEALTHCHECK: dict[str, Option] = {
    "test": {"type": "raw"},
    "interval": {"type": "str"},
    "timeout": {"type": "str"},
    "start_period": {"type": "str"},
    "start_interval": {"type": "str"},
    "retries": {"type": "int"},
}

CONFIG: dict[str, Option] = {
    # Ansible would split a string at its commas if these were lists.
    "cmd": {"type": "raw"},
    "entrypoint": {"type": "raw"},
    "env": {"type": "dict", "default": {}},
    "labels": {"type": "dict", "default": {}},
    "working_dir": {"type": "str"},
    "user": {"type": "str"},
    "exposed_ports": {"type": "list", "elements": "str", "default": []},
    "volumes": {"type": "list", "elements": "str", "default": []},
    "stop_signal": {"type": "str"},
    "unset_env": {"type": "list", "elements": "str", "default": []},
    "unset_labels": {"type": "list", "elements": "str", "default": []},
    "healthcheck": {"type": "dict", "options": HEALTHCHECK},
}


def read_layer(options: t.Mapping[str, t.Any], compression: str) -> tuple[LayerSource, Platform | None]:
    """Return one layer, and the platform that it is for, None for all. Raises InvalidOption."""
    source = LayerSource(
        path=options["src"],
        destination=options["dest"],
        mode=_read_mode(options["mode"], "mode"),
        owner=options["owner"],
        group=options["group"],
        compression=None if compression == "none" else compression,
        exclude=tuple(options["exclude"]),
        remove=tuple(options["remove"]),
        rules=tuple(OwnerRule(rule["path"], rule["owner"], rule["group"], _read_mode(rule["mode"], "rules: mode")) for rule in options["rules"]),
    )
    return source, Platform.parse(options["platform"]) if options["platform"] is not None else None


def _read_mode(value: object, option: str) -> int | None:
    return octal_mode(value, option) if value is not None else None


def read_settings(config: t.Mapping[str, t.Any]) -> Settings:
    """Return the settings of a new image. Raises InvalidOption."""
    lists = {option: parse_command(config[option], f"config: {option}") for option in ("cmd", "entrypoint")}
    healthcheck = Healthcheck(**config["healthcheck"]) if config["healthcheck"] is not None else None
    return Settings(**{**config, **lists, "healthcheck": healthcheck, "env": text_map(config["env"]), "labels": text_map(config["labels"])})
