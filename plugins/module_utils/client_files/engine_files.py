# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files that each engine needs in order to reach the registries of a task, computed from what the host has now."""

from __future__ import annotations

import dataclasses
import os
import types
import typing as t

from ..errors import InvalidOption, missing_library
from ..limits import MAX_CONFIG_FILE
from ..oci.document import Document, encode_readable
from ..registry.auth.auth_files import set_logins
from ..registry.config.host_config import REGISTRY_SETTING, find_toml_parser
from ..registry.config.registries_conf import RegistryRule, read_rules
from ..registry.config.settings import Credentials
from . import containerd, docker, kubernetes, podman, policy
from .containerd_imports import ImportedFile, read_imports
from .entries import KUBERNETES, ClientEntry, Contents, collect_access
from .host_files import HostFiles
from .layout import Layout, Record
from .planned_file import PlannedFile, has_mark, show_logins


def describe_unsupported(engine: str, entry: ClientEntry) -> t.Iterator[str]:
    """Yield a sentence for each setting of ENTRY that ENGINE can't express. It says what to do instead."""
    if engine in KUBERNETES:
        return kubernetes.describe_unsupported(engine, entry)
    return {"containerd": containerd.describe_unsupported, "podman": podman.describe_unsupported, "docker": docker.describe_unsupported}[engine](
        entry
    )


