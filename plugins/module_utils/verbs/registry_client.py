# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan the files by which engines reach registries, from one list of registries."""

from __future__ import annotations

import dataclasses
import os
import types
import typing as t

from ..client_files import containerd, docker, kubernetes, podman, policy
from ..client_files.containerd_imports import ImportedFile, read_imports
from ..client_files.entries import ClientEntry, Contents, collect_access
from ..client_files.host_files import ChangeFiles, FileChange, HostFiles, missing_folders
from ..client_files.layout import Layout, Record
from ..client_files.planned_file import PlannedFile, has_mark, show_logins
from ..errors import InvalidOption, missing_library
from ..limits import MAX_CONFIG_FILE
from ..oci.document import Document, encode_readable
from ..registry.auth.auth_files import set_logins
from ..registry.config.host_config import REGISTRY_SETTING, find_toml_parser
from ..registry.config.registries_conf import RegistryRule, read_rules
from ..registry.config.settings import Credentials
from .state_plan import StatePlan

_KUBERNETES = ("k3s", "rke2")
_MAX_SENTENCES = 5


def plan_registry_client(
    entries: t.Sequence[ClientEntry],
    engines: t.Sequence[str],
    trust: t.Sequence[policy.TrustRule] | None,
    *,
    contents: Contents,
    root: str = "/",
    home: str,
    as_root: bool,
) -> StatePlan:
    """Plan the files by which ENGINES reach the registries of ENTRIES. TRUST has the rules of podman's policy, None to leave it alone.

    CONTENTS has the certificates that entries name by path. All paths are below ROOT. Raises InvalidOption for entries that an engine
    can't express, and for conflicting files that somebody else wrote.
    """
    _refuse_unsupported(entries, engines, trust)
    if not as_root and root == "/" and set(engines) != {"podman"}:
        raise InvalidOption(f"only root may configure {', '.join(engine for engine in engines if engine != 'podman')}; use become: true")
    layout = Layout.of_user(home) if not as_root and root == "/" else Layout.of_system(home)
    return _Planner(entries, engines, trust, contents, HostFiles(root), layout).plan()


def _refuse_unsupported(entries: t.Sequence[ClientEntry], engines: t.Sequence[str], trust: t.Sequence[policy.TrustRule] | None) -> None:
    names = [entry.name for entry in entries]
    for entry in entries:
        if names.count(entry.name) > 1:
            raise InvalidOption(f"{entry.name} is there twice; give all of its settings in one entry")
        if entry.denied and not entry.mirrors:
            raise InvalidOption(f"{entry.name} has no mirrors, so upstream: deny or mirror_only leaves nothing to pull from; use blocked for that")
        if entry.blocked and entry.mirrors:
            raise InvalidOption(f"{entry.name} is blocked, and has mirrors; leave out one of them")
    found = [sentence for engine in engines for entry in entries for sentence in _describe_unsupported(engine, entry)]
    without_trust = [engine for engine in engines if engine != "podman"]
    if trust is not None and without_trust:
        found.append(
            f"{' and '.join(without_trust)} can't verify signatures, so trust is for podman alone; configure the others in a second task without it,"
            " and deliver what image_pull has verified"
        )
    if found:
        shown = found[:_MAX_SENTENCES]
        more = f" (and {len(found) - len(shown)} more)" if len(found) > len(shown) else ""
        raise InvalidOption(f"nothing was written: {'. '.join(shown)}{more}")


def _describe_unsupported(engine: str, entry: ClientEntry) -> t.Iterator[str]:
    if engine in _KUBERNETES:
        return kubernetes.describe_unsupported(engine, entry)
    return {"containerd": containerd.describe_unsupported, "podman": podman.describe_unsupported, "docker": docker.describe_unsupported}[engine](
        entry
    )


