# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The paths of the files of engines, and the record of our entries in files that we share with users and other tools."""

from __future__ import annotations

import dataclasses
import json
import os
import typing as t

from ..errors import UnsupportedFormat
from ..limits import MAX_CONFIG_FILE
from ..oci.document import Document
from .docker import DaemonSettings

_VERSION = 1


def find_home(root: str) -> str:
    """Return the home folder of the running user, or root's if ROOT is another root file system."""
    return os.path.expanduser("~") if root == "/" else "/root"


@dataclasses.dataclass(frozen=True)
class Layout:
    """The paths of the files of engines: those of the system, or those of one user's podman."""

    containers: str
    podman_logins: str
    docker_logins: str
    record: str
    containerd: str = "/etc/containerd"
    docker: str = "/etc/docker"
    rancher: str = "/etc/rancher"

    @classmethod
    def of_system(cls, home: str) -> Layout:
        """Return the paths of the system. Logins are those of root, whose home folder is HOME."""
        return cls(
            "/etc/containers", f"{home}/.config/containers/auth.json", f"{home}/.docker/config.json", "/var/lib/longshore/registry_client.json"
        )

    @classmethod
    def of_user(cls, home: str) -> Layout:
        """Return the paths of an ordinary user."""
        own = f"{home}/.config/containers"
        return cls(own, f"{own}/auth.json", f"{home}/.docker/config.json", f"{home}/.local/share/longshore/registry_client.json")

    @property
    def registries_conf(self) -> str:
        return f"{self.containers}/registries.conf.d/50-longshore.conf"

    @property
    def registries_d(self) -> str:
        return f"{self.containers}/registries.d/longshore.yaml"

    @property
    def policy(self) -> str:
        return f"{self.containers}/policy.json"

    def certificates(self, engine: str) -> str:
        """Return the folder with a subfolder of certificates for each host."""
        bases = {"containerd": self.containerd, "podman": self.containers, "docker": self.docker}
        return f"{bases.get(engine) or f'{self.rancher}/{engine}'}/certs.d"


@dataclasses.dataclass(frozen=True)
class Record:
    """Our entries in files that others write to as well: entries of daemon.json, keys of logins by engine, and scopes of policy.json.

    `created` are such files that an earlier run created, `folders` the folders that it created.
    """

    daemon: DaemonSettings = dataclasses.field(default_factory=DaemonSettings)
    logins: t.Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    scopes: tuple[str, ...] = ()
    created: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()

    @classmethod
    def parse(cls, data: bytes, path: str) -> Record:
        """Raises UnsupportedFormat for anything but a record."""
        document = Document.parse(data, path, MAX_CONFIG_FILE)
        if document.number("version") != _VERSION:
            raise UnsupportedFormat(f"{path} is no record of the registries on this host in version {_VERSION}")
        logins = document.child("logins")
        return cls(
            DaemonSettings(tuple(document.texts("registry-mirrors")), tuple(document.texts("insecure-registries"))),
            {engine: tuple(logins.texts(engine)) for engine in logins.members} if logins is not None else {},
            tuple(document.texts("scopes")),
            tuple(document.texts("created")),
            tuple(document.texts("folders")),
        )

    def to_bytes(self) -> bytes | None:
        """Return the file of the record, None if nothing is recorded."""
        lists = {
            "registry-mirrors": list(self.daemon.mirrors),
            "insecure-registries": list(self.daemon.insecure),
            "logins": {engine: list(keys) for engine, keys in self.logins.items() if keys},
            "scopes": list(self.scopes),
            "created": sorted(self.created),
            "folders": sorted(self.folders),
        }
        present = {key: value for key, value in lists.items() if value}
        return (json.dumps({"version": _VERSION, **present}, indent=2) + "\n").encode() if present else None

    def united(self, other: Record) -> Record:
        """Return the union of two records. It is written before the files change, so that the next run knows all entries even if this run is killed."""
        return Record(
            DaemonSettings(_unite(self.daemon.mirrors, other.daemon.mirrors), _unite(self.daemon.insecure, other.daemon.insecure)),
            {engine: _unite(self.logins.get(engine, ()), other.logins.get(engine, ())) for engine in {**self.logins, **other.logins}},
            _unite(self.scopes, other.scopes),
            _unite(self.created, other.created),
            _unite(self.folders, other.folders),
        )


def _unite(first: t.Iterable[str], second: t.Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*first, *second]))
