# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The settings of an image: how containers of it run (OCI image specification, config.md; the healthcheck is Docker's addition)."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..errors import InvalidOption
from .document import Document
from .times import parse_duration

_PORT = re.compile(r"([0-9]{1,5})(?:/(tcp|udp|sctp))?")
_SIGNAL = re.compile(r"(?:SIG)?[A-Z][A-Z0-9+-]{1,15}|[0-9]{1,3}", re.ASCII)
_TESTS = ("NONE", "CMD", "CMD-SHELL")


def parse_command(value: object, option: str) -> list[str] | None:
    """Return the words of a command, from a list or a single word. Raises InvalidOption for text with spaces or commas, since its words are ambiguous."""
    if value is None:
        return None
    command = value if isinstance(value, list) else [value]
    if isinstance(value, str) and re.search(r"[\s,]", value):
        raise InvalidOption(f"{option} must be a list of words, such as ['/bin/program', '--option'], not the text {value!r:.100}")
    for word in command:
        if not isinstance(word, (str, int, float)):
            raise InvalidOption(f"{option} must be a list of words, and {word!r:.100} is not one")
    return [str(word) for word in command]


@dataclasses.dataclass(frozen=True)
class Healthcheck:
    """How an engine checks whether a container works. None keeps the value of the base. Durations are texts such as `1m30s`."""

    test: object = None
    interval: str | None = None
    timeout: str | None = None
    start_period: str | None = None
    start_interval: str | None = None
    retries: int | None = None

    def apply_to(self, base: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Return the `Healthcheck` object of the new image. Raises InvalidOption for a duration or a test that Docker would refuse."""
        merged = dict(base)
        if self.test is not None:
            merged["Test"] = self._parse_test()
        if not merged.get("Test"):
            raise InvalidOption("config: healthcheck needs test, since the base has no healthcheck")
        if merged["Test"] == ["NONE"]:
            return {"Test": ["NONE"]}
        durations = {"Interval": "interval", "Timeout": "timeout", "StartPeriod": "start_period", "StartInterval": "start_interval"}
        for key, option in durations.items():
            text = getattr(self, option)
            if text is not None:
                merged[key] = parse_duration(text, f"config: healthcheck: {option}")
        if self.retries is not None:
            if self.retries < 0:
                raise InvalidOption(f"config: healthcheck: retries is {self.retries}, and can't be negative")
            merged["Retries"] = self.retries
        return merged

    def _parse_test(self) -> list[str]:
        if isinstance(self.test, str):
            return ["CMD-SHELL", self.test]
        words = parse_command(self.test, "config: healthcheck: test") or [""]
        expected = {"NONE": 1, "CMD-SHELL": 2}.get(words[0], max(len(words), 2))
        if words[0] not in _TESTS or len(words) != expected:
            raise InvalidOption(
                "config: healthcheck: test must be a text for a shell, or a list that begins with CMD, CMD-SHELL (one text follows) or NONE"
            )
        return words


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings to change. None and empty values keep those of the base. Ports, volumes, labels and variables are added to those of the base.

    `unset_env` and `unset_labels` are removed from the base's; names that it doesn't have are ignored.
    """

    cmd: t.Sequence[str] | None = None
    entrypoint: t.Sequence[str] | None = None
    env: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    labels: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    working_dir: str | None = None
    user: str | None = None
    exposed_ports: t.Sequence[str] = ()
    volumes: t.Sequence[str] = ()
    stop_signal: str | None = None
    healthcheck: Healthcheck | None = None
    unset_env: t.Sequence[str] = ()
    unset_labels: t.Sequence[str] = ()

    def __post_init__(self) -> None:
        """Raise InvalidOption for names that can't be variables or labels, and for names that are both set and unset."""
        for name, value in self.env.items():
            if not name or "=" in name or "\0" in name + value:
                raise InvalidOption(
                    f"config: env: {name!r:.100} can't be the name of a variable: it is empty, or has an equals sign or a NUL in it or its value"
                )
        if "" in self.labels:
            raise InvalidOption("config: labels: a label has no name")
        for option, both in (("env", set(self.env) & set(self.unset_env)), ("labels", set(self.labels) & set(self.unset_labels))):
            if both:
                raise InvalidOption(f"config: {min(both)!r:.100} is in {option} and in unset_{option}; give it once")
        if self.stop_signal and not _SIGNAL.fullmatch(self.stop_signal):
            raise InvalidOption(f"config: stop_signal: {self.stop_signal!r:.100} is not a signal such as SIGTERM or 15")

    def apply_to(self, base: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Return the `config` object of the new image. Like docker build, a new entrypoint removes the command of the base.

        Raises UnsupportedFormat if a list or map of the base that gets new entries is invalid.
        """
        merged = dict(base)
        base_config = Document(merged, "the base's config")
        if self.entrypoint is not None:
            merged["Entrypoint"] = list(self.entrypoint)
            merged.pop("Cmd", None)
        for key, value in (("Cmd", self.cmd), ("WorkingDir", self.working_dir), ("User", self.user), ("StopSignal", self.stop_signal)):
            if value is not None:
                merged[key] = value if isinstance(value, str) else list(value)
        if self.env or self.unset_env:
            merged["Env"] = _merge_environment(base_config.texts("Env", None), self.env, self.unset_env)
        if self.labels or self.unset_labels:
            labels = {**base_config.text_map("Labels"), **self.labels}
            merged["Labels"] = {name: value for name, value in labels.items() if name not in self.unset_labels}
        if self.exposed_ports:
            merged["ExposedPorts"] = {**_get_members(base_config, "ExposedPorts"), **{_parse_port(port): {} for port in self.exposed_ports}}
        if self.volumes:
            merged["Volumes"] = {**_get_members(base_config, "Volumes"), **{volume: {} for volume in self.volumes}}
        if self.healthcheck is not None:
            merged["Healthcheck"] = self.healthcheck.apply_to(_get_members(base_config, "Healthcheck"))
        return merged


def split_environment(lines: t.Sequence[str]) -> dict[str, str]:
    """Return the values by name of `NAME=value` lines."""
    return dict(line.partition("=")[::2] for line in lines)


def _merge_environment(base: t.Sequence[str], new: t.Mapping[str, str], unset: t.Sequence[str]) -> list[str]:
    """Return `NAME=value` lines in the order of the base. A new value replaces the old one in its line; new names follow."""
    values = {**split_environment(base), **new}
    return [f"{name}={value}" for name, value in values.items() if name not in unset]


def _parse_port(text: str) -> str:
    match = _PORT.fullmatch(text)
    if match is None or not 0 < int(match.group(1)) < 65536:
        raise InvalidOption(f"exposed_ports: {text!r} is not a port like 8080 or 53/udp")
    return f"{int(match.group(1))}/{match.group(2) or 'tcp'}"


def _get_members(document: Document, key: str) -> dict[str, t.Any]:
    child = document.child(key)
    return child.members if child is not None else {}