class _Planner:
    """Computes the files that engines need, and compares them with those of the host."""

    def __init__(
        self,
        entries: t.Sequence[ClientEntry],
        engines: t.Sequence[str],
        trust: t.Sequence[policy.TrustRule] | None,
        contents: Contents,
        host: HostFiles,
        layout: Layout,
    ) -> None:
        self._entries = entries
        self._engines = engines
        self._trust = trust
        self._contents = contents
        self._host = host
        self._layout = layout
        self._access = collect_access(entries, contents)
        self._toml = find_toml_parser()
        recorded = host.read(layout.record)
        self._before = Record.parse(recorded, host.real(layout.record)) if recorded is not None else Record()
        self._after = self._before

    def plan(self) -> StatePlan:
        files: dict[str, PlannedFile] = {}
        reloads = []
        for engine in self._engines:
            needed = self._files_of(engine)
            obsolete = [PlannedFile(path, None) for path in self._own_files(engine) if path not in {file.path for file in needed}]
            files.update({file.path: file for file in [*needed, *obsolete]})
            if any(self._change(file) is not None for file in [*needed, *obsolete] if self._is_reload_needed(engine, file.path)):
                reloads.append(engine)
        self._refuse_foreign(files.values())
        changes = [change for change in map(self._change, files.values()) if change is not None]
        folders = self._record_created(changes)
        return self._make_plan(changes, folders, list(files.values()), reloads)

    def _make_plan(self, changes: list[FileChange], folders: list[str], files: list[PlannedFile], reloads: list[str]) -> StatePlan:
        record = self._host.real(self._layout.record)
        real_folders = tuple(map(self._host.real, folders))
        actions = [change.action for change in changes] + [f"delete the empty folder {folder}" for folder in real_folders]
        recorded = self._host.read(self._layout.record)
        new_record = self._after.to_bytes()
        if recorded != new_record:
            actions.append(f"{'delete' if new_record is None else 'write' if recorded is None else 'change'} {record}")
        step = ChangeFiles(tuple(changes), real_folders, record, self._before, self._after)
        return StatePlan(
            [],
            {"reload": reloads, "paths": [change.path for change in changes]},
            steps=[step] if actions else [],
            extra_actions=tuple(actions),
            states=self._states(changes, files),
        )

    # The files of each engine.

    def _files_of(self, engine: str) -> list[PlannedFile]:
        if engine == "containerd":
            return self._containerd_files()
        if engine == "podman":
            return self._podman_files()
        if engine == "docker":
            return self._docker_files()
        return kubernetes.registries_yaml(self._entries, self._access, f"{self._layout.rancher}/{engine}")

    def _containerd_files(self) -> list[PlannedFile]:
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

    def _podman_files(self) -> list[PlannedFile]:
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
        self._after = dataclasses.replace(self._after, scopes=scopes)
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

    def _docker_files(self) -> list[PlannedFile]:
        files = podman.certificates(self._access, self._layout.certificates("docker"))
        path = f"{self._layout.docker}/daemon.json"
        settings = docker.daemon_settings(self._entries, self._access)
        daemon, owned = docker.merge_daemon_json(self._host.read(path), self._host.real(path), settings, self._before.daemon)
        self._after = dataclasses.replace(self._after, daemon=owned)
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
        self._after = dataclasses.replace(self._after, logins={**self._after.logins, engine: tuple(owned)})
        content = before if before is not None and members == document.members else encode_readable(members, before) if members else None
        return [self._keep_as_empty(PlannedFile(path, content, 0o600, shared=True, show=show_logins({*owned, *recorded})))]

    def _keep_as_empty(self, file: PlannedFile) -> PlannedFile:
        """Return FILE. A file without entries is kept as an empty object if an earlier run did not create it."""
        if file.content is not None or file.path in self._before.created or self._host.read(file.path) is None:
            return file
        return dataclasses.replace(file, content=encode_readable({}))

    # The files of the host.

    def _own_files(self, engine: str) -> list[str]:
        """Return the files of an engine that this module wrote completely."""
        folder = self._layout.certificates(engine)
        paths = [f"{folder}/{host}/{name}" for host in self._host.names(folder) for name in self._host.names(f"{folder}/{host}")]
        if engine == "podman":
            paths += [self._layout.registries_conf, *([self._layout.registries_d] if self._trust is not None else [])]
        if engine in _KUBERNETES:
            paths.append(f"{self._layout.rancher}/{engine}/registries.yaml")
        return [path for path in paths if self._has_mark(path)]

    def _has_mark(self, path: str) -> bool:
        return not self._host.is_folder(path) and has_mark(self._host.read(path) or b"")

    def _refuse_foreign(self, files: t.Iterable[PlannedFile]) -> None:
        """Raise InvalidOption if somebody else wrote a file that this module would have to replace, and its content is different."""
        foreign = [
            self._host.real(file.path)
            for file in files
            if not file.shared and file.content is not None and self._change(file) is not None and not self._may_replace(file)
        ]
        if foreign:
            raise InvalidOption(
                f"nothing was written: {', '.join(foreign)} {'was' if len(foreign) == 1 else 'were'} written by somebody else, and"
                f" {'is' if len(foreign) == 1 else 'are'} not overwritten; delete {'it' if len(foreign) == 1 else 'them'}, or leave this registry out"
            )

    def _may_replace(self, file: PlannedFile) -> bool:
        before = self._host.read(file.path)
        return before is None or has_mark(before)

    def _change(self, file: PlannedFile) -> FileChange | None:
        """Return the change that a file needs, None if it needs none."""
        before = self._host.read(file.path)
        mode = self._host.mode(file.path)
        new_mode = file.mode if file.mode is not None else mode if mode is not None else 0o644
        is_equal = before == file.content or (before is not None and not file.shared and _is_equivalent(before, file))
        if is_equal and (before is None or mode == new_mode or not (has_mark(before) or file.shared)):
            return None
        return FileChange(file, self._host.real(file.path), before, new_mode)

    def _is_reload_needed(self, engine: str, path: str) -> bool:
        """Return True if an engine reads a file only when it starts or is reloaded."""
        if engine in _KUBERNETES:
            return True
        return path in (f"{self._layout.containerd}/config.toml", f"{self._layout.docker}/daemon.json")

    def _record_created(self, changes: t.Sequence[FileChange]) -> list[str]:
        """Record the files and folders that this run creates. Return the recorded folders that it leaves empty, the innermost first."""
        host = self._host
        deleted = {change.file.path for change in changes if change.file.content is None}
        written = [change.file.path for change in changes if change.file.content is not None]
        new = {folder for path in written for folder in missing_folders(path, host.is_folder)}
        created = {change.file.path for change in changes if change.file.shared and change.before is None} - {self._layout.policy}
        empty: list[str] = []
        for folder in sorted(self._before.folders, key=len, reverse=True):
            left = {f"{folder}/{name}" for name in host.names(folder)} - deleted - set(empty)
            if not left and host.is_folder(folder) and not any(path.startswith(f"{folder}/") for path in written):
                empty.append(folder)
        kept = [folder for folder in self._before.folders if folder not in empty and host.is_folder(folder)]
        self._after = dataclasses.replace(
            self._after, created=tuple(({*self._before.created} - deleted) | created), folders=tuple(dict.fromkeys([*kept, *sorted(new)]))
        )
        return empty

    def _states(self, changes: t.Sequence[FileChange], files: t.Sequence[PlannedFile]) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
        """Return the files before and after as a diff may show them. If only secrets change, a sentence says so."""
        before: dict[str, t.Any] = {}
        after: dict[str, t.Any] = {}
        changed = {change.file.path: change for change in changes}
        for file in files:
            path = self._host.real(file.path)
            change = changed.get(file.path)
            old = change.before if change is not None else file.content
            # A shared file without entries of this module is not shown.
            for state, content in ((before, old), (after, file.content)):
                shown = file.show(content) if content is not None else None
                if shown:
                    state[path] = shown
            if change is not None and old != file.content and before.get(path) == after.get(path):
                before[path] = "the same with other secrets"
        return before, after

    # TOML.

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


def _is_equivalent(before: bytes, file: PlannedFile) -> bool:
    """Return True if somebody else's file has the same content as FILE except for the mark, so that it need not be replaced."""
    return file.content is not None and before == file.content.partition(b"\n")[2]
