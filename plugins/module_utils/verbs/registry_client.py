# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan the files by which engines reach registries, from one list of registries."""

from __future__ import annotations

import dataclasses
import typing as t

from ..client_files.engine_files import EngineFiles, describe_unsupported
from ..client_files.entries import ClientEntry, Contents
from ..client_files.host_files import ChangeFiles, FileChange, HostFiles, missing_folders
from ..client_files.layout import Layout, Record
from ..client_files.planned_file import PlannedFile, has_mark
from ..client_files.policy import TrustRule
from ..errors import InvalidOption
from .state_plan import StatePlan

_MAX_SENTENCES = 5


def plan_registry_client(
    entries: t.Sequence[ClientEntry],
    engines: t.Sequence[str],
    trust: t.Sequence[TrustRule] | None,
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
    host = HostFiles(root)
    recorded = host.read(layout.record)
    record = Record.parse(recorded, host.real(layout.record)) if recorded is not None else Record()
    return _Planner(engines, host, layout, record, EngineFiles(entries, trust, contents, host, layout, record)).plan()


def _refuse_unsupported(entries: t.Sequence[ClientEntry], engines: t.Sequence[str], trust: t.Sequence[TrustRule] | None) -> None:
    names = [entry.name for entry in entries]
    for entry in entries:
        if names.count(entry.name) > 1:
            raise InvalidOption(f"{entry.name} is there twice; give all of its settings in one entry")
        if entry.denied and not entry.mirrors:
            raise InvalidOption(f"{entry.name} has no mirrors, so upstream: deny or mirror_only leaves nothing to pull from; use blocked for that")
        if entry.blocked and entry.mirrors:
            raise InvalidOption(f"{entry.name} is blocked, and has mirrors; leave out one of them")
    found = [sentence for engine in engines for entry in entries for sentence in describe_unsupported(engine, entry)]
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


class _Planner:
    """Compares the files that engines need with those of the host."""

    def __init__(self, engines: t.Sequence[str], host: HostFiles, layout: Layout, before: Record, files: EngineFiles) -> None:
        self._engines = engines
        self._host = host
        self._layout = layout
        self._before = before
        self._files = files

    def plan(self) -> StatePlan:
        files: dict[str, PlannedFile] = {}
        reloads = []
        for engine in self._engines:
            needed = self._files.list_needed(engine)
            obsolete = [PlannedFile(path, None) for path in self._files.list_own(engine) if path not in {file.path for file in needed}]
            files.update({file.path: file for file in [*needed, *obsolete]})
            if any(self._change(file) is not None for file in [*needed, *obsolete] if self._files.is_reload_needed(engine, file.path)):
                reloads.append(engine)
        self._refuse_foreign(files.values())
        changes = [change for change in map(self._change, files.values()) if change is not None]
        return self._make_plan(changes, list(files.values()), reloads)

    def _make_plan(self, changes: list[FileChange], files: list[PlannedFile], reloads: list[str]) -> StatePlan:
        emptied = self._find_emptied(changes)
        record_path, record_after = self._host.real(self._layout.record), self._record_after(changes, emptied)
        folders = tuple(map(self._host.real, emptied))
        actions = [change.action for change in changes] + [f"delete the empty folder {folder}" for folder in folders]
        recorded, new_record = self._host.read(self._layout.record), record_after.to_bytes()
        if recorded != new_record:
            actions.append(f"{'delete' if new_record is None else 'write' if recorded is None else 'change'} {record_path}")
        step = ChangeFiles(tuple(changes), folders, record_path, self._before, record_after)
        return StatePlan(
            [],
            {"reload": reloads, "paths": [change.path for change in changes]},
            steps=[step] if actions else [],
            extra_actions=tuple(actions),
            states=self._states(changes, files),
        )

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

    def _find_emptied(self, changes: t.Sequence[FileChange]) -> list[str]:
        """Return the folders of earlier runs that this run leaves empty, the innermost first."""
        deleted = {change.file.path for change in changes if change.file.content is None}
        written = [change.file.path for change in changes if change.file.content is not None]
        emptied: list[str] = []
        for folder in sorted(self._before.folders, key=len, reverse=True):
            left = {f"{folder}/{name}" for name in self._host.names(folder)} - deleted - set(emptied)
            if not left and self._host.is_folder(folder) and not any(path.startswith(f"{folder}/") for path in written):
                emptied.append(folder)
        return emptied

    def _record_after(self, changes: t.Sequence[FileChange], emptied: t.Sequence[str]) -> Record:
        """Return the record with the files and folders that this run creates, and without those that it deletes."""
        deleted = {change.file.path for change in changes if change.file.content is None}
        new = {folder for change in changes if change.file.content is not None for folder in missing_folders(change.file.path, self._host.is_folder)}
        created = {change.file.path for change in changes if change.file.shared and change.before is None} - {self._layout.policy}
        kept = [folder for folder in self._before.folders if folder not in emptied and self._host.is_folder(folder)]
        return dataclasses.replace(
            self._files.record,
            created=tuple(({*self._before.created} - deleted) | created),
            folders=tuple(dict.fromkeys([*kept, *sorted(new)])),
        )

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


def _is_equivalent(before: bytes, file: PlannedFile) -> bool:
    """Return True if somebody else's file has the same content as FILE except for the mark, so that it need not be replaced."""
    return file.content is not None and before == file.content.partition(b"\n")[2]
