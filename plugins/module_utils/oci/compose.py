# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compose new images from a base, further layers and settings. The base is not changed."""

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
    """A layer to be put on top: where it is stored, the digest of its uncompressed tar, and what the history says of it."""

    descriptor: Descriptor
    diff_id: Digest
    created_by: str


def parse_command(value: object, option: str) -> list[str] | None:
    """The words of a command, as a list or a single word gives them. Raises InvalidOption for text of which it isn't sure where its words end."""
    if value is None:
        return None
    given = value if isinstance(value, list) else [value]
    if isinstance(value, str) and re.search(r"[\s,]", value):
        raise InvalidOption(f"{option} has to be a list of words, like ['/bin/program', '--option'], and is the text {value!r:.100}")
    for word in given:
        if not isinstance(word, (str, int, float)):
            raise InvalidOption(f"{option} has to be a list of words, and has {word!r:.100} for one")
    return [str(word) for word in given]


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is to be different from the base. None and empty leave the base's; lists and maps of names are added to the base's."""

    cmd: t.Sequence[str] | None = None
    entrypoint: t.Sequence[str] | None = None
    env: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    labels: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    working_dir: str | None = None
    user: str | None = None
    exposed_ports: t.Sequence[str] = ()
    volumes: t.Sequence[str] = ()

    def on(self, base: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """The `config` object of the new image. A new entrypoint drops the base's command, which was meant for the old one, as docker build does.

        Raises UnsupportedFormat where something is to be added to what the base has in another form than it should.
        """
        merged = dict(base)
        below = Document(merged, "the base's config")
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
            merged["Env"] = _merged_environment(below.texts("Env", None), self.env)
        if self.labels:
            merged["Labels"] = {**below.text_map("Labels"), **self.labels}
        if self.exposed_ports:
            merged["ExposedPorts"] = {**_members(below, "ExposedPorts"), **{_port(port): {} for port in self.exposed_ports}}
        if self.volumes:
            merged["Volumes"] = {**_members(below, "Volumes"), **{volume: {} for volume in self.volumes}}
        return merged


@dataclasses.dataclass(frozen=True)
class Base:
    """The image below: its manifest and config, and what it is called."""

    name: str
    digest: Digest
    manifest: Manifest
    config: ImageConfig


def parse_created(text: str | None, base: ImageConfig | None) -> tuple[str, int]:
    """When the new image is said to be made, as RFC 3339 text and in seconds since 1970: TEXT, else the base's time, else 1970.

    A base may tell a time before 1970, as Go's zero time is, or none that can be read: it counts as 1970. Raises InvalidOption for such a TEXT.
    """
    if text:
        try:
            return _in_seconds(parse_time(text))
        except ValueError as error:
            raise InvalidOption(f"created: {text!r} is not a time since 1970 like 2026-01-31T12:00:00Z") from error
    moment = base.created_at if base is not None else None
    try:
        return _in_seconds(moment if moment is not None else parse_time(EPOCH))
    except ValueError:
        return _in_seconds(parse_time(EPOCH))


def _in_seconds(moment: datetime.datetime) -> tuple[str, int]:
    """Raises ValueError for a moment before 1970 or after the year 9999."""
    seconds = int(moment.timestamp())
    if seconds < 0:
        raise ValueError("before 1970")
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"), seconds


def compose_image(base: Base | None, platform: Platform, layers: t.Sequence[NewLayer], settings: Settings, created: str) -> tuple[Manifest, bytes]:
    """The manifest and the config of the new image. Layers keep their bytes; those of a docker image get the OCI names of the same types."""
    below = base.config.document.members if base is not None else {}
    history = list(below.get("history") or [])
    history += [{"created": created, "created_by": f"image_append: {layer.created_by}"} for layer in layers]
    if not layers:
        history.append({"created": created, "created_by": "image_append: settings", "empty_layer": True})
    diff_ids = [*(base.config.diff_ids if base is not None else ()), *(layer.diff_id for layer in layers)]
    config: dict[str, t.Any] = {
        **{key: value for key, value in below.items() if key not in ("container", "container_config", "id", "parent", "docker_version")},
        "created": created,
        "os": platform.os,
        "architecture": platform.architecture,
        "config": settings.on(base.config.settings if base is not None else {}),
        "rootfs": {"type": "layers", "diff_ids": [str(diff_id) for diff_id in diff_ids]},
        "history": history,
    }
    if platform.variant is not None and "variant" not in config:
        config["variant"] = platform.variant
    data = encode_canonical(config)
    lower = [
        dataclasses.replace(layer, media_type=_OCI_LAYERS.get(layer.media_type, layer.media_type)) for layer in (base.manifest.layers if base else ())
    ]
    manifest = Manifest(
        media_type=media_types.OCI_MANIFEST,
        config=Descriptor(media_types.OCI_CONFIG, Digest.of(data), len(data)),
        layers=(*lower, *(layer.descriptor for layer in layers)),
        annotations={BASE_NAME: base.name, BASE_DIGEST: str(base.digest)} if base is not None else {},
    )
    return manifest, data


def _merged_environment(base: t.Sequence[str], new: t.Mapping[str, str]) -> list[str]:
    """`NAME=value` lines in the base's order; a name that is there gets its new value in place."""
    values = dict(line.partition("=")[::2] for line in base)
    return [f"{name}={value}" for name, value in {**values, **new}.items()]


def _port(text: str) -> str:
    match = _PORT.fullmatch(text)
    if match is None or not 0 < int(match.group(1)) < 65536:
        raise InvalidOption(f"exposed_ports: {text!r} is not a port like 8080 or 53/udp")
    return f"{int(match.group(1))}/{match.group(2) or 'tcp'}"


def _members(document: Document, key: str) -> dict[str, t.Any]:
    child = document.child(key)
    return child.members if child is not None else {}