class EngineFiles:
    """Computes the files of engines. It reads the host, and writes nothing.

    `record` is what earlier runs wrote; each call of `list_needed` updates it to what is recorded after this run.
    """

    def __init__(
        self,
        entries: t.Sequence[ClientEntry],
        trust: t.Sequence[policy.TrustRule] | None,
        contents: Contents,
        host: HostFiles,
        layout: Layout,
        record: Record,
    ) -> None:
        self._entries = entries
        self._trust = trust
        self._contents = contents
        self._host = host
        self._layout = layout
        self._access = collect_access(entries, contents)
        self._toml = find_toml_parser()
        self._before = record
        self.record = record

    def list_needed(self, engine: str) -> list[PlannedFile]:
        """Return the files that ENGINE needs. Raises InvalidOption for entries and host files that can't be united."""
        if engine == "containerd":
            return self._list_of_containerd()
        if engine == "podman":
            return self._list_of_podman()
        if engine == "docker":
            return self._list_of_docker()
        return kubernetes.registries_yaml(self._entries, self._access, f"{self._layout.rancher}/{engine}")

    def list_own(self, engine: str) -> list[str]:
        """Return the files of an engine that this module wrote completely."""
        folder = self._layout.certificates(engine)
        paths = [f"{folder}/{host}/{name}" for host in self._host.names(folder) for name in self._host.names(f"{folder}/{host}")]
        if engine == "podman":
            paths += [self._layout.registries_conf, *([self._layout.registries_d] if self._trust is not None else [])]
        if engine in KUBERNETES:
            paths.append(f"{self._layout.rancher}/{engine}/registries.yaml")
        return [path for path in paths if not self._host.is_folder(path) and has_mark(self._host.read(path) or b"")]

    def is_reload_needed(self, engine: str, path: str) -> bool:
        """Return True if an engine reads the file PATH only when it starts or is reloaded."""
        return engine in KUBERNETES or path in (f"{self._layout.containerd}/config.toml", f"{self._layout.docker}/daemon.json")

    def _list_of_containerd(self) -> list[PlannedFile]:
        folder = self._layout.certificates("containerd")
        files = []
        for entry in self._entries:
            made = containerd.hosts_files(entry, f"{folder}/{entry.name}", self._contents)
            if made and self._toml is not None:
                containerd.check_hosts_file(entry, made[0], self._toml.loads)
            host, _colon, port = entry.name.rpartition(":")
            if made and host and self._host.is_folder(f"{folder}/{host}_{port}_"):
                raise InvalidOption(
                    f"{self._host.real(folder)}/{host}_{port}_ exists, and containerd prefers it to {entry.name}; delete it, or leave this registry out"
                )
            files += made
        return [*files, *self._containerd_config(folder, is_needed=bool(files))]

    def _containerd_config(self, folder: str, is_needed: bool) -> list[PlannedFile]:
        """Return config.toml, which names the folder with the files of registries. Without such files, only a config.toml that this module wrote is removed."""
        path = f"{self._layout.containerd}/config.toml"
        data, new = self._host.read(path), containerd.new_config(folder)
        is_created_by_us = data is not None and data == new.encode() and path in self._before.created
        if not is_needed:
            return [dataclasses.replace(containerd.config_file(path, new), content=None)] if is_created_by_us else []
        if data is None or is_created_by_us:
            return [containerd.config_file(path, new)]
        parser, document, text = self._parser_for(path), self._parse(data, path), data.decode()
        imported = read_imports(document, path, self._host.names, self._read_imported)
        changed = containerd.set_config_path(text, document, folder, self._host.real(path), parser.loads, imported)
        return [containerd.config_file(path, text if changed is None else changed)]

    def _read_imported(self, path: str) -> ImportedFile | None:
        data = self._host.read(path)
        return ImportedFile(self._host.real(path), self._parse(data, path)) if data is not None else None

    def _list_of_podman(self) -> list[PlannedFile]:
        files = podman.certificates(self._access, self._layout.certificates("podman"))
        conf = podman.registries_conf(self._entries, self._layout.registries_conf)
        if conf is not None:
            if self._toml is not None:
                podman.check_registries_conf(conf, self._entries, self._toml.loads)
            podman.check_other_rules(self._other_rules(), self._entries)
            files.append(conf)
        files += self._login_file("podman", self._layout.podman_logins, podman.logins(self._access))
        return [*files, *self._trust_files()]

    def _other_rules(self) -> list[RegistryRule]:
        """Return the rules for registries in podman's other files."""
        found: list[RegistryRule] = []
        own = os.path.dirname(self._layout.podman_logins)
        for base in dict.fromkeys([self._layout.containers, own]):
            folder = f"{base}/registries.conf.d"
            drop_ins = [f"{folder}/{name}" for name in self._host.names(folder) if name.endswith(".conf")]
            for path in [f"{base}/registries.conf", *drop_ins]:
                data = self._host.read(path)
                if path != self._layout.registries_conf and data is not None and REGISTRY_SETTING.search(data):
                    found += read_rules(self._parse(data, path), data.decode(), self._host.real(path), allow_version_1=path not in drop_ins)
        return found

    def _trust_files(self) -> list[PlannedFile]:
        if self._trust is None:
            return []
        from ..trust.policy_json import read_policy_json

        path = self._layout.policy
        policy_file, scopes = policy.merge_policy(self._host.read(path), self._host.real(path), self._trust, self._before.scopes)
        self.record = dataclasses.replace(self.record, scopes=scopes)
        # With a policy that isn't completely valid, podman refuses everything.
        read_policy_json(policy_file.content or b"", policy_file.path, lambda key: self._host.read(key) or b"")
        folder = os.path.dirname(self._layout.registries_d)
        for name in self._host.names(folder):
            other = f"{folder}/{name}"
            if name.endswith(".yaml") and other != self._layout.registries_d:
                text = (self._host.read(other) or b"").decode("utf-8", "replace")
                policy.check_other_sections(self._trust, text, self._host.real(other))
        lookups = policy.registries_d_file(self._trust, self._layout.registries_d)
        return [dataclasses.replace(policy_file, path=path), *([lookups] if lookups is not None else [])]

    def _list_of_docker(self) -> list[PlannedFile]:
        files = podman.certificates(self._access, self._layout.certificates("docker"))
        path = f"{self._layout.docker}/daemon.json"
        settings = docker.daemon_settings(self._entries, self._access)
        daemon, owned = docker.merge_daemon_json(self._host.read(path), self._host.real(path), settings, self._before.daemon)
        self.record = dataclasses.replace(self.record, daemon=owned)
        return [
            *files,
            self._keep_as_empty(dataclasses.replace(daemon, path=path)),
            *self._login_file("docker", self._layout.docker_logins, docker.logins(self._access)),
        ]

    def _login_file(self, engine: str, path: str, logins: t.Mapping[str, Credentials]) -> list[PlannedFile]:
        """Return the auth file with these logins; an empty list if neither this run nor an earlier one has any."""
        recorded = self._before.logins.get(engine, ())
        if not logins and not recorded:
            return []
        before = self._host.read(path)
        document = Document.parse(before or b"{}", self._host.real(path), MAX_CONFIG_FILE)
        members, owned = set_logins(document, logins, recorded)
        self.record = dataclasses.replace(self.record, logins={**self.record.logins, engine: tuple(owned)})
        content = before if before is not None and members == document.members else encode_readable(members, before) if members else None
        return [self._keep_as_empty(PlannedFile(path, content, 0o600, shared=True, show=show_logins({*owned, *recorded})))]

    def _keep_as_empty(self, file: PlannedFile) -> PlannedFile:
        """Return FILE. A file without entries is kept as an empty object if an earlier run did not create it."""
        if file.content is not None or file.path in self._before.created or self._host.read(file.path) is None:
            return file
        return dataclasses.replace(file, content=encode_readable({}))

    def _parser_for(self, path: str) -> types.ModuleType:
        if self._toml is None:
            raise missing_library("tomli", "python3-tomli", ImportError(f"{self._host.real(path)} can't be read without it before Python 3.11"))
        return self._toml

    def _parse(self, data: bytes, path: str) -> dict[str, t.Any]:
        try:
            document: dict[str, t.Any] = self._parser_for(path).loads(data.decode())
        except (ValueError, RecursionError) as error:
            raise InvalidOption(f"{self._host.real(path)} is not valid TOML: {str(error)[:200]}; correct it first, nothing was written") from error
        return document
