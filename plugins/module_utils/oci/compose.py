# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compose new images from a base image, new layers and settings. The base is not changed."""

from __future__ import annotations

import dataclasses
import datetime
import re
import typing as t

from ..errors import InvalidOption
from . import media_types
from .config import ImageConfig
from .digest import Digest
from .document import Document, encode_canonical
from .manifest import Descriptor, Manifest
from .platform import Platform
from .times import parse_time

EPOCH = "1970-01-01T00:00:00Z"
BASE_NAME = "org.opencontainers.image.base.name"
BASE_DIGEST = "org.opencontainers.image.base.digest"

_PORT = re.compile(r"([0-9]{1,5})(?:/(tcp|udp|sctp))?")
_OCI_LAYERS = {media_types.DOCKER_LAYER: media_types.OCI_LAYER, media_types.DOCKER_LAYER_GZIP: media_types.OCI_LAYER_GZIP}


@dataclasses.dataclass(frozen=True)
class NewLayer:
    """A new top layer: its descriptor, the digest of its uncompressed tar, and its `created_by` text for the history."""

    descriptor: Descriptor
    diff_id: Digest
    created_by: str


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
class Settings:
    """The settings to change. None and empty values keep those of the base. Ports, volumes, labels and variables are added to those of the base."""

    cmd: t.Sequence[str] | None = None
    entrypoint: t.Sequence[str] | None = None
    env: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    labels: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    working_dir: str | None = None
    user: str | None = None
    exposed_ports: t.Sequence[str] = ()
    volumes: t.Sequence[str] = ()

    def apply_to(self, base: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Return the `config` object of the new image. Like docker build, a new entrypoint removes the command of the base.

        Raises UnsupportedFormat if a list or map of the base that gets new entries is invalid.
        """
        merged = dict(base)
        base_config = Document(merged, "the base's config")
        if self.entrypoint is not None:
            merged["Entrypoint"] = list(self.entrypoint)
            merged.pop("Cmd", None)
        if self.cmd is not None:
            merged["Cmd"] = list(self.cmd)
        if self.working_dir is not None:
            merged["WorkingDir"] = self.working_dir
        if self.user is not None:
            merged["User"] = self.user
        if self.env:
            merged["Env"] = _merge_environment(base_config.texts("Env", None), self.env)
        if self.labels:
            merged["Labels"] = {**base_config.text_map("Labels"), **self.labels}
        if self.exposed_ports:
            merged["ExposedPorts"] = {**_get_members(base_config, "ExposedPorts"), **{_parse_port(port): {} for port in self.exposed_ports}}
        if self.volumes:
            merged["Volumes"] = {**_get_members(base_config, "Volumes"), **{volume: {} for volume in self.volumes}}
        return merged


@dataclasses.dataclass(frozen=True)
class Base:
    """The base image: its name, digest, manifest and config."""

    name: str
    digest: Digest
    manifest: Manifest
    config: ImageConfig


def parse_created(text: str | None, base: ImageConfig | None) -> tuple[str, int]:
    """Return the creation time of the new image, as RFC 3339 text and in seconds since 1970: TEXT, else the time of the base, else 1970.

    A base with an invalid time, or a time before 1970 such as Go's zero time, counts as 1970. Raises InvalidOption for such a TEXT.
    """
    if text:
        try:
            return _format_time(parse_time(text))
        except ValueError as error:
            raise InvalidOption(f"created: {text!r} is not a time since 1970 like 2026-01-31T12:00:00Z") from error
    moment = base.created_at if base is not None else None
    try:
        return _format_time(moment if moment is not None else parse_time(EPOCH))
    except ValueError:
        return _format_time(parse_time(EPOCH))


def _format_time(moment: datetime.datetime) -> tuple[str, int]:
    """Return a time as RFC 3339 text and in seconds since 1970. Raises ValueError for a time before 1970 or after the year 9999."""
    seconds = int(moment.timestamp())
    if seconds < 0:
        raise ValueError("before 1970")
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"), seconds


def compose_image(base: Base | None, platform: Platform, layers: t.Sequence[NewLayer], settings: Settings, created: str) -> tuple[Manifest, bytes]:
    """Return the manifest and the config of the new image. Layers keep their bytes. Docker's layer types are replaced by the same types of OCI."""
    base_members = base.config.document.members if base is not None else {}
    history = list(base_members.get("history") or [])
    history += [{"created": created, "created_by": f"image_append: {layer.created_by}"} for layer in layers]
    if not layers:
        history.append({"created": created, "created_by": "image_append: settings", "empty_layer": True})
    diff_ids = [*(base.config.diff_ids if base is not None else ()), *(layer.diff_id for layer in layers)]
    config: dict[str, t.Any] = {
        **{key: value for key, value in base_members.items() if key not in ("container", "container_config", "id", "parent", "docker_version")},
        "created": created,
        "os": platform.os,
        "architecture": platform.architecture,
        "config": settings.apply_to(base.config.settings if base is not None else {}),
        "rootfs": {"type": "layers", "diff_ids": [str(diff_id) for diff_id in diff_ids]},
        "history": history,
    }
    if platform.variant is not None and "variant" not in config:
        config["variant"] = platform.variant
    data = encode_canonical(config)
    base_layers = [
        dataclasses.replace(layer, media_type=_OCI_LAYERS.get(layer.media_type, layer.media_type)) for layer in (base.manifest.layers if base else ())
    ]
    manifest = Manifest(
        media_type=media_types.OCI_MANIFEST,
        config=Descriptor(media_types.OCI_CONFIG, Digest.of(data), len(data)),
        layers=(*base_layers, *(layer.descriptor for layer in layers)),
        annotations={BASE_NAME: base.name, BASE_DIGEST: str(base.digest)} if base is not None else {},
    )
    return manifest, data


def _merge_environment(base: t.Sequence[str], new: t.Mapping[str, str]) -> list[str]:
    """Return `NAME=value` lines in the order of the base. A new value replaces the old one in its line; new names follow."""
    values = dict(line.partition("=")[::2] for line in base)
    return [f"{name}={value}" for name, value in {**values, **new}.items()]


def _parse_port(text: str) -> str:
    match = _PORT.fullmatch(text)
    if match is None or not 0 < int(match.group(1)) < 65536:
        raise InvalidOption(f"exposed_ports: {text!r} is not a port like 8080 or 53/udp")
    return f"{int(match.group(1))}/{match.group(2) or 'tcp'}"


def _get_members(document: Document, key: str) -> dict[str, t.Any]:
    child = document.child(key)
    return child.members if child is not None else {}
